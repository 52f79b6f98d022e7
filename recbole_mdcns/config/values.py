"""Values from the text of a command line, and plain values for JSON and checkpoints."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np

from recbole_mdcns.errors import ConfigError


def parse_key_values(argv: Sequence[str]) -> dict[str, str]:
    """Read ``--key=value`` arguments; a bare ``--key`` means True.

    Raises:
        ConfigError: An argument has another form or no value, or a key is given twice with different values.
    """
    values: dict[str, str] = {}
    for argument in argv:
        key, equals, value = argument[2:].partition("=")
        if not argument.startswith("--") or not key:
            raise ConfigError(f"argument {argument!r} is not understood: write --key=value")
        if equals and not value and key != "gpu_id":  # RecBole's no GPU
            raise ConfigError(f"--{key}= has no value: leave it out, or write --{key}=~ for nothing")
        value = value if equals else "True"
        if values.setdefault(key, value) != value:
            raise ConfigError(f"--{key} is given twice: {values[key]!r} and {value!r}")
    return values


def parse_values(argv: Sequence[str]) -> dict[str, Any]:
    """Read the arguments of :func:`parse_key_values`, and their values by :func:`literal`."""
    return {key: literal(value) for key, value in parse_key_values(argv).items()}


def literal(text: str) -> Any:
    """Read a value as RecBole's command line does (numbers, lists, dicts, True, None), without running it as code."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text in ("~", "null"):
        return None
    if text in ("inf", "-inf", "nan"):
        return float(text)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def parse_settings(entries: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` entries, such as those of the option ``--set``.

    Raises:
        ConfigError: A key is missing, or given twice with different values.
    """
    return parse_values([f"--{entry}" for entry in entries])


def unboxed(value: Any) -> Any:
    """Return a value with Python's numbers, lists and bools instead of numpy's, also inside lists and dicts."""
    if isinstance(value, dict):
        return {unboxed(key): unboxed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(unboxed, value)) if type(value) in (list, tuple) else value
    if isinstance(value, np.generic):
        return value.item()
    for kind in (bool, int, float, str):  # of a subclass, which no checkpoint can hold
        if isinstance(value, kind):
            return kind(value)
    return value.tolist() if isinstance(value, np.ndarray) else value


def plain_value(value: Any) -> Any:
    """Return a value of None, bools, finite numbers, strings, lists and dicts; anything else becomes its text."""
    if isinstance(value, dict):
        return {unboxed(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain_value(item) for item in value]
    if isinstance(value, Enum):
        return value.name
    value = unboxed(value)
    if isinstance(value, float) and not math.isfinite(value):  # which JSON cannot hold
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
