"""Runs of the scripts of benchmarks/ on the tiny dataset, and what they leave."""

from __future__ import annotations

import logging
import re
import runpy
import sys
from pathlib import Path

import pytest
from helpers.paths import BENCHMARKS
from helpers.runs import TINY, cycle_lines, write_inter

from recbole_mdcns.quick_start import run_recbole_mdcns

KEYS = [f"--{key}={value}" for key, value in TINY.items() if key != "epochs"]


def run_script(path: str, *arguments: str) -> None:
    """Run a script as the main program, with its folder first on the path as Python has it."""
    script = BENCHMARKS / path
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *arguments])
        patch.syspath_prepend(str(script.parent))
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            assert not end.code, end.code
        finally:
            logging.disable(logging.NOTSET)


def table(path: str) -> list[dict[str, str]]:
    """Return the first table of a page: its rows by the names of the columns."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return [dict(zip(rows[0], row)) for row in rows[2:]]


def record_of_a_run(file: str, **keys: object) -> dict:
    """Train two epochs on the tiny dataset, under the name of one with a released log, and return the record."""
    write_inter(cycle_lines(), name="lastfm")
    return run_recbole_mdcns("SASRec", "lastfm", config_dict={**TINY, "result_file": file, **keys}, saved=False)[
        "record"
    ]


def scripts_of(*folders: str) -> set[str]:
    """Return the scripts of some folders of ``benchmarks/``, and check that its README lists each."""
    scripts = {
        path.relative_to(BENCHMARKS).as_posix()
        for folder in folders
        for path in (BENCHMARKS / folder).glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    listed = re.findall(r"`python benchmarks/([\w/]+\.py)", (BENCHMARKS / "README.md").read_text(encoding="utf-8"))
    assert scripts <= set(listed)
    return scripts
