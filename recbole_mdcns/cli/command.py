"""A command: its description, and the module that has its options and does its work."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recbole_mdcns.cli.arguments import Parser, Printed
from recbole_mdcns.cli.program import run_program
from recbole_mdcns.errors import UserError


@dataclass(frozen=True)
class Command:
    """One command of the command line.

    Its module has the functions ``add_arguments(parser)`` and ``run(options)``, which returns an exit code or None. The
    module is imported when the command runs. Modules that train or read data are imported inside ``run``, which keeps
    ``--help`` fast.

    Attributes:
        module: Name of the module.
        about: Its description in one line.
        interrupted: The message after an interrupt: what is saved, and how to continue.
        takes_keys: It takes ``--key=value`` after its options, as ``options.keys``, and prints its own help.
    """

    module: str
    about: str
    interrupted: str
    takes_keys: bool = False

    def main(self, program: str, arguments: Sequence[str], is_process: bool) -> int:
        """Run the command and return its exit code; see ``errors.py``.

        Args:
            program: The command as typed, such as ``recbole-mdcns train``; messages begin with it.
            arguments: The arguments after it.
            is_process: The process ends with this call.
        """
        is_debug = self.takes_keys and "--state=DEBUG" in arguments
        advice = f"interrupted; {self.interrupted}"
        return run_program(program, lambda: self._work(program, arguments), advice, is_debug, is_process)

    def _work(self, program: str, arguments: Sequence[str]) -> int | None:
        try:
            folder = os.getcwd()
        except FileNotFoundError:
            raise UserError("the folder that this command was started in is gone: change to another one") from None
        if folder not in sys.path:
            sys.path.append(folder)  # for --model=module:Class; last, so that no file there hides a package
        module: Any = importlib.import_module(self.module)
        parser = Parser(program, self.about, own_help=self.takes_keys)
        module.add_arguments(parser)
        try:
            if self.takes_keys:
                options = parser.parse_with_keys(parser.spelled(arguments))
                options.program, options.arguments = program, list(arguments)
            else:
                options = parser.parse_intermixed_args(parser.spelled(arguments))
        except Printed:
            return None
        return module.run(options)
