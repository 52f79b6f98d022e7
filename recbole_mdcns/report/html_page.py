"""Tables and figures as one HTML page that needs no network: plotly's script is inside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
import plotly.io

from recbole_mdcns.report.cells import Line
from recbole_mdcns.report.paper import TITLES
from recbole_mdcns.report.render import (
    LEGEND,
    away,
    begins_extra,
    blocks,
    command,
    comparisons,
    marks,
    notes,
    number,
    places,
)

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


def table_part(table: str, lines: Sequence[Line], metrics: Sequence[str]) -> str:
    """Return a table; a cell that is missing shows the command that fills it."""
    html = [f"<h2>{escape(TITLES[table])}</h2>", f"<p>{_marked_up(LEGEND)}</p>"]
    heads = ["method", *metrics, "setting", "seeds", "epochs / patience"]
    for block in blocks(lines):
        order = {metric: places(block, metric) for metric in metrics}
        row = block[0].row
        html += [f"<h3>{escape(row.dataset)}, {escape(row.backbone)}</h3>", "<table><thead><tr>"]
        html += ["".join(f"<th>{escape(head)}</th>" for head in heads), "</tr></thead><tbody>"]
        for index, line in enumerate(block):
            cells = "".join(_cell(table, line, metric, order[metric].get(index)) for metric in metrics)
            cells += "".join(f"<td>{escape(text)}</td>" for text in (line.setting, ", ".join(map(str, line.runs))))
            html.append(
                f"<tr{' class=rule' if begins_extra(block, index) else ''}><td>{escape(line.row.method)}</td>{cells}"
            )
            html.append(f"<td>{escape(line.budget)}</td></tr>")
        html.append("</tbody></table>")
        html += [f"<p><small>{escape(' '.join(notes(block)))}</small></p>", *comparisons(block, "html")]
    return "\n".join(html)


def _marked_up(text: str) -> str:
    """Return a line of Markdown, as the legend is, as HTML."""
    return re.sub(r"`(.)`", r"<b>\1</b>", re.sub(r"\*\*(\w+)\*\*", r"<b>\1</b>", text)).replace(" < ", " &lt; ")


def figure_part(figure: go.Figure) -> str:
    """Return a figure; the page holds the script."""
    return plotly.io.to_html(figure, full_html=False, include_plotlyjs=False)


def bars(lines: Sequence[Line], metric: str) -> go.Figure:
    """Draw our means with their spread beside the paper's values, a group of bars per dataset and backbone."""
    figure = go.Figure()
    known = [line for line in lines if line.runs or metric in line.paper]
    names = [[f"{line.row.dataset}, {line.row.backbone}" for line in known], [line.row.method for line in known]]
    spread = [line.deviation(metric) or 0.0 for line in known]
    figure.add_bar(x=names, y=[line.mean(metric) for line in known], error_y={"array": spread}, name="ours")
    paper = [line.paper.get(metric) for line in known]
    figure.add_scatter(x=names, y=paper, mode="markers", marker={"symbol": "line-ew-open", "size": 14}, name="paper")
    return figure.update_layout(title=f"test {metric}", yaxis_title=metric, height=480)


def curves(lines: Sequence[Line], metric: str, by_time: bool = False) -> go.Figure:
    """Draw a validation metric of every run against epoch, or against the seconds of training."""
    figure = go.Figure()
    colours = plotly.colors.qualitative.Dark24
    for index, line in enumerate(line for line in lines if line.runs):
        for number_of_run, (seed, run) in enumerate(line.runs.items()):
            x, y, total = [], [], 0.0
            for entry in run["epochs"]:
                total += entry["train_seconds"]
                if "valid" in entry:
                    x.append(total if by_time else entry["epoch"] + 1)
                    y.append(entry["valid"][metric])
            figure.add_scatter(
                x=x, y=y, name=line.row.method, legendgroup=line.row.method, showlegend=number_of_run == 0,
                line={"color": colours[index % len(colours)]}, hovertext=f"{line.row.method}, seed {seed}",
            )  # fmt: skip
    unit = "seconds of training" if by_time else "epoch"
    row = lines[0].row
    figure.update_layout(title=f"{row.dataset}, {row.backbone}", xaxis_title=unit, yaxis_title=f"validation {metric}")
    return figure.update_xaxes(type="log" if by_time else "linear")


def losses(line: Line) -> go.Figure:
    """Draw the parts of the loss by epoch, as the paper's Figure 3 does, of the first run of a line."""
    figure = go.Figure()
    run = next(iter(line.runs.values()))
    for part in dict.fromkeys(part for entry in run["epochs"] for part in entry["parts"]):
        x = [entry["epoch"] + 1 for entry in run["epochs"]]
        figure.add_scatter(x=x, y=[entry["parts"].get(part) for entry in run["epochs"]], name=part)
    title = f"parts of the loss, {line.row.dataset}, {line.row.backbone}, {line.row.method}"
    return figure.update_layout(title=title, xaxis_title="epoch", yaxis_title="loss", yaxis_type="log")


def _cell(table: str, line: Line, metric: str, place: int | None) -> str:
    mean, deviation = line.mean(metric), line.deviation(metric)
    paper = f" <small>{escape(away(line, metric))}</small>"
    if mean is None:
        return f'<td class="missing" title="{escape(command(table, line), quote=True)}">missing{paper}</td>'
    kind = {1: ' class="best"', 2: ' class="second"'}.get(place or 0, "")
    spread = f" <small>± {number(deviation)}</small>" if deviation is not None else ""
    return f"<td{kind}>{number(mean)}{marks(line, metric)}{spread}{paper}</td>"
