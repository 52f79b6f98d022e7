"""One key of ours: its default, allowed values, symbol in the paper, and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recbole_mdcns.config.allowed import Allowed
from recbole_mdcns.errors import ConfigError, nearest

#: The fields of a key in a yaml file.
FIELDS = ("default", "type", "min", "above", "max", "choices", "only_with", "symbol", "help", "first_default")


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
        name: Its name.
        default: Its value if the user gives none.
        first_default: Its default in the version that introduced it. A run with this value has the same identity as
            before that version; see ``identity``.
        allowed: Its allowed values.
        symbol: Its symbol in the paper, or an empty text.
        help: Its meaning.
        only_with: The key that switches it off with 0, False or no value; empty if there is none.
        section: A section of overall.yaml, or the strategy, loss or model that it belongs to.
    """

    name: str
    default: Any
    first_default: Any
    allowed: Allowed
    symbol: str
    help: str
    only_with: str
    section: str

    @classmethod
    def from_fields(cls, name: str, fields: Any, section: str, where: str) -> Key:
        """Build a key from its entry in a yaml file.

        Args:
            name: Its name.
            fields: The fields of :data:`FIELDS`; ``default``, ``type`` and ``help`` must be there.
            section: Its section.
            where: The file, for the message.

        Raises:
            ConfigError: A field is missing, unknown or of the wrong kind, or the default is not allowed.
        """
        where = f"{where}, key {name}"
        if not name.isidentifier():
            raise ConfigError(f"{where}: the name of a key is letters, digits and _, and does not begin with a digit")
        if not isinstance(fields, Mapping) or not {"default", "type", "help"} <= fields.keys():
            raise ConfigError(f"{where}: expected the fields default, type and help, found {fields!r}")
        for field in fields:
            if field not in FIELDS:
                raise ConfigError(f"{where}: there is no field {field}{nearest(str(field), FIELDS)}")
        allowed = Allowed.from_fields(where, fields)
        default = allowed.check(f"{where}: default", fields["default"])
        first = allowed.check(f"{where}: first_default", fields.get("first_default", default))
        symbol, meaning, only_with = (str(fields.get(field, "")) for field in ("symbol", "help", "only_with"))
        if only_with:
            meaning += f" Unused without {only_with}."
        return cls(name, default, first, allowed, symbol, meaning, only_with, section)

    def check(self, value: Any) -> Any:
        """Check a value; an int becomes a float if the key is a float. See :meth:`Allowed.check`."""
        is_int = isinstance(value, int) and not isinstance(value, bool)
        if is_int and "float" in self.allowed.kinds and abs(value) < 2**63:
            value = float(value)
        return self.allowed.check(self.name, value)
