"""Pages of results from records alone, as yaml files describe them: any methods, datasets, backbones and metrics.

    recbole-mdcns report table3 table6 --records benchmarks/results/paper --out pages
    recbole-mdcns report my_table.yaml --records sweeps/mine --out pages
    recbole-mdcns report side_by_side --records sweeps/mine --out pages

A page is a yaml file, or the name of one in properties/report. Tables write README.md with all at a glance, NAME.md,
NAME.tex and NAME.png for each of them, a page and a file of packed records for each dataset, and one index.html with
figures, which works without a network. Existing packed records are kept unless a given record of the same trial has
test metrics. A cell without a record is marked as missing, with the command that fills it.
Needs matplotlib.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.files import SUFFIX, pack_records, read_records
from recbole_mdcns.records.record import AnyRecord, Record
from recbole_mdcns.report import html_page
from recbole_mdcns.report.cells import fill, unique
from recbole_mdcns.report.dataset_page import dataset_page
from recbole_mdcns.report.description import Description, read_description
from recbole_mdcns.report.description_file import TABLES
from recbole_mdcns.report.latex import latex
from recbole_mdcns.report.lines import Line
from recbole_mdcns.report.markdown import markdown
from recbole_mdcns.report.overview import overview
from recbole_mdcns.report.pictures import draw_losses, draw_table
from recbole_mdcns.report.sensitivity import write_sensitivity
from recbole_mdcns.report.side_by_side import write_side_by_side
from recbole_mdcns.report.sources import make_folder, write_page
from recbole_mdcns.tuning.one_data import check_one_data


def run(options: argparse.Namespace) -> int:
    """Read the records and write the pages.

    Raises:
        UserError: Records are missing, damaged or contradict each other, or a page cannot be used.
    """
    pages = [read_description(source) for source in options.pages]
    given = {name: value for name, value in (("title", options.title), ("note", options.note)) if value}
    pages = [replace(page, **given) for page in pages]
    datasets = options.datasets.split(",") if options.datasets else None
    records, timed = (
        [record for path in paths for record in read_records(path)] for paths in (options.records, options.times)
    )
    if pages[0].page in TABLES:
        records = with_packed(records, options.out)
    else:
        for option, value in (("--datasets", options.datasets), ("--times", options.times)):
            if value:
                raise UserError(f"{option} is not allowed for a page of {pages[0].page}, which shows all --records")
    write_report(pages, records, options.out, datasets, timed)
    return 0


def write_report(
    pages: Sequence[Description],
    records: Sequence[AnyRecord],
    out: Path,
    datasets: list[str] | None = None,
    timed: Sequence[AnyRecord] = (),
) -> None:
    """Write pages, and next to them the records that they are made from.

    Args:
        pages: Tables and losses together, or one page of another kind.
        records: Records of all trials.
        out: The folder of the pages.
        datasets: The datasets shown in tables, by either of their names; None for all.
        timed: Further records, whose epochs only price what is missing.

    Raises:
        UserError: Records are missing, damaged or contradict each other.
    """
    known = unique(records)
    if not known:
        raise UserError("no record is of a trial that succeeded: there is nothing to show")
    check_one_data(known)
    kinds = {page.page for page in pages}
    if not kinds <= set(TABLES) and len(pages) > 1:
        raise UserError("a page of side_by_side or sensitivity is written alone: give one page")
    if kinds == {"side_by_side"}:
        write_side_by_side(pages[0], known, out)
    elif kinds == {"sensitivity"}:
        write_sensitivity(pages[0], known, out)
    else:
        _write_tables(pages, known, out, datasets, [record for record in timed if isinstance(record, Record)])


def with_packed(records: Sequence[AnyRecord], out: Path) -> list[AnyRecord]:
    """Add to records those packed next to the pages that are missing, or have no test metrics, among them."""
    keys = {record.trial.key for record in records if isinstance(record, Record) and record.test}
    packed = [record for path in sorted(out.glob(f"*{SUFFIX}")) for record in read_records(path)]
    return [*records, *(record for record in packed if record.trial.key not in keys)]


def _write_tables(
    pages: Sequence[Description], records: list[Record], out: Path, datasets: list[str] | None, timed: list[Record]
) -> None:
    tables: list[tuple[Description, list[Line]]] = [(page, fill(page, records, datasets)) for page in pages]
    known = sorted({record.dataset for record in records if record.test})
    _check_names(pages, known)
    make_folder(out)  # what is refused leaves none
    parts: list[str] = []
    for page, lines in tables:
        if page.page == "losses":
            parts.append(_losses(page, lines, out / f"{page.name}.png"))
            continue
        picture = f"{page.name}.png" if draw_table(page, lines, out / f"{page.name}.png") else None
        write_page(out / f"{page.name}.md", markdown(page, lines, picture))
        write_page(out / f"{page.name}.tex", latex(page, lines))
        parts.append(html_page.table_part(page, lines))
        print(f"{out / page.name}.md: {sum(bool(line.runs) for line in lines)} of {len(lines)} lines have records")
    write_page(out / "index.html", html_page.page(pages[0].overview[0], parts))
    write_page(out / "README.md", overview(tables, known, records, timed))
    metrics = list(dict.fromkeys(metric for page in pages for metric in page.dataset_metrics))
    for dataset in known:
        write_page(out / f"{dataset}.md", dataset_page(dataset, records, metrics, pages[0].role_of))
    for dataset in {record.dataset for record in records}:
        pack_records([record for record in records if record.dataset == dataset], out / f"{dataset}{SUFFIX}")


def _check_names(pages: Sequence[Description], datasets: Sequence[str]) -> None:
    """Refuse pages whose files would replace those of another page, of a dataset, or the front page.

    Raises:
        UserError: Names the page.
    """
    taken = {"README", *datasets}
    for page in pages:
        if page.name in taken:
            raise UserError(f"page {page.source}: {page.name}.md would replace another page: rename the file")
        taken.add(page.name)


def _losses(page: Description, lines: Sequence[Line], path: Path) -> str:
    """Draw the parts of the loss by epoch, a panel per dataset with a record, and return them as HTML too.

    Raises:
        UserError: No record of its methods is there.
    """
    known = [line for line in lines if line.runs]
    if not known:
        methods = ", ".join(dict.fromkeys(line.row.method.method for line in lines))
        raise UserError(f"{page.source} needs a record of {methods}: recbole-mdcns reproduce {page.source}")
    draw_losses(known, path)
    print(f"{path}: {len(known)} of {len(lines)} datasets have records")
    return html_page.losses_part(page, known)
