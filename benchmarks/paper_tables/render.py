"""A table as Markdown and as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from paper_tables.cells import Line
from paper_tables.layout import TITLES
from paper_tables.significance import LEVEL

#: What the cells mean; printed above every table.
LEGEND = (
    "Ours: mean ± standard deviation over seeds, test, the epoch and the setting chosen on validation; **best** and "
    "<u>second</u> of a block. In brackets the paper's value and how far ours is from it. `*` MDCNS differs from the "
    "best baseline over users (paired t-test, two-sided, p < 0.05 after Holm's correction over the blocks of the "
    "table); `†` over seeds (paired t-test, two-sided, p < 0.05, not corrected)."
)


def places(lines: Sequence[Line], metric: str) -> dict[int, int]:
    """Return which lines of a block are first and second by our mean: index of the line, then 1 or 2."""
    known = [(line.mean(metric), index) for index, line in enumerate(lines)]
    ranked = sorted(((value, index) for value, index in known if value is not None), reverse=True)
    return {index: place for place, (_, index) in enumerate(ranked[:2], start=1)}


def marks(line: Line, metric: str) -> str:
    """Return the marks of significance of a cell."""
    gain = line.gains.get(metric)
    if gain is None:
        return ""
    over_users = gain.corrected is not None and gain.corrected < LEVEL
    over_seeds = gain.p_seeds is not None and gain.p_seeds < LEVEL
    return ("*" if over_users else "") + ("†" if over_seeds else "")


def number(value: float) -> str:
    """Return a metric with four digits, as the paper prints it."""
    return f"{value:.4f}"


def away(line: Line, metric: str) -> str:
    """Return the paper's value and the relative difference of ours; empty where the paper has none."""
    if metric not in line.paper:
        return ""
    mean, paper = line.mean(metric), line.paper[metric]
    return f"({number(paper)})" if mean is None else f"({number(paper)}, {mean / paper - 1:+.1%})"


def markdown(table: str, lines: Sequence[Line], metrics: Sequence[str]) -> str:
    """Return a table with its legend, and below it what would fill the cells that are missing."""
    text = [f"# {TITLES[table]}", "", LEGEND, ""]
    for (dataset, backbone), block in groupby(lines, key=lambda line: (line.row.dataset, line.row.backbone)):
        group = list(block)
        text += [
            f"## {dataset}, {backbone}",
            "",
            "| method | " + " | ".join(metrics) + " | seeds | epochs / patience |",
        ]
        text += ["|" + "---|" * (len(metrics) + 3)]
        order = {metric: places(group, metric) for metric in metrics}
        for index, line in enumerate(group):
            cells = [_markdown_cell(line, metric, order[metric].get(index)) for metric in metrics]
            seeds = ", ".join(map(str, line.runs)) or "missing"
            text.append(f"| {line.row.method} | " + " | ".join(cells) + f" | {seeds} | {line.budget} |")
        text += ["", *_gains(group, metrics)]
    missing = [line for line in lines if not line.runs]
    if missing:
        text += ["## Missing", "", "| line | command |", "|---|---|"]
        text += [f"| {_name(line)} | `{command(table, line)}` |" for line in missing]
    return "\n".join(text).rstrip() + "\n"


def command(table: str, line: Line) -> str:
    """Return the command that fills a line."""
    row = line.row
    return (
        f"python benchmarks/reproduce.py {table} --datasets {row.dataset} --models {row.backbone} "
        f'--methods "{row.method}" --data_path DIR'
    )


def latex(table: str, lines: Sequence[Line], metrics: Sequence[str]) -> str:
    """Return a table for the package booktabs: ours with its spread, the paper's value below in small."""
    caption = (
        rf"\caption{{{_escaped(TITLES[table])}. Ours, mean $\pm$ standard deviation; in brackets the paper's value. "
        r"$*$: over users, $\dagger$: over seeds, $p < 0.05$.}"
    )
    text = [r"\begin{table}[t]", r"\centering", caption]
    text += [r"\begin{tabular}{ll" + "c" * len(metrics) + "}", r"\toprule"]
    text.append(" & ".join(["", "method", *map(_escaped, metrics)]) + r" \\")
    for (dataset, backbone), block in groupby(lines, key=lambda line: (line.row.dataset, line.row.backbone)):
        group = list(block)
        order = {metric: places(group, metric) for metric in metrics}
        text.append(r"\midrule")
        for index, line in enumerate(group):
            first = f"{dataset}, {backbone}" if index == 0 else ""
            cells = [_latex_cell(line, metric, order[metric].get(index)) for metric in metrics]
            text.append(" & ".join([_escaped(first), _escaped(line.row.method), *cells]) + r" \\")
    return "\n".join([*text, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _markdown_cell(line: Line, metric: str, place: int | None) -> str:
    mean, deviation = line.mean(metric), line.deviation(metric)
    if mean is None:
        return f"missing {away(line, metric)}".strip()
    value = number(mean)
    value = {1: f"**{value}**", 2: f"<u>{value}</u>"}.get(place or 0, value)
    spread = f" ± {number(deviation)}" if deviation is not None else ""
    return f"{value}{marks(line, metric)}{spread} {away(line, metric)}".strip()


def _latex_cell(line: Line, metric: str, place: int | None) -> str:
    mean, deviation = line.mean(metric), line.deviation(metric)
    paper = rf" {{\scriptsize({number(line.paper[metric])})}}" if metric in line.paper else ""
    if mean is None:
        return f"--{paper}"
    value = number(mean)
    value = {1: rf"\textbf{{{value}}}", 2: rf"\underline{{{value}}}"}.get(place or 0, value)
    spread = rf"$_{{\pm {number(deviation)}}}$" if deviation is not None else ""
    mark = marks(line, metric).replace("*", "$^*$").replace("†", r"$^\dagger$")
    return f"{value}{mark}{spread}{paper}"


def _gains(group: Sequence[Line], metrics: Sequence[str]) -> list[str]:
    """Return a line of text for each metric on MDCNS against the best baseline, and on the released grids."""
    text = []
    for line in group:
        for metric in metrics:
            gain, released = line.gains.get(metric), line.released(metric)
            if gain:
                p = {"over seeds": gain.p_seeds, "over users": gain.p_users, "corrected": gain.corrected}
                parts = [f"{gain.relative:+.1%} over {gain.baseline.row.method}"]
                parts += [f"p {name} {value:.2g}" for name, value in p.items() if value is not None]
                if gain.interval:
                    parts.append(f"95 % of the difference {gain.interval[0]:+.4f} to {gain.interval[1]:+.4f}")
                text.append(f"* {line.row.method}, {metric}: {'; '.join(parts)}")
            if released:
                text.append(
                    f"* {line.row.method}, {metric}: the 40 settings of the released grid have "
                    f"{number(released[0])} to {number(released[2])}, median {number(released[1])}"
                )
    return [*text, ""] if text else []


def _name(line: Line) -> str:
    peer = f" + {line.row.peer}" if line.row.peer else ""
    return f"{line.row.dataset}, {line.row.backbone}{peer}, {line.row.method}"


def _escaped(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%").replace("&", r"\&")
