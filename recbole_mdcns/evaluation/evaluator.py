"""RecBole's evaluator, with metrics known by name or by import path."""

from __future__ import annotations

from recbole.config import Config
from recbole.evaluator import Evaluator
from recbole.evaluator.collector import DataStruct

from recbole_mdcns.metrics import resolve_metric


class ModelMetrics(dict):
    """One model's metrics by name, such as ``ndcg@10``, and the places of its targets.

    Attributes:
        places: The place of the target of each row, in their order: 1 is the first, 0 is not among the highest K of the
            largest cut-off. Empty if no metric reads the highest K.
    """

    def __init__(self, metrics: dict[str, float], places: list[int]):
        super().__init__(metrics)
        self.places = places


class PlainEvaluator(Evaluator):
    """RecBole's evaluator; its results are Python floats.

    RecBole's constructor is not called, because it looks up names in a module-level table that must not change.

    Args:
        config: The run.

    Raises:
        ConfigError: There is no metric of a name in ``metrics``.
    """

    def __init__(self, config: Config):
        self.config = config
        self.metrics = list(config["metrics"])
        self.metric_class = {name: resolve_metric(name)(config) for name in self.metrics}

    def evaluate(self, dataobject: DataStruct) -> ModelMetrics:
        """Return each metric at each cut-off, such as ``ndcg@10``."""
        places: list[int] = []
        if "rec.topk" in dataobject:
            hits = dataobject.get("rec.topk")[:, :-1]  # the last column is the number of targets
            places = ((hits.argmax(1) + 1) * hits.any(1)).tolist()
        return ModelMetrics({name: float(value) for name, value in super().evaluate(dataobject).items()}, places)
