"""Ray, started on this machine or joined as a cluster."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from recbole_mdcns.errors import ConfigError


def start_ray(missing: str, address: str | None = None, logs: bool = False, dashboard: bool = False) -> bool:
    """Start Ray on this machine, or join a cluster, unless this has been done.

    Args:
        missing: The message if Ray is not installed: what needs Ray, and what works without it; ``{}`` is the reason.
        address: Address of a running cluster, or ``auto``; None starts Ray here.
        logs: Show what the workers print.
        dashboard: Start Ray's dashboard, if Ray is started here.

    Returns:
        Whether this call has started or joined it; then ``ray.shutdown()`` ends or leaves it.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers.
    """
    on_sigterm = signal.getsignal(signal.SIGTERM)  # Ray's own, set when 2.6 is imported, ends the process at once
    try:
        import ray
    except ImportError as error:
        raise ConfigError(missing.format(error)) from error
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    options: dict[str, Any] = {} if address else {"include_dashboard": dashboard}
    try:
        # without an address Ray would first look for a cluster, and one that crashed leaves traces
        ray.init(address=address or "local", log_to_driver=logs, **options)
        if callable(on_sigterm) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)
    except (ConnectionError, ValueError) as error:  # the latter where it is no address
        raise ConfigError(
            f"no Ray cluster answers at --address={address}: {error}; give auto, HOST:PORT or ray://HOST:PORT"
        ) from None
    return True
