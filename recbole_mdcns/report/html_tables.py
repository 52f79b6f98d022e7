"""The tables of a report's page: all methods at a glance, then everything about one block. Columns sort by a click."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from recbole_mdcns.report import compare
from recbole_mdcns.report.description import Description
from recbole_mdcns.report.lines import Line


def summary(page: Description, lines: Sequence[Line]) -> str:
    """Return methods against blocks on the last metric, of those lines that have records."""
    metric = page.metrics[-1]
    known = [block for block in compare.blocks(lines) if any(line.runs for line in block)]
    if not known:
        return "<p>No records yet.</p>"
    cells: dict[str, dict[int, str]] = {}
    for column, block in enumerate(known):
        order = compare.places(block, metric)
        for index, line in enumerate(block):
            if line.runs:
                cells.setdefault(line.name, {})[column] = _cell(page, line, metric, order.get(index), brief=True)
    empty = '<td class="missing">–</td>'
    rows = [
        f"<tr>{_name(method)}{''.join(of_method.get(column, empty) for column in range(len(known)))}</tr>"
        for method, of_method in cells.items()
    ]
    heads = ["method", *(f"{block[0].row.dataset}, {block[0].row.model}" for block in known)]
    return sortable(f"{page.title}: test {metric}", heads, rows)


def block_table(page: Description, block: Sequence[Line]) -> str:
    """Return a block with all metrics, its notes, our comparisons, and the commands that fill what is missing."""
    metrics = page.metrics
    order = {metric: compare.places(block, metric) for metric in metrics}
    rows = []
    for index, line in enumerate(block):
        cells = [_cell(page, line, metric, order[metric].get(index)) for metric in metrics]
        more = (line.setting, ", ".join(map(str, line.runs)), line.budget)
        cells += [f"<td>{escape(text)}</td>" for text in more]
        rule = ' class="rule"' if compare.begins_extra(block, index) else ""
        rows.append(f"<tr{rule}>{_name(line.name)}{''.join(cells)}</tr>")
    where = f"{block[0].row.dataset}, {block[0].row.model}"
    html = [sortable(where, ["method", *metrics, "setting", "seeds", "epochs / patience"], rows)]
    html += [f"<p>{escape(note)}</p>" for note in compare.notes(page, block)]
    heads, compared = compare.comparison_rows(page, block)
    if compared:
        rows = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in compared]
        html += [sortable(f"{where}, compared", ["method", *heads[1:]], rows)]
    missing = [compare.command(page, line) for line in compare.missing(block)]
    if missing:
        commands = escape("\n".join(missing))
        html += ["<details><summary>Commands that fill what is missing</summary>", f"<pre>{commands}</pre></details>"]
    return "\n".join(html)


def legend(page: Description) -> str:
    """Return what the cells mean; the text is Markdown with a little HTML in it."""
    text = re.sub(r"`(.)`", r"<b>\1</b>", re.sub(r"\*\*(\w+)\*\*", r"<b>\1</b>", compare.legend(page)))
    return text.replace(" < ", " &lt; ")


def sortable(name: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    """Return a table in a box that scrolls by itself; the page's script sorts by its buttons.

    Args:
        name: What a screen reader calls it.
        heads: The heads of the columns, plain text.
        rows: HTML, ``<tr>`` to ``</tr>``.
    """
    columns = "".join(f'<th scope="col" aria-sort="none"><button>{escape(head)}</button></th>' for head in heads)
    box = f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">'
    return f"{box}<table><thead><tr>{columns}</tr></thead><tbody>\n" + "\n".join(rows) + "\n</tbody></table></div>"


def _name(method: str) -> str:
    return f'<th scope="row">{escape(method)}</th>'


def _cell(page: Description, line: Line, metric: str, place: int | None, brief: bool = False) -> str:
    mean, deviation = line.mean(metric), line.deviation(metric)
    there = compare.away(line, metric) if not brief else "" if line.is_compared else f"epochs / patience {line.budget}"
    there = f" <small>{escape(there)}</small>" if there else ""
    if mean is None:
        return f'<td class="missing" title="{escape(compare.command(page, line))}">missing{there}</td>'
    kind = {1: "best", 2: "second"}.get(place or 0, "")
    value = f'<span class="{kind}">{compare.number(mean)}</span>' if kind else compare.number(mean)
    spread = f" <small>± {compare.number(deviation)}</small>" if deviation is not None else ""
    return f'<td data-value="{mean!r}">{value}{compare.marks(line, metric)}{spread}{there}</td>'
