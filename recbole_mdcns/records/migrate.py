"""Migration of records of schema 1 to the current schema: new names, and the identity from the keys that a run reads.

Schema 1, of version 0.1.0, had the values of every strategy and loss in each configuration, a strategy ``none`` for
losses over the catalogue, the name ``sampler`` for a method, and separate records for single runs and trials. All
measurements are kept: metrics, places, seconds, memory, versions and commit.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from recbole_mdcns.config.identity import content_key, reduce
from recbole_mdcns.config.keys import has_import_path
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.entries import Entry
from recbole_mdcns.records.files import SUFFIX, pack_records, read_text, texts, write_record
from recbole_mdcns.records.record import FAILED, SCHEMA_VERSION, AnyRecord, Failure, Record, read_json
from recbole_mdcns.records.store import BEGUN
from recbole_mdcns.support.safe_write import replacing

_OLD_SCHEMA = 1
#: The version that wrote schema 1, for records without a version.
_OLD_VERSION = "0.1.0"
#: Entries of schema 1 with another place now, or none.
_MOVED = (
    "schema", "seed", "data", "test_places", "test_users", "versions", "git", "machine", "peak_memory", "trial",
    "status", "stopped", "config",
)  # fmt: skip
_STUDIES = ("stages", "chosen")
#: Scripts with another place now.
_SCRIPTS = {f"benchmarks/{name}.py": f"benchmarks/studies/{name}.py" for name in ("staged", "why_it_works")}


def migrate_folder(folder: Path) -> dict[Path, int]:
    """Rewrite every record of schema 1 below a folder; packed files stay packed, and JSON stays JSON.

    The record of a trial in the folder of a sweep gets the name of its new key, and its checkpoints and notes move with
    it. All records are read and checked before any file is written.

    Args:
        folder: A folder of results or of a sweep; or one file.

    Returns:
        The number of records in each rewritten file.

    Raises:
        ConfigError: A record cannot be read, or two would get the same name; names file and line.
    """
    if not os.path.exists(folder):
        raise ConfigError(f"{folder} is not a folder of records: it does not exist")
    files = [folder] if folder.is_file() else [*folder.rglob(f"*{SUFFIX}"), *folder.rglob("*.json")]
    planned = {path: records for path in sorted(files) if (records := _migrated_file(path))}
    _check_names(planned)
    for path, records in planned.items():
        if path.name.endswith(SUFFIX):
            pack_records(records, path)
        elif path.parent.name == "records":
            _rename(path, records[0])
        else:
            write_record(records[0], path)
    for path in folder.rglob(f"trials/*/{BEGUN}"):
        _migrate_note(path)
    return {path: len(records) for path, records in planned.items()}


def migrate(values: dict[str, Any], where: str) -> AnyRecord:
    """Return a record of schema 1 in the current schema.

    Args:
        values: The content of its JSON.
        where: The file, and the line in a file of several records; for errors.

    Raises:
        ConfigError: It is of another schema, incomplete or damaged; names file, line and field.
    """
    entry = Entry(values, where)
    if entry["schema"].value != _OLD_SCHEMA:
        raise entry["schema"].refuse(f"{_OLD_SCHEMA}, the schema that is migrated")
    trial = None if "trial" not in values else _trial(entry["trial"])
    if values.get("status") == FAILED:
        kept: dict[str, Any] = {name: values[name] for name in ("error", "attempts", "status") if name in values}
        head = {"schema": SCHEMA_VERSION, "package_version": _OLD_VERSION, "trial": trial}
        return Failure.from_json({**head, **kept}, where)
    config = _config(entry["config"].mapping())
    key = content_key(config)
    environment = {name: values.get(name) for name in ("versions", "git", "machine", "peak_memory")}
    new = {
        **{name: value for name, value in values.items() if name not in (*_MOVED, *_STUDIES)},
        "schema": SCHEMA_VERSION,
        "package_version": (values.get("versions") or {}).get("recbole-mdcns") or _OLD_VERSION,
        "trial": None if trial is None else {**trial, "key": key},
        "command": _command(entry["command"].listed(Entry.text)),
        "config": config,
        "batching": values.get("batching") or entry["config"].mapping().get("batching") or "row",
        "data": {**entry["data"].mapping(), "split_users": entry["data"].get("split_users").value or {}},
        "test_rows": _test_rows(entry),
        "environment": {**environment, "peak_memory": environment["peak_memory"] or {}},
        "status": values.get("status", "finished"),
        "stopped": values.get("stopped"),
        "study": {name: values[name] for name in _STUDIES if name in values},
    }
    return Record.from_json(new, where)


def _migrated_file(path: Path) -> list[AnyRecord]:
    """Return the migrated records of a file; an empty list if it has none of schema 1."""
    lines = list(texts(path))
    if path.suffix == ".json" and not _is_record(path):
        return []
    pairs = [(where, read_json(text, f"record {where}")) for where, text in lines]
    if all(values.get("schema") == SCHEMA_VERSION for _, values in pairs):
        return []
    return [migrate(values, where) for where, values in pairs]


def _is_record(path: Path) -> bool:
    """Tell whether a JSON file is a record, of any schema: folders of results hold other files too."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return path.parent.name == "records"  # there it was one, and the reader says what is wrong with it
    return isinstance(values, dict) and "schema" in values and bool({"config", "trial"} & set(values))


def _trial(entry: Entry) -> dict[str, Any]:
    trial = dict(entry.mapping())
    cell = dict(entry["cell"].mapping())
    return {**trial, "cell": {("method" if axis == "sampler" else axis): value for axis, value in cell.items()}}


def _config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the keys that the run read; all keys if it used the user's own code, which is not imported here."""
    if has_import_path(config):
        return dict(config)
    read = reduce(config)
    # Version 0.1.0 kept no keys of several peers: its sweeps built each of them from the keys of the self model.
    several = {"peer": MDCNSConfig.from_plain(read).plain()["peer"]} if "," in str(read.get("peer_model")) else {}
    return {**read, **several}


def _command(words: list[str]) -> list[str]:
    """Return a command line that does the same today."""
    return [_SCRIPTS.get(word, word) for word in words if word != "--neg_sampler=none"]


def _test_rows(entry: Entry) -> dict[str, Any] | None:
    places, users = entry.get("test_places").value, entry.get("test_users").value
    if not places:
        return None
    if isinstance(users, dict):
        return {"places": places, "names": users.get("names"), "row_nums": users.get("rows")}
    return {"places": places, "user_numbers": users}


def _check_names(planned: dict[Path, list[AnyRecord]]) -> None:
    """Refuse records of sweeps whose new names others have already, before any file is written."""
    taken: dict[Path, Path] = {}
    for path, records in planned.items():
        if path.parent.name == "records":
            key = records[0].trial.key
            place = _trial_folder(path, key)
            other = taken.setdefault(place, path)
            others = [] if key == path.stem else [place, path.with_name(f"{key}.json")]
            there = [other] if other != path else [each for each in others if each.exists()]
            if there:
                raise ConfigError(f"{there[0]} exists, and {path} would replace it: migrate into an empty folder")


def _trial_folder(record: Path, key: str) -> Path:
    return record.parent.parent / "trials" / key


def _migrate_note(path: Path) -> None:
    """Give the note of a trial that has begun the form of today; its folder has the name of its key."""
    values = read_json(read_text(path, "note"), f"note {path}")
    if "trial" not in values:
        trial = {**_trial(Entry(values, str(path))), "key": path.parent.name}
        attempts = trial.pop("attempts", 0)
        with replacing(path) as file:
            file.write(json.dumps({"trial": trial, "attempts": attempts}).encode())


def _rename(path: Path, record: AnyRecord) -> None:
    """Write the record of a trial under its new key, and move its checkpoints there."""
    key = record.trial.key
    old = _trial_folder(path, path.stem)
    write_record(record, path.with_name(f"{key}.json"))
    if key != path.stem:
        if old.is_dir():
            old.rename(_trial_folder(path, key))
        path.unlink()
