"""Hand-worked numbers for Eqs. (5) to (8), the two ends of M, and the equations of pools."""

import math

import pytest
import torch
from helpers.device import DEVICE, on
from scipy.stats import chisquare

from recbole_mdcns.equations import (
    FORBIDDEN_SCORE,
    consistency,
    divergence,
    divergence_aware,
    draw_one,
    resampled,
    top_candidates,
)

MINE = on(torch.tensor([[3.0, 1.0, 2.0, 0.0]]))
OTHER = on(torch.tensor([[3.0, 2.5, 0.0, 0.5]]))


def test_divergence_is_the_absolute_difference():
    assert divergence(MINE, OTHER).tolist() == [[0.0, 1.5, 2.0, 0.5]]
    assert torch.equal(divergence(MINE, OTHER), divergence(OTHER, MINE))


def test_divergence_changes_the_order_and_weight_zero_drops_it():
    distance = divergence(MINE, OTHER)
    assert divergence_aware(MINE, distance, 1.0).tolist() == [[3.0, 2.5, 4.0, 0.5]]
    assert divergence_aware(MINE, distance, 0.5).tolist() == [[3.0, 1.75, 3.0, 0.25]]
    assert torch.equal(divergence_aware(MINE, distance, 0.0), MINE)
    assert top_candidates(divergence_aware(MINE, distance, 1.0), 2).tolist() == [[2, 0]]
    assert top_candidates(MINE, 2).tolist() == [[0, 2]]


def test_top_one_takes_the_maximum():
    scores = on(torch.randn(50, 20, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(draw_one(top_candidates(scores, 1)), scores.argmax(1))


def test_draw_is_uniform_over_the_top_and_over_all_when_m_is_n():
    generator = torch.Generator(DEVICE).manual_seed(7)
    scores = on(torch.arange(6.0)).expand(12_000, 6)
    for top_num in (3, 6):
        drawn = draw_one(top_candidates(scores, top_num), generator)
        counts = torch.bincount(drawn, minlength=6)
        assert counts[: 6 - top_num].sum() == 0
        assert chisquare(counts[6 - top_num :].cpu().numpy()).pvalue > 1e-3


def test_resampled_columns_follow_the_softmax_and_weigh_its_inverse():
    """Odds 1, 3 and 4 at temperature 2, and a forbidden candidate: q = 1/8, 3/8, 1/2, 0."""
    odds = on(torch.tensor([[1.0, 3.0, 4.0]]))
    scores = torch.cat([2 * odds.log(), on(torch.tensor([[FORBIDDEN_SCORE]]))], 1)
    columns, log_weight = resampled(scores.expand(2, -1), 20_000, 2.0, torch.Generator(DEVICE).manual_seed(0))
    q = on(torch.tensor([1 / 8, 3 / 8, 1 / 2]))
    assert columns.shape == log_weight.shape == (2, 20_000) and log_weight.dtype == scores.dtype
    torch.testing.assert_close(log_weight.exp(), 1 / (20_000 * q[columns]))
    for row in columns:
        counts = torch.bincount(row, minlength=4)
        assert counts[3] == 0
        assert chisquare(counts[:3].cpu().numpy(), (20_000 * q.double()).cpu().numpy()).pvalue > 1e-3


def test_resampled_rows_without_a_candidate_are_drawn_uniformly():
    scores = on(torch.full((1, 4), FORBIDDEN_SCORE))
    columns, log_weight = resampled(scores, 3, 0.1, torch.Generator(DEVICE).manual_seed(0))
    assert ((columns >= 0) & (columns < 4)).all()
    assert log_weight.tolist()[0] == pytest.approx([math.log(4 / 3)] * 3)


def test_consistency_by_hand():
    """p = (1/4, 3/4, 0), q = (1/2, 1/2, 0): ((1/4) log 2 + (1/4) log(3/2)) / 2 = log(3) / 8; the second row agrees."""
    first = on(torch.tensor([[0.0, math.log(3.0), FORBIDDEN_SCORE], [1.0, 2.0, 3.0]], requires_grad=True))
    second = on(torch.tensor([[5.0, 5.0, FORBIDDEN_SCORE], [0.0, 1.0, 2.0]], requires_grad=True))
    distance = consistency(first, second)
    assert distance.item() == pytest.approx(math.log(3) / 16)
    assert consistency(second, first).item() == pytest.approx(distance.item())
    for gradient in torch.autograd.grad(distance, (first, second)):
        assert gradient[0, :2].abs().min() > 0.01 and gradient[0, 2] == 0 and gradient[1].abs().max() < 1e-6
