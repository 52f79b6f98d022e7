"""Pools that all targets of a step share: distinct and uniform, or draws of a mixture with their log q."""

import math
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.device import DEVICE, on
from helpers.runs import tiny_run
from helpers.strategies import sampler_for
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives import ScoredPool
from recbole_mdcns.negatives.draws.popularity import item_counts
from recbole_mdcns.negatives.draws.shared_pool import SharedPool, SharedPoolSampler


def shared_for(sequences, item_num, pool_num, seed=0, popular=0.0, in_batch=0.0, power=0.75, **of_sampler):
    """Return a sampler of shared pools over V = item_num items, and a batch of one target of each sequence.

    Only these are training targets, and the first item of each sequence counts too.
    """
    sampler, batch = sampler_for(sequences, item_num, 1, seed, **of_sampler)
    rows = {"item_id": batch.target.cpu(), "user_id": batch.user.cpu(), "history_start": batch.history_start.cpu()}
    known = {"item_num": item_num + 1, "iid_field": "item_id", "uid_field": "user_id", "history": sampler.history}
    dataset: Any = SimpleNamespace(inter_feat=rows, **known)
    return SharedPoolSampler(dataset, pool_num, sampler, popular, in_batch, power), batch


@settings(max_examples=80, deadline=None)
@given(data=st.data(), item_num=st.integers(3, 40), seed=st.integers(0, 1000))
def test_uniform_pools_are_sorted_distinct_and_forbid_target_and_history(data, item_num, seed):
    ids = st.integers(1, item_num)
    sequences = data.draw(st.lists(st.lists(ids, min_size=1, max_size=item_num + 3), min_size=1, max_size=5))
    shared, batch = shared_for(sequences, item_num, data.draw(st.integers(1, item_num)), seed)
    pool = shared.sample(batch)
    items = pool.items.tolist()
    assert len(items) == shared.item_num == len(set(items)) and items == sorted(items)
    assert items[0] >= 1 and items[-1] <= item_num and pool.log_q is None
    assert torch.equal(pool.candidates(), pool.items.repeat(len(sequences), 1))
    assert pool.forbidden.tolist() == [[item in set(sequence) for item in items] for sequence in sequences]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 1000))
def test_repeated_draws_of_a_mixture_are_forbidden_at_all_their_places(data, seed):
    ids = st.integers(1, 8)
    sequences = data.draw(st.lists(st.lists(ids, min_size=1, max_size=6), min_size=1, max_size=5))
    popular = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    exclude = data.draw(st.sampled_from(["history", "user_train", "target"]))
    places = [data.draw(st.integers(0, len(sequence) - 1)) for sequence in sequences]
    pools = []
    for may_read in (True, False):  # as on a CPU, as on a GPU
        shared, batch = shared_for(sequences, 8, 30, seed, popular, 1 - popular, exclude=exclude, places=places)
        shared.sampler.may_read = may_read
        pools.append(shared.sample(batch))
    first, second = pools
    assert torch.equal(first.items, second.items) and torch.equal(first.forbidden, second.forbidden)
    assert torch.equal(first.forbidden, shared.sampler.forbidden(first.candidates(), batch))
    ends = {"history": [place + 1 for place in places], "user_train": [None] * len(places), "target": [0] * len(places)}
    banned = [{*sequence[:end], sequence[place]} for sequence, end, place in zip(sequences, ends[exclude], places)]
    assert first.forbidden.tolist() == [[item in items for item in first.items.tolist()] for items in banned]
    assert len(first.items.unique()) < 30


@pytest.mark.parametrize("pool_num", [1, 5, 6, 11, 12])  # 2 K > V sorts keys
def test_every_item_and_every_pair_is_equally_likely(pool_num):
    shared, batch = shared_for([[1, 2]], 12, pool_num, seed=3)
    pools = torch.stack([shared.sample(batch).items for _ in range(1500)]).cpu() - 1
    member = torch.zeros(1500, 12).scatter_(1, pools, 1.0)
    together = (member.T @ member).double()
    expected = 1500 * pool_num / 12
    assert together.diagonal().sum() == 1500 * pool_num
    if pool_num == 12:
        assert (together == 1500).all()
        return
    # draws without repetition vary less than independent ones by (V - K) / (V - 1)
    found = ((together.diagonal() - expected) ** 2 / expected).sum() * 11 / (12 - pool_num)
    assert 2.0 < found < 31.3  # chi-square, 11 degrees of freedom, p = 0.001 on both sides
    pairs = together[torch.triu_indices(12, 12, 1).unbind()]
    share = pool_num * (pool_num - 1) / (12 * 11)
    spread = math.sqrt(1500 * share * (1 - share)) if share else 1.0
    assert (pairs - 1500 * share).abs().max() <= 4.5 * spread


def test_a_pool_larger_than_the_catalogue_is_refused_unless_draws_repeat():
    with pytest.raises(ConfigError, match="a pool of 9 different items is not allowed: the catalogue has 8; set neg_"):
        shared_for([[1, 2]], 8, 9)
    shared, batch = shared_for([[1, 2]], 8, 9, popular=0.1)
    assert len(shared.sample(batch).items) == 9


#: Targets 3 3 3 5; counted items 3 3 3 5 and the first ones 1 1 1 1.
SEQUENCES = [[1, 3], [1, 3], [1, 3], [1, 5]]


@pytest.mark.parametrize(
    ("popular", "in_batch", "q"),
    [
        (1.0, 0.0, [0, 4 / 8, 0, 3 / 8, 0, 1 / 8, 0]),
        (0.0, 1.0, [0, 0, 0, 3 / 4, 0, 1 / 4, 0]),
        (0.0, 0.4, [0, 0.1, 0.1, 0.4, 0.1, 0.2, 0.1]),
        (0.4, 0.3, [0, 0.05 + 0.2, 0.05, 0.05 + 0.15 + 0.225, 0.05, 0.05 + 0.05 + 0.075, 0.05]),
    ],
)
def test_draws_of_a_mixture_follow_their_q(popular, in_batch, q):
    shared, batch = shared_for(SEQUENCES, 6, 20_000, 1, popular, in_batch, power=1.0)
    pool = shared.sample(batch)
    expected = torch.tensor(q, dtype=torch.float64)
    counts, drawn = torch.bincount(pool.items.cpu(), minlength=7).double(), expected > 0
    assert counts[~drawn].sum() == 0 and pool.items.diff().min() >= 0
    assert chisquare(counts[drawn].numpy(), 20_000 * expected[drawn].numpy()).pvalue > 1e-3
    of_target, of_items = pool.log_q
    of_one = of_items[0].exp().double().cpu()
    torch.testing.assert_close(of_one, expected[pool.items.cpu()], rtol=1e-5, atol=1e-7)
    assert of_items.shape == (4, 20_000) and torch.equal(of_items[0], of_items[3])
    torch.testing.assert_close(of_target.exp().double().cpu(), expected[[3, 3, 3, 5]].clamp(min=expected[drawn].min()))


def test_items_that_no_draw_gives_have_a_finite_log_q_as_targets():
    shared, batch = shared_for(SEQUENCES, 6, 10, popular=1.0, power=1.0)
    batch.target = on(torch.tensor([2, 4, 6, 5]))
    of_target, _ = shared.sample(batch).log_q
    assert of_target.exp().tolist() == pytest.approx([1 / 8] * 4)  # as the rarest that is drawn


def test_in_batch_items_are_targets_of_this_batch():
    shared, batch = shared_for(SEQUENCES, 6, 400, in_batch=1.0)
    some = batch.select(on(torch.tensor([3])))
    assert Counter(shared.sample(some).items.tolist()) == {5: 400}


def test_pools_are_those_of_the_seed_and_of_a_restored_state():
    pools = []
    for seed in (4, 4, 5):
        shared, batch = shared_for(SEQUENCES, 40, 9, seed)
        pools.append(shared.sample(batch).items)
    assert torch.equal(pools[0], pools[1]) and not torch.equal(pools[0], pools[2])


def test_the_factor_of_in_batch_draws_by_hand():
    """Of five rows two are of user 1, whose items are forbidden; the other users have three of the five targets."""
    shared, batch = shared_for([[1, 3], [1, 4], [1, 5], [1, 5], [1, 2]], 6, 10, in_batch=0.6, exclude="user_train")
    shared.targets_of_user = on(torch.tensor([0, 2, 1, 1, 1]))
    batch.user = on(torch.tensor([1, 1, 2, 3, 4]))
    some = batch.select(on(torch.tensor([0, 1, 2, 4])))
    factor = [(1 - 2 / 4) * 5 / 3] * 2 + [(1 - 1 / 4) * 5 / 4] * 2
    of_targets, of_items = shared._log_q(on(torch.tensor([5, 6])), some)
    uniform = 0.4 / 6
    assert of_items.exp()[:, 0].tolist() == pytest.approx([0.6 * f * 2 / 5 + uniform for f in factor])
    assert of_items.exp()[:, 1].tolist() == pytest.approx([uniform] * 4)
    counted = (1, 1, 2, 1)
    assert of_targets.exp().tolist() == pytest.approx([0.6 * f * c / 5 + uniform for f, c in zip(factor, counted)])


def test_a_row_that_keeps_its_history_alone_out_never_takes_itself():
    """Of five targets a batch has four rows, one of which is the row itself: f = (1 - 1/4) 5/4 = 15/16."""
    shared, batch = shared_for([[1, 3], [1, 4], [1, 5], [1, 5], [1, 2]], 6, 10, in_batch=0.6)
    _, of_items = shared._log_q(on(torch.tensor([5])), batch.select(on(torch.tensor([0, 1, 2, 4]))))
    assert of_items.exp()[:, 0].tolist() == pytest.approx([0.6 * 15 / 16 * 2 / 5 + 0.4 / 6] * 4)


def test_keys_are_the_shares_and_the_power_of_the_mixture():
    keys = {"pool_popular_share": 0.3, "pool_in_batch_share": 0.2, "pop_power": 2.0, "batching": "row"}
    run = tiny_run(pool_scope="batch", **keys)
    run.trainer.prepare(run.train)
    shared, counts = run.trainer.strategy.shared, item_counts(run.data).double()
    assert shared.shares == (0.3, 0.2)
    torch.testing.assert_close(shared.popularity.probability, on(counts**2 / (counts**2).sum()))


@pytest.mark.parametrize(("batching", "exclude"), [("user", "user_train"), ("row", "user_train"), ("row", "history")])
def test_masses_of_in_batch_draws_sum_to_the_allowed_items_in_small_batches(batching, exclude):
    """Without the factor it would be 0.85 of them in batches of some 40 targets, whole sequences of nine users."""
    keys = {"pool_scope": "batch", "pool_in_batch_share": 1.0, "batching": batching, "exclude": exclude}
    run = tiny_run(neg_candidate_num=30, **keys)
    run.trainer.prepare(run.train)
    strategy = run.trainer.strategy
    found = wanted = 0.0
    for epoch in range(6):
        order = torch.Generator().manual_seed(epoch)
        for batch in TargetLoader(run.data, 40, batching, True, order, DEVICE):
            shared = strategy.propose(batch)
            log_mass = strategy.log_mass(ScoredPool(batch, shared.candidates(), [], [], [], shared))
            found += (log_mass.exp() * ~shared.forbidden).sum().item()
            wanted += strategy.sampler.allowed_num(batch).sum().item()
    assert found / wanted == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("number", "keys"),
    [(150, {"pool_scope": "target"}), (300, {"pool_scope": "batch"}),
     (300, {"pool_scope": "batch", "pool_popular_share": 0.3, "pool_in_batch_share": 0.3, "batching": "row"})],
)  # fmt: skip
def test_masses_estimate_sums_over_the_allowed_items(number, keys):
    """The mean over pools of ``sum_k m_k f(k)`` is the sum of f over the items that a target may have."""
    run = tiny_run(neg_candidate_num=12, **keys)
    run.trainer.prepare(run.train)
    strategy = run.trainer.strategy
    (batch,) = TargetLoader(run.data, 1000, "row", True, None, DEVICE)  # all targets: as over random batches
    allowed = ~strategy.sampler.forbidden(on(torch.arange(1, 31)).expand(len(batch), -1), batch)
    value = on(torch.rand(31, generator=torch.Generator().manual_seed(0)))
    exact = (value[1:] * allowed).sum(1)
    sums = torch.zeros_like(exact)
    for _ in range(number):
        found = strategy.propose(batch)
        shared = found if isinstance(found, SharedPool) else None
        items = found if shared is None else shared.candidates()
        log_mass = strategy.log_mass(ScoredPool(batch, items, [], [], [], shared))
        assert log_mass.shape == (len(batch), 12 if len(keys) > 1 else 1) and log_mass.dtype == torch.float32
        each = value[items] * log_mass.exp()
        sums += (each if shared is None else each * ~shared.forbidden).sum(1)
    torch.testing.assert_close(sums / number, exact, rtol=0.08, atol=0.0)
    assert (sums.sum() / number / exact.sum()).item() == pytest.approx(1, abs=0.02)
