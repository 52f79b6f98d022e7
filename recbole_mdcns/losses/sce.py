"""Scalable cross-entropy: softmax over the items that lie near a state.

Letters: T targets, V items, H hidden size.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_mdcns.losses.full_softmax import CrossEntropy


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


class ScalableCrossEntropy(CrossEntropy):
    """SCE."""
