"""``recbole-mdcns report``: pages of tables and figures from records."""

from __future__ import annotations

import argparse

from recbole_mdcns.cli.arguments import Parser, check_files
from recbole_mdcns.report.description import read_description, shipped
from recbole_mdcns.support.path_names import expanded


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("pages", nargs="+", metavar="PAGE", help=f"a yaml file that describes a page, or one of {', '.join(shipped())}")
    records = "where the records are: the folder of a sweep, a folder of records, or a file of packed records"
    add("--records", nargs="+", type=expanded, required=True, metavar="PATH", help=records)
    add("--datasets", metavar="NAMES", help="the datasets to show, separated by commas (all that a table has)")
    add(
        "--times",
        nargs="+",
        type=expanded,
        default=[],
        metavar="PATH",
        help="further records, for the price of gaps alone",
    )
    add("--title", metavar="TEXT", help="the title of the page, instead of its own")
    add("--note", metavar="TEXT", help="a line to add to the page, such as what else the machine was doing")
    add("--out", type=expanded, required=True, metavar="DIR", help="the folder that the pages are written to")


def run(options: argparse.Namespace) -> int:
    """Read the records and write the pages.

    Raises:
        UserError: Records are missing, damaged or contradict each other, or a page cannot be used.
    """
    for page in options.pages:
        read_description(page)
    check_files(*options.records, *options.times)
    from recbole_mdcns.report import report

    return report.run(options)
