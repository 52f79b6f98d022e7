"""What a model can do, measured on itself: is it causal, and may padding be cut off?

No list of names: both answers come from running the model on random histories, in evaluation mode.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.model.encoder import Encoder, InnerProductEncoder, random_batch

#: Two ways to the same state may differ by this much in float32.
RELATIVE, ABSOLUTE = 1e-4, 1e-5


def is_trimmable(encoder: Encoder) -> bool:
    """Tell whether columns that are padding in every row may be cut off without changing an encoding."""
    batch = random_batch(encoder.model, next(encoder.model.parameters()).device)
    width = batch.item_seq.size(1)
    if width < 2:
        return False
    length = batch.item_length.clamp(max=width // 2)
    inside = torch.arange(width, device=length.device) < length[:, None]
    padded = replace(batch, item_seq=batch.item_seq.clamp(min=1) * inside, item_length=length)
    with _evaluating(encoder):
        whole = encoder.encode(padded)
        try:
            short = encoder.encode(replace(padded, item_seq=padded.item_seq[:, : int(length.max())]))
        except (RuntimeError, ValueError, IndexError):
            return False
    return short.shape == whole.shape and torch.allclose(short, whole, RELATIVE, ABSOLUTE)


def is_causal(encoder: Encoder) -> bool:
    """Tell whether the state inside a longer pass is the encoding of the prefix that ends there."""
    if not isinstance(encoder, InnerProductEncoder):
        return False
    batch = random_batch(encoder.model, next(encoder.model.parameters()).device)
    width = batch.item_seq.size(1)
    full = replace(batch, item_seq=batch.item_seq.clamp(min=1), item_length=torch.full_like(batch.item_length, width))
    with _evaluating(encoder):
        states = position_states(encoder, full)
        if states is None:
            return False
        for length in range(1, width + 1):
            inside = torch.arange(width, device=full.item_seq.device) < length
            prefix = replace(
                full, item_seq=full.item_seq * inside, item_length=torch.full_like(full.item_length, length)
            )
            if not torch.allclose(encoder.encode(prefix), states[:, length - 1], RELATIVE, ABSOLUTE):
                return False
    return True


def position_states(encoder: Encoder, batch: TargetBatch) -> Tensor | None:
    """Return the states at all positions that a model gathers its last one from, shape [T, L, H].

    Args:
        encoder: Its model's ``forward`` may or may not use RecBole's ``gather_indexes``.
        batch: The histories.

    Returns:
        The states, with gradient; None where the model does not gather exactly once, or not from [T, L, H].
    """
    model, seen = encoder.model, []
    gather = type(model).gather_indexes

    def record(output: Tensor, gather_index: Tensor) -> Tensor:
        seen.append(output)
        return gather(model, output, gather_index)

    model.gather_indexes = record
    try:
        encoding = encoder.encode(batch)
    finally:
        del model.gather_indexes
    if len(seen) != 1 or seen[0].shape != (*batch.item_seq.shape, encoding.size(-1)):
        return None
    return seen[0]


@contextlib.contextmanager
def _evaluating(encoder: Encoder) -> Iterator[None]:
    was_training = encoder.model.training
    encoder.model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        encoder.model.train(was_training)
