"""A process's share of a batch."""

from __future__ import annotations

from torch import Tensor

from recbole_mdcns.data.batch import Passes, Rows, Sequences, TargetBatch
from recbole_mdcns.parallel.group import Group


def own_share(batch: TargetBatch, group: Group) -> TargetBatch:
    """Return the targets of a batch that a process computes, and only the sequences that hold their histories.

    A pass with targets of two processes is encoded by both.
    """
    if group.size == 1:
        return batch
    mine = group.computed(len(batch))
    share = batch.select(mine)
    if batch.rows is not None:
        share.rows = _rows(batch.rows, mine)
    if batch.passes is not None:
        share.passes = _passes(batch.passes, mine)
    return share


def _rows(rows: Rows, mine: slice) -> Rows:
    """Return the sequences of some targets; the parts stay as they are sorted, and each keeps some of its sequences."""
    order = None if rows.place is None else rows.place[mine].argsort()
    places = None if rows.place is None or order is None else rows.place[mine][order]
    parts, begin = [], 0
    for part in rows.parts:
        end = begin + len(part.user)
        some = _inside(mine, begin) if places is None else places[(places >= begin) & (places < end)] - begin
        parts.append(_some(part, some))
        begin = end
    return Rows([part for part in parts if len(part.user)], None if order is None else order.argsort())


def _passes(every: list[Passes], mine: slice) -> list[Passes]:
    """Return the passes of some targets, which follow each other in the order of the passes."""
    shares, begin = [], 0
    for passes in every:
        some = _inside(mine, begin)
        begin += len(passes.row)
        row, position = passes.row[some], passes.position[some]
        if len(row):
            first, last = int(row[0]), int(row[-1])
            shares.append(Passes(_some(passes.sequences, slice(first, last + 1)), row - first, position))
    return shares


def _inside(mine: slice, begin: int) -> slice:
    """Return the places of some targets in a part that begins at one of them."""
    return slice(max(mine.start - begin, 0), max(mine.stop - begin, 0))


def _some(sequences: Sequences, some: slice | Tensor) -> Sequences:
    return Sequences(sequences.user[some], sequences.item_seq[some], sequences.item_length[some])
