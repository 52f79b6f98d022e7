"""Hand-worked numbers for Eqs. (5) to (8), and the two ends of M."""

import torch
from helpers.device import DEVICE, on
from scipy.stats import chisquare

from recbole_mdcns.equations import divergence, divergence_aware, draw_one, top_candidates

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
