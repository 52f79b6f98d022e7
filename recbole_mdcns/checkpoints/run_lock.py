"""Only one process at a time can train a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from recbole_mdcns.errors import CheckpointError
from recbole_mdcns.support.file_locks import acquire


class RunLock:
    """The lock of a run's files; the system releases it whenever the process ends, even by a crash.

    Args:
        best: The run's file of the best self model; the lock is a hidden file next to it.
    """

    def __init__(self, best: Path):
        self.path = best.with_name(f".{best.stem}.lock")
        self.run = best.with_name(f"{best.stem}-last.pth")
        self._lock = FileLock(str(self.path))

    @contextlib.contextmanager
    def held(self, wait: float = 0) -> Iterator[None]:
        """Hold the lock; the same object may hold it more than once.

        Args:
            wait: Seconds to wait for another process to release it.

        Raises:
            CheckpointError: Another process trains the run.
            WriteError: Its folder cannot be written to.
        """
        is_locked = self._acquire(wait)
        try:
            yield
        finally:
            if is_locked:
                self._lock.release()

    def _acquire(self, wait: float) -> bool:
        """Acquire the lock; return False where the file system has none."""
        try:
            return acquire(self._lock, wait, "the run")
        except Timeout:
            raise CheckpointError(
                f"the run of {self.run} is being trained by another process: wait until it has ended, or leave resume "
                "out to train from scratch"
            ) from None
