"""The allowed values of a key: kinds, bounds and choices, and one sentence for a wrong value."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recbole_mdcns.data import intervals
from recbole_mdcns.errors import ConfigError

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: What messages call a kind.
SAID = {
    "~": "nothing",
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "str": "text",
    "list": "a list",
    "list of int": "a list of whole numbers",
    "list of float": "a list of numbers",
    "dict": "keys and values {'key': value}",
    "inf": "inf",
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
    """The value is not of this kind; it may be of the next one."""


class _Refused(Exception):
    """The value is of this kind but not allowed; the text says why."""


@dataclass(frozen=True)
class Allowed:
    """The allowed values of a key.

    Attributes:
        kinds: Names of kinds: those of ``_KINDS``, ``choice``, ``list of KIND``, and ``~`` for no value.
        minimum: The smallest number.
        above: Numbers are larger than this.
        maximum: The largest number.
        choices: The words of kind ``choice``.
    """

    kinds: tuple[str, ...]
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    @classmethod
    def from_fields(cls, where: str, fields: Mapping[str, Any]) -> Allowed:
        """Build it from the fields ``type``, ``min``, ``above``, ``max`` and ``choices`` of a yaml file.

        Args:
            where: File and key, for the message.
            fields: The fields.

        Raises:
            ConfigError: A field is missing, unknown or of the wrong kind.
        """
        if not isinstance(fields, Mapping):
            raise ConfigError(f"{where}: expected fields such as type and default, found {fields!r}")
        kinds = tuple(str(fields.get("type")).split(" or "))
        known = {*_KINDS, "choice", "~"}
        for kind in kinds:
            if kind.split(" of ")[-1] not in known:
                raise ConfigError(
                    f"{where}: type = {fields.get('type')!r} is not allowed: choose {', '.join(sorted(known))}"
                )
        for name in ("min", "above", "max"):
            if not isinstance(fields.get(name, 0), (int, float)):
                raise ConfigError(f"{where}: {name} = {fields[name]!r} is not allowed: expected a number")
        choices = fields.get("choices", ())
        is_list = isinstance(choices, (list, tuple)) and all(isinstance(choice, str) for choice in choices)
        if ("choice" in kinds) != bool(choices) or not is_list:
            raise ConfigError(f"{where}: choices = {choices!r} is not allowed: only type choice has a list of words")
        takes_numbers = any(kind.split(" of ")[-1] in ("int", "float") for kind in kinds)
        limit = next((name for name in ("min", "above", "max") if name in fields), None)
        if limit and not takes_numbers:
            raise ConfigError(f"{where}: {limit} is not allowed with type = {fields['type']!r}: it limits numbers")
        return cls(kinds, fields.get("min"), fields.get("above"), fields.get("max"), tuple(choices))

    @property
    def bounds(self) -> str:
        """The bounds in words, such as ``>= 1``, ``<= 1``, ``0 to 1``, ``> 0 and <= 1``, or nothing."""
        if self.above is not None:
            return f"> {self.above}" if self.maximum is None else f"> {self.above} and <= {self.maximum}"
        if self.maximum is not None:
            return f"<= {self.maximum}" if self.minimum is None else f"{self.minimum} to {self.maximum}"
        return "" if self.minimum is None else f">= {self.minimum}"

    def __str__(self) -> str:
        rest = "|".join(self.choices) or self.bounds
        return " or ".join(self.kinds) + (f", {rest}" if rest else "")

    def check(self, name: str, value: Any) -> Any:
        """Check one value.

        Args:
            name: The key, for the message.
            value: The given value.

        Returns:
            The value; ``~/`` at the start of a path is replaced by the home folder.

        Raises:
            ConfigError: Names the key, the value and what is allowed.
        """
        if "~" in self.kinds and (value is None or (value == "None" and isinstance(value, str))):
            return None
        reasons = []
        for kind in self.kinds:
            if kind != "~":
                try:
                    return self._take(kind, value)
                except _OtherKind:
                    continue
                except _Refused as refused:
                    reasons.append(str(refused))
        reason = reasons[0] if reasons else f"expected {self._said()}"
        raise ConfigError(f"{name} = {value!r} is not allowed: {reason}")

    def _said(self) -> str:
        said = " or ".join(SAID.get(kind, kind) for kind in self.kinds)
        rest = "|".join(self.choices) or self.bounds
        return f"{said}, {rest}" if rest else said

    def _take(self, kind: str, value: Any) -> Any:
        """Return a value of a kind, or raise."""
        if kind.startswith("list of "):
            if not isinstance(value, (list, tuple)):
                raise _OtherKind
            return [self._take(kind[len("list of ") :], item) for item in value]
        if kind == "choice":
            if not isinstance(value, str) or value not in self.choices:
                raise _Refused(f"choose {' or '.join(self.choices)}")
            return value
        taken = _KINDS[kind](value)
        if kind in ("int", "float"):
            self._check_bounds(taken)
        return taken

    def _check_bounds(self, number: float) -> None:
        is_below = self.minimum is not None and number < self.minimum
        is_below = is_below or (self.above is not None and number <= self.above)
        if is_below or (self.maximum is not None and number > self.maximum):
            raise _Refused(f"it must be {'from ' if ' to ' in self.bounds else ''}{self.bounds}")


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
    return str(value) if isinstance(value, tuple) else value  # records cannot tell a tuple from a list


def _count_interval(value: Any) -> Any:
    taken = _interval(value)
    for interval in intervals.parse_intervals(value):
        if not intervals.holds_a_count(interval):
            raise _Refused("an interval holds no possible number of interactions")
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
