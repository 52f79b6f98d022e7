"""Ranks by counting against RecBole's own collector, ties included."""

import pytest
import torch
from helpers.device import on
from helpers.runs import tiny_config
from recbole.evaluator import Collector

from recbole_mdcns.evaluation.collector import NonFiniteScores, RankCollector


def collected(collector, scores, target):
    collector.eval_batch_collect(scores.clone(), None, on(torch.arange(len(scores))), target)
    return collector.get_data_struct()


@pytest.mark.parametrize("with_ties", [True, False])
def test_hits_equal_those_of_recbole_to_the_last_one(with_ties):
    config, generator = tiny_config(), torch.Generator().manual_seed(0)
    for row_num in [1, 2, 5] * 40:
        scores = on(torch.randn(row_num, 31, generator=generator))
        if with_ties:
            scores = (scores * 2).round()
        scores[:, 0] = -torch.inf
        target = on(torch.randint(1, 31, (row_num,), generator=generator))
        scores[on(torch.rand(row_num, 31, generator=generator)) < 0.2] = -torch.inf  # history, at times the target too
        ours, theirs = (collected(kind(config), scores, target).get("rec.topk") for kind in (RankCollector, Collector))
        masked = (scores.gather(1, target[:, None])[:, 0] == -torch.inf).cpu()
        theirs[masked, :-1] = 0  # RecBole lets masked targets be hits
        assert torch.equal(ours, theirs) and ours.dtype == theirs.dtype


def test_the_batches_of_a_pass_are_one_entry_each_and_a_pass_ends_with_its_failure():
    config, generator = tiny_config(metrics=["NDCG", "ItemCoverage"]), torch.Generator().manual_seed(0)
    ours, theirs = RankCollector(config), Collector(config)
    for _ in range(2):  # two passes
        for row_num in (3, 1, 4):
            scores, target = on(torch.randn(row_num, 31, generator=generator)), on(torch.arange(1, row_num + 1))
            for collector in (ours, theirs):
                collector.eval_batch_collect(scores.clone(), None, on(torch.arange(row_num)), target)
        entries = [collector.get_data_struct()._data_dict for collector in (ours, theirs)]
        assert entries[0].keys() == entries[1].keys() and len(entries[0]["rec.topk"]) == 8
        assert all(torch.equal(entries[0][name], entries[1][name]) for name in entries[0])
        scores[0, 1] = torch.nan
        with pytest.raises(NonFiniteScores):
            ours.eval_batch_collect(scores, None, on(torch.arange(row_num)), target)


@pytest.mark.parametrize("metrics", [["GAUC"], ["NDCG", "ItemCoverage"], ["Recall", "GAUC"]])
def test_other_metrics_get_what_recbole_gives_them(metrics):
    valid = {"GAUC": "GAUC"}.get(metrics[0], f"{metrics[0]}@10")
    config = tiny_config(metrics=metrics, valid_metric=valid)
    scores, target = on(torch.randn(4, 31)), on(torch.tensor([3, 9, 4, 1]))
    ours, theirs = (collected(kind(config), scores, target) for kind in (RankCollector, Collector))
    assert set(ours._data_dict) == set(theirs._data_dict) != set()
    assert all(torch.equal(ours.get(name), theirs.get(name)) for name in ours._data_dict)
