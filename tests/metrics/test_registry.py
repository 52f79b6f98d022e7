"""Which metrics there are, what they are reported as, and which way is better."""

import sys
from pathlib import Path

import numpy as np
import pytest
import recbole.evaluator.register as recboles
import torch
from helpers.runs import tiny_config, tiny_run
from recbole.evaluator import metric_types
from recbole.evaluator.base_metric import LossMetric, TopkMetric
from recbole.utils import EvaluatorType

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.evaluation.evaluator import PlainEvaluator
from recbole_mdcns.metrics import is_higher_better, known_names, ranking, reported_names, resolve_metric


class MeanPlace(TopkMetric):
    """Mean place of the targets within K; the lower, the better."""

    smaller = True

    def calculate_metric(self, dataobject):
        """Return the mean by name."""
        is_target, _ = self.used_info(dataobject)
        places = (is_target * range(1, is_target.shape[1] + 1)).cumsum(axis=1)
        return self.topk_result("meanplace", places)


class Odd(TopkMetric):
    metric_need = ["rec.unheard"]  # noqa: RUF012


class OfScores(LossMetric):
    pass


OWN = f"{__name__}:MeanPlace"


def test_all_of_recboles_metrics_of_the_full_ranking_are_declared():
    expected = {name for name, kind in metric_types.items() if kind == EvaluatorType.RANKING}
    assert {name.lower() for name in known_names()} == expected
    for name in known_names():
        assert resolve_metric(name).__name__ == name and resolve_metric(name.lower()) is resolve_metric(name.upper())
    assert resolve_metric("NDCG") is ranking.NDCG


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NDGC", r"metrics = 'NDGC' is not allowed \(did you mean NDCG\?\): choose AveragePopularity, GAUC"),
        ("AUC", "metrics = 'AUC' is not allowed.*: choose"),
        ("nowhere:X", "module 'nowhere' cannot be imported"),
        ("pathlib:Path", "not a subclass of AbstractMetric"),
        (f"{__name__}:OfScores", "OfScores is not a metric"),
        (f"{__name__}:Odd", "Odd needs 'rec.unheard'; choose from rec.topk, rec.items"),
        (5, "metrics = 5 is not allowed"),
    ],
)
def test_what_is_no_metric_of_the_full_ranking_is_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        resolve_metric(name)


def test_values_are_reported_by_the_name_of_the_class_and_cut_off():
    names = ["Recall", "gauc", OWN, "GiniIndex"]
    assert reported_names(names, [5, 10]) == [
        "recall@5", "recall@10", "gauc", "meanplace@5", "meanplace@10", "giniindex@5", "giniindex@10",
    ]  # fmt: skip


class Recall(MeanPlace):
    """Another one of the same name."""


class Silent(TopkMetric):
    """It has no values."""


def test_a_metric_that_would_be_reported_as_one_of_ours_is_refused():
    with pytest.raises(ConfigError, match="would be reported as recall, like those of Recall: rename the class"):
        resolve_metric(f"{__name__}:Recall")
    assert resolve_metric("recbole.evaluator.metrics:Recall").__name__ == "Recall"


def test_a_metric_without_values_is_refused():
    with pytest.raises(ConfigError, match="Silent' is not allowed: Silent does not define calculate_metric"):
        resolve_metric(f"{__name__}:Silent")


def test_keys_of_a_metric_are_refused_because_nothing_reads_them(monkeypatch, tmp_path):
    Path("placed.py").write_text(
        "from recbole.evaluator.base_metric import TopkMetric\n\n\nclass Placed(TopkMetric):\n"
        "    def calculate_metric(self, dataobject):\n        return {}\n"
    )
    monkeypatch.syspath_prepend(".")
    assert resolve_metric("placed:Placed").__name__ == "Placed"
    Path("Placed.yaml").write_text("keys:\n  depth: {default: 1, type: int, help: D.}\n")
    with pytest.raises(ConfigError, match=r"Placed\.yaml: a metric has no keys and no reads: leave them out"):
        resolve_metric("placed:Placed")


def test_two_metrics_of_one_name_are_refused(monkeypatch):
    assert reported_names(["Recall", "recall"], [5]) == ["recall@5"]
    other = type("MeanPlace", (MeanPlace,), {"__module__": __name__})
    monkeypatch.setattr(sys.modules[__name__], "Other", other, raising=False)
    with pytest.raises(ConfigError, match="two of them are reported as meanplace"):
        reported_names([OWN, f"{__name__}:Other"], [5])


def test_which_way_is_better():
    assert is_higher_better("NDCG@10") and is_higher_better("gauc") and is_higher_better("Recall")
    assert not is_higher_better("giniindex@5") and not is_higher_better("AveragePopularity")
    assert not is_higher_better(OWN) and not is_higher_better("meanplace@10", ["NDCG", OWN])


def test_an_own_metric_chooses_the_epoch_with_the_lowest_value_and_recboles_tables_stay_as_they_are():
    tables = {name: dict(vars(recboles)[name]) for name in ("metrics_dict", "metric_information", "metric_types")}
    run = tiny_run(neg_sampler="rns", epochs=3, metrics=["NDCG", OWN], topk=[5], valid_metric="MeanPlace@5")
    assert run.config["valid_metric_bigger"] is False and run.config["metrics"] == ["NDCG", OWN]
    score, result = run.trainer.fit(run.train, run.valid, verbose=False, saved=False)
    values = [entry["valid"]["meanplace@5"] for entry in run.trainer.epoch_log]
    assert score == result["meanplace@5"] == min(values)
    assert set(run.trainer.evaluate(run.test, load_best_model=False)) == {"ndcg@5", "meanplace@5"}
    assert tables == {name: dict(vars(recboles)[name]) for name in tables}


def test_a_metric_to_stop_by_must_be_computed():
    with pytest.raises(ConfigError, match=r"valid_metric = 'NDCG@10' is not allowed: .* give meanplace@5"):
        tiny_config(metrics=[OWN], topk=[5])
    assert isinstance(PlainEvaluator(tiny_config(metrics=[OWN, "NDCG"])).metric_class[OWN], MeanPlace)


class Spoilt(TopkMetric):
    """A metric whose result a test spoils."""

    result: object = None

    def calculate_metric(self, dataobject):
        return self.result


@pytest.mark.parametrize(
    ("result", "found"),
    [
        (None, "calculate_metric returned NoneType, expected a dict of spoilt@5, spoilt@10"),
        (0.5, "returned float, expected"),
        ({"spoilt@5": 0.5}, "returned spoilt@5, expected a dict of spoilt@5, spoilt@10"),
        ({"Spoilt@5": 0.5, "Spoilt@10": 0.5}, "returned Spoilt@5, Spoilt@10, expected"),
        ({"spoilt@5": 0.5, "spoilt@10": "high"}, "spoilt@10 is 'high', expected a finite number"),
        ({"spoilt@5": float("nan"), "spoilt@10": 0.5}, "spoilt@5 is nan, expected a finite number"),
        ({"spoilt@5": np.ones(3), "spoilt@10": 0.5}, "spoilt@5 is array"),
    ],
)
def test_what_an_own_metric_gives_is_numbers_by_its_names(result, found, monkeypatch):
    monkeypatch.setattr(Spoilt, "result", result)
    run = tiny_run(metrics=["NDCG", f"{__name__}:Spoilt"], topk=[5, 10], epochs=1)
    with pytest.raises(ConfigError, match=found):
        run.trainer.evaluate(run.test, load_best_model=False)


def test_an_own_metric_may_give_numbers_of_numpy_and_torch(monkeypatch):
    monkeypatch.setattr(Spoilt, "result", {"spoilt@5": np.float32(0.5), "spoilt@10": torch.tensor(1)})
    run = tiny_run(metrics=[f"{__name__}:Spoilt"], topk=[5, 10], valid_metric="spoilt@5")
    assert run.trainer.evaluate(run.test, load_best_model=False) == {"spoilt@5": 0.5, "spoilt@10": 1.0}
