"""``recbole-mdcns train`` and ``run_recbole_mdcns``: ``--model=SASRec --dataset=ml-100k ...``, as in RecBole."""

from __future__ import annotations

import argparse

from recbole_mdcns.cli.arguments import Once, Parser

#: Options of a training that --evaluate takes, or refuses, as keys.
_NAMED = ("model", "dataset", "config_files")


def add_arguments(parser: Parser) -> None:
    """Add the options that are no keys."""
    parser.register("action", None, Once)
    parser.add_argument("--model", "-m")
    parser.add_argument("--dataset", "-d")
    parser.add_argument("--config_files")
    parser.add_argument("--evaluate")
    parser.add_argument("--trust_code", action="store_true")


def run(options: argparse.Namespace) -> None:
    """Train, or evaluate a saved model again with ``--evaluate``, or print every key with ``--help``.

    Raises:
        UserError: An option, a key, a file or the data cannot be used.
    """
    if options.help:
        from recbole_mdcns.cli.help import training_help

        print(training_help(options.program))
        return
    if options.evaluate:
        from recbole_mdcns.cli.evaluate import evaluate

        named = [f"--{key}={value}" for key, value in vars(options).items() if key in _NAMED and value is not None]
        evaluate(options.evaluate, [*named, *options.keys], options.trust_code)
        return
    from recbole_mdcns.quick_start import run_recbole_mdcns

    files = options.config_files.split() if options.config_files else None
    command = [*options.program.split(), *options.arguments]
    run_recbole_mdcns(options.model, options.dataset, files, argv=options.keys, command=command, config_dict={})
