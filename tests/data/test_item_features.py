"""Models with item features, or with further state in addition to the weights, are saved and loaded like any other."""

import random
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.runs import cycle_lines, fit, same, states, tiny_run, write_inter
from recbole.model.sequential_recommender import SASRec

from recbole_mdcns.checkpoints.storable import restored, storable
from recbole_mdcns.errors import CheckpointError, ConfigError, DataError
from recbole_mdcns.negatives.rns import RNS
from recbole_mdcns.quick_start import evaluate_saved

COLUMNS = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "class"]}
LINES = cycle_lines()
#: A token for each item, or a sequence of them.
TOKEN = [f"i{k}\tg{k % 5}\n" for k in range(30)]
SEQUENCE = [f"i{k}\tg{k % 5} h{k % 3}\n" if k % 4 else f"i{k}\tg{k % 5}\n" for k in range(30)]


def write_items(lines, kind):
    Path("data/tiny/tiny.item").write_text(f"item_id:token\tclass:{kind}\n" + "".join(lines))


def with_features(model="SASRecF", **keys):
    return tiny_run(model, neg_sampler="rns", load_col=COLUMNS, selected_features=["class"], **{"epochs": 1, **keys})


@pytest.mark.parametrize("feature", ["item", "user"])
def test_ids_without_an_interaction_and_repeated_ones_are_reported(feature, caplog):
    field = f"{feature}_id"
    path = Path(f"data/tiny/tiny.{feature}")
    known = sorted({line.split()[feature == "item"] for line in LINES})
    path.write_text(f"{field}:token\tclass:token\n" + "".join(f"{name}\tg\n" for name in [*known, known[0], "x", "y"]))
    columns = {"inter": ["user_id", "item_id", "timestamp"], feature: [field, "class"]}
    tiny_run(neg_sampler="rns", load_col=columns)
    effect = "; they are ranked, and drawn as negatives" if feature == "item" else ""
    assert f"tiny.{feature}, 1 lines repeat an id of another line, which counts" in caplog.text
    assert f"tiny.inter, 2 of {len(known) + 2} rows about {field} have no interaction{effect}" in caplog.text
    with pytest.raises(DataError, match="1 lines repeat an id .*strict_data = False only reports this"):
        tiny_run(neg_sampler="rns", load_col=columns, strict_data=True)


def test_users_with_different_counts_may_have_a_file():
    """RecBole's types: the numbers of interactions of a few users are categories themselves on pandas 2."""
    write_inter([f"u{user}\ti{item}\t{item}\n" for user in range(3) for item in range(21 + user)])
    Path("data/tiny/tiny.user").write_text("user_id:token\tage:float\n" + "".join(f"u{n}\t{n}\n" for n in range(3)))
    columns = {"inter": ["user_id", "item_id", "timestamp"], "user": ["user_id", "age"]}
    run = tiny_run(neg_sampler="rns", load_col=columns)
    assert len(run.data.user_feat) == 4


@pytest.mark.parametrize(
    ("model", "kind", "items"),
    [
        ("SASRecF", "token", TOKEN),
        ("SASRecF", "token_seq", SEQUENCE),
        ("GRU4RecF", "token_seq", SEQUENCE),
        ("FDSA", "token", TOKEN),
    ],
)
def test_a_model_with_item_features_finishes_and_is_loaded_in_any_order_of_lines(model, kind, items):
    write_items(items, kind)
    run = with_features(model)
    fit(run)
    run.trainer.load_best()
    expected = run.trainer.evaluate_all(run.test).metrics["self"]
    path = run.trainer.files.best
    assert evaluate_saved(path) == expected
    for write, lines in ((write_inter, LINES), (lambda lines: write_items(lines, kind), items)):
        shuffled = list(lines)
        random.Random(2).shuffle(shuffled)
        write(shuffled)
        assert evaluate_saved(path) == pytest.approx(expected, abs=1e-9)


def test_a_run_with_item_features_resumes_to_the_same_numbers():
    write_items(SEQUENCE, "token_seq")
    whole = with_features(epochs=2)
    fit(whole)
    first = with_features(epochs=1)
    fit(first)
    second = with_features(epochs=2)
    second.trainer.resume_checkpoint(first.trainer.files.last)
    fit(second)
    assert same(states(second.trainer), states(whole.trainer))


def test_other_features_are_other_data():
    write_items(TOKEN, "token")
    run = with_features()
    fit(run)
    write_items([*TOKEN[:-1], TOKEN[-1].replace("g4", "g3")], "token")
    with pytest.raises(CheckpointError, match="other sequences, times or features"):
        with_features(epochs=2).trainer.resume_checkpoint(True)
    write_items([line.replace("g4", "new") for line in TOKEN], "token")
    with pytest.raises(CheckpointError, match=r"of its 5 class 1 is missing here \('g4'\), and 1 is new \('new'\)"):
        evaluate_saved(run.trainer.files.best)


#: The keys of SASRec's yaml, which a user's own class does not get by its name.
OWN = {"n_heads": 2, "n_layers": 1, "layer_norm_eps": 1e-12, "initializer_range": 0.02, "hidden_act": "gelu"}


class Counting(SASRec):
    """Keeps state of every allowed kind beside its weights."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.counts = np.arange(6.0).reshape(2, 3)
        self.scale = np.float64(0.5)
        self.memory = torch.arange(3)
        self.plain = {"a": [1, (2.5, None)], 7: "x"}
        self.layer = torch.nn.Linear(2, 2)
        self.other_parameter_name = ["counts", "scale", "memory", "plain", "layer"]


def test_other_parameters_come_back_as_they_were():
    run = tiny_run(Counting, neg_sampler="rns", epochs=1, **OWN)
    model = run.trainer.scoring_models[0].model
    model.counts += 1
    fit(run)
    other = tiny_run(Counting, neg_sampler="rns", **OWN).trainer
    other.load_best(run.trainer.files.best)
    loaded = other.scoring_models[0].model
    assert type(loaded.counts) is np.ndarray and (loaded.counts == model.counts).all()
    assert type(loaded.scale) is np.float64 and loaded.scale == 0.5
    assert torch.equal(loaded.memory, model.memory) and loaded.plain == model.plain
    assert torch.equal(loaded.layer.weight, model.layer.weight)


class Locked(SASRec):
    other_parameter_name = ("found",)
    found = None


@pytest.mark.parametrize("value", [threading.Lock(), object(), {1.5: 2}, [set()], np.array(["a"]), torch.nn.ReLU()])
def test_what_cannot_be_saved_is_refused_before_the_first_epoch(value):
    run = tiny_run(Locked, neg_sampler="rns", epochs=1, **OWN)
    vars(run.trainer.scoring_models[0].model)["found"] = value
    for saved in (True, False):  # the best models in memory have the form of the files
        with pytest.raises(ConfigError, match=r"Locked.found \(of other_parameter_name\).*a checkpoint cannot hold"):
            fit(run, saved=saved)
        assert run.trainer.epoch_log == []
    assert not list(Path("saved").glob("*.pth"))


class Forgetful(RNS):
    def state_dict(self):
        return {**super().state_dict(), "lock": threading.Lock()}

    def load_state_dict(self, state):
        super().load_state_dict(state)


class Stateful(SASRec):
    def get_extra_state(self):
        return {"a": 1}

    def set_extra_state(self, state):
        pass


def test_so_are_states_of_strategies_and_modules():
    with pytest.raises(ConfigError, match=r"test_item_features:Forgetful.*\['lock'\] is a lock"):
        fit(tiny_run(neg_sampler="test_item_features:Forgetful", epochs=1))
    with pytest.raises(ConfigError, match="Stateful cannot be saved: _extra_state in its state_dict is a dict"):
        fit(tiny_run(Stateful, neg_sampler="rns", epochs=1, **OWN))


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "x", [1, [2]], (1, "a"), {"a": {2: 3.0}}])
def test_plain_values_are_stored_as_they_are(value):
    assert storable(value, "x") == restored(value) == value
    assert type(storable(value, "x")) is type(value)
