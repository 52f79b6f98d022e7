"""The usual step, which several scripts vary or split into phases: its sizes, its options and its synthetic users."""

from __future__ import annotations

import argparse
import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from synthetic import write_equal_users

#: Candidates N, window L, items V and batch size.
USUAL = {"N": 100, "L": 50, "V": 12_000, "batch": 1024}
#: The name of the synthetic dataset.
DATASET = "made"


def step_parser(about: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that these scripts share."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--warm_up", type=int, default=3)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--usual", nargs="+", type=_size, default=[], metavar="NAME=SIZE", help=f"instead of {USUAL}")
    return parser


def parse_step(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the options, let torch have the threads, and silence RecBole's log; ``usual`` is then a dictionary."""
    options = parser.parse_args()
    options.usual = {**USUAL, **dict(options.usual)}
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)
    return options


def _size(text: str) -> tuple[str, int]:
    name, _, size = text.partition("=")
    if name not in USUAL or not size.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not allowed: give one of {', '.join(USUAL)}, =, and its size")
    return name, int(size)


@contextlib.contextmanager
def synthetic_users(options: argparse.Namespace, size: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Write users of 2 L items each, and give the keys to read them.

    Args:
        options: ``users``, the fewest of them.
        size: V and L.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_equal_users(Path(folder), DATASET, options.users, 2 * size["L"], size["V"])
        yield {"data_path": folder, "MAX_ITEM_LIST_LENGTH": size["L"]}
