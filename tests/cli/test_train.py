"""The command line, run as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT, python_path
from helpers.runs import TINY, write_inter

from recbole_mdcns.cli.main import train_main
from recbole_mdcns.config.keys import own_keys
from recbole_mdcns.errors import INTERRUPTED, USER_ERROR

KEYS = [f"--{key}={value}" for key, value in {**TINY, "epochs": 1}.items()]


def command(*arguments, entry=(sys.executable, str(ROOT / "run_recbole_mdcns.py")), **env):
    return subprocess.run(
        [*entry, *arguments], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1", **env}
    )


def test_the_main_command_trains_and_writes_its_record():
    keys = [key for key in KEYS if "show_progress" not in key]
    done = command("--model=SASRec", "--dataset=tiny", *keys, "--result_file=r.json")
    assert done.returncode == 0, done.stderr
    assert "Train" in done.stderr and "Evaluate" in done.stderr  # progress bars
    for text in ("self/teacher", "valid result", "results at the best epoch", "| test", "| teacher"):
        assert text in done.stderr + done.stdout
    record = json.loads(Path("r.json").read_text())
    assert record["command"][1:3] == ["--model=SASRec", "--dataset=tiny"]
    assert Path("log/SASRec").is_dir() and Path("log_tensorboard").is_dir() and Path("saved").is_dir()


def test_short_options_files_and_spaces_without_ray_and_recboles_quick_start():
    Path("a.yaml").write_text("epochs: 5\nneg_top_num: 2\n")
    Path("b.yaml").write_text("neg_top_num: 3\n")
    code = (
        "import sys; from recbole_mdcns.cli.main import train_main; assert train_main(sys.argv[1:]) == 0; "
        "assert 'ray' not in sys.modules and 'recbole.quick_start' not in sys.modules"
    )
    done = command(
        "-m", "GRU4Rec", "-d", "tiny", "--config_files", "a.yaml b.yaml", *KEYS, "--seed", "7", "--evaluate_peers",
        "--peer.hidden_size=32", "--result_file", "r.json", entry=(sys.executable, "-c", code),
        PYTHONPATH=python_path(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = json.loads(Path("r.json").read_text())["config"]
    assert (config["model"], config["neg_top_num"], config["seed"]) == ("GRU4Rec", 3, 7)
    assert (config["epochs"], config["evaluate_peers"]) == (1, True)


def test_a_model_of_the_user_by_import_path():
    """In this process, for speed, with a module that no other test has; the command finds the current folder."""
    Path("of_the_user.py").write_text(
        "from recbole.model.sequential_recommender import GRU4Rec\nclass MyRec(GRU4Rec):\n    pass\n"
    )
    Path("MyRec.yaml").write_text("embedding_size: 16\nhidden_size: 8\nnum_layers: 2\ndropout_prob: 0.1\n")
    keys = [key for key in KEYS if "hidden_size" not in key]
    assert train_main(["--model=of_the_user:MyRec", "--dataset=tiny", *keys, "--result_file=r.json"]) == 0
    record = json.loads(Path("r.json").read_text())
    assert (record["model"], record["config"]["hidden_size"]) == ("MyRec", 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=SASRec"], "model and dataset must be named"),
        (["--model=SASRek", "--dataset=tiny"], "did you mean SASRec?"),
        (["--model=SASRec", "--dataset=tiny", "--peer_model=Nothing"], "peer_model = 'Nothing' is not a model"),
        (["--model=SASRec", "--dataset=tiny", "--distil_weight=1"], "did you mean distill_weight?"),
        (["--model=SASRec", "--dataset=tiny", "--neg_top_num=101"], "at most neg_candidate_num"),
        (["--model=SASRec", "--dataset=tiny", "--neg_candidate_num=30"], "items left outside history and target"),
        (
            ["--model=SASRec", "--dataset=tiny", "--neg_candidate_num=31"],
            "_num = 31 is not allowed: user u",
        ),
        (
            ["--model=SASRec", "--dataset=tiny", "--neg_sampler=rns", "--neg_num=31"],
            "neg_num = 31 is not allowed: user u",
        ),
        (["--model=SASRec", "--dataset=tiny", "--config_files=none.yaml"], "none.yaml cannot be read"),
        (["--model=SASRec", "--dataset=tiny", "--resume=gone-last.pth"], "gone-last.pth cannot be read"),
        (["--model=SASRec", "--dataset=broken"], "broken.inter, line 3: timestamp = 'x' is not a number"),
        (["--model=SASRec", "--dataset=tiny", "--topk=[10,31]"], "topk = [10, 31] is not allowed: there are 30 items"),
        (["--model=SASRec", "--dataset=tiny", "--n_heads=7"], "n_heads = 7 is not allowed"),
        (["--model=SASRec", "--dataset=tiny", "stray"], "argument 'stray' is not understood"),
        (["--model=SASRec", "--dataset=tiny", "--epochs=1", "--epochs=2"], "--epochs is given twice"),
        (["--model"], "expected one argument"),
    ],
)
def test_mistakes_end_in_one_sentence_and_a_code(arguments, message, capsys, monkeypatch):
    """In this process, for speed; the exit code of the process is tested below."""
    write_inter(["u\ti\t1\n", "u\tj\tx\n"], "broken")
    keys = [f"--{key}={TINY[key]}" for key in ("data_path", "show_progress", "use_gpu", "MAX_ITEM_LIST_LENGTH")]
    keys = keys if "--dataset=tiny" in arguments or "--dataset=broken" in arguments else []
    assert train_main([*arguments, *keys]) == USER_ERROR
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_mistake_is_no_traceback_and_an_exit_code():
    done = command("--model=SASRec", "--dataset=tiny", "--neg_candidates_num=3")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("run_recbole_mdcns: neg_candidates_num")
    assert "Traceback" not in done.stderr


def test_interrupted_runs_say_how_to_go_on(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("recbole_mdcns.quick_start.run_recbole_mdcns", interrupt)
    assert train_main(["-m", "SASRec", "-d", "tiny"]) == INTERRUPTED
    said = "interrupted; finished epochs of a training are kept: --resume continues after the last of them"
    assert capsys.readouterr().err == f"run_recbole_mdcns: {said}\n"  # true before the first epoch, too


def test_help_lists_every_key_of_ours(capsys):
    assert train_main(["--help"]) == 0
    printed = capsys.readouterr().out
    for key in own_keys().values():
        assert f"--{key.name}=" in printed
        assert f"({key.allowed})" in printed
    assert """--metrics="['Recall', 'NDCG', 'MRR', 'Hit', 'Precision']\"""" in printed  # as a shell takes it
    for symbol in ("alpha", "beta", "gamma", "mu", "tau", "N", "M"):
        assert f"[{symbol}]" in printed


def test_a_yaml_file_whose_path_has_spaces():
    Path("my runs").mkdir()
    Path("my runs/a b.yaml").write_text("epochs: 1\nneg_sampler: rns\n")
    keys = [key for key in KEYS if "epochs" not in key]
    named = ["--model=SASRec", "--dataset=tiny", "--config_files=my runs/a b.yaml", *keys, "--result_file=r.json"]
    assert train_main(named) == 0
    config = json.loads(Path("r.json").read_text())["config"]
    assert (config["epochs"], config["neg_sampler"]) == (1, "rns")
