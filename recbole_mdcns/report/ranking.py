"""Which methods a picture shows in colour: ours, then the best ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from recbole_mdcns.metrics.registry import is_smaller_better
from recbole_mdcns.report.compare import blocks
from recbole_mdcns.report.lines import Line


def strongest(lines: Sequence[Line], metric: str) -> list[str]:
    """Return the methods that have records: ours first, then by how many others they beat in all blocks together."""
    beaten: dict[str, int] = defaultdict(int)
    ours = {line.name: line.row.method.is_ours for line in lines}
    for block in blocks(lines):
        known = [line for line in block if line.runs]
        known.sort(key=lambda line: line.mean(metric) or 0.0, reverse=is_smaller_better(metric))
        for place, line in enumerate(known):
            beaten[line.name] += place
    return sorted(beaten, key=lambda name: (not ours[name], -beaten[name]))
