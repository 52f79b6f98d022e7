"""Records of one sweep are of one data: a file that changed in between must not end in one mean."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from recbole.utils.argument_list import dataset_arguments

from recbole_mdcns.errors import ConfigError

#: Keys that decide which lines and columns of a dataset's files are read.
_READ = (*dataset_arguments, "dataset", "encoding")


def check_one_data(records: Iterable[dict[str, Any]]) -> None:
    """Refuse records that read the same dataset in the same way and found other sequences in it.

    Records of versions before have no fingerprint, and are left out.

    Raises:
        ConfigError: Names the dataset and two of the trials.
    """
    seen: dict[str, tuple[str, str]] = {}
    for record in records:
        found = (record.get("data") or {}).get("fingerprint")
        if found is None:
            continue
        key = record["trial"]["key"]
        reading = json.dumps({name: record["config"].get(name) for name in _READ}, sort_keys=True)
        other, other_key = seen.setdefault(reading, (found, key))
        if other != found:
            raise ConfigError(
                f"records {other_key} and {key} are of other data: the files of {record['dataset']!r} changed between "
                "them; give the new data another name, or another --storage"
            )
