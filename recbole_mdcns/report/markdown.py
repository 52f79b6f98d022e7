"""A table as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from recbole_mdcns.report import compare, escape
from recbole_mdcns.report.description import Description
from recbole_mdcns.report.lines import Line
from recbole_mdcns.report.sources import mixed_versions


def markdown(page: Description, lines: Sequence[Line], picture: str | None = None) -> str:
    """Return a table with its legend, the picture below it, and the commands that fill missing cells."""
    metrics = page.metrics
    text = [f"# {page.title}", "", compare.legend(page), ""]
    mixed = mixed_versions(run for line in lines for run in line.runs.values())
    text += [*([page.note, ""] if page.note else []), *([mixed, ""] if mixed else [])]
    heads = ["method", *metrics, "setting", "seeds", "epochs / patience"]
    for block in compare.blocks(lines):
        row = block[0].row
        text += [f"## {row.dataset}, {row.model}", "", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
        order = {metric: compare.places(block, metric) for metric in metrics}
        for index, line in enumerate(block):
            if compare.begins_extra(block, index):
                below = f"not in {page.reference_name}" if page.reference_name else "below the rule"
                text.append(f"| *{below}* |" + " |" * (len(heads) - 1))
            cells = [_cell(line, metric, order[metric].get(index)) for metric in metrics]
            cells += [escape.text(line.setting), ", ".join(map(str, line.runs)) or "missing", escape.text(line.budget)]
            text.append(f"| {line.name} | {' | '.join(cells)} |")
        text += ["", *(f"* {note}" for note in compare.notes(page, block)), ""]
        compared = compare.comparisons(page, block, "github")
        text += [*compared, ""] if compared else []
    if picture:
        text += [f"![test and validation {metrics[-1]}]({picture})", ""]
    missing = compare.missing(lines)
    if missing:
        text += ["## Missing, whole lines or seeds of their blocks", "", "| line | command |", "|---|---|"]
        text += [f"| {_name(line)} | `{compare.command(page, line)}` |" for line in missing]
    return "\n".join(text).rstrip() + "\n"


def _cell(line: Line, metric: str, place: int | None) -> str:
    mean, deviation = line.mean(metric), line.deviation(metric)
    if mean is None:
        return f"missing {compare.away(line, metric)}".strip()
    value = compare.number(mean)
    value = {1: f"**{value}**", 2: f"<u>{value}</u>"}.get(place or 0, value)
    spread = f" ± {compare.number(deviation)}" if deviation is not None else ""
    return f"{value}{compare.marks(line, metric)}{spread} {compare.away(line, metric)}".strip()


def _name(line: Line) -> str:
    peer = f" + {line.row.peer}" if line.row.peer else ""
    return f"{line.row.dataset}, {line.row.model}{peer}, {line.name}"
