"""In-batch negatives: targets of other users alone, uniform in every batching, and the q that belongs to that."""

import pytest
import torch
from helpers.device import DEVICE, on
from helpers.runs import cycle_lines, tiny_run, write_inter
from scipy.stats import chisquare

from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.negatives import ScoredPool


def strategy_of(dataset="tiny", **keys):
    run = tiny_run(dataset=dataset, neg_sampler="in_batch", **keys)
    run.trainer.prepare(run.train)
    return run, run.trainer.strategy


@pytest.mark.parametrize("mode", ["row", "bucket", "user"])
def test_draws_are_uniform_over_the_allowed_targets_of_other_users(mode):
    write_inter(cycle_lines(user_num=60, item_num=90, length=9, seed=2))
    run, strategy = strategy_of(neg_num=1)
    strategy.negative_num = 3000  # for the law; no draw is left to the uniform ones
    generator = torch.Generator().manual_seed(1)
    batch = next(iter(TargetLoader(run.data, 40, mode, True, generator, DEVICE)))
    drawn = strategy.propose(batch)
    assert not strategy.sampler.forbidden(drawn, batch).any()
    for row in range(0, len(batch), 5):
        others = batch.target[batch.user != batch.user[row]]
        bad = strategy.sampler.forbidden(others[None], batch.select(on(torch.tensor([row]))))[0]
        expected = torch.bincount(others[~bad], minlength=91)
        found = torch.bincount(drawn[row], minlength=91)
        assert not found[expected == 0].any()
        share = expected[expected > 0].double() * 3000 / expected.sum()
        assert chisquare(found[expected > 0].cpu().numpy(), share.cpu().numpy()).pvalue > 1e-4


def test_a_batch_of_one_user_takes_uniform_items_of_the_catalogue():
    run, strategy = strategy_of(neg_num=8)
    batch = next(iter(TargetLoader(run.data, 1000, "row", True, None, DEVICE)))
    alone = batch.select((batch.user == batch.user[0]).nonzero().squeeze(1))
    drawn = strategy.propose(alone)
    assert not strategy.sampler.forbidden(drawn, alone).any()
    assert all(len(row.unique()) == 8 for row in drawn)  # different, as the uniform ones are


def test_q_counts_the_targets_of_other_users():
    """Targets in training, without each user's first item and its last two: a takes y, z; b takes y, y; c takes z."""
    sequences = {"a": "xyzpq", "b": "xyypq", "c": "xzpq"}
    write_inter([f"{u}\t{i}\t{t}\n" for u, items in sequences.items() for t, i in enumerate(items)], "three")
    run, strategy = strategy_of("three", neg_num=1, topk=[2], valid_metric="NDCG@2", metrics=["NDCG"])
    batch = next(iter(TargetLoader(run.data, 9, "row", True, None, DEVICE)))
    item, user = (run.data.field2token_id[name] for name in ("item_id", "user_id"))
    candidates = on(torch.tensor([[item["y"], item["z"], item["p"]]] * len(batch)))
    of_target, q = strategy.log_q(ScoredPool(batch, candidates, [], [], []))
    found = {tuple(row) for row in torch.cat([batch.user[:, None], q.exp()], 1).tolist()}
    expected = {"a": (2, 1, 1, 3), "b": (1, 2, 1, 3), "c": (3, 1, 1, 4)}  # y, z, at least 1, of how many
    right = [[user[u], y / n, z / n, p / n] for u, (y, z, p, n) in expected.items()]
    assert sorted(map(list, found)) == [pytest.approx(row) for row in sorted(right)]
    place = torch.stack([(candidates == batch.target[:, None])[:, column] for column in range(3)], 1).long().argmax(1)
    torch.testing.assert_close(of_target, q.gather(1, place[:, None])[:, 0])
