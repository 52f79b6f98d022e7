"""``recbole-mdcns prepare``: make RecBole's atomic file of a dataset from its raw files."""

from __future__ import annotations

import argparse
import datetime
import shlex
from typing import TYPE_CHECKING

from recbole_mdcns.cli.arguments import Parser, check_files
from recbole_mdcns.data.prepare.formats import EXPOSURE, FORMATS
from recbole_mdcns.support.path_names import expanded

if TYPE_CHECKING:
    from recbole_mdcns.data.prepare.prepare import Prepared


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("name", help="dataset: amazon-*, lastfm, kuairand*, ml-*, or any name with --format")
    add(
        "--raw",
        type=expanded,
        nargs="+",
        required=True,
        metavar="FILE",
        help="raw files, read in this order; .gz or not",
    )
    add("--out", type=expanded, required=True, metavar="DIR", help="folder of the datasets, later --data_path")
    add(
        "--format",
        choices=list(FORMATS),
        help="of the raw files (that of the name); table: your own csv or tsv with a header",
    )
    add("--columns", type=_columns, metavar="USER,ITEM,TIME", help="table: its columns (user_id,item_id,timestamp)")
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
    keys = {"dataset": options.name, "data_path": str(options.out), **_keys_of_few_items(options.name, prepared)}
    print("\nnext: recbole-mdcns train --model=SASRec", *(f"--{key}={shlex.quote(keys[key])}" for key in keys))


def _keys_of_few_items(name: str, prepared: Prepared) -> dict[str, str]:
    """Return the keys that a training needs where the items are too few for the defaults."""
    from recbole_mdcns.config.keys import dataset_keys, own_keys

    given = dataset_keys(name)
    names = ("topk", "valid_metric", "neg_candidate_num")
    topk, valid_metric, candidate_num = (given.get(key, own_keys()[key].default) for key in names)
    items, left, keys = int(prepared.statistics["items"]), prepared.fewest_left, {}
    if max(topk) > items:
        cutoffs = [k for k in topk if k <= items] or [items]
        keys["topk"] = str(cutoffs).replace(" ", "")
        metric, _, cutoff = valid_metric.partition("@")
        if int(cutoff) not in cutoffs:
            keys["valid_metric"] = f"{metric}@{cutoffs[-1]}"
    if left < 1:
        keys["ranking_loss"] = "CE"  # which draws no candidates
    elif candidate_num > left:
        keys["neg_candidate_num"] = str(left)
    return keys


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def _columns(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if len(set(names)) != 3 or len(names) != 3 or "" in names:
        raise argparse.ArgumentTypeError(f"{text!r} is not three different names USER,ITEM,TIME")
    return names


def _day(text: str) -> str:
    try:
        if len(text) != 8:
            raise ValueError
        datetime.datetime.strptime(text, "%Y%m%d")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day YYYYMMDD") from None
    return text
