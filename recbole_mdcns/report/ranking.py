"""Which methods a picture shows in colour: ours, then the best ones."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from recbole_mdcns.report.compare import blocks
from recbole_mdcns.report.lines import Line
from recbole_mdcns.tuning.selection import is_smaller_better


def strongest(lines: Sequence[Line], metric: str) -> list[str]:
    """Return the methods that have records: ours first, then by their mean rank over the blocks that have them."""
    ranks: dict[str, list[int]] = defaultdict(list)
    ours = {line.name: line.row.method.is_ours for line in lines}
    for block in blocks(lines):
        known = [line for line in block if line.runs]
        known.sort(key=lambda line: line.mean(metric) or 0.0, reverse=not is_smaller_better(metric))
        for place, line in enumerate(known):
            ranks[line.name].append(place)
    return sorted(ranks, key=lambda name: (not ours[name], statistics.mean(ranks[name])))
