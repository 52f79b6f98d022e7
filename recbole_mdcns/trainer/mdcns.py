"""The Teacher-Peer-Self loop: two models trained at once, the self model evaluated and kept."""

from __future__ import annotations

import torch
from recbole.model.abstract_recommender import SequentialRecommender

from recbole_mdcns.config import MDCNSConfig
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.evaluation.collector import RankCollector
from recbole_mdcns.model.selftest import measured_encoder
from recbole_mdcns.scoring import teacher_scores
from recbole_mdcns.trainer.negative_sampling import NegativeSamplingTrainer


class MDCNSTrainer(NegativeSamplingTrainer):
    """Trains self and peer on each other's negatives, with one optimiser per model and one backward pass per step.

    Args:
        config: The run.
        model: The self model, on ``config["device"]``.
        peer: The peer, another model on the same device.
        peer_config: The peer's configuration; made from ``config`` when not given.

    Raises:
        ConfigError: Self and peer are, or share parameters with, the same instance.
    """

    def __init__(
        self,
        config: MDCNSConfig,
        model: SequentialRecommender,
        peer: SequentialRecommender,
        peer_config: MDCNSConfig | None = None,
    ):
        if {id(p) for p in model.parameters()} & {id(p) for p in peer.parameters()}:
            raise ConfigError(
                f"self and peer share parameters (both are {type(model).__name__}): the peer must be an instance of "
                "its own, such as one more of the same class"
            )
        super().__init__(config, model)
        peer_config = peer_config or config.peer_config()
        self.peer = peer
        self.encoders.append(measured_encoder(peer, peer_config, role="peer"))
        self.optimizers.append(
            self._build_optimizer(
                params=peer.parameters(),
                learner=peer_config["learner"],
                learning_rate=peer_config["learning_rate"],
                weight_decay=peer_config["weight_decay"],
            )
        )
        self.peer_collectors = {"peer": RankCollector(config), "teacher": RankCollector(config)}
        self.peer_results: dict[str, dict[str, float]] = {}
        self._compare = False  # evaluate peer and teacher in the next pass, whatever evaluate_peers says

    def fit(self, train_data, *args, **kwargs):
        """Train both models; see :meth:`NegativeSamplingTrainer.fit`."""
        for collector in self.peer_collectors.values():
            collector.data_collect(train_data)
        return super().fit(train_data, *args, **kwargs)

    def evaluate(self, eval_data, load_best_model=True, model_file=None, show_progress=False) -> dict[str, float]:
        """Return the self model's metrics; with ``evaluate_peers`` the others' are in ``peer_results``."""
        self.peer.eval()
        result = super().evaluate(eval_data, load_best_model, model_file, show_progress)
        self.peer_results = {}
        if self._collects_peers():
            for role, collector in self.peer_collectors.items():
                self.peer_results[role] = self.evaluator.evaluate(collector.get_data_struct())
        return result

    def evaluate_all(self, eval_data, show_progress=False) -> dict[str, dict[str, float]]:
        """Return the metrics of self, peer and teacher, from one pass."""
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
            rows = self.encoders[1].trimmed(batched_data[0])
            peer_scores = self.peer.full_sort_predict(rows.to(self.device)).view(self_scores.shape)
            peer_scores = peer_scores.masked_fill(self_scores == -torch.inf, -torch.inf)  # padding and history
            teacher = teacher_scores(self_scores, peer_scores, self.config["teacher_mean"])
            for role, scores in (("peer", peer_scores), ("teacher", teacher)):
                self.peer_collectors[role].eval_batch_collect(scores, rows, positive_row, positive_item)
        return ranked
