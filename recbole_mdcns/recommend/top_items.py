"""The best items of many sequences, without a table of all scores."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: Numbers that one tensor holds at most, unless a single sequence needs more.
NUMBERS_HELD = 2**24
#: Scores that are held at once: 8 MiB, which stay in the cache of a processor.
SCORES_HELD = 2**21
#: Scores of a row that are looked at by their largest in one go; of fewer than this many groups all are sorted.
GROUP, FEW_GROUPS = 64, 64

#: Gives the scores of sequences for a range of the candidates, shape [B, end - start]; may be overwritten.
ScoreBlock = Callable[[int, int], Tensor]


def rows_at_once(row_size: int, k: int) -> int:
    """Return how many sequences may be ranked together.

    Args:
        row_size: How many numbers the largest tensor of a model holds for a sequence.
        k: How many items are kept for each; two blocks of them meet.
    """
    return max(1, NUMBERS_HELD // max(row_size, 2 * k, GROUP))


def block_size(row_num: int, k: int) -> int:
    """Return how many candidates are scored at once, for a number of sequences."""
    return max(k, GROUP, SCORES_HELD // max(1, row_num) // GROUP * GROUP)


def top_items(
    score_block: ScoreBlock, candidate_num: int, k: int, row_num: int, seen: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Return the k best candidates of each sequence, block by block.

    Args:
        score_block: Scores of a range of candidates.
        candidate_num: C.
        k: How many; at most C are returned.
        row_num: Number of sequences B.
        seen: Sequences and candidates that are out, two tensors of the same shape.

    Returns:
        Candidates and scores, both of shape [B, min(k, C)], best first; the lower candidate first where scores are
        equal; the score of a candidate that is out is -inf. NaN comes before all numbers.
    """
    k = min(k, candidate_num)
    size = block_size(row_num, k)
    best: tuple[Tensor, Tensor] | None = None
    for start in range(0, candidate_num, size):
        end = min(start + size, candidate_num)
        scores = score_block(start, end)  # [B, end - start]
        if seen is not None:
            inside = (seen[1] >= start) & (seen[1] < end)
            scores[seen[0][inside], seen[1][inside] - start] = -torch.inf
        best = top_of_block(scores, k) if best is None else _with_larger(best, scores, start)
    assert best is not None
    return best[1], best[0]


def _with_larger(best: tuple[Tensor, Tensor], scores: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """Return the k best of scores and candidates so far, both [B, k], and of the next block, [B, W], from ``start`` on.

    Few scores of a late block are above the k-th best so far. A look at the maxima of groups finds them, NaN too.
    """
    values, places = best
    k, width = values.size(1), scores.size(1)
    group_num = width // GROUP
    whole = group_num * GROUP
    least = values[:, -1:]
    groups = scores[:, :whole].unflatten(1, (GROUP, group_num)) if whole else scores.new_empty(len(scores), GROUP, 0)
    row, group = (~(groups.amax(1) <= least)).nonzero(as_tuple=True)
    found = groups[row, :, group]  # [P, GROUP]
    pair, member = (~(found <= least[row])).nonzero(as_tuple=True)
    rest_row, rest = (~(scores[:, whole:] <= least)).nonzero(as_tuple=True)
    rows, columns = torch.cat([row[pair], rest_row]), torch.cat([member * group_num + group[pair], rest + whole])
    if not len(rows):
        return best
    order = (rows * width + columns).argsort()  # the lower candidate first
    rows, columns = rows[order], columns[order]
    count = torch.bincount(rows, minlength=len(scores))
    number = torch.arange(len(rows), device=rows.device) - (count.cumsum(0) - count)[rows]  # within its row
    most = k + int(count.max())
    all_values, all_places = values.new_full((len(values), most), -torch.inf), places.new_zeros(len(places), most)
    all_values[:, :k], all_places[:, :k] = values, places
    all_values[rows, number + k], all_places[rows, number + k] = scores[rows, columns], columns + start
    order = all_values.argsort(dim=1, descending=True, stable=True)[:, :k]
    return all_values.gather(1, order), all_places.gather(1, order)


def top_of_block(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest scores of each row and their columns, both of shape [B, k].

    The largest scores lie in the groups with the largest maxima, so only these groups are sorted. ``topk`` takes any of
    several equal scores; one score more than asked for tells whether that matters, and such rows are looked at again.
    """
    row_num, width = scores.shape
    more = min(k + 1, width)
    group_num = width // GROUP
    if group_num > max(FEW_GROUPS, 2 * more):
        whole = group_num * GROUP
        groups = scores[:, :whole].view(row_num, group_num, GROUP)
        chosen = groups.amax(2).topk(more, dim=1).indices  # [B, more]
        columns = (chosen[:, :, None] * GROUP + torch.arange(GROUP, device=scores.device)).view(row_num, -1)
        rest = torch.arange(whole, width, device=scores.device).expand(row_num, -1)
        columns = torch.cat([columns, rest], dim=1)
        values, places = scores.gather(1, columns).topk(more, dim=1)
        places = columns.gather(1, places)
    else:
        values, places = scores.topk(more, dim=1)
    if more > k:
        is_tie = (values[:, k - 1] == values[:, k]) & (values[:, k] > -torch.inf)
        tied = is_tie.nonzero().squeeze(1)
        values, places = values[:, :k].clone(), places[:, :k].clone()
        if len(tied):
            places[tied] = lowest_columns(scores[tied], values[tied, -1:], k)
            values[tied] = scores[tied[:, None], places[tied]]
    by_column = places.argsort(dim=1)
    values, places = values.gather(1, by_column), places.gather(1, by_column)
    order = values.argsort(dim=1, descending=True, stable=True)
    return values.gather(1, order), places.gather(1, order)


def lowest_columns(scores: Tensor, least: Tensor, k: int) -> Tensor:
    """Return the k columns of each row with the largest scores, the lowest ones among those that are equal.

    Args:
        scores: Shape [B, W].
        least: The k-th largest score of each row, shape [B, 1].
        k: How many.

    Returns:
        Columns in ascending order, shape [B, k].
    """
    above, equal = scores > least, scores == least
    wanted = k - above.sum(1, keepdim=True)  # [B, 1]
    taken = above | (equal & (equal.cumsum(1, dtype=torch.int32) <= wanted))
    return taken.nonzero()[:, 1].view(len(scores), k)
