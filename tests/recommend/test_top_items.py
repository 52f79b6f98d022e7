"""The best candidates block by block are those of a plain sort of all scores."""

import numpy as np
import pytest
import torch
from helpers.device import on
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_mdcns.recommend import best_so_far
from recbole_mdcns.recommend import top_items as module
from recbole_mdcns.recommend.top_items import rows_at_once, top_items

OUT = -torch.inf


def best_of(scores, k, seen=None):
    return top_items(lambda start, end: scores[:, start:end].clone(), scores.size(1), k, len(scores), seen)


def plainly(scores, k, seen=None):
    """Sort every row: by score, then by candidate."""
    table = [row.tolist() for row in scores]
    for row, candidate in zip(*(each.tolist() for each in seen or (on(torch.zeros(0)), on(torch.zeros(0))))):
        table[int(row)][int(candidate)] = OUT
    order = [np.lexsort((np.arange(len(row)), -np.array(row)))[:k].tolist() for row in table]
    return order, [[row[place] for place in places] for row, places in zip(table, order)]


def check(scores, k, seen=None):
    found, values = best_of(scores, k, seen)
    order, best = plainly(scores, k, seen)
    assert values.tolist() == best
    for row, (places, expected) in enumerate(zip(found.tolist(), order)):
        left = [place for place, value in zip(expected, best[row]) if value > OUT]
        assert places[: len(left)] == left


def test_by_hand():
    scores = on(torch.tensor([[0.5, 3.0, 1.0, 3.0], [9.0, -1.0, 0.0, 2.0]]))
    seen = on(torch.tensor([1, 0])), on(torch.tensor([0, 2]))
    places, values = best_of(scores, 3, seen)
    assert places.tolist() == [[1, 3, 0], [3, 2, 1]]  # equal scores: the lower candidate first
    assert values.tolist() == [[3.0, 3.0, 0.5], [2.0, 0.0, -1.0]]
    assert best_of(scores, 9)[0].shape == (2, 4)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_it_is_a_plain_sort_for_any_block_and_group_and_ties(data):
    row_num, width = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 60))
    values = st.sampled_from([-1.0, 0.0, 0.5, 0.5, 2.0])  # mostly ties
    scores = on(torch.tensor([[data.draw(values) for _ in range(width)] for _ in range(row_num)]))
    pair = st.tuples(st.integers(0, row_num - 1), st.integers(0, width - 1))
    pairs = data.draw(st.lists(pair, max_size=2 * width))
    seen = tuple(on(torch.tensor(pairs, dtype=torch.int64)).view(-1, 2).T)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GROUP", data.draw(st.sampled_from([2, 3, 64])))
        patch.setattr(best_so_far, "GROUP", data.draw(st.sampled_from([1, 2, 4, 64])))
        patch.setattr(best_so_far, "GROUPS_EACH", data.draw(st.sampled_from([1, 3])))
        patch.setattr(module, "SCORES_HELD", data.draw(st.sampled_from([1, 7 * row_num, 2**24])))
        check(scores, data.draw(st.integers(1, width + 3)), seen)


@pytest.mark.parametrize("k", [1, 10, 70])
@pytest.mark.parametrize("candidate_num", [64, 1000, 1024])
@pytest.mark.parametrize("order", ["random", "rising", "falling"])
def test_blocks_give_what_sorting_everything_gives(k, candidate_num, order, monkeypatch):
    """Blocks of 64 or 128 candidates with many equal scores, where later blocks have better, or no better ones."""
    scores = on(torch.randint(0, 50, (5, candidate_num), generator=torch.Generator().manual_seed(k))).float()
    if order != "random":
        scores = scores.sort(dim=1, descending=order == "falling").values
    seen = on(torch.tensor([0, 0, 3])), on(torch.tensor([1, candidate_num - 1, 63]))
    for held in (5 * 64, 5 * 128):
        monkeypatch.setattr(module, "SCORES_HELD", held)
        check(scores, k, seen)


def test_it_is_a_plain_sort_at_full_size(monkeypatch):
    torch.manual_seed(0)
    wide = on(torch.randn(3, 20_001))
    for held in (module.SCORES_HELD, 3 * 4096):
        monkeypatch.setattr(module, "SCORES_HELD", held)
        check(wide, 10)
        check((wide * 4).round(), 10)  # a dozen values: ties in every row and between groups
        check((wide * 4).round(), 300)


def test_scores_that_are_no_numbers_come_first_and_are_seen():
    scores = on(torch.tensor([[1.0, torch.nan, 2.0]]))
    values = best_of(scores, 2)[1].cpu().numpy()
    assert np.isnan(values[0, 0]) and values[0, 1] == 2


def test_rows_follow_from_the_budget(monkeypatch):
    monkeypatch.setattr(module, "NUMBERS_HELD", 1000)
    assert rows_at_once(row_size=10, k=3) == 15  # by the group of 64
    assert rows_at_once(row_size=300, k=3) == 3
    assert rows_at_once(row_size=10, k=100) == 3
    assert rows_at_once(row_size=5000, k=3) == 1
