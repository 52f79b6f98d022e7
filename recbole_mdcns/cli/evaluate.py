"""``recbole-mdcns evaluate FILE --topk=50``: a saved model by other metrics, cut-offs, splits or data."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from recbole_mdcns.cli.arguments import Parser, check_files
from recbole_mdcns.errors import UserError


def add_arguments(parser: Parser) -> None:
    """Add the options that are not keys."""
    parser.add_argument("file", nargs="?")
    parser.add_argument("--trust_code", action="store_true")


def run(options: argparse.Namespace) -> None:
    """Print the metrics of a saved model, and write them with ``--result_file``.

    Raises:
        UserError: See :func:`~recbole_mdcns.quick_start.evaluate_saved`.
    """
    if options.help:
        from recbole_mdcns.cli.help import evaluation_help

        print(evaluation_help(options.program))
        return
    if not options.arguments or options.arguments[0] != options.file:
        raise UserError("the file of the saved model must come first: evaluate saved/MODEL.pth --topk=50")
    evaluate(options.file, options.keys, options.trust_code)


def evaluate(model_file: str, argv: list[str], trust_code: bool = False) -> None:
    """Evaluate a saved model, print a table, and write the file that the keys ask for.

    Args:
        model_file: A file of the best self model, or of a peer.
        argv: Keys as ``--key=value``; ``--split`` and ``--result_file`` among them.
        trust_code: See :func:`~recbole_mdcns.quick_start.load_data_and_model`.

    Raises:
        UserError: See :func:`~recbole_mdcns.quick_start.evaluate_saved`.
    """
    from recbole_mdcns.config.evaluation_keys import check_evaluation_keys
    from recbole_mdcns.config.values import literal, parse_key_values

    written = parse_key_values(argv)  # a dataset may be called 2018
    keys = {key: value if key == "dataset" else literal(value) for key, value in written.items()}
    split, result_file = keys.pop("split", "test"), keys.pop("result_file", None)
    check_evaluation_keys(keys)
    check_files(model_file)
    from tabulate import tabulate

    from recbole_mdcns.config.allowed import Allowed
    from recbole_mdcns.config.outputs import check_writable, is_evaluation
    from recbole_mdcns.quick_start import evaluate_checkpoint
    from recbole_mdcns.records.environment import versions
    from recbole_mdcns.support.safe_write import replacing

    if result_file:
        result_file = Allowed(("path",)).check("result_file", result_file)
        check_writable(result_file, replaces=is_evaluation)
    config, metrics = evaluate_checkpoint(model_file, split, trust_code, keys=keys)
    print(tabulate([[split, *metrics.values()]], headers=["split", *metrics], floatfmt=".4f", tablefmt="github"))
    if result_file:
        result = {
            "model_file": model_file,
            "split": split,
            "metrics": metrics,
            "config": config.plain(),
            "versions": versions(),
        }
        with replacing(Path(result_file)) as file:
            file.write(json.dumps(result, indent=1, allow_nan=False).encode() + b"\n")
