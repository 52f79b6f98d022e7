"""Fused optimisers make the steps that RecBole's own make."""

import copy

import pytest
import torch
from conftest import tiny_run
from torch import optim

from recbole_mdcns.trainer.optimizer import fused


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.Adam(p, lr=0.01),
        lambda p: optim.Adam(p, lr=0.01, weight_decay=0.1),
        lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
        lambda p: optim.SGD(p, lr=0.01),
        lambda p: optim.Adagrad(p, lr=0.01),
        lambda p: optim.RMSprop(p, lr=0.01),
    ],
)
def test_steps_are_the_same(make):
    torch.manual_seed(0)
    plain = torch.nn.Linear(7, 5)
    other = copy.deepcopy(plain)
    optimizers = [make(plain.parameters()), fused(make(other.parameters()))]
    assert type(optimizers[0]) is type(optimizers[1])
    for _ in range(20):
        x = torch.randn(3, 7)
        for model, optimizer in zip((plain, other), optimizers):
            optimizer.zero_grad(set_to_none=True)
            model(x).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(list(plain.parameters()), list(other.parameters()), rtol=1e-5, atol=1e-7)


def test_the_trainer_uses_them():
    for optimizer in tiny_run().trainer.optimizers:
        assert optimizer.defaults["fused"] and optimizer.defaults["lr"] == 0.01


def test_optimisers_without_a_fused_form_stay_as_they_are():
    optimizer = optim.RMSprop(torch.nn.Linear(2, 2).parameters())
    assert fused(optimizer) is optimizer
