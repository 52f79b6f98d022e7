"""RecBole's sequential dataset on flat arrays: rows are ranges, and a batch gathers its windows from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.config import Config
from recbole.utils.enum_type import FeatureSource, FeatureType

from recbole_mdcns import compat
from recbole_mdcns.data import split
from recbole_mdcns.data.files.problems import find_problems
from recbole_mdcns.data.files.tables import AtomicDataset
from recbole_mdcns.data.files.validate import inter_file
from recbole_mdcns.data.filters import rows_to_keep
from recbole_mdcns.data.history import HISTORY_END, HISTORY_START, HistoryIndex
from recbole_mdcns.data.kcore import Allowed, filter_by_counts
from recbole_mdcns.data.names import Numbering
from recbole_mdcns.data.windows import PrefixRows
from recbole_mdcns.errors import DataError

#: What may leave lines out.
_FILTERS = (
    "val_interval", "rm_dup_inter", "filter_inter_by_user_or_item", "user_inter_num_interval",
    "item_inter_num_interval",
)  # fmt: skip
_KEEP_ALL = (None, False, "[0,inf)")


class HistoryDataset(AtomicDataset):
    """One row per prefix, as in RecBole, stored as ranges of one flat array per column.

    ``inter_feat`` holds user, target, length and the place of the history of each row. The windows that RecBole's
    models read, the newest ``MAX_ITEM_LIST_LENGTH`` entries, are made for the rows of a batch only. Lines are checked
    while they are read. Sequences are ordered by the exact time, and ties by the order in the file; RecBole rounds
    times to float32 first. With ``protocol: paper`` users are split instead of rows.

    With ``pad_side: left`` windows are padded on the left, and ``item_length`` is the width of the window: models read
    the last position.

    Args:
        config: The run.
        numbering: Numbers that names must have; without it names are numbered by their first appearance.

    Attributes:
        counted (set[str]): Columns whose number of names a model has asked for; it has tables for these.
        history (HistoryIndex): All histories, not cut by any window; set once the rows exist.
        user_split (dict[str, list[str]]): Users by part under the ``paper`` protocol, empty otherwise.
    """

    history: HistoryIndex
    inter_feat: Any
    user_feat: Any
    item_feat: Any
    _rest_fields: np.ndarray

    def __init__(self, config: Config, numbering: Numbering | None = None):
        self.user_split: dict[str, list[str]] = {}
        self.counted: set[str] = set()
        self._numbering = numbering
        super().__init__(config)

    # -- loading ------------------------------------------------------------------------------------------------------

    def _remove_duplication(self) -> None:
        """Keep a user's first or last line of an item by time, ties by the file; RecBole's sort is not stable."""
        keep = self.config["rm_dup_inter"]
        if keep is not None:
            by_time = self.inter_feat.iloc[np.argsort(self.inter_feat[self.time_field].to_numpy(), kind="stable")]
            left_out = by_time.index[by_time.duplicated([self.uid_field, self.iid_field], keep=keep)]
            self.inter_feat = self.inter_feat.drop(left_out)

    def _filter_by_field_value(self) -> None:
        """Apply ``val_interval``, and drop columns that were loaded only for it."""
        for field, allowed in (self.config["val_interval"] or {}).items():
            if field not in self.field2type:
                raise DataError(
                    f"val_interval.{field} = {allowed!r} is not allowed: {inter_file(self.config)} has no column "
                    f"{field}, and no other loaded file has it; load_col names the columns of other files"
                )
            for feat in self.field2feats(field):
                stays = rows_to_keep(field, feat[field], self.field2type[field].value, allowed)
                if not stays.any():
                    raise DataError(f"val_interval.{field} = {allowed!r} leaves no row of {self.dataset_name!r}")
                feat.drop(feat.index[~stays], inplace=True)
        asked, unasked = self._get_load_and_unload_col(FeatureSource.INTERACTION)
        for field in [f for f in self.inter_feat if (asked is not None and f not in asked) or f in (unasked or ())]:
            self._del_col(self.inter_feat, field)
            self._rest_fields = self._rest_fields[self._rest_fields != field]

    def _filter_by_inter_num(self) -> None:
        """Apply RecBole's intervals by counting integers; RecBole itself counts strings in Python."""
        keys = ("user_inter_num_interval", "item_inter_num_interval")
        fields = (self.uid_field, self.iid_field)
        columns = [pd.factorize(self.inter_feat[field])[0] for field in fields]
        kept = filter_by_counts(*columns, *map(self._allowed_counts, keys))
        if not kept.all():
            self.inter_feat = self.inter_feat[kept]
        self._check_left("inter_feat")
        for feat, field, key in zip((self.user_feat, self.item_feat), fields, keys):
            if feat is not None:  # rows about users and items that are gone
                counted = self.inter_feat[field].value_counts()
                counted.index = counted.index.astype(object)  # the categories of two files differ
                counts = feat[field].astype(object).map(counted).fillna(0).to_numpy()
                stays = self._allowed_counts(key)(counts)
                self._report_idle(field, counts[stays])
                feat.drop(feat.index[~stays], inplace=True)
        strict = self.config["strict_data"]
        self.report(find_problems(self.inter_feat, self.uid_field, self.iid_field, self.time_field, unsorted=strict))

    def _report_idle(self, field: str, counts: np.ndarray) -> None:
        """Report rows of a file of users or items that no interaction has."""
        idle = int((counts == 0).sum())
        if idle:
            effect = "; they are ranked, and drawn as negatives" if field == self.iid_field else ""
            self.report([f"{idle} of {len(counts)} rows about {field} have no interaction{effect}"])

    def _allowed_counts(self, key: str) -> Allowed:
        intervals = self._parse_intervals_str(self.config[key])
        return lambda counts: counts >= 0 if intervals is None else self._within_intervals(counts, intervals)

    def _reset_index(self) -> None:
        for name in self.feat_name_list:
            self._check_left(name)
        super()._reset_index()

    def _check_left(self, name: str) -> None:
        """Refuse filters that leave no row of a table."""
        if getattr(self, name).empty:
            suffix = name[: -len("_feat")]
            filters = ", ".join(f"{k} = {self.config[k]!r}" for k in _FILTERS if self.config[k] not in _KEEP_ALL)
            path = inter_file(self.config).with_suffix(f".{suffix}")
            what = {"inter": "interaction"}.get(suffix, suffix)
            raise DataError(f"{path}: the filters leave no {what} ({filters})")

    def _fill_nan(self) -> None:
        for name in self.feat_name_list:
            setattr(self, name, compat.fill_missing(getattr(self, name), self.field2type))

    def _dataframe_to_interaction(self, data):
        with compat.quiet_readonly_arrays():
            return super()._dataframe_to_interaction(data)

    def num(self, field: str) -> int:
        """Return how many names a column has, the padding counted."""
        self.counted.add(field)
        return super().num(field)

    def _remap(self, remap_list: list) -> None:
        columns, put_back = compat.flat_columns(remap_list)
        super()._remap(self._numbering.put_first(columns) if self._numbering else columns)
        if self._numbering and columns:
            self._numbering.check(columns, self.field2id_token[columns[0][1]])
        put_back()

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _change_feat_format(self) -> None:
        # Here times are still float64; RecBole's own conversion afterwards keeps this order.
        self._check_field("uid_field", "time_field")
        order = np.lexsort((self.inter_feat[self.time_field], self.inter_feat[self.uid_field]))
        self.inter_feat = self.inter_feat.iloc[order]
        super()._change_feat_format()

    def data_augmentation(self) -> None:
        """Make one row per prefix: its user, its target, and its history as a range of the flat columns.

        Raises:
            DataError: No user has two interactions, or a column has the name of one that is made here.
        """
        self._aug_presets()
        users = self.inter_feat[self.uid_field].numpy()
        is_start = np.ones(len(users), dtype=bool)
        is_start[1:] = users[1:] != users[:-1]
        if is_start.all():
            raise DataError(f"dataset {self.dataset_name!r} has no user with two interactions: nothing to train on")
        starts = np.maximum.accumulate(np.where(is_start, np.arange(len(users)), 0))
        self.history = HistoryIndex(self.inter_feat[self.iid_field].numpy(), starts, self.item_num)
        columns = self.inter_feat.interaction
        names = [name for name in columns if name != self.uid_field]
        sequences = {getattr(self, f"{name}_list_field"): columns[name] for name in names}
        for name in (HISTORY_START, HISTORY_END, self.item_list_length_field, *sequences):
            if name in columns:
                raise DataError(
                    f"dataset {self.dataset_name!r} has a column {name}, the name of a column that is made from the "
                    "others: rename it, or leave it out of load_col"
                )
        targets = torch.from_numpy(np.flatnonzero(~is_start))
        rows = {name: column[targets] for name, column in columns.items()}
        rows[HISTORY_START], rows[HISTORY_END] = torch.from_numpy(starts)[targets], targets
        length = (targets - rows[HISTORY_START]).clamp(max=self.max_item_list_len)
        if self.config["pad_side"] == "left":
            length = torch.full_like(length, self.max_item_list_len)
        rows[self.item_list_length_field] = length
        for field in (HISTORY_START, HISTORY_END):
            self.set_field_property(field, FeatureType.TOKEN, FeatureSource.INTERACTION, 1)
        self.inter_feat = PrefixRows(rows, sequences, self.max_item_list_len, self.config["pad_side"])

    def statistics(self) -> dict[str, int]:
        """Return the numbers of users, items and interactions after the filters, the padding not counted."""
        return {"users": self.user_num - 1, "items": self.item_num - 1, "interactions": len(self.history.items)}

    # -- splits -------------------------------------------------------------------------------------------------------

    def build(self) -> list[HistoryDataset]:
        """Split into train, valid and test as ``protocol`` says; rows to evaluate come in the order of length.

        Raises:
            DataError: A part has no rows.
        """
        if self.config["eval_args"]["order"] != "TO":
            raise DataError(f"eval_args.order = {self.config['eval_args']['order']!r} is not allowed: it is 'TO' here")
        if self.config["protocol"] == "leave_one_out":
            parts = super().build()
        else:
            self._change_feat_format()
            self._drop_unused_col()
            parts = [self._part(rows) for rows in self._split_by_users()]
        split.check_rows(self, parts)
        for part in parts[1:]:  # by length: batches of short histories are then narrow
            rows = part.inter_feat
            part.inter_feat = rows.part(rows[self.item_list_length_field].argsort(stable=True))
        return parts

    def leave_one_out(self, group_by: str, leave_one_mode: str) -> list[HistoryDataset]:
        """Split rows as RecBole's method of this name in mode ``valid_and_test``, without a Python loop over rows."""
        parts = split.leave_one_out(self.inter_feat[group_by].numpy())
        self._drop_unused_col()
        return [self._part(rows) for rows in parts]

    def _split_by_users(self) -> list[np.ndarray]:
        users = self.inter_feat[self.uid_field].numpy()
        names = self.field2id_token[self.uid_field]
        if self.config["split_file"]:
            self.user_split = split.read_split(self.config["split_file"], set(names[1:]))
            left_out = self.user_num - 1 - sum(map(len, self.user_split.values()))
            if left_out:
                self.logger.warning(f"split_file {self.config['split_file']} leaves {left_out} users out")
        else:
            with_rows = [str(names[user]) for user in np.unique(users)]
            self.user_split = split.split_users(with_rows, self.config["split_ratio"], self.config["split_seed"])
        part = np.full(self.user_num, -1)
        for number, members in enumerate(self.user_split.values()):
            part[[self.field2token_id[self.uid_field][name] for name in members]] = number
        is_last = np.ones(len(users), dtype=bool)
        is_last[:-1] = users[1:] != users[:-1]
        evaluated = is_last | (self.config["eval_prefixes"] == "all")
        part = part[users]
        return [np.flatnonzero((part == number) & (evaluated | (number == 0))) for number in range(len(split.SPLITS))]

    def _part(self, rows: np.ndarray) -> HistoryDataset:
        return self.copy(self.inter_feat.part(torch.from_numpy(rows)))
