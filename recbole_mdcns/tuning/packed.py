"""Many records in one small file: a line of JSON each, compressed, the same bytes for the same records."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.files import replacing
from recbole_mdcns.tuning.store import checked_record

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
    """Read packed records, all packed records in a folder, or those in the folder of a sweep.

    Raises:
        ConfigError: There are none, one is damaged, or one is of another version of the schema.
    """
    import lzma

    packs = sorted(path.glob(f"*{SUFFIX}"))
    if packs:
        return [record for pack in packs for record in read_records(pack)]
    if path.is_dir():
        files = sorted((path / "records" if (path / "records").is_dir() else path).glob("*.json"))
        lines = [(str(file), file.read_text(encoding="utf-8")) for file in files]
    else:
        try:
            with lzma.open(path, "rt", encoding="utf-8") as packed:
                lines = [(f"{path}, line {number}", line) for number, line in enumerate(packed, start=1)]
        except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} holds no packed records: {error}") from None
    if not lines:
        raise ConfigError(f"{path} holds no records")
    return [checked_record(text, where) for where, text in lines]
