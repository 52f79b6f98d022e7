"""``recbole-mdcns prepare``: make RecBole's atomic file of a dataset from its raw files."""

from __future__ import annotations

import argparse
import datetime
import shlex
from pathlib import Path

from recbole_mdcns.cli.arguments import Parser, check_files
from recbole_mdcns.data.prepare.raw import EXPOSURE, FORMATS


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("name", help="dataset: amazon-*, lastfm, kuairand*, ml-*, or any name with --format")
    add("--raw", type=Path, nargs="+", required=True, metavar="FILE", help="raw files, read in this order; .gz or not")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the datasets, later --data_path")
    add("--format", choices=list(FORMATS), help="format of the raw files (default: what the name stands for)")
    add("--min_user", type=_count, metavar="N", help="k-core: least interactions of a user (5, MovieLens 0)")
    add("--min_item", type=_count, metavar="N", help="k-core: least interactions of an item (5, MovieLens 0)")
    add(
        "--duplicates",
        choices=["first", "last", "keep"],
        help="which of several interactions of a user and an item stays (HetRec, KuaiRand first; others keep, all)",
    )
    add("--min_rating", type=float, metavar="X", help="Amazon, MovieLens: least rating that counts")
    add("--signal", help=f"KuaiRand: {EXPOSURE} (every row, the default) or a 0/1 column such as is_click, long_view")
    add("--from", type=_day, dest="first_day", metavar="YYYYMMDD", help="KuaiRand: first day")
    add("--to", type=_day, dest="last_day", metavar="YYYYMMDD", help="KuaiRand: last day, inclusive")
    add("--bad_lines", choices=["fail", "skip"], default="fail", help="stop at one (default), or count and name them")
    add("--overwrite", action="store_true", help="replace an existing file")


def run(options: argparse.Namespace) -> None:
    """Write the file, and print its statistics and the command that trains on it.

    Raises:
        UserError: See :func:`~recbole_mdcns.data.prepare.prepare.prepare`.
    """
    check_files(*options.raw)
    from recbole_mdcns.data.prepare.prepare import SELECTION_FLAGS, prepare
    from recbole_mdcns.data.prepare.table2 import statistics_table

    given = {field: getattr(options, field) for field in SELECTION_FLAGS}
    prepared = prepare(
        options.name,
        options.raw,
        options.out,
        options.format,
        selection={field: value for field, value in given.items() if value is not None},
        min_user=options.min_user,
        min_item=options.min_item,
        duplicates=options.duplicates,
        skip_bad_lines=options.bad_lines == "skip",
        overwrite=options.overwrite,
    )
    print(f"{prepared.path}: {', '.join(prepared.steps)}\n")
    print(statistics_table({options.name: prepared.statistics}))
    where = f"--dataset={shlex.quote(options.name)} --data_path={shlex.quote(str(options.out))}"
    print(f"\nnext: recbole-mdcns train --model=SASRec {where}")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def _day(text: str) -> str:
    try:
        if len(text) != 8:
            raise ValueError
        datetime.datetime.strptime(text, "%Y%m%d")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day YYYYMMDD") from None
    return text
