"""The one way in which training looks at a model: encode a batch of histories, then score any items with that."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor

from recbole_mdcns.config.model_config import ModelConfig
from recbole_mdcns.data.batch import Passes, Sequences, TargetBatch
from recbole_mdcns.encoder.gathered_states import gathered_states
from recbole_mdcns.kernels.pool_scores import pool_scores

#: What RecBole's models call the arguments of their ``forward``.
_ARGUMENTS = {
    "item_seq": "item_seq",
    "seq_item": "item_seq",
    "item_seq_len": "item_length",
    "seq_item_len": "item_length",
    "user": "user",
}
SMALLEST_PROBABILITY = 1e-12


class ScoringModel(ABC):
    """A RecBole sequential model in the eyes of the training loop; nothing of it is copied.

    Args:
        model: The model, as RecBole builds it.
        config: The configuration that it was built from.
        role: ``self``, ``peer``, or ``peer1`` and so on.
        is_causal: The model may be asked for the states inside longer passes; None where nobody has measured it.
        is_trimmable: Columns that are padding in every row may be left out; None where nobody has measured it.
    """

    def __init__(
        self,
        model: SequentialRecommender,
        config: ModelConfig,
        role: str = "self",
        *,
        is_causal: bool | None = None,
        is_trimmable: bool | None = None,
    ):
        self.model = model
        self.config = config
        self.role = role
        self.is_causal = is_causal
        self.is_trimmable = is_trimmable

    def abilities(self) -> str:
        """Return what has been measured, for the log."""
        measured = {"causal": self.is_causal, "trimmable": self.is_trimmable}
        return ", ".join(f"{name} {value}" for name, value in measured.items() if value is not None) or "not measured"

    def encode(self, batch: TargetBatch) -> Tensor:
        """Encode the histories of a batch, in the model's current mode, shape [T, .]: the cheapest way it allows."""
        if self.is_causal and batch.passes is not None:
            return torch.cat([self._encode_passes(passes) for passes in batch.passes])
        assert batch.rows is not None
        parts = batch.rows.parts if self.is_trimmable else [widened(batch.rows.parts, self.model.max_seq_length)]
        return batch.rows.in_order([self.encode_sequences(part) for part in parts])

    def _encode_passes(self, passes: Passes) -> Tensor:
        states = self.position_states(passes.sequences)
        assert states is not None
        return states[passes.row, passes.position]

    def trimmed(self, rows: Interaction) -> Interaction:
        """Return RecBole's rows without the columns that are padding in all of them, where the model allows it."""
        if not self.is_trimmable:
            return rows
        sequence, width = self.model.ITEM_SEQ, int(rows[self.model.ITEM_SEQ_LEN].max())
        return Interaction({**rows.interaction, sequence: rows[sequence][:, :width]})

    @abstractmethod
    def encode_sequences(self, sequences: Sequences) -> Tensor:
        """Encode whole sequences, shape [B, .]."""

    def position_states(self, sequences: Sequences) -> Tensor | None:
        """Return the states at all positions, shape [B, W, H], with gradient; None where there are none to be had."""
        return None

    def make_lazy(self) -> bool:
        """Let the item table have sparse gradients; return False where all its rows take part in every step."""
        return False

    def as_scores(self, ranked_by: Tensor) -> Tensor:
        """Return what the model's ``full_sort_predict`` gave on the scale of :meth:`score`."""
        return ranked_by

    @abstractmethod
    def score(self, encoding: Tensor, items: Tensor, order: Tensor | None = None) -> Tensor:
        """Score items [T, C] by what :meth:`encode` gave, shape [T, C], in float32 or wider.

        ``order`` is what ``pool_scores.item_order`` gives for the items, where several models score them.
        """

    @abstractmethod
    def score_all(self, encoding: Tensor) -> Tensor:
        """Score all items, and the padding in column 0, by what :meth:`encode` gave, shape [T, V + 1]."""


class InnerProductModel(ScoringModel):
    """A model whose score is ``h . e(v)``: the encoding is the output of its ``forward``, shape [T, H].

    Args:
        model: See :class:`ScoringModel`.
        config: See :class:`ScoringModel`.
        role: See :class:`ScoringModel`.
        item_embedding: Its item table; row 0 is the padding, rows past the last item are not used.
        **abilities: See :class:`ScoringModel`.
    """

    def __init__(
        self,
        model: SequentialRecommender,
        config: ModelConfig,
        role: str,
        item_embedding: torch.nn.Embedding,
        **abilities: bool | None,
    ):
        super().__init__(model, config, role, **abilities)
        self.item_embedding = item_embedding
        self._fields = forward_fields(model) or []

    def make_lazy(self) -> bool:
        """Let the item table have sparse gradients: of the items in the sequences and in the pools."""
        self.item_embedding.sparse = True
        return True

    @property
    def item_table(self) -> Tensor:
        """The item embeddings, shape [V + 1, H]."""
        return self.item_embedding.weight

    def encode_sequences(self, sequences: Sequences) -> Tensor:
        """Return the output of the model's ``forward``, shape [B, H]."""
        return self.model.forward(*(getattr(sequences, field) for field in self._fields))

    def position_states(self, sequences: Sequences) -> Tensor | None:
        """Return what the model gathers its last state from with RecBole's ``gather_indexes``.

        None where it does not gather exactly once, or not from a tensor of shape [B, W, H].
        """
        with gathered_states(self.model) as gathered:
            encoding = self.encode_sequences(sequences)
        if len(gathered) != 1 or gathered[0].shape != (*sequences.item_seq.shape, encoding.size(-1)):
            return None
        return gathered[0]

    def score(self, encoding: Tensor, items: Tensor, order: Tensor | None = None) -> Tensor:
        """Return inner products with the items' embeddings, shape [T, C]."""
        return pool_scores(encoding.float(), self.item_table, items, order, self.item_embedding.sparse)

    def score_all(self, encoding: Tensor) -> Tensor:
        """Return inner products with all items' embeddings, shape [T, V + 1]."""
        return F.linear(encoding.float(), self.item_table[: self.model.n_items])


class FullRankingModel(ScoringModel):
    """Any other model: its own ``full_sort_predict`` scores all items, of which the asked ones are taken.

    Right for biases, distances, temperatures and several interests, at the price of V scores per target. Where the
    model ranks by probabilities, their logarithms are the scores: the same ranking, on the scale that losses expect.

    Args:
        model: See :class:`ScoringModel`.
        config: See :class:`ScoringModel`.
        role: See :class:`ScoringModel`.
        gives_probabilities: Whether the model ranks by probabilities.
        **abilities: See :class:`ScoringModel`.
    """

    def __init__(
        self,
        model: SequentialRecommender,
        config: ModelConfig,
        role: str,
        gives_probabilities: bool,
        **abilities: bool | None,
    ):
        super().__init__(model, config, role, **abilities)
        self.gives_probabilities = gives_probabilities

    def encode_sequences(self, sequences: Sequences) -> Tensor:
        """Return the scores of all items, shape [B, V + 1]; autocast stays off, as these models mix types."""
        with torch.autocast(sequences.item_seq.device.type, enabled=False):
            return self.as_scores(full_ranking(self.model, sequences))

    def as_scores(self, ranked_by: Tensor) -> Tensor:
        """Return logarithms of probabilities, and other scores as they are."""
        return ranked_by.clamp(min=SMALLEST_PROBABILITY).log() if self.gives_probabilities else ranked_by

    def score(self, encoding: Tensor, items: Tensor, order: Tensor | None = None) -> Tensor:
        """Return the items' scores, shape [T, C]; ``order`` is not used."""
        return encoding.float().gather(1, items)

    def score_all(self, encoding: Tensor) -> Tensor:
        """Return the encoding, which is all scores."""
        return encoding.float()


def widened(parts: list[Sequences], width: int) -> Sequences:
    """Join right-padded sequences, padded to a width, for models that count on it."""
    items = torch.cat([F.pad(part.item_seq, (0, width - part.item_seq.size(1))) for part in parts])
    users, lengths = ([getattr(part, field) for part in parts] for field in ("user", "item_length"))
    return Sequences(torch.cat(users), items, torch.cat(lengths))


def forward_fields(model: SequentialRecommender) -> list[str] | None:
    """Return which fields of sequences a model's ``forward`` asks for, in its order; None where it asks for others."""
    names = list(inspect.signature(model.forward).parameters)
    return [_ARGUMENTS[name] for name in names] if all(name in _ARGUMENTS for name in names) else None


def full_ranking(model: SequentialRecommender, sequences: Sequences) -> Tensor:
    """Return a model's own scores of all items, shape [B, V + 1]."""
    return model.full_sort_predict(ranking_rows(model, sequences)).view(len(sequences.user), -1)


def ranking_rows(model: SequentialRecommender, sequences: Sequences) -> Interaction:
    """Return sequences as the rows that a model's ``full_sort_predict`` reads."""
    rows = {
        model.USER_ID: sequences.user,
        model.ITEM_SEQ: sequences.item_seq,
        model.ITEM_SEQ_LEN: sequences.item_length,
        model.ITEM_ID: sequences.item_seq[:, 0],  # the CPR models compute a loss along the way, which is not used
    }
    return Interaction(rows)
