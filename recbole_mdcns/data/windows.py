"""Prefixes of flat sequences as padded windows, made when a batch reads them."""

from __future__ import annotations

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_mdcns.data.batch import Sequences
from recbole_mdcns.data.history import HISTORY_END, HISTORY_START


class PrefixRows(Interaction):
    """RecBole's table of rows, whose window columns are made only for the rows that are read.

    ``rows[index]`` is an ``Interaction`` with all columns, ``rows[name]`` one column of all rows.

    Args:
        rows: Columns with one value per row, ``history_start`` and ``history_end`` among them.
        sequences: By the name of a window column, the flat array that it shows, shape [n].
        width: Window length L.
        pad_side: ``right`` or ``left``.
    """

    def __init__(self, rows: dict[str, Tensor], sequences: dict[str, Tensor], width: int, pad_side: str):
        super().__init__(rows)
        self.sequences, self.width, self.pad_side = sequences, width, pad_side

    def __getitem__(self, index):
        if isinstance(index, str):
            if index in self.interaction or index not in self.sequences:
                return super().__getitem__(index)
            return windows(self.sequences[index], *self._place(self.interaction))
        rows = super().__getitem__(index)
        if rows[HISTORY_START].dim():
            place, filled = self._place(rows)
            rows.update(Interaction({name: windows(flat, place, filled) for name, flat in self.sequences.items()}))
        return rows

    def part(self, index: Tensor) -> PrefixRows:
        """Return some of the rows, shape [n], without making their windows."""
        rows = {name: column[index] for name, column in self.interaction.items()}
        return PrefixRows(rows, self.sequences, self.width, self.pad_side)

    def _place(self, rows) -> tuple[Tensor, Tensor]:
        return window_index(rows[HISTORY_START], rows[HISTORY_END], self.width, self.pad_side)


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
    mask = ~filled.view(*filled.shape, *[1] * (values.dim() - 1))
    return values[index].masked_fill_(mask, 0)


def padded(items: Tensor, start: Tensor, end: Tensor, user: Tensor, width: int, pad_side: str) -> Sequences:
    """Return the newest items of sequences as models read them.

    Args:
        items: Item numbers, one sequence after the other, shape [n].
        start: Where each sequence begins, shape [B].
        end: Where it ends (exclusive), shape [B].
        user: User numbers, shape [B].
        width: The window L.
        pad_side: ``right`` or ``left``.
    """
    place, filled = window_index(start, end, width, pad_side)
    length = (end - start).clamp(max=width) if pad_side == "right" else torch.full_like(end, width)
    return Sequences(user, windows(items, place, filled), length)
