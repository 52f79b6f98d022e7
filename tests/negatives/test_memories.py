"""Strategies that keep a memory of each target, AdaSIR and SRNS: hand-worked numbers, and the laws of their draws."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.device import DEVICE, on
from helpers.strategies import batches_of, chosen_of, make, prepared, uniformly

from recbole_mdcns.negatives.adasir import AdaSIR
from recbole_mdcns.negatives.base import ScoredPool
from recbole_mdcns.negatives.draws.popularity import Popularity
from recbole_mdcns.negatives.srns import RING, SRNS

# -- AdaSIR -------------------------------------------------------------------------------------------------------


def flat_pool(run, batch, candidates):
    """All scores are 0."""
    zeros = on(torch.zeros(candidates.shape, requires_grad=True))
    return ScoredPool(batch, candidates, [], [on(torch.zeros(len(batch)))], [zeros])


def test_adasir_with_equal_scores_draws_uniformly():
    run = prepared("adasir")
    strategy = run.trainer.strategy
    batch = batches_of(run)[0].select(on(torch.zeros(1, dtype=torch.int64)))
    counts = on(torch.zeros(31))
    for _ in range(4000):
        candidates = strategy.propose(batch)
        strategy.choose(flat_pool(run, batch, candidates))
        counts[strategy.items[batch.row_index].long()[0, 0]] += 1
    allowed = counts > 0
    free = int(run.trainer.strategy.sampler.allowed_num(batch))
    assert int(allowed.sum()) == free
    assert uniformly(counts[allowed])


def test_adasir_takes_up_the_pools_of_the_last_visit():
    run = prepared("adasir")
    strategy, batch = run.trainer.strategy, batches_of(run)[0]
    assert not strategy.visited.any()
    strategy.choose(flat_pool(run, batch, strategy.propose(batch)))
    assert strategy.visited.nonzero().flatten().tolist() == sorted(batch.row_index.tolist())
    kept = strategy.items[batch.row_index].long()
    assert torch.equal(strategy.propose(batch)[:, : strategy.pool_num], kept)


def renewed(counts=None, pool_num=1, **keys):
    """Renew the pools of many targets, all item 7 with W = 1/2, by draws from items 1 and 2.

    The items 7, 1 and 2 have the odds 1/2, 3 and 1, their exponentiated scores; the target has 1.
    """
    strategy = make(AdaSIR, adasir_sample_num=2, adasir_pool_num=pool_num, neg_num=2, **keys)
    strategy.item_num = 4
    number = 20_000
    strategy.items = on(torch.full((number, pool_num), 7, dtype=torch.int32))
    strategy.probability = on(torch.full((number, pool_num), 0.5))
    strategy.visited = on(torch.ones(number, dtype=torch.bool))
    strategy.popularity = None if counts is None else Popularity(torch.tensor(counts), 1.0, DEVICE)
    batch: Any = SimpleNamespace(row_index=on(torch.arange(number)), __len__=lambda: number)
    ids, odds = torch.tensor([[7] * pool_num + [1, 2]]), torch.tensor([[0.5] * pool_num + [3.0, 1.0]])
    candidates, scores = (on(each).expand(number, -1) for each in (ids, odds.log()))
    positive = on(torch.zeros(number))
    return strategy, strategy.choose(ScoredPool(batch, candidates, [], [positive], [scores.clone().requires_grad_()]))


@pytest.mark.parametrize(
    ("counts", "share"),
    # three draws in four take item 1; where it is proposed three times as often, as many as of item 2
    [(None, 0.75), ([0, 3, 1], 0.5)],
)
def test_adasir_resamples_by_softmax_and_keeps_half_of_the_pool(counts, share):
    strategy, _ = renewed(counts)
    kept = {7: 0.5, 1: share, 2: 1 - share}
    laws = [1 / 2, share / 2, (1 - share) / 2]
    assert uniformly(torch.bincount(strategy.items[:, 0].long(), minlength=8)[[7, 1, 2]], laws)
    found = [(int(item), weight.item()) for item, weight in zip(strategy.items[:50, 0], strategy.probability[:50, 0])]
    assert all(weight == pytest.approx(kept[item]) for item, weight in found)


def test_adasir_weighs_its_negatives_by_their_odds_over_the_probability_of_their_draw():
    """An old entry has the weight 1/2 / 1/2 = 1, a new one 3 / 3/4 = 1 / 1/4 = 4; the mean over the K is 1."""
    _, chosen = renewed(pool_num=2)
    odds = chosen.scores[0].detach().exp()
    weights = torch.where(odds < 0.9, 1.0, 4.0)
    assert {tuple(row) for row in weights.tolist()} == {(1, 1), (1, 4), (4, 1), (4, 4)}
    torch.testing.assert_close(chosen.factors, weights / weights.mean(1, keepdim=True))


def test_the_estimated_rank_of_adasir_is_rounded_up_and_at_least_one():
    strategy = make(AdaSIR, adasir_sample_num=2, adasir_pool_num=1)
    above = on(torch.tensor([[9.0, -1.0, -2.0], [9.0, 1.0, -2.0], [9.0, 1.0, 2.0]]))  # the pool's entry does not count
    for item_num, ranks in ((100, [1, 50, 100]), (5, [1, 3, 5])):  # 0, 1 and 2 of 2 draws are above the target
        strategy.item_num = item_num
        weight = strategy._rank_weight(on(torch.zeros(3)), above).flatten().tolist()
        assert weight == pytest.approx([sum(1 / r for r in range(1, rank + 1)) for rank in ranks], rel=1e-5)


def test_the_weight_of_the_rank_is_a_factor_of_every_loss_of_a_target():
    """One of two draws is above the target: rank 2 of 4, and 1 + 1/2."""
    plain, weighted = (renewed(pool_num=2, adasir_rank_weight=weighs)[1] for weighs in (False, True))
    torch.testing.assert_close(weighted.factors, 1.5 * plain.factors)


def test_adasir_proposes_popular_items_in_proportion_to_their_count():
    """Of the items that a target may have, two occur in training, one three times as often."""
    run = prepared("adasir", adasir_proposal="popularity")
    strategy, batch = run.trainer.strategy, batches_of(run)[0].select(on(torch.zeros(1, dtype=torch.int64)))
    everything = on(torch.arange(1, 31))[None]
    often, rarely = everything[~strategy.sampler.forbidden(everything, batch)][:2].tolist()
    counts = torch.zeros(31, dtype=torch.int64)
    counts[[often, rarely]] = torch.tensor([3, 1])
    strategy.popularity, strategy.candidate_num = Popularity(counts, 1.0, DEVICE), 4000
    drawn = torch.bincount(strategy.propose(batch)[0, strategy.pool_num :], minlength=31)
    assert uniformly(drawn[[often, rarely]], [3, 1]) and drawn.sum() == drawn[[often, rarely]].sum()


# -- SRNS ---------------------------------------------------------------------------------------------------------


def test_srns_without_deviation_or_renewal_takes_the_best_of_a_fixed_memory():
    run = prepared("srns", srns_std_weight=0.0, srns_fresh_num=0)
    strategy = run.trainer.strategy
    before = strategy.memory.clone()
    for _ in range(2):
        for batch in batches_of(run):
            chosen = chosen_of(run, batch)
            memory = before[batch.row_index].long()
            encoder = run.trainer.scoring_models[0]
            scores = encoder.score(encoder.encode(batch), strategy.candidates[batch.row_index].long())
            torch.testing.assert_close(chosen.scores[0][:, 0], scores.gather(1, memory).max(1).values)
    assert torch.equal(strategy.memory.sort(1).values, before.sort(1).values)


def test_srns_deviation_is_that_of_the_last_five_visits():
    run = prepared("srns")
    strategy = run.trainer.strategy
    rows = on(torch.tensor([3, 8]))
    torch.manual_seed(0)
    visits = on(torch.rand(13, 2, 10)).half().float()
    for number, probability in enumerate(visits, start=1):
        strategy._remember(rows, probability)
        expected = visits[max(0, number - 5) : number].std(0, unbiased=False)
        torch.testing.assert_close(strategy.deviation(rows), expected, rtol=1e-4, atol=1e-5)
    for _ in range(5):
        strategy._remember(rows, on(torch.full((2, 10), 0.25)))
    assert strategy.deviation(rows).abs().max() == 0
    assert strategy.deviation(torch.tensor([0])).abs().max() == 0  # never visited


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_srns_renews_its_memory_by_softmax(temperature):
    """Memory of 1 among itself and one other, odds 3 to 1."""
    keys = {"srns_memory_num": 1, "srns_fresh_num": 1, "srns_temperature": temperature}
    strategy = make(SRNS, neg_candidate_num=2, **keys)
    number = 20_000
    strategy.memory = on(torch.zeros((number, 1), dtype=torch.int32))
    scores = on(torch.tensor([[0.0, temperature * math.log(3.0)]])).expand(number, -1)
    strategy._renew(on(torch.arange(number)), scores, strategy.memory.long())
    assert uniformly(torch.bincount(strategy.memory[:, 0].long()), [1 / 4, 3 / 4])


@pytest.mark.parametrize(("epoch", "best"), [(0, 0), (2, 1), (4, 1), (9, 1)])
def test_srns_takes_the_highest_probability_plus_its_deviation_whose_weight_grows(epoch, best):
    """P is .6 and then .6 of the first, .1 and then .5 of the second: .6 against .5 + a .2, this visit's P included.

    The weight a is 0 in epoch 0, 1 in epoch 2 and 2 from epoch 4. A third candidate is not in the memory.
    """
    keys = {"srns_memory_num": 2, "srns_fresh_num": 1, "srns_std_weight": 2.0, "srns_warm_up": 4}
    strategy = make(SRNS, neg_candidate_num=3, **keys)
    strategy.ring, strategy.visits = on(torch.zeros(1, RING, 3).half()), on(torch.zeros(1, dtype=torch.uint8))
    strategy.start_epoch(epoch)
    batch: Any = SimpleNamespace(row_index=on(torch.zeros(1, dtype=torch.int64)))
    positive = on(torch.tensor([-5.0]))
    for probability in ([0.6, 0.1, 0.9], [0.6, 0.5, 0.9]):
        strategy.memory = on(torch.tensor([[0, 1]], dtype=torch.int32))
        scores = on(positive[:, None] + torch.tensor([probability]).to(positive).logit()).requires_grad_()
        chosen = strategy.choose(ScoredPool(batch, on(torch.tensor([[7, 8, 9]])), [], [positive], [scores]))
    torch.testing.assert_close(strategy.ring[0, 1].float(), on(torch.tensor(probability)), rtol=1e-3, atol=0.0)
    assert chosen.scores[0].item() == scores[0, best].item()


def test_srns_renews_the_memory_after_each_choice():
    """Of a memory of candidate 0 and one other, the other has odds of e^50 to 1; the choice is of the old memory."""
    keys = {"srns_memory_num": 1, "srns_fresh_num": 1, "srns_std_weight": 0.0, "srns_temperature": 1.0}
    strategy = make(SRNS, neg_candidate_num=2, **keys)
    strategy.ring, strategy.visits = on(torch.zeros(1, RING, 2).half()), on(torch.zeros(1, dtype=torch.uint8))
    strategy.memory = on(torch.tensor([[0]], dtype=torch.int32))
    batch: Any = SimpleNamespace(row_index=on(torch.zeros(1, dtype=torch.int64)))
    scores = on(torch.tensor([[0.0, 50.0]])).requires_grad_()
    chosen = strategy.choose(ScoredPool(batch, on(torch.tensor([[7, 8]])), [], [on(torch.zeros(1))], [scores]))
    assert chosen.scores[0].item() == 0.0 and strategy.memory.tolist() == [[1]]
