"""Exposures: items that users were shown, from an atomic file beside the interactions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.errors import DataError


def read_exposures(dataset: HistoryDataset) -> tuple[Tensor, Tensor, Tensor]:
    """Read ``<dataset>.exposed`` (or ``exposure_file``): user, item and time columns, as in the interactions.

    Lines of users and items that the dataset does not know are left out.

    Args:
        dataset: The training part.

    Returns:
        Item ids by user and time, shape [n]; and for each training target where its user's exposures begin in it and
        how many of them came before the target, each of shape [T].

    Raises:
        DataError: There is no such file, or a column or a time in it is missing or malformed.
    """
    config = dataset.config
    path = Path(config["exposure_file"] or Path(dataset.dataset_path) / f"{dataset.dataset_name}.exposed")
    if not path.is_file():
        raise DataError(
            f"neg_sampler = 'ens' needs the items that users were shown, and {path} does not exist: put user, item and "
            "time columns there as in the .inter file, or set exposure_file (KuaiRand's raw logs have exposures; the "
            "other datasets of the paper have none)"
        )
    table = pd.read_csv(path, sep=config["field_separator"], dtype=str, keep_default_na=False, encoding="utf-8")
    table.columns = [str(name).partition(":")[0] for name in table.columns]
    fields = (dataset.uid_field, dataset.iid_field, dataset.time_field)
    missing = [name for name in fields if name not in table]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}: expected {', '.join(fields)}")
    time = pd.to_numeric(table[dataset.time_field], errors="coerce").to_numpy(np.float64)
    if not np.isfinite(time).all():
        line = int(np.flatnonzero(~np.isfinite(time))[0])
        found = table[dataset.time_field].iloc[line]
        raise DataError(f"{path}, line {line + 2}: {dataset.time_field} {found!r} is not a number")
    user, item = (table[name].map(dataset.field2token_id[name]).to_numpy(np.float64) for name in fields[:2])
    known = ~np.isnan(user) & ~np.isnan(item)
    return _by_target(dataset, user[known].astype(np.int64), item[known].astype(np.int64), time[known])


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
