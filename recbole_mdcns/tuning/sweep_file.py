"""A sweep from its yaml file."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import ConfigError, nearest
from recbole_mdcns.support.declared import methods
from recbole_mdcns.support.yaml_files import nearest_file, properties_dir, read_yaml
from recbole_mdcns.tuning.sweep import Sweep

_NOT_IN_FILES = ("origin", "by_option")


def find_sweep(name: str | Path) -> Path:
    """Return the file of a sweep: a path, or the name of a file in ``properties/sweep``.

    Raises:
        ConfigError: There is none; names those that the package brings.
    """
    path, shipped = Path(name), {file.name: file for file in sorted((properties_dir() / "sweep").glob("*.yaml"))}
    if os.path.exists(path):
        return path
    if path.name in shipped:
        return shipped[path.name]
    near = [*shipped.values(), *(path.parent.glob("*.y*ml") if os.path.isdir(path.parent) else ())]
    raise ConfigError(
        f"there is no sweep {name}{nearest_file(path, near)}: give a yaml file, or one of {', '.join(shipped)}"
    )


def read_sweep(path: str | Path, keys: dict[str, Any] | None = None, **overrides: Any) -> Sweep:
    """Read a sweep from its yaml file.

    Args:
        path: The file.
        keys: Keys fixed for all runs, besides those of the file.
        **overrides: Fields to replace; None leaves what the file says.

    Raises:
        ConfigError: A key is unknown, missing or has a value that is not allowed.
    """
    return make_sweep({"name": Path(path).stem, **read_yaml(path)}, path, keys, **overrides)


def make_sweep(
    content: dict[str, Any], path: str | Path, keys: dict[str, Any] | None = None, **overrides: Any
) -> Sweep:
    """Make a sweep of the content of a file; see :func:`read_sweep`.

    Args:
        content: Fields by name.
        path: Where they come from, for errors.
        keys: Keys fixed for all runs, besides those of the content.
        **overrides: Fields to replace; None leaves what the content says.
    """
    names = [each.name for each in fields(Sweep) if each.name not in _NOT_IN_FILES]
    for key in content:
        if key not in names:
            raise ConfigError(f"{path}: there is no key {key}{nearest(key, names)}. Allowed are {', '.join(names)}")
    for key in ("datasets", "models"):
        if key not in content and overrides.get(key) is None:
            raise ConfigError(f"{path}: {key} is missing: give a list")
    sweep = replace(
        Sweep(**{"name": Path(path).stem, "datasets": [], "models": [], **content}),
        **{key: value for key, value in overrides.items() if value is not None},
    )
    from recbole_mdcns.tuning.sweep_checks import check_entries, check_fields  # torch is imported with it

    check_fields(sweep, path)
    sweep.keys = {**sweep.keys, **(keys or {})}
    sweep.origin, sweep.by_option = str(path), frozenset(keys or ())
    sweep.method_keys = {**methods(), **sweep.method_keys}
    check_entries(sweep, path, {key: names_of(content.get(key)) for key in ("datasets", "methods")})
    return sweep


def names_of(listed: Any) -> list[str]:
    """Return the names that a list of the file holds, where options replaced it unseen."""
    return [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
