"""The keys of RecBole that reach our code, and their allowed values; a dot separates a key and a key inside of it."""

from __future__ import annotations

import functools
from typing import Any

from recbole_mdcns.config.allowed import Allowed
from recbole_mdcns.errors import ConfigError, nearest
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml


@functools.lru_cache(maxsize=1)
def recbole_specs() -> dict[str, Allowed]:
    """Return the allowed values of RecBole's keys, by their names in ``properties/recbole_keys.yaml``."""
    path = properties_dir() / "recbole_keys.yaml"
    return {name: Allowed.from_fields(f"{path}, key {name}", fields) for name, fields in read_yaml(path).items()}


def check_recbole_keys(given: dict[str, Any]) -> dict[str, Any]:
    """Check RecBole's keys among some keys.

    Returns:
        Their values; in paths the home folder replaces ``~``.

    Raises:
        ConfigError: Names the key, its value and what is allowed.
    """
    specs = recbole_specs()
    return {key: check_inner(key, specs[key].check(key, value)) for key, value in given.items() if key in specs}


def check_inner(name: str, value: Any, path: str = "") -> Any:
    """Check the keys inside a key, if they are known.

    Args:
        name: The key as the user wrote it, for messages.
        value: Its value; only dicts are checked.
        path: The key in :func:`recbole_specs`, if it differs.

    Returns:
        The value.

    Raises:
        ConfigError: Names the inner key, its value and what is allowed, or the known inner keys.
    """
    path = path or name
    specs = recbole_specs()
    inside = {name[len(path) + 1 :]: name for name in specs if name.startswith(f"{path}.")}
    known = [key for key in inside if "." not in key]
    if not isinstance(value, dict) or not known:
        return value
    checked = {}
    for key, item in value.items():
        spec = inside.get(key if key in known else "*")
        if spec is None or not isinstance(key, str):
            hint = nearest(str(key), known)
            allowed = "its keys are text" if "*" in known else f"its keys are {', '.join(known)}"
            raise ConfigError(f"{name}.{key} = {item!r} is not allowed: {name} has no key {key}{hint}; {allowed}")
        checked[key] = check_inner(f"{name}.{key}", specs[spec].check(f"{name}.{key}", item), spec)
    return checked
