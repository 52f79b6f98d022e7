"""Commands that read a sweep make nothing and need no permission to write, and say where they looked."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from helpers.planted_records import record
from helpers.sweeps import unscored

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.record import Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.sweep_file import read_sweep

SWEEP = "datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nseeds: [1]\nkeys: {data_path: data}\n"
STATUS, DRY_RUN = ["status", "mine.yaml"], ["sweep", "mine.yaml", "--dry_run"]
BEST, EXPORT = ["best", "mine.yaml"], ["export", "mine.yaml", "all.csv"]


def files() -> dict[str, int]:
    """Return everything in this folder, with the time of its last change."""
    return {str(path): path.stat().st_mtime_ns for path in Path().rglob("*") if path.name != "all.csv"}


def make_read_only(monkeypatch) -> None:
    """Let every attempt to make a folder fail, as on a file system that is mounted for reading."""

    def refuse(self, *arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr("recbole_mdcns.records.store.os.access", lambda path, mode: False)


@pytest.mark.parametrize("command", [STATUS, DRY_RUN])
def test_without_records_the_progress_says_where_it_looked(command, capsys):
    Path("mine.yaml").write_text(SWEEP)
    before = files()
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "1 cells, 1 trials, 1 to run" in shown.out and shown.err == ""
    assert f"records: none, {Path('sweeps/mine').absolute()} does not exist\n" in shown.out
    assert files() == before


@pytest.mark.parametrize("command", [BEST, EXPORT])
def test_without_records_there_is_nothing_to_show(command, capsys):
    Path("mine.yaml").write_text(SWEEP)
    before = files()
    assert main(command) == 2
    folder = Path("sweeps/mine").absolute()
    assert f"{folder} has no record of the sweep mine, because it does not exist: " in capsys.readouterr().err
    assert files() == before and not Path("all.csv").exists()


def test_the_sweep_of_a_colleague_is_read_where_nothing_can_be_written(monkeypatch, capsys):
    Path("mine.yaml").write_text(SWEEP)
    (trial,) = trials(read_sweep("mine.yaml"))
    found = {"status": "finished", "best_valid_score": 0.5, "best_epoch": 0, "valid": {"self": {"ndcg@10": 0.5}}}
    Store("sweeps/mine").write(Record.from_json({**unscored(trial.id.to_json()), **found}, "here"))
    make_read_only(monkeypatch)
    before = files()
    for command, shown in (
        (STATUS, f"records: 1 in {Path('sweeps/mine').absolute()}\n"),
        (DRY_RUN, "1 cells, 1 trials, 0 to run"),
        (BEST, "0.5000"),
        (EXPORT, "all.csv: 1 records"),
    ):
        assert main(command) == 0, command
        assert shown in capsys.readouterr().out
    assert files() == before
    assert main(["sweep", "mine.yaml"]) == 2  # which writes
    assert "sweeps/mine cannot be used: Read-only file system" in capsys.readouterr().err


def test_a_storage_that_is_no_folder_is_refused_by_what_reads(capsys):
    Path("mine.yaml").write_text(SWEEP)
    for command in (STATUS, DRY_RUN, BEST, EXPORT):
        assert main([*command, "--storage", "mine.yaml"]) == 2
        assert "mine.yaml/mine" in (error := capsys.readouterr().err) and "Not a directory" in error
    with pytest.raises(ConfigError, match="mine.yaml/mine cannot be read: Not a directory"):
        Store("mine.yaml/mine").all_records()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--datasets=beauty", "--seeds=1,x"], "seeds '1,x' are not allowed"),
        (["--datasets=beauty", "--engine=processes", "--address=auto"], "--address is not allowed with"),
        (["--datasets=beauty", "--set", "epochz=2"], "there is no key epochz"),
        (["--datasets=beauty", "--reuse", "empty"], "empty holds no records"),
        (["--datasets=lastfm"], "dataset 'lastfm' is not in dataset/lastfm"),
    ],
)
def test_a_reproduction_that_is_refused_makes_no_folder(arguments, said, capsys):
    pytest.importorskip("matplotlib")
    Path("empty").mkdir()
    before = files()
    assert main(["reproduce", "table7", "--methods", "RNS", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert files() == before


def test_a_report_that_is_refused_makes_no_folder(capsys):
    pytest.importorskip("matplotlib")
    Store("sweeps/mine").write(record("rns", 1, [1, 0]))
    before = files()
    asked = ["--records", "sweeps/mine", "--datasets", "nowhere", "--out", "pages"]
    assert main(["report", "table3", *asked]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert main(["report", "side_by_side", *asked]) == 2
    assert "--datasets is not allowed for a page of side_by_side, which shows all" in capsys.readouterr().err
    assert files() == before
