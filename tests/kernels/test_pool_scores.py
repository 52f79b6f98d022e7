"""Hand-worked numbers for Eqs. (3) and (4)."""

import pytest
import torch
from helpers.device import on

from recbole_mdcns.equations import teacher_scores
from recbole_mdcns.kernels.pool_scores import item_order, pool_scores


def test_pool_scores_are_inner_products():
    table = on(torch.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, -1.0], [0.5, 0.5]]))
    encoding = on(torch.tensor([[2.0, 1.0], [-1.0, 4.0]]))
    items = on(torch.tensor([[1, 2], [3, 2]]))
    # row 0: 2*1+1*2 = 4, 2*3-1 = 5; row 1: -0.5+2 = 1.5, -3-4 = -7
    assert pool_scores(encoding, table, items).tolist() == [[4.0, 5.0], [1.5, -7.0]]


def test_pool_scores_gradients_are_those_of_the_broadcast_product():
    torch.manual_seed(0)
    table = on(torch.randn(7, 5, dtype=torch.float64, requires_grad=True))
    encoding = on(torch.randn(3, 5, dtype=torch.float64, requires_grad=True))
    items = on(torch.randint(0, 7, (3, 4)))
    weight = on(torch.randn(3, 4, dtype=torch.float64))
    found = torch.autograd.grad((pool_scores(encoding, table, items) * weight).sum(), (encoding, table))
    plain = (encoding[:, None] * table[items]).sum(-1)
    expected = torch.autograd.grad((plain * weight).sum(), (encoding, table))
    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradcheck(lambda h, e: pool_scores(h, e, items), (encoding, table))


@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (64, 101)])
def test_fast_scores_equal_the_broadcast_product(monkeypatch, sampled, shape):
    """With MKL's sampled products and without; items repeat within and across rows; the order may be shared."""
    if not sampled:
        monkeypatch.setattr("recbole_mdcns.kernels.pool_scores._has_sampled_products", lambda dtype: False)
    torch.manual_seed(1)
    table, encoding = on(torch.randn(30, 8, requires_grad=True)), on(torch.randn(shape[0], 8, requires_grad=True))
    items, weight = on(torch.randint(0, 30, shape)), on(torch.randn(shape))
    plain = (encoding[:, None] * table[items]).sum(-1)
    expected = torch.autograd.grad((plain * weight).sum(), (encoding, table), retain_graph=True)
    for order in (None, item_order(items)):
        scores = pool_scores(encoding, table, items, order)
        torch.testing.assert_close(scores, plain)
        torch.testing.assert_close(torch.autograd.grad((scores * weight).sum(), (encoding, table)), expected)
    # a row of the scores may be used alone, and one input may need no gradient
    only = torch.autograd.grad(pool_scores(encoding.detach(), table, items)[:, 0].sum(), table)[0]
    torch.testing.assert_close(only, torch.autograd.grad(plain[:, 0].sum(), table)[0])


def test_the_embeddings_of_the_pool_are_not_kept():
    kept = []
    table, encoding = on(torch.randn(50, 16, requires_grad=True)), on(torch.randn(20, 16, requires_grad=True))
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()), lambda t: t):
        pool_scores(encoding, table, on(torch.randint(0, 50, (20, 40))))
    assert 0 < sum(kept) < 20 * 40 * 16 / 2


def test_teacher_is_sum_or_mean():
    mine, other = on(torch.tensor([[1.0, -2.0]])), on(torch.tensor([[3.0, 1.0]]))
    assert teacher_scores(mine, other, mean=False).tolist() == [[4.0, -1.0]]
    assert teacher_scores(mine, other, mean=True).tolist() == [[2.0, -0.5]]
