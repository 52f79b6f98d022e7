"""Losses of a positive against many negatives at once: the softmax family and gBCE.

Letters: T targets, K negatives, V items, H hidden size. Everything is in log space.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    """Full softmax cross-entropy: ``log sum_v exp s(v) - s+`` over all items.

    Args:
        scores: Scores of all items, shape [T, V + 1]; column 0 is the padding, which takes no part.
        target: Item ids, shape [T].

    Returns:
        Shape [T].
    """
    return F.cross_entropy(scores[:, 1:], target - 1, reduction="none")


def sampled_softmax(positive: Tensor, negative: Tensor, log_q: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Cross-entropy over the positive and its K negatives, each score less the logarithm of its proposal probability.

    The correction of Bengio and Senécal (2008). A uniform proposal's cancels.

    Args:
        positive: Scores of the targets, shape [T].
        negative: Scores of the negatives, shape [T, K].
        log_q: Log probabilities of the targets [T] and of the negatives [T, K] under the proposal; None when uniform.

    Returns:
        Shape [T].
    """
    if log_q is not None:
        positive, negative = positive - log_q[0], negative - log_q[1]
    return torch.cat([positive[:, None], negative], dim=1).logsumexp(1) - positive


def gbce(positive: Tensor, negative: Tensor, item_num: int, calibration: float) -> Tensor:
    """Generalised binary cross-entropy of gSASRec (Petrov and Macdonald, RecSys 2023).

    ``(b softplus(-s+) + sum_k softplus(s_k)) / (K + 1)`` with ``b = 1 - t + t a`` and the sampling rate
    ``a = K / (V - 1)``: at t = 0 plain BCE, at t = 1 probabilities are calibrated.

    Args:
        positive: Scores of the targets, shape [T].
        negative: Scores of uniform negatives, shape [T, K].
        item_num: V.
        calibration: t, from 0 to 1.

    Returns:
        Shape [T].
    """
    number = negative.size(1)
    weight = 1 - calibration + calibration * min(1.0, number / (item_num - 1))
    return (weight * F.softplus(-positive) + F.softplus(negative).sum(1)) / (number + 1)


def sce(
    encoding: Tensor,
    item_table: Tensor,
    target: Tensor,
    bucket_num: int,
    bucket_states: int,
    bucket_items: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Scalable cross-entropy (Mezentsev et al., RecSys 2024): softmax over the items that lie near a state.

    Random mixtures of the states give directions; each takes the states and the items with the largest inner products
    into a bucket. In a bucket, each state's cross-entropy is over the bucket's items and its target; of a state in
    several buckets the largest counts.

    Args:
        encoding: States, shape [T, H].
        item_table: Item embeddings, shape [V + 1, H]; row 0 is the padding, which takes no part.
        target: Item ids, shape [T].
        bucket_num: Number of directions.
        bucket_states: States in a bucket, at most T.
        bucket_items: Items in a bucket, at most V.
        generator: Of the directions, on the device of ``encoding``.

    Returns:
        Losses of the states that are in some bucket, shape [at most T].
    """
    items = item_table[1:]
    bucket_states, bucket_items = min(bucket_states, len(encoding)), min(bucket_items, len(items))
    with torch.no_grad():
        mixture = torch.randn(bucket_num, len(encoding), generator=generator, device=encoding.device)
        direction = mixture.to(encoding.dtype) @ encoding  # [buckets, H]
        state = (direction @ encoding.T).topk(bucket_states, dim=1).indices  # [buckets, states]
        item = (direction @ items.T).topk(bucket_items, dim=1).indices  # [buckets, items]
        is_target = item[:, None] + 1 == target[state][:, :, None]
    logits = encoding[state] @ items[item].transpose(1, 2)  # [buckets, states, items]
    own = (encoding * F.embedding(target, item_table)).sum(1)[state]  # [buckets, states]
    total = torch.cat([logits.masked_fill(is_target, -math.inf), own[:, :, None]], dim=2).logsumexp(2)
    losses = (total - own).reshape(-1)
    largest = losses.new_full((len(encoding),), -math.inf).scatter_reduce(0, state.view(-1), losses, "amax")
    return largest[largest > -math.inf]
