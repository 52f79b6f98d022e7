"""What lies in a folder or stands in a file is never executed: each of these files would create a file if it were."""

import importlib
import os
import pickle
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from helpers.runs import TINY, fit, tiny_config, tiny_run

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.cli.main import main, train_main
from recbole_mdcns.encoder.pretrained import check_pretrained
from recbole_mdcns.errors import CheckpointError, ConfigError
from recbole_mdcns.quick_start import evaluate_saved, load_data_and_model, run_recbole_mdcns

TRACE = Path("executed")


class Bomb:
    def __reduce__(self):
        return (os.mkdir, (str(TRACE),))


def put_bombs(folder, model="SASRec"):
    """Lay a pickle wherever RecBole opens one."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    for name in (f"tiny-for-{model}-dataloader.pth", "tiny-SequentialDataset.pth", "tiny-HistoryDataset.pth"):
        (folder / name).write_bytes(pickle.dumps(Bomb()))


def one_epoch(**keys):
    return run_recbole_mdcns("SASRec", "tiny", config_dict={**TINY, "epochs": 1, "neg_sampler": "rns", **keys})


def saved_file(**changes):
    """Train, and return the best model's file with keys of its config replaced."""
    run = tiny_run(epochs=1, neg_sampler="rns")
    fit(run)
    path = run.trainer.files.best
    content = torch.load(path, weights_only=True)
    torch.save({**content, "config": {**content["config"], **changes}}, path)
    return path


def test_the_bomb_would_go_off():
    pickle.loads(pickle.dumps(Bomb()))
    assert TRACE.exists()


@pytest.mark.parametrize("folder", ["saved", "elsewhere"])
def test_a_pickle_in_the_checkpoint_folder_is_not_opened(folder):
    put_bombs(folder)
    one_epoch(checkpoint_dir=folder)
    one_epoch(checkpoint_dir=folder, resume=True, epochs=2)
    assert not TRACE.exists()


def test_a_file_of_recboles_own_dataloaders_does_not_end_a_run():
    Path("saved").mkdir()
    Path("saved/tiny-for-SASRec-dataloader.pth").write_bytes(pickle.dumps([(None, None)] * 3))
    assert one_epoch()["record"]["data"]["items"] == 30


@pytest.mark.parametrize("key", ["dataloaders_save_path", "dataset_save_path", "save_dataloaders", "save_dataset"])
def test_keys_that_name_a_pickle_are_refused(key):
    with pytest.raises(ConfigError, match=f"{key} = 'x.pth' is not used here"):
        tiny_config(**{key: "x.pth"})


def test_a_loaded_checkpoint_leads_to_no_pickle():
    put_bombs("downloaded")
    path = saved_file(checkpoint_dir="downloaded")
    load_data_and_model(path)
    evaluate_saved(path)
    put_bombs("saved")
    evaluate_saved(path)
    with pytest.raises(CheckpointError, match="dataloaders_save_path"):
        load_data_and_model(saved_file(dataloaders_save_path="downloaded/tiny-for-SASRec-dataloader.pth"))
    assert not TRACE.exists()


@pytest.mark.parametrize("kind", ["model", "training"])
def test_code_inside_a_checkpoint_is_refused(kind):
    path = Path("x-last.pth")
    torch.save({"format": "recbole_mdcns", "format_number": 2, "kind": kind, "config": Bomb()}, path)
    assert zipfile.is_zipfile(path)
    with pytest.raises(CheckpointError, match="expected tensors and plain values"):
        checkpoint.load(path, kind)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="not written by recbole_mdcns"):
        checkpoint.load(path, kind)
    assert not TRACE.exists()


MINE = """
import os
os.makedirs({trace!r}, exist_ok=True)
from recbole.model.sequential_recommender import SASRec
from recbole_mdcns.negatives.rns import RNS
class Mine(SASRec): pass
class Draws(RNS): pass
"""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "{module}:Mine"),
        ("peer_model", "{module}:Mine"),
        ("peer_model", "GRU4Rec,{module}:Mine"),
        ("neg_sampler", "{module}:Draws"),
    ],
)
def test_a_checkpoint_imports_nothing_that_nobody_asked_for(key, value, monkeypatch, capsys, tmp_path):
    module = f"mine_{key}_{len(value)}"  # a new module each time, because an import happens once
    Path(f"{module}.py").write_text(MINE.format(trace=str(TRACE)))
    monkeypatch.syspath_prepend(tmp_path)
    value = value.format(module=module)
    path = saved_file(**{key: value, "peer": {}})
    with pytest.raises(CheckpointError, match=f"names code to import: {key} = '{value}'.*trust_code=True"):
        load_data_and_model(path)
    if key == "model":
        assert train_main([f"--evaluate={path}"]) == 2
        assert "--trust_code" in capsys.readouterr().err
    else:
        evaluate_saved(path)  # which needs neither peers nor negatives
    assert not TRACE.exists()
    load_data_and_model(path, trust_code=True)
    assert TRACE.exists()
    if key == "model":
        assert train_main([f"--evaluate={path}", "--trust_code"]) == 0


def test_a_class_of_the_callers_own_needs_no_trust():
    from recbole.model.sequential_recommender import SASRec

    class Mine(SASRec):
        pass

    path = saved_file(model="no_such_module:Mine")
    with pytest.raises(CheckpointError, match="give the class itself as model_class"):
        load_data_and_model(path)
    assert type(load_data_and_model(path, model_class=Mine, config_files=None)[1]) is Mine


def test_weights_that_recbole_would_unpickle_are_looked_at_first():
    torch.save({"state_dict": {}, "x": Bomb()}, "bad.pth")
    torch.save({"state_dict": {"w": torch.zeros(2)}}, "good.pth")
    torch.save([1], "other.pth")
    check_pretrained({"pre_model_path": "good.pth"})
    check_pretrained({"pre_model_path": ""})
    check_pretrained({})
    for path, said in (("bad.pth", "cannot be used"), ("none.pth", "No such file"), ("other.pth", "state_dict")):
        with pytest.raises(ConfigError, match=f"pre_model_path = '{path}'.*{said}"):
            check_pretrained({"pre_model_path": path})
    with pytest.raises(ConfigError, match=r"pre_model_path = 'bad.pth' cannot be used"):
        tiny_run("S3Rec", pre_model_path="bad.pth", train_stage="finetune", neg_sampler="rns")
    assert not TRACE.exists()


def test_no_file_of_the_working_folder_hides_a_package(monkeypatch):
    """A command finds classes of the user there; ``wave`` is a module of Python that nothing has imported."""
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    for name in ("wave", "own_wave"):
        Path(f"{name}.py").write_text("raise AssertionError('it was run')\n")
    main(["stats", "gone", "--data_path", "data"])
    assert importlib.import_module("wave").__file__ != str(Path("wave.py").absolute())
    with pytest.raises(AssertionError, match="it was run"):
        importlib.import_module("own_wave")
