"""Only one process at a time can train a run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock

from recbole_mdcns.errors import CheckpointError
from recbole_mdcns.support.file_locks import held


class RunLock:
    """The lock of a run's files; the system releases it whenever the process ends, even by a crash.

    Args:
        best: The run's file of the best self model; the lock is a hidden file next to it.
    """

    def __init__(self, best: Path):
        self.path = best.with_name(f".{best.stem}.lock")
        self._lock = FileLock(str(self.path))
        self._taken = CheckpointError(
            f"the run of {best.with_name(f'{best.stem}-last.pth')} is being trained by another process: wait until it "
            "has ended, or leave resume out to train from scratch"
        )

    def held(self, wait: float = 0) -> AbstractContextManager[None]:
        """Hold the lock; the same object may hold it more than once.

        Args:
            wait: Seconds to wait for another process to release it.

        Raises:
            CheckpointError: Another process trains the run.
            WriteError: Its folder cannot be written to.
        """
        return held(self._lock, "the run", self._taken, wait)
