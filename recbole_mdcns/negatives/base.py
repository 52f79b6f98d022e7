"""What every negative-sampling strategy sees and returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.negatives.draws.pool import CandidateSampler
from recbole_mdcns.negatives.draws.popularity import Popularity


@dataclass
class ScoredPool:
    """One step's targets and candidates, encoded and scored by every model (the self model first).

    Attributes:
        batch: The T targets and their histories.
        candidates: Candidate ids, shape [T, N].
        encodings: Per model, what its encoder made of the histories, shape [T, .]; with gradient.
        positive: Per model, the scores of the targets, shape [T]; with gradient.
        scores: Per model, the scores of the candidates, shape [T, N]; with gradient.
    """

    batch: TargetBatch
    candidates: Tensor
    encodings: Sequence[Tensor]
    positive: Sequence[Tensor]
    scores: Sequence[Tensor]


@dataclass
class Negatives:
    """What a strategy decided for one step.

    Attributes:
        scores: Per model, the scores of its K negatives, shape [T, K]; with gradient.
        weights: Per model, the weights of the K negatives' mean losses, shape [K].
        extra: Per model, further loss terms by name, already weighted.
        factors: Factors of each target's and negative's loss, shape [T, K] or [T, 1], without gradient.
        log_q: Log probabilities of the targets [T] and of the negatives [T, K] under the proposal; None when uniform.
    """

    scores: Sequence[Tensor]
    weights: Sequence[Tensor]
    extra: Sequence[dict[str, Tensor]] = field(default_factory=list)
    factors: Tensor | None = None
    log_q: tuple[Tensor, Tensor] | None = None


class NegativeStrategy(ABC):
    """Chooses the negatives of a step. One subclass, one file; ``choose`` is all that it must have.

    The trainer calls ``prepare`` once, ``start_epoch`` before each epoch, and for each step ``propose`` and, once all
    models have scored the candidates, ``choose``.

    Args:
        config: The run's configuration; read your keys here.
        device: Where the pools will live.

    Attributes:
        views: Names of the negatives, for the log: one for each, or one for all K of them.
        weights: Weights of the negatives' losses, one row per model; 1 / K each unless a subclass sets others.
        candidate_num: How many items :attr:`sampler` draws for a target; all must exist for every target.
        candidate_key: The key that ``candidate_num`` comes from, for messages.
        needs_peer: Whether peer models are trained beside the self model.
        knows_proposal: The negatives are draws from a known distribution, so that softmax losses can use them.
        epoch: The epoch, from 0.
        generator: Random generator of the strategy's draws, seeded by the run and saved with it.
        sampler: Draws distinct uniform candidates, free of history and target; set by :meth:`prepare`.
    """

    views: tuple[str, ...] = ("negative",)
    candidate_key = "neg_candidate_num"
    needs_peer = False
    knows_proposal = False
    sampler: CandidateSampler

    @classmethod  # noqa: B027
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse sizes that do not go together; nothing is ever clipped.

        Called with all keys of a run before anything is loaded, and by the constructor.

        Raises:
            ConfigError: Names the keys and what they allow.
        """

    def __init__(self, config: Config, device: torch.device):
        self.check(config)
        self.negative_num = 1 if "neg_num" not in config else config["neg_num"]  # noqa: SIM401 (RecBole has no get)
        self.weights = torch.full((1, self.negative_num), 1 / self.negative_num, device=device)
        self.candidate_num = 0 if "neg_candidate_num" not in config else config["neg_candidate_num"]  # noqa: SIM401
        self.device = device
        self.epoch = 0
        self.generator = torch.Generator(device).manual_seed(config["seed"] + 1)  # the candidate sampler has seed

    def prepare(self, dataset: HistoryDataset, sampler: CandidateSampler) -> None:
        """Take what the draws need; a subclass builds here what it keeps about the training set.

        Args:
            dataset: The training part; targets are numbered by its rows.
            sampler: Of ``candidate_num`` uniform candidates.
        """
        self.sampler = sampler

    def start_epoch(self, epoch: int) -> None:
        """Take note of the epoch that begins, counted from 0."""
        self.epoch = epoch

    def propose(self, batch: TargetBatch) -> Tensor:
        """Return the candidates of a step, shape [T, N]; every model scores them."""
        return self.sampler.sample(batch)

    @abstractmethod
    def choose(self, pool: ScoredPool) -> Negatives:
        """Return the negatives of a step; the choice itself carries no gradient."""

    def pick(self, pool: ScoredPool, columns: Tensor) -> list[Tensor]:
        """Return per model the scores of the chosen pool columns [T, K], shape [T, K], with gradient."""
        return [scores.gather(1, columns) for scores in pool.scores]

    def state_dict(self) -> dict[str, Any]:
        """Return what must survive a resume, as tensors and plain values."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave; called after :meth:`prepare`."""
        self.generator.set_state(state["generator"].cpu())


class Proposed(NegativeStrategy):
    """A strategy whose candidates are its negatives: K draws from a distribution, whatever the models think.

    Attributes:
        popularity: The distribution; None where it is uniform.
    """

    candidate_key = "neg_num"
    knows_proposal = True
    popularity: Popularity | None = None

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.candidate_num = self.negative_num

    def log_q(self, pool: ScoredPool) -> tuple[Tensor, Tensor] | None:
        """Return the log probabilities of targets [T] and candidates [T, K], or None when all are the same."""
        if self.popularity is None:
            return None
        return self.popularity.log_q[pool.batch.target], self.popularity.log_q[pool.candidates]

    def choose(self, pool: ScoredPool) -> Negatives:
        """Take all candidates."""
        return Negatives(scores=pool.scores, weights=list(self.weights), log_q=self.log_q(pool))
