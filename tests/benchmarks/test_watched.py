"""The sampler that counts what MDCNS chooses trains exactly as MDCNS does, and counts right."""

import math
import sys

import pytest
import torch
from helpers.device import on
from helpers.paths import BENCHMARKS
from helpers.runs import same, states, tiny_run

sys.path.insert(0, str(BENCHMARKS / "studies"))


def test_it_trains_as_mdcns_does_and_knows_what_was_chosen():
    runs = []
    for name in ("mdcns", "watched_mdcns:Watched"):
        runs.append(tiny_run(neg_sampler=name))
        runs[-1].trainer.fit(runs[-1].train, runs[-1].valid, verbose=False, saved=False)
    plain, watched = runs
    assert same(states(plain.trainer), states(watched.trainer))
    strategy = watched.trainer.strategy
    strategy.close_epoch()
    assert len(strategy.epochs) == 2
    for found in strategy.epochs:
        for view in ("self", "peer", "teacher"):
            assert 1 <= found[f"{view} distinct"] <= 30
            assert 0 <= found[f"{view} entropy"] <= math.log(found[f"{view} distinct"]) + 1e-6
            assert found[f"{view} divergence"] >= found["pool divergence"]  # divergent items are preferred
        assert 0 <= found["self = peer"] <= 1


def test_the_figures_of_one_step_by_hand():
    run = tiny_run(neg_sampler="watched_mdcns:Watched", neg_candidate_num=2, divergence_weight=0)
    run.trainer.prepare(run.train)
    strategy, history = run.trainer.strategy, run.trainer.strategy.sampler.history
    batch = next(iter(run.trainer.batches)).select(on(torch.tensor([0, 1])))
    whole = on(torch.tensor([len(history.items)]))
    later = [
        [int(history.contains(batch.history_start[[row]], whole, on(torch.tensor([[item]]))))
         for item in (3, 4)]
        for row in (0, 1)
    ]  # fmt: skip
    pool = type("Pool", (), {"batch": batch, "candidates": on(torch.tensor([[3, 4], [3, 4]]))})()
    strategy._pool = pool
    self_scores, peer_scores = on(torch.tensor([[2.0, 1.0], [1.0, 3.0]])), on(torch.tensor([[0.0, 4.0], [0.0, 1.0]]))
    assert strategy.view_columns(self_scores, peer_scores).tolist() == [[0, 1, 1], [1, 1, 1]]
    strategy.close_epoch()
    (found,) = strategy.epochs
    assert (found["self distinct"], found["peer distinct"], found["teacher distinct"]) == (2, 1, 1)
    assert found["self entropy"] == pytest.approx(math.log(2)) and found["peer entropy"] == 0
    assert found["self = peer"] == 0.5 and found["peer = teacher"] == 1
    # |self - peer| is [[2, 3], [1, 2]]
    assert found["pool divergence"] == 2 and found["self divergence"] == 2 and found["peer divergence"] == 2.5
    assert found["pool later"] == sum(map(sum, later)) / 4 and found["peer later"] == (later[0][1] + later[1][1]) / 2
