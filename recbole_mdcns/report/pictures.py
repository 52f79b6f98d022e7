"""Tables and losses as PNG, to stand next to the text; needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole_mdcns.report.compare import blocks
from recbole_mdcns.report.description import Description
from recbole_mdcns.report.figure import GREY, draw_run, loss_curves, name_ends, plain, saved_figure
from recbole_mdcns.report.lines import Line
from recbole_mdcns.report.picture_lines import line_colours, with_curve


def draw_table(page: Description, lines: Sequence[Line], path: Path) -> bool:
    """Draw a row per block: our test values beside the reference, then every run's validation by epoch and by time.

    Our method and the best ones are coloured, and named where their curves end; the others are grey.

    Returns:
        Whether there was anything to draw.
    """
    known = [[line for line in block if line.runs] for block in blocks(lines)]
    known = [block for block in known if block]
    if not known:
        return False
    metric = page.metrics[-1]
    colours = line_colours([line for block in known for line in block], metric)
    with saved_figure(path, nrows=len(known), ncols=3, figsize=(9.5, 2.9 * len(known)), squeeze=False) as axes:
        for block, (bars, by_epoch, by_time) in zip(known, axes):
            _draw_bars(bars, page, block, colours)
            drawn = with_curve(block)
            for line in drawn:
                for run in line.runs.values():
                    draw_run(by_epoch, by_time, run, metric, color=colours[line.name])
            by_epoch.set(xlabel="epoch", ylabel=plain(f"validation {metric}"))
            by_time.set(xlabel="training time, s", xscale="log")
            name_ends(by_epoch, {line.name: _end(line, metric) for line in drawn}, colours)
    return True


def _draw_bars(axis: Any, page: Description, block: Sequence[Line], colours: dict[str, str]) -> None:
    metric, row = page.metrics[-1], block[0].row
    names = [plain(line.name) for line in block]
    means = [line.mean(metric) or 0.0 for line in block]
    spread = [line.deviation(metric) or 0.0 for line in block]
    axis.barh(names, means, xerr=spread, color=[colours[line.name] for line in block], error_kw={"ecolor": "0.3"})
    for place, (line, mean) in enumerate(zip(block, means)):
        is_short = mean < 0.3 * max(means)  # its value does not fit inside the bar
        ink = "0.25" if is_short or colours[line.name] == GREY else "white"
        left = (mean if is_short else 0) + 0.01 * max(means)
        axis.text(left, place, f"{mean:.4f}", va="center", fontsize=7, color=ink, weight="bold")
        if metric in line.reference:
            axis.plot(line.reference[metric], place, marker="D", markersize=4, color="black")
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    there = f", black: {page.reference_name}'s" if page.reference_name else ""
    axis.set(title=plain(f"{row.dataset}, {row.model}"), xlabel=plain(f"test {metric}{there}"))


def _end(line: Line, metric: str) -> tuple[float, float]:
    """Return the last point of the longest curve of a line."""
    curve = max((run.curve(metric) for run in line.runs.values()), key=len)
    return max(curve.items(), default=(0.0, 0.0))


def draw_losses(lines: Sequence[Line], path: Path) -> None:
    """Draw the parts of the loss by epoch, a panel per line, of its first run."""
    with saved_figure(path, ncols=len(lines), figsize=(5 * len(lines), 4), squeeze=False) as axes:
        for line, axis in zip(lines, axes[0]):
            for part, points in loss_curves(next(iter(line.runs.values()))).items():
                axis.plot(*zip(*points), label=plain(part))
            axis.set(title=plain(f"{line.row.dataset}, {line.row.model}"), xlabel="epoch", yscale="log")
            axis.legend(fontsize=7)
