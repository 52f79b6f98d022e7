"""What every negative-sampling strategy sees and returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch


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
    """

    scores: Sequence[Tensor]
    weights: Sequence[Tensor]
    extra: Sequence[dict[str, Tensor]] = field(default_factory=list)


class NegativeStrategy(ABC):
    """Chooses the negatives of a step. One subclass, one file, one method.

    Args:
        config: The run's configuration; read your keys here.
        device: Where the pools will live.

    Attributes:
        views: Names of the K negatives, for the log.
        weights: Weights of the views' losses, one row per model; ones unless a subclass sets others.
        candidate_num: Size N of the pool to draw.
        needs_peer: Whether a peer model is trained beside the self model.
        generator: Random generator of the strategy's draws, seeded by the run and saved with it.
    """

    views: tuple[str, ...] = ("negative",)
    needs_peer = False

    def __init__(self, config: Config, device: torch.device):
        self.weights = torch.ones(1, len(self.views), device=device)
        self.candidate_num = config["neg_candidate_num"]
        self.generator = torch.Generator(device).manual_seed(config["seed"] + 1)  # the candidate sampler has seed

    @abstractmethod
    def choose(self, pool: ScoredPool) -> Negatives:
        """Return the negatives of a step; the choice itself carries no gradient."""

    def pick(self, pool: ScoredPool, columns: Tensor) -> list[Tensor]:
        """Return per model the scores of the chosen pool columns [T, K], shape [T, K], with gradient."""
        return [scores.gather(1, columns) for scores in pool.scores]

    def state_dict(self) -> dict[str, Any]:
        """Return what must survive a resume."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.generator.set_state(state["generator"].cpu())
