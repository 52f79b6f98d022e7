"""The yaml file that describes a page: what it may say, checked before any record is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import ConfigError, nearest
from recbole_mdcns.support.path_names import checked_name
from recbole_mdcns.support.yaml_files import read_yaml


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_name(value: Any) -> bool:
    """Tell whether a text can stand in a cell of a table in Markdown."""
    return _is_text(value) and value.isprintable() and "|" not in value


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_name, value)) and len(set(value)) == len(value)


def _is_named(inside: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(_is_name(k) and inside(v) for k, v in value.items())


def _is_csv(*more: str) -> Callable[[Any], bool]:
    """Return a check of what is read from a csv file: ``file`` and some further keys; nothing takes none."""

    def check(value: Any) -> bool:
        if not isinstance(value, dict) or not isinstance(value.get("where", {}), dict):
            return False
        return not value or (_is_text(value.get("file")) and value.keys() <= {"file", *more})

    return check


def _is_budget(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(number) is int and number >= 0 for number in value)


_SETTINGS = ("chosen", "all")
#: Pages of lines that can be trained.
TABLES = ("table", "losses")
#: The other pages, which show the records that they are given, and what they read.
_OF_ALL = ("extends", "page", "title", "note")
_OTHERS = {"side_by_side": (*_OF_ALL, "settings"), "sensitivity": (*_OF_ALL, "keys")}
_PAGES = (*TABLES, *_OTHERS)
_NAMES, _TEXTS = "a list of names without |, each once", "names without |, and texts"
#: What each key of a description may be, in words too.
_KEYS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "extends": (_is_text, "a yaml file beside this one"),
    "page": (lambda value: value in _PAGES, " or ".join(_PAGES)),
    "title": (_is_text, "a text"),
    "note": (_is_text, "a text"),
    "protocol": (_is_text, "a name"),
    "loss": (_is_text, "a name"),
    "datasets": (_are_names, _NAMES),
    "dataset_names": (_is_named(_is_text), _TEXTS),
    "dataset_notes": (_is_named(_is_text), _TEXTS),
    "models": (_are_names, _NAMES),
    "metrics": (_are_names, "a list of metrics, such as ndcg@10, each once"),
    "dataset_metrics": (_are_names, "a list of metrics, such as ndcg@10, each once"),
    "methods": (_is_named(lambda value: _is_text(value) or isinstance(value, dict)), "methods by names without |"),
    "rows": (_are_names, _NAMES),
    "below": (_are_names, _NAMES),
    "ours": (_are_names, _NAMES),
    "tests": (lambda value: _are_names(value) and set(value) <= {"seeds", "users"}, "a list of seeds, users"),
    "reference": (_is_csv("name", "where"), "file, and if needed name, and where: columns and their values"),
    "ranges": (_is_csv("text"), "file and text"),
    "budgets": (_is_named(_is_budget), "[epochs, patience] by name"),
    "grid": (_is_text, "a yaml file of a sweep"),
    "overview": (_is_named(_is_text), "title and text"),
    "keys": (_is_named(_is_text), "keys and how they are shown"),
    "settings": (lambda value: value in _SETTINGS, " or ".join(_SETTINGS)),
}  # fmt: skip
_OF_METHOD = ("method", "loss", "peer", "role", "note")
#: What the file of a table cannot be without.
_OF_TABLE = ("datasets", "models", "metrics", "methods")


def read_description_file(path: Path) -> dict[str, Any]:
    """Return the keys of a description, those of the file that it extends below its own.

    Raises:
        ConfigError: A key is unknown, missing or has a value that is not allowed.
    """
    content = _extended(path)
    kind = content.get("page", "table")
    for key in _OF_TABLE if kind in TABLES else ():
        if not content.get(key):
            raise ConfigError(f"{path}: {key} is missing: give {_KEYS[key][1]}")
    for key in content:
        if key not in _OTHERS.get(kind, content):
            known = ", ".join(_OTHERS[kind])
            raise ConfigError(f"{path}: {key} is not allowed in a page of {kind}, which reads only {known}")
    if kind == "sensitivity" and not content.get("keys"):
        raise ConfigError(f"{path}: keys is missing: give {_KEYS['keys'][1]}")
    content["methods"] = {
        name: _method(entry, f"{path}: methods.{name}") for name, entry in content.get("methods", {}).items()
    }
    for key in ("rows", "below", "ours"):
        for name in content.get(key, []):
            if name not in content["methods"]:
                known = ", ".join(content["methods"])
                raise ConfigError(f"{path}: {key}: there is no method {name}; methods has {known}")
    if "grid" in content:
        space = read_yaml(path.parent / content["grid"]).get("space", {})
        if not isinstance(space, dict) or not all(isinstance(keys, dict) for keys in space.values()):
            raise ConfigError(f"{path.parent / content['grid']}: space = {space!r} is not allowed: give keys by method")
    for name in content.get("datasets", []):
        checked_name(content.get("dataset_names", {}).get(name, name), f"{path}: datasets: name")
    return content


def _extended(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the keys of a file, and below its own those of the file that it extends; ``above`` extend this one."""
    content = _read(path)
    if "extends" not in content:
        return content
    base = path.parent / content["extends"]
    above = (*above, path.resolve())
    if base.resolve() in above or not base.is_file():
        why = f"there is no {base}" if not base.is_file() else f"{base} would extend itself"
        raise ConfigError(f"{path}: extends = {content['extends']!r} is not allowed: {why}")
    return {**_extended(base, above), **content}


def _read(path: Path) -> dict[str, Any]:
    content = read_yaml(path)
    for key, value in content.items():
        if key not in _KEYS:
            raise ConfigError(f"{path}: there is no key {key}{nearest(key, _KEYS)}. Allowed are {', '.join(_KEYS)}")
        check, expected = _KEYS[key]
        if not check(value):
            raise ConfigError(f"{path}: {key} = {value!r} is not allowed: give {expected}")
    return content


def _method(entry: str | dict[str, Any], where: str) -> dict[str, Any]:
    """Return the entry of a method, whose short form is its name in records."""
    entry = {"method": entry} if isinstance(entry, str) else entry
    for key, value in entry.items():
        if key not in _OF_METHOD:
            raise ConfigError(
                f"{where}: there is no key {key}{nearest(key, _OF_METHOD)}. Allowed are {', '.join(_OF_METHOD)}"
            )
        if not _is_text(value) and not (key == "peer" and _is_named(_is_text)(value)):
            raise ConfigError(f"{where}.{key} = {value!r} is not allowed: give a name")
        if key == "role" and not re.fullmatch(r"self|teacher|peer\d*", value):
            raise ConfigError(f"{where}.{key} = {value!r} is not allowed: give self, teacher, or peer (peer1, peer2)")
    if "method" not in entry:
        raise ConfigError(f"{where}: method is missing: give the name that records use")
    return entry
