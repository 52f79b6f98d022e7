"""Fingerprints of the data of a training; they depend neither on the order of the lines nor on the numbers of names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor

from recbole_mdcns.data.history import HISTORY_END, HISTORY_START

#: Odd factors: multiplication by them is reversible in 64 bits.
_FACTORS = [np.uint64(factor) for factor in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)]
_BLOCK = 1 << 16


def fingerprints(dataset: Any) -> dict[str, str]:
    """Return fingerprints of a training part.

    Args:
        dataset: The training part of a split dataset.

    Returns:
        ``sequences``: all sequences by names and values, and features of items and users; ``split``: who and what is
        trained on, and which users are evaluated; ``order``: the names in the order of their numbers, without which
        the same data gives other random draws.
    """
    hashed = {field: _name_hashes(names[1:].tolist()) for field, names in dataset.field2id_token.items()}
    rows = dataset.inter_feat
    starts = dataset.history.keys.cpu().numpy() // dataset.item_num  # ascending: where each sequence begins
    starts = starts[np.append(True, starts[1:] != starts[:-1])]
    sequences = _sequences(dataset, rows.sequences, starts, hashed)
    features = [
        _sum(_table({name: feature[name] for name in feature.columns}, hashed))
        for feature in (dataset.item_feat, dataset.user_feat)
        if feature is not None
    ]
    users = hashed[dataset.uid_field]
    start, end = rows[HISTORY_START].numpy(), rows[HISTORY_END].numpy()
    by_start = np.zeros(len(dataset.history.items) + 1, dtype=np.uint64)
    by_start[starts] = sequences
    trained = _mix(users[rows[dataset.uid_field].numpy()], by_start[start], end - start)
    numbers = dataset.field2token_id[dataset.uid_field]
    parts = [_sum(_mix(users[[numbers[name] for name in names]])) for names in dataset.user_split.values() if names]
    return {
        "sequences": _digest([_sum(sequences), len(sequences), *features]),
        "split": _digest([_sum(trained), len(trained), *parts]),
        "order": _digest(hashed[field] for field in sorted(hashed)),
    }


def _sequences(dataset: Any, columns: dict[str, Tensor], starts: np.ndarray, hashed: dict) -> np.ndarray:
    """Return one number for each sequence, from its values and their order, shape [sequences]."""
    by_name = {name[: -len(dataset.config["LIST_SUFFIX"])]: column for name, column in columns.items()}
    values = _table(by_name, hashed)
    length = np.diff(np.append(starts, len(values)))
    place = np.arange(len(values), dtype=np.int64) - np.repeat(starts, length)
    return np.add.reduceat(_mix(values, place), starts)


def _table(columns: dict[str, Tensor], hashed: dict[str, np.ndarray]) -> np.ndarray:
    """Return one number for each line of a table, from its names and values, shape [lines]."""
    total: Any = 0
    for name in sorted(columns):
        values = columns[name]
        flat = values.reshape(len(values), -1).numpy()
        one = flat.view(np.uint32) if flat.dtype == np.float32 else flat
        for place in range(one.shape[1]):
            column = hashed[name][one[:, place]] if name in hashed else one[:, place].astype(np.uint64)
            column *= _name_hashes([f"{name} {place}"])[1] | np.uint64(1)
            total = np.add(total, column, out=column)
    return total


def _name_hashes(names: Iterable[str]) -> np.ndarray:
    """Return one number for each name, behind a 0 for the padding, shape [1 + n]."""
    digests = b"".join(hashlib.blake2b(str(n).encode("utf-8", "surrogatepass"), digest_size=8).digest() for n in names)
    return np.concatenate([np.zeros(1, np.uint64), np.frombuffer(digests, dtype="<u8").astype(np.uint64)])


def _mix(*numbers: np.ndarray) -> np.ndarray:
    """Return a 64-bit hash of each place of up to three arrays; sums of these hashes identify sets of places."""
    mixed = np.empty(len(numbers[0]), dtype=np.uint64)
    for begin in range(0, len(mixed), _BLOCK):  # in pieces that stay in the processor's cache
        part = mixed[begin : begin + _BLOCK]
        part[:] = 0
        for each, factor in zip(numbers, _FACTORS):
            part += each[begin : begin + _BLOCK].astype(np.uint64) * factor  # wraps around
        for shift, factor in zip((30, 27), _FACTORS[1:]):
            part ^= part >> np.uint64(shift)
            part *= factor
        part ^= part >> np.uint64(31)
    return mixed


def _sum(numbers: np.ndarray) -> int:
    return int(numbers.sum(dtype=np.uint64))


def _digest(parts: Iterable[Any]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part.astype("<u8").tobytes() if isinstance(part, np.ndarray) else str(part).encode() + b";")
    return digest.hexdigest()
