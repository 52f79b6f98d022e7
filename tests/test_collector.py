"""Ranks by counting against RecBole's own collector, ties included."""

import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from recbole.evaluator import Collector

from recbole_mdcns.evaluation.collector import RankCollector


def collected(collector, scores, target):
    collector.eval_batch_collect(scores.clone(), None, torch.arange(len(scores)), target)
    return collector.get_data_struct()


@given(st.integers(1, 6), st.integers(0, 10_000), st.booleans())
@settings(max_examples=150, deadline=None)
def test_hits_equal_those_of_recbole_to_the_last_one(row_num, seed, with_ties):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(row_num, 31, generator=generator)
    if with_ties:
        scores = (scores * 2).round()
    scores[:, 0] = -torch.inf
    target = torch.randint(1, 31, (row_num,), generator=generator)
    scores[torch.rand(row_num, 31, generator=generator) < 0.2] = -torch.inf  # history, at times the target too
    config = COLLECTOR_CONFIG
    ours, theirs = (collected(kind(config), scores, target) for kind in (RankCollector, Collector))
    assert torch.equal(ours.get("rec.topk"), theirs.get("rec.topk"))
    assert ours.get("rec.topk").dtype == theirs.get("rec.topk").dtype


@pytest.mark.parametrize("metrics", [["GAUC"], ["NDCG", "ItemCoverage"], ["Recall", "GAUC"]])
def test_other_metrics_get_what_recbole_gives_them(metrics):
    valid = {"GAUC": "GAUC"}.get(metrics[0], f"{metrics[0]}@10")
    config = tiny_config(metrics=metrics, valid_metric=valid)
    scores, target = torch.randn(4, 31), torch.tensor([3, 9, 4, 1])
    ours, theirs = (collected(kind(config), scores, target) for kind in (RankCollector, Collector))
    assert set(ours._data_dict) == set(theirs._data_dict)
    assert all(torch.equal(ours.get(name), theirs.get(name)) for name in ours._data_dict)


@pytest.fixture(autouse=True)
def config():
    global COLLECTOR_CONFIG  # hypothesis cannot take a fixture per example
    COLLECTOR_CONFIG = tiny_config()
