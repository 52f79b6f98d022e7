"""RecBole's optimisers in fused form, and an Adam that does not change untouched item rows."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer
from torch.optim.adam import adam

_Kind = TypeVar("_Kind", bound=Optimizer)
#: Rows that are updated together, few enough for the processor's cache.
ROWS_AT_ONCE = 4096


def fuse(optimizer: Optimizer) -> Optimizer:
    """Return an optimiser without steps with one kernel for all weights, or as it is if there is no such kernel."""
    if "fused" not in optimizer.defaults or optimizer.defaults["fused"]:
        return optimizer
    device = optimizer.param_groups[0]["params"][0].device
    try:  # some refuse only at a step
        trial = torch.zeros(1, device=device, requires_grad=True)
        trial.grad = torch.zeros_like(trial)
        kind: Any = type(optimizer)
        kind([trial], fused=True).step()
    except (RuntimeError, TypeError, ValueError):  # torch's ways to refuse
        return optimizer
    return rebuild_optimizer(type(optimizer), optimizer, fused=True, foreach=None)


def make_capturable(optimizer: Optimizer) -> Optimizer:
    """Let an optimiser without steps count them on the GPU, where a captured step finds them; not every kind can."""
    if "capturable" not in optimizer.defaults:
        return optimizer
    return rebuild_optimizer(type(optimizer), optimizer, capturable=True)


class LazyAdam(Adam):
    """Adam that updates only the rows in a sparse gradient of a weight.

    The other rows keep their values and moments; plain Adam would move them along old moments and let these decay. All
    rows share the step count. This is the rule of torch's ``SparseAdam`` in fused kernels; weights with dense gradients
    follow plain Adam.
    """

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step; arguments and result as for Adam."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        sparse = [
            (group, weight, weight.grad)
            for group in self.param_groups
            for weight in group["params"]
            if weight.grad is not None and weight.grad.is_sparse
        ]
        for _, weight, _ in sparse:
            weight.grad = None
        super().step()
        for group, weight, gradient in sparse:
            weight.grad = gradient
            self._update_rows(group, weight, gradient.coalesce())
        return loss

    def _update_rows(self, group: dict, weight: Tensor, gradient: Tensor) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        tables = (weight, state["exp_avg"], state["exp_avg_sq"])
        rows_at_once = ROWS_AT_ONCE if weight.device.type == "cpu" else max(1, len(weight))
        buffers = [table.new_empty(min(rows_at_once, gradient._nnz()), *table.shape[1:]) for table in tables]
        before = state["step"].clone()
        for rows, values in zip(gradient.indices()[0].split(rows_at_once), gradient.values().split(rows_at_once)):
            parts = [
                torch.index_select(table, 0, rows, out=buffer[: len(rows)]) for table, buffer in zip(tables, buffers)
            ]
            state["step"].copy_(before)
            weight_part, average, square = parts
            adam(
                [weight_part], [values], [average], [square], [], [state["step"]], fused=bool(group["fused"]),
                amsgrad=False, beta1=group["betas"][0], beta2=group["betas"][1], lr=group["lr"], weight_decay=0.0,
                eps=group["eps"], maximize=False,
            )  # fmt: skip
            for table, part in zip(tables, parts):
                table.index_copy_(0, rows, part)


def make_lazy(optimizer: Optimizer) -> LazyAdam:
    """Return a :class:`LazyAdam` with the weights and the settings of an Adam that has made no step yet."""
    return rebuild_optimizer(LazyAdam, optimizer)


def rebuild_optimizer(kind: type[_Kind], optimizer: Optimizer, **changes: Any) -> _Kind:
    """Make an optimiser of a kind for the weights of another one, with its settings and some changes."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    taken = inspect.signature(kind).parameters  # AdamW stores settings that its constructor does not take
    return kind(weights, **{key: value for key, value in {**optimizer.defaults, **changes}.items() if key in taken})
