"""Exposures: items that users were shown, from an atomic file next to the interactions."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.files.atomic import read_inter
from recbole_mdcns.data.files.validate import Layout, check_header
from recbole_mdcns.errors import DataError


def read_exposures(dataset: HistoryDataset) -> tuple[Tensor, Tensor, Tensor]:
    """Read ``<dataset>.exposed`` (or ``exposure_file``): user, item and time columns, as in the interactions.

    Lines with users or items that the dataset does not have are skipped.

    Args:
        dataset: The training part.

    Returns:
        Item ids by user and time, shape [n]; and for each training target where its user's exposures begin in it and
        how many of them came before the target, each of shape [T].

    Raises:
        DataError: There is no such file, or it is malformed.
    """
    config, path = dataset.config, exposure_path(dataset)
    if not os.path.lexists(path):
        raise DataError(
            f"neg_sampler = 'ens' needs the items that users were shown, and {path} does not exist: put user, item and "
            "time columns there as in the .inter file, or set exposure_file (KuaiRand's raw logs have exposures; the "
            "other datasets of the paper have none)"
        )
    layout = Layout.of(config)
    table = read_inter(path, layout, check_header(path, layout), set(layout.needed))
    user, item = (_ids(table[name], dataset.field2token_id[name]) for name in (dataset.uid_field, dataset.iid_field))
    known = ~np.isnan(user) & ~np.isnan(item)
    time = table[dataset.time_field].to_numpy()
    return _by_target(dataset, user[known].astype(np.int64), item[known].astype(np.int64), time[known])


def exposure_path(dataset: HistoryDataset) -> Path:
    """Return where the exposures of a dataset are."""
    named = dataset.config["exposure_file"]
    return Path(named or Path(dataset.dataset_path) / f"{dataset.dataset_name}.exposed")


def exposure_fingerprint(path: Path) -> str:
    """Return a fingerprint of a file of exposures: of its bytes."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _ids(tokens: pd.Series, id_of: dict[str, int]) -> np.ndarray:
    return tokens.cat.categories.map(id_of).to_numpy(np.float64)[tokens.cat.codes]


def _by_target(
    dataset: HistoryDataset, user: np.ndarray, item: np.ndarray, time: np.ndarray
) -> tuple[Tensor, Tensor, Tensor]:
    rows = dataset.inter_feat
    row_user, row_time = (rows[name].numpy() for name in (dataset.uid_field, dataset.time_field))
    # RecBole keeps times in float32: rounded alike, an exposure that is earlier after rounding was earlier before it.
    time = time.astype(row_time.dtype)
    order = np.lexsort((time, user))
    user, item, time = user[order], item[order], time[order]
    first = np.searchsorted(user, row_user)
    both = np.lexsort(
        (
            np.concatenate([np.zeros(len(row_user)), np.ones(len(user))]),  # at equal times, the target comes first
            np.concatenate([row_time, time]),
            np.concatenate([row_user, user]),
        )
    )
    before = np.empty(len(both), dtype=np.int64)
    before[both] = np.cumsum(both >= len(row_user))  # exposures up to each entry, of all users
    count = before[: len(row_user)] - first
    return torch.from_numpy(item), torch.from_numpy(first), torch.from_numpy(count)
