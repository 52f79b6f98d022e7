"""``recbole-mdcns reproduce``: train what a table of the paper lacks, and write its page."""

from __future__ import annotations

import argparse
from pathlib import Path

from recbole_mdcns.cli.arguments import Parser, check_files
from recbole_mdcns.report.description import read_description, shipped
from recbole_mdcns.report.description_file import TABLES
from recbole_mdcns.support.path_names import expanded
from recbole_mdcns.tuning.engine_options import add_engine_arguments


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    tables = [name for name in shipped() if read_description(name).page in TABLES]
    parser.add_argument("page", metavar="PAGE", help=f"yaml file of a table, or one of {', '.join(tables)}")
    parser.add_argument("--datasets", help="separated by commas, by either of their names (all of the table)")
    parser.add_argument("--models", help="separated by commas (all of the table)")
    parser.add_argument("--methods", help="separated by commas, as the table names them (all)")
    parser.add_argument("--seeds", default="1,2,3", help="separated by commas (1,2,3)")
    parser.add_argument("--tune_seeds", help="those of --seeds that every setting is tried with (the first)")
    parser.add_argument("--budget", help="limit of epochs and patience, by its name in the page (the first)")
    parser.add_argument(
        "--grid", type=expanded, help="yaml file of a sweep with a space, instead of the one that the page names"
    )
    parser.add_argument("--data_path", default="dataset/", metavar="DIR", help="folder of the datasets (dataset/)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a fixed key for all runs")
    parser.add_argument("--reuse", nargs="+", type=expanded, default=[], help="finished records, packed or in a folder")
    parser.add_argument(
        "--storage",
        type=expanded,
        default=Path("sweeps"),
        metavar="DIR",
        help="folder of the trials and records (sweeps)",
    )
    add_engine_arguments(parser)
    parser.add_argument("--gpus", type=float, default=0, help="GPUs of one trial (0)")
    parser.add_argument("--cpus", type=float, default=1, help="CPUs of one trial (1)")
    out = Path("tables")
    parser.add_argument("--out", type=expanded, default=out, metavar="DIR", help=f"folder of the pages ({out})")


def run(options: argparse.Namespace) -> int:
    """Run the trials of every line that was asked for, write the pages, and return 1 where trials failed.

    Raises:
        UserError: A name is unknown, or a configuration cannot be used; before any trial starts.
    """
    read_description(options.page)
    check_files(*options.reuse)
    if options.grid is not None:
        from recbole_mdcns.tuning.sweep_file import find_sweep

        options.grid = find_sweep(options.grid)
    from recbole_mdcns.report import reproduce

    return reproduce.run(options)
