"""The interface of negative-sampling strategies: their input and their result."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import torch
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.config.keys import check_unused
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.equations import teacher_scores
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.draws.pool import CandidateSampler
from recbole_mdcns.negatives.draws.shared_pool import SharedPool, SharedPoolSampler
from recbole_mdcns.support.built import Built

#: The candidates of a step: item ids of shape [T, N], or a pool that all targets share.
Candidates = Union[Tensor, SharedPool]
#: The shares of a shared pool that are not uniform.
POOL_SHARES = ("pool_popular_share", "pool_in_batch_share")


@dataclass
class ScoredPool:
    """One step's targets and candidates, encoded and scored by every model (the self model first).

    Attributes:
        batch: The T targets and their histories.
        candidates: Candidate ids, shape [T, N]. In a shared pool all rows are the same.
        encodings: Per model, its encodings of the histories, shape [T, .]; with gradient. For a model with inner
            products they are its states, for any other model its scores of all items. Our strategies do not read them.
        positive: Per model, the scores of the targets, shape [T]; with gradient.
        scores: Per model, the scores of the candidates, shape [T, N]; with gradient. A candidate of a shared pool that
            a target must not have has the score :data:`recbole_mdcns.equations.FORBIDDEN_SCORE`.
        shared: The pool, if all targets share it.
        takes_all: The loss is a softmax or gBCE: it takes all candidates at once.
    """

    batch: TargetBatch
    candidates: Tensor
    encodings: Sequence[Tensor]
    positive: Sequence[Tensor]
    scores: Sequence[Tensor]
    shared: SharedPool | None = None
    takes_all: bool = False

    def proposal(self) -> tuple[Tensor, Tensor] | None:
        """Return the log probabilities of targets [T] and candidates [T, N] of a shared pool; None if uniform."""
        return None if self.shared is None else self.shared.log_q


@dataclass
class Negatives:
    """The negatives of one step.

    Attributes:
        scores: Per model, the scores of its K negatives, shape [T, K]; with gradient.
        weights: Per model, the weights of the K negatives' mean losses, shape [K].
        extra: Per model, further loss terms by name, already weighted.
        factors: Factors of each target's and negative's loss, shape [T, K] or [T, 1], without gradient.
        log_q: Log probabilities of the targets [T] and of the negatives [T, K] under the proposal; None if uniform.
        log_mass: Logarithms of the number of items that each negative stands for, shape [T, K] or [T, 1]; None if the
            negatives are all candidates of the pool.
    """

    scores: Sequence[Tensor]
    weights: Sequence[Tensor]
    extra: Sequence[dict[str, Tensor]] = field(default_factory=list)
    factors: Tensor | None = None
    log_q: tuple[Tensor, Tensor] | None = None
    log_mass: Tensor | None = None


class NegativeStrategy(metaclass=Built):
    """Chooses the negatives of a step. A subclass must only define ``choose``.

    A subclass with an ``__init__`` of its own calls ``super().__init__(config, device)``.

    The trainer calls ``prepare`` once and ``start_epoch`` before each epoch. In each step it calls ``propose``, lets
    all models score the candidates, and calls ``choose``. The strategy owns its random draws: their states are in its
    ``state_dict``.

    Args:
        config: The run's configuration; read your keys here.
        device: The device of the pools.

    Attributes:
        views: Names of the negatives for the log: one for each, or one for all K of them.
        weights: Weights of the negatives' losses, one row per model; 1 / K by default.
        candidate_num: The number of items that :attr:`sampler` draws for a target; each target must have as many.
        candidate_key: The key of ``candidate_num``, for messages.
        needs_peer: Whether peer models are trained together with the self model. A loss may need them as well: a
            strategy that does not then chooses by the self model's scores, and all models learn from its negatives.
        model_num: The number of models of the run: the self model, and its peers.
        knows_proposal: The negatives are draws from a known distribution; softmax losses need this.
        draws_uniformly: This distribution is uniform over the allowed items.
        epoch: The epoch, from 0.
        generator: Random generator of the strategy's other draws, seeded by the run and saved with it.
        sampler: Draws distinct uniform candidates, without the target and what ``exclude`` names; made by
            :meth:`prepare`.
        shared: Draws pools that all targets of a step share; None with ``pool_scope: target``.
        not_of_pools: Keys that a loss on all candidates does not use.
        data_fingerprint: Identifies further data that it reads in :meth:`prepare`, such as exposures; None without any.
            Trials of a sweep are refused where it changed.
    """

    built = "generator"
    views: tuple[str, ...] = ("negative",)
    candidate_key = "neg_candidate_num"
    needs_peer = False
    knows_proposal = False
    draws_uniformly = False
    not_of_pools: tuple[str, ...] = ()
    data_fingerprint: str | None = None
    sampler: CandidateSampler
    shared: SharedPoolSampler | None = None

    @classmethod
    def unused_by_pools(cls, keys: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the keys that a loss on all candidates does not use in a run with these keys."""
        return cls.not_of_pools

    @classmethod
    def key_of_pool(cls, keys: Mapping[str, Any]) -> str:
        """Return the key of the number of different items that a target needs in a run with these keys."""
        return cls.candidate_key

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse impossible combinations of sizes; nothing is ever clipped.

        Called with all keys of a run before anything is loaded, and by the constructor.

        Raises:
            ConfigError: Names the keys and what they allow.
        """
        shares = {key: keys[key] for key in POOL_SHARES if key in keys and keys[key]}  # noqa: RUF019
        if shares and keys["pool_scope"] != "batch":
            name, value = next(iter(shares.items()))
            raise ConfigError(f"{name} = {value} is not allowed with pool_scope = 'target': set pool_scope = batch")
        in_batch = shares.get("pool_in_batch_share")
        if in_batch and keys["exclude"] != "user_train" and keys["batching"] != "row":
            raise ConfigError(
                f"pool_in_batch_share = {in_batch} is not allowed with exclude = {keys['exclude']!r} and batching = "
                f"{keys['batching']!r}: a batch holds what its users take next; set exclude = user_train, or batching "
                "= row"
            )
        if "pool_popular_share" in keys and not keys["pool_popular_share"]:
            check_unused(keys, "pop_power", "pool_popular_share = 0: set pool_popular_share, or leave it out")
        if sum(shares.values()) > 1:
            named = " and ".join(f"{name} = {value}" for name, value in shares.items())
            raise ConfigError(f"{named} are not allowed together: the shares of a pool sum to at most 1")

    def __init__(self, config: Config, device: torch.device):
        self.check(config)  # type: ignore[arg-type]  # a Config is no Mapping, but it has __getitem__
        self.negative_num = config["neg_num"] if "neg_num" in config else 1  # noqa: SIM401  RecBole's Config has no get
        self.candidate_num = config["neg_candidate_num"] if "neg_candidate_num" in config else 0  # noqa: SIM401
        self.exclude = config["exclude"] if "exclude" in config else "history"  # noqa: SIM401
        self.model_num = 1 + len(config.peer_roles) if isinstance(config, MDCNSConfig) else 1
        self.teacher_mean = self.model_num > 1 and config["teacher_mean"]
        self.shares_pools = "pool_scope" in config and config["pool_scope"] == "batch"
        self.mixture = [config[name] for name in (*POOL_SHARES, "pop_power")] if self.shares_pools else []
        self.device = device
        self.weights = self.equal_weights(self.negative_num)
        self.epoch = 0
        self.seed = config["seed"]
        self.generator = torch.Generator(device).manual_seed(self.seed + 1)  # the candidate sampler has the seed itself

    def prepare(self, dataset: HistoryDataset) -> None:
        """Make the candidate sampler; a subclass adds its own preparation of the training set.

        Args:
            dataset: The training part; targets are numbered by its rows.

        Raises:
            ConfigError: A row has fewer than ``candidate_num`` allowed items, or the catalogue fewer than a pool.
        """
        own_num = 1 if self.shares_pools else self.candidate_num
        self.sampler = CandidateSampler(dataset, own_num, self.seed, self.device, self.exclude)
        self.sampler.check(dataset, self.candidate_key, self.candidate_num)
        if self.shares_pools:
            self.shared = SharedPoolSampler(dataset, self.candidate_num, self.sampler, *self.mixture)

    def start_epoch(self, epoch: int) -> None:
        """Begin an epoch, counted from 0."""
        self.epoch = epoch

    def propose(self, batch: TargetBatch) -> Candidates:
        """Return the candidates of a step, shape [T, N], or a pool that all targets share; every model scores them."""
        return self.sampler.sample(batch) if self.shared is None else self.shared.sample(batch)

    def log_mass(self, pool: ScoredPool) -> Tensor:
        """Return the logarithm of how many allowed items each candidate stands for, shape [T, N] or [T, 1].

        Each of K uniform candidates stands for V' / K of the V' allowed items; in a shared pool, K counts those that
        the target may have. A draw of a mixture stands for ``1 / (K q)`` items.
        """
        log_q = pool.proposal()
        if log_q is not None:
            return -log_q[1] - math.log(pool.candidates.size(1))
        allowed = self.sampler.allowed_num(pool.batch)
        number: Any = pool.candidates.size(1)
        if pool.shared is not None:
            number = (number - pool.shared.forbidden.sum(1)).clamp_(min=1)
        return (allowed.double() / number).log().float()[:, None]

    @abstractmethod
    def choose(self, pool: ScoredPool) -> Negatives:
        """Return the negatives of a step; the choice itself carries no gradient."""

    def equal_weights(self, number: int) -> Tensor:
        """Return the weights 1 / K of the losses of K negatives, for each model of the run, shape [models, K]."""
        return torch.full((self.model_num, number), 1 / number, device=self.device)

    def pick(self, pool: ScoredPool, columns: Tensor) -> list[Tensor]:
        """Return per model the scores of the chosen pool columns [T, K], shape [T, K], with gradient."""
        return [scores.gather(1, columns) for scores in pool.scores]

    def teacher(self, *scores: Tensor) -> Tensor:
        """Return the models' joint scores of some items, from those of each model: their mean or their sum, Eq. (4).

        An evaluation of all models also ranks by these scores.
        """
        return teacher_scores(*scores, mean=self.teacher_mean)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resume needs, as tensors and plain values; called after :meth:`prepare`."""
        return {"generator": self.generator.get_state(), "sampler": self.sampler.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`; called after :meth:`prepare`."""
        self.generator.set_state(state["generator"].cpu())
        self.sampler.generator.set_state(state["sampler"].cpu())


class DrawnNegatives(NegativeStrategy):
    """A strategy whose candidates are its negatives: K draws from a distribution that does not depend on the models."""

    candidate_key = "neg_num"
    knows_proposal = True

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.candidate_num = self.negative_num

    def log_q(self, pool: ScoredPool) -> tuple[Tensor, Tensor] | None:
        """Return the log probabilities of targets [T] and candidates [T, K], or None if all are equal."""
        return pool.proposal()

    def choose(self, pool: ScoredPool) -> Negatives:
        """Take all candidates; of a shared pool those that the target may have, with the weight 1 / their number."""
        factors = None
        if pool.shared is not None and not pool.takes_all:
            is_allowed = ~pool.shared.forbidden  # [T, K]
            factors = is_allowed * (is_allowed.size(1) / is_allowed.sum(1, keepdim=True).clamp(min=1))
        return Negatives(pool.scores, list(self.weights), factors=factors, log_q=self.log_q(pool))
