"""Many records in one small file: a line of JSON each, compressed, the same bytes for the same records."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.record_shape import check_shape
from recbole_mdcns.records.single_run import as_trial
from recbole_mdcns.records.stored import checked_record, read_text
from recbole_mdcns.support.safe_write import replacing

#: What packed records end in.
SUFFIX = ".jsonl.xz"


def pack_records(records: Iterable[dict[str, Any]], path: Path) -> None:
    """Write records into one file, ordered by key."""
    import lzma  # some Pythons are built without it

    ordered = sorted(records, key=lambda record: record["trial"]["key"])
    with replacing(path) as file, lzma.open(file, "wb") as packed:
        for record in ordered:
            packed.write(json.dumps(record, separators=(",", ":"), sort_keys=True).encode() + b"\n")


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read packed records, all packed records in a folder, those in the folder of a sweep, or those of single runs.

    Each is checked, and that of a single run is returned as that of a trial; see :func:`as_trial`.

    Raises:
        ConfigError: There are none, one is damaged or incomplete, or one is of another version of the schema.
    """
    import lzma

    packs = sorted(path.glob(f"*{SUFFIX}"))
    if packs:
        return [record for pack in packs for record in read_records(pack)]
    if path.is_dir():
        files = sorted((path / "records" if (path / "records").is_dir() else path).glob("*.json"))
        lines = [(str(file), read_text(file, "record")) for file in files]
    elif path.suffix == ".json":
        lines = [(str(path), read_text(path, "record"))]
    else:
        try:
            with lzma.open(path, "rt", encoding="utf-8") as packed:
                lines = [(f"{path}, line {number}", line) for number, line in enumerate(packed, start=1)]
        except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} holds no packed records: {error}") from None
    if not lines:
        raise ConfigError(f"{path} holds no records")
    records = [(as_trial(checked_record(text, where), where), where) for where, text in lines]
    for record, where in records:
        check_shape(record, where)
    return [record for record, _ in records]
