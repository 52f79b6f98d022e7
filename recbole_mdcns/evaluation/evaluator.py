"""RecBole's evaluator, with metrics known by name or by import path."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from recbole.config import Config
from recbole.evaluator import Evaluator
from recbole.evaluator.base_metric import AbstractMetric
from recbole.evaluator.collector import DataStruct
from torch import Tensor

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.metrics import reported_names, resolve_metric
from recbole_mdcns.support.declared import is_known

#: Decimals of the score that chooses an epoch or a model, the default of ``metric_decimal_place``, which may differ.
CHOOSING_DECIMALS = 6


class ModelMetrics(dict):
    """One model's metrics by name, such as ``ndcg@10``, and the places of its targets.

    Attributes:
        places: The place of the target of each row, in their order: 1 is the first, 0 is not among the highest K of the
            largest cut-off. Empty if no metric reads the highest K.
        score: The value of ``valid_metric`` by which epochs and models are chosen, with :data:`CHOOSING_DECIMALS`.
    """

    def __init__(self, metrics: dict[str, float], places: list[int], score: float):
        super().__init__(metrics)
        self.places = places
        self.score = score


class PlainEvaluator(Evaluator):
    """RecBole's evaluator; its results are Python floats.

    RecBole's constructor is not called, because it looks up names in a module-level table that must not change.

    Raises:
        ConfigError: There is no metric of a name in ``metrics``.
    """

    def __init__(self, config: Config):
        self.config = config
        self.metrics = list(config["metrics"])
        self.metric_class = {name: resolve_metric(name)(config) for name in self.metrics}
        self._valid_metric = config["valid_metric"].lower()
        self._choosing = self._choosing_metric() if config["metric_decimal_place"] != CHOOSING_DECIMALS else None

    def evaluate(self, dataobject: DataStruct) -> ModelMetrics:
        """Return each metric at each cut-off, such as ``ndcg@10``.

        Raises:
            ConfigError: A user's own metric gives names other than its own, or a value that is not a finite number.
        """
        places: list[int] = []
        if "rec.topk" in dataobject:
            hits = dataobject.get("rec.topk")[:, :-1]  # the last column is the number of targets
            places = ((hits.argmax(1) + 1) * hits.any(1)).tolist()
        values: dict[str, float] = {}
        for name, metric in self.metric_class.items():
            found = metric.calculate_metric(dataobject)
            if not is_known(type(metric)):
                self._check(name, found)
            values.update({reported: float(value) for reported, value in found.items()})
        chooses = values if self._choosing is None else self._choosing.calculate_metric(dataobject)
        return ModelMetrics(values, places, float(chooses[self._valid_metric]))

    def _choosing_metric(self) -> AbstractMetric:
        """Return another instance of the class that gives ``valid_metric``, which rounds as by default."""
        names = [name for name in self.metrics if self._valid_metric in reported_names([name], self.config["topk"])]
        metric = resolve_metric(names[0])(self.config)
        metric.decimal_place = CHOOSING_DECIMALS
        return metric

    def _check(self, name: str, found: Any) -> None:
        """Refuse the result of a user's own metric if it lacks a number for one of its reported names."""
        expected = reported_names([name], self.config["topk"])
        if not isinstance(found, dict) or set(found) != set(expected):
            names = ", ".join(map(str, found)) if isinstance(found, dict) else type(found).__name__
            raise ConfigError(
                f"metrics = {name!r}: calculate_metric returned {names or 'nothing'}, expected a dict of "
                f"{', '.join(expected)}"
            )
        for reported, value in found.items():
            is_number = isinstance(value, (int, float, np.number)) or (isinstance(value, Tensor) and value.numel() == 1)
            if not is_number or not math.isfinite(value):
                raise ConfigError(f"metrics = {name!r}: {reported} is {value!r}, expected a finite number")
