"""What a record has to hold for a page to be made of it: records come from other machines, and some by hand."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.store import FAILED, FINISHED, STOPPED
from recbole_mdcns.tuning.grid import Cell

#: Names that become names of files: one component of a path, not hidden.
_FILE_NAME = re.compile(r"[^./\\:\x00-\x1f\x7f][^/\\:\x00-\x1f\x7f]*")
Check = Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_file_name(value: Any) -> bool:
    return isinstance(value, str) and _FILE_NAME.fullmatch(value) is not None


def _each(check: Check) -> Check:
    """Return a check of dicts from text to what another check accepts."""
    return lambda value: isinstance(value, dict) and all(_is_text(k) and check(v) for k, v in value.items())


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


_metrics = _each(_each(_is_number))  # by role, then by metric
_AXES = {field.name for field in fields(Cell)}
_Shape = dict[str, tuple[Check, str]]
_TRIAL: _Shape = {
    "trial.key": (_is_file_name, "a name without / that does not begin with a dot"),
    "trial.cell": (lambda value: isinstance(value, dict) and set(value) <= _AXES, f"{', '.join(sorted(_AXES))}"),
    "trial.cell.dataset": (_is_file_name, "a name without / that does not begin with a dot"),
    **{f"trial.cell.{axis}": (_is_text, "a name") for axis in ("protocol", "model", "sampler", "loss")},
    "trial.cell.peer": (_or_none(_is_text), "a name or null"),
    "trial.setting": (lambda value: isinstance(value, dict), "keys and values"),
    "trial.seed": (_is_whole, "a whole number"),
}
_RUN: _Shape = {
    "dataset": (_is_file_name, "a name without / that does not begin with a dot"),
    "peer_model": (_or_none(_is_text), "a name or null"),
    "seed": (_is_whole, "a whole number"),
    "command": (lambda value: isinstance(value, list) and all(map(_is_text, value)), "a list of words"),
    "config": (_each(lambda value: True), "keys and values"),
    "config.epochs": (_is_whole, "a whole number"),
    "config.stopping_step": (_is_whole, "a whole number"),
    "data": (_each(lambda value: True), "what the data are"),
    "data.rows": (_each(_is_whole), "whole numbers"),
    "data.rows.test": (_is_whole, "a whole number"),
    "epochs": (lambda value: isinstance(value, list) and all(map(_is_epoch, value)), "a list of epochs"),
    "valid_metric": (_is_text, "a metric"),
    "best_valid_score": (_or_none(_is_number), "a number or null"),
    "best_epoch": (_or_none(_is_whole), "a whole number or null"),
    "seconds_per_epoch": (_is_number, "a number"),
    "valid": (_metrics, "metrics by role"),
    "valid.self": (_each(_is_number), "metrics"),
    "test": (_or_none(_metrics), "metrics by role, or null"),
    "machine": (_each(lambda value: not isinstance(value, (dict, list))), "a description"),
    "machine.processor": (_is_text, "a name"),
    "machine.torch_threads": (_is_whole, "a whole number"),
    "versions": (_each(_or_none(_is_text)), "versions by package"),
    "git": (_or_none(lambda value: isinstance(value, dict) and _is_text(value.get("commit"))), "a commit or null"),
}


def _is_epoch(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_whole(value.get("epoch"))
        and _is_number(value.get("train_seconds"))
        and _each(_is_number)(value.get("parts"))
        and _each(_is_number)(value.get("valid", {}))
    )


def check_shape(record: dict[str, Any], where: str) -> None:
    """Check the record of a trial before a page is made of it.

    Raises:
        ConfigError: Something is missing or of another kind; names the record, the entry, and what it should be.
    """
    status = record.get("status")
    if status not in (FINISHED, STOPPED, FAILED):
        raise ConfigError(f"record {where}: status is {status!r}, expected {FINISHED}, {STOPPED} or {FAILED}")
    for path, (check, expected) in (_TRIAL if status == FAILED else {**_TRIAL, **_RUN}).items():
        value: Any = record
        for name in path.split("."):
            if not isinstance(value, dict) or name not in value:
                raise ConfigError(f"record {where} is incomplete: it has no {path}")
            value = value[name]
        if not check(value):
            raise ConfigError(f"record {where}: {path} is {_short(value)}, expected {expected}")
    if status != FAILED:
        _check_choice(record, where)
        _check_places(record, where)


def _check_choice(record: dict[str, Any], where: str) -> None:
    """Check that there is a best epoch with its metric, or none at all."""
    metric = record["valid_metric"].lower()
    if (record["best_epoch"] is None) != (record["best_valid_score"] is None):
        raise ConfigError(f"record {where}: best_epoch and best_valid_score go together, and one of them is null")
    if record["best_epoch"] is not None and metric not in record["valid"]["self"]:
        raise ConfigError(f"record {where}: valid.self lacks {metric}, the metric that its epoch was chosen by")


def _check_places(record: dict[str, Any], where: str) -> None:
    """Check whose rows the places of the test are, as far as a record has them."""
    places, users = record.get("test_places") or {}, record.get("test_users")
    if not _each(_is_numbers)(places):
        raise ConfigError(f"record {where}: test_places are not numbers by commas")
    if isinstance(users, dict):
        named = _is_text(users.get("names")) and _is_numbers(users.get("rows", ""))
        counts = [1] * len(users["names"].split("\n")) if named else []
        if named and "rows" in users:
            counts = [int(number) for number in users["rows"].split(",")] if users["rows"] else []
            named = len(counts) == len(users["names"].split("\n")) and min(counts, default=0) > 0
        row_num = sum(counts)
    else:
        named = users is None or _is_numbers(users)
        row_num = len(users.split(",")) if users and named else record["data"]["rows"]["test"]
    if not named:
        raise ConfigError(f"record {where}: test_users are not names with their rows")
    for role, of_role in places.items():
        number = len(of_role.split(",")) if of_role else 0
        if number not in (0, row_num):
            raise ConfigError(f"record {where}: test_places has {number} rows of {role}, and test_users {row_num}")


def _is_numbers(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"(\d{1,18}(,\d{1,18})*)?", value, re.ASCII) is not None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
