"""RecBole's sequential dataset on flat arrays: rows are ranges, windows are gathered when a batch asks for them."""

from __future__ import annotations

import os
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.config import Config
from recbole.utils.enum_type import FeatureSource, FeatureType

from recbole_mdcns import compat
from recbole_mdcns.data import split
from recbole_mdcns.data.atomic import read_inter
from recbole_mdcns.data.check import Layout, check_header, check_is_file, inter_file
from recbole_mdcns.data.columns import check_sources, chosen_columns
from recbole_mdcns.data.history import HISTORY_END, HISTORY_START, HistoryIndex
from recbole_mdcns.data.kcore import filter_by_counts
from recbole_mdcns.data.parts import check_rows
from recbole_mdcns.data.problems import find_problems
from recbole_mdcns.data.refusals import RefusingDataset
from recbole_mdcns.data.windows import PrefixRows
from recbole_mdcns.errors import DataError

#: What may leave lines out.
_FILTERS = (
    "val_interval", "rm_dup_inter", "filter_inter_by_user_or_item", "user_inter_num_interval",
    "item_inter_num_interval",
)  # fmt: skip
_KEEP_ALL = (None, False, "[0,inf)")


class HistoryDataset(RefusingDataset):
    """One row per prefix as RecBole makes them, kept as ranges of one flat array per column.

    ``inter_feat`` holds what a row has of its own: user, target, length, and where its history lies; the windows of the
    newest ``MAX_ITEM_LIST_LENGTH`` entries, which RecBole's models read, are made for the rows of a batch. Lines are
    checked while they are read, sequences are ordered by the exact time, ties by the order in the file (RecBole rounds
    to float32 first), and with ``protocol: paper`` users are split instead of rows.

    With ``pad_side: left`` windows are padded on the left, and ``item_length`` is their width, so that models read the
    last position.

    Attributes:
        history (HistoryIndex): All histories, not cut by any window; set once the rows exist.
        user_split (dict[str, list[str]]): Users by part under the ``paper`` protocol, empty otherwise.
    """

    history: HistoryIndex
    inter_feat: Any
    user_feat: Any
    item_feat: Any

    def __init__(self, config: Config):
        self.user_split: dict[str, list[str]] = {}
        super().__init__(config)

    # -- loading ------------------------------------------------------------------------------------------------------

    def _load_data(self, token: str, dataset_path: str) -> None:
        if not os.path.exists(dataset_path):
            self._download()
        check_sources(self.config)
        super()._load_data(token, dataset_path)

    def _load_inter_feat(self, token: str, dataset_path: str) -> None:
        self.inter_feat = self._load_feat(inter_file(self.config), FeatureSource.INTERACTION)

    def _load_user_or_item_feat(self, token: str, dataset_path: str, source: FeatureSource, field_name: str) -> Any:
        path = Path(dataset_path) / f"{token}.{source.value}"
        if os.path.lexists(path) or (self.config["load_col"] or {}).get(source.value):
            check_is_file(path)  # RecBole would go on without it
        return super()._load_user_or_item_feat(token, dataset_path, source, field_name)

    def _load_feat(self, filepath: str | Path, source: FeatureSource | str) -> pd.DataFrame | None:
        """Read an atomic file with ``read_inter``; RecBole's reader gives quotes and words like NA a meaning."""
        path, name = Path(filepath), source.value if isinstance(source, FeatureSource) else source
        load, unload = self._get_load_and_unload_col(source)
        if load == set():
            return None
        layout = Layout.of(self.config, name)
        columns = check_header(path, layout)
        kinds = chosen_columns(path, columns, layout, {f"load_col.{name}": load, f"unload_col.{name}": unload})
        frame = read_inter(path, layout, columns, set(kinds))
        for field, kind in kinds.items():
            length = 1
            if kind.endswith("_seq"):
                length = max(map(len, frame[field]))
                longest = (self.config["seq_len"] or {}).get(field, length)
                if longest < length:
                    frame[field] = frame[field].map(lambda entries, longest=longest: entries[:longest])
                    length = longest
            self.set_field_property(field, FeatureType(kind), source, length)
            if kind.startswith("float"):
                self.field2bucketnum[field] = 2
        return frame

    def _download(self) -> None:
        target = inter_file(self.config)
        if self.config["raw_data"]:
            raise DataError(f"dataset {self.dataset_name!r} is not in {self.dataset_path}: {self.config['raw_data']}")
        try:
            super()._download()
        except (OSError, EOFError, HTTPException, RuntimeError, ValueError) as error:
            # RecBole ends a download with a barrier, which fails outside distributed training: the files are there.
            if not os.path.isfile(target):
                folder = Path(self.dataset_path)
                if os.path.isdir(folder) and not any(folder.iterdir()):
                    folder.rmdir()
                raise DataError(
                    f"dataset {self.dataset_name!r} is not in {self.dataset_path} and could not be downloaded "
                    f"({getattr(error, 'reason', None) or error}): put its interactions into {target}, "
                    "or set data_path to the folder that holds it"
                ) from None

    def _filter_by_inter_num(self) -> None:
        """Apply RecBole's intervals by counting integers; its own way counts strings in Python."""
        if self.user_feat is not None or self.item_feat is not None:
            super()._filter_by_inter_num()
        else:
            columns, allowed = [], []
            for field, key in (
                (self.uid_field, "user_inter_num_interval"),
                (self.iid_field, "item_inter_num_interval"),
            ):
                intervals = self._parse_intervals_str(self.config[key])
                columns.append(pd.factorize(self.inter_feat[field])[0])
                allowed.append(lambda counts, i=intervals: self._within_intervals(counts, i) if i else counts >= 0)
            kept = filter_by_counts(*columns, *allowed)
            if not kept.all():
                self.inter_feat = self.inter_feat[kept]
        self._check_left("inter_feat")
        strict = self.config["strict_data"]
        self.report(find_problems(self.inter_feat, self.uid_field, self.iid_field, self.time_field, unsorted=strict))

    def _filter_by_field_value(self) -> None:
        for field in self.config["val_interval"] or {}:
            if field not in self.field2type:
                raise DataError(
                    f"val_interval names column {field!r}, which is not loaded: add it to load_col, if the file has "
                    f"it; loaded are {', '.join(self.field2type)}"
                )
        super()._filter_by_field_value()

    def _reset_index(self) -> None:
        for name in self.feat_name_list:
            self._check_left(name)
        super()._reset_index()

    def _check_left(self, name: str) -> None:
        """Refuse filters that leave nothing of a table."""
        if getattr(self, name).empty:
            suffix = name[: -len("_feat")]
            filters = ", ".join(f"{k} = {self.config[k]!r}" for k in _FILTERS if self.config[k] not in _KEEP_ALL)
            path = inter_file(self.config).with_suffix(f".{suffix}")
            what = {"inter": "interaction"}.get(suffix, suffix)
            raise DataError(f"{path}: the filters leave no {what} ({filters})")

    def report(self, problems: list[str]) -> None:
        """Log problems of the data, or refuse them with ``strict_data``.

        Raises:
            DataError: There is one, and ``strict_data`` is set.
        """
        for problem in problems:
            message = f"{inter_file(self.config)}, {problem}"
            if self.config["strict_data"]:
                raise DataError(f"{message}; strict_data = False only reports this")
            self.logger.warning(message)

    def _fill_nan(self) -> None:
        for name in self.feat_name_list:
            setattr(self, name, compat.fill_missing(getattr(self, name), self.field2type))

    def _dataframe_to_interaction(self, data):
        with compat.quiet_readonly_arrays():
            return super()._dataframe_to_interaction(data)

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _change_feat_format(self) -> None:
        # Here times are still float64; RecBole's own conversion afterwards keeps this order.
        self._check_field("uid_field", "time_field")
        order = np.lexsort((self.inter_feat[self.time_field], self.inter_feat[self.uid_field]))
        self.inter_feat = self.inter_feat.iloc[order]
        super()._change_feat_format()

    def data_augmentation(self) -> None:
        """Make one row per prefix: user and target of its own, its history as a range of the flat columns."""
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
        check_rows(self, parts)
        for part in parts[1:]:  # so that batches of short histories are narrow
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
        return [np.flatnonzero((part == number) & (evaluated | (number == 0))) for number in range(len(split.PARTS))]

    def _part(self, rows: np.ndarray) -> HistoryDataset:
        return self.copy(self.inter_feat.part(torch.from_numpy(rows)))
