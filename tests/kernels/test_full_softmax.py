"""Cross-entropy over all items, some rows at a time, against the plain form: values and gradients."""

import pytest
import torch
from helpers.device import on

from recbole_mdcns.kernels import full_softmax
from recbole_mdcns.kernels.full_softmax import mean_cross_entropy
from recbole_mdcns.losses.full_softmax import cross_entropy


def inputs(rows: int, items: int, dtype: torch.dtype) -> list[torch.Tensor]:
    torch.manual_seed(0)
    encoding, table = (on(torch.randn(number, 8, dtype=dtype, requires_grad=True)) for number in (rows, items + 1))
    return [encoding, table, on(torch.randint(1, items + 1, (rows,)))]


@pytest.mark.parametrize("held", [1, 200, 10**6])  # rows together: the least, some, all
def test_it_equals_the_plain_form(monkeypatch, held):
    monkeypatch.setitem(full_softmax.SCORES_HELD, "cpu", held)
    monkeypatch.setattr(full_softmax, "LEAST_ROWS", 3)
    encoding, table, target = inputs(rows=20, items=31, dtype=torch.float64)
    # a factor other than 1 comes down, as from a sum of losses
    found = torch.autograd.grad(3 * mean_cross_entropy(encoding, table, target), (encoding, table))
    plain = torch.autograd.grad(3 * cross_entropy(encoding @ table.T, target).mean(), (encoding, table))
    torch.testing.assert_close(
        mean_cross_entropy(encoding, table, target), cross_entropy(encoding @ table.T, target).mean()
    )
    for ours, expected in zip(found, plain):
        torch.testing.assert_close(ours, expected)
    assert (found[1][0] == 0).all()  # the padding


def test_it_passes_gradcheck():
    encoding, table, target = inputs(rows=5, items=6, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda h, e: mean_cross_entropy(h, e, target), (encoding, table))


def test_large_scores_neither_overflow_nor_vanish():
    encoding, table, target = inputs(rows=6, items=9, dtype=torch.float32)
    loss = mean_cross_entropy(1000 * encoding, table, target)
    torch.testing.assert_close(loss, cross_entropy(1000 * encoding @ table.T, target).mean())
    assert torch.isfinite(torch.autograd.grad(loss, encoding)[0]).all()


def test_autocast_does_not_reach_it():
    encoding, table, target = inputs(rows=6, items=9, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = mean_cross_entropy(encoding, table, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, cross_entropy(encoding @ table.T, target).mean())
