"""Tables and figures as one HTML page that needs no network: plotly's script is inside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
import plotly.io

from recbole_mdcns.report import compare
from recbole_mdcns.report.description import Description
from recbole_mdcns.report.figure import GREY, colours_of
from recbole_mdcns.report.lines import Line
from recbole_mdcns.report.ranking import strongest

#: Colours of matplotlib for the web.
_WEB = {"C0": "#1f77b4", "C1": "#ff7f0e", "C2": "#2ca02c", "C3": "#d62728", "C4": "#9467bd", GREY: "#bfbfbf"}
_STYLE = """
body {font-family: sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em}
table {border-collapse: collapse; margin: 1em 0} td, th {padding: .2em .7em; text-align: left}
thead th {border-bottom: 2px solid #333} tbody tr:hover {background: #f2f6fa}
tr.rule td {border-top: 1px solid #999}
td.best {font-weight: bold} td.second {text-decoration: underline} td.missing {color: #999}
small {color: #666; font-weight: normal}
"""


def page(title: str, parts: Sequence[str]) -> str:
    """Return a whole page; parts are HTML of :func:`table_part` and :func:`figure_part`."""
    script = f"<script>{plotly.offline.get_plotlyjs()}</script>"
    return "\n".join([
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">', f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>", script, "</head><body>", f"<h1>{escape(title)}</h1>", *parts, "</body></html>", "",
    ])  # fmt: skip


def table_part(page: Description, lines: Sequence[Line]) -> str:
    """Return a table; a cell that is missing shows the command that fills it."""
    metrics = page.metrics
    html = [f"<h2>{escape(page.title)}</h2>", f"<p>{_marked_up(compare.legend(page))}</p>"]
    heads = ["method", *metrics, "setting", "seeds", "epochs / patience"]
    for block in compare.blocks(lines):
        order = {metric: compare.places(block, metric) for metric in metrics}
        row = block[0].row
        html += [f"<h3>{escape(row.dataset)}, {escape(row.model)}</h3>", "<table><thead><tr>"]
        html += ["".join(f"<th>{escape(head)}</th>" for head in heads), "</tr></thead><tbody>"]
        for index, line in enumerate(block):
            cells = "".join(_cell(page, line, metric, order[metric].get(index)) for metric in metrics)
            cells += "".join(f"<td>{escape(text)}</td>" for text in (line.setting, ", ".join(map(str, line.runs))))
            rule = " class=rule" if compare.begins_extra(block, index) else ""
            html.append(f"<tr{rule}><td>{escape(line.name)}</td>{cells}")
            html.append(f"<td>{escape(line.budget)}</td></tr>")
        html.append("</tbody></table>")
        notes = escape(" ".join(compare.notes(page, block)))
        html += [f"<p><small>{notes}</small></p>", *compare.comparisons(page, block, "html")]
    return "\n".join(html)


def _marked_up(text: str) -> str:
    """Return a line of Markdown, as the legend is, as HTML."""
    return re.sub(r"`(.)`", r"<b>\1</b>", re.sub(r"\*\*(\w+)\*\*", r"<b>\1</b>", text)).replace(" < ", " &lt; ")


def figure_part(figure: go.Figure) -> str:
    """Return a figure; the page holds the script."""
    return plotly.io.to_html(figure, full_html=False, include_plotlyjs=False)


def bars(page: Description, lines: Sequence[Line]) -> go.Figure:
    """Draw our means with their spread beside the reference, a group of bars per dataset and backbone."""
    metric = page.metrics[-1]
    figure = go.Figure()
    known = [line for line in lines if line.runs or metric in line.reference]
    names = [[f"{line.row.dataset}, {line.row.model}" for line in known], [line.name for line in known]]
    spread = [line.deviation(metric) or 0.0 for line in known]
    figure.add_bar(x=names, y=[line.mean(metric) for line in known], error_y={"array": spread}, name="ours")
    if page.reference_name:
        there = [line.reference.get(metric) for line in known]
        marker = {"symbol": "line-ew-open", "size": 14}
        figure.add_scatter(x=names, y=there, mode="markers", marker=marker, name=page.reference_name)
    return figure.update_layout(title=f"test {metric}", yaxis_title=metric, height=480)


def curves(lines: Sequence[Line], metric: str, by_time: bool = False) -> go.Figure:
    """Draw a validation metric of every run against epoch, or against the seconds of training."""
    figure = go.Figure()
    colours = colours_of(strongest(lines, metric))
    for line in (line for line in lines if line.runs):
        for place, (seed, run) in enumerate(line.runs.items()):
            x, y, total = [], [], 0.0
            for entry in run.epochs:
                total += entry.train_seconds
                if entry.valid is not None:
                    x.append(total if by_time else entry.epoch + 1)
                    y.append(entry.valid[metric])
            figure.add_scatter(
                x=x, y=y, name=line.name, legendgroup=line.name, showlegend=place == 0,
                line={"color": _WEB[colours[line.name]]}, hovertext=f"{line.name}, seed {seed}",
            )  # fmt: skip
    unit = "seconds of training" if by_time else "epoch"
    row = lines[0].row
    figure.update_layout(title=f"{row.dataset}, {row.model}", xaxis_title=unit, yaxis_title=f"validation {metric}")
    return figure.update_xaxes(type="log" if by_time else "linear")


def losses(line: Line) -> go.Figure:
    """Draw the parts of the loss by epoch of the first run of a line."""
    figure = go.Figure()
    run = next(iter(line.runs.values()))
    for part in dict.fromkeys(part for entry in run.epochs for part in entry.parts):
        x = [entry.epoch + 1 for entry in run.epochs]
        figure.add_scatter(x=x, y=[entry.parts.get(part) for entry in run.epochs], name=part)
    title = f"parts of the loss, {line.row.dataset}, {line.row.model}, {line.name}"
    return figure.update_layout(title=title, xaxis_title="epoch", yaxis_title="loss", yaxis_type="log")


def _cell(page: Description, line: Line, metric: str, place: int | None) -> str:
    mean, deviation = line.mean(metric), line.deviation(metric)
    there = f" <small>{escape(compare.away(line, metric))}</small>"
    if mean is None:
        return f'<td class="missing" title="{escape(compare.command(page, line), quote=True)}">missing{there}</td>'
    kind = {1: ' class="best"', 2: ' class="second"'}.get(place or 0, "")
    spread = f" <small>± {compare.number(deviation)}</small>" if deviation is not None else ""
    return f"<td{kind}>{compare.number(mean)}{compare.marks(line, metric)}{spread}{there}</td>"
