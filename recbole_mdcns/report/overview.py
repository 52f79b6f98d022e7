"""The first page: every table at a glance on one metric, with links to the other pages and the sources."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from tabulate import tabulate

from recbole_mdcns.records.record import Record
from recbole_mdcns.report import compare, escape
from recbole_mdcns.report.description import Description
from recbole_mdcns.report.filled import filled
from recbole_mdcns.report.lines import Line, shown_budget
from recbole_mdcns.report.sources import sources

Tables = Sequence[tuple[Description, Sequence[Line]]]


def overview(tables: Tables, datasets: Sequence[str], records: Sequence[Record], timed: Sequence[Record] = ()) -> str:
    """Return a page in Markdown.

    Args:
        tables: Descriptions and their lines; those without any record are left out.
        datasets: The names in records of those that have a page.
        records: The records behind all tables.
        timed: Further records, whose epochs only price what is missing.
    """
    title, introduction = tables[0][0].overview
    there = next((f", in brackets {page.reference_name}'s value" for page, _ in tables if page.reference_name), "")
    text = [
        f"# {title}", "",
        f"Test, mean ± standard deviation over seeds{there}; the best in bold; `*` and `†` as in the tables behind the "
        "links, which have all metrics, settings, seeds, tests"
        + (", the released grids," if any(page.ranges for page, _ in tables) else "")
        + f" and the commands that fill what is missing. {introduction}".rstrip(), "",
    ]  # fmt: skip
    text += filled(tables, [*records, *timed])
    for page, lines in tables:
        if any(line.runs for line in lines):
            heading = f"## {page.title}"
            if page.page == "losses":
                text += [heading, "", f"![parts of the loss]({quote(page.name)}.png)", ""]
            else:
                metric, name = page.metrics[-1], quote(page.name)
                budgets = sorted({shown_budget(line.block_budget) for line in lines if line.block_budget})
                shown = f"{metric}; epochs / patience {', '.join(budgets)} where a cell does not say otherwise"
                text += [heading, "", f"{shown}; [all of it]({name}.md), [LaTeX]({name}.tex)", ""]
                text += [at_a_glance(lines, metric), "", f"![test and validation {metric}]({name}.png)", ""]
    text += ["## Datasets", "", *(f"* [{escape.text(dataset)}]({quote(dataset)}.md)" for dataset in datasets), ""]
    packed = sorted({record.dataset for record in records})
    return "\n".join([*text, "## Where it comes from", "", *sources(records, packed=packed), ""])


def at_a_glance(lines: Sequence[Line], metric: str) -> str:
    """Return a table of methods against datasets, of those lines that have records."""
    known = [block for block in compare.blocks(lines) if any(line.runs for line in block)]
    backbones = {block[0].row.model for block in known}
    cells: dict[str, dict[int, str]] = {}
    for column, block in enumerate(known):
        order = compare.places(block, metric)
        for index, line in enumerate(block):
            if line.runs:
                cells.setdefault(line.name, {})[column] = _cell(line, metric, order.get(index) == 1)
    heads = [block[0].row.dataset + (f", {block[0].row.model}" if len(backbones) > 1 else "") for block in known]
    rows = [
        [method, *(by_column.get(column, "") for column in range(len(known)))] for method, by_column in cells.items()
    ]
    return tabulate(rows, headers=["method", *heads], tablefmt="github", disable_numparse=True)


def _cell(line: Line, metric: str, is_best: bool) -> str:
    mean, deviation = line.mean(metric), line.deviation(metric)
    value = compare.number(mean or 0.0)
    value = f"**{value}**" if is_best else value
    spread = f" ± {compare.number(deviation)}" if deviation is not None else ", one seed"
    there = f" ({compare.number(line.reference[metric])})" if metric in line.reference else ""
    of_budget = "" if line.is_compared else f", {escape.text(line.budget)}"
    return value + compare.marks(line, metric) + spread + of_budget + there
