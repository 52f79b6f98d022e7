"""All records of a sweep must have the same data: results of a changed file are never averaged with older ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from recbole.utils.argument_list import dataset_arguments

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.parts import Data
from recbole_mdcns.records.record import Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.support.safe_write import replacing
from recbole_mdcns.tuning.grid import Trial

#: Keys that decide what is read from a dataset's files; RecBole does not list the last two among its own.
READ = (*dataset_arguments, "dataset", "encoding", "discretization", "numerical_features")
_SPLIT = ("protocol", "eval_args", "split_ratio", "split_seed", "split_file", "eval_prefixes")
#: The fields of a record's data that are compared: between which records, those with the same keys; and what they are.
COMPARED = {
    "fingerprint": (READ, "the files"),
    "split_fingerprint": ((*READ, *_SPLIT), "the split"),
    "sampler_fingerprint": ((*READ, "neg_sampler", "exposure_file"), "what the sampler reads"),
}


def check_one_data(records: Iterable[Record]) -> None:
    """Refuse records that read the same dataset in the same way and got other sequences, or another split, from it.

    What older records have no fingerprint of is not compared.

    Raises:
        ConfigError: Names the dataset and two of the trials.
    """
    seen: dict[tuple[str, str], Record] = {}
    for record in records:
        for name, value in _known(record.data):
            other = seen.setdefault((name, _reading(record.config, name)), record)
            if getattr(other.data, name) != value:
                raise _differ(f"records {other.trial.key} and {record.trial.key}", name, record.dataset)


def note_data(store: Store, records: Iterable[Record]) -> None:
    """Note one record of a store for each way of reading a dataset, which new trials are compared with."""
    known = {_note(store, record.config, name): record for record in records for name, _ in _known(record.data)}
    for note, record in known.items():
        if _noted(store, note) is None:
            _write(note, record.trial.key)


def check_unchanged(store: Store, trial: Trial, found: Mapping[str, str]) -> None:
    """Refuse to train on files that changed since the noted record; note the trial where there is none.

    Args:
        store: The store.
        trial: What is about to be trained.
        found: Fingerprints of what it will be trained on, by field of :class:`Data`.

    Raises:
        ConfigError: The data differ; names the dataset and both trials.
    """
    for name, value in found.items():
        note = _note(store, trial.values, name)
        record = _noted(store, note)
        if record is None:
            _write(note, trial.id.key)
        elif getattr(record.data, name) != value:
            raise _differ(f"record {record.trial.key} and trial {trial.id.key}", name, record.dataset)


def _known(data: Data) -> list[tuple[str, str]]:
    return [(name, getattr(data, name)) for name in COMPARED if getattr(data, name) is not None]


def _reading(values: Mapping[str, Any], name: str) -> str:
    keys, _ = COMPARED[name]
    return json.dumps({key: values.get(key) for key in keys}, sort_keys=True)


def _note(store: Store, values: Mapping[str, Any], name: str) -> Path:
    digest = hashlib.blake2b(_reading(values, name).encode(), digest_size=8).hexdigest()
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


def _differ(both: str, name: str, dataset: str) -> ConfigError:
    _, what = COMPARED[name]
    return ConfigError(
        f"{both} differ in data: {what} of {dataset!r} changed between them; give the new data another name, or "
        "another --storage"
    )
