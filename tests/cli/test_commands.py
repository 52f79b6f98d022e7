"""Every command: its exit codes, and the one line that it ends with when something is wrong."""

import errno
import importlib
import sys
from pathlib import Path

import pytest
from helpers.planted_records import failure, record
from helpers.python_process import run_python
from helpers.runs import TINY

from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.cli.main import COMMANDS, main, train_main
from recbole_mdcns.config.keys import every_key
from recbole_mdcns.errors import FAILURE, PIPE_CLOSED, USER_ERROR, ConfigError, DataError, WriteError
from recbole_mdcns.records.files import pack_records
from recbole_mdcns.support.yaml_files import read_yaml, recbole_properties_dir

SWEEP = "datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nkeys: {data_path: data, use_gpu: False}\n"
KEYS = [f"--{key}={value}" for key, value in {**TINY, "epochs": 1, "neg_sampler": "rns"}.items()]
#: Arguments with which a command gets as far as its work.
GOOD = {
    "train": ["--model=SASRec", "--dataset=tiny"],
    "evaluate": ["model.pth"],
    "recommend": ["model.pth", "--sequences=s.csv"],
    "sweep": ["sweep.yaml"],
    "status": ["sweep.yaml"],
    "best": ["sweep.yaml"],
    "export": ["sweep.yaml", "all.csv"],
    "export-model": ["model.pth", "--onnx=m.onnx"],
    "report": ["table3", "--records=sweeps", "--out=pages"],
    "reproduce": ["table3"],
    "prepare": ["mine", "--format=lines", "--raw=raw.txt", "--out=dataset"],
    "stats": ["tiny"],
}
#: A name that no file system takes: Path.exists raises an error for it.
LONG = "x" * 300
#: Mistakes in the options of each command, and what the line says about them.
MISTAKES = [
    ("train", ["--model=SASRek", "--dataset=tiny"], "did you mean SASRec?"),
    ("train", ["--model"], "expected one argument"),
    ("train", ["--model=SASRec", "--dataset=tiny", "stray"], "argument 'stray' is not understood: write --key=value"),
    ("train", ["--model=SASRec", "--dataset=tiny", "--distil_weight=1"], "did you mean distill_weight?"),
    ("train", ["--model=SASRec", "--dataset=tiny", "--config_files=~no-one/a.yaml"], "~no-one/a.yaml cannot be read"),
    ("train", ["--model=SASRec", "--dataset=tiny", f"--config_files={LONG}"], "cannot be read: File name too long"),
    ("evaluate", [], "the file of the saved model must come first"),
    ("evaluate", ["--topk", "[5]", "model.pth"], "the file of the saved model must come first"),
    ("evaluate", ["model.pth", "stray"], "argument 'stray' is not understood"),
    ("evaluate", ["model.pth", "--", "--topk=[5]"], "argument '--' is not understood"),
    ("evaluate", ["gone.pth"], "gone.pth cannot be read"),
    ("evaluate", ["gone.pth", "--epochs=3"], "epochs = 3 is not allowed when a saved model is evaluated"),
    ("evaluate", ["gone.pth", "--model=SASRec"], "model = 'SASRec' is not allowed when a saved model is evaluated"),
    ("recommend", [], "required: MODEL"),
    ("recommend", [LONG, "--users=all"], "xxx cannot be read"),
    ("recommend", ["~nobody-here/m.pth", "--users=all"], "~nobody-here/m.pth cannot be read"),
    ("recommend", ["gone.pth"], "give one of --sequences=FILE and --users (all, ids"),
    ("recommend", ["gone.pth", "--sequences=s.csv", "--users=all"], "give one of --sequences=FILE and --users"),
    ("recommend", ["raw.txt", "--sequences=raw.txt", "--k=0"], "k = 0 is not allowed"),
    ("recommend", ["gone.pth", "--sequences=s.csv"], "gone.pth cannot be read"),
    ("sweep", [], "required: grid"),
    ("sweep", [LONG], "there is no sweep xxx"),
    ("sweep", ["gone.yaml"], "there is no sweep gone.yaml"),
    ("sweep", ["sweep.yaml", "--sampler=rns"], "--sampler"),
    ("status", ["sweep.yaml", "other.yaml"], "other.yaml"),
    ("status", ["sweep.yaml", "--dry_run"], "--dry_run"),
    ("best", ["sweep.yaml", "--models=SASRek"], "did you mean SASRec?"),
    ("best", ["sweep.yaml", "--methods=mdcns", "--peers=GRU4Rec, ~"], "sweeps/sweep has no record"),
    ("best", ["sweep.yaml"], "sweeps/sweep has no record of the sweep sweep"),
    ("export", ["sweep.yaml", "all.csv"], "sweeps/sweep has no record of the sweep sweep"),
    ("export", [], "required: grid, FILE"),
    ("export", ["sweep.yaml"], "required: FILE"),
    ("export", ["sweep.yaml", "all.xlsx"], "all.xlsx cannot be written"),
    ("export", ["sweep.yaml", "--migrate=records"], "sweep.yaml is also given"),
    ("export-model", [], "required: MODEL"),
    ("export-model", ["gone.pth"], "nothing to write: give --onnx FILE, --embeddings FOLDER, or both"),
    ("export-model", ["gone.pth", "--onnx=m.txt"], "--onnx = 'm.txt' is not allowed: its name must end in .onnx"),
    ("export-model", ["raw.txt", "--onnx=gone/m.onnx"], "gone is not a folder"),
    ("export-model", ["gone.pth", "--onnx=m.onnx"], "gone.pth cannot be read"),
    ("export-model", ["raw.txt", "--embeddings=raw.txt"], "--embeddings = 'raw.txt' cannot be written to"),
    ("report", ["table3", "--records=gone", "--out=pages"], "gone"),
    ("reproduce", ["table99"], "table99"),
    ("reproduce", ["table3", "--methods=Guessing"], "table3 has no Guessing"),
    ("prepare", ["mine", "--raw=raw.txt", "--out=dataset"], "mine"),
    ("prepare", ["mine", "--format=lines", "--raw=raw.txt", f"--out={LONG}", "--min_user=0", "--min_item=0"],
     "cannot be written: File name too long"),
    ("prepare", ["mine", "--format=lines", "--raw=gone.txt", "--out=dataset"], "gone.txt"),
    ("prepare", ["kuairand", "--raw=raw.txt", "--out=dataset", "--from=2022"], "'2022' is not a day YYYYMMDD"),
    ("stats", [], "required: NAME"),
    ("stats", ["gone"], "gone.inter"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def files():
    Path("sweep.yaml").write_text(SWEEP)
    Path("raw.txt").write_text("u a b\n")


def work_of(name):
    """Return the module of a command."""
    return importlib.import_module(COMMANDS[name].module)


def test_there_are_arguments_and_mistakes_for_every_command():
    assert list(GOOD) == list(COMMANDS) and {name for name, _, _ in MISTAKES} == set(COMMANDS)


@pytest.mark.parametrize(("name", "arguments", "said"), MISTAKES)
def test_a_mistake_is_one_line_that_names_the_command_and_code_2(name, arguments, said, capsys):
    assert main([name, *arguments]) == USER_ERROR
    error = capsys.readouterr().err
    assert error.startswith(f"recbole-mdcns {name}: ") and said in error and error.count("\n") == 1


def test_a_parquet_file_of_records_needs_pyarrow(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["export", "sweep.yaml", "all.parquet"]) == USER_ERROR
    assert "a .parquet file needs pyarrow: pip install pyarrow" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("a key is wrong"), USER_ERROR, "a key is wrong"),
        (DataError("a line is wrong"), USER_ERROR, "a line is wrong"),
        (
            WriteError("x.json", "No space left on device"),
            FAILURE,
            "x.json cannot be written (No space left on device)",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "y"),
            FAILURE,
            "y cannot be written (No space left on device)",
        ),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), PIPE_CLOSED, None),
    ],
)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_way_to_end_has_its_code(name, error, code, said, monkeypatch, capsys):
    monkeypatch.setattr(work_of(name), "run", raising(error))
    assert main([name, *GOOD[name]]) == code
    line = capsys.readouterr().err
    assert line == "" if said is None else line.startswith(f"recbole-mdcns {name}: {said}") and line.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_the_code_of_a_command_is_that_of_its_work_and_a_bug_is_a_traceback(name, monkeypatch):
    for returned, code in ((None, 0), (0, 0), (FAILURE, FAILURE)):
        monkeypatch.setattr(work_of(name), "run", lambda _, returned=returned: returned)
        assert main([name, *GOOD[name]]) == code
    monkeypatch.setattr(work_of(name), "run", raising(KeyError("a bug")))
    with pytest.raises(KeyError, match="a bug"):
        main([name, *GOOD[name]])


def raising(error):
    def run(_):
        raise error

    return run


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_a_mistake_is_a_traceback_for_who_asks(name, monkeypatch):
    monkeypatch.setattr(work_of(name), "run", raising(ConfigError("wrong")))
    with pytest.raises(ConfigError, match="wrong"):
        main([name, *GOOD[name], "--state=DEBUG"])


# Help and version


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--model=SASRec", "--dataset=tiny", "--epoch=1"], "epoch = 1: there is no key epoch (did you mean"),
        (["train", "--model=SASRec", "--dataset=tiny", "--epochs=x"], "epochs = 'x' is not allowed: expected a whole"),
        (
            ["train", "--model=SASRec", "--dataset=tiny", "--config_files=keys.yaml"],
            "keys.yaml, line 1: epoch = 1: there is no key",
        ),
        (["evaluate", "gone.pth"], "gone.pth cannot be read: No such file"),
        (["evaluate", "gone.pth", "--epochs=1"], "epochs = 1 is not allowed when a saved model is evaluated"),
        (["recommend", "gone.pth", "--users=all"], "gone.pth cannot be read: No such file"),
        (["recommend", "raw.txt", "--sequences=gone.csv"], "gone.csv cannot be read: No such file"),
        (["export-model", "gone.pth", "--onnx=m.onnx"], "gone.pth cannot be read: No such file"),
        (["sweep", "gone.yaml"], "there is no sweep gone.yaml"),
        (["sweep", "keys.yaml"], "keys.yaml: there is no key epoch"),
        (["report", "table3", "--records=gone", "--out=pages"], "gone cannot be read: No such file"),
        (["report", "table99", "--records=raw.txt", "--out=pages"], "table99 is not a description of a page"),
        (["reproduce", "table3", "--grid=gone.yaml"], "there is no sweep gone.yaml"),
        (["prepare", "ml-x", "--raw=gone.dat", "--out=data"], "gone.dat cannot be read: No such file"),
    ],
)
def test_a_name_that_is_not_there_is_told_before_torch_is_loaded(arguments, said):
    Path("keys.yaml").write_text("epoch: 1\n")
    code = (
        "import sys; from recbole_mdcns.cli.main import main; assert main(sys.argv[1:]) == 2; "
        "assert not {'torch', 'ray', 'pandas'} & set(sys.modules)"
    )
    done = run_python("-c", code, *arguments)
    assert done.returncode == 0 and said in done.stderr and done.stderr.count("\n") == 1


def test_no_key_of_recbole_is_refused_before_torch_is_loaded():
    files = list(recbole_properties_dir().glob("model/*.yaml"))
    assert len(files) > 50 and {name for path in files for name in read_yaml(path)} - every_key() == {"time-aware"}
    assert "time-aware" in read_yaml(recbole_properties_dir() / "model" / "DiffRec.yaml")  # not a sequential model


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "a command is missing: choose train, "),
        (["trian", "--model=SASRec"], "'trian' is not a command (did you mean train?): choose train, "),
        (["Sweep"], "'Sweep' is not a command (did you mean sweep?)"),
        (["--model=SASRec", "--dataset=tiny"], "'--model=SASRec' is not a command: choose train, "),
    ],
)
def test_what_is_no_command_is_told(arguments, said, capsys):
    assert main(arguments) == USER_ERROR
    error = capsys.readouterr().err
    assert error.startswith(f"recbole-mdcns: {said}") and error.count("\n") == 1


# As processes


def test_the_package_is_the_command_and_its_code_that_of_the_process():
    done = run_python("-m", "recbole_mdcns", "stats", "gone")
    assert done.returncode == USER_ERROR and done.stdout == ""
    assert done.stderr.startswith("recbole-mdcns stats: ") and done.stderr.count("\n") == 1
    done = run_python("-m", "recbole_mdcns", "stats", "tiny", "--data_path=data")
    assert (done.returncode, done.stderr) == (0, "") and "| tiny" in done.stdout


# What single commands do


def test_train_is_run_recbole_mdcns(monkeypatch):
    calls = []
    Path("a.yaml").write_text("epochs: 2\n")
    Path("b.yaml").write_text("peer.hidden_size: 8\npeer: {num_layers: 1}\n")
    monkeypatch.setattr("recbole_mdcns.quick_start.run_recbole_mdcns", lambda *args, **keys: calls.append((args, keys)))
    given = ["-m", "SASRec", "--dataset", "tiny", "--config_files", "a.yaml b.yaml", "--epochs", "3", "--resume"]
    assert main(["train", *given]) == train_main(given) == 0
    commands = [keys.pop("command") for _, keys in calls]
    assert commands == [["recbole-mdcns", "train", *given], ["run_recbole_mdcns", *given]]
    assert calls[0] == calls[1] == (
        ("SASRec", "tiny", ["a.yaml", "b.yaml"]), {"argv": ["--epochs=3", "--resume"], "config_dict": {}}
    )  # fmt: skip


def test_hyphens_are_taken_for_the_underscores_of_options_and_keys():
    parser = Parser("x", "")
    parser.add_argument("--batch_size")
    parser.add_argument("rest", nargs="*")
    assert parser.spelled(["--batch-size=a-b", "--batch-size", "c-d", "--no-option", "--", "--batch-size"]) == [
        "--batch_size=a-b", "--batch_size", "c-d", "--no-option", "--", "--batch-size",
    ]  # fmt: skip
    of_keys = Parser("x", "", own_help=True)
    given = of_keys.parse_with_keys(
        of_keys.spelled(["--learning-rate=1e-3", "--peer.hidden-size", "8", "--log-dir=a-b"])
    )
    assert given.keys == ["--learning_rate=1e-3", "--peer.hidden_size=8", "--log_dir=a-b"]


def test_export_brings_a_folder_of_records_up_to_date(monkeypatch):
    folders: list[Path] = []
    monkeypatch.setattr("recbole_mdcns.records.migrate.migrate_folder", lambda folder: folders.append(folder) or {})
    assert main(["export", "--migrate", "records"]) == 0
    assert folders == [Path("records")]


def test_export_takes_its_files_wherever_they_stand(monkeypatch):
    monkeypatch.setattr("recbole_mdcns.tuning.driver.sweep_records", lambda *_: [record("rns", 1, [1, 0])])
    for arguments in (
        ["sweep.yaml", "a.csv", "--seeds=1", "b.csv"], ["--seeds=1", "sweep.yaml", "a.csv", "b.csv"],
        ["sweep.yaml", "--seeds", "1", "a.csv", "b.csv"],
    ):  # fmt: skip
        assert main(["export", *arguments]) == 0
        assert Path("a.csv").exists() and Path("b.csv").exists()
        Path("a.csv").unlink(), Path("b.csv").unlink()


@pytest.mark.parametrize("command", ["sweep", "reproduce"])
def test_the_code_of_a_sweep_with_a_failed_trial_is_that_of_a_failure(command, monkeypatch, capsys):
    from recbole_mdcns.report import reproduce
    from recbole_mdcns.tuning import driver

    pytest.importorskip("matplotlib")
    one, arguments = record("dns", 1, [1, 0]), ["table7", "--datasets=beauty", "--methods=RNS", "--out=pages"]
    Path("pages").mkdir()
    pack_records([one], Path("pages/records.jsonl.xz"))
    Path("sweep.yaml").write_text(SWEEP)
    monkeypatch.setattr(reproduce, "write_report", lambda *_, **__: None)
    for found, code in (([one], 0), ([one, failure(record("rns", 1, [1, 0]), "Traceback\nValueError: no")], FAILURE)):
        for module in (driver, reproduce):
            monkeypatch.setattr(module, "run_sweeps", lambda *_, found=found: found)
        assert main([command, *(arguments if command == "reproduce" else ["sweep.yaml"])]) == code
    said = [line for line in capsys.readouterr().err.splitlines() if "failed" in line]
    assert len(said) == 1 and "SASRec/rns/BCE" in said[0] and said[0].endswith(": ValueError: no")
