"""RecBole's sequential dataset, with checked files, exact time order and the full history of every row."""

from __future__ import annotations

from http.client import HTTPException
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.config import Config
from recbole.data import data_preparation
from recbole.data.dataloader import AbstractDataLoader
from recbole.data.dataset import SequentialDataset
from recbole.utils.enum_type import FeatureSource, FeatureType
from torch import Tensor

from recbole_mdcns import compat
from recbole_mdcns.data.check import check_inter_file, inter_file
from recbole_mdcns.data.history import HISTORY_END, HISTORY_START, HistoryIndex
from recbole_mdcns.errors import DataError


class HistoryDataset(SequentialDataset):
    """One row per prefix as RecBole makes them, each also knowing its whole history.

    Three things differ from RecBole's class: lines are checked before loading; sequences are ordered by the exact
    time, ties by the order in the file (RecBole rounds to float32 first); rows carry ``history_start`` and
    ``history_end`` into :attr:`history`, which no ``MAX_ITEM_LIST_LENGTH`` cuts. With ``pad_side: left`` rows are
    padded on the left, and ``item_length`` is the window's length, so that models read the last position.

    Attributes:
        history (HistoryIndex): All histories; set once the rows exist.
    """

    history: HistoryIndex
    inter_feat: Any

    def _load_data(self, token: str, dataset_path: str) -> None:
        if not Path(dataset_path).exists():
            self._download()
        check_inter_file(inter_file(self.config), self.config)
        super()._load_data(token, dataset_path)

    def _download(self) -> None:
        target = inter_file(self.config)
        try:
            super()._download()
        except (OSError, HTTPException, RuntimeError, ValueError) as error:
            # RecBole ends a download with a barrier, which fails outside distributed training: the files are there.
            if not target.is_file():
                folder = Path(self.dataset_path)
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
                raise DataError(
                    f"dataset {self.dataset_name!r} is not in {self.dataset_path} and could not be downloaded "
                    f"({getattr(error, 'reason', None) or error}): put its interactions into {target}, "
                    "or set data_path to the folder that holds it"
                ) from None

    def _fill_nan(self) -> None:
        for name in self.feat_name_list:
            setattr(self, name, compat.fill_missing(getattr(self, name), self.field2type))

    def _dataframe_to_interaction(self, data):
        with compat.quiet_readonly_arrays():
            return super()._dataframe_to_interaction(data)

    def _change_feat_format(self) -> None:
        # Here times are still float64; RecBole's own sort afterwards is stable and keeps this order.
        self._check_field("uid_field", "time_field")
        self.inter_feat = self.inter_feat.sort_values([self.uid_field, self.time_field], kind="stable")
        super()._change_feat_format()
        if self.config["pad_side"] == "left":
            self._pad_left()

    def data_augmentation(self) -> None:
        """Make one row per prefix with RecBole's method, and note where each row's full history lies."""
        users = self.inter_feat[self.uid_field].numpy()
        items = self.inter_feat[self.iid_field].numpy().copy()
        is_start = np.ones(len(users), dtype=bool)
        is_start[1:] = users[1:] != users[:-1]
        if is_start.all():
            raise DataError(f"dataset {self.dataset_name!r} has no user with two interactions: nothing to train on")
        starts = np.maximum.accumulate(np.where(is_start, np.arange(len(users)), 0))
        super().data_augmentation()
        targets = np.flatnonzero(~is_start)
        if not np.array_equal(self.inter_feat[self.iid_field].numpy(), items[targets]):
            raise DataError("RecBole made other rows than one per prefix: this version of RecBole is not supported")
        self.history = HistoryIndex(items, starts, self.item_num)
        for field, values in ((HISTORY_START, starts[targets]), (HISTORY_END, targets)):
            self.set_field_property(field, FeatureType.TOKEN, FeatureSource.INTERACTION, 1)
            self.inter_feat[field] = torch.from_numpy(values)

    def _pad_left(self) -> None:
        length = self.inter_feat[self.item_list_length_field]
        suffix = self.config["LIST_SUFFIX"]
        for field in [name for name in self.inter_feat if name.endswith(suffix)]:
            self.inter_feat[field] = shift_right(self.inter_feat[field], length)
        self.inter_feat[self.item_list_length_field] = torch.full_like(length, self.max_item_list_len)


def shift_right(table: Tensor, length: Tensor) -> Tensor:
    """Move right-padded rows to the right edge of their window.

    Args:
        table: Rows padded with 0 on the right, shape [B, L] or [B, L, ...].
        length: Their lengths, shape [B].

    Returns:
        The same rows padded with 0 on the left.
    """
    width = table.size(1)
    source = torch.arange(width) - (width - length[:, None])  # [B, L], negative where padding goes
    rows = torch.arange(len(table))[:, None].expand_as(source)
    moved = table[rows, source.clamp(min=0)]
    moved[source < 0] = 0
    return moved


def load_splits(config: Config) -> tuple[HistoryDataset, dict[str, AbstractDataLoader]]:
    """Check, load, filter and split the dataset of a configuration.

    Returns:
        The whole dataset, and RecBole's loaders by name: ``train``, ``valid``, ``test``.

    Raises:
        DataError: It is missing, malformed, or too little is left of it after the filters.
    """
    try:
        dataset = HistoryDataset(config)
        getLogger().info(dataset)
        splits = dict(zip(("train", "valid", "test"), data_preparation(config, dataset)))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, NotImplementedError) as error:
        raise DataError(f"dataset {config['dataset']!r} cannot be loaded and split: {error}") from error
    rows = {name: len(loader._dataset) for name, loader in splits.items()}
    if not all(rows.values()):
        raise DataError(f"dataset {config['dataset']!r} splits into rows {rows}: each part needs one (see eval_args)")
    return dataset, splits
