"""Checks whether the test ranks of two runs can be paired by user."""

from __future__ import annotations

import json
from collections.abc import Iterable

from recbole_mdcns.records.parts import FINGERPRINTS
from recbole_mdcns.records.record import Record

#: Keys that decide which rows of a test user are ranked, and among which items.
_RANKED = ("eval_prefixes", "mask_history")
#: Keys that decide which users are tested. In records without names of users, the last two also decide their order.
_SPLIT = ("protocol", "split_seed", "split_ratio", "split_file")
_ORDER = ("MAX_ITEM_LIST_LENGTH", "pad_side")


def same_rows(ours: Record, other: Record) -> bool:
    """Tell whether two runs were tested on the same rows, in any order, and ranked the same items for each."""
    if _is_named(ours) and _is_named(other):
        return _users(ours) == _users(other) and _tested_on(ours, _RANKED) == _tested_on(other, _RANKED)
    return _tested_on(ours, (*_SPLIT, *_RANKED)) == _tested_on(other, (*_SPLIT, *_RANKED))


def why_unpaired(records: Iterable[Record]) -> str:
    """Return why the places of records cannot be paired by user; an empty text if they can.

    Places of records with names of users are ordered by name. Older records have no names: their places are in the
    order of ranking, and pair only with places in the same order.
    """
    records = list(records)
    are_named = {_is_named(record) for record in records}
    if len(are_named) > 1:
        return "not paired: some records lack the users' names"
    keys = _RANKED if are_named == {True} else (*_SPLIT, *_RANKED, *_ORDER)
    rows = {json.dumps([_users(record), _tested_on(record, keys)]) for record in records}
    return "" if len(rows) <= 1 else "not paired: other users or rows"


def _is_named(record: Record) -> bool:
    return record.test_rows is not None and record.test_rows.names is not None


def _users(record: Record) -> tuple[str | None, str | None, str | None]:
    rows = record.test_rows
    return (None, None, None) if rows is None else (rows.names, rows.row_nums, rows.user_numbers)


def _tested_on(record: Record, keys: Iterable[str]) -> str:
    """Return the sizes of the data and some keys of a record as one text; fingerprints are of the training data."""
    data = {name: value for name, value in record.data.to_json().items() if name not in FINGERPRINTS}
    return json.dumps([data, *(record.config.get(key) for key in keys)], sort_keys=True)
