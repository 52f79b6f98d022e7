"""``recbole-mdcns report``: pages of tables and figures from records."""

from __future__ import annotations

import argparse
from pathlib import Path

from recbole_mdcns.cli.arguments import Parser, check_files
from recbole_mdcns.report.description import read_description, shipped


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    pages = f"yaml files, or of {', '.join(shipped())}"
    parser.add_argument("pages", nargs="+", metavar="PAGE", help=pages)
    parser.add_argument("--records", nargs="+", type=Path, required=True, help="folders of sweeps, packed records")
    parser.add_argument("--datasets", help="separated by commas (all of a table)")
    parser.add_argument("--title", help="title, instead of the page's own")
    parser.add_argument("--note", help="a line to add to the page, such as what else the machine was doing")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pages")


def run(options: argparse.Namespace) -> int:
    """Read the records and write the pages.

    Raises:
        UserError: Records are missing, damaged or contradict each other, or a page cannot be used.
    """
    for page in options.pages:
        read_description(page)
    check_files(*options.records)
    from recbole_mdcns.report import report

    return report.run(options)
