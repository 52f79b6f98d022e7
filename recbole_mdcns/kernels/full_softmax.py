"""Mean softmax cross-entropy over all items of a model that scores by inner products, without its [T, V] scores.

torch has ``linear_cross_entropy`` for this since 2.13. On a CPU it takes four times as long
(``benchmarks/results/speed/kernels.md``).

Letters: T targets, V items, H hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: The number of scores that are held at once: on a CPU they stay in its caches between the passes over them.
SCORES_HELD = {"cpu": 3 * 2**19}
SCORES_HELD_ELSEWHERE = 2**27
#: The least number of rows that are scored together: matrix products of fewer rows are slow.
LEAST_ROWS = 32


def mean_cross_entropy(encoding: Tensor, item_table: Tensor, target: Tensor) -> Tensor:
    """Return the mean over T of :func:`recbole_mdcns.losses.full_softmax.cross_entropy` of ``encoding @ item_table.T``.

    A few rows at a time are scored. Their scores are replaced in place by their gradients, which are added at once to
    the gradients of encodings and table. Each score is computed once, and the backward pass only scales the gradients.

    Args:
        encoding: Encoded histories h, shape [T, H].
        item_table: Item embeddings, shape [V + 1, H]; row 0 is the padding, which takes no part.
        target: Item ids, shape [T].

    Returns:
        A scalar.
    """
    return _MeanCrossEntropy.apply(encoding, item_table, target)


class _MeanCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, encoding: Tensor, item_table: Tensor, target: Tensor) -> Tensor:
        items, number = item_table[1:], len(encoding)
        rows = max(LEAST_ROWS, SCORES_HELD.get(encoding.device.type, SCORES_HELD_ELSEWHERE) // len(items))
        total = encoding.new_zeros(())
        of_encoding, of_table = torch.empty_like(encoding), torch.zeros_like(item_table)
        held = encoding.new_empty(min(rows, number), len(items))
        for start in range(0, number, rows):
            h, own = encoding[start : start + rows], target[start : start + rows, None] - 1
            scores = torch.mm(h, items.T, out=held[: len(h)])
            highest = scores.amax(1, keepdim=True)
            total += (highest - scores.gather(1, own)).sum()
            odds = scores.sub_(highest).exp_()
            mass = odds.sum(1, keepdim=True)
            total += mass.log().sum()
            grad = odds.div_(mass * number)
            grad.scatter_add_(1, own, grad.new_full(own.shape, -1 / number))
            torch.mm(grad, items, out=of_encoding[start : start + rows])
            of_table[1:].addmm_(grad.T, h)
        ctx.save_for_backward(of_encoding, of_table)
        return total / number

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        of_encoding, of_table = ctx.saved_tensors
        return of_encoding * grad, of_table * grad, None
