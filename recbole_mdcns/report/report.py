"""The paper's tables from records alone, the paper's value beside ours.

    recbole-mdcns report table3 table6 --records benchmarks/results/paper --out pages

Writes README.md with all at a glance, TABLE.md, TABLE.tex and TABLE.png for each table (figure3.png for Figure 3), a
page and a file of packed records for each dataset, and one index.html with figures, which works without a network.
Records that were packed in that folder before stay, but for trials whose test the given ones have.
Cells without a record are missing, with the command that fills them. Needs matplotlib.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.packed import SUFFIX, pack_records, read_records
from recbole_mdcns.report import html_page
from recbole_mdcns.report import paper as layout
from recbole_mdcns.report.cells import Line, fill, unique
from recbole_mdcns.report.dataset_page import dataset_page
from recbole_mdcns.report.overview import overview
from recbole_mdcns.report.pictures import draw_losses, draw_table
from recbole_mdcns.report.render import latex, markdown
from recbole_mdcns.report.sources import make_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("tables", nargs="+", choices=list(layout.TITLES))
    parser.add_argument("--records", nargs="+", type=Path, required=True, help="folders of sweeps, packed records")
    parser.add_argument("--datasets", help="by commas; all of a table without")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pages")


def run(options: argparse.Namespace) -> None:
    """Read the records, write the pages.

    Raises:
        UserError: Records are missing, damaged or contradict each other.
    """
    datasets = options.datasets.split(",") if options.datasets else None
    given = [record for path in options.records for record in read_records(path)]
    write_report(options.tables, with_packed(given, options.out), options.out, datasets)


def write_report(
    tables: Sequence[str], records: Sequence[dict[str, Any]], out: Path, datasets: list[str] | None = None
) -> None:
    """Write the pages of some tables, and the records beside them.

    Raises:
        UserError: Records are missing, damaged or contradict each other.
    """
    records = unique(records)
    make_folder(out)
    parts: list[str] = []
    filled: dict[str, list[Line]] = {}
    for table in tables:
        metrics = layout.metrics(table)
        lines = filled[table] = fill(layout.rows(table, datasets), records, metrics)
        if table == "figure3":
            parts += loss_curves(lines, out / "figure3.png")
            continue
        picture = f"{table}.png" if draw_table(lines, metrics[-1], out / f"{table}.png") else None
        (out / f"{table}.md").write_text(markdown(table, lines, metrics, picture), encoding="utf-8")
        (out / f"{table}.tex").write_text(latex(table, lines, metrics), encoding="utf-8")
        parts += [html_page.table_part(table, lines, metrics), *figures(lines, metrics[-1])]
        print(f"{out / table}.md: {sum(bool(line.runs) for line in lines)} of {len(lines)} lines have records")
    (out / "index.html").write_text(html_page.page("MDCNS: the paper's tables and ours", parts), encoding="utf-8")
    known = sorted({record["dataset"] for record in records if record["test"]})
    (out / "README.md").write_text(overview(filled, known, records), encoding="utf-8")
    for dataset in known:
        text = dataset_page(dataset, records, ["recall@10", "ndcg@10", "recall@20", "ndcg@20"])
        (out / f"{dataset}.md").write_text(text, encoding="utf-8")
    for dataset in {record["dataset"] for record in records}:
        pack_records([record for record in records if record["dataset"] == dataset], out / f"{dataset}{SUFFIX}")


def with_packed(records: Sequence[dict[str, Any]], out: Path) -> list[dict[str, Any]]:
    """Return records, and those packed beside the pages in a folder, but for trials whose test the former have."""
    keys = {record["trial"]["key"] for record in records if record.get("test")}
    packed = [record for path in out.glob(f"*{SUFFIX}") for record in read_records(path)]
    return [*records, *(record for record in packed if record["trial"]["key"] not in keys)]


def loss_curves(lines: Sequence[Line], path: Path) -> list[str]:
    """Draw the parts of the loss by epoch, a panel per dataset with a record, and return them as HTML too.

    Raises:
        UserError: No record of MDCNS is there.
    """
    known = [line for line in lines if line.runs]
    if not known:
        raise UserError("figure3 needs a record of mdcns: recbole-mdcns reproduce figure3 --datasets beauty")
    draw_losses(known, path)
    print(f"{path}: {len(known)} of {len(lines)} datasets have records")
    return [html_page.figure_part(html_page.losses(line)) for line in known]


def figures(lines: Sequence[Line], metric: str) -> list[str]:
    """Return the figures of a table as HTML: bars of all, then curves and losses of what has records."""
    found = [html_page.figure_part(html_page.bars(lines, metric))]
    for _, block in groupby(lines, key=lambda line: (line.row.dataset, line.row.backbone)):
        group = [line for line in block if line.runs]
        if group:
            found += [html_page.figure_part(html_page.curves(group, metric, by_time)) for by_time in (False, True)]
        whole = [line for line in group if line.row.method == "MDCNS"]
        found += [html_page.figure_part(html_page.losses(line)) for line in whole]
    return found
