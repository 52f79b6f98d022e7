"""Which lines a picture shows, and in which colour: ours, then the best ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from recbole_mdcns.report.compare import blocks
from recbole_mdcns.report.figure import colours_of
from recbole_mdcns.report.lines import Line, is_smaller_better


def strongest(lines: Sequence[Line], metric: str) -> list[str]:
    """Return the methods that have records: ours first, then by how many others they beat in all blocks together."""
    beaten: dict[str, int] = defaultdict(int)
    ours = {line.name: line.row.method.is_ours for line in lines}
    for block in blocks(lines):
        known = [line for line in block if line.runs]
        known.sort(key=lambda line: line.mean(metric) or 0.0, reverse=is_smaller_better(known, metric))
        for place, line in enumerate(known):
            beaten[line.name] += place
    return sorted(beaten, key=lambda name: (not ours[name], -beaten[name]))


def with_curve(lines: Sequence[Line]) -> list[Line]:
    """Return the lines whose validation is drawn: one for each training, whose curve is that of the self model."""
    first: dict[tuple[str, ...], Line] = {}
    for line in sorted(lines, key=lambda each: each.row.method.role != "self"):
        first.setdefault((*line.row.block, *_training(line)), line)
    kept = set(map(id, first.values()))
    return [line for line in lines if id(line) in kept]


def line_colours(lines: Sequence[Line], metric: str) -> dict[str, str]:
    """Return a colour for the name of each line; all of them have records. The models of a training share one."""
    drawn = with_curve(lines)
    colours = colours_of(strongest(drawn, metric))
    of_training = {_training(line): colours[line.name] for line in drawn}
    return {line.name: of_training[_training(line)] for line in lines}


def _training(line: Line) -> tuple[str, ...]:
    """Return what the lines of the models of one training share, on any dataset."""
    method = line.row.method
    return method.method, method.loss or line.row.loss, line.row.peer or ""
