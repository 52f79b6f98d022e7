"""The command line: ``run_recbole_mdcns --model=SASRec --dataset=ml-100k --key=value ...``."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Sequence

from recbole_mdcns import __version__
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.program import run_program

PROGRAM = "run_recbole_mdcns"
#: Options of a training that --evaluate takes, or refuses, as keys.
_NAMED = ("model", "dataset", "config_files")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; see ``errors.py``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # so that --model=package.module:Class finds the user's own modules
    advice = "interrupted; add --resume to go on from the last finished epoch"
    return run_program(PROGRAM, lambda: _run(arguments), advice, "--state=DEBUG" in arguments, is_process=argv is None)


def _run(arguments: list[str]) -> None:
    options, keys = _parse(arguments)
    if options.help:
        print(help_text(), flush=True)
        return
    if options.evaluate:
        from recbole_mdcns.evaluate_saved import evaluate_command

        named = [f"--{key}={value}" for key, value in vars(options).items() if key in _NAMED and value is not None]
        evaluate_command(options.evaluate, [*named, *keys], options.trust_code)
        return
    from recbole_mdcns.quick_start import run_recbole_mdcns

    files = options.config_files.split() if options.config_files else None
    run_recbole_mdcns(options.model, options.dataset, files, argv=keys, command=[PROGRAM, *arguments], config_dict={})


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Split RecBole's three options from the keys, which become ``--key=value`` whatever way they were written."""
    if "--" in arguments:
        raise ConfigError("argument '--' is not understood: write --key=value")
    parser = _Parser(prog=PROGRAM, add_help=False, allow_abbrev=False)
    parser.register("action", None, _Once)
    parser.add_argument("--model", "-m")
    parser.add_argument("--dataset", "-d")
    parser.add_argument("--config_files")
    parser.add_argument("--evaluate")
    parser.add_argument("--trust_code", action="store_true")
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--version", action="version", version=__version__)
    options, rest = parser.parse_known_args(arguments)
    keys: list[str] = []
    for argument in rest:
        if argument.startswith("--"):
            keys.append(argument)
        elif keys and "=" not in keys[-1]:
            keys[-1] += f"={argument}"  # --key value
        else:
            raise ConfigError(f"argument {argument!r} is not understood: write --key=value")
    return options, keys


class _Once(argparse.Action):
    """Take an option with a value, whatever its short form, once or with the same value again."""

    def __call__(self, parser, namespace, values, option_string=None):
        before = getattr(namespace, self.dest)
        if before not in (None, values):
            raise ConfigError(f"--{self.dest} is given twice: {before!r} and {values!r}")
        if not values.strip():
            raise ConfigError(f"--{self.dest} = {values!r} has no value")
        setattr(namespace, self.dest, values)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise ConfigError(message)


def help_text() -> str:
    """Return what ``--help`` prints: usage, and every key of ours with its meaning, type, default and symbol."""
    from recbole_mdcns.config.keys import own_keys

    lines = [
        f"usage: {PROGRAM} --model=NAME --dataset=NAME [--config_files 'a.yaml b.yaml'] [--key=value ...]",
        "",
        "  -m, --model        self model: a sequential model of RecBole or package.module:Class",
        "  -d, --dataset      dataset: <data_path>/<name>/<name>.inter; ml-100k needs no download",
        "  --config_files     yaml files, separated by spaces",
        "  --evaluate=FILE    evaluate a saved model again: --split=valid|test, --topk, --metrics, --data_path",
        "  --trust_code       import classes of your own that FILE names",
        "  --key=value        any key below, and any key of RecBole",
        "  --state=DEBUG      verbose log, and the traceback of an error",
        "  --peer.key=value   a key of the peer model, or its learning_rate, learner, weight_decay",
    ]
    section = ""
    for key in own_keys().values():
        if key.section != section:
            section = key.section
            lines += ["", f"{section}:"]
        symbol = f" [{key.symbol}]" if key.symbol else ""
        default = "~" if key.default is None else key.default
        lines.append(f"  --{key.name}={default}{symbol}  ({key.allowed})")
        lines += textwrap.wrap(key.help, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
