"""The candidate pool of Eq. (2): distinct, free of history, target and padding, uniform, exact to the last item."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.device import DEVICE
from helpers.runs import tiny_run, write_inter
from helpers.strategies import sampler_for
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chisquare

from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.draws.pool import CandidateSampler

EXCLUDES = ("history", "user_train", "target")


@pytest.mark.parametrize("exclude", EXCLUDES)
@settings(max_examples=100, deadline=None)
@given(data=st.data(), item_num=st.integers(3, 40), seed=st.integers(0, 1000))
def test_pools_are_distinct_and_allowed_even_when_just_n_items_are_left(exclude, data, item_num, seed):
    """A user takes further items after the training part, and more of it after the target."""
    ids = st.integers(1, item_num)
    sequences = data.draw(st.lists(st.lists(ids, min_size=1, max_size=item_num + 3), min_size=1, max_size=5))
    trained = [data.draw(st.integers(1, len(sequence))) for sequence in sequences]
    places = [data.draw(st.integers(0, length - 1)) for length in trained]
    ends = {"history": places, "user_train": trained, "target": [0] * len(sequences)}[exclude]
    allowed = [
        set(range(1, item_num + 1)) - {sequence[place], *sequence[:end]}
        for sequence, place, end in zip(sequences, places, ends)
    ]
    fewest = min(map(len, allowed))
    if fewest == 0:
        return
    candidate_num = data.draw(st.one_of(st.just(fewest), st.integers(1, fewest)))
    sampler, batch = sampler_for(sequences, item_num, candidate_num, seed, exclude, places, trained)
    assert sampler.allowed_num(batch).tolist() == [len(items) for items in allowed]
    pool = sampler.sample(batch)
    assert pool.shape == (len(sequences), candidate_num)
    for row, items in zip(pool.tolist(), allowed):
        assert len(set(row)) == candidate_num
        assert set(row) <= items
        if len(items) == candidate_num:
            assert set(row) == items


@pytest.mark.parametrize("exclude", EXCLUDES)
@settings(max_examples=40, deadline=None)
@given(sequences=st.lists(st.lists(st.integers(1, 40), min_size=2, max_size=12), min_size=1, max_size=8))
def test_short_histories_in_the_sort_give_the_pools_of_the_search(exclude, sequences):
    pools = []
    for sorts in (True, False):
        sampler, batch = sampler_for(sequences, 40, 8, 0, exclude, places=[1] * len(sequences))
        sampler.sorts_histories = sorts
        pools.append(sampler.sample(batch))
    assert torch.equal(*pools)


@pytest.mark.parametrize(
    ("exclude", "left_out", "sizes"),
    [("history", {2, 7, 11}, (1, 3, 5, 9)), ("user_train", {2, 7, 11, 4, 9}, (3, 7)), ("target", {11}, (5, 11))],
)
def test_every_allowed_item_is_equally_likely_in_every_column(exclude, left_out, sizes):
    """Of 12 items the user takes 11 at place 3, then 4 and 9 in training and 1 after it.

    With 9 allowed items rows of N up to 3 are drawn and picked, above that by sorting keys.
    """
    for candidate_num in sizes:
        check_columns(exclude, left_out, candidate_num)


@pytest.mark.parametrize(("exclude", "left_out"), [("history", {2, 7, 11}), ("user_train", {2, 7, 11, 4, 9})])
def test_crowded_rows_are_drawn_alike_on_a_gpu(exclude, left_out):
    """Its host does not look which rows are crowded: all of them draw numbers of allowed items."""
    check_columns(exclude, left_out, 3, may_read=False)


def check_columns(exclude, left_out, candidate_num, may_read=True):
    users = 20_000
    sequences, places, trained = [[2, 7, 2, 11, 4, 9, 1]] * users, [3] * users, [6] * users
    sampler, batch = sampler_for(sequences, 12, candidate_num, 3, exclude, places, trained)
    sampler.may_read, sampler.has_twice = may_read, not may_read
    pool = sampler.sample(batch)
    assert (pool.sort(1).values.diff(dim=1) > 0).all()
    allowed = [item for item in range(1, 13) if item not in left_out]
    for column in pool.T:
        counts = torch.bincount(column, minlength=13)
        assert counts[allowed].sum() == len(pool)
        assert chisquare(counts[allowed].cpu().numpy()).pvalue > 1e-3


def test_every_pair_of_items_is_equally_likely():
    sampler, batch = sampler_for([[1, 2]] * 30_000, 8, 2, seed=5)
    pairs = sampler.sample(batch).sort(1).values - 3  # items 3 to 8
    counts = torch.bincount(pairs[:, 0] * 6 + pairs[:, 1], minlength=36)
    expected = [low * 6 + high for low in range(6) for high in range(low + 1, 6)]
    assert counts[expected].sum() == len(pairs)
    assert chisquare(counts[expected].cpu().numpy()).pvalue > 1e-3


def legacy_state():
    _, state, *_ = np.random.get_state(legacy=True)
    return state


def test_same_seed_same_pools_and_the_global_generators_are_left_alone():
    torch_state, numpy_state = torch.get_rng_state(), legacy_state().copy()
    first = [sampler_for([[1, 2, 3]] * 50, 30, 5, seed=9)[0] for _ in range(2)]
    batch = sampler_for([[1, 2, 3]] * 50, 30, 5)[1]
    assert torch.equal(first[0].sample(batch), first[1].sample(batch))
    assert not torch.equal(first[0].sample(batch), sampler_for([[1, 2, 3]] * 50, 30, 5, seed=8)[0].sample(batch))
    assert torch.equal(torch_state, torch.get_rng_state())
    assert (numpy_state == legacy_state()).all()


def test_the_full_history_is_excluded_not_only_the_window():
    """Windows show 3 items of histories of up to 11."""
    run = tiny_run(MAX_ITEM_LIST_LENGTH=3, neg_candidate_num=18)
    sampler = CandidateSampler(run.data, 18, 0, DEVICE)
    sampler.check(run.data)
    tokens = run.data.field2id_token["item_id"]
    users = run.data.field2id_token["user_id"]
    sequences = {}
    for line in Path("data/tiny/tiny.inter").read_text().splitlines()[1:]:
        user, item, _ = line.split("\t")
        sequences.setdefault(user, []).append(item)
    for batch in TargetLoader(run.data, 64, "row", True, None, DEVICE):
        for pool, target, user in zip(sampler.sample(batch), batch.target, batch.user):
            sequence = sequences[users[user]]
            seen = sequence[: sequence.index(tokens[target]) + 1]
            assert not {tokens[item] for item in pool} & set(seen)


def test_a_check_tells_whether_rows_are_crowded_and_how_many_draws_are_enough():
    """30 items, histories of up to 10 and a target: 20 to 28 are allowed."""
    for candidate_num, crowded in ((5, False), (15, True)):
        run = tiny_run(neg_candidate_num=candidate_num)
        sampler = CandidateSampler(run.data, candidate_num, 0, DEVICE)
        before = sampler.draw_num
        sampler.check(run.data)
        assert sampler.may_be_crowded == crowded and sampler.has_twice == (2 * candidate_num <= 20)
        assert sampler.draw_num == before if crowded else candidate_num < sampler.draw_num < before
        for batch in TargetLoader(run.data, 64, "row", True, None, DEVICE):
            pool = sampler.sample(batch)
            assert not sampler.forbidden(pool, batch).any()
            assert (pool.sort(1).values.diff(dim=1) > 0).all()


def test_there_are_as_many_draws_as_needed_and_no_more():
    sampler, _ = sampler_for([[1, 2]], 8, 2)
    sampler._expect(0.6)
    short, one_less = (binom.cdf(1, sampler.draw_num - less, 0.6) for less in (0, 1))  # fewer than 2 good ones
    assert short <= 1e-15 < one_less


@pytest.mark.parametrize(
    ("exclude", "number", "said"),
    [
        ("history", 7, "user u0 has 4 of 8 items left outside history and target; set it to at most 4"),
        ("user_train", 5, "user u0 has 4 of 8 items left outside its training sequence; set it to at most 4"),
        ("target", 8, "user u0 has 7 of 8 items left apart from the target; set it to at most 7"),
    ],
)
def test_too_large_a_pool_is_refused_before_training_and_names_user_and_limit(exclude, number, said):
    """Each of three users takes 6 of 8 items, the last two of them for validation and test."""
    write_inter([f"u{u}\ti{i}\t{i}\n" for u in range(3) for i in range(6)] + ["far\tx\t1\n", "far\ty\t2\n"], "small")
    keys = {"dataset": "small", "exclude": exclude, "topk": [5], "valid_metric": "NDCG@5"}
    run = tiny_run(neg_candidate_num=number, **keys)
    with pytest.raises(ConfigError, match=f"neg_candidate_num = {number} is not allowed: {said}"):
        run.trainer.fit(run.train, run.valid)
    limit = int(said.split(" has ")[1][0])
    fitting = tiny_run(neg_candidate_num=limit, **keys)
    fitting.trainer.prepare(fitting.train)
    for batch in TargetLoader(fitting.data, 64, "row", True, None, DEVICE):
        assert not fitting.trainer.strategy.sampler.forbidden(fitting.trainer.strategy.propose(batch), batch).any()
    assert run.trainer.epoch_log == []


def test_a_check_expects_the_last_candidate_to_be_the_hardest_to_find():
    """N = 400 of 1,000 items: the last is one of 599; 412 draws, as many as for the first, have some 340 items."""
    sampler, batch = sampler_for([[1, 2]] * 50, 1000, 400)
    sampler.dataset.inter_feat["item_id"] = batch.target.cpu()
    sampler.check(sampler.dataset)
    assert not sampler.may_be_crowded
    pool = sampler.sample(batch)
    assert pool.min() >= 1 and (pool.sort(1).values.diff(dim=1) > 0).all()
