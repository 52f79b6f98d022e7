"""The best candidates of rows, from blocks of scores."""

import pytest
import torch
from helpers.device import on

from recbole_mdcns.recommend import top_items as blocks
from recbole_mdcns.recommend.top_items import top_items


def best_of(scores, k, seen=None):
    return top_items(lambda start, end: scores[:, start:end].clone(), scores.size(1), k, len(scores), seen)


def test_by_hand():
    scores = on(torch.tensor([[0.5, 3.0, 1.0, 3.0], [9.0, -1.0, 0.0, 2.0]]))
    seen = on(torch.tensor([1, 0])), on(torch.tensor([0, 2]))
    places, values = best_of(scores, 3, seen)
    assert places.tolist() == [[1, 3, 0], [3, 2, 1]]  # equal scores: the lower candidate first
    assert values.tolist() == [[3.0, 3.0, 0.5], [2.0, 0.0, -1.0]]
    assert best_of(scores, 9)[0].shape == (2, 4)


@pytest.mark.parametrize("k", [1, 10, 70])
@pytest.mark.parametrize("candidate_num", [64, 1000, 1024])
@pytest.mark.parametrize("order", ["random", "rising", "falling"])
def test_blocks_give_what_sorting_everything_gives(k, candidate_num, order, monkeypatch):
    """Blocks of 64 or 128 candidates with many equal scores, where later blocks have better, or no better ones."""
    scores = on(torch.randint(0, 50, (5, candidate_num), generator=torch.Generator().manual_seed(k))).float()
    if order != "random":
        scores = scores.sort(dim=1, descending=order == "falling").values
    seen = on(torch.tensor([0, 0, 3])), on(torch.tensor([1, candidate_num - 1, 63]))
    masked = scores.clone()
    masked[seen] = -torch.inf
    expected = masked.sort(dim=1, descending=True, stable=True)
    for held in (5 * 64, 5 * 128):
        monkeypatch.setattr(blocks, "SCORES_HELD", held)
        places, values = best_of(scores, k, seen)
        assert torch.equal(values, expected.values[:, :k])
        assert torch.equal(masked.gather(1, places), values)
        assert all(len(set(row.tolist())) == len(row) for row in places)
