"""A checkpoint with the right mark and wrong entries is refused in one sentence that names the file and the entry."""

import copy
from pathlib import Path

import pytest
import torch
from helpers.refusals import SASREC, refused
from helpers.runs import fit, tiny_run
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.checkpoints.saved_state import state_fault
from recbole_mdcns.cli.main import train_main
from recbole_mdcns.errors import CheckpointError
from recbole_mdcns.quick_start import evaluate_saved

DROP = object()
#: Where an entry is, what it becomes, and what is said.
Case = tuple[tuple, object, str]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The content of a best model and of a training state, made once."""
    from helpers.runs import cycle_lines, write_inter

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("made"))
        torch.set_num_threads(1)
        write_inter(cycle_lines())
        run = tiny_run(epochs=1, neg_sampler="srns", srns_memory_num=4, srns_fresh_num=3)
        fit(run)
        return {
            kind: torch.load(path, weights_only=True)
            for kind, path in (("model", run.trainer.files.best), ("training", run.trainer.files.last))
        }


def damaged(content, way, value):
    """Return a copy with the entry at ``way`` replaced by a value, or by what a function makes of it, or left out."""
    content = copy.deepcopy(content)
    inner = content
    for key in way[:-1]:
        inner = inner[key]
    if value is DROP:
        del inner[way[-1]]
    else:
        inner[way[-1]] = value(inner[way[-1]]) if callable(value) else value
    return content


def refusal(kind, content):
    """Return the sentence with which the user's entry point refuses a file."""
    path = f"x{'-last' * (kind == 'training')}.pth"
    torch.save(content, path)
    with pytest.raises(CheckpointError) as error:
        if kind == "model":
            evaluate_saved(path)
        else:
            run = tiny_run(epochs=2, neg_sampler="srns", srns_memory_num=4, srns_fresh_num=3)
            run.trainer.resume_checkpoint(path)
            fit(run)
    said = str(error.value)
    assert f"checkpoint {path} " in said and "\n" not in said
    return said


TEXT = torch.tensor([255, 254], dtype=torch.uint8)
COMMON: list[Case] = [
    (("config",), 7, "config is 7"),
    (("config",), DROP, "config is missing"),
    (("format",), "other", "was not written by recbole_mdcns"),
    (("kind",), DROP, "holds a None state"),
    (("config", "model"), DROP, "config.model is missing"),
    (("config", "dataset"), 5, "config.dataset is 5"),
    (("config", 3), 1, "config has keys that are not text"),
    (("version",), 1, "version is 1"),
    (("format_number",), "two", "format 'two'"),
    (("kind",), "other", "holds a other state"),
    (("epoch",), "x", "epoch is 'x'"),
    (("epoch",), True, "epoch is True"),
    (("cur_step",), None, "cur_step is None"),
    (("cur_step",), -1, "cur_step is -1"),
    (("best_valid_score",), [1], r"best_valid_score is [1]"),
    (("names",), [], "names is []"),
    (("names", "item_id"), "x", "names.item_id is 'x'"),
    (("names", "item_id", "text"), DROP, "names.item_id.text is missing"),
    (("names", "item_id", "ends"), torch.zeros(2), "names.item_id.ends is a tensor of float32"),
    (("names", "item_id", "ends"), torch.tensor([1]), "the ends of the names"),
    (("names", "item_id", "text"), TEXT, "not UTF-8"),
    (("fingerprints",), {}, "fingerprints.sequences is missing"),
    (("fingerprints", "split"), 5, "fingerprints.split is 5"),
]
MODEL: list[Case] = [
    (("state_dict",), [], "state_dict is []"),
    (("state_dict",), DROP, "state_dict is missing"),
    (("state_dict",), {}, "Missing key(s)"),
    (("state_dict", "item_embedding.weight"), 5, "state_dict.item_embedding.weight is 5"),
    (("state_dict", "item_embedding.weight"), torch.zeros(3), "size mismatch for item_embedding.weight"),
    (("state_dict", "item_embedding.weight"), DROP, 'Missing key(s) in state_dict: "item_embedding.weight"'),
    (("state_dict", "more"), torch.zeros(1), 'Unexpected key(s) in state_dict: "more"'),
    (("state_dict", "item_embedding.weight"), lambda t: t.long(), "item_embedding.weight is a tensor of int64"),
    (("other_parameter",), None, "other_parameter is None"),
    (("other_parameter",), {"forward": 1}, "other_parameter holds forward"),
    (("role",), DROP, "role is missing"),
    (("epoch",), -2, "epoch is -2"),
    (("config", "model"), "os:system", "names code to import: model = 'os:system'"),
    (("config", "dataset"), "../tiny", "dataset = '../tiny'"),
    (("config", "model"), "NoModel", "model = 'NoModel'"),
    (("config", "hidden_size"), "wide", "hidden_size = 'wide'"),
]
TRAINING: list[Case] = [
    (("device",), 1, "device is 1"),
    (("best_valid_result",), [], "best_valid_result is []"),
    (("best_valid_result",), {"x": "y"}, "best_valid_result is"),
    (("epoch_log",), "all", "epoch_log is 'all'"),
    (("epoch_log",), [], "epoch_log holds epochs [], expected 0 to 0"),
    (("epoch_log", 0), 3, "epoch_log.0 is 3"),
    (("epoch_log", 0, "loss"), "low", "epoch_log.0.loss is 'low'"),
    (("epoch_log", 0, "epoch"), 4, "epoch_log holds epochs [4]"),
    (("epoch_log", 0, "parts"), {"self/x": None}, "epoch_log.0.parts.self/x is None"),
    (("epoch",), 5, "epoch_log holds epochs [0], expected 0 to 5"),
    (("epoch",), DROP, "epoch is missing"),
    (("best_valid_score",), "high", "best_valid_score is 'high'"),
    (("epoch_log",), DROP, "epoch_log is missing"),
    (("models",), DROP, "models is missing"),
    (("models",), {}, "models holds nothing, expected self"),
    (("models", "self"), {}, "Missing key(s)"),
    (("models", "self"), 1, "models.self is 1"),
    (("models", "self", "item_embedding.weight"), torch.zeros(2, 2), "size mismatch"),
    (("optimizers",), DROP, "optimizers is missing"),
    (("optimizers",), {}, "optimizers holds nothing"),
    (("optimizers", "self"), {}, "optimizers.self.state is missing"),
    (("optimizers", "self", "param_groups"), [], "0 param_groups, expected 1"),
    (("optimizers", "self", "param_groups", 0), 1, "optimizers.self.param_groups.0 is 1"),
    (("optimizers", "self", "param_groups", 0, "params"), [0], "param_groups[0].params"),
    (("optimizers", "self", "param_groups", 0, "lr"), "fast", "param_groups[0].lr is 'fast'"),
    (("optimizers", "self", "param_groups", 0, "betas"), (0.9,), "param_groups[0].betas"),
    (("optimizers", "self", "state", 0), None, "optimizers.self.state[0] is None"),
    (("optimizers", "self", "state", 0, "exp_avg"), DROP, "state[0] lacks exp_avg"),
    (("optimizers", "self", "state", 0, "exp_avg"), torch.zeros(3, 3), "state[0].exp_avg is a tensor of float32"),
    (("optimizers", "self", "state", 0, "step"), "x", "state[0].step is 'x'"),
    (("optimizers", "self", "state", 99), {}, "optimizers.self.state[99] is {}"),
    (("scaler",), None, "scaler is None"),
    (("random",), DROP, "random is missing"),
    (("random",), {}, "random.python is missing"),
    (("random", "python"), [3, [1, 2], None], "random.python is"),
    (("random", "python", 1, 624), 700, "random.python is"),
    (("random", "numpy"), ["MT19937", torch.zeros(2), 0, 0, 0.0], "random.numpy is"),
    (("random", "numpy", 2), 1000, "random.numpy is"),
    (("random", "torch"), torch.zeros(3), "random.torch is"),
    (("random", "torch"), lambda state: torch.full_like(state, 255), "random.torch is"),
    (("loader",), DROP, "loader is missing"),
    (("loader",), "x", "loader is 'x'"),
    (("loader",), torch.zeros(5, dtype=torch.uint8), "loader is"),
    (("objective",), [], "objective is []"),
    (("objective",), {}, "objective is {}"),
    (("objective", "loss"), 3, "objective.loss is 3"),
    (("objective", "strategy"), None, "objective.strategy is None"),
    (("objective", "strategy", "generator"), torch.zeros(2), "objective.strategy.generator is"),
    (("objective", "strategy", "memory"), torch.zeros(1), "objective.strategy.memory is"),
]


@pytest.mark.parametrize(("way", "value", "said"), COMMON + MODEL)
def test_a_model_with_a_wrong_entry_is_refused(way, value, said, files):
    assert said in refusal("model", damaged(files["model"], way, value))


@pytest.mark.parametrize(("way", "value", "said"), COMMON + TRAINING)
def test_a_training_state_with_a_wrong_entry_is_refused(way, value, said, files):
    assert said in refusal("training", damaged(files["training"], way, value))


def test_bytes_as_long_as_a_generators_state_are_no_such_state():
    """SRNS has a byte for each target."""
    generator = torch.Generator().get_state()
    visits = torch.zeros_like(generator)
    assert state_fault(visits + 3, visits, "visits") == ""
    assert state_fault(visits[1:], visits, "visits").startswith("visits is a tensor of uint8")
    assert state_fault(visits, generator, "generator").endswith("expected the state of a random generator")


def test_the_command_line_says_it_in_one_line(files, capsys):
    torch.save(damaged(files["model"], ("epoch",), "x"), "x.pth")
    assert train_main(["--evaluate=x.pth"]) == 2
    error = capsys.readouterr().err
    assert error == "run_recbole_mdcns: checkpoint x.pth is damaged: epoch is 'x', expected an integer >= -1\n"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a checkpoint", b"junk", b"\x80\x04N."])
@pytest.mark.parametrize("option", ["resume", "evaluate"])
def test_files_that_are_no_checkpoints(option, content, capsys):
    Path("x-last.pth").write_bytes(content)
    keys = SASREC if option == "resume" else []
    refused(train_main, [*keys, f"--{option}=x-last.pth"], capsys, "x-last.pth")


@settings(max_examples=400)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_refused_in_one_sentence(content):
    Path("x.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checkpoint x\.pth"):
        checkpoint.load("x.pth", "model")


def test_a_file_that_ends_as_a_zip_file_and_begins_otherwise_never_reaches_torchs_older_readers(monkeypatch):
    """Those before torch 2.6 may run code; ``torch.load`` looks at the first bytes, ``zipfile`` at the last ones."""
    torch.save({"format": "x"}, "old.pth", _use_new_zipfile_serialization=False)
    with Path("old.pth").open("ab") as file:
        file.write(b"PK\x05\x06" + bytes(18))  # the end of an empty zip file
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(CheckpointError, match="it is not a whole file of torch.save"):
        evaluate_saved("old.pth")
