"""RecBole's dataset with our reader of atomic files, which also names missing files."""

from __future__ import annotations

import os
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pandas as pd
from recbole.utils.enum_type import FeatureSource, FeatureType

from recbole_mdcns.data.files.atomic import read_inter
from recbole_mdcns.data.files.columns import check_named, chosen_columns
from recbole_mdcns.data.files.refusals import RefusingDataset
from recbole_mdcns.data.files.validate import Layout, check_header, check_is_file, inter_file
from recbole_mdcns.errors import DataError, reason_of


class AtomicDataset(RefusingDataset):
    """Reads interactions, users and items literally, and refuses malformed files.

    Raises:
        DataError: A requested file is missing or malformed, or lacks a column.
    """

    inter_feat: Any

    def _load_data(self, token: str, dataset_path: str) -> None:
        if not os.path.exists(dataset_path):
            self._download()
        super()._load_data(token, dataset_path)

    def _load_inter_feat(self, token: str, dataset_path: str) -> None:
        self.inter_feat = self._load_feat(inter_file(self.config), FeatureSource.INTERACTION)

    def _load_user_or_item_feat(self, token: str, dataset_path: str, source: FeatureSource, field_name: str) -> Any:
        path, asked = Path(dataset_path) / f"{token}.{source.value}", self.config["load_col"]
        if os.path.lexists(path) if asked is None else asked.get(source.value):
            check_is_file(path)  # RecBole would go on without it
        return super()._load_user_or_item_feat(token, dataset_path, source, field_name)

    def _load_additional_feat(self, token: str, dataset_path: str) -> None:
        suffixes = self.config["additional_feat_suffix"] or []
        if not isinstance(suffixes, list) or {"inter", "user", "item"} & set(suffixes):
            raise DataError(
                f"additional_feat_suffix = {suffixes!r} is not allowed: give a list of endings of other files"
            )
        for suffix in suffixes:
            check_is_file(Path(dataset_path) / f"{token}.{suffix}")
        super()._load_additional_feat(token, dataset_path)

    def _load_feat(self, filepath: str | Path, source: FeatureSource | str) -> pd.DataFrame | None:
        """Read an atomic file with ``read_inter``; RecBole's reader gives quotes and words like NA a meaning."""
        path, name = Path(filepath), source.value if isinstance(source, FeatureSource) else source
        load, unload = self._get_load_and_unload_col(source)
        if load == set():
            return None
        layout = Layout.of(self.config, name)
        columns = check_header(path, layout)
        check_named(self.config, path, columns, name)
        kinds = chosen_columns(path, columns, layout, load, unload)
        if source == FeatureSource.INTERACTION:  # what val_interval filters by is loaded until it has
            filters = self.config["val_interval"] or ()
            kinds = {field: kind for field, kind in columns if field in kinds or field in filters}
        frame = read_inter(path, layout, columns, set(kinds))
        if source in (FeatureSource.USER, FeatureSource.ITEM):
            repeated = int(frame[next(iter(layout.needed))].duplicated().sum())
            if repeated:
                self.report([f"{repeated} lines repeat an id of another line, which counts"], path)
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

    def report(self, problems: list[str], path: Path | None = None) -> None:
        """Log problems of the data, or refuse them with ``strict_data``.

        Args:
            problems: One sentence each.
            path: The file; by default that of the interactions.

        Raises:
            DataError: There is one, and ``strict_data`` is set.
        """
        for problem in problems:
            message = f"{path or inter_file(self.config)}, {problem}"
            if self.config["strict_data"]:
                raise DataError(f"{message}; strict_data = False only reports this")
            self.logger.warning(message)

    def _download(self) -> None:
        target = inter_file(self.config)
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
                    f"({reason_of(getattr(error, 'reason', None) or error)}): put its interactions into {target}, "
                    "or set data_path to the folder that holds it"
                ) from None
