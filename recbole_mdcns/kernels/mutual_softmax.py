"""Softmax cross-entropy over all items of several models that also learn their teacher's view of all items.

No [T, V] scores are held: all models score a few rows at a time, as in
:mod:`recbole_mdcns.kernels.full_softmax`.

Letters: T targets, V items, H hidden size of a model.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recbole_mdcns.kernels.full_softmax import LEAST_ROWS, SCORES_HELD, SCORES_HELD_ELSEWHERE
from recbole_mdcns.kernels.pool_softmax import softmax_


def mutual_cross_entropy(
    encodings: Sequence[Tensor],
    item_tables: Sequence[Tensor],
    target: Tensor,
    weight: Tensor,
    temperature: float,
    mean: bool,
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return each model's mean cross-entropy, its mean distillation, and their weighted sum.

    The sum is ``CE + weight tau^2 KL(p_teacher || p_model)`` over all items, with a teacher that has no gradient.

    Args:
        encodings: Per model, encoded histories h, shape [T, H].
        item_tables: Per model, item embeddings, shape [V + 1, H]; row 0 is the padding, which takes no part.
        target: Item ids, shape [T].
        weight: The weight of the distillation, a scalar.
        temperature: tau.
        mean: The teacher's scores are the mean of the models' scores, or their sum.

    Returns:
        Per model scalars: the sum, which alone has a gradient, the cross-entropy, and the distillation.
    """
    results = _Mutual.apply(target, weight, temperature, mean, *encodings, *item_tables)
    number = len(encodings)
    return [(results[place], results[number + place], results[2 * number + place]) for place in range(number)]


class _Mutual(torch.autograd.Function):
    @staticmethod
    def forward(ctx, target: Tensor, weight: Tensor, tau: float, mean: bool, *tensors: Tensor):
        number = len(tensors) // 2
        encodings, tables = tensors[:number], [table[1:] for table in tensors[number:]]
        size, device = len(target), target.device.type
        rows = max(LEAST_ROWS, SCORES_HELD.get(device, SCORES_HELD_ELSEWHERE) // (number * len(tables[0])))
        of_encodings = [torch.empty_like(each) for each in encodings]
        of_tables = [torch.zeros_like(each) for each in tensors[number:]]
        entropy, distance = encodings[0].new_zeros(number), encodings[0].new_zeros(number)
        # Passes over new memory take several times as long as passes over held memory, so all steps are in place.
        held = [encodings[0].new_empty(min(rows, size), len(tables[0])) for _ in range(2 + number)]
        for start in range(0, size, rows):
            share = slice(start, start + rows)
            own = target[share, None] - 1
            view, spare, *scores = [each[: len(own)] for each in held]
            view.zero_()
            for h, table, of_model in zip(encodings, tables, scores):
                torch.mm(h[share], table.T, out=of_model)
                view.add_(of_model.sub_(of_model.amax(1, keepdim=True)))
            log_teacher = _softmax_(view.div_(number * tau if mean else tau))
            expected = [torch.linalg.vecdot(view, of_model) / tau for of_model in scores]  # of the scores, by the view
            of_teacher = torch.stack(expected).sum(0) / (number if mean else 1) - log_teacher
            view.mul_(weight * tau / size)
            for place, of_model in enumerate(scores):
                entropy[place] -= of_model.gather(1, own).sum()
                odds = of_model if tau == 1 else torch.div(of_model, tau, out=spare)
                log_odds = _softmax_(odds)
                log_total = log_odds if tau == 1 else _softmax_(of_model)
                entropy[place] += log_total.sum()
                distance[place] += tau**2 * (of_teacher - expected[place] + log_odds).sum()
                if tau == 1:
                    grad = of_model.mul_((1 + weight) / size)
                else:
                    grad = of_model.div_(size).add_(odds.mul_(weight * tau / size))
                grad.sub_(view).scatter_add_(1, own, grad.new_full(own.shape, -1 / size))
                torch.mm(grad, tables[place], out=of_encodings[place][share])
                of_tables[place][1:].addmm_(grad.T, encodings[place][share])
        ctx.save_for_backward(*of_encodings, *of_tables)
        entropy, distance = entropy / size, distance / size
        sums, parts = (entropy + weight * distance).unbind(), (*entropy.unbind(), *distance.unbind())
        results = tuple(each.clone() for each in (*sums, *parts))
        ctx.mark_non_differentiable(*results[number:])
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads: Tensor):
        number = len(ctx.saved_tensors) // 2
        of_encodings, of_tables = ctx.saved_tensors[:number], ctx.saved_tensors[number:]
        scaled = [each * grad for of_kind in (of_encodings, of_tables) for each, grad in zip(of_kind, grads)]
        return None, None, None, None, *scaled


def _softmax_(scores: Tensor) -> Tensor:
    """Replace scores, shape [rows, V], by their softmax, and return the logs of its denominators, shape [rows]."""
    _, total, highest = softmax_(None, scores)
    return total.log() + highest
