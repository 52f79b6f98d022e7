"""The provenance of a measurement: machine, versions of the packages, commit and command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from recbole_mdcns.records.environment import git_state, machine, versions
from recbole_mdcns.records.parts import named_commit
from recbole_mdcns.report.sources import script_command


@dataclass(frozen=True)
class Provenance:
    """What a figure needs to be believed and measured again.

    Attributes:
        machine: The machine, without its name.
        versions: Versions of Python and of the packages.
        git: Commit and whether the clone is clean; None outside of a clone.
        command: The command line.
    """

    machine: dict[str, Any]
    versions: dict[str, str]
    git: dict[str, Any] | None
    command: list[str]

    @classmethod
    def here(cls, device: str = "cpu") -> Provenance:
        """Describe this process."""
        return cls(machine(torch.device(device)), versions(), git_state(), script_command())

    @property
    def commit(self) -> str:
        """The start of the commit, and whether the files differ from it; ``none`` outside of a clone."""
        return named_commit(self.git["commit"][:10], self.git.get("clean")) if self.git else "none"

    @property
    def command_line(self) -> str:
        """The command, as it is typed."""
        return " ".join(self.command)

    def line(self, *packages: str) -> str:
        """Return hardware, threads, versions and commit as one line of a page.

        Args:
            packages: The packages that are named, without Python.
        """
        hardware = self.machine.get("gpu", f"{self.machine['processor']}, {self.machine['torch_threads']} thread(s)")
        named = ", ".join(f"{name} {self.versions[name]}" for name in ("python", *packages) if name in self.versions)
        return f"{hardware}; {named}; commit {self.commit}"


def write_results(path: Path, results: dict[str, Any], provenance: Provenance) -> None:
    """Write measurements and where they were made as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({**results, **vars(provenance)}, indent=1)
    path.write_text(content + "\n", encoding="utf-8")


def show_page(text: str, results: Any, out: Path | None, provenance: Provenance) -> None:
    """Print a page of figures, and write it and, beside it, the figures as JSON if a file is asked for."""
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")
        write_results(out.with_suffix(".json"), {"results": results}, provenance)
