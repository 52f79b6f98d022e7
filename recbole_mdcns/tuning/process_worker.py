"""A worker process of a sweep on one machine: it does the jobs that the driver sends, one after the other.

This module imports little: what the environment says of GPUs and threads is set before torch is imported.
"""

from __future__ import annotations

import copy
import os
import threading
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recbole_mdcns.errors import UserError


def work(jobs: Connection, log: str, environment: dict[str, str]) -> None:
    """Do jobs until the driver closes the connection, or ends.

    The answer to a job is None, or the ``UserError`` that it raised. Any other error ends the process; its log has the
    traceback, and the driver sees the end.

    Args:
        jobs: Sends a function, a trial, a store and further arguments: ``function(trial, store, dataset, *more)``.
        log: File for what this process prints.
        environment: Variables to set.
    """
    os.environ.update(environment)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    tqdm.set_lock(threading.RLock())  # its own lock is shared by processes: multiprocessing warns of it after a kill
    with open(log, "wb", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    data = _Data()
    while True:
        try:
            function, trial, store, more = jobs.recv()
        except EOFError:
            return
        answer = None
        try:
            function(trial, store, data.of(trial), *more)
        except UserError as error:
            answer = error
        jobs.send(answer)


def train(trial: Any, store: Any, dataset: Any, hours: float | None, retries: int, threads: int) -> None:
    """Train a trial; see ``run_trial``."""
    from recbole_mdcns.tuning.trial import run_trial

    run_trial(trial, store, dataset, None, hours, retries, threads)


def last_line(log: str | None) -> str:
    """Return the last line of what a worker printed, or of what Ray wrote about it."""
    path = Path(log or "")
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines() if path.is_file() else []
    return lines[-1] if lines else "it said no more"


@dataclass
class _Data:
    """The dataset that was used last: reading it again takes longer than the copy that a trial consumes."""

    key: str | None = None
    dataset: Any = None

    def of(self, trial: Any) -> Any:
        """Return a copy of a trial's dataset."""
        from recbole_mdcns.config.run_config import MDCNSConfig
        from recbole_mdcns.data.load import load_dataset
        from recbole_mdcns.tuning.engine import data_key

        if self.key != data_key(trial.values):
            self.key = self.dataset = None  # two at a time would need the memory of two
            self.dataset = load_dataset(MDCNSConfig.from_plain(trial.values, **trial.paths))
            self.key = data_key(trial.values)
        return copy.deepcopy(self.dataset)


def _end_with_driver() -> None:
    """End this process when its driver has ended, however that was."""
    driver = parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)
