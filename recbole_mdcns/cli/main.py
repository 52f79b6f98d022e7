"""The command line: ``recbole-mdcns COMMAND ...``, and ``run_recbole_mdcns ...``, which is the command ``train``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from recbole_mdcns.cli.command import Command
from recbole_mdcns.cli.program import run_program
from recbole_mdcns.errors import FAILURE, INTERRUPTED, PIPE_CLOSED, TERMINATED, USER_ERROR, UserError, nearest
from recbole_mdcns.version import __version__

PROGRAM = "recbole-mdcns"
TRAIN_PROGRAM = "run_recbole_mdcns"

_RESUME = "finished epochs of a training are kept: --resume continues after the last of them"
_AGAIN = "the same command continues where this one stopped"
_NOTHING = "no file was changed"
_WHOLE = "every file is written whole or not at all"

#: Every command by its name. A new command is a line here and a module in this folder.
COMMANDS = {
    name: Command(f"{__package__}.{name.replace('-', '_')}", about, interrupted, takes_keys)
    for name, about, interrupted, takes_keys in (
        ("train", "train a model and its peer, and evaluate the best epoch", _RESUME, True),
        ("evaluate", "evaluate a saved model: other metrics, cut-offs, splits or data", _NOTHING, True),
        ("recommend", "the best items for new sequences, from a saved model alone", _NOTHING, False),
        ("sweep", "train every trial of a sweep that has no record yet", _AGAIN, False),
        ("status", "how far each cell of a sweep is, and the hours of the rest", _NOTHING, False),
        ("best", "the setting that validation chose in each cell of a sweep", _NOTHING, False),
        ("export", "the records of a sweep as a table, or packed into one file", _WHOLE, False),
        ("export-model", "the encoder of a saved model as ONNX, and its item embeddings", _WHOLE, False),
        ("report", "pages of tables and figures from records", "the same command writes the pages again", False),
        ("reproduce", "train what a table of the paper lacks, and write its page", _AGAIN, False),
        ("prepare", "make the atomic file of a dataset from its raw files", _NOTHING, False),
        ("stats", "count the users, items and interactions of datasets", _NOTHING, False),
    )
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``recbole-mdcns`` and return its exit code; see ``errors.py``.

    Args:
        argv: The arguments after the program's name; those of this process by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in COMMANDS:
        name = arguments[0]
        return COMMANDS[name].main(f"{PROGRAM} {name}", arguments[1:], is_process=argv is None)
    return run_program(PROGRAM, lambda: _without_command(arguments), "interrupted", is_process=argv is None)


def train_main(argv: Sequence[str] | None = None) -> int:
    """Run ``run_recbole_mdcns`` and return its exit code; see ``errors.py``.

    Args:
        argv: The arguments after the program's name; those of this process by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    return COMMANDS["train"].main(TRAIN_PROGRAM, arguments, is_process=argv is None)


def overview() -> str:
    """Return the output of ``recbole-mdcns --help``: a line for each command."""
    lines = [f"  {name:<12} {command.about}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {PROGRAM} COMMAND ...", "", *lines, "",
            f"{PROGRAM} COMMAND --help shows the options of a command.",
            f"Exit codes: 0 done, {FAILURE} failed, {USER_ERROR} a mistake in the input, {INTERRUPTED} Ctrl-C,",
            f"{TERMINATED} SIGTERM, {PIPE_CLOSED} closed output.",
            "The pages in docs/ of the repository explain them, from quickstart.md on.",
        ]
    )  # fmt: skip


def _without_command(arguments: list[str]) -> None:
    first = arguments[0] if arguments else None
    if first in ("--help", "-h"):
        print(overview())
    elif first == "--version":
        print(__version__)
    elif first is None:
        raise UserError(f"a command is missing: choose {', '.join(COMMANDS)}")
    else:
        raise UserError(f"{first!r} is not a command{nearest(first, COMMANDS)}: choose {', '.join(COMMANDS)}")
