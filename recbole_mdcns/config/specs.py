"""What values a key may take, written as text: ``int, >= 1``, ``str or ~``, ``choice, BCE|BPR``, ``list of str``."""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Callable
from typing import Any

from recbole_mdcns.data import intervals
from recbole_mdcns.errors import ConfigError

_BOUND = re.compile(r"^(?P<op>>=|>)\s*(?P<limit>[\d.]+)$")
_RANGE = re.compile(r"^(?P<low>[\d.]+) to (?P<high>[\d.]+)$")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {">=": operator.ge, ">": operator.gt}
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: How messages describe kinds whose name alone says too little.
_SAID = {
    "~": "nothing",
    "path": "a path as text, not empty and without NUL",
    "name": "text that is not empty",
    "list of name": "a list of names",
    "empty": "''",
    "*": "'*'",
    "interval": intervals.FORMS,
    "count interval": intervals.FORMS,
    "level": "one of " + ", ".join(_LEVELS),
    "gpu": "the number of one GPU, such as 0, or '' for none",
    "encoding": "the name of a text encoding, such as utf-8",
}


class _OtherKind(Exception):
    """The value is not of this kind; it may be of the next."""


class _Refused(Exception):
    """The value is of this kind and not allowed; the text says why."""


def check_value(name: str, spec: str, value: Any) -> Any:
    """Check one value against its spec.

    Args:
        name: The key, for the message.
        spec: Kinds joined by ``or``, then a range or choices after a comma. ``~`` among the kinds allows nothing.
        value: What was given.

    Returns:
        The value; ``~/`` in a path stands for the home folder afterwards.

    Raises:
        ConfigError: Names the key, the value and what is allowed.
    """
    kinds, rest = spec_parts(spec)
    if "~" in kinds and (value is None or (value == "None" and isinstance(value, str))):
        return None
    reasons = []
    for kind in [kind for kind in kinds if kind != "~"]:
        try:
            return _take(kind, rest, value)
        except _OtherKind:
            continue
        except _Refused as refused:
            reasons.append(str(refused))
    reason = reasons[0] if reasons else f"expected {_said(kinds, rest)}"
    raise ConfigError(f"{name} = {value!r} is not allowed: {reason}")


def spec_parts(spec: str) -> tuple[list[str], str]:
    """Return the kinds of a spec, and the range or the choices after its comma."""
    kinds, _, rest = spec.partition(",")
    return [kind.strip() for kind in kinds.split(" or ")], rest.strip()


def _said(kinds: list[str], rest: str) -> str:
    said = " or ".join(_SAID.get(kind, kind) for kind in kinds)
    return f"{said}, {rest}" if rest else said


def _take(kind: str, rest: str, value: Any) -> Any:
    """Return a value of a kind, or raise."""
    if kind.startswith("list of "):
        if not isinstance(value, (list, tuple)):
            raise _OtherKind
        return [_take(kind[len("list of ") :], rest, item) for item in value]
    if kind == "choice":
        choices = rest.split("|")
        if not isinstance(value, str) or value not in choices:
            raise _Refused(f"choose {' or '.join(choices)}")
        return value
    taken = _KINDS[kind](value)
    if kind in ("int", "float"):
        _check_range(rest, taken)
    return taken


def _check_range(rest: str, number: Any) -> None:
    bound, span = _BOUND.match(rest), _RANGE.match(rest)
    if bound and not _COMPARE[bound["op"]](number, float(bound["limit"])):
        raise _Refused(f"it must be {bound['op']} {bound['limit']}")
    if span and not float(span["low"]) <= number <= float(span["high"]):
        raise _Refused(f"it must be from {rest}")


def _instance(*types: type) -> Callable[[Any], Any]:
    def take(value: Any) -> Any:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise _OtherKind
        return value

    return take


def _int(value: Any) -> int:
    if abs(_instance(int)(value)) >= 2**63:
        raise _Refused("it must fit into 64 bits")
    return value


def _float(value: Any) -> float | int:
    if isinstance(value, float) and not math.isfinite(value):
        raise _Refused("it must be a finite number")
    return value if isinstance(value, float) else _int(value)


def _list(value: Any) -> list[Any]:
    return list(_instance(list, tuple)(value))


def _is(wanted: Any) -> Callable[[Any], Any]:
    def take(value: Any) -> Any:
        if not isinstance(value, type(wanted)) or value != wanted:
            raise _OtherKind
        return value

    return take


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _OtherKind
    return value


def _path(value: Any) -> str:
    return os.path.expanduser(_name(os.fspath(value) if isinstance(value, os.PathLike) else value))


def _interval(value: Any) -> Any:
    try:
        intervals.parse_intervals(_instance(str, list, tuple)(value))
    except ValueError as error:
        raise _Refused(str(error)) from None
    return intervals.interval_text(value)


def _count_interval(value: Any) -> Any:
    taken = _interval(value)
    for interval in intervals.parse_intervals(value):
        if not intervals.holds_a_count(interval):
            raise _Refused("an interval holds no number of interactions")
    return taken


def _level(value: Any) -> str:
    if not isinstance(value, str) or value.upper() not in _LEVELS:
        raise _OtherKind
    return value


def _gpu(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, str, list, tuple)):
        raise _OtherKind
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value).strip("()[] ")
    numbers = [part.strip() for part in text.split(",") if part.strip()]
    if len(numbers) > 1:
        raise _Refused("one device trains; give the number of one GPU")
    if numbers and not numbers[0].isdecimal() and numbers[0] != "-1":
        raise _OtherKind
    return numbers[0] if numbers else ""


def _encoding(value: Any) -> str:
    try:
        "".encode(_name(value))
    except LookupError:
        raise _OtherKind from None
    return value


_KINDS: dict[str, Callable[[Any], Any]] = {
    "int": _int,
    "float": _float,
    "bool": _instance(bool),
    "str": _instance(str),
    "list": _list,
    "dict": _instance(dict),
    "inf": lambda value: _is(math.inf)(value) if isinstance(value, float) else _is("inf")(value),
    "empty": _is(""),
    "*": _is("*"),
    "name": _name,
    "path": _path,
    "interval": _interval,
    "count interval": _count_interval,
    "level": _level,
    "gpu": _gpu,
    "encoding": _encoding,
}
