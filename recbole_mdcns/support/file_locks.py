"""A file lock on any file system, also where there are none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from logging import getLogger
from pathlib import Path

from filelock import FileLock, Timeout

from recbole_mdcns.errors import DISK_ERRORS, UserError, WriteError, reason_of


@contextlib.contextmanager
def held(lock: FileLock, what: str, taken: UserError, wait: float = 0) -> Iterator[None]:
    """Hold a lock, whose folder is made if it is missing; the same lock may be held more than once.

    Args:
        lock: The lock.
        what: What is locked, for a warning where the file system has no locks.
        taken: The error if another process holds it.
        wait: Seconds to wait for another process to release it.

    Raises:
        UserError: Another process holds it.
        WriteError: Its folder cannot be written to.
    """
    path, is_locked = Path(lock.lock_file), True
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait)
    except Timeout:
        raise taken from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, PermissionError) or getattr(error, "errno", None) in DISK_ERRORS:
            raise WriteError(path, reason_of(error)) from None
        getLogger().warning(f"{what} cannot be locked ({reason_of(error)}): do not start it in a second process")
        is_locked = False
    try:
        yield
    finally:
        if is_locked:
            lock.release()
