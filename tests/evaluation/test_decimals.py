"""``metric_decimal_place`` is for reports: epochs and models are chosen with six decimals, the default."""

import pytest
import torch
from helpers.runs import TINY, fit, same, states, tiny_config, tiny_run
from recbole.evaluator.collector import DataStruct

from recbole_mdcns.evaluation.evaluator import PlainEvaluator
from recbole_mdcns.evaluation.ranking import Evaluation
from recbole_mdcns.quick_start import run_recbole_mdcns


@pytest.mark.parametrize(("decimals", "reported"), [(1, 0.3), (6, 0.333333), (9, 0.333333333)])
def test_a_third_is_reported_as_asked_and_scored_with_six(decimals, reported):
    """One of three rows has its target among the first ten."""
    hits = torch.zeros(3, 11, dtype=torch.int64)
    hits[:, -1] = 1
    hits[0, 4] = 1
    collected = DataStruct()
    collected.set("rec.topk", hits)
    keys = {"metrics": ["NDCG", "Recall"], "topk": [10], "valid_metric": "Recall@10"}
    metrics = PlainEvaluator(tiny_config(**keys, metric_decimal_place=decimals)).evaluate(collected)
    assert (metrics["recall@10"], metrics.score) == (reported, 0.333333)


def test_a_choice_reads_the_score():
    evaluation = Evaluation({"self": {"ndcg@10": 0.3}, "peer": {"ndcg@10": 0.3}}, {}, {"self": 0.26, "peer": 0.34})
    assert evaluation.chosen_by("NDCG@10") == {"self": {"ndcg@10": 0.26}, "peer": {"ndcg@10": 0.34}}


def test_other_decimals_train_the_same_run():
    """Rounded to one decimal, epochs tie, and the last of them would be the best."""
    ends = []
    for decimals in (6, 1):
        run = tiny_run(neg_sampler="rns", epochs=9, stopping_step=1, learning_rate=0.003, metric_decimal_place=decimals)
        score, result = fit(run, saved=False)
        run.trainer.load_best()
        valids = [entry["valid"]["ndcg@10"] for entry in run.trainer.epoch_log]
        ends.append((states(run.trainer), score, valids))
        assert result["ndcg@10"] == round(score, decimals)
    assert same(ends[0][0], ends[1][0]) and ends[0][1:] == ends[1][1:]
    assert len({round(value, 1) for value in ends[0][2]}) < len(ends[0][2])


def test_the_record_reports_as_asked_and_keeps_the_score():
    keys = {**TINY, "neg_sampler": "rns", "learning_rate": 0.003}
    ran = run_recbole_mdcns("SASRec", "tiny", config_dict={**keys, "metric_decimal_place": 1})
    record = ran["record"]
    scores = [entry["valid"]["ndcg@10"] for entry in record["epochs"]]
    assert record["best_valid_score"] == max(scores) == record["valid"]["self"]["ndcg@10"] == ran["best_valid_score"]
    assert all(value == round(value, 1) for value in record["test"]["self"].values())
    assert ran["best_valid_result"]["ndcg@10"] == round(max(scores), 1) != max(scores)
