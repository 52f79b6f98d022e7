"""The parts for training, validation and test: leave-one-out over rows, and the paper's split over users."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recbole_mdcns.errors import DataError
from recbole_mdcns.support.safe_write import replacing

SPLITS: tuple[Literal["train", "valid", "test"], ...] = ("train", "valid", "test")
_HEADER = "user_id:token\tpart:token"


def leave_one_out(users: np.ndarray) -> list[np.ndarray]:
    """Give the last two rows of every user to validation and test, as RecBole's ``LS: valid_and_test`` does.

    A user keeps at least one row to train on. A user with two rows gives the second to the test.

    Args:
        users: User of each row, the rows of a user in the order of time, shape [rows].

    Returns:
        Row numbers of the parts for training, validation and test, in the order of the rows.
    """
    order = np.argsort(users, kind="stable")
    _, first, count = np.unique(users[order], return_index=True, return_counts=True)
    from_end = np.empty(len(users), dtype=np.int64)  # 0 for a user's last row
    from_end[order] = np.repeat(first + count, count) - 1 - np.arange(len(users))
    rows_of_user = np.empty(len(users), dtype=np.int64)
    rows_of_user[order] = np.repeat(count, count)
    taken = np.minimum(2, rows_of_user - 1)
    parts = [np.flatnonzero(from_end >= taken)]
    return parts + [np.flatnonzero((from_end == back) & (from_end < taken)) for back in (1, 0)]


def split_users(users: Sequence[str], ratio: Sequence[float], seed: int) -> dict[str, list[str]]:
    """Split users at random. The result depends only on the set of names, the ratio and the seed.

    The bounds are the cumulated ratios times the number of users, rounded down. They give the published counts for
    Beauty, Toys, Sports and KuaiRand (15,654 / 4,472 / 2,237 of 22,363 for Beauty).

    Args:
        users: Their names.
        ratio: Shares of train, valid and test, which sum to 1.
        seed: Seed of numpy's ``RandomState``, whose stream never changes.

    Returns:
        Names by part.
    """
    names = sorted(users)
    shuffled = [names[index] for index in np.random.RandomState(seed).permutation(len(names))]
    bounds = [0, *(int(share * len(names) + 1e-9) for share in np.cumsum(ratio)[:-1]), len(names)]
    return {part: shuffled[bounds[k] : bounds[k + 1]] for k, part in enumerate(SPLITS)}


def read_split(path: str | Path, known: set[str]) -> dict[str, list[str]]:
    """Read a split from a file of two tab-separated columns, user and part, with the header of :func:`write_split`.

    Args:
        path: The file.
        known: The users that there are.

    Returns:
        Names by part, in the file's order.

    Raises:
        DataError: The file cannot be read, or a line names an unknown part or user, or a user a second time.
    """
    seen: dict[str, int] = {}
    parts: dict[str, list[str]] = {part: [] for part in SPLITS}
    try:  # not splitlines, to which more characters of a name are ends of lines
        lines = Path(path).read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"split_file {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if lines[0] != _HEADER:
        raise DataError(f"split_file {path}, line 1: expected the header {_HEADER!r}, found {lines[0]!r}")
    for number, line in enumerate(lines[1:], start=2):
        user, _, part = line.rpartition("\t")
        if part not in parts:
            raise DataError(
                f"split_file {path}, line {number}: expected user, tab and {'|'.join(SPLITS)}, found {line!r}"
            )
        if user not in known:
            raise DataError(f"split_file {path}, line {number}: user {user!r} is not in the data (after its filters)")
        if user in seen:
            raise DataError(f"split_file {path}, line {number}: user {user!r} was in line {seen[user]} already")
        seen[user] = number
        parts[part].append(user)
    return parts


def write_split(parts: dict[str, list[str]], path: Path) -> None:
    """Write a split in the form that :func:`read_split` reads."""
    lines = [_HEADER, *(f"{user}\t{part}" for part, users in parts.items() for user in users)]
    with replacing(path, make_folder=True) as file:
        file.write(("\n".join(lines) + "\n").encode())


def is_split(path: Path) -> bool:
    """Tell whether a file holds a split over users, as :func:`write_split` writes it."""
    with open(path, "rb") as file:
        return file.readline().rstrip(b"\r\n") == _HEADER.encode()


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
