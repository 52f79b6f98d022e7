"""The output of ``--help`` for commands that take keys, generated from the keys."""

from __future__ import annotations

import textwrap

from recbole_mdcns.config.evaluation_keys import EVALUATION_KEYS
from recbole_mdcns.config.key_pages import help_lines
from recbole_mdcns.config.keys import own_keys


def training_help(program: str) -> str:
    """Return usage and options of a training, and every key of ours with its meaning, type, default and symbol."""
    lines = [
        f"usage: {program} --model=NAME --dataset=NAME [--config_files 'a.yaml b.yaml'] [--key=value ...]",
        "",
        "  -m, --model        self model: a sequential model of RecBole or package.module:Class",
        "  -d, --dataset      dataset: <data_path>/<name>/<name>.inter; ml-100k needs no download",
        "  --config_files     yaml files, separated by spaces, or one whose path has spaces",
        "  --evaluate=FILE    evaluate a saved model again: --split=valid|test, --topk, --metrics, --data_path",
        "  --trust_code       import classes of your own that FILE names",
        "  --ray              train in several processes by Ray Train, with these options:",
        "    --workers=N          the number of processes",
        "    --gpus_per_worker=G  1: a GPU for each; 0: on CPUs (0)",
        "    --cpus_per_worker=C  CPUs for each (1)",
        "    --max_failures=M     start again after so many deaths of processes (3)",
        "    --address=A          a running cluster, or auto; Ray starts here without it",
        "  --key=value        any key below, and any key of RecBole",
        "  --state=DEBUG      verbose log, and the traceback of an error",
        "  --peer.key=value   a key of the peer model, or its learner, learning_rate, weight_decay, item_init_range",
    ]
    return "\n".join([*lines, *help_lines()])


def evaluation_help(program: str) -> str:
    """Return usage and options of an evaluation, and the keys that it may change."""
    recboles = [name for name in EVALUATION_KEYS if name not in own_keys()]
    lines = [
        f"usage: {program} FILE [--split=valid|test] [--key=value ...]",
        "",
        "  FILE               a saved model: the best self model, or a peer",
        "  --split=NAME       split to evaluate on, valid or test (test)",
        "  --result_file=FILE write the metrics to this JSON file",
        "  --trust_code       import classes of your own that FILE names",
        "  --key=value        any key below, which is as in the training where it is not given",
        "  --state=DEBUG      verbose log, and the traceback of an error",
        "",
        "keys of RecBole:",
        *textwrap.wrap(", ".join(recboles), 100, initial_indent="  ", subsequent_indent="  "),
    ]
    return "\n".join([*lines, *help_lines(EVALUATION_KEYS)])
