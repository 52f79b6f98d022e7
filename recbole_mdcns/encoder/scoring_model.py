"""The interface of a model in training: encode a batch of histories, then score any items with the encodings."""

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

#: The argument names of ``forward`` in RecBole's models.
_ARGUMENTS = {
    "item_seq": "item_seq",
    "seq_item": "item_seq",
    "item_seq_len": "item_length",
    "seq_item_len": "item_length",
    "user": "user",
}
SMALLEST_PROBABILITY = 1e-12


class ScoringModel(ABC):
    """A RecBole sequential model for the training loop; nothing of the model is copied.

    It gets copies of the sequences that several models read: HRM writes into its lengths.

    Args:
        model: The model, as RecBole builds it.
        config: The configuration that it was built from.
        role: ``self``, ``peer``, or ``peer1`` and so on.
        is_causal: States inside of longer passes are encodings of prefixes; None if not measured.
        is_trimmable: Columns that are padding in every row may be left out; None if not measured.
        ignores_others: A row's states do not depend on the other rows of a batch; None if not measured.
    """

    def __init__(
        self,
        model: SequentialRecommender,
        config: ModelConfig,
        role: str = "self",
        *,
        is_causal: bool | None = None,
        is_trimmable: bool | None = None,
        ignores_others: bool | None = None,
    ):
        self.model = model
        self.config = config
        self.role = role
        self.is_causal = is_causal
        self.is_trimmable = is_trimmable
        self.ignores_others = ignores_others

    @property
    def reads_passes(self) -> bool:
        """Whether it encodes the passes of a batch; otherwise it needs rows."""
        return bool(self.is_causal) and self.ignores_others is not False

    def measured(self) -> dict[str, bool | None]:
        """Return the abilities, by the names of the arguments."""
        return {name: getattr(self, name) for name in ("is_causal", "is_trimmable", "ignores_others")}

    def abilities(self) -> str:
        """Return the measured abilities, for the log."""
        measured = {name.replace("is_", "").replace("_", " "): value for name, value in self.measured().items()}
        return ", ".join(f"{name} {value}" for name, value in measured.items() if value is not None) or "not measured"

    def encode(self, batch: TargetBatch) -> Tensor:
        """Encode the histories of a batch in the model's current mode, in the cheapest way that it allows, [T, .]."""
        if self.reads_passes and batch.passes is not None:
            return torch.cat([self._encode_passes(passes) for passes in batch.passes])
        assert batch.rows is not None
        parts = batch.rows.parts if self.is_trimmable else [widened(batch.rows.parts, self.model.max_seq_length)]
        return batch.rows.in_order([self.encode_sequences(part) for part in parts])

    def _encode_passes(self, passes: Passes) -> Tensor:
        states = self.position_states(passes.sequences)
        assert states is not None
        return states[passes.row, passes.position]

    def trimmed(self, rows: Interaction) -> Interaction:
        """Return a copy of RecBole's rows, without the columns that are padding in all rows if the model allows it."""
        sequence, length = self.model.ITEM_SEQ, self.model.ITEM_SEQ_LEN
        kept = rows[sequence][:, : int(rows[length].max())] if self.is_trimmable else rows[sequence]
        return Interaction({**rows.interaction, sequence: kept.clone(), length: rows[length].clone()})

    @abstractmethod
    def like_this(self, model: SequentialRecommender) -> ScoringModel:
        """Return the scoring model of another model of the same class and keys, with the same abilities."""

    @abstractmethod
    def encode_sequences(self, sequences: Sequences) -> Tensor:
        """Encode whole sequences, shape [B, .]."""

    def position_states(self, sequences: Sequences) -> Tensor | None:
        """Return the states at all positions, shape [B, W, H], with gradient; None if the model does not give them."""
        return None

    def make_lazy(self) -> bool:
        """Give the item table sparse gradients; return False if every step uses all of its rows."""
        return False

    def as_scores(self, ranked_by: Tensor) -> Tensor:
        """Return the result of the model's ``full_sort_predict`` on the scale of :meth:`score`."""
        return ranked_by

    @abstractmethod
    def score(self, encoding: Tensor, items: Tensor, order: Tensor | None = None) -> Tensor:
        """Score items [T, C] with the encodings of :meth:`encode`, shape [T, C], in float32 or wider.

        ``order`` is the result of ``pool_scores.item_order`` for the items; several models share it.
        """

    @abstractmethod
    def score_shared(self, encoding: Tensor, own: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Score an item of each target, and the same items with all encodings of :meth:`encode`.

        Args:
            encoding: Shape [T, .].
            own: Each target's item, shape [T].
            items: Items of all targets, shape [K].

        Returns:
            Scores [T] and [T, K], in float32 or wider.
        """

    @abstractmethod
    def score_all(self, encoding: Tensor) -> Tensor:
        """Score all items, and the padding in column 0, with the encodings of :meth:`encode`, shape [T, V + 1]."""


class InnerProductModel(ScoringModel):
    """A model whose score is ``h . e(v)``: the encoding is the output of its ``forward``, shape [T, H].

    All other arguments are those of :class:`ScoringModel`.

    Args:
        item_embedding: Its item table; row 0 is the padding, rows past the last item are not used.
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
        self.forward_fields = forward_fields(model) or []

    def like_this(self, model: SequentialRecommender) -> InnerProductModel:
        """See :meth:`ScoringModel.like_this`; its item table is the embedding of the same name."""
        name = next(name for name, module in self.model.named_modules() if module is self.item_embedding)
        embedding = model.get_submodule(name)
        assert isinstance(embedding, torch.nn.Embedding), name
        return InnerProductModel(model, self.config, self.role, embedding, **self.measured())

    def make_lazy(self) -> bool:
        """Give the item table sparse gradients, of the items in the sequences and in the pools."""
        self.item_embedding.sparse = True
        return True

    @property
    def item_table(self) -> Tensor:
        """The item embeddings, shape [V + 1, H]."""
        return self.item_embedding.weight

    def as_states(self, encoding: Tensor) -> Tensor:
        """Return encodings in the type of the item table, which is wider under autocast."""
        return encoding.to(self.item_table.dtype)

    def encode_sequences(self, sequences: Sequences) -> Tensor:
        """Return the output of the model's ``forward``, shape [B, H]."""
        return self.model.forward(*(getattr(sequences, field).clone() for field in self.forward_fields))

    def position_states(self, sequences: Sequences) -> Tensor | None:
        """Return the states from which the model gathers its last one with RecBole's ``gather_indexes``.

        None if it does not gather exactly once, or not from a tensor of shape [B, W, H].
        """
        with gathered_states(self.model) as gathered:
            encoding = self.encode_sequences(sequences)
        if len(gathered) != 1 or gathered[0].shape != (*sequences.item_seq.shape, encoding.size(-1)):
            return None
        return gathered[0]

    def score(self, encoding: Tensor, items: Tensor, order: Tensor | None = None) -> Tensor:
        """Return inner products with the items' embeddings, shape [T, C]."""
        return pool_scores(self.as_states(encoding), self.item_table, items, order, self.item_embedding.sparse)

    def score_shared(self, encoding: Tensor, own: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return inner products with the items' embeddings, by one look at the table: it then has one gradient."""
        states, both = self.as_states(encoding), torch.cat([own, items])
        embeddings = F.embedding(both, self.item_table, sparse=self.item_embedding.sparse)
        of_own, of_items = embeddings.split([len(own), len(items)])
        return (states * of_own).sum(1), states @ of_items.T

    def score_all(self, encoding: Tensor) -> Tensor:
        """Return inner products with all items' embeddings, shape [T, V + 1]."""
        return F.linear(self.as_states(encoding), self.item_table[: self.model.n_items])


class FullRankingModel(ScoringModel):
    """Any other model: its own ``full_sort_predict`` scores all items, and the requested scores are picked from these.

    This is right for biases, distances, temperatures and several interests, and costs V scores per target. If the model
    ranks by probabilities, their logarithms are the scores: the ranking is the same, on the scale that losses expect.

    All other arguments are those of :class:`ScoringModel`.

    Args:
        gives_probabilities: Whether the model ranks by probabilities.
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

    def like_this(self, model: SequentialRecommender) -> FullRankingModel:
        """See :meth:`ScoringModel.like_this`."""
        return FullRankingModel(model, self.config, self.role, self.gives_probabilities, **self.measured())

    def encode_sequences(self, sequences: Sequences) -> Tensor:
        """Return the scores of all items, shape [B, V + 1]; autocast is off, because these models mix types."""
        with torch.autocast(sequences.item_seq.device.type, enabled=False):
            return self.as_scores(full_ranking(self.model, sequences))

    def as_scores(self, ranked_by: Tensor) -> Tensor:
        """Return logarithms of probabilities, and other scores unchanged."""
        return ranked_by.clamp(min=SMALLEST_PROBABILITY).log() if self.gives_probabilities else ranked_by

    def score(self, encoding: Tensor, items: Tensor, order: Tensor | None = None) -> Tensor:
        """Return the items' scores, shape [T, C]; ``order`` is not used."""
        return encoding.float().gather(1, items)

    def score_shared(self, encoding: Tensor, own: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return the items' scores."""
        scores = encoding.float()
        return scores.gather(1, own[:, None]).squeeze(1), scores.index_select(1, items)

    def score_all(self, encoding: Tensor) -> Tensor:
        """Return the encoding, which is all scores."""
        return encoding.float()


def widened(parts: list[Sequences], width: int) -> Sequences:
    """Join right-padded sequences, padded to a width, for models that need this width."""
    items = torch.cat([F.pad(part.item_seq, (0, width - part.item_seq.size(1))) for part in parts])
    users, lengths = ([getattr(part, field) for part in parts] for field in ("user", "item_length"))
    return Sequences(torch.cat(users), items, torch.cat(lengths))


def forward_fields(model: SequentialRecommender) -> list[str] | None:
    """Return the fields of sequences that a model's ``forward`` takes, in order; None if it takes others."""
    names = list(inspect.signature(model.forward).parameters)
    return [_ARGUMENTS[name] for name in names] if all(name in _ARGUMENTS for name in names) else None


def full_ranking(model: SequentialRecommender, sequences: Sequences) -> Tensor:
    """Return a model's own scores of all items, shape [B, V + 1]."""
    return model.full_sort_predict(ranking_rows(model, sequences)).view(len(sequences.user), -1)


def ranking_rows(model: SequentialRecommender, sequences: Sequences) -> Interaction:
    """Return sequences as the rows that a model's ``full_sort_predict`` reads."""
    rows = {
        model.USER_ID: sequences.user,
        model.ITEM_SEQ: sequences.item_seq.clone(),
        model.ITEM_SEQ_LEN: sequences.item_length.clone(),
        model.ITEM_ID: sequences.item_seq[:, 0],  # the CPR models also compute a loss, which is not used
    }
    return Interaction(rows)
