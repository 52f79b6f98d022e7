"""``recbole-mdcns train`` and ``run_recbole_mdcns``: ``--model=SASRec --dataset=ml-100k ...``, as in RecBole."""

from __future__ import annotations

import argparse
import os

from recbole_mdcns.cli.arguments import Once, Parser
from recbole_mdcns.errors import ConfigError

#: Options of a training that --evaluate takes, or refuses, as keys.
_NAMED = ("model", "dataset", "config_files")
#: Options of --ray with their defaults, and the least value of those that are numbers.
_OF_RAY: dict[str, tuple[int | None, int | None]] = {
    "workers": (None, 1),
    "gpus_per_worker": (0, 0),
    "cpus_per_worker": (1, 1),
    "max_failures": (3, 0),
    "address": (None, None),
}


def add_arguments(parser: Parser) -> None:
    """Add the options that are not keys."""
    parser.register("action", None, Once)
    parser.add_argument("--model", "-m")
    parser.add_argument("--dataset", "-d")
    parser.add_argument("--config_files")
    parser.add_argument("--evaluate")
    parser.add_argument("--trust_code", action="store_true")
    parser.add_argument("--ray", action="store_true")
    for name in _OF_RAY:
        parser.add_argument(f"--{name}", type=str if name == "address" else int)


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
        if options.ray:
            raise ConfigError("--ray is not allowed with --evaluate: one process evaluates")
        _check_options_of_ray(options)
        from recbole_mdcns.cli.evaluate import evaluate

        named = [f"--{key}={value}" for key, value in vars(options).items() if key in _NAMED and value is not None]
        evaluate(options.evaluate, [*named, *options.keys], options.trust_code)
        return
    _check_options_of_ray(options)
    files = _files_of(options.config_files) if options.config_files else None
    _check_keys(options, files or [])
    command = [*options.program.split(), *options.arguments]
    if options.ray:
        from recbole_mdcns.cli.ray_train import train_with_ray

        train_with_ray(options, files, command)
        return
    from recbole_mdcns.quick_start import run_recbole_mdcns

    run_recbole_mdcns(options.model, options.dataset, files, argv=options.keys, command=command, config_dict={})


def _check_keys(options: argparse.Namespace, files: list[str]) -> None:
    """Check names and values of keys as far as our yaml files tell, before torch is imported, which takes seconds.

    Classes of the user's own may read other keys: then the configuration, which imports them, checks all.

    Raises:
        ConfigError: A file cannot be read, or a key is unknown or has a wrong value.
    """
    from recbole_mdcns.config.checks import check_given
    from recbole_mdcns.config.keys import every_key, has_import_path, own_keys
    from recbole_mdcns.config.layers import with_place
    from recbole_mdcns.config.values import parse_values
    from recbole_mdcns.support.yaml_files import read_yaml

    layers = {file: read_yaml(file) for file in files}
    typed = parse_values(options.keys)
    given = {key: value for values in (*layers.values(), typed) for key, value in values.items()}
    if has_import_path(given) or has_import_path(vars(options)):
        return
    given = {key: value for key, value in given.items() if key != "peer" and not key.startswith("peer.")}
    try:
        check_given(given, {}, every_key(), own_keys(), strict=True)
    except ConfigError as error:
        from_files = {key: file for file, values in layers.items() for key in values if key not in typed}
        raise with_place(error, from_files) from error.__cause__


def _files_of(text: str) -> list[str]:
    """Return the files of ``--config_files``: a file whose path has spaces, or several, separated by spaces."""
    return [text] if os.path.isfile(text) else text.split()


def _check_options_of_ray(options: argparse.Namespace) -> None:
    """Check the options of ``--ray``, and set those that are not given.

    Raises:
        ConfigError: One is given without ``--ray``, is missing, or out of range.
    """
    for name, (default, least) in _OF_RAY.items():
        value = getattr(options, name)
        if value is not None and not options.ray:
            raise ConfigError(f"--{name}={value} is not allowed without --ray")
        if value is None:
            setattr(options, name, default)
        elif least is not None and value < least:
            raise ConfigError(f"--{name}={value} is not allowed: give a whole number of at least {least}")
    if options.ray and options.workers is None:
        raise ConfigError("--ray needs --workers=N, the number of processes")
    if options.gpus_per_worker and options.gpus_per_worker > 1:
        raise ConfigError(
            f"--gpus_per_worker={options.gpus_per_worker} is not allowed: a process trains on one GPU, or on none"
        )
