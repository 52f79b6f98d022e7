"""Hand-worked numbers for Eqs. (3) and (4)."""

import torch

from recbole_mdcns.scoring import pool_scores, teacher_scores


def test_pool_scores_are_inner_products():
    table = torch.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])
    encoding = torch.tensor([[2.0, 1.0], [-1.0, 4.0]])
    items = torch.tensor([[1, 2], [3, 2]])
    # row 0: 2*1+1*2 = 4, 2*3-1 = 5; row 1: -0.5+2 = 1.5, -3-4 = -7
    assert pool_scores(encoding, table, items).tolist() == [[4.0, 5.0], [1.5, -7.0]]


def test_pool_scores_gradients_are_those_of_the_broadcast_product():
    torch.manual_seed(0)
    table = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    encoding = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    items = torch.randint(0, 7, (3, 4))
    weight = torch.randn(3, 4, dtype=torch.float64)
    found = torch.autograd.grad((pool_scores(encoding, table, items) * weight).sum(), (encoding, table))
    plain = (encoding[:, None] * table[items]).sum(-1)
    expected = torch.autograd.grad((plain * weight).sum(), (encoding, table))
    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradcheck(lambda h, e: pool_scores(h, e, items), (encoding, table))


def test_teacher_is_sum_or_mean():
    mine, other = torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0, 1.0]])
    assert teacher_scores(mine, other, mean=False).tolist() == [[4.0, -1.0]]
    assert teacher_scores(mine, other, mean=True).tolist() == [[2.0, -0.5]]
