"""``Recommender``: recommendations for any sequences, from the files of a training alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbole_mdcns.data.windows import padded
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.errors import CheckpointError, ConfigError
from recbole_mdcns.recommend.arguments import count_of
from recbole_mdcns.recommend.loaded_run import LoadedRun
from recbole_mdcns.recommend.row_size import row_size
from recbole_mdcns.recommend.scorers import CandidateScorer, TeacherScorer, encoded
from recbole_mdcns.recommend.sequences import ItemSequences, item_sequences
from recbole_mdcns.recommend.tables import Columns
from recbole_mdcns.recommend.top_items import TABLE_COLUMNS, TopItems, rows_at_once, top_items


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


class Recommender(LoadedRun):
    """Recommends, scores and encodes with saved models. See :func:`load`.

    Ids are texts, as in the data that the model was trained on; integers stand for their texts. Of a sequence longer
    than the window, the model reads the newest items; all of its items count as seen.

    Attributes:
        roles: See :class:`LoadedRun`.
        best_role: See :class:`LoadedRun`.
        window: See :class:`LoadedRun`.
    """

    def recommend(
        self,
        sequences: Any,
        k: int = 10,
        model: str | None = None,
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
            model: ``self``, ``peer``, ``teacher``, or ``best``, the best of them on validation; by default the model of
                the file.
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

    def top_items(
        self,
        sequences: ItemSequences,
        k: int = 10,
        model: str | None = None,
        exclude_seen: bool = True,
        allowed: Iterable[Any] | None = None,
        batch_size: int = 256,
    ) -> Iterator[TopItems]:
        """Yield the best items of sequences that :meth:`read` gave, batch by batch, in their order.

        See :meth:`recommend` for the arguments. The scores of a batch are never held all at once.
        """
        k, sequences = count_of("k", k), self._own(sequences)
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
                    raise CheckpointError(f"model = {model!r} gives scores that are not numbers: train it again")
                yield TopItems(part.names, names, values)

    def score(
        self,
        sequences: Any,
        items: Sequence[Any],
        model: str | None = None,
        batch_size: int = 256,
        on_unknown: str = "error",
        columns: Columns | None = None,
    ) -> np.ndarray:
        """Return the scores of items for each sequence, shape [sequences, items]; see :meth:`recommend`.

        A sequence that ``on_unknown="skip"`` leaves out has a row of NaN.
        """
        numbers = torch.from_numpy(self.known_items(items, "items")).to(self.device)
        read, is_kept = self._read(sequences, on_unknown, columns, model)
        models, scorer, _ = self._scorer(model, None, numbers)
        with torch.no_grad():
            blocks = (
                scorer.of(padded_part)(0, len(numbers)).cpu().numpy()
                for _, padded_part in self._batches(read.only(is_kept), models, batch_size, len(numbers))
            )
            return _in_their_places(blocks, is_kept, len(numbers))

    def encode(
        self,
        sequences: Any,
        model: str | None = None,
        batch_size: int = 256,
        on_unknown: str = "error",
        columns: Columns | None = None,
    ) -> np.ndarray:
        """Return the encoding of each sequence, shape [sequences, H]; see :meth:`item_embeddings`.

        A sequence that ``on_unknown="skip"`` leaves out has a row of NaN.

        Raises:
            ConfigError: The model does not score by inner products.
        """
        inner = self.inner_product_model(model)
        read, is_kept = self._read(sequences, on_unknown, columns, model)
        with torch.no_grad():
            blocks = (
                encoded(inner, padded_part).float().cpu().numpy()
                for _, padded_part in self._batches(read.only(is_kept), [inner], batch_size)
            )
            return _in_their_places(blocks, is_kept, inner.item_table.size(1))

    def _own(self, sequences: Any) -> ItemSequences:
        """Return sequences that :meth:`read` gave, and refuse all others."""
        if not isinstance(sequences, ItemSequences):
            raise ConfigError("top_items takes what read or sequences_of_users gave: call read first, or recommend")
        return item_sequences(sequences, self._items, self.columns)

    def _scorer(
        self, role: str | None, allowed: Iterable[Any] | None, candidates: Tensor | None = None
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

    def _batches(
        self, sequences: ItemSequences, models: Sequence[ScoringModel], batch_size: int, k: int = 1
    ) -> Iterator[tuple[ItemSequences, Any]]:
        """Yield sequences and what the models read of them; no more at once than the budget of memory allows."""
        batch_size = count_of("batch_size", batch_size)
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


def _in_their_places(blocks: Iterable[np.ndarray], is_kept: np.ndarray, width: int) -> np.ndarray:
    """Return a row for each sequence, shape [sequences, width]: of those kept, one after the other, and else NaN."""
    values = np.full((len(is_kept), width), np.nan, dtype=np.float32)
    values[is_kept] = np.concatenate([np.zeros((0, width), dtype=np.float32), *blocks])
    return values
