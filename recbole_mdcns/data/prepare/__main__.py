"""Make RecBole's atomic file of a dataset from its raw files, or show the statistics of datasets.

python -m recbole_mdcns.data.prepare NAME --raw FILE... --out DIR
python -m recbole_mdcns.data.prepare stats NAME... --data_path DIR
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from recbole_mdcns.data.kcore import k_core
from recbole_mdcns.data.prepare.interactions import BadLines, Interactions, read_interactions
from recbole_mdcns.data.prepare.raw import EXPOSURE, FORMATS, Selection, find_format
from recbole_mdcns.data.prepare.table2 import read_users_and_items, statistics, statistics_table
from recbole_mdcns.errors import DataError, UserError
from recbole_mdcns.program import run_program
from recbole_mdcns.support.path_names import checked_name
from recbole_mdcns.support.safe_write import remove_abandoned, replacing

PROGRAM = "recbole_mdcns.data.prepare"
_HEADER = b"user_id:token\titem_id:token\ttimestamp:float\n"
_ROWS_AT_ONCE = 100_000
#: Fields of Selection, and the options that set them.
_FLAGS = {"signal": "--signal", "first_day": "--from", "last_day": "--to", "min_rating": "--min-rating"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; see ``errors.py``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return run_program(
        PROGRAM, lambda: _command(arguments), "interrupted; no file was changed", is_process=argv is None
    )


def _command(arguments: list[str]) -> None:
    if arguments[:1] == ["stats"]:
        show_statistics(_stats_parser().parse_args(arguments[1:]))
    else:
        prepare(_prepare_parser().parse_args(arguments))


def prepare(options: argparse.Namespace) -> None:
    """Read raw files, filter, sort, write ``<out>/<name>/<name>.inter`` and print its statistics.

    Args:
        options: As ``_prepare_parser`` makes them.

    Raises:
        UserError: An option is wrong or does not fit the format, or the output exists.
        DataError: A raw file cannot be used, nothing is left to write, or writing fails.
    """
    path = _inter_file(options.out, options.name)
    if path.exists() and not options.overwrite:
        raise UserError(f"{path} exists: add --overwrite to replace it")
    raw_format = find_format(options.name, options.format)
    chosen = _selection(options, raw_format.options)
    bad_lines = BadLines(skip=options.bad_lines == "skip")
    data, row_num = read_interactions(options.raw, raw_format, chosen, bad_lines)
    if bad_lines.count:
        print(bad_lines.report(), file=sys.stderr)

    least = [raw_format.min_count if given is None else given for given in (options.min_user, options.min_item)]
    duplicates = options.duplicates or raw_format.duplicates
    steps = [f"{row_num} interactions read"]
    if chosen != Selection():
        used = [flag for name, flag in _FLAGS.items() if getattr(chosen, name) != getattr(Selection, name)]
        steps.append(f"{len(data)} selected by {', '.join(used)}")
    data = data.take(np.lexsort((data.times, data.users)))  # stable
    if duplicates != "keep":
        data = data.take(~_repeats(data, keep=duplicates))
        steps.append(f"{len(data)} without duplicates")
    if max(least) > 1 and len(data):
        data = data.take(k_core(data.users, data.items, *least))
        steps.append(f"{len(data)} with at least {least[0]} a user and {least[1]} an item")
    if not len(data):
        raise DataError(f"nothing is left of {options.name}: {', '.join(steps)}")

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from None
    remove_abandoned(path.parent, path.name)
    with replacing(path) as file:
        write_inter(file, data)
    print(f"{path}: {', '.join(steps)}\n")
    print(statistics_table({options.name: statistics(data.users, data.items)}))
    where = f"--dataset={shlex.quote(options.name)} --data_path={shlex.quote(str(options.out))}"
    print(f"\nnext: python run_recbole_mdcns.py --model=SASRec {where}")


def write_inter(file: BinaryIO, data: Interactions) -> None:
    """Write interactions in their order as an atomic file; whole times are written without decimals."""
    file.write(_HEADER)
    for start in range(0, len(data), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        columns = zip(data.users[rows].tolist(), data.items[rows].tolist(), data.times[rows].tolist())
        lines = (
            f"{data.user_tokens[user]}\t{data.item_tokens[item]}\t{int(time) if time.is_integer() else time!r}\n"
            for user, item, time in columns
        )
        file.write("".join(lines).encode())


def show_statistics(options: argparse.Namespace) -> None:
    """Print the statistics of datasets, as the paper's Table 2 has them.

    Args:
        options: As ``_stats_parser`` makes them.

    Raises:
        DataError: A dataset is missing or malformed.
    """
    found = {}
    for name in options.names:
        path = _inter_file(options.data_path, name)
        found[name] = statistics(*read_users_and_items(path, options.user_field, options.item_field))
    print(statistics_table(found))


def _repeats(data: Interactions, keep: str) -> np.ndarray:
    """Tell which interactions repeat a user and an item, other than the first or last of them, shape [n]."""
    pairs = data.users.astype(np.int64) * len(data.item_tokens) + data.items
    return pd.Series(pairs).duplicated(keep="last" if keep == "last" else "first").to_numpy()


def _selection(options: argparse.Namespace, allowed: Sequence[str]) -> Selection:
    given = {name: getattr(options, name) for name in _FLAGS if getattr(options, name) is not None}
    for name in given:
        if name not in allowed:
            takes = ", ".join(_FLAGS[name] for name in allowed) or "no such option"
            raise UserError(f"{_FLAGS[name]} does not go with the format of {options.name}, which takes {takes}")
    chosen = Selection(**given)
    if chosen.first_day and chosen.last_day and chosen.first_day > chosen.last_day:
        raise UserError(f"--from={chosen.first_day} is after --to={chosen.last_day}")
    return chosen


def _inter_file(folder: Path, name: str) -> Path:
    return folder / checked_name(name, "dataset") / f"{name}.inter"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UserError(message)


def _prepare_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"python -m {PROGRAM}",
        allow_abbrev=False,
        description="Make RecBole's atomic file <out>/<name>/<name>.inter of a dataset from its raw files.",
        epilog=f"python -m {PROGRAM} stats NAME... --data_path DIR shows the statistics of datasets.",
    )
    add = parser.add_argument
    add("name", help="dataset: amazon-*, lastfm, kuairand*, ml-*, or any name with --format")
    add("--raw", type=Path, nargs="+", required=True, metavar="FILE", help="raw files, read in this order; .gz or not")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the datasets, later --data_path")
    add("--format", choices=list(FORMATS), help="format of the raw files (default: what the name stands for)")
    add("--min-user", type=_count, metavar="N", help="k-core: least interactions of a user (5, MovieLens 0)")
    add("--min-item", type=_count, metavar="N", help="k-core: least interactions of an item (5, MovieLens 0)")
    add(
        "--duplicates",
        choices=["first", "last", "keep"],
        help="which of several interactions of a user and an item stays (HetRec, KuaiRand first; others keep, all)",
    )
    add("--min-rating", type=float, metavar="X", help="Amazon, MovieLens: least rating that counts")
    add("--signal", help=f"KuaiRand: {EXPOSURE} (every row, the default) or a 0/1 column such as is_click, long_view")
    add("--from", type=_day, dest="first_day", metavar="YYYYMMDD", help="KuaiRand: first day")
    add("--to", type=_day, dest="last_day", metavar="YYYYMMDD", help="KuaiRand: last day, inclusive")
    add("--bad-lines", choices=["fail", "skip"], default="fail", help="stop at one (default), or count and name them")
    add("--overwrite", action="store_true", help="replace an existing file")
    return parser


def _stats_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=f"python -m {PROGRAM} stats", allow_abbrev=False, description="Statistics of datasets.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="datasets")
    parser.add_argument("--data_path", type=Path, default=Path("dataset"), metavar="DIR", help="folder of the datasets")
    parser.add_argument("--user-field", default="user_id", help="name of the user column (user_id)")
    parser.add_argument("--item-field", default="item_id", help="name of the item column (item_id)")
    return parser


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


if __name__ == "__main__":
    sys.exit(main())
