"""A file lock on any file system, also where there are none."""

from __future__ import annotations

from logging import getLogger
from pathlib import Path

from filelock import FileLock

from recbole_mdcns.errors import DISK_ERRORS, WriteError, reason_of


def acquire(lock: FileLock, wait: float, what: str) -> bool:
    """Acquire a lock, whose folder is made if it is missing.

    Args:
        lock: The lock.
        wait: Seconds to wait for another process to release it.
        what: What is locked, for a warning where the file system has no locks.

    Returns:
        Whether the lock is held; False where the file system has none.

    Raises:
        Timeout: Another process holds it.
        WriteError: Its folder cannot be written to.
    """
    path = Path(lock.lock_file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait)
        return True
    except TimeoutError:
        raise
    except (OSError, NotImplementedError) as error:
        if isinstance(error, PermissionError) or getattr(error, "errno", None) in DISK_ERRORS:
            raise WriteError(path, reason_of(error)) from None
        getLogger().warning(f"{what} cannot be locked ({reason_of(error)}): do not start it in a second process")
        return False
