"""Prefixes of flat sequences as padded windows, gathered when a batch asks for them."""

from __future__ import annotations

import torch
from torch import Tensor


def window_index(start: Tensor, end: Tensor, width: int, pad_side: str) -> tuple[Tensor, Tensor]:
    """Return where the newest entries of each prefix lie.

    Args:
        start: Where each prefix begins in the flat array, shape [B].
        end: Where it ends (exclusive), shape [B].
        width: Window length L.
        pad_side: ``right`` puts the padding behind the entries, ``left`` before them.

    Returns:
        Positions in the flat array, and which of them are entries and no padding, both of shape [B, L].
    """
    length = (end - start).clamp(max=width)[:, None]
    column = torch.arange(width, device=start.device)
    if pad_side == "left":
        column = column - (width - length)  # [B, L]
    filled = (column >= 0) & (column < length)
    return (end[:, None] - length + column).masked_fill(~filled, 0), filled


def windows(values: Tensor, index: Tensor, filled: Tensor) -> Tensor:
    """Gather windows of a flat array.

    Args:
        values: Shape [n] or [n, ...].
        index: Positions, shape [B, L].
        filled: Which of them count, shape [B, L]; the others become 0.

    Returns:
        Shape [B, L] or [B, L, ...].
    """
    table = values[index]
    table[~filled] = 0
    return table
