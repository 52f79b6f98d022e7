"""Files of records: JSON files with one record each, or compressed files with a record per line and fixed bytes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from recbole_mdcns.errors import ConfigError, reason_of
from recbole_mdcns.records.record import AnyRecord, read_record
from recbole_mdcns.support.safe_write import replacing

#: The ending of files of packed records.
SUFFIX = ".jsonl.xz"


def write_record(record: AnyRecord, path: str | Path) -> None:
    """Write a record as JSON, whole or not at all."""
    with replacing(Path(path)) as file:
        file.write(json.dumps(record.to_json(), indent=1, allow_nan=False).encode() + b"\n")


def pack_records(records: Iterable[AnyRecord], path: Path) -> None:
    """Write records into one file, ordered by key."""
    import lzma  # some Pythons are built without it

    ordered = sorted(records, key=lambda record: record.trial.key)
    with replacing(path) as file, lzma.open(file, "wb") as packed:
        for record in ordered:
            packed.write(json.dumps(record.to_json(), separators=(",", ":"), sort_keys=True).encode() + b"\n")


def read_records(path: Path) -> list[AnyRecord]:
    """Read the records of a file, or all packed and single ones of a folder, which may be that of a sweep.

    Raises:
        ConfigError: There are none, one is damaged or incomplete, or one is of another version of the schema.
    """
    records = [read_record(text, where) for where, text in texts(path)]
    if not records:
        raise ConfigError(f"{path} holds no records")
    return records


def texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the records of a file or folder as text, each with where it is: a file, or a file and a line.

    Raises:
        ConfigError: A file cannot be read.
    """
    import lzma

    if path.is_dir():
        packs = sorted(path.glob(f"*{SUFFIX}"))
        singles = sorted((path / "records" if (path / "records").is_dir() else path).glob("*.json"))
        for file in [*packs, *singles]:
            with contextlib.suppress(FileNotFoundError):  # a sweep has just begun a failed trial again
                yield from texts(file)
    elif path.suffix == ".json":
        yield str(path), read_text(path, "record")
    else:
        try:
            with lzma.open(path, "rt", encoding="utf-8") as packed:
                lines = list(packed)
        except OSError as error:
            raise ConfigError(
                f"records {path} cannot be read: {reason_of(error)}; give the folder of a sweep, or a file *{SUFFIX}"
            ) from None
        except (EOFError, lzma.LZMAError, UnicodeDecodeError):
            raise ConfigError(f"{path} holds no packed records: it is not a whole file *{SUFFIX}") from None
        yield from ((f"{path}, line {number}", line) for number, line in enumerate(lines, start=1))


def read_text(path: Path, what: str) -> str:
    """Read a file of ours.

    Raises:
        FileNotFoundError: There is none.
        ConfigError: It cannot be read, or is not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} {path} is damaged (byte {error.start} is not UTF-8): remove it") from None
