"""All records of a sweep must have the same data: results of a changed file are never averaged with older ones."""

from __future__ import annotations

import json
from collections.abc import Iterable

from recbole.utils.argument_list import dataset_arguments

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.record import Record

#: Keys that decide which lines and columns of a dataset's files are read.
_READ = (*dataset_arguments, "dataset", "encoding")


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
        reading = json.dumps({name: record.config.get(name) for name in _READ}, sort_keys=True)
        other = seen.setdefault(reading, record)
        if other.data.fingerprint != record.data.fingerprint:
            raise ConfigError(
                f"records {other.trial.key} and {record.trial.key} differ in data: the files of {record.dataset!r} "
                "changed between them; give the new data another name, or another --storage"
            )
