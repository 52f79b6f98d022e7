"""Checkpoints: plain, atomic, and refused in a sentence when damaged or of another run."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.device import DEVICE
from helpers.runs import same, states, tiny_run

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.errors import CheckpointError, WriteError


@pytest.fixture
def finished():
    run = tiny_run(epochs=1)
    run.trainer.fit(run.train, run.valid, verbose=False)
    return run


def test_files_load_with_weights_only(finished):
    files = finished.trainer.files
    for path in (files.best, files.model("peer"), files.last):
        content = torch.load(path, weights_only=True)
        assert content["format"] == "recbole_mdcns"
    assert content["config"]["neg_sampler"] == "mdcns"
    best = torch.load(files.best, weights_only=True)
    assert {"state_dict", "config", "epoch", "best_valid_score", "cur_step", "other_parameter"} <= set(best)
    assert torch.load(files.model("peer"), weights_only=True)["config"]["model"] == "Mamba4Rec"


def test_the_best_file_fits_recboles_own_model(finished):
    from recbole.model.sequential_recommender import SASRec

    plain = SASRec(finished.config, finished.data)
    plain.load_state_dict(torch.load(finished.trainer.files.best, weights_only=True)["state_dict"])


@pytest.mark.parametrize("kept", [0, 10, 2000])
def test_a_truncated_file_is_refused(finished, kept):
    path = finished.trainer.files.last
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"not written by recbole_mdcns: it is not a whole file of torch.save$"):
        tiny_run(epochs=2).trainer.resume_checkpoint(path)


def test_a_file_of_something_else_is_refused(finished, tmp_path):
    foreign = tmp_path / "x-last.pth"
    torch.save({"state_dict": {}}, foreign)
    with pytest.raises(CheckpointError, match="was not written by recbole_mdcns"):
        tiny_run().trainer.resume_checkpoint(foreign)
    torch.save(object(), foreign)
    with pytest.raises(CheckpointError, match="not written by recbole_mdcns"):
        tiny_run().trainer.resume_checkpoint(foreign)
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        tiny_run().trainer.resume_checkpoint("none-last.pth")
    with pytest.raises(CheckpointError, match=r"expected a file \*-last.pth"):
        tiny_run().trainer.resume_checkpoint(finished.trainer.files.best)
    with pytest.raises(CheckpointError, match=r"a training state, expected a model state \(the file without -last\)$"):
        finished.trainer.load_best(finished.trainer.files.last)


def test_another_runs_file_is_refused_naming_the_keys(finished):
    other = tiny_run(model="GRU4Rec", neg_top_num=2)
    with pytest.raises(CheckpointError, match=r"to another run: .*model is 'SASRec' there and 'GRU4Rec' here") as error:
        other.trainer.resume_checkpoint(finished.trainer.files.last)
    assert "neg_top_num is 1 there and 2 here" in str(error.value)


def test_of_the_peers_keys_only_those_that_differ_are_named(finished):
    other = tiny_run(**{"peer.learning_rate": 0.5})
    with pytest.raises(CheckpointError, match=r"to another run: peer.learning_rate is 0.0\d* there and 0.5 here$"):
        other.trainer.resume_checkpoint(finished.trainer.files.last)


def test_weights_of_another_shape_are_refused(finished):
    other = tiny_run(hidden_size=8, embedding_size=8)
    with pytest.raises(CheckpointError, match="does not fit model SASRec: size mismatch for item_embedding"):
        other.trainer.load_best(finished.trainer.files.best)


def test_resume_true_without_a_run_begins_anew_and_says_where_it_looked(caplog):
    trainer = tiny_run().trainer
    trainer.resume_checkpoint(True)
    assert "saved holds no finished epoch of SASRec on tiny with these settings" in caplog.text
    assert trainer.start_epoch == 0


def test_resume_true_takes_the_run_whose_state_is_the_newest():
    config = tiny_run().config
    older, newer = sorted((checkpoint.RunFiles.new(config) for _ in range(2)), key=lambda files: files.last)[::-1]
    older.last.parent.mkdir()
    for time, files in ((1000, older), (2000, newer)):
        files.last.touch()
        os.utime(files.last, (time, time))
    found = checkpoint.RunFiles.to_resume(config, True)
    assert found is not None and found.last == newer.last < older.last


def test_a_file_to_resume_with_a_name_that_no_file_system_takes_cannot_be_read():
    with pytest.raises(CheckpointError, match="x-last.pth cannot be read"):
        checkpoint.RunFiles.to_resume(tiny_run().config, "x" * 300 + "-last.pth")


def test_longer_training_and_other_display_may_resume(finished):
    again = tiny_run(epochs=2, evaluate_peers=True)
    again.trainer.resume_checkpoint(True)
    assert again.trainer.start_epoch == 1
    assert same(states(again.trainer), states(finished.trainer))


def test_a_failed_save_leaves_the_old_file_and_no_rubbish(finished, monkeypatch):
    path = finished.trainer.files.best
    old, names = path.read_bytes(), sorted(path.parent.iterdir())

    def full(*_):
        raise OSError(28, "disk full")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(WriteError, match=rf"{path.name} cannot be written \(disk full\): make room"):
        checkpoint.save({"kind": "model"}, path)
    assert path.read_bytes() == old
    assert sorted(path.parent.iterdir()) == names


def test_random_states_round_trip():
    state = checkpoint.random_states(DEVICE)
    expected = (random.random(), np.random.rand(), np.random.randn(), torch.rand(3, device=DEVICE).tolist())
    checkpoint.set_random_states(state, DEVICE)
    assert (random.random(), np.random.rand(), np.random.randn(), torch.rand(3, device=DEVICE).tolist()) == expected


@pytest.mark.parametrize("text", ["junk\n", "customer,product\n"])
def test_a_file_of_text_is_no_pickle(text):
    """The first letter of a text is the code of an instruction to some old pickle."""
    Path("text.pth").write_text(text)
    with pytest.raises(CheckpointError, match="by recbole_mdcns: it is not a whole file of torch.save$"):
        checkpoint.load("text.pth", "model")
