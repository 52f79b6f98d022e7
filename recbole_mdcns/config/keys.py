"""All keys: ours, from the yaml files of ``properties/``, and the names of RecBole's."""

from __future__ import annotations

import functools
import re
import runpy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from recbole_mdcns.config.key import Key
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.support.declared import Declaration, declared
from recbole_mdcns.support.yaml_files import properties_dir, read_shipped, recbole_properties_dir

#: Sections of overall.yaml whose keys only some runs read.
PEERS = "Peers"
USER_SPLIT = "Split over users"
LOSS = "Loss"
NEGATIVE_SAMPLING = "Negative sampling"
NEGATIVES = "Negatives"

#: Keys whose value may be an import path.
IMPORTING = ("model", "peer_model", "neg_sampler", "ranking_loss", "metrics")
# Keys that RecBole reads without listing them in any of its yaml files.
_UNLISTED = {"model", "dataset", "config_files", "nproc", "encoding", "tail_ratio"}
#: Keys that models of RecBole read without listing them in their yaml files.
UNLISTED_OF_MODEL = {"FEARec": {"contrast", "sim", "tau", "use_filter"}, "HRM": {"reg_weight"}}


@functools.lru_cache(maxsize=1)
def overall_keys() -> dict[str, Key]:
    """Return the keys of overall.yaml by name.

    Raises:
        ConfigError: An entry of the file is not a key.
    """
    path = properties_dir() / "overall.yaml"
    entries = ((name, fields, section) for section, keys in read_shipped(path).items() for name, fields in keys.items())
    return _collected((Key.from_fields(name, fields, section, str(path)) for name, fields, section in entries))


@functools.lru_cache(maxsize=1)
def own_keys() -> dict[str, Key]:
    """Return every key of ours that belongs to no model: those of overall.yaml, of the strategies and of the losses.

    Raises:
        ConfigError: An entry of a file is not a key, a key is defined twice, or a declaration reads an unknown key.
    """
    plugins = {kind: declared(kind).values() for kind in ("negatives", "losses")}
    every = [declaration for declarations in plugins.values() for declaration in declarations]
    keys = _collected((*overall_keys().values(), *(key for each in every for key in keys_of(each).values())))
    for declaration in every:
        for name in declaration.reads or ():
            if name not in keys:
                raise ConfigError(f"{declaration.path}: reads names {name}, and no file defines such a key")
    return keys


def check_unused(keys: Mapping[str, Any], name: str, reason: str) -> None:
    """Refuse a value of a key that the run does not use; its default is allowed.

    Args:
        keys: All keys of a run.
        name: One of ours.
        reason: What the key is not used with, and what to do.

    Raises:
        ConfigError: The value is not the default.
    """
    if keys[name] != own_keys()[name].default:
        raise ConfigError(f"{name} = {keys[name]!r} is not used with {reason}")


def keys_of(declaration: Declaration) -> dict[str, Key]:
    """Return the keys that a declaration defines."""
    section = f"{declaration.path.parent.name}: {declaration.name}"
    fields = declaration.keys.items()
    return {name: Key.from_fields(name, each, section, str(declaration.path)) for name, each in fields}


def _collected(keys: Iterable[Key]) -> dict[str, Key]:
    by_name: dict[str, Key] = {}
    for key in keys:
        if key.name in by_name:
            sections = f"{by_name[key.name].section!r} and {key.section!r}"
            raise ConfigError(f"key {key.name} is defined twice, in {sections}: list it under reads in one of them")
        by_name[key.name] = key
    return by_name


def model_file_keys(path: Path) -> dict[str, Key]:
    """Return the keys with fields of a model's yaml file; RecBole's and users' files may hold plain values instead."""
    entries = {name: value for name, value in read_shipped(path).items() if isinstance(value, dict)}
    if "keys" in entries:
        raise ConfigError(f"{path}: there is no key keys: the file of a model names its keys on the first level")
    return {
        name: Key.from_fields(name, value, path.stem, str(path))
        for name, value in entries.items()
        if {"default", "type"} & value.keys()
    }


def model_file_defaults(path: Path) -> dict[str, Any]:
    """Return the defaults in a model's yaml file by key."""
    keys = model_file_keys(path)
    return {name: keys[name].default if name in keys else value for name, value in read_shipped(path).items()}


def dataset_keys(dataset: str) -> dict[str, Any]:
    """Return the keys and values that our yaml file of a dataset sets; nothing where there is no such file."""
    path = properties_dir() / "dataset" / f"{dataset}.yaml"
    return read_shipped(path) if path.is_file() else {}


@functools.lru_cache(maxsize=1)
def recbole_keys() -> frozenset[str]:
    """Return every key of RecBole that belongs to no model: from its argument lists, ``overall.yaml`` and beyond."""
    folder = recbole_properties_dir()
    lists = runpy.run_path(str(folder.parent / "utils" / "argument_list.py"))  # its package would load torch
    names = _UNLISTED.union(*(lists[f"{part}_arguments"] for part in ("general", "training", "evaluation", "dataset")))
    files = [folder / "overall.yaml", folder / "dataset" / "sample.yaml", *folder.glob("quick_start_config/*.yaml")]
    return frozenset(names.union(*map(_names, files)))


@functools.lru_cache(maxsize=1)
def keys_of_models() -> frozenset[str]:
    """Return every key that belongs to a model of RecBole or of ours, without the keys of all runs."""
    files = (path for folder in (recbole_properties_dir(), properties_dir()) for path in folder.glob("model/*.yaml"))
    names = set().union(*map(_names, files), *UNLISTED_OF_MODEL.values())
    return frozenset(names - recbole_keys() - own_keys().keys())


def has_import_path(values: Mapping[str, Any]) -> bool:
    """Tell whether a value of a run's keys names code by its import path."""
    return any(":" in str(values.get(key)) for key in IMPORTING)


@functools.lru_cache(maxsize=1)
def every_key() -> frozenset[str]:
    """Return every key that a run without classes of the user's own may read."""
    files = [*recbole_properties_dir().rglob("*.yaml"), *properties_dir().glob("dataset/*.yaml")]
    return recbole_keys() | keys_of_models() | own_keys().keys() | set().union(*map(_names, files))


def _names(path: Path) -> list[str]:
    return re.findall(r"^([A-Za-z_]\w*):", path.read_text(encoding="utf-8"), re.MULTILINE)
