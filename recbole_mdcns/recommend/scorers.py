"""Scores of sequences for ranges of candidates: of one model, or of several together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recbole_mdcns.data.batch import Sequences
from recbole_mdcns.encoder.scoring_model import InnerProductModel, ScoringModel
from recbole_mdcns.recommend.top_items import ScoreBlock

#: Sequences of similar length that are encoded together.
PART = 64


class CandidateScorer:
    """Scores candidates, item numbers of shape [C], by one model."""

    def __init__(self, model: ScoringModel, candidates: Tensor):
        self.model = model
        self.candidates = candidates
        self._table: Tensor | None = None
        if isinstance(model, InnerProductModel):
            table = model.item_table.detach()[: model.model.n_items]
            every = torch.arange(1, len(table), device=candidates.device)
            self._table = table[1:] if torch.equal(candidates, every) else table[candidates]  # [C, H]

    def of(self, sequences: Sequences) -> ScoreBlock:
        """Return the scores of sequences as a function of a range of candidates; a call overwrites the last result."""
        encoding = encoded(self.model, sequences)
        if self._table is None:
            scores = self.model.score_all(encoding)
            return lambda start, end: scores[:, self.candidates[start:end]]
        table = self._table
        encoding = encoding.to(table.dtype)
        room = encoding.new_empty(0)

        def block(start: int, end: int) -> Tensor:
            nonlocal room  # new memory for each block costs as much time as the product
            number = len(encoding) * (end - start)
            if len(room) < number:
                room = encoding.new_empty(number)
            return torch.mm(encoding, table[start:end].T, out=room[:number].view(len(encoding), end - start))

        return block


class TeacherScorer:
    """Scores candidates by several models together, Eq. (4), from the scorer of each."""

    def __init__(self, scorers: Sequence[CandidateScorer], mean: bool):
        self.scorers = scorers
        self.mean = mean

    def of(self, sequences: Sequences) -> ScoreBlock:
        """See :meth:`CandidateScorer.of`."""
        blocks = [scorer.of(sequences) for scorer in self.scorers]

        def joint(start: int, end: int) -> Tensor:
            """Do what ``teacher_scores`` does, in place."""
            total, *others = (block(start, end) for block in blocks)
            for scores in others:
                total += scores
            return total.div_(len(blocks)) if self.mean else total

        return joint


def encoded(model: ScoringModel, sequences: Sequences) -> Tensor:
    """Encode sequences, shape [B, .]; in parts of similar length, without common padding, if the model allows it."""
    if not model.is_trimmable:
        return model.encode_sequences(sequences)
    if len(sequences.item_length) <= PART:
        return model.encode_sequences(trimmed(sequences))
    order = sequences.item_length.argsort()
    parts = []
    for rows in order.split(PART):
        part = Sequences(sequences.user[rows], sequences.item_seq[rows], sequences.item_length[rows])
        parts.append(model.encode_sequences(trimmed(part)))
    return torch.cat(parts)[order.argsort()]


def trimmed(sequences: Sequences) -> Sequences:
    """Return right-padded sequences without the columns that are padding in all of them."""
    width = int(sequences.item_length.max())
    return Sequences(sequences.user, sequences.item_seq[:, :width], sequences.item_length)
