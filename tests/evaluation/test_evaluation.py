"""What is ranked, and for whom: history and padding left out, self, peers and teacher from one pass."""

import copy
import dataclasses
import math
from typing import Any

import pytest
import torch
from helpers.device import DEVICE
from helpers.runs import TINY, fit, tiny_config, tiny_run, write_inter

from recbole_mdcns.data.load import dataset_of
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.evaluation.collector import RankCollector
from recbole_mdcns.evaluation.ranking import FullRanking
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.trainer import NegativeSamplingTrainer


def test_history_and_padding_are_never_ranked():
    run = tiny_run()
    scores = []
    original = run.trainer.eval_collector.eval_batch_collect
    run.trainer.eval_collector.eval_batch_collect = lambda s, *rest: (scores.append(s.clone()), original(s, *rest))
    run.trainer.evaluate(run.test, load_best_model=False)
    rows = dataset_of(run.test).inter_feat
    masked = scores[0] == -torch.inf
    assert masked[:, 0].all()
    for row in range(len(rows)):
        start, end = rows["history_start"][row], rows["history_end"][row]
        seen = set(run.data.history.items[start:end].tolist())
        assert len(seen) == 11 > run.config["MAX_ITEM_LIST_LENGTH"]
        assert set(masked[row].nonzero().flatten().tolist()) == seen | {0}
    run.config["mask_history"] = False
    run.trainer.evaluate(run.test, load_best_model=False)
    assert (scores[1] == -torch.inf).sum() == len(rows)


def test_peer_and_teacher_come_from_the_same_pass_and_are_right():
    run = tiny_run(epochs=2, evaluate_peers=True)
    fit(run, saved=False)
    assert set(run.trainer.epoch_log[-1]["valid_peers"]) == {"peer", "teacher"}
    evaluation = run.trainer.evaluate_all(run.test)
    results = evaluation.metrics
    # the peer alone, evaluated as a self model
    config = tiny_config("GRU4Rec", neg_sampler="rns")
    alone = NegativeSamplingTrainer(config, copy.deepcopy(run.trainer.scoring_models[1].model))
    assert alone.evaluate(run.test, load_best_model=False) == results["peer"]

    # the teacher alone: a model whose scores are the sum of both
    of_self: Any = type(run.trainer.model)

    class Both(of_self):
        def full_sort_predict(self, interaction):
            return super().full_sort_predict(interaction) + run.trainer.scoring_models[1].model.full_sort_predict(
                interaction
            )

    both = copy.deepcopy(run.trainer.model)
    alone.model = both
    both.__class__ = Both
    assert alone.evaluate(run.test, load_best_model=False) == results["teacher"]
    assert alone.evaluate_all(run.test).places["self"] == evaluation.places["teacher"]
    for role, places in evaluation.places.items():
        assert len(places) == len(run.test.dataset)
        gain = sum(1 / math.log2(place + 1) for place in places if 0 < place <= 10)
        assert gain / len(places) == pytest.approx(results[role]["ndcg@10"], abs=1e-6)


def test_the_teacher_of_a_peer_that_ranks_by_probabilities_is_the_one_that_was_distilled(monkeypatch):
    run = tiny_run(peer_model="RepeatNet", evaluate_peers=True, dropout_prob=0.1)
    peer = run.trainer.scoring_models[1]
    assert peer.gives_probabilities
    run.trainer.prepare(run.train)
    collected, collect = {}, RankCollector.eval_batch_collect

    def keep(collector, scores, *rest):
        collected.setdefault(collector.role, scores.clone())
        collect(collector, scores, *rest)

    monkeypatch.setattr(RankCollector, "eval_batch_collect", keep)
    run.trainer.evaluate_all(run.test)
    rows = next(iter(run.test))[0].to(DEVICE)
    expected = peer.model.full_sort_predict(rows).log()
    ranked = collected["peer"] != -torch.inf
    torch.testing.assert_close(collected["peer"][ranked], expected.view_as(ranked)[ranked])
    own = run.trainer.model.full_sort_predict(rows).view_as(ranked)
    teacher = (own + expected.view_as(ranked)) / 2
    torch.testing.assert_close(collected["teacher"][ranked], teacher[ranked])


def test_an_evaluation_is_a_value_whatever_was_evaluated_before_or_after():
    run = tiny_run(epochs=1)
    fit(run, saved=False)
    test, valid = run.trainer.evaluate_all(run.test), run.trainer.evaluate_all(run.valid)
    kept = copy.deepcopy(test)
    assert run.trainer.evaluate(run.valid, load_best_model=False) == valid.metrics["self"] != test.metrics["self"]
    assert test == kept and run.trainer.evaluate_all(run.test) == test
    assert list(test.metrics) == list(test.places) == ["self", "peer", "teacher"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        test.metrics = {}


@pytest.mark.parametrize("keys", [{}, {"metrics": ["NDCG", "ItemCoverage"]}])
def test_an_evaluation_that_breaks_off_leaves_nothing_to_the_next_one(keys, monkeypatch):
    """In its third batch; rows of the test count once, and rows of the validation not at all."""
    run = tiny_run(eval_batch_size=7, **keys)
    run.trainer.prepare(run.train)
    expected, rank, batches = run.trainer.evaluate_all(run.test), FullRanking.rank, iter(range(3))

    def breaking(*arguments):
        if next(batches) == 2:
            raise KeyboardInterrupt
        return rank(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(FullRanking, "rank", breaking)
        with pytest.raises(KeyboardInterrupt):
            run.trainer.evaluate_all(run.valid)
    assert run.trainer.evaluate_all(run.test) == expected


def test_peers_are_left_out_of_validation_by_default():
    run = tiny_run(epochs=1)
    fit(run, saved=False)
    assert "valid_peers" not in run.trainer.epoch_log[-1]


def test_evaluation_leaves_out_common_padding_without_another_result():
    """Rows come by length; where the models allow it their padding is cut, and the metrics stay."""
    write_inter([f"u{u}\ti{(u + step) % 30}\t{step}\n" for u in range(40) for step in range(3 + u % 9)])
    run = tiny_run(eval_batch_size=7, evaluate_peers=True)
    run.trainer.fit(run.train, run.valid, verbose=False, saved=False)
    widths: list[int] = []
    forward = run.trainer.model.forward
    run.trainer.model.forward = lambda items, length: widths.append(items.size(1)) or forward(items, length)
    trimmed = run.trainer.evaluate_all(run.test)
    assert widths == sorted(widths) and widths[0] < widths[-1] == 8
    for encoder in run.trainer.scoring_models:
        encoder.is_trimmable = False
    assert run.trainer.evaluate_all(run.test) == trimmed


OF_THE_LISTS = ["ItemCoverage", "AveragePopularity", "ShannonEntropy", "GiniIndex", "TailPercentage"]


@pytest.mark.parametrize("metrics", [*([name] for name in OF_THE_LISTS), ["NDCG", *OF_THE_LISTS]])
def test_metrics_of_the_ranked_lists_work_through_a_run(metrics):
    keys = {**TINY, "metrics": metrics, "topk": [3], "valid_metric": f"{metrics[0]}@3", "evaluate_peers": True}
    record = run_recbole_mdcns("SASRec", "tiny", config_dict={**keys, "peer_model": "GRU4Rec"})["record"]
    for results in record["test"], record["valid"], record["epochs"][-1]["valid_peers"]:
        assert all(set(result) == {f"{name.lower()}@3" for name in metrics} for result in results.values())
    coverage = record["test"]["self"].get("itemcoverage@3")
    assert coverage is None or 0.09 < coverage < 0.97


def test_only_full_rankings_are_evaluated():
    run = tiny_run(epochs=1)
    for loader, name in ((run.train, "TrainDataLoader"), (None, "NoneType")):
        with pytest.raises(ConfigError, match=f"a {name} cannot be evaluated: give the loader of valid or test"):
            run.trainer.evaluate(loader, load_best_model=False)
