"""The committed records are those of the sweeps that made them: a sweep that has them has nothing left to run."""

from pathlib import Path

import pytest
from helpers.paths import BENCHMARKS

from recbole_mdcns.cli.main import main
from recbole_mdcns.records.files import read_records
from recbole_mdcns.records.record import Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.support.yaml_files import properties_dir
from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.sweep_file import read_sweep

#: Sweeps, and how many of their trials have a committed record; a page says so where some are missing.
FOUND = {
    "controls": (28, 28), "cpu_comparison": (24, 24), "every_method": (50, 50), "first_results": (9, 9),
    "backbones_grid": (30, 30), "sensitivity": (10, 16), "variants": (6, 10), "beyond": (44, 48),
    "beyond_leave_one_out": (6, 6), "beyond_choice": (9, 10), "beyond_parts": (5, 8),
    "movielens": (29, 29), "movielens_1m": (7, 7), "paper_budget": (3, 4),
}  # fmt: skip


#: Keys that the command of a page sets anew.
SET = {"sensitivity": {"epochs": 40, "stopping_step": 40}}


@pytest.fixture(scope="module")
def committed():
    """All committed records of trials."""
    paths = sorted(BENCHMARKS.glob("results/**/*.jsonl.xz"))
    return [each for path in paths for each in read_records(path) if isinstance(each, Record) and each.trial]


def test_no_command_names_a_place_of_the_machine(committed):
    """Scripts of ``benchmarks/`` are named by their path in the repository, data by a relative one."""
    parts = {part for record in committed for part in record.command}
    assert not {part for part in parts if part.partition("=")[2].startswith("/") or part.startswith("/")}


@pytest.mark.parametrize("name", FOUND)
def test_a_sweep_finds_its_committed_records(name, committed, capsys):
    path = BENCHMARKS / "sweeps" / f"{name}.yaml"
    path = path if path.is_file() else properties_dir() / "sweep" / f"{name}.yaml"
    found, total = FOUND[name]
    sweep = read_sweep(path, SET.get(name))
    of_sweep = {trial.id.key for trial in trials(sweep)}
    store = Store(Path("sweeps", sweep.name))
    for record in committed:
        if record.trial.key in of_sweep:  # the others would cost time
            store.write(record)
    settings = [argument for key, value in SET.get(name, {}).items() for argument in ("--set", f"{key}={value}")]
    assert main(["sweep", str(path), *settings, "--dry_run"]) == 0
    said = capsys.readouterr().out
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in said.splitlines() if line.startswith("|")
    ]
    head, cells = rows[0], rows[2:]
    of_all, left = (sum(int(row[head.index(column)]) for row in cells) for column in ("trials", "to do"))
    assert (of_all - left, of_all) == (found, total)
