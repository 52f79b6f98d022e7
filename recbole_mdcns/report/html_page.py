"""The report as one HTML page that needs no network: a summary and a chart per question, the rest unfolds."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recbole_mdcns.report import html_charts, html_tables
from recbole_mdcns.report.compare import blocks
from recbole_mdcns.report.description import Description
from recbole_mdcns.report.figure import GREY, web_colours
from recbole_mdcns.report.lines import Line

_STYLE = """
:root {color-scheme: light dark; --ink: #222; --ground: #fff; --soft: #666; --rule: #ccc; --shade: #f2f5f9;
  --link: #0b5394}
@media (prefers-color-scheme: dark) {:root {--ink: #e4e4e4; --ground: #16181d; --soft: #a5a5a5; --rule: #444;
  --shade: #22262e; --link: #8ab4f8; --others: #5a5a5a}}
* {box-sizing: border-box}
body {font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 76rem;
  margin: 0 auto; padding: 1rem; overflow-wrap: anywhere}
h1 {line-height: 1.2} h2 {margin-top: 3rem} h3 {margin: 2rem 0 0} a {color: var(--link)}
.scroll {overflow-x: auto; margin: 1rem 0} .scroll:focus-visible {outline: 2px solid var(--link)}
table {border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal}
td, th {padding: .25rem .7rem; text-align: left; white-space: nowrap; font-weight: normal}
thead th {border-bottom: 2px solid var(--soft); padding: 0} tbody tr:hover {background: var(--shade)}
tbody th {position: sticky; left: 0; background: var(--ground)}
thead button {all: unset; display: block; cursor: pointer; font-weight: bold; padding: .25rem .7rem}
thead button:focus-visible {outline: 2px solid var(--link)} thead button:after {content: " ↕"; color: var(--rule)}
[aria-sort=ascending] button:after {content: " ↑"; color: inherit}
[aria-sort=descending] button:after {content: " ↓"; color: inherit}
table:not(.sorted) tr.rule > * {border-top: 1px solid var(--soft)}
.best {font-weight: bold} .second {text-decoration: underline} .missing, small, figcaption {color: var(--soft)}
details {border-top: 1px solid var(--rule); padding: .5rem 0} summary {cursor: pointer}
pre {overflow-x: auto; background: var(--shade); padding: .7rem}
figure {margin: 1rem 0} .panels {display: grid; gap: 1.5rem; margin-top: .7rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr))}
svg {width: 100%; max-width: 38rem; height: auto} svg text {font-size: 10.5px; fill: var(--ink)}
svg .title {font-size: 12px; font-weight: bold} .fill {fill: var(--c)}
.curve {fill: none; stroke: var(--c); stroke-width: 1.5} .grid {stroke: var(--rule); stroke-width: .6}
.spread {stroke: var(--soft)} .mark {stroke: var(--ink); stroke-width: 2}
"""
# A first click puts the highest number first, or the first letter; what has no number comes last.
_SCRIPT = """
document.querySelectorAll("thead button").forEach(button => button.addEventListener("click", () => {
  const head = button.parentElement, table = head.closest("table"), body = table.tBodies[0], rows = [...body.rows];
  const value = row => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent.trim();
  const number = row => { const n = parseFloat(value(row)); return Number.isNaN(n) ? null : n; };
  const numbers = rows.some(row => number(row) !== null) && head.cellIndex > 0;
  const before = head.getAttribute("aria-sort");
  const up = before === "none" ? !numbers : before === "descending";
  const compare = (a, b) => {
    if (!numbers) return value(a).localeCompare(value(b), undefined, {numeric: true}) * (up ? 1 : -1);
    const [x, y] = [number(a), number(b)];
    return x === null || y === null ? (x === null) - (y === null) : (x - y) * (up ? 1 : -1);
  };
  head.parentElement.querySelectorAll("th").forEach(other => other.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  table.classList.add("sorted");
  body.append(...rows.sort(compare));
}));
"""


def page(title: str, parts: Sequence[str]) -> str:
    """Return a whole page; parts are HTML of :func:`table_part` and :func:`losses_part`."""
    colours = {("others" if name == GREY else name): colour for name, colour in web_colours().items()}
    ours = ":root {" + "; ".join(f"--{name}: {colour}" for name, colour in colours.items()) + "}"
    return "\n".join([
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">', '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title>", f"<style>{ours}{_STYLE}</style>", "</head><body>",
        f"<h1>{escape(title)}</h1>", *parts, f"<script>{_SCRIPT}</script>", "</body></html>", "",
    ])  # fmt: skip


def table_part(page: Description, lines: Sequence[Line]) -> str:
    """Return a table: its summary, the chart of each question, and what unfolds, block by block."""
    metric = page.metrics[-1]
    html = [f"<h2>{escape(page.title)}</h2>", *([f"<p>{escape(page.note)}</p>"] if page.note else [])]
    html += [f"<p>Test {escape(metric)}, mean ± standard deviation over seeds, one seed without ±;"]
    html += ["<b>best</b> and <u>second</u> of a column. A click on a column's head sorts by it.</p>"]
    html += [html_tables.summary(page, lines)]
    html += ["<h3>Which method is best?</h3>", html_charts.test_bars(page, lines)]
    html += ["<h3>Which method learns fastest?</h3>", html_charts.validation_curves(lines, metric, by_time=True)]
    html += ["<h3>All of it</h3>", _folded("What the cells mean", f"<p>{html_tables.legend(page)}</p>")]
    for block in blocks(lines):
        row, known = block[0].row, [line for line in block if line.runs]
        inside = [html_tables.block_table(page, block)]
        if known:
            inside += [html_charts.validation_curves(known, metric, by_time=False)]
        inside += [html_charts.loss_parts(line) for line in known if line.name == page.our_name]
        has = f"{len(known)} of {len(block)} methods have records"
        html.append(_folded(f"{row.dataset}, {row.model}: all metrics, settings, tests ({has})", "\n".join(inside)))
    return "\n".join(html)


def losses_part(page: Description, lines: Sequence[Line]) -> str:
    """Return the parts of the loss of each line."""
    return "\n".join([f"<h2>{escape(page.title)}</h2>", *map(html_charts.loss_parts, lines)])


def _folded(summary: str, inside: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>\n{inside}\n</details>"
