"""Whose rows the places in a record are, and whether two records can be paired by user."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

Record = dict[str, Any]
#: What a record says of its data that tells one from another.
_SIZES = ("users", "items", "interactions", "rows", "split_users")
#: Keys that decide which rows are tested. The order of those rows also depends on the last two, where a record has no
#: names of users.
_SPLIT = ("protocol", "split_seed", "split_ratio", "split_file", "eval_prefixes")
_ORDER = ("MAX_ITEM_LIST_LENGTH", "pad_side")


def same_rows(ours: Record, other: Record) -> bool:
    """Tell whether two runs were tested on the same rows, in any order."""
    users = [record.get("test_users") for record in (ours, other)]
    if all(isinstance(each, dict) for each in users):
        return users[0] == users[1] and _tested_on(ours, ("eval_prefixes",)) == _tested_on(other, ("eval_prefixes",))
    return _tested_on(ours, _SPLIT) == _tested_on(other, _SPLIT)


def why_unpaired(records: Iterable[Record]) -> str:
    """Return why the places of records cannot be paired by user; empty where they can.

    Places of records with names of users are ordered by name. Older records have none: their places are in the order
    in which the rows were ranked, and pair with places of the same order alone.
    """
    records = list(records)
    are_named = {isinstance(record.get("test_users"), dict) for record in records}
    if len(are_named) > 1:
        return "not paired: some records lack the users' names"
    keys = ("eval_prefixes",) if are_named == {True} else (*_SPLIT, *_ORDER)
    rows = {json.dumps([record.get("test_users"), _tested_on(record, keys)], sort_keys=True) for record in records}
    return "" if len(rows) <= 1 else "not paired: other users or rows"


def user_of_row(users: dict[str, str] | str | None) -> np.ndarray | None:
    """Return a number for the user of each row, as a record has them; None where each user has one row."""
    if isinstance(users, dict):
        number = np.array(users["rows"].split(","), dtype=np.int64) if "rows" in users else None
        return None if number is None else np.repeat(np.arange(len(number)), number)
    return None if users is None else np.array(users.split(","), dtype=np.int64)  # a record without names


def _tested_on(record: Record, keys: Iterable[str]) -> str:
    data = {name: record["data"].get(name) for name in _SIZES}
    return json.dumps([data, *(record["config"].get(key) for key in keys)], sort_keys=True)
