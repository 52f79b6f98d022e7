"""One very active user: draws cost as much as their number, whatever the lengths of histories, and keep their law."""

import numpy as np
import pytest
import torch
from helpers.device import DEVICE, on
from helpers.strategies import sampler_for
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.negatives.draws import pool as candidates
from recbole_mdcns.negatives.draws.allowed import AllowedItems
from recbole_mdcns.negatives.draws.pool import distinct_numbers


@settings(max_examples=100, deadline=None)
@given(
    sequences=st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=15), min_size=1, max_size=5),
    target=st.integers(1, 12),
    cut=st.integers(0, 14),
)
def test_numbers_are_the_allowed_items_each_once(sequences, target, cut):
    sampler, batch = sampler_for(sequences, 12, 1)
    find, targets = AllowedItems(sampler.history), torch.full_like(batch.target, target)
    end = torch.minimum(batch.history_start + cut, batch.history_end)
    for row, (start, stop) in enumerate(zip(batch.history_start.tolist(), end.tolist())):
        allowed = set(range(1, 13)) - {target} - set(sequences[row][: stop - start])
        some = slice(row, row + 1)
        numbers = on(torch.arange(len(allowed)))[None]
        found = find(numbers, targets[some], batch.history_start[some], end[some])
        assert sorted(found[0].tolist()) == sorted(allowed)


@pytest.mark.parametrize("below", [3, 5, 6, 20])
def test_different_numbers_are_equally_likely_in_every_column(below):
    """Up to 5 keys are sorted, above that repeated draws are left out."""
    drawn = distinct_numbers(on(torch.full((20_000,), below)), 3, torch.Generator(DEVICE).manual_seed(1))
    assert (drawn.sort(1).values.diff(dim=1) > 0).all()
    for column in drawn.T:
        assert chisquare(torch.bincount(column, minlength=below).cpu().numpy()).pvalue > 1e-3


def test_pools_are_the_same_whichever_histories_are_searched(monkeypatch):
    generator = np.random.default_rng(0)
    sequences = [generator.integers(1, 300, length).tolist() for length in (2, 5, 40, 90, 3)]
    pools = []
    for long in (0, 1, 2, 1000):
        sampler, batch = sampler_for(sequences, 300, 4)
        sampler.sorts_histories = True
        monkeypatch.setattr(candidates, "LONG", long)
        pools.append(sampler.sample(batch))
    assert all(torch.equal(pool, pools[0]) for pool in pools)


@pytest.mark.parametrize("item_num", [3000, 100_000])
def test_a_step_does_not_write_out_the_history_of_an_active_user(item_num, monkeypatch):
    """Of 3,000 items its rows are crowded, of 100,000 they are not."""
    generator = np.random.default_rng(0)
    sequences = [generator.permutation(2900) + 1, *([[1, 2]] * 2000)]
    sampler, _ = sampler_for(sequences, item_num, 10)
    sampler.sorts_histories, sizes = True, []
    pairs = sampler.history.pairs
    monkeypatch.setattr(
        sampler.history, "pairs", lambda start, end: sizes.append(int((end - start).sum())) or pairs(start, end)
    )
    end = on(torch.arange(2000, 2899))
    target, start = on(torch.from_numpy(sequences[0]))[2000:2899], torch.zeros_like(end)
    batch = TargetBatch(torch.zeros_like(end), target, start, end, end)
    pool = sampler.sample(batch)
    assert not sampler.forbidden(pool, batch).any()
    assert (pool.sort(1).values.diff(dim=1) > 0).all()
    assert sum(sizes) <= candidates.LONG * sampler.draw_num * len(batch)
