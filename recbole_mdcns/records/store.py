"""The folder of a sweep: one JSON record per trial, its checkpoints, and a lock."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.entries import Entry
from recbole_mdcns.records.files import read_text, write_record
from recbole_mdcns.records.parts import TrialId
from recbole_mdcns.records.record import AnyRecord, read_json, read_record
from recbole_mdcns.support.file_locks import held
from recbole_mdcns.support.safe_write import make_folder, remove_abandoned, replacing

#: The file in the folder of a trial that says that it has begun, and how often.
BEGUN = "begun.json"
_ENDING = ".json"


class Store:
    """Records and checkpoints below one folder, reachable from every node of a cluster.

    Reading needs no permission to write, and makes nothing: the folder is made by :meth:`locked` and by what writes.

    Args:
        folder: The sweep's own folder; it need not be there.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).absolute()
        self.records = self.folder / "records"

    def make(self) -> None:
        """Make the folder where it is missing.

        Raises:
            ConfigError: It cannot be made, or not be written to.
            WriteError: The disk is full.
        """
        try:
            make_folder(self.records)
        except OSError as error:
            raise ConfigError(f"storage {self.folder} cannot be used: {error.strerror}") from None
        if not os.access(self.records, os.W_OK):
            raise ConfigError(f"storage {self.folder} cannot be used: it is not writable")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and lock it for one driver; a crash releases it.

        Raises:
            ConfigError: It cannot be written to, or another sweep holds it.
            WriteError: The lock cannot be written.
        """
        self.make()
        lock = FileLock(str(self.folder / ".lock"))
        taken = ConfigError(f"another sweep is running in {self.folder}: wait for it, or give another --storage")
        with held(lock, f"the sweep in {self.folder}", taken):
            remove_abandoned(self.records)
            yield

    def trial_folder(self, key: str) -> Path:
        """Return where a trial keeps its checkpoints and logs."""
        return self.folder / "trials" / key

    def record(self, key: str) -> AnyRecord | None:
        """Return the record of a trial, if there is one.

        Raises:
            ConfigError: It is damaged, of another trial, or of another version of the schema.
        """
        path = self.records / f"{key}{_ENDING}"
        try:
            record = read_record(read_text(path, "record"), str(path))
        except FileNotFoundError:
            return None
        if record.trial.key != key:
            raise ConfigError(f"record {path} belongs to a single run, or to a trial of another name: remove it")
        return record

    def all_records(self) -> list[AnyRecord]:
        """Return all records, ordered by key.

        Raises:
            ConfigError: The folder cannot be read, or see :meth:`record`.
        """
        records = (self.record(name[: -len(_ENDING)]) for name in self._names())
        return [record for record in records if record is not None]

    def described(self) -> str:
        """Return a line for the user: where the records are, and how many.

        Raises:
            ConfigError: The folder cannot be read.
        """
        number = len(self._names())
        if not self.folder.is_dir():
            return f"records: none, {self.folder} does not exist"
        return f"records: {number or 'none'} in {self.folder}"

    def _names(self) -> list[str]:
        """Return the names of the files of records; none where there is no folder yet."""
        try:
            return sorted(name for name in os.listdir(self.records) if name.endswith(_ENDING))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"storage {self.folder} cannot be read: {error.strerror}") from None

    def write(self, record: AnyRecord) -> None:
        """Write a record, whole or not at all.

        Raises:
            ConfigError: The folder cannot be written to.
            WriteError: The record cannot.
        """
        if not self.records.is_dir():
            self.make()
        write_record(record, self.records / f"{record.trial.key}{_ENDING}")

    def begin(self, trial: TrialId) -> int:
        """Note that a trial begins, for the first time or again, and return how often it has begun."""
        attempts = self.attempts(trial.key) + 1
        self._note(trial, attempts)
        return attempts

    def attempts(self, key: str) -> int:
        """Return how often a trial has begun since its last new start."""
        path = self.trial_folder(key) / BEGUN
        return _read_note(path)[1] if path.is_file() else 0

    def renew(self, key: str) -> None:
        """Give a trial a new start: forget that it failed, and how often it has begun."""
        (self.records / f"{key}{_ENDING}").unlink(missing_ok=True)
        if self.attempts(key):
            trial, _ = _read_note(self.trial_folder(key) / BEGUN)
            self._note(trial, 0)

    def begun(self) -> list[TrialId]:
        """Return every trial that has begun, with or without a record."""
        notes = sorted(self.folder.glob(f"trials/*/{BEGUN}"))
        return [_trial_of(path, path.stat().st_mtime_ns) for path in notes]

    def _note(self, trial: TrialId, attempts: int) -> None:
        with replacing(self.trial_folder(trial.key) / BEGUN) as file:
            file.write(json.dumps({"trial": trial.to_json(), "attempts": attempts}).encode())


@functools.cache
def _trial_of(path: Path, changed: int) -> TrialId:
    """Return the trial of a note, which is read once as long as it does not change: a search asks again and again."""
    return _read_note(path)[0]


def _read_note(path: Path) -> tuple[TrialId, int]:
    """Return what is noted of a trial that has begun: which it is, and how often it has begun since its new start.

    Raises:
        ConfigError: The note is damaged, incomplete, or of another trial than its folder; names the file.
    """
    entry = Entry(read_json(read_text(path, "note"), f"note {path}"), str(path))
    entry.allow_only("trial", "attempts")
    trial, attempts = TrialId.from_entry(entry["trial"]), entry["attempts"].whole()
    if trial.key != path.parent.name:
        raise entry["trial"]["key"].refuse(f"{path.parent.name}, the name of its folder")
    return trial, attempts
