"""The first page: every table at a glance, one metric, with links to the rest and to where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tabulate import tabulate

from recbole_mdcns.report import escape
from recbole_mdcns.report.cells import Line, shown_budget
from recbole_mdcns.report.paper import TITLES, metrics
from recbole_mdcns.report.render import blocks, marks, number, places
from recbole_mdcns.report.sources import sources


def overview(tables: Mapping[str, Sequence[Line]], datasets: Sequence[str], records: Sequence[dict[str, Any]]) -> str:
    """Return a page in Markdown.

    Args:
        tables: Lines by table; those without any record are left out.
        datasets: Our names of those that have a page.
        records: What everything was made from.
    """
    text = [
        "# The paper's tables and ours", "",
        "Test, mean ± standard deviation over seeds, in brackets the paper's value; the best in bold; `*` and `†` as "
        "in the tables behind the links, which have all metrics, settings, seeds, tests, the released grids, and the "
        "commands that fill what is missing. What differs from the paper, and what replicates: "
        "`docs/replication.md`.", "",
    ]  # fmt: skip
    for table, lines in tables.items():
        if any(line.runs for line in lines):
            title = f"## {TITLES[table]}"
            if table == "figure3":
                text += [title, "", f"![parts of the loss]({table}.png)", ""]
            else:
                metric = metrics(table)[-1]
                budgets = sorted({shown_budget(line.block_budget) for line in lines if line.block_budget})
                shown = f"{metric}; epochs / patience {', '.join(budgets)} where a cell does not say otherwise"
                text += [title, "", f"{shown}; [all of it]({table}.md), [LaTeX]({table}.tex)", ""]
                text += [at_a_glance(lines, metric), "", f"![test and validation {metric}]({table}.png)", ""]
    text += ["## Datasets", "", *(f"* [{escape.text(dataset)}]({quote(dataset)}.md)" for dataset in datasets), ""]
    packed = sorted({record["dataset"] for record in records})
    return "\n".join([*text, "## Where it comes from", "", *sources(records, packed=packed), ""])


def at_a_glance(lines: Sequence[Line], metric: str) -> str:
    """Return a table of methods against datasets, of those lines that have records."""
    known = [block for block in blocks(lines) if any(line.runs for line in block)]
    backbones = {block[0].row.backbone for block in known}
    cells: dict[str, dict[int, str]] = {}
    for column, block in enumerate(known):
        order = places(block, metric)
        for index, line in enumerate(block):
            if line.runs:
                cells.setdefault(line.row.method, {})[column] = _cell(line, metric, order.get(index) == 1)
    heads = [block[0].row.dataset + (f", {block[0].row.backbone}" if len(backbones) > 1 else "") for block in known]
    rows = [[method, *(found.get(column, "") for column in range(len(known)))] for method, found in cells.items()]
    return tabulate(rows, headers=["method", *heads], tablefmt="github", disable_numparse=True)


def _cell(line: Line, metric: str, is_best: bool) -> str:
    mean, deviation = line.mean(metric), line.deviation(metric)
    value = number(mean or 0.0)
    value = f"**{value}**" if is_best else value
    spread = f" ± {number(deviation)}" if deviation is not None else ", one seed"
    paper = f" ({number(line.paper[metric])})" if metric in line.paper else ""
    of_budget = "" if line.is_compared else f", {line.budget}"
    return value + marks(line, metric) + spread + of_budget + paper
