"""The sources of a configuration: files, keys and values, and a command line."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from recbole_mdcns.config.values import parse_values
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.support.yaml_files import place_of, read_yaml


def check_layers(
    config_file_list: str | Path | Sequence[str | Path] | None, config_dict: dict[str, Any] | None, argv: Sequence[str]
) -> tuple[list[str | Path], dict[str, Any], list[str]]:
    """Return new lists and a new dict of the files, keys and arguments.

    Args:
        config_file_list: Yaml files, or one of them.
        config_dict: Keys and values.
        argv: Arguments of a command line.

    Raises:
        ConfigError: One of the three is of the wrong kind; names it.
    """
    files = [config_file_list] if isinstance(config_file_list, (str, os.PathLike)) else config_file_list
    if files is None:
        files = []
    if not isinstance(files, (list, tuple)) or not all(isinstance(file, (str, os.PathLike)) for file in files):
        raise ConfigError(f"config_file_list = {config_file_list!r} is not allowed: give names of yaml files")
    given = {} if config_dict is None else config_dict
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise ConfigError(f"config_dict = {config_dict!r} is not allowed: give a dict with names of keys, and values")
    if isinstance(argv, str) or not all(isinstance(argument, str) for argument in argv):
        raise ConfigError(f"argv = {argv!r} is not allowed: give a list such as ['--epochs=3', '--seed=1']")
    return list(files), dict(given), list(argv)


def refuse_gpu_id(files: Sequence[str | Path], given: Mapping[str, Any], argv: Sequence[str]) -> None:
    """Refuse ``gpu_id`` from the user of several processes: all of them would get the same.

    Args:
        files: Yaml files.
        given: Keys and values.
        argv: Arguments of a command line.

    Raises:
        ConfigError: One of them holds it.
    """
    for values in (*map(read_yaml, files), given, parse_values(argv)):
        if "gpu_id" in values:
            raise ConfigError(
                f"gpu_id = {values['gpu_id']!r} is not allowed with several processes: each takes the visible GPU of "
                "its number; set CUDA_VISIBLE_DEVICES to choose GPUs, or use_gpu=False for none"
            )


def with_place(error: ConfigError, file_of: Mapping[str, str | Path]) -> ConfigError:
    """Return an error with the file and line of the key that it is about; without a file it stays as it is.

    Args:
        error: Its message begins with the key.
        file_of: The yaml files of keys whose values come from one.
    """
    key = key_of(str(error), file_of)
    return error if key is None else ConfigError(f"{place_of(file_of[key], key)}: {error}")


def key_of(message: str, keys: Collection[str]) -> str | None:
    """Return the key that a message of ours begins with, if it is one of some keys.

    Args:
        message: Such as ``eval_args.mode = 'x' is not allowed``, or ``peer: `` and a message about the peer.
        keys: The keys, as the user wrote them.
    """
    begin = re.match(r"(peer: )?((\w+)[\w.]*)", message)
    if begin is None:
        return None
    of_peer, whole, first = begin.groups()
    names = [f"peer.{whole}", f"peer.{first}", "peer"] if of_peer else []
    return next((name for name in [*names, whole, first] if name in keys), None)
