"""``recbole-mdcns reproduce``: train what a table of the paper lacks, and write its page."""

from __future__ import annotations

import argparse
from pathlib import Path

from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.tuning.engine_options import add_engine_arguments


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("page", metavar="PAGE", help="yaml file of a table, or the name of one in properties/report")
    parser.add_argument("--datasets", help="by commas, by either of their names; all of the table without")
    parser.add_argument("--models", help="by commas")
    parser.add_argument("--methods", help="by commas, as the table names them")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--tune_seeds", help="of those, the seeds that all settings are tried with; the first without")
    parser.add_argument("--budget", help="the most epochs and the patience, by a name of the page; its first without")
    parser.add_argument("--grid", type=Path, help="yaml file of a sweep with a space, instead of the page's")
    parser.add_argument("--data_path", default="dataset/")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a fixed key for all runs")
    parser.add_argument("--reuse", nargs="+", type=Path, default=[], help="records, packed or a folder: they are done")
    parser.add_argument("--storage", type=Path, default=Path("sweeps"))
    add_engine_arguments(parser)
    parser.add_argument("--gpus", type=float, default=0, help="of one trial")
    parser.add_argument("--cpus", type=float, default=1, help="of one trial")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/paper"), help="folder of the pages")


def run(options: argparse.Namespace) -> int:
    """Run the trials of every line that was asked for, write the pages, and return 1 where trials failed.

    Raises:
        UserError: A name is unknown, or a configuration cannot be used; before any trial starts.
    """
    from recbole_mdcns.report import reproduce

    return reproduce.run(options)
