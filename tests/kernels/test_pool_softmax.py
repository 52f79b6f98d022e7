"""Softmax losses over pools against their plain forms: values and gradients."""

from typing import Any

import pytest
import torch
from helpers.device import on

from recbole_mdcns.equations import FORBIDDEN_SCORE, distillation, teacher_scores
from recbole_mdcns.kernels.pool_softmax import Consensus, pool_softmax
from recbole_mdcns.losses.listwise import sampled_softmax, scaled_softmax

#: Targets and items of a pool.
T, K = 6, 9


def scores_of(model_num=1, forbidden=False, dtype=torch.float64, scale=2.0):
    """Return each model's scores of targets and pool; forbidden candidates are all of row 0 and some of the others."""
    generator = torch.Generator().manual_seed(0)
    positive, negative = [], []
    banned = torch.rand(T, K, generator=generator) < 0.4
    banned[0], banned[1] = True, False
    for _ in range(model_num):
        positive.append(on(scale * torch.randn(T, generator=generator, dtype=dtype)).requires_grad_())
        pool = scale * torch.randn(T, K, generator=generator, dtype=dtype)
        negative.append(on(pool.masked_fill(banned, FORBIDDEN_SCORE) if forbidden else pool).requires_grad_())
    return positive, negative


def compare(found, expected, leaves, factor, **tolerance):
    """Compare losses [T] and their gradients, weighted by a factor for each target."""
    torch.testing.assert_close(found, expected, **tolerance)
    ours, plain = (torch.autograd.grad((factor * loss).sum(), leaves) for loss in (found, expected))
    for left, right in zip(ours, plain):
        assert left.isfinite().all()
        torch.testing.assert_close(left, right, **tolerance)


@pytest.mark.parametrize("shape", [None, (T, 1), (T, K)])
@pytest.mark.parametrize("forbidden", [False, True])
def test_pool_softmax_is_the_scaled_softmax(shape, forbidden):
    (positive,), (negative,) = scores_of(forbidden=forbidden)
    before = negative.detach().clone()
    factor = on(torch.arange(1.0, T + 1, dtype=torch.float64))
    log_mass = None if shape is None else on(torch.randn(shape, dtype=torch.float64))
    plain = (
        sampled_softmax(positive, negative) if log_mass is None else scaled_softmax(positive, negative, log_mass)
    )  # [T]
    found = pool_softmax(positive, negative, log_mass)
    compare(found, plain, (positive, negative), factor)
    assert torch.equal(negative, before)
    if forbidden:
        assert found[0] == 0


def test_both_pass_gradcheck():
    (positive, teacher_positive), (negative, teacher_negative) = scores_of(2)
    log_mass = on(torch.randn(T, K, dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda p, n: pool_softmax(p, n, log_mass), (positive, negative))
    teacher = Consensus(teacher_positive.detach(), teacher_negative.detach(), 0.7)
    assert torch.autograd.gradcheck(teacher.distance, (positive, negative))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_large_scores_and_narrow_types_stay_finite(dtype):
    (positive, other), (negative, other_negative) = scores_of(2, True, dtype, scale=1000.0)
    teacher = Consensus(other.detach(), other_negative.detach(), 1.0)
    for loss in (pool_softmax(positive, negative), teacher.distance(positive, negative)):
        assert loss.dtype == dtype and loss.isfinite().all()
        assert all(each.isfinite().all() for each in torch.autograd.grad(loss.sum(), (positive, negative)))


@pytest.mark.parametrize("with_positive", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 0.7, 10.0])
@pytest.mark.parametrize("model_num", [2, 3])
@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("forbidden", [False, True])
def test_consensus_is_the_distillation(with_positive, temperature, model_num, mean, forbidden):
    positive, negative = scores_of(model_num, forbidden)
    teacher = [teacher_scores(*(s.detach() for s in of), mean=mean) for of in (positive, negative)]
    before = [each.detach().clone() for each in (*positive, *negative, *teacher)]
    consensus = Consensus(teacher[0] if with_positive else None, teacher[1], temperature)

    def joined(of_target, of_pool):
        return torch.cat([of_target[:, None], of_pool], 1) if with_positive else of_pool

    for own, pool in zip(positive, negative):
        found = consensus.distance(own if with_positive else None, pool)  # [T]
        rows = [
            distillation(joined(own, pool)[row : row + 1], joined(*teacher)[row : row + 1], temperature)
            for row in range(T)
        ]
        leaves = (own, pool) if with_positive else (pool,)
        # without the positive, all of row 0 is forbidden: its scores cancel to the rounding of 1e9
        tolerance: Any = {"rtol": 1e-6, "atol": 1e-5 if forbidden else 1e-9}
        compare(found, torch.stack(rows), leaves, on(torch.arange(1.0, T + 1, dtype=torch.float64)), **tolerance)
        whole = distillation(joined(own, pool), joined(*teacher), temperature, "sum")
        torch.testing.assert_close(found.sum(), whole, **tolerance)
    assert all(map(torch.equal, (*positive, *negative, *teacher), before))


def test_consensus_by_hand():
    """Teacher (1/2, 1/2), student (1/4, 3/4) at tau 2: 4 KL = 4 (log 2 - log 3 / 2) = 4 log(2 / sqrt 3)."""
    teacher = Consensus(on(torch.zeros(1)), on(torch.zeros(1, 1)), 2.0)
    found = teacher.distance(on(torch.zeros(1)), on(torch.tensor([[2 * torch.tensor(3.0).log()]])))
    assert found.item() == pytest.approx(4 * torch.tensor(4 / 3).log().item() / 2, rel=1e-5)
