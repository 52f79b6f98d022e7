"""Scores of the candidate pool: one model's, and the teacher's. Eqs. (3) and (4).

Letters: T targets, N candidates, H hidden size, V items (the table has V + 1 rows, row 0 is the padding).
Equation numbers are those of MDCNS, SIGIR 2026, arXiv 2605.19651.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pool_scores(encoding: Tensor, item_table: Tensor, items: Tensor) -> Tensor:
    """Score items by inner product, Eq. (3): ``s(v) = h . e(v)``.

    Args:
        encoding: Encoded histories h, shape [T, H].
        item_table: Item embeddings, shape [V + 1, H].
        items: Item ids, shape [T, C].

    Returns:
        Scores, shape [T, C].
    """
    vectors = F.embedding(items, item_table)  # [T, C, H]
    return (vectors @ encoding.unsqueeze(-1)).squeeze(-1)  # [T, C]


def teacher_scores(self_scores: Tensor, peer_scores: Tensor, mean: bool) -> Tensor:
    """Combine both models' scores, Eq. (4): ``s_teacher = s_self + s_peer``, or half of it.

    Args:
        self_scores: Any shape.
        peer_scores: The same shape.
        mean: Take the mean, as the published runs do, instead of the printed sum.

    Returns:
        Teacher scores, same shape.
    """
    total = self_scores + peer_scores
    return total / 2 if mean else total
