"""The charts of a report's page, one for each question, from the lines of a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recbole_mdcns.report import svg
from recbole_mdcns.report.compare import blocks
from recbole_mdcns.report.description import Description
from recbole_mdcns.report.figure import COLOURS, GREY, loss_curves, seconds_of
from recbole_mdcns.report.lines import Line
from recbole_mdcns.report.picture_lines import line_colours, with_curve

#: What the page calls the colour of all lines without one of their own.
_OTHERS = "others"


def test_bars(page: Description, lines: Sequence[Line]) -> str:
    """Return our means with their spread beside the reference, a panel for each block that has records."""
    metric = page.metrics[-1]
    colours = _colours(lines, metric)
    panels = []
    for block in blocks(lines):
        known = [(line, line.mean(metric)) for line in block]
        rows = [
            svg.Bar(line.name, colours[line.name], mean, line.deviation(metric), line.reference.get(metric))
            for line, mean in known
            if mean is not None
        ]
        if rows:
            panels.append(svg.bars(_where(block[0]), rows))
    mark = f", the stroke is {page.reference_name}'s value" if page.reference_name else ""
    return _chart(panels, f"Test {metric}: mean, with the standard deviation over seeds{mark}.")


def validation_curves(lines: Sequence[Line], metric: str, by_time: bool) -> str:
    """Return a validation metric of every run, a panel for each block, against the epoch or the seconds of training."""
    colours = _colours(lines, metric)
    panels = []
    for block in blocks(lines):
        drawn = []
        for line in with_curve(block):
            for place, (seed, run) in enumerate(line.runs.items()):
                curve = run.curve(metric)
                points = list(zip(seconds_of(run) if by_time else curve, curve.values()))
                label = line.name if colours[line.name] != _OTHERS and place == 0 else ""
                drawn.append(svg.Curve(f"{line.name}, seed {seed}", colours[line.name], points, label))
        if drawn:
            panels.append(svg.curves(_where(block[0]), drawn, "seconds" if by_time else "epoch", log_x=by_time))
    unit = "the seconds of training, without evaluation" if by_time else "the epoch"
    return _chart(panels, f"Validation {metric} of every run against {unit}; grey: the other methods.")


def loss_parts(line: Line) -> str:
    """Return the parts of the loss by epoch, of the first run of a line."""
    parts = loss_curves(next(iter(line.runs.values())))
    drawn = [svg.Curve(part, COLOURS[i % len(COLOURS)], parts[part], part) for i, part in enumerate(parts)]
    title = f"{_where(line)}, {line.name}"
    return _chart([svg.curves(title, drawn, "epoch", log_y=True)], "Parts of the loss by epoch.")


def _colours(lines: Sequence[Line], metric: str) -> dict[str, str]:
    of_figures = line_colours([line for line in lines if line.runs], metric)
    return {name: _OTHERS if colour == GREY else colour for name, colour in of_figures.items()}


def _where(line: Line) -> str:
    return f"{line.row.dataset}, {line.row.model}"


def _chart(panels: Sequence[str], caption: str) -> str:
    if not panels:
        return "<p>No records yet.</p>"
    return f'<figure><figcaption>{escape(caption)}</figcaption><div class="panels">{"".join(panels)}</div></figure>'
