"""The models of a run as roles, the items and users that they know, and how sequences are read for them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbole_mdcns.encoder.scoring_model import InnerProductModel, ScoringModel
from recbole_mdcns.errors import CheckpointError, ConfigError, DataError
from recbole_mdcns.evaluation.best_role import best_role
from recbole_mdcns.recommend.arguments import count_of, list_of, usable_device
from recbole_mdcns.recommend.run_users import sequences_of_users
from recbole_mdcns.recommend.saved_models import SavedModels
from recbole_mdcns.recommend.sequences import ItemSequences, item_sequences
from recbole_mdcns.recommend.tables import Columns
from recbole_mdcns.recommend.top_items import TopItems, rows_at_once, top_items
from recbole_mdcns.recommend.users import KnownUsers
from recbole_mdcns.recommend.vocabulary import Vocabulary

TEACHER = "teacher"
BEST = "best"


class LoadedRun:
    """The models of a training, from their files alone. See :func:`~recbole_mdcns.recommend.load`.

    Attributes:
        roles: The models: ``self``, ``peer`` (or ``peer1`` and so on), and ``teacher`` if there are several. The first
            one is the default wherever a model is named; the others are read when they are first asked for.
        best_role: Which of them is best on validation by ``valid_metric``; None where the training has not finished.
        window: How many of a sequence's newest items the models read.
    """

    def __init__(
        self,
        path: str | Path,
        device: str | torch.device = "cpu",
        trust_code: bool = False,
        model_class: type | None = None,
    ):
        if not isinstance(path, (str, os.PathLike)):
            raise CheckpointError(f"path = {path!r} is not allowed: give the file of a saved model")
        self.device = usable_device(device)
        self._source = path, trust_code, model_class
        self._saved = SavedModels(path, trust_code, model_class, self.device)
        first = self._saved.first
        self.config = first.config
        self._items = Vocabulary(first.names[self.config["ITEM_ID_FIELD"]], self.config["ITEM_ID_FIELD"])
        self._users = KnownUsers(self._saved)
        self._row_sizes: dict[str, int] = {}
        self.roles = [*self._saved.roles, *([TEACHER] if len(self._saved.roles) > 1 else [])]
        self.window: int = first.model.model.max_seq_length
        self.best_role = best_role(first.valid or {}, self.config["valid_metric"], self.config["valid_metric_bigger"])

    def model_of(self, role: str | None = None) -> list[ScoringModel]:
        """Return the models that a role stands for; by default the model of the file.

        Raises:
            ConfigError: There is no such model.
            CheckpointError: The file of a peer is missing, or of another run or epoch.
        """
        role = role or self.roles[0]
        if role == BEST:
            if self.best_role is None:
                reason = "its training has not finished" if "self" in self.roles else "it is that of a peer"
                raise ConfigError(
                    "model = 'best' is not allowed: the file does not say which model is best on validation, as "
                    f"{reason}; choose {', '.join(self.roles)}"
                )
            role = self.best_role
        if role not in self.roles:
            others = f", or {BEST}" if self.best_role is not None else ""
            raise ConfigError(f"model = {role!r} is not allowed: choose {', '.join(self.roles)}{others}")
        return [self._saved[each].model for each in (self._saved.roles if role == TEACHER else [role])]

    def inner_product_model(self, role: str | None = None) -> InnerProductModel:
        """Return the one model that a role stands for, if it scores by inner products; see :meth:`model_of`.

        Raises:
            ConfigError: There is no such model, there are several, or it scores in another way.
        """
        models = self.model_of(role)
        if len(models) > 1 or not isinstance(models[0], InnerProductModel):
            kind = "several models" if len(models) > 1 else type(models[0].model).__name__
            raise ConfigError(f"model = {role!r} is not allowed here: {kind} does not score by inner products")
        return models[0]

    @property
    def item_ids(self) -> list[str]:
        """The items that the models know, in the order of their numbers."""
        return self._items.ids.tolist()

    def item_embeddings(self, model: str | None = None) -> tuple[list[str], np.ndarray]:
        """Return ids and embeddings of all items, shape [V, H], for a vector index.

        A sequence's scores are the inner products with what :meth:`encode` gives for it.

        Raises:
            ConfigError: The model has no such embeddings.
        """
        inner = self.inner_product_model(model)
        return self.item_ids, inner.item_table.detach()[1 : inner.model.n_items].cpu().numpy()

    def similar_items(self, items: Sequence[Any], k: int = 10, model: str | None = None) -> pd.DataFrame:
        """Return the items whose embeddings point in the most similar direction (cosine).

        Args:
            items: Item ids.
            k: How many for each.
            model: The role; by default the model of the file.

        Returns:
            A row per pair: ``item``, ``rank``, ``similar``, ``score``; an item is not similar to itself.

        Raises:
            ConfigError: The model has no embeddings.
            DataError: An item is unknown.
        """
        inner = self.inner_product_model(model)
        k = count_of("k", k)
        numbers = torch.from_numpy(self.known_items(items, "items"))
        table = torch.nn.functional.normalize(inner.item_table.detach()[1 : inner.model.n_items], dim=1)
        parts = [
            _similar(table, part, k, self._items)
            for part in numbers.split(rows_at_once(table.size(1), min(k, len(table))))
        ]
        return pd.concat(parts, ignore_index=True).rename(columns={"item": "similar", "user": "item"})

    def known_items(self, ids: Iterable[Any], what: str) -> np.ndarray:
        """Return the numbers of known items, shape [n].

        Args:
            ids: Item ids.
            what: What they are, for the error.

        Raises:
            DataError: There is none, one is unknown, or they are no list.
        """
        ids = list_of(ids, what)
        numbers = self._items.numbers(ids) if ids else np.zeros(0, dtype=np.int64)
        if not len(numbers) or not numbers.all():
            said = f"item {ids[int(np.flatnonzero(numbers == 0)[0])]!r} is unknown" if ids else "it is empty"
            raise DataError(f"{what}: {said}; the model knows ids such as {self._items.examples()}")
        return numbers

    def read(
        self, sequences: Any, on_unknown: str = "error", columns: Columns | None = None, model: str | None = None
    ) -> ItemSequences:
        """Return sequences as numbers, for a model; see :meth:`recommend` for the arguments."""
        read, is_kept = self._read(sequences, on_unknown, columns, model)
        return read if is_kept.all() else read.only(is_kept)

    def _read(
        self, sequences: Any, on_unknown: str, columns: Columns | None, model: str | None
    ) -> tuple[ItemSequences, np.ndarray]:
        """Return all sequences as numbers, and which of them have items and a user that the model knows, shape [n]."""
        if columns is not None and not isinstance(columns, Columns):
            raise ConfigError(f"columns = {columns!r} is not allowed: give Columns(user, item, time)")
        read = item_sequences(sequences, self._items, columns or self.columns, on_unknown)
        return read, (read.lengths > 0) & (self._users.numbers(read, self.model_of(model), on_unknown) > 0)

    def sequences_of_users(
        self, users: Iterable[Any] | None = None, data_path: str | Path | None = None, on_unknown: str = "error"
    ) -> ItemSequences:
        """Return the whole histories of users of the run's own dataset; see :func:`~.run_users.sequences_of_users`."""
        path, trust_code, model_class = self._source
        read = sequences_of_users(path, users, data_path, trust_code, model_class, on_unknown)
        return replace(read, numbered_by=self._items.fingerprint)

    @property
    def columns(self) -> Columns:
        """The columns of the training data."""
        return Columns(*(self.config[f"{what}_FIELD"] for what in ("USER_ID", "ITEM_ID", "TIME")))


def _similar(table: Tensor, numbers: Tensor, k: int, items: Vocabulary) -> pd.DataFrame:
    """Return the items most similar to those of some numbers, as :class:`TopItems`; rows of the table have length 1."""
    row = (numbers - 1).to(table.device)
    asked, own = table[row], (torch.arange(len(row), device=table.device), row)
    places, scores = top_items(lambda start, end: asked @ table[start:end].T, len(table), k, len(asked), own)
    return TopItems(items.names(numbers.numpy()), items.ids[places.cpu().numpy()], scores.cpu().numpy()).table()
