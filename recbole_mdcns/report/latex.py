"""A table as LaTeX, for booktabs and graphicx."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import LATEX_ESCAPE_RULES

from recbole_mdcns.report import compare
from recbole_mdcns.report.description import Description
from recbole_mdcns.report.lines import Line, shown_budget


def latex(page: Description, lines: Sequence[Line]) -> str:
    """Return a table for each block: ours with its spread, in small the value of the reference."""
    return "\n".join(_block(page, block) for block in compare.blocks(lines))


def _block(page: Description, block: Sequence[Line]) -> str:
    metrics = page.metrics
    seeds = block[0].block_seeds
    text = [r"\begin{table}[t]", r"\centering", r"\small", _caption(page, block), r"\resizebox{\linewidth}{!}{%"]
    text += [r"\begin{tabular}{l" + "c" * len(metrics) + "}", r"\toprule"]
    text += [" & ".join(["method", *map(_escaped, metrics)]) + r" \\", r"\midrule"]
    order = {metric: compare.places(block, metric) for metric in metrics}
    for index, line in enumerate(block):
        if compare.begins_extra(block, index):
            text.append(r"\midrule")
        name = _escaped(line.name)
        if line.runs and not line.is_compared:
            name += f" ({line.budget})"
        if line.runs and list(line.runs) != seeds:
            name += f" (seed {', '.join(map(str, line.runs))})"
        cells = [_cell(line, metric, order[metric].get(index)) for metric in metrics]
        text.append(" & ".join([name, *cells]) + r" \\")
    text += [r"\bottomrule", r"\end{tabular}}"]
    compared = compare.comparisons(page, block, "latex_booktabs")
    text += [r"\par\medskip\resizebox{\linewidth}{!}{%", *compared, "}"] if compared else []
    return "\n".join([*text, r"\end{table}", ""])


def _caption(page: Description, block: Sequence[Line]) -> str:
    row, seeds, budget = block[0].row, block[0].block_seeds, block[0].block_budget
    setting = f"; seeds {', '.join(map(str, seeds))}; epochs / patience {shown_budget(budget)}" if budget else ""
    name = page.reference_name
    text = rf"{_escaped(page.title)}: {_escaped(row.dataset)}, {_escaped(row.model)}. "
    text += rf"{'Ours, mean' if name else 'Mean'} $\pm$ standard deviation on test{setting}"
    text += f"; in brackets {_escaped(name)}'s value and how far ours is from it. " if name else ". "
    if page.our_name:
        tests = {"users": "$*$: over users, Holm", "seeds": r"$\dagger$: over seeds"}
        shown = ", ".join(tests[test] for test in tests if test in page.tests)
        text += rf"{shown}, $p < 0.05$, against the best of {_escaped(compare.baselines(page))}. " if shown else ""
    return rf"\caption{{{text}{_escaped(' '.join(compare.notes(page, block)))}}}"


def _cell(line: Line, metric: str, place: int | None) -> str:
    mean, deviation = line.mean(metric), line.deviation(metric)
    there = rf" {{\scriptsize {_escaped(compare.away(line, metric))}}}" if metric in line.reference else ""
    if mean is None:
        return f"--{there}"
    value = compare.number(mean)
    value = {1: rf"\textbf{{{value}}}", 2: rf"\underline{{{value}}}"}.get(place or 0, value)
    spread = rf"$_{{\pm {compare.number(deviation)}}}$" if deviation is not None else ""
    mark = compare.marks(line, metric).replace("*", "$^*$").replace("†", r"$^\dagger$")
    return f"{value}{mark}{spread}{there}"


def _escaped(text: str) -> str:
    return "".join(LATEX_ESCAPE_RULES.get(sign, sign) for sign in text)
