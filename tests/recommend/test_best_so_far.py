"""The best scores so far are those of a plain sort, whatever the blocks are."""

import pytest
import torch
from helpers.device import on

from recbole_mdcns.recommend.best_so_far import BestSoFar

OUT, NAN = -torch.inf, torch.nan


def test_by_hand():
    best = BestSoFar(row_num=2, k=2)
    best.add(on(torch.tensor([[0.5, 3.0, 1.0], [9.0, OUT, 0.0]])), 0)
    assert best.sorted()[0].tolist() == [[1, 2], [0, 2]] and best.sorted()[1].tolist() == [[3, 1], [9, 0]]
    best.add(on(torch.tensor([[3.0, 1.0], [-1.0, 10.0]])), 3)  # 3 and 1 are there already, in lower columns
    columns, scores = best.sorted()
    assert columns.tolist() == [[1, 3], [4, 0]] and scores.tolist() == [[3, 3], [10, 9]]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_of_equal_scores_the_lowest_columns_are_taken(k):
    best = BestSoFar(2, k)
    best.add(on(torch.tensor([[1.0, 3.0, 2.0, 3.0, 2.0], [5.0, 5.0, 5.0, 5.0, 5.0]])), 0)
    columns, scores = best.sorted()
    assert columns.tolist() == [[1, 3, 2, 4][:k], [0, 1, 2, 3][:k]]
    assert scores.tolist() == [[3.0, 3.0, 2.0, 2.0][:k], [5.0] * k]


def test_a_row_with_too_few_scores_is_filled_and_no_number_comes_first():
    best = BestSoFar(2, 3)
    best.add(on(torch.tensor([[OUT, 1.0, OUT, OUT], [1.0, NAN, 2.0, 3.0]])), 7)
    columns, scores = best.sorted()
    assert columns.tolist() == [[8, 0, 0], [8, 10, 9]]
    assert scores[0].tolist() == [1, OUT, OUT]
    assert scores[1, 0].isnan() and scores[1, 1:].tolist() == [3, 2]


def test_a_row_that_is_out_in_the_first_block_takes_all_of_the_second():
    best = BestSoFar(1, 2)
    best.add(on(torch.full((1, 640), OUT)), 0)
    best.add(on(torch.full((1, 640), -5.0)), 640)
    assert best.sorted()[0].tolist() == [[640, 641]]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_blocks_that_are_all_better_keep_little_waiting(kind):
    """Rising scores: of each block of 640, only the groups that can be among the best are kept."""
    best = BestSoFar(1, 4)
    scores = on(torch.arange(64_000, dtype=kind))[None]
    for start in range(0, 64_000, 640):
        best.add(scores[:, start : start + 640], start)
        assert sum(len(rows) for rows, _, _ in best._kept) < 4 + 4
    assert best.sorted()[0].tolist() == [[63_999, 63_998, 63_997, 63_996]]
    assert best.sorted()[1].dtype == kind
