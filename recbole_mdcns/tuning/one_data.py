"""All records of a sweep must have the same data: results of a changed file are never averaged with older ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from recbole.utils.argument_list import dataset_arguments

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.record import Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.support.safe_write import replacing
from recbole_mdcns.tuning.grid import Trial

#: Keys that decide what is read from a dataset's files; RecBole does not list the last two among its own.
READ = (*dataset_arguments, "dataset", "encoding", "discretization", "numerical_features")


def check_one_data(records: Iterable[Record]) -> None:
    """Refuse records that read the same dataset in the same way and got other sequences from it.

    Records of version 0.1.0 have no fingerprint, and are left out.

    Raises:
        ConfigError: Names the dataset and two of the trials.
    """
    seen: dict[str, Record] = {}
    for record in records:
        if record.data.fingerprint is None:
            continue
        other = seen.setdefault(_reading(record.config), record)
        if other.data.fingerprint != record.data.fingerprint:
            raise _differ(f"records {other.trial.key} and {record.trial.key}", record.dataset)


def note_data(store: Store, records: Iterable[Record]) -> None:
    """Note one record of a store for each way of reading a dataset, which new trials are compared with."""
    known = {_note(store, record.config): record for record in records if record.data.fingerprint is not None}
    for note, record in known.items():
        if _noted(store, note) is None:
            _write(note, record.trial.key)


def check_unchanged(store: Store, trial: Trial, fingerprint: str) -> None:
    """Refuse to train on files that changed since the noted record; note the trial where there is none.

    Args:
        store: The store.
        trial: What is about to be trained.
        fingerprint: That of the sequences it will be trained on.

    Raises:
        ConfigError: The data differ; names the dataset and both trials.
    """
    note = _note(store, trial.values)
    record = _noted(store, note)
    if record is None:
        _write(note, trial.id.key)
    elif record.data.fingerprint != fingerprint:
        raise _differ(f"record {record.trial.key} and trial {trial.id.key}", record.dataset)


def _reading(values: Mapping[str, Any]) -> str:
    return json.dumps({name: values.get(name) for name in READ}, sort_keys=True)


def _note(store: Store, values: Mapping[str, Any]) -> Path:
    digest = hashlib.blake2b(_reading(values).encode(), digest_size=8).hexdigest()
    return store.folder / "data" / f"{digest}.txt"


def _noted(store: Store, note: Path) -> Record | None:
    """Return the record that a note names; None if there is no note, or its record was removed."""
    try:
        record = store.record(note.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return record if isinstance(record, Record) else None


def _write(note: Path, key: str) -> None:
    note.parent.mkdir(exist_ok=True)
    with replacing(note) as file:
        file.write(key.encode())


def _differ(both: str, dataset: str) -> ConfigError:
    return ConfigError(
        f"{both} differ in data: the files of {dataset!r} changed between them; give the new data another name, or "
        "another --storage"
    )
