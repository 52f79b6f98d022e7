"""``Recommender``: recommendations for any sequences, from the files of a training alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbole_mdcns.encoder.scoring_model import InnerProductModel, ScoringModel
from recbole_mdcns.errors import CheckpointError, ConfigError, DataError
from recbole_mdcns.evaluation.best_role import best_role
from recbole_mdcns.recommend.arguments import check_count, usable_device
from recbole_mdcns.recommend.row_size import row_size
from recbole_mdcns.recommend.run_users import sequences_of_users
from recbole_mdcns.recommend.saved_models import load_models
from recbole_mdcns.recommend.scorers import CandidateScorer, TeacherScorer, encoded, padded
from recbole_mdcns.recommend.sequences import ItemSequences, item_sequences
from recbole_mdcns.recommend.tables import Columns
from recbole_mdcns.recommend.top_items import rows_at_once, top_items
from recbole_mdcns.recommend.top_list import TABLE_COLUMNS, TopItems
from recbole_mdcns.recommend.users import KnownUsers
from recbole_mdcns.recommend.vocabulary import Vocabulary

TEACHER = "teacher"
BEST = "best"


def load(
    path: str | Path, device: str | torch.device = "cpu", trust_code: bool = False, model_class: type | None = None
) -> Recommender:
    """Load the models of a training, without its data.

    Args:
        path: The file of the best self model, beside which the peers' lie; or that of a peer, which is loaded alone.
        device: Where the models go, such as ``cpu`` or ``cuda:0``.
        trust_code: Import the user's classes that the files name, such as ``model: module:Class``.
        model_class: The class of a user's own self model; then none is imported for it.

    Raises:
        CheckpointError: A file is missing, truncated, of another version, or of a model that needs its data.
    """
    return Recommender(path, device, trust_code, model_class)


class Recommender:
    """Recommends, scores and encodes with saved models. See :func:`load`.

    Ids are texts, as in the data that the model was trained on; integers stand for their texts. Of a sequence longer
    than the window, the model reads the newest items; all of its items count as seen.

    Attributes:
        roles: The models: ``self``, ``peer`` (or ``peer1`` and so on), and ``teacher`` where there are several.
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
        self.device = usable_device(device)
        self._source = path, trust_code, model_class
        saved = load_models(path, trust_code, model_class, self.device)
        first = next(iter(saved.values()))
        self.config = first.config
        self._models: dict[str, ScoringModel] = {role: each.model for role, each in saved.items()}
        self._items = Vocabulary(first.names[self.config["ITEM_ID_FIELD"]], self.config["ITEM_ID_FIELD"])
        self._users = KnownUsers(saved)
        self._row_sizes: dict[str, int] = {}
        self.roles = [*self._models, *([TEACHER] if len(self._models) > 1 else [])]
        self.window: int = first.model.model.max_seq_length
        self.best_role = best_role(first.valid or {}, self.config["valid_metric"], self.config["valid_metric_bigger"])

    # -- items --------------------------------------------------------------------------------------------------------

    @property
    def item_ids(self) -> list[str]:
        """The items that the models know, in the order of their numbers."""
        return self._items.ids.tolist()

    def item_embeddings(self, model: str = "self") -> tuple[list[str], np.ndarray]:
        """Return ids and embeddings of all items, shape [V, H], for a vector index.

        A sequence's scores are the inner products with what :meth:`encode` gives for it.

        Raises:
            ConfigError: The model has no such embeddings.
        """
        inner = self.inner_product_model(model)
        return self.item_ids, inner.item_table.detach()[1 : inner.model.n_items].cpu().numpy()

    def similar_items(self, items: Sequence[Any], k: int = 10, model: str = "self") -> pd.DataFrame:
        """Return the items whose embeddings point in the most similar direction (cosine).

        Args:
            items: Item ids.
            k: How many for each.
            model: The role.

        Returns:
            A row per pair: ``item``, ``rank``, ``similar``, ``score``; an item is not similar to itself.

        Raises:
            ConfigError: The model has no embeddings.
            DataError: An item is unknown.
        """
        inner = self.inner_product_model(model)
        check_count("k", k)
        numbers = torch.from_numpy(self.known_items(items, "items"))
        table = torch.nn.functional.normalize(inner.item_table.detach()[1 : inner.model.n_items], dim=1)
        asked = table[(numbers - 1).to(self.device)]
        own = torch.arange(len(numbers), device=self.device), (numbers - 1).to(self.device)
        places, scores = top_items(lambda start, end: asked @ table[start:end].T, len(table), k, len(asked), own)
        similar = self._items.ids[places.cpu().numpy()]
        top = TopItems(self._items.names(numbers.numpy()), similar, scores.cpu().numpy())
        return top.table().rename(columns={"item": "similar", "user": "item"})

    # -- sequences ----------------------------------------------------------------------------------------------------

    def recommend(
        self,
        sequences: Any,
        k: int = 10,
        model: str = "self",
        exclude_seen: bool = True,
        allowed: Iterable[Any] | None = None,
        batch_size: int = 256,
        on_unknown: str = "error",
        columns: Columns | None = None,
    ) -> pd.DataFrame:
        """Return the best items for each sequence.

        Args:
            sequences: Lists of item ids, oldest first; a dict of such lists by user; a DataFrame with user, item and
                time columns; the path of a csv, tsv, parquet or atomic file with them; or what :meth:`read` or
                :meth:`sequences_of_users` gave.
            k: How many items; a sequence with fewer items left gets fewer.
            model: ``self``, ``peer``, ``teacher``, or ``best``, the best of them on validation.
            exclude_seen: Leave the items of a sequence out of its recommendations.
            allowed: Recommend these items only.
            batch_size: Sequences that are encoded together, fewer where memory asks for it; the result does not depend
                on it.
            on_unknown: ``error`` refuses unknown items, empty sequences, and unknown users of a model that embeds
                users; ``skip`` leaves them out and logs how many.
            columns: The columns of a table; those of the training data by default.

        Returns:
            A row per item: ``user`` (the place of the list, or the user), ``rank`` from 1 on, ``item``, ``score``.

        Raises:
            ConfigError: An argument is not allowed.
            DataError: The sequences cannot be used.
        """
        read = self.read(sequences, on_unknown, columns, model)
        parts = [top.table() for top in self.top_items(read, k, model, exclude_seen, allowed, batch_size)]
        if not parts:
            return pd.DataFrame({column: [] for column in TABLE_COLUMNS})
        return pd.concat(parts, ignore_index=True)

    def read(
        self, sequences: Any, on_unknown: str = "error", columns: Columns | None = None, model: str = "self"
    ) -> ItemSequences:
        """Return sequences as numbers, for a model; see :meth:`recommend` for the arguments."""
        read = item_sequences(sequences, self._items, columns or self.columns, on_unknown)
        is_known = self._users.numbers(read, self.model_of(model), on_unknown) > 0
        return read if is_known.all() else read.only(is_known)

    def sequences_of_users(
        self, users: Sequence[str] | None = None, data_path: str | Path | None = None
    ) -> ItemSequences:
        """Return the whole histories of users of the run's own dataset; see :func:`~.run_users.sequences_of_users`."""
        path, trust_code, model_class = self._source
        return sequences_of_users(path, users, data_path, trust_code, model_class)

    @property
    def columns(self) -> Columns:
        """The columns of the training data."""
        return Columns(*(self.config[f"{what}_FIELD"] for what in ("USER_ID", "ITEM_ID", "TIME")))

    def top_items(
        self,
        sequences: ItemSequences,
        k: int = 10,
        model: str = "self",
        exclude_seen: bool = True,
        allowed: Iterable[Any] | None = None,
        batch_size: int = 256,
    ) -> Iterator[TopItems]:
        """Yield the best items of sequences that :meth:`read` gave, batch by batch, in their order.

        See :meth:`recommend` for the arguments. The scores of a batch are never held all at once.
        """
        check_count("k", k)
        models, scorer, candidates = self._scorer(model, allowed)
        position = torch.full((len(self._items) + 1,), -1, dtype=torch.int64, device=self.device)
        position[candidates] = torch.arange(len(candidates), device=self.device)
        with torch.no_grad():
            for part, padded_part in self._batches(sequences, models, batch_size, min(k, len(candidates))):
                seen = self._seen(part, position) if exclude_seen else None
                places, scores = top_items(scorer.of(padded_part), len(candidates), k, len(part), seen)
                names, values = self._items.names(candidates[places].cpu().numpy()), scores.cpu().numpy()
                names[values == -np.inf] = None
                if np.isnan(values).any():
                    raise CheckpointError(f"model = {model!r} gives scores that are no numbers: train it again")
                yield TopItems(part.names, names, values)

    def score(
        self,
        sequences: Any,
        items: Sequence[Any],
        model: str = "self",
        batch_size: int = 256,
        on_unknown: str = "error",
        columns: Columns | None = None,
    ) -> np.ndarray:
        """Return the scores of items for each sequence, shape [sequences, items]; see :meth:`recommend`."""
        numbers = torch.from_numpy(self.known_items(items, "items")).to(self.device)
        read = self.read(sequences, on_unknown, columns, model)
        models, scorer, _ = self._scorer(model, None, numbers)
        with torch.no_grad():
            blocks = [
                scorer.of(padded_part)(0, len(numbers)).cpu().numpy()
                for _, padded_part in self._batches(read, models, batch_size, len(numbers))
            ]
        return np.concatenate(blocks) if blocks else np.zeros((0, len(numbers)), dtype=np.float32)

    def encode(
        self,
        sequences: Any,
        model: str = "self",
        batch_size: int = 256,
        on_unknown: str = "error",
        columns: Columns | None = None,
    ) -> np.ndarray:
        """Return the encoding of each sequence, shape [sequences, H]; see :meth:`item_embeddings`.

        Raises:
            ConfigError: The model does not score by inner products.
        """
        inner = self.inner_product_model(model)
        read = self.read(sequences, on_unknown, columns, model)
        with torch.no_grad():
            blocks = [
                encoded(inner, padded_part).float().cpu().numpy()
                for _, padded_part in self._batches(read, [inner], batch_size)
            ]
        return np.concatenate(blocks) if blocks else np.zeros((0, inner.item_table.size(1)), dtype=np.float32)

    # -- pieces -------------------------------------------------------------------------------------------------------

    def model_of(self, role: str) -> list[ScoringModel]:
        """Return the models that a role stands for.

        Raises:
            ConfigError: There is no such model.
        """
        if role == BEST:
            if self.best_role is None:
                raise ConfigError(
                    "model = 'best' is not allowed: the file does not say which model is best on "
                    f"validation, as its training has not finished; choose {', '.join(self.roles)}"
                )
            role = self.best_role
        if role not in self.roles:
            raise ConfigError(f"model = {role!r} is not allowed: choose {', '.join(self.roles)}, or {BEST}")
        return list(self._models.values()) if role == TEACHER else [self._models[role]]

    def inner_product_model(self, role: str) -> InnerProductModel:
        """Return the one model that a role stands for, if it scores by inner products.

        Raises:
            ConfigError: There is no such model, there are several, or it scores in another way.
        """
        models = self.model_of(role)
        if len(models) > 1 or not isinstance(models[0], InnerProductModel):
            kind = "several models" if len(models) > 1 else type(models[0].model).__name__
            raise ConfigError(f"model = {role!r} is not allowed here: {kind} does not score by inner products")
        return models[0]

    def _scorer(
        self, role: str, allowed: Iterable[Any] | None, candidates: Tensor | None = None
    ) -> tuple[list[ScoringModel], CandidateScorer | TeacherScorer, Tensor]:
        models = self.model_of(role)
        if candidates is None:
            every = np.arange(1, len(self._items) + 1)
            numbers = every if allowed is None else np.unique(self.known_items(allowed, "allowed"))
            candidates = torch.from_numpy(numbers).to(self.device)
        scorers = [CandidateScorer(each, candidates) for each in models]
        if len(scorers) == 1:
            return models, scorers[0], candidates
        return models, TeacherScorer(scorers, self.config["teacher_mean"]), candidates

    def known_items(self, ids: Iterable[Any], what: str) -> np.ndarray:
        """Return the numbers of known items, shape [n].

        Args:
            ids: Item ids.
            what: What they are, for the error.

        Raises:
            DataError: There is none, or one is unknown.
        """
        ids = list(ids)
        numbers = self._items.numbers(ids) if ids else np.zeros(0, dtype=np.int64)
        if not len(numbers) or not numbers.all():
            said = f"item {ids[int(np.flatnonzero(numbers == 0)[0])]!r} is unknown" if ids else "it is empty"
            raise DataError(f"{what}: {said}; the model knows ids such as {self._items.examples()}")
        return numbers

    def _batches(
        self, sequences: ItemSequences, models: Sequence[ScoringModel], batch_size: int, k: int = 1
    ) -> Iterator[tuple[ItemSequences, Any]]:
        """Yield sequences and what the models read of them; no more at once than the budget of memory allows."""
        check_count("batch_size", batch_size)
        for model in models:
            if model.role not in self._row_sizes:
                self._row_sizes[model.role] = row_size(model)
        size = min(batch_size, rows_at_once(max(self._row_sizes[model.role] for model in models), k))
        for begin in range(0, len(sequences), size):
            part = sequences.part(begin, begin + size)
            users = self._users.numbers(part, models)
            items, start, end, user = (
                torch.from_numpy(each).to(self.device) for each in (part.items, part.starts, part.ends, users)
            )
            yield part, padded(items, start, end, user, self.window, self.config["pad_side"])

    def _seen(self, part: ItemSequences, position: Tensor) -> tuple[Tensor, Tensor]:
        """Return sequences and candidates that are in them."""
        row = torch.from_numpy(np.repeat(np.arange(len(part)), part.lengths)).to(self.device)
        place = position[torch.from_numpy(part.items).to(self.device)]
        return row[place >= 0], place[place >= 0]
