"""``recbole-mdcns recommend MODEL --sequences FILE``: the best items for new sequences, from a saved model alone."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from recbole_mdcns.cli.arguments import Parser, check_files
from recbole_mdcns.errors import DataError, UserError, reason_of
from recbole_mdcns.support.path_names import expanded


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("file", type=expanded, metavar="MODEL", help="file of the best self model, or of a peer")
    parser.add_argument(
        "--sequences",
        type=expanded,
        metavar="FILE",
        help="csv, tsv, parquet or atomic file with a user, an item and a time in each line",
    )
    parser.add_argument(
        "--users",
        help="instead of --sequences, users of the run's data: all, ids separated by commas, or a file of ids",
    )
    parser.add_argument("--k", type=int, default=10, help="items for each sequence (10)")
    parser.add_argument("--out", type=expanded, metavar="FILE", help=".csv, .tsv, .jsonl or .parquet (print a table)")
    parser.add_argument("--model", metavar="ROLE", help="self, peer, teacher or best (self; in a peer's file, it)")
    parser.add_argument("--keep_seen", action="store_true", help="recommend items of the sequence too")
    parser.add_argument("--allowed", type=expanded, metavar="FILE", help="recommend these items only, one id a line")
    parser.add_argument("--batch_size", type=int, default=256, metavar="N", help="sequences encoded at once (256)")
    parser.add_argument(
        "--on_unknown", choices=("error", "skip"), default="error", help="for unknown ids and empty sequences (error)"
    )
    parser.add_argument("--columns", metavar="USER,ITEM,TIME", help="columns of the file (those of the training)")
    parser.add_argument("--data_path", type=expanded, metavar="DIR", help="with --users: where the data is now")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1 (cpu)")
    parser.add_argument("--trust_code", action="store_true", help="import the classes that the file names")


def run(options: argparse.Namespace) -> None:
    """Write or print the recommendations.

    Raises:
        UserError: A file or an option cannot be used.
    """
    if (options.sequences is None) == (options.users is None):
        raise UserError("give one of --sequences=FILE and --users (all, ids separated by commas, or a file of ids)")
    for option, needed in (("columns", "sequences"), ("data_path", "users")):
        if getattr(options, option) is not None and getattr(options, needed) is None:
            raise UserError(f"--{option} is not allowed without --{needed}")
    check_files(options.file, options.sequences, options.allowed)
    from recbole_mdcns.recommend import load
    from recbole_mdcns.recommend.arguments import count_of
    from recbole_mdcns.recommend.writers import table_writer

    count_of("k", options.k)
    count_of("batch_size", options.batch_size)
    _check_out(options)
    columns = None if options.columns is None else _columns(options.columns)
    recommender = load(options.file, options.device, options.trust_code)
    options.model = options.model or recommender.roles[0]
    recommender.model_of(options.model)
    allowed = None if options.allowed is None else _lines(options.allowed)
    if allowed is not None:
        recommender.known_items(allowed, str(options.allowed))
    read = _sequences(options, recommender, columns)
    found = recommender.top_items(read, options.k, options.model, not options.keep_seen, allowed, options.batch_size)
    if options.out is None:
        _print(found)
        return
    row_num = 0
    with table_writer(options.out) as writer:
        for table in _with_progress(found, len(read)):
            writer.add(table)
            row_num += len(table)
    is_best = options.model == "best"
    role = f"{recommender.best_role} model, the best on validation" if is_best else f"{options.model} model"
    print(f"{options.out}: {row_num} rows for {len(read)} sequences, by the {role}")


def _check_out(options: argparse.Namespace) -> None:
    """Refuse an output that cannot be written, before anything is read; and one that is an input."""
    from recbole_mdcns.config.outputs import check_writable
    from recbole_mdcns.recommend.writers import check_ending

    out = options.out
    if out is None:
        return
    check_ending(out)
    inputs = (options.file, options.sequences, options.allowed, options.users)
    for path in (expanded(path) for path in inputs if path is not None):
        if os.path.exists(path) and os.path.exists(out) and os.path.samefile(path, out):
            raise UserError(f"--out={out} is not allowed: it is also an input")
    check_writable(out, "out", replaces=Path.is_file)


def _columns(text: str) -> Any:
    from recbole_mdcns.recommend import Columns

    names = text.split(",")
    if len(names) != 3:
        raise UserError(f"--columns={text} is not allowed: give three names, USER,ITEM,TIME")
    return Columns(*names)


def _sequences(options: argparse.Namespace, recommender: Any, columns: Any) -> Any:
    if options.sequences is not None:
        return recommender.read(options.sequences, options.on_unknown, columns, options.model)
    users = None
    if options.users != "all":
        file = expanded(options.users)
        users = _lines(file) if os.path.isfile(file) else options.users.split(",")
    own = recommender.sequences_of_users(users, options.data_path, options.on_unknown)
    return recommender.read(own, options.on_unknown, model=options.model)


def _lines(path: Path) -> list[str]:
    """Return the lines of a file that are not empty."""
    try:
        # not splitlines, to which more characters of an id are ends of lines
        return [line for line in path.read_text(encoding="utf-8-sig").split("\n") if line]
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {reason_of(error)}") from None


def _with_progress(found: Iterable[Any], sequence_num: int) -> Iterator[Any]:
    """Yield the table of each batch, with a bar where somebody watches."""
    from tqdm import tqdm

    with tqdm(total=sequence_num, desc="recommending", unit=" sequences", ncols=100, disable=None) as bar:
        for top in found:
            yield top.table()
            bar.update(len(top.names))


def _print(found: Iterable[Any]) -> None:
    """Print a table, the next lines of it after each batch."""
    from tabulate import tabulate

    headers: Any = "keys"
    for top in found:
        text = tabulate(top.table(), headers=headers, showindex=False, floatfmt=".4f", disable_numparse=[0, 2])
        print(text if headers else "\n".join(text.split("\n")[1:-1]))
        headers = ()
