"""A table as Markdown and as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from tabulate import tabulate

from recbole_mdcns.evaluation.significance import LEVEL
from recbole_mdcns.report import escape
from recbole_mdcns.report.cells import Line, shown_budget
from recbole_mdcns.report.gains import Gain
from recbole_mdcns.report.paper import BUDGETS, DATASET_NOTES, NOTES, TITLES

#: What the cells mean; printed with every table.
LEGEND = (
    "Ours: mean ± standard deviation over seeds, test; the epoch, and the setting where several were tried, chosen on "
    "validation. **Best** and <u>second</u> of a block, among the lines with the budget (epochs / patience) of most of "
    "them. In brackets the paper's value and how far ours is from it; lines below the rule are not in the paper. `*` "
    "MDCNS differs from the best of the paper's baselines over users (paired t-test over test users, seeds averaged, "
    "at least two; two-sided, p < 0.05 after Holm's correction over all tests over users that are printed with the "
    "table: every metric, block and rival); `†` over seeds (paired t-test, two-sided, p < 0.05, not corrected). A user "
    "with several rows counts with their sum."
)


def blocks(lines: Sequence[Line]) -> list[list[Line]]:
    """Return the lines of a table by dataset and backbone."""
    return [list(block) for _, block in groupby(lines, key=lambda line: (line.row.dataset, line.row.backbone))]


def begins_extra(block: Sequence[Line], index: int) -> bool:
    """Tell whether a line is the first that the paper lacks."""
    return block[index].row.is_extra and not block[index - 1].row.is_extra


def notes(block: Sequence[Line]) -> list[str]:
    """Return what a reader cannot know of a block's dataset and methods by their names."""
    found = [f"{line.row.method}: {NOTES[line.row.method]}." for line in block if line.row.method in NOTES]
    for line in block:
        for metric, (low, median, high) in line.released().items():
            found.append(
                f"{line.row.method}, {metric}: the 40 settings of the released grid have {number(low)} to "
                f"{number(high)}, median {number(median)}."
            )
    dataset = DATASET_NOTES.get(block[0].row.dataset)
    return [*([dataset] if dataset else []), *found]


def comparisons(block: Sequence[Line], form: str) -> list[str]:
    """Return MDCNS against the best baseline on every metric, and against every line on the last, with the tests.

    Args:
        block: The lines.
        form: Of tabulate: ``github``, ``html`` or ``latex_booktabs``.
    """
    rows = []
    for line in block:
        for gain in line.gains.values():
            best = f"{gain.baseline.row.method}, best of the paper's"
            rows.append([line.row.method, gain.metric, best, *_tests(gain)])
        for method, gain in line.against.items():
            rows.append([line.row.method, gain.metric, method, *_tests(gain)])
    heads = ["", "metric", "against", "difference", "seeds", "p seeds", "p users", "p users, Holm", "95 %"]
    return tabulate(rows, heads, tablefmt=form, disable_numparse=True).splitlines() if rows else []


def places(lines: Sequence[Line], metric: str) -> dict[int, int]:
    """Return which lines of a block are first and second by our mean as printed: index of the line, then 1 or 2."""
    known = {index: number(line.mean(metric) or 0.0) for index, line in enumerate(lines) if line.is_compared}
    ranked = sorted(set(known.values()), reverse=True)[:2]
    return {index: ranked.index(value) + 1 for index, value in known.items() if value in ranked}


def marks(line: Line, metric: str) -> str:
    """Return the marks of significance of a cell."""
    gain = line.gains.get(metric)
    if gain is None:
        return ""
    over_users = gain.seeds > 1 and gain.corrected is not None and gain.corrected < LEVEL
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


def markdown(table: str, lines: Sequence[Line], metrics: Sequence[str], picture: str | None = None) -> str:
    """Return a table with its legend, a picture's file below it, and below that what would fill missing cells."""
    text = [f"# {TITLES[table]}", "", LEGEND, ""]
    heads = ["method", *metrics, "setting", "seeds", "epochs / patience"]
    for block in blocks(lines):
        row = block[0].row
        text += [f"## {row.dataset}, {row.backbone}", "", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
        order = {metric: places(block, metric) for metric in metrics}
        for index, line in enumerate(block):
            if begins_extra(block, index):
                text.append("| *not in the paper* |" + " |" * (len(heads) - 1))
            cells = [_markdown_cell(line, metric, order[metric].get(index)) for metric in metrics]
            cells += [escape.text(line.setting), ", ".join(map(str, line.runs)) or "missing", line.budget]
            text.append(f"| {line.row.method} | {' | '.join(cells)} |")
        text += ["", *(f"* {note}" for note in notes(block)), ""]
        compared = comparisons(block, "github")
        text += [*compared, ""] if compared else []
    if picture:
        text += [f"![test and validation {metrics[-1]}]({picture})", ""]
    missing = [line for line in lines if not line.runs or set(line.runs) < set(line.block_seeds)]
    if missing:
        text += ["## Missing, whole lines or seeds of their blocks", "", "| line | command |", "|---|---|"]
        text += [f"| {_name(line)} | `{command(table, line)}` |" for line in missing]
    return "\n".join(text).rstrip() + "\n"


def command(table: str, line: Line) -> str:
    """Return the command that fills a line, at the budget and with the seeds of its block."""
    row = line.row
    named = [name for name, budget in BUDGETS.items() if budget == line.block_budget]
    return (
        f"recbole-mdcns reproduce {table} --datasets {row.dataset} --models {row.backbone} "
        f'--methods "{row.method}" --seeds {",".join(map(str, line.block_seeds or (1, 2, 3)))} '
        f"--budget {(named or ['paper'])[0]} --data_path DIR"
    )


def latex(table: str, lines: Sequence[Line], metrics: Sequence[str]) -> str:
    """Return a table for each block, for booktabs and graphicx: ours with its spread, in small the paper's value."""
    return "\n".join(_latex_block(table, block, metrics) for block in blocks(lines))


def _latex_block(table: str, block: Sequence[Line], metrics: Sequence[str]) -> str:
    row, seeds, budget = block[0].row, block[0].block_seeds, block[0].block_budget
    setting = f"; seeds {', '.join(map(str, seeds))}; epochs / patience {shown_budget(budget)}" if budget else ""
    caption = (
        rf"\caption{{{_escaped(TITLES[table])}: {_escaped(row.dataset)}, {_escaped(row.backbone)}. Ours, mean $\pm$ "
        rf"standard deviation on test{setting}; in brackets the paper's value and how far ours is from it. $*$: over "
        rf"users, Holm, $\dagger$: over seeds, $p < 0.05$, against the best of the paper's baselines. "
        rf"{_escaped(' '.join(notes(block)))}}}"
    )
    text = [r"\begin{table}[t]", r"\centering", r"\small", caption, r"\resizebox{\linewidth}{!}{%"]
    text += [r"\begin{tabular}{l" + "c" * len(metrics) + "}", r"\toprule"]
    text += [" & ".join(["method", *map(_escaped, metrics)]) + r" \\", r"\midrule"]
    order = {metric: places(block, metric) for metric in metrics}
    for index, line in enumerate(block):
        if begins_extra(block, index):
            text.append(r"\midrule")
        name = _escaped(line.row.method)
        if line.runs and not line.is_compared:
            name += f" ({line.budget})"
        if line.runs and list(line.runs) != seeds:
            name += f" (seed {', '.join(map(str, line.runs))})"
        cells = [_latex_cell(line, metric, order[metric].get(index)) for metric in metrics]
        text.append(" & ".join([name, *cells]) + r" \\")
    text += [r"\bottomrule", r"\end{tabular}}"]
    compared = comparisons(block, "latex_booktabs")
    text += [r"\par\medskip\resizebox{\linewidth}{!}{%", *compared, "}"] if compared else []
    return "\n".join([*text, r"\end{table}", ""])


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
    paper = rf" {{\scriptsize {_escaped(away(line, metric))}}}" if metric in line.paper else ""
    if mean is None:
        return f"--{paper}"
    value = number(mean)
    value = {1: rf"\textbf{{{value}}}", 2: rf"\underline{{{value}}}"}.get(place or 0, value)
    spread = rf"$_{{\pm {number(deviation)}}}$" if deviation is not None else ""
    mark = marks(line, metric).replace("*", "$^*$").replace("†", r"$^\dagger$")
    return f"{value}{mark}{spread}{paper}"


def _tests(gain: Gain) -> list[str]:
    p_values = ["" if p is None else f"{p:.2g}" for p in (gain.p_seeds, gain.p_users, gain.corrected)]
    p_values[1] = p_values[1] or gain.unpaired
    interval = "{:+.4f} to {:+.4f}".format(*gain.interval) if gain.interval else ""
    return [f"{gain.relative:+.1%}", str(gain.seeds), *p_values, interval]


def _name(line: Line) -> str:
    peer = f" + {line.row.peer}" if line.row.peer else ""
    return f"{line.row.dataset}, {line.row.backbone}{peer}, {line.row.method}"


def _escaped(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%").replace("&", r"\&")
