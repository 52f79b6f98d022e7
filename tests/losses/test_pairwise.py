"""Hand-worked numbers for Eqs. (9) to (12), and losses that keep their gradient."""

import math

import pytest
import torch
from helpers.device import on

from recbole_mdcns.equations import distillation, multi_view
from recbole_mdcns.losses.pairwise import bce, bpr


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_bce_and_bpr_by_hand():
    positive, negative = on(torch.tensor([2.0, -1.0])), on(torch.tensor([[0.0, 1.0], [3.0, -2.0]]))
    expected = [
        [softplus(-2) + softplus(0), softplus(-2) + softplus(1)],
        [softplus(1) + softplus(3), softplus(1) + softplus(-2)],
    ]
    torch.testing.assert_close(bce(positive, negative), on(torch.tensor(expected)))
    expected = [[softplus(-2), softplus(-1)], [softplus(4), softplus(-1)]]
    torch.testing.assert_close(bpr(positive, negative), on(torch.tensor(expected)))


@pytest.mark.parametrize("loss", [bce, bpr])
def test_a_wrong_and_saturated_score_still_has_a_gradient(loss):
    negative = on(torch.tensor([[60.0]], requires_grad=True))
    loss(on(torch.tensor([-60.0])), negative).sum().backward()
    assert negative.grad.item() == pytest.approx(1.0)


@pytest.mark.parametrize("loss", [bce, bpr])
def test_gradients_of_the_ranking_losses(loss):
    torch.manual_seed(0)
    positive = on(torch.randn(4, dtype=torch.float64, requires_grad=True))
    negative = on(torch.randn(4, 3, dtype=torch.float64, requires_grad=True))
    assert torch.autograd.gradcheck(loss, (positive, negative))


def test_multi_view_weighs_the_views():
    assert multi_view(on(torch.tensor([1.0, 2.0, 3.0])), on(torch.tensor([0.5, 1.0, 2.0]))).item() == 0.5 + 2 + 6


def test_distillation_by_hand():
    student, teacher = on(torch.tensor([[0.0, 0.0]])), on(torch.tensor([[2 * math.log(3.0), 0.0]]))
    # tau 2: p_teacher = (3/4, 1/4), p_student = (1/2, 1/2)
    expected = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert distillation(student, teacher, 2.0).item() == pytest.approx(expected, rel=1e-6)
    both = distillation(student.repeat(3, 1), teacher.repeat(3, 1), 2.0, "sum")
    assert both.item() == pytest.approx(3 * expected, rel=1e-6)


def test_distillation_is_zero_between_equals_and_teaches_only_the_student():
    student = on(torch.randn(5, 9, dtype=torch.float64, requires_grad=True))
    teacher = on(torch.randn(5, 9, dtype=torch.float64, requires_grad=True))
    assert distillation(student, student + 3.0, 0.7).item() == pytest.approx(0.0, abs=1e-12)
    distillation(student, teacher, 0.7).backward()
    assert teacher.grad is None
    # d/ds of tau^2 KL is tau (p_student - p_teacher)
    expected = 0.7 * (torch.softmax(student / 0.7, 1) - torch.softmax(teacher / 0.7, 1)) / 5
    torch.testing.assert_close(student.grad, expected.detach())
