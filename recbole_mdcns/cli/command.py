"""A command: its name, what it does, and the module that knows its options and does its work."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recbole_mdcns.cli.arguments import Parser, Printed
from recbole_mdcns.cli.program import run_program


@dataclass(frozen=True)
class Command:
    """One command of the command line.

    Its module has the functions ``add_arguments(parser)`` and ``run(options)``, which returns an exit code or None. The
    module is imported when the command runs. What trains or reads data is imported when ``run`` is called, so that
    ``--help`` is fast.

    Attributes:
        module: Name of the module.
        about: What it does, in one line.
        interrupted: What to say when it is interrupted: what is left, and how to go on.
        takes_keys: It takes ``--key=value`` after its options, as ``options.keys``, and prints its own help.
    """

    module: str
    about: str
    interrupted: str
    takes_keys: bool = False

    def main(self, program: str, arguments: Sequence[str], is_process: bool) -> int:
        """Run the command and return its exit code; see ``errors.py``.

        Args:
            program: What was called, such as ``recbole-mdcns train``; its messages begin with it.
            arguments: What follows.
            is_process: The process ends with this call.
        """
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())  # so that --model=package.module:Class finds the user's own modules
        is_debug = self.takes_keys and "--state=DEBUG" in arguments
        advice = f"interrupted; {self.interrupted}"
        return run_program(program, lambda: self._work(program, arguments), advice, is_debug, is_process)

    def _work(self, program: str, arguments: Sequence[str]) -> int | None:
        module: Any = importlib.import_module(self.module)
        parser = Parser(program, self.about, own_help=self.takes_keys)
        module.add_arguments(parser)
        try:
            if self.takes_keys:
                options = parser.parse_with_keys(arguments)
                options.program, options.arguments = program, list(arguments)
            else:
                options = parser.parse_intermixed_args(arguments)
        except Printed:
            return None
        return module.run(options)
