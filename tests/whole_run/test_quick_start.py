"""The one call: its result, its record, and the model that it leaves."""

import json
import logging
import math
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.runs import TINY, tiny_run
from recbole.utils.case_study import full_sort_scores

import recbole_mdcns
from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.data.load import dataset_of
from recbole_mdcns.errors import CheckpointError, ConfigError
from recbole_mdcns.quick_start import load_data_and_model, run_recbole_mdcns
from recbole_mdcns.records.environment import reset_peak_memory


def run(**keys):
    return run_recbole_mdcns("SASRec", "tiny", config_dict={**TINY, "result_file": "r.json", **keys}, command=["cmd"])


def test_result_and_record():
    result = run(epochs=3)
    record = json.loads(Path("r.json").read_text())
    assert record == json.loads(json.dumps(result["record"]))
    assert result["valid_score_bigger"] is True
    assert result["best_valid_result"] == record["valid"]["self"]
    assert result["test_result"] == record["test"]["self"]
    assert result["best_valid_score"] == record["best_valid_score"] == record["valid"]["self"]["ndcg@10"]
    assert record["command"] == ["cmd"]
    assert (record["model"], record["peer_model"]) == ("SASRec", "Mamba4Rec")
    assert record["config"]["peer"]["hidden_size"] == 16
    assert [len(record["data"].pop(name)) for name in ("fingerprint", "split_fingerprint")] == [32, 32]
    assert record["data"] == {
        "users": 40, "items": 30, "interactions": 480, "rows": {"train": 360, "valid": 40, "test": 40},
        "split_users": {},
    }  # fmt: skip
    assert [e["epoch"] for e in record["epochs"]] == [0, 1, 2]
    scores = [e["valid"]["ndcg@10"] for e in record["epochs"]]
    assert record["best_epoch"] == max(range(3), key=lambda epoch: (scores[epoch], epoch))
    assert all(math.isfinite(value) for e in record["epochs"] for value in e["parts"].values())
    assert set(record["valid"]) == set(record["test"]) == {"self", "peer", "teacher"}
    assert set(record["test"]["self"]) == {
        f"{m}@{k}" for m in ("recall", "ndcg", "mrr", "hit", "precision") for k in (5, 10, 20)
    }
    environment = record["environment"]
    assert record["seconds_per_epoch"] > 0 and environment["peak_memory"]["resident"] > 10**7
    assert {"python", "torch", "numpy", "recbole", "recbole-mdcns"} <= set(environment["versions"])
    assert record["package_version"] == environment["versions"]["recbole-mdcns"] == recbole_mdcns.__version__
    assert {"processor", "cores", "memory", "device"} <= set(environment["machine"])
    assert environment["git"] is None or len(environment["git"]["commit"]) == 40


def test_baselines_have_no_peer_in_the_record():
    result = run(neg_sampler="rns", epochs=1)
    record = result["record"]
    assert checkpoint.load(result["model_file"], "model")["valid"] == record["valid"] != record["test"]
    assert record["peer_model"] is None
    assert set(record["test"]) == {"self"}


def test_runs_of_one_process_have_logs_of_their_own_and_leave_nothing_behind(monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's, because of which RecBole would add none
    threads, streams = threading.active_count(), (sys.stdout, sys.stderr)
    for epochs in (1, 2):
        run(epochs=epochs, neg_sampler="rns")
    logs = sorted(Path("log/SASRec").glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    assert [path.read_text().count(" training [time") for path in logs] == [1, 2]
    assert {path.stem for path in logs} == {path.name for path in Path("log_tensorboard").iterdir()}
    assert (sys.stdout, sys.stderr) == streams  # colorama would wrap them once more in each run
    assert threading.active_count() == threads and len(logging.getLogger().handlers) == 2


def test_a_worker_may_reset_the_peak_of_a_gpu_that_it_has_not_used_yet(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    reset_peak_memory(torch.device("cuda"))  # torch itself raises


@pytest.mark.parametrize("pad_side", ["right", "left"])
def test_the_saved_model_is_an_ordinary_recbole_model(pad_side):
    result = run(epochs=8, pad_side=pad_side)
    best = [p for p in Path("saved").glob("*.pth") if "-last" not in p.name]
    mine, peers = sorted(best, key=lambda path: "-peer" in path.name)
    config, model, dataset, _, _, test = load_data_and_model(mine)
    assert (config["model"], dataset.item_num, config["epochs"]) == ("SASRec", 31, 8)
    # RecBole's own scoring of a user's test row finds the known next item among the unseen ones
    scores = full_sort_scores(np.arange(1, dataset.user_num), model, test)
    rows = dataset_of(test).inter_feat
    scores[dataset.history.pairs(rows["history_start"], rows["history_end"])] = -torch.inf
    hits = (scores.argmax(1) == rows["item_id"]).float().mean()
    assert hits > 0.5
    trainer = tiny_run(neg_sampler="rns", pad_side=pad_side).trainer
    assert trainer.evaluate(test, load_best_model=True, model_file=mine) == result["test_result"]
    peer_config, peer, *_ = load_data_and_model(peers)
    assert peer_config["model"] == type(peer).__name__ == "Mamba4Rec"
    assert all(torch.isfinite(p).all() for p in peer.parameters())


def test_load_refuses_damaged_files(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        load_data_and_model(tmp_path / "x.pth")


@pytest.mark.parametrize("wrong", [["epochs"], "epochs=3", {1: 2}])
def test_a_config_dict_of_another_kind_is_one_sentence(wrong):
    with pytest.raises(ConfigError, match=r"^config_dict = .* is not allowed: give a dict with names of keys"):
        run_recbole_mdcns("SASRec", "tiny", config_dict=wrong)


def test_an_unwritable_result_file_is_refused_before_training():
    with pytest.raises(ConfigError, match="result_file = 'no/such/folder/r.json' cannot be written"):
        run(result_file="no/such/folder/r.json")
    assert not Path("saved").exists()


@pytest.mark.parametrize("folder", ["afile", "afile/below", 5, "", "x" * 300, "/proc/none"])
def test_a_checkpoint_dir_that_cannot_be_made_is_refused_before_training(folder):
    Path("afile").touch()
    with pytest.raises(
        ConfigError, match=rf"checkpoint_dir = {folder!r} (cannot be written to \(.+\): give a writable|is not allowed)"
    ):
        run(checkpoint_dir=folder)
    assert not Path("log").exists()


def test_resume_by_key_gives_the_numbers_of_an_uninterrupted_run():
    whole = run(epochs=4)
    run(epochs=2, seed=2020)
    # the newest run of these settings is the two-epoch one
    resumed = run(epochs=4, resume=True)
    assert resumed["best_valid_result"] == whole["best_valid_result"]
    assert resumed["test_result"] == whole["test_result"]
    assert [e["loss"] for e in resumed["record"]["epochs"]] == [e["loss"] for e in whole["record"]["epochs"]]


def test_without_validation_each_epoch_writes_its_models_once(monkeypatch):
    written, save = [], checkpoint.save
    monkeypatch.setattr(
        checkpoint, "save", lambda content, path: (written.append(Path(path).name), save(content, path))
    )
    run(epochs=2, eval_step=0)
    kinds = [
        "peer" if name.endswith("-peer.pth") else "last" if name.endswith("-last.pth") else "self" for name in written
    ]
    assert kinds[:6] == ["self", "peer", "last"] * 2


@pytest.mark.parametrize("keys", [{"epochs": 0}, {"epochs": 2, "eval_step": 0}])
def test_without_any_validation_the_last_weights_are_evaluated(keys):
    record = run(**keys)["record"]
    assert record["best_epoch"] is None and record["best_valid_score"] is None
    assert len(record["epochs"]) == keys["epochs"]
    assert 0 <= record["test"]["self"]["ndcg@10"] <= 1
