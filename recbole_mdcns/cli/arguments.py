"""The parser of every command: its mistakes are ours to print, and keys may follow its options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from recbole_mdcns import __version__
from recbole_mdcns.errors import ConfigError, UserError


class Printed(Exception):
    """The parser has printed what was asked for, such as the version, and there is nothing else to do."""


class Parser(argparse.ArgumentParser):
    """Reads the options of a command; each has ``--version``.

    Args:
        program: What is called, such as ``recbole-mdcns sweep``.
        about: What it does.
        own_help: The command prints its help itself.

    Raises:
        UserError: An option is unknown or has a wrong value.
        Printed: ``--help`` or ``--version`` was asked for.
    """

    def __init__(self, program: str, about: str, own_help: bool = False):
        super().__init__(
            prog=program,
            description=about,
            add_help=not own_help,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument("--version", action="version", version=__version__, help="print the version")
        if own_help:
            self.add_argument("--help", "-h", action="store_true")

    def parse_with_keys(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse options, and gather all others as ``keys`` of the form ``--key=value``, whatever way they were written.

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

    def error(self, message: str) -> NoReturn:
        raise UserError(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise Printed


class Once(argparse.Action):
    """Take an option with a value, whatever its short form, once or with the same value again."""

    def __call__(self, parser, namespace, values, option_string=None):
        before = getattr(namespace, self.dest)
        if before not in (None, values):
            raise ConfigError(f"--{self.dest} is given twice: {before!r} and {values!r}")
        if not values.strip():
            raise ConfigError(f"--{self.dest} = {values!r} has no value")
        setattr(namespace, self.dest, values)
