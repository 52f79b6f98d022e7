"""The parser of every command: it raises its errors instead of exiting, and keys may follow the options."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from recbole_mdcns.errors import ConfigError, UserError, nearest
from recbole_mdcns.support.path_names import expanded
from recbole_mdcns.version import __version__

#: How argparse names unknown options: the first one, and its name without hyphens.
_UNKNOWN = re.compile(r"unrecognized arguments: (--([\w-]+))")


class Printed(Exception):
    """The parser has printed the help or the version, and nothing is left to do."""


class Parser(argparse.ArgumentParser):
    """Reads the options of a command; each has ``--version``.

    Args:
        program: The command as typed, such as ``recbole-mdcns sweep``.
        about: Its description.
        own_help: The command takes keys, and prints its help itself.

    Raises:
        UserError: An option is unknown or has a wrong value.
        Printed: ``--help`` or ``--version`` was asked for.
    """

    def __init__(self, program: str, about: str, own_help: bool = False):
        super().__init__(
            prog=program,
            description=about,
            add_help=False,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._takes_keys = own_help
        if own_help:
            self.add_argument("--help", "-h", action="store_true")
        else:
            self.add_argument("--help", "-h", action=_Print, text=self.format_help, help="print this help")
        self.add_argument("--version", action=_Print, text=lambda: f"{__version__}\n", help="print the version")

    def parse_with_keys(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse options, and collect all others in ``keys``, each in the form ``--key=value``.

        Raises:
            ConfigError: An argument is neither an option nor a key.
        """
        if "--" in arguments:
            raise ConfigError("argument '--' is not understood: write --key=value")
        options, rest = self.parse_known_args(arguments)
        options.keys = []
        for argument in rest:
            if argument.startswith("--"):
                options.keys.append(argument)
            elif options.keys and "=" not in options.keys[-1]:
                options.keys[-1] += f"={argument}"  # --key value
            else:
                raise ConfigError(f"argument {argument!r} is not understood: write --key=value")
        return options

    def spelled(self, arguments: Sequence[str]) -> list[str]:
        """Return the arguments with underscores for the hyphens in names of options and keys."""
        end = list(arguments).index("--") if "--" in arguments else len(arguments)
        return [*map(self._spelled, arguments[:end]), *arguments[end:]]

    def _spelled(self, argument: str) -> str:
        name, equals, value = argument.partition("=")
        option = "--" + name[2:].replace("-", "_")
        is_name = argument.startswith("--") and (self._takes_keys or option in self._option_string_actions)
        return f"{option}{equals}{value}" if is_name else argument

    def error(self, message: str) -> NoReturn:
        unknown = _UNKNOWN.match(message)
        raise UserError(f"{message}{self._hint(*unknown.groups()) if unknown else ''}")

    def _hint(self, option: str, key: str) -> str:
        """Return what is meant by an unknown option: a key of the runs of a sweep, or the nearest option."""
        from recbole_mdcns.config.keys import own_keys

        key = key.replace("-", "_")
        if "--set" in self._option_string_actions and key in own_keys():
            return f" (a key of the runs is given as --set {key}=VALUE)"
        return nearest(option, self._option_string_actions)


def check_files(*paths: str | Path | None) -> None:
    """Refuse files and folders that are not there, before torch is imported, which takes seconds.

    Args:
        *paths: The files; None is an option that is not given.

    Raises:
        UserError: Names the first one that is missing.
    """
    for path in paths:
        if path is not None and not os.path.exists(expanded(path)):
            raise UserError(f"{path} cannot be read: No such file or directory")


class _Print(argparse.Action):
    """Print a text and end the command; argparse's own actions would not tell of a closed pipe or a full disk."""

    def __init__(self, option_strings, dest, text: Callable[[], str], help: str):
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)
        self._text = text

    def __call__(self, parser, namespace, values, option_string=None) -> NoReturn:
        print(self._text(), end="")
        raise Printed


class Once(argparse.Action):
    """Accept an option once, in its long or short form; a second value must equal the first."""

    def __call__(self, parser, namespace, values, option_string=None):
        before = getattr(namespace, self.dest)
        if before not in (None, values):
            raise ConfigError(f"--{self.dest} is given twice: {before!r} and {values!r}")
        if isinstance(values, str) and not values.strip():
            raise ConfigError(f"--{self.dest} = {values!r} has no value")
        setattr(namespace, self.dest, values)
