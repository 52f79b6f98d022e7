"""Fused optimisers make the steps that RecBole's own make."""

import copy

import pytest
import torch
from helpers.device import DEVICE, on
from helpers.runs import tiny_run
from torch import optim

from recbole_mdcns.kernels import optimizer as module
from recbole_mdcns.kernels.optimizer import fuse, make_lazy


def test_an_optimiser_that_refuses_to_fuse_at_its_first_step_stays_as_it_is():
    class Refuses(optim.SGD):
        def step(self, closure=None):
            if self.defaults["fused"]:
                raise RuntimeError("not on this device")
            return super().step(closure)

    optimizer = Refuses([torch.zeros(2, requires_grad=True)], lr=0.1)
    assert fuse(optimizer) is optimizer


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
    plain = torch.nn.Linear(7, 5).to(DEVICE)
    other = copy.deepcopy(plain)
    optimizers = [make(plain.parameters()), fuse(make(other.parameters()))]
    assert type(optimizers[0]) is type(optimizers[1])
    has_fused = isinstance(optimizers[0], (optim.Adam, optim.AdamW, optim.SGD, optim.Adagrad))
    assert bool(optimizers[1].defaults.get("fused")) == has_fused
    for _ in range(20):
        x = on(torch.randn(3, 7))
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
    assert fuse(optimizer) is optimizer


def table_and_rows(seed=0):
    torch.manual_seed(seed)
    table = torch.nn.Parameter(on(torch.randn(20, 4)))
    rows = [on(torch.randint(0, 20, (6,))) for _ in range(5)]  # rows repeat within a step and between steps
    return table, [(index, on(torch.randn(6, 4))) for index in rows]


def sparse(table, index, values):
    return torch.sparse_coo_tensor(index[None], values, table.shape, check_invariants=True)


@pytest.mark.parametrize("rows_at_once", [2, 4096])
def test_lazy_adam_follows_torchs_sparse_adam(monkeypatch, rows_at_once):
    monkeypatch.setattr(module, "ROWS_AT_ONCE", rows_at_once)
    table, steps = table_and_rows()
    other = copy.deepcopy(table)
    optimizers = [make_lazy(fuse(optim.Adam([table], lr=0.1))), optim.SparseAdam([other], lr=0.1)]
    for index, values in steps:
        for weight, optimizer in zip((table, other), optimizers):
            weight.grad = sparse(weight, index, values)
            optimizer.step()
    torch.testing.assert_close(table, other)
    torch.testing.assert_close(optimizers[0].state[table]["exp_avg"], optimizers[1].state[other]["exp_avg"])


def test_lazy_adam_is_adam_where_every_row_is_touched_or_the_gradient_is_dense():
    table, steps = table_and_rows()
    others = [copy.deepcopy(table) for _ in range(2)]
    lazily, densely = make_lazy(fuse(optim.Adam([table, others[0]], lr=0.1))), optim.Adam([others[1]], lr=0.1)
    for _, values in steps:
        whole = torch.cat([values, values.roll(1, 0), values.roll(2, 0), values[:2]])
        table.grad, others[0].grad, others[1].grad = sparse(table, on(torch.arange(20)), whole), whole, whole.clone()
        lazily.step()
        densely.step()
    torch.testing.assert_close(table, others[1])
    torch.testing.assert_close(others[0], others[1])


def test_lazy_adam_leaves_other_rows_alone_and_its_state_can_be_loaded():
    table, steps = table_and_rows()
    optimizer = make_lazy(fuse(optim.Adam([table], lr=0.1)))
    before = table.detach().clone()
    table.grad = sparse(table, *steps[0])
    optimizer.step()
    touched = on(torch.zeros(20, dtype=torch.bool)).index_fill(0, steps[0][0], True)
    assert torch.equal(table[~touched], before[~touched]) and (table[touched] != before[touched]).all()
    again = copy.deepcopy(table)
    other = make_lazy(fuse(optim.Adam([again], lr=0.1)))
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for weight, each in ((table, optimizer), (again, other)):
        weight.grad = sparse(weight, *steps[1])
        each.step()
    assert torch.equal(table, again)


@pytest.mark.parametrize("batching", ["row", "user"])
def test_lazy_items_train_only_the_rows_of_a_step(batching):
    """The first step moves just the items of its sequences and pools, and moves them as dense Adam does."""
    ends = []
    for lazy_items in (False, True):
        plain = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "dropout_prob": 0.0, "neg_candidate_num": 1}
        keys = {**plain, "lazy_items": lazy_items, "batching": batching, "train_batch_size": 8}
        run = tiny_run("SASRec", peer_model="GRU4Rec", **keys)
        run.trainer.prepare(run.train)
        run.trainer.train_step(next(iter(run.trainer.batches)))
        tables = [encoder.item_table for encoder in run.trainer.scoring_models]
        assert all(table.grad.is_sparse == lazy_items for table in tables)
        ends.append([table.detach().clone() for table in tables])
        states = [optimizer.state[table] for optimizer, table in zip(run.trainer.optimizers, tables)]
        assert all(state["exp_avg"].shape == table.shape for state, table in zip(states, tables))
    torch.testing.assert_close(*ends, rtol=1e-4, atol=1e-6)
