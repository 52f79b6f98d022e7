"""Methods side by side: who is first, and what a short patience would have kept, for metrics of both directions."""

from __future__ import annotations

import pytest
from helpers.planted_records import record

from recbole_mdcns.records.record import Record
from recbole_mdcns.report.side_by_side import PATIENCE, ranked, stopped_early

#: A metric of which more is better, and one of which less is.
METRICS = ["NDCG@10", "AveragePopularity@10"]


def run_of(metric: str, *scores: float, best: float = 0.5) -> Record:
    """Return the record of a run with these validation scores, one an epoch, and a best one."""
    epochs = [
        {"epoch": epoch, "train_seconds": 1.0, "parts": {}, "valid": {metric.lower(): score}}
        for epoch, score in enumerate(scores)
    ]
    return record("rns", 1, [1], valid_metric=metric, valid=best, epochs=epochs, test=None, test_rows=None)


@pytest.mark.parametrize(("metric", "order"), zip(METRICS, (["high", "middle", "low"], ["low", "middle", "high"])))
def test_the_first_is_the_best_by_the_direction_of_the_metric(metric, order):
    means = {"middle": (0.4, 0.4), "low": (0.1, 0.5), "high": (0.3, 0.9)}  # 0.4, 0.3 and 0.6
    methods = {name: [run_of(metric, 0.5, best=best) for best in of_seeds] for name, of_seeds in means.items()}
    assert ranked(methods) == order


@pytest.mark.parametrize(("metric", "sign"), zip(METRICS, (1, -1)))
def test_a_short_patience_ends_after_so_many_epochs_without_a_better_one(metric, sign):
    """The epoch after the patience is not seen; an equal score is as good as the best one, as in RecBole."""
    worse = [0.15] * PATIENCE
    for between, kept in ((worse, 0.3), ([*worse, 0.15], 0.2), ([*worse, 0.2, *worse], 0.3)):
        scores = [0.1, 0.2, *between, 0.3]
        assert stopped_early(run_of(metric, *(sign * score for score in scores)), metric.lower()) == sign * kept
