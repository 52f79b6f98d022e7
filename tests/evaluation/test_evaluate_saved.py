"""One call and one command evaluate a saved model again: other metrics, other K, another split, other data."""

import json
from pathlib import Path

import pytest
import torch
from helpers.runs import cycle_lines, fit, tiny_run, write_inter

from recbole_mdcns.cli.main import main, train_main
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.quick_start import evaluate_saved, load_data_and_model


@pytest.fixture
def trained():
    run = tiny_run(epochs=1)
    fit(run)
    run.trainer.load_best()
    return run


def test_a_saved_model_gives_the_metrics_of_its_run(trained):
    files = trained.trainer.files
    for split in ("test", "valid"):
        expected = trained.trainer.evaluate_all(getattr(trained, split)).metrics
        assert evaluate_saved(files.best, split) == expected["self"]
        assert evaluate_saved(files.model("peer"), split) == expected["peer"]


def test_first_weights_that_are_gone_are_not_asked_for(trained):
    path = trained.trainer.files.best
    content = torch.load(path, weights_only=True)
    torch.save({**content, "config": {**content["config"], "pre_model_path": "gone.pth", "item_init_range": 0.5}}, path)
    assert evaluate_saved(path) == trained.trainer.evaluate_all(trained.test).metrics["self"]
    assert not load_data_and_model(path)[0]["pre_model_path"]


def test_other_cutoffs_and_metrics(trained, capsys):
    path = trained.trainer.files.best
    expected = trained.trainer.evaluate_all(trained.test).metrics["self"]
    found = evaluate_saved(path, topk=[5, 25], metrics=["NDCG", "Recall"])
    assert list(found) == ["ndcg@5", "ndcg@25", "recall@5", "recall@25"]
    assert (found["ndcg@5"], found["recall@5"]) == (expected["ndcg@5"], expected["recall@5"])
    assert evaluate_saved(path, topk=30, metrics=["Recall"], mask_history=False) == {"recall@30": 1.0}
    assert list(evaluate_saved(path, metrics=["GAUC"])) == ["gauc"]
    assert list(evaluate_saved(path, metrics=["ItemCoverage"], topk=[10])) == ["itemcoverage@10"]


def test_a_model_of_an_own_loss_with_keys_is_evaluated_without_its_code(monkeypatch):
    Path("hinged.py").write_text("from recbole_mdcns.losses.pairwise import BPR\n\n\nclass Hinged(BPR):\n    pass\n")
    Path("Hinged.yaml").write_text("keys:\n  hinged_by: {default: 1.0, type: float, help: A margin.}\n")
    monkeypatch.syspath_prepend(Path.cwd())
    run = tiny_run(epochs=1, neg_sampler="dns", ranking_loss="hinged:Hinged")
    fit(run)
    run.trainer.load_best()
    assert run.config.plain()["hinged_by"] == 1.0
    assert evaluate_saved(run.trainer.files.best) == run.trainer.evaluate_all(run.test).metrics["self"]


def test_another_protocol_and_split_file(trained):
    path = trained.trainer.files.best
    assert 0 <= evaluate_saved(path, protocol="paper")["recall@10"] <= 1
    Path("s.tsv").write_text("user_id:token\tpart:token\nu1\ttrain\nu2\tvalid\nu3\ttest\n")
    assert evaluate_saved(path, protocol="paper", split_file="s.tsv")["recall@10"] in (0, 1)  # of one user
    by_users = tiny_run(epochs=1, protocol="paper", split_file="s.tsv", neg_sampler="rns")
    fit(by_users)
    path = by_users.trainer.files.best
    assert evaluate_saved(path, protocol="leave_one_out") != evaluate_saved(path)
    assert evaluate_saved(path, split_seed=3) != evaluate_saved(path)


def test_other_data_of_the_same_items(trained):
    write_inter(cycle_lines(seed=5), name="later")
    assert 0 <= evaluate_saved(trained.trainer.files.best, dataset="later")["recall@10"] <= 1


def test_a_dataset_may_be_called_2018(trained, capsys):
    write_inter(cycle_lines(seed=5), name="2018")
    assert main(["evaluate", str(trained.trainer.files.best), "--dataset=2018"]) == 0
    assert "| test" in capsys.readouterr().out


@pytest.mark.parametrize("is_option", [True, False])
def test_the_command_prints_a_table_and_writes_a_file(is_option, trained, capsys):
    path = trained.trainer.files.best
    arguments = ["--topk=[20]", "--metrics=['Recall']", "--split=valid", "--result_file=r.json"]
    command = [f"--evaluate={path}"] if is_option else ["evaluate", str(path)]
    assert (train_main if is_option else main)([*command, *arguments]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    expected = evaluate_saved(path, "valid", topk=[20], metrics=["Recall"])
    assert lines[0].split() == ["|", "split", "|", "recall@20", "|"]
    assert lines[-1].split() == ["|", "valid", "|", f"{expected['recall@20']:.4f}", "|"]
    written = json.loads(Path("r.json").read_text())
    assert (written["metrics"], written["split"], written["model_file"]) == (expected, "valid", str(path))
    assert written["config"]["topk"] == [20] and {"torch", "recbole-mdcns"} <= set(written["versions"])


@pytest.mark.parametrize(
    "argument",
    [
        "--hidden_size=8", "--model=GRU4Rec", "--MAX_ITEM_LIST_LENGTH=4", "--pad_side=left", "--seed=3", "--epochs=2",
        "--peer.hidden_size=8", "--config_files=a.yaml", "--load_col=None", "--nonsense=1", "--split=train",
    ],
)  # fmt: skip
def test_keys_that_might_change_the_model_are_refused(argument, trained, capsys):
    assert train_main([f"--evaluate={trained.trainer.files.best}", argument]) == 2
    key, value = argument[2:].split("=")
    error = capsys.readouterr().err
    assert f"{key} = " in error and value in error and "allowed" in error


def test_mistakes_are_named(trained, capsys):
    path = trained.trainer.files.best
    for arguments, said in (
        (["--evaluate=none.pth"], "none.pth cannot be read"),
        ([f"--evaluate={path}", "--result_file=no/such/r.json"], "result_file = 'no/such/r.json'"),
        ([f"--evaluate={path}", "--topk=[99]"], "topk = [99]"),
        ([f"--evaluate={path}", "--metrics=['Nonsense']"], "onsense"),
        ([f"--evaluate={path}", "--data_path=nowhere"], "nowhere"),
        ([f"--evaluate={trained.trainer.files.last}"], "holds a training state"),
    ):
        assert train_main(arguments) == 2
        assert said in capsys.readouterr().err
    with pytest.raises(ConfigError, match="split = 'all' is not allowed"):
        evaluate_saved(path, "all")
