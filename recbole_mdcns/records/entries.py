"""One value inside of a record, with its place: every error names file, line and field."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from recbole_mdcns.errors import ConfigError, nearest
from recbole_mdcns.support.path_names import checked_name

Value = TypeVar("Value")
_NUMBERS = re.compile(r"(\d{1,18}(,\d{1,18})*)?", re.ASCII)


class Entry:
    """A value of a record and its name.

    Args:
        value: The value.
        where: The record: a file, or a file and a line.
        path: The name of the value in the record, such as ``trial.seed``; empty for the whole record.
    """

    def __init__(self, value: Any, where: str, path: str = ""):
        self.value, self.where, self.path = value, where, path

    def refuse(self, expected: str) -> ConfigError:
        """Return the error that says what was found and what is expected."""
        text = repr(self.value)
        shown = text if len(text) <= 60 else text[:57] + "..."
        return ConfigError(f"record {self.where}: {self.path or 'content'} is {shown}, expected {expected}")

    def __getitem__(self, name: str) -> Entry:
        """Return a value inside of this one.

        Raises:
            ConfigError: It is missing, or this value holds no others.
        """
        inside, path = self.mapping(), self._inside(name)
        if name not in inside:
            raise ConfigError(f"record {self.where} is incomplete: it has no {path}")
        return Entry(inside[name], self.where, path)

    def get(self, name: str) -> Entry:
        """Return a value inside of this one; None as its value where it is missing."""
        return Entry(self.mapping().get(name), self.where, self._inside(name))

    def items(self) -> Iterator[tuple[str, Entry]]:
        """Yield the names and values inside of this one."""
        return ((name, Entry(value, self.where, self._inside(name))) for name, value in self.mapping().items())

    def allow_only(self, *names: str) -> None:
        """Refuse all names except these.

        Raises:
            ConfigError: Names the first of the others.
        """
        for name in self.mapping():
            if name not in names:
                raise ConfigError(
                    f"record {self.where}: there is no {self._inside(name)}{nearest(name, names)}; "
                    f"allowed are {', '.join(names)}"
                )

    def optional(self, read: Callable[[Entry], Value]) -> Value | None:
        """Return None where the value is null, else what a method such as ``Entry.text`` reads."""
        return None if self.value is None else read(self)

    def mapping(self) -> dict[str, Any]:
        """Return names and values of any kind."""
        if not isinstance(self.value, dict) or not all(isinstance(name, str) for name in self.value):
            raise self.refuse("names and values")
        return self.value

    def each(self, read: Callable[[Entry], Value]) -> dict[str, Value]:
        """Return names and values that a method such as ``Entry.number`` reads."""
        return {name: read(entry) for name, entry in self.items()}

    def listed(self, read: Callable[[Entry], Value]) -> list[Value]:
        """Return a list of values that a method such as ``Entry.number`` reads."""
        if not isinstance(self.value, list):
            raise self.refuse("a list")
        return [read(Entry(value, self.where, f"{self.path}[{place}]")) for place, value in enumerate(self.value)]

    def text(self) -> str:
        """Return a text."""
        if not isinstance(self.value, str):
            raise self.refuse("a text")
        return self.value

    def file_name(self) -> str:
        """Return a name that becomes the name of a file."""
        return checked_name(self.text(), f"record {self.where}: {self.path}")

    def one_of(self, *allowed: str) -> str:
        """Return a text that is one of the given words."""
        if self.value not in allowed or not isinstance(self.value, str):
            raise self.refuse(" or ".join(allowed))
        return self.value

    def number(self) -> float:
        """Return a finite number, whole or not, as it is."""
        is_number = isinstance(self.value, (int, float)) and not isinstance(self.value, bool)
        if not is_number or not math.isfinite(self.value):
            raise self.refuse("a number")
        return self.value

    def whole(self) -> int:
        """Return a whole number."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.refuse("a whole number")
        return self.value

    def flag(self) -> bool:
        """Return the value, True or False."""
        if not isinstance(self.value, bool):
            raise self.refuse("true or false")
        return self.value

    def plain(self) -> Any:
        """Return a value that is neither a list nor a mapping."""
        if isinstance(self.value, (dict, list)):
            raise self.refuse("one value")
        return self.value

    def numbers(self) -> str:
        """Return whole numbers >= 0, as text with commas."""
        if not isinstance(self.value, str) or not _NUMBERS.fullmatch(self.value):
            raise self.refuse("whole numbers separated by commas, as text")
        return self.value

    def metrics(self) -> dict[str, float]:
        """Return metrics by name."""
        return self.each(Entry.number)

    def results(self) -> dict[str, dict[str, float]]:
        """Return metrics by role."""
        results = self.each(Entry.metrics)
        if "self" not in results:
            raise ConfigError(f"record {self.where} is incomplete: it has no {self._inside('self')}")
        return results

    def _inside(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name
