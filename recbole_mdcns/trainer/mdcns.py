"""The Teacher-Peer-Self loop: several models trained at once, the self model evaluated and kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from recbole.model.abstract_recommender import SequentialRecommender

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.encoder.selftest import measured_encoder
from recbole_mdcns.equations import teacher_scores
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.evaluation.collector import RankCollector, dated_failure
from recbole_mdcns.losses.objective import check_encoder
from recbole_mdcns.trainer.negative_sampling import NegativeSamplingTrainer


class MDCNSTrainer(NegativeSamplingTrainer):
    """Trains self and peers on each other's negatives, with one optimiser per model and one backward pass per step.

    Args:
        config: The run.
        model: The self model, on ``config["device"]``.
        *peers: The peers, other models on the same device.
        peer_configs: The peers' configurations; made from ``config`` when not given.

    Raises:
        ConfigError: Two of the models are, or share parameters with, the same instance, or ``peer_model`` names
            another number of peers.
    """

    def __init__(
        self,
        config: MDCNSConfig,
        model: SequentialRecommender,
        *peers: SequentialRecommender,
        peer_configs: Sequence[MDCNSConfig] | None = None,
    ):
        seen: set[int] = set()
        for each in (model, *peers):
            own = {id(parameter) for parameter in each.parameters()}
            if own & seen:
                raise ConfigError(
                    f"self and peer share parameters (one is a {type(each).__name__}): the peer must be an instance "
                    "of its own, such as one more of the same class"
                )
            seen |= own
        if len(peers) != len(config.peer_roles):
            raise ConfigError(f"{len(peers)} peers were given, and peer_model names {len(config.peer_roles)}")
        super().__init__(config, model)
        for role, peer, peer_config in zip(config.peer_roles, peers, peer_configs or config.peer_configs()):
            self.encoders.append(measured_encoder(peer, peer_config, role))
            check_encoder(config, self.encoders[-1])
            self.optimizers.append(
                self._build_optimizer(
                    params=peer.parameters(),
                    learner=peer_config["learner"],
                    learning_rate=peer_config["learning_rate"],
                    weight_decay=peer_config["weight_decay"],
                )
            )
        self.peer_collectors = {role: RankCollector(config, role) for role in (*config.peer_roles, "teacher")}
        self.peer_results: dict[str, dict[str, float]] = {}
        self._compare = False  # evaluate peers and teacher in the next pass, whatever evaluate_peers says

    def prepare(self, train_data) -> None:
        """See :meth:`NegativeSamplingTrainer.prepare`."""
        for collector in self.peer_collectors.values():
            collector.data_collect(train_data)
        super().prepare(train_data)

    def evaluate(self, eval_data, load_best_model=True, model_file=None, show_progress=False) -> dict[str, float]:
        """Return the self model's metrics; with ``evaluate_peers`` the others' are in ``peer_results``."""
        for encoder in self.encoders:
            encoder.model.eval()
        result = super().evaluate(eval_data, load_best_model, model_file, show_progress)
        self.peer_results = {}
        if self._collects_peers():
            for role, collector in self.peer_collectors.items():
                with dated_failure(self.history):
                    found = collector.get_data_struct()
                self.peer_results[role] = self.evaluator.evaluate(found)
                self.places[role] = self.evaluator.places
        return result

    def evaluate_all(self, eval_data, show_progress=False) -> dict[str, dict[str, float]]:
        """Return the metrics of self, peers and teacher, from one pass."""
        self._compare = True
        try:
            result = self.evaluate(eval_data, load_best_model=False, show_progress=show_progress)
        finally:
            self._compare = False
        return {"self": result, **self.peer_results}

    def _collects_peers(self) -> bool:
        return self._compare or self.config["evaluate_peers"]

    def _valid_epoch(self, valid_data, show_progress=False):
        score, result = super()._valid_epoch(valid_data, show_progress)
        if self.peer_results:
            self.history[-1]["valid_peers"] = self.peer_results
            for role, metrics in self.peer_results.items():
                self.logger.info(f"{role} valid result: {metrics}")
        return score, result

    def _full_sort_batch_eval(self, batched_data):
        ranked = super()._full_sort_batch_eval(batched_data)
        if self._collects_peers():
            _, self_scores, positive_row, positive_item = ranked
            self.eval_collector.check(self_scores.amax(1))  # before the teacher, which takes over what is wrong here
            found = [self_scores]
            for encoder in self.encoders[1:]:
                rows = encoder.trimmed(batched_data[0]).to(self.device)
                found.append(encoder.model.full_sort_predict(rows).view(self_scores.shape))
            masked = torch.zeros_like(self_scores, dtype=torch.bool)
            masked[:, 0] = True  # the padding
            left_out = self._left_out(batched_data[0], positive_item)
            if left_out is not None:
                masked[left_out] = True
            scores = {
                encoder.role: encoder.as_scores(ranked_by).masked_fill(masked, -torch.inf)
                for encoder, ranked_by in zip(self.encoders, found)
            }
            scores["teacher"] = teacher_scores(*scores.values(), mean=self.config["teacher_mean"])
            for role, collector in self.peer_collectors.items():
                collector.eval_batch_collect(scores[role], batched_data[0], positive_row, positive_item)
        return ranked
