"""What is read back from the folder of a sweep: records, and notes of trials that have begun, each checked."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.record import SCHEMA_VERSION
from recbole_mdcns.support.path_names import checked_name

FINISHED, FAILED, STOPPED = "finished", "failed", "stopped"
_NUMBER, _TEXT = (int, float), (str, type(None))
#: Entries of a trial, of one that failed and of one that did not, that a sweep reads, and their types.
_OF_TRIAL: dict[str, Any] = {"key": str, "cell": dict, "setting": dict, "seed": int}
_OF_FAILED: dict[str, Any] = {"error": str}
_OF_TRAINED: dict[str, Any] = {
    "epochs": list,
    "config": dict,
    "valid": dict,
    "valid_metric": str,
    "best_valid_score": (*_NUMBER, type(None)),
    "seconds_per_epoch": _NUMBER,
    "test": (dict, type(None)),
}


def read_text(path: Path, what: str) -> str:
    """Read a file of ours.

    Raises:
        FileNotFoundError: There is none.
        ConfigError: It cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} {path} is damaged (byte {error.start} is not UTF-8): remove it") from None


def checked_record(text: str, where: str) -> dict[str, Any]:
    """Return the record that a text holds; what it says of a trial is whole.

    Raises:
        ConfigError: It is damaged, incomplete, or of another version of the schema; names where it is.
    """
    record = _read_dict(text, f"record {where}")
    if record.get("schema") != SCHEMA_VERSION:
        raise ConfigError(
            f"record {where} has schema {record.get('schema')!r}, this version writes {SCHEMA_VERSION}: use another "
            "--storage"
        )
    if "trial" in record or "status" in record:  # a single run's record has neither
        _check_trial(record, f"record {where}")
    return record


def checked_note(path: Path) -> dict[str, Any]:
    """Return the note of a trial that has begun.

    Raises:
        ConfigError: It is damaged, incomplete, or of another trial than its folder; names the file.
    """
    note = _read_dict(read_text(path, "note"), f"note {path}")
    _check_described(note, f"note {path}")
    _check_types(note, {"attempts": int}, f"note {path}")
    if note["key"] != path.parent.name:
        raise ConfigError(f"note {path} is damaged: key = {note['key']!r} is not the name of its folder")
    return note


def _read_dict(text: str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_constant=_refuse)
        if not isinstance(found, dict):
            raise ValueError(f"it holds {text[:20]!r}")
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what} is damaged ({error}): remove it, and the trial runs again") from None
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _check_trial(record: dict[str, Any], what: str) -> None:
    _check_types(record, {"trial": dict, "status": str}, what)
    _check_described(record["trial"], what)
    status = record["status"]
    if status not in (FINISHED, FAILED, STOPPED):
        raise ConfigError(f"{what} is damaged: status = {status!r}, expected finished, failed or stopped")
    if status == FAILED:
        _check_types(record, _OF_FAILED, what)
        if not record["error"].strip():
            raise ConfigError(f"{what} is damaged: error says nothing")
        return
    _check_types(record, _OF_TRAINED, what)
    _check_types(record["config"], {"epochs": int}, f"{what}: config")
    metric = record["valid_metric"].lower()
    for part in ("valid", "test"):
        metrics = record[part]
        if metrics is None or (part == "valid" and record["best_valid_score"] is None):
            continue
        _check_types(metrics, {"self": dict}, f"{what}: {part}")
        _check_types(metrics["self"], {metric: _NUMBER}, f"{what}: {part}.self")
    for number, epoch in enumerate(record["epochs"]):
        if not isinstance(epoch, dict):
            raise ConfigError(f"{what} is damaged: epochs[{number}] = {epoch!r}, expected names and values")
        if "valid" in epoch:
            _check_types(epoch, {"epoch": int, "valid": dict}, f"{what}: epochs[{number}]")
            _check_types(epoch["valid"], {metric: _NUMBER}, f"{what}: epochs[{number}].valid")


def _check_described(trial: dict[str, Any], what: str) -> None:
    """Check what a trial is known by; its key becomes the name of a file and of a folder."""
    from recbole_mdcns.tuning.grid import Cell

    _check_types(trial, _OF_TRIAL, f"{what}: trial")
    checked_name(trial["key"], f"{what}: trial.key")
    axes: dict[str, Any] = {each.name: _TEXT if each.name == "peer" else str for each in fields(Cell)}
    _check_types(trial["cell"], axes, f"{what}: trial.cell")
    more = sorted(set(trial["cell"]) - set(axes))
    if more:
        raise ConfigError(f"{what} is damaged: trial.cell has {more[0]!r}, expected {', '.join(axes)} alone")


def _check_types(found: dict[str, Any], types: dict[str, Any], what: str) -> None:
    for name, kind in types.items():
        value = found.get(name)
        if name not in found:
            raise ConfigError(f"{what} is incomplete ({name} is missing): remove it, and the trial runs again")
        if not isinstance(value, kind) or isinstance(value, bool):
            names = [
                each.__name__.replace("NoneType", "nothing") for each in (kind if isinstance(kind, tuple) else (kind,))
            ]
            raise ConfigError(f"{what} is damaged: {name} = {str(value)[:80]!r}, expected {' or '.join(names)}")
