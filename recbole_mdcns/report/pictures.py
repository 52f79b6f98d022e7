"""Tables and losses as PNG, to stand next to the text; needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recbole_mdcns.report.cells import Line
from recbole_mdcns.report.figure import draw_run, plain, saved_figure
from recbole_mdcns.report.render import blocks

#: One for each method of a table, the strong ones first.
_COLOURS = (
    *(f"C{index}" for index in range(10)), "navy", "black", "darkgreen", "gold", "maroon", "teal", "magenta", "tan",
    "indigo", "lime",
)  # fmt: skip


def draw_table(lines: Sequence[Line], metric: str, path: Path) -> bool:
    """Draw a row per block: our test values beside the paper's, then every run's validation by epoch and by time.

    Args:
        lines: Of a table; blocks without records are left out.
        metric: Drawn.
        path: The PNG file.

    Returns:
        Whether there was anything to draw.
    """
    known = [[line for line in block if line.runs] for block in blocks(lines)]
    known = [block for block in known if block]
    if not known:
        return False
    methods = dict.fromkeys(line.row.method for block in known for line in block)
    colour_of = dict(zip(methods, _COLOURS))
    with saved_figure(path, nrows=len(known), ncols=3, figsize=(11, 3 * len(known)), squeeze=False) as axes:
        for block, (bars, by_epoch, by_time) in zip(known, axes):
            row = block[0].row
            names = [line.row.method for line in block]
            spread = [line.deviation(metric) or 0.0 for line in block]
            means = [line.mean(metric) for line in block]
            bars.barh(names, means, xerr=spread, color=[colour_of[name] for name in names])
            for place, line in enumerate(block):
                if metric in line.paper:
                    bars.vlines(line.paper[metric], place - 0.4, place + 0.4, color="black")
            bars.invert_yaxis()
            bars.set(title=f"{row.dataset}, {row.backbone}", xlabel=f"test {metric}, black lines: the paper's")
            for line in block:
                for run in line.runs.values():
                    draw_run(by_epoch, by_time, run, metric, color=colour_of[line.row.method], linewidth=1)
            by_epoch.set(title="colours as on the left", xlabel="epoch", ylabel=f"validation {metric}")
            by_time.set(xlabel="training time, s", xscale="log")
    return True


def draw_losses(lines: Sequence[Line], path: Path) -> None:
    """Draw the parts of the loss by epoch as the paper's Figure 3 does, a panel per line, of its first run."""
    with saved_figure(path, ncols=len(lines), figsize=(5 * len(lines), 4), squeeze=False) as axes:
        for line, axis in zip(lines, axes[0]):
            epochs = next(iter(line.runs.values()))["epochs"]
            for part in dict.fromkeys(part for entry in epochs for part in entry["parts"]):
                known = [entry for entry in epochs if part in entry["parts"]]
                values = [entry["parts"][part] for entry in known]
                axis.plot([entry["epoch"] + 1 for entry in known], values, label=plain(part))
            axis.set(title=f"{line.row.dataset}, {line.row.backbone}", xlabel="epoch", yscale="log")
            axis.legend(fontsize=7)
