"""A process's share of a batch."""

from __future__ import annotations

from recbole_mdcns.data.batch import Passes, Rows, Sequences, TargetBatch
from recbole_mdcns.parallel.group import Group


def own_share(batch: TargetBatch, group: Group) -> TargetBatch:
    """Return the targets of a batch that a process computes, and only the sequences that hold their histories.

    A pass with targets of two processes is encoded by both.

    Args:
        batch: The batch of all processes.
        group: The processes.
    """
    if group.size == 1:
        return batch
    mine = group.computed(len(batch))
    share = TargetBatch(
        batch.user[mine], batch.target[mine], batch.history_start[mine], batch.history_end[mine], batch.row_index[mine]
    )
    if batch.rows is not None:
        share.rows = _rows(batch.rows, mine)
    if batch.passes is not None:
        share.passes = _passes(batch.passes, mine)
    return share


def _rows(rows: Rows, mine: slice) -> Rows:
    """Return the sequences of some targets; the parts stay as they are sorted, and each keeps some of its sequences."""
    if rows.place is None:
        place = range(mine.start, mine.stop)
        parts, begin = [], 0
        for part in rows.parts:
            some = slice(max(place.start - begin, 0), max(place.stop - begin, 0))
            parts.append(_some(part, some))
            begin += len(part.user)
        return Rows([part for part in parts if len(part.user)])
    wanted = rows.place[mine]
    order = wanted.argsort()
    in_order, parts, begin = wanted[order], [], 0
    for part in rows.parts:
        inside = in_order[(in_order >= begin) & (in_order < begin + len(part.user))] - begin
        parts.append(_some(part, inside))
        begin += len(part.user)
    return Rows([part for part in parts if len(part.user)], order.argsort())


def _passes(every: list[Passes], mine: slice) -> list[Passes]:
    """Return the passes of some targets, which follow each other in the order of the passes."""
    shares, begin = [], 0
    for passes in every:
        some = slice(max(mine.start - begin, 0), max(mine.stop - begin, 0))
        begin += len(passes.row)
        row, position = passes.row[some], passes.position[some]
        if len(row):
            first, last = int(row[0]), int(row[-1])
            shares.append(Passes(_some(passes.sequences, slice(first, last + 1)), row - first, position))
    return shares


def _some(sequences: Sequences, some) -> Sequences:
    return Sequences(sequences.user[some], sequences.item_seq[some], sequences.item_length[some])
