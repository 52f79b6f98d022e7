"""One model's scores of the candidate pool, Eq. (3).

Letters: T targets, N candidates, H hidden size, V items (the table has V + 1 rows, row 0 is the padding).
Equation numbers are those of MDCNS, SIGIR 2026, arXiv 2605.19651.
"""

from __future__ import annotations

import functools
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def pool_scores(
    encoding: Tensor, item_table: Tensor, items: Tensor, order: Tensor | None = None, sparse: bool = False
) -> Tensor:
    """Score items by inner product, Eq. (3): ``s(v) = h . e(v)``.

    On a CPU neither forward nor backward holds the embeddings of the items, [T, C, H]; on a GPU the forward pass
    gathers them. Both gradients are weighted sums of rows: rows of the table for each target, and rows of the encodings
    for each item.

    Args:
        encoding: Encoded histories h, shape [T, H].
        item_table: Item embeddings, shape [V + 1, H].
        items: Item ids, shape [T, C].
        order: The result of :func:`item_order` for these items; several models share it.
        sparse: Give the gradient of the table as a sparse tensor of the rows that occur.

    Returns:
        Scores, shape [T, C].
    """
    return _PoolScores.apply(encoding, item_table, items, order, sparse)


def item_order(items: Tensor) -> Tensor:
    """Return the places of ``items.view(-1)`` in the order of the item ids, shape [T * C]."""
    return items.reshape(-1).int().argsort(stable=True)


class _PoolScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx, encoding: Tensor, item_table: Tensor, items: Tensor, order: Tensor | None, sparse: bool) -> Tensor:
        ctx.sparse = sparse
        ctx.save_for_backward(encoding, item_table, items, order)
        fits = items.size(1) <= len(item_table)  # a sparse row holds no more entries than it is wide
        if encoding.device.type == "cpu" and fits and _has_sampled_products(encoding.dtype):
            return _sampled_products(encoding, item_table, items)
        return (F.embedding(items, item_table) @ encoding.unsqueeze(-1)).squeeze(-1)  # [T, C]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        _, item_table, items, _ = ctx.saved_tensors
        of_encoding = of_table = None
        if ctx.needs_input_grad[0]:
            of_encoding = F.embedding_bag(items, item_table, per_sample_weights=grad.contiguous(), mode="sum")  # [T, H]
        if ctx.needs_input_grad[1]:
            of_table = _table_gradient(ctx, grad)
        return of_encoding, of_table, None, None, None


def _table_gradient(ctx, grad: Tensor) -> Tensor:
    """Sum, for each item, the encodings of the targets that were scored against it, weighted by their gradients."""
    encoding, item_table, items, order = ctx.saved_tensors
    order = item_order(items) if order is None else order
    if ctx.sparse:
        ordered = items.reshape(-1).index_select(0, order)
        occurring, count = ordered.unique_consecutive(return_counts=True)
    else:
        count = items.new_zeros(len(item_table)).scatter_add_(0, items.reshape(-1), torch.ones_like(items).view(-1))
    rows = F.embedding_bag(
        order.div(items.size(1), rounding_mode="floor"),
        encoding,
        count.cumsum(0) - count,
        per_sample_weights=grad.reshape(-1).index_select(0, order),
        mode="sum",
    )  # [V + 1, H], or [items that occur, H]
    if not ctx.sparse:
        return rows
    return torch.sparse_coo_tensor(occurring[None], rows, item_table.shape, is_coalesced=True, check_invariants=False)


def _sampled_products(encoding: Tensor, item_table: Tensor, items: Tensor) -> Tensor:
    """Compute the entries of ``encoding @ item_table.T`` that the items name, shape [T, C], without the others."""
    starts = torch.arange(0, items.numel() + 1, items.size(1))
    pattern = torch.sparse_csr_tensor(
        starts,
        items.reshape(-1),
        encoding.new_zeros(items.numel()),
        (len(items), len(item_table)),
        check_invariants=False,
    )
    return torch.sparse.sampled_addmm(pattern, encoding, item_table.T, beta=0.0).values().view(items.shape)


@functools.cache
def _has_sampled_products(dtype: torch.dtype) -> bool:
    """Tell whether this build of torch multiplies sampled entries right: in any order and repeated (MKL does)."""
    encoding, table = torch.eye(2, 3, dtype=dtype) + 1, torch.arange(15, dtype=dtype).view(5, 3)
    items = torch.tensor([[3, 1, 3], [4, 0, 2]])
    with warnings.catch_warnings():  # torch says once per process that sparse CSR tensors are young
        warnings.filterwarnings("ignore", message="Sparse CSR")
        try:
            products = _sampled_products(encoding, table, items)
        except RuntimeError:
            return False
    return torch.equal(products, (table[items] * encoding[:, None]).sum(-1))
