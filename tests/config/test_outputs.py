"""Places of results are tried before training, and nothing but an older result is replaced."""

import json
from pathlib import Path

import pytest
from helpers.runs import TINY

from recbole_mdcns.cli.main import main, train_main
from recbole_mdcns.data.load import load_splits
from recbole_mdcns.errors import USER_ERROR
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.support.safe_write import remove_abandoned, replacing
from recbole_mdcns.tuning import driver

COMMAND = ["-m", "SASRec", "-d", "tiny", *(f"--{k}={v}" for k, v in {**TINY, "epochs": 1}.items())]
RNS = [*COMMAND, "--neg_sampler=rns"]


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    """Fail where a test comes as far as loading the data."""
    monkeypatch.setattr("recbole_mdcns.quick_start.load_splits", lambda config: pytest.fail("it got past the checks"))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("data", "it is a folder"),
        ("no/such/r.json", "no/such is not a folder"),
        ("data/tiny/tiny.inter/r.json", "tiny.inter is not a folder"),
        ("x" * 300 + ".json", "File name too long"),
        ("a\0b.json", "NUL"),
        ("/proc/r.json", "No such file"),
        ("/dev/null", "it exists, and"),
        ("data/tiny/tiny.inter", "it exists, and"),
        ("mine.yaml", "it exists, and"),
        ("split.tsv", "it exists, and"),
        ("saved/old-last.pth", "it exists, and"),
        ("other.json", "it exists, and"),
        ("rows.jsonl", "it exists, and"),
        ("link", "it exists, and"),
    ],
)
def test_a_result_file_that_cannot_be_written_or_is_another_file_is_refused(path, reason, capsys):
    Path("saved").mkdir()
    texts = {
        "mine.yaml": "seed: 1\n", "split.tsv": "user_id:token\tpart:token\n", "saved/old-last.pth": "PK",
        "other.json": '{"a": 1}', "rows.jsonl": '{"schema": 1}\n{"schema": 1}\n',
    }  # fmt: skip
    for name, text in texts.items():
        Path(name).write_text(text)
    Path("link").symlink_to("mine.yaml")
    before = {each: each.read_bytes() for each in Path().rglob("*") if each.is_file()}
    assert train_main([*COMMAND, "--config_files=mine.yaml", f"--result_file={path}"]) == USER_ERROR
    error = capsys.readouterr().err
    assert f"result_file = {path!r} " in error and reason in error and "Traceback" not in error
    assert {each: each.read_bytes() for each in Path().rglob("*") if each.is_file()} == before
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("text", [None, "", json.dumps({"schema": 1, "model": "SASRec"}, indent=1)])
def test_a_new_file_an_empty_one_and_an_older_record_may_be_the_result_file(text):
    if text is not None:
        Path("r.json").write_text(text)
    with pytest.raises(pytest.fail.Exception, match="past the checks"):
        train_main([*COMMAND, "--result_file=r.json"])
    assert (Path("r.json").read_text() if text is not None else None) == text  # as it was


def test_a_split_file_beside_the_result_replaces_no_other_file(monkeypatch):
    monkeypatch.setattr("recbole_mdcns.quick_start.load_splits", load_splits)
    Path("r-split.tsv").write_text("my notes\n")
    keys = {**TINY, "epochs": 1, "neg_sampler": "rns", "protocol": "paper", "result_file": "r.json"}
    with pytest.raises(Exception, match=r"r-split.tsv' cannot be written \(it exists, and"):
        run_recbole_mdcns("SASRec", "tiny", config_dict=keys)
    assert Path("r-split.tsv").read_text() == "my notes\n" and not Path("r.json").exists()


@pytest.mark.parametrize("name", ["no/such/x.csv", "data/x.csv/y.csv", "x" * 300 + ".csv", "x.txt"])
def test_exports_are_tried_before_records_are_read(name, monkeypatch, capsys):
    Path("grid.yaml").write_text("datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nkeys: {data_path: data}\n")
    monkeypatch.setattr(driver, "sweep_records", lambda *_: pytest.fail("it got past the checks"))
    assert main(["export", "grid.yaml", name]) == USER_ERROR
    error = capsys.readouterr().err
    assert name in error and "cannot be written" in error and "Traceback" not in error


def test_what_killed_runs_left_is_removed_and_what_living_ones_write_is_not():
    folder = Path("saved")
    folder.mkdir()
    dead = [folder / f"SASRec-tiny-{end}.0123abcd.tmp" for end in ("last.pth", "split.tsv")]
    dead.append(Path("r.json.0123abcd.tmp"))
    mine = [folder / "notes.tmp", folder / "a.pth.tmp", Path("s.json.0123abcd.tmp"), Path("saved/x.txt.0123abcd.tmp")]
    for path in [*dead, *mine]:
        path.write_text("half")
    with replacing(folder / "b.pth") as file:
        file.write(b"whole")
        with pytest.raises(pytest.fail.Exception):
            train_main([*COMMAND, "--result_file=r.json"])
        remove_abandoned(folder)
    assert (folder / "b.pth").read_bytes() == b"whole"
    assert not any(path.exists() for path in dead) and all(path.exists() for path in mine[:3])
