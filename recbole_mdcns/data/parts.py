"""Empty parts of a split are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recbole_mdcns.data.split import SPLITS
from recbole_mdcns.errors import DataError


def check_rows(dataset: Any, parts: Sequence[Any]) -> None:
    """Refuse a split that has a part without rows.

    Args:
        dataset: The ``HistoryDataset`` that was split.
        parts: Its parts.

    Raises:
        DataError: Says what was found, and what to change.
    """
    rows = {name: len(part) for name, part in zip(SPLITS, parts)}
    if all(rows.values()):
        return
    config, user_num = dataset.config, dataset.user_num - 1
    users = {part: len(names) for part, names in dataset.user_split.items()}
    if config["protocol"] == "leave_one_out":
        reason = f"leave_one_out takes one for valid and test of users with four interactions, of {user_num} users"
    elif config["split_file"]:
        reason = f"split_file = {config['split_file']!r} gives users {users}, of {user_num} users"
    else:
        reason = f"split_ratio = {config['split_ratio']!r} gives users {users}, of {user_num} users"
    raise DataError(f"dataset {config['dataset']!r} splits into rows {rows}: each part needs one ({reason})")
