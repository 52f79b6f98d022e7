"""Keys: layers, types, ranges, near misses, the peer's own keys, and no side effects."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from helpers.paths import python_path
from helpers.runs import TINY, tiny_config
from recbole.model.sequential_recommender import GRU4Rec

from recbole_mdcns.config.checks import RIGHT_PADDED
from recbole_mdcns.config.keys import own_keys
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.model.registry import model_names


def test_later_layers_win(tmp_path):
    (tmp_path / "one.yaml").write_text("epochs: 5\nlearning_rate: 1e-4\nneg_top_num: 2\n")
    (tmp_path / "two.yaml").write_text("epochs: 6\n")
    files = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    config = MDCNSConfig("SASRec", "tiny", files, {"neg_top_num": 3, "seed": 7}, ["--seed=8", "--topk=[3,10]"])
    assert config["epochs"] == 6
    assert config["learning_rate"] == 1e-4
    assert config["neg_top_num"] == 3
    assert config["seed"] == 8
    assert config["topk"] == [3, 10]
    assert config["n_layers"] == 2  # RecBole's yaml of the model
    assert config["distill_weight"] == 10.24  # ours


def test_model_and_dataset_may_come_from_a_file(tmp_path):
    (tmp_path / "run.yaml").write_text("model: GRU4Rec\ndataset: tiny\n")
    config = MDCNSConfig(config_file_list=[tmp_path / "run.yaml"])
    assert (config["model"], config["dataset"]) == ("GRU4Rec", "tiny")
    with pytest.raises(ConfigError, match="model and dataset must be named"):
        MDCNSConfig()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--neg_candidates_num=5", "there is no key neg_candidates_num .did you mean neg_candidate_num"),
        ("--learning_rat=0.1", "did you mean learning_rate"),
        ("--qqqqqq=1", "there is no key qqqqqq"),
        ("--mu=1", "there is no key mu .the paper's mu is distill_weight"),
        ("--tau=10", "tau is a key of models that this run does not have .the paper's tau is distill_temperature"),
        ("--neg_candidate_num=many", "neg_candidate_num = 'many' is not allowed: expected a whole number"),
        ("--neg_candidate_num=0", "neg_candidate_num = 0 is not allowed: it must be >= 1"),
        ("--neg_candidate_num=2.5", "neg_candidate_num = 2.5 is not allowed: expected a whole number"),
        ("--neg_top_num=101", "neg_top_num = 101 is not allowed: it is at most neg_candidate_num = 100"),
        ("--self_neg_weight=-1", "self_neg_weight = -1.0 is not allowed: it must be >= 0"),
        ("--peer_neg_weight=-0.1", "peer_neg_weight"),
        ("--teacher_neg_weight=-3", "teacher_neg_weight"),
        ("--distill_weight=-3", "distill_weight"),
        ("--divergence_weight=-3", "divergence_weight"),
        ("--gbce_calibration=2", "gbce_calibration = 2.0 is not allowed: it must be from 0 to 1"),
        ("--distill_temperature=0", "distill_temperature = 0.0 is not allowed: it must be > 0"),
        ("--distill_temperature=True", "distill_temperature = True is not allowed: expected a number"),
        ("--ranking_loss=XE", "ranking_loss = 'XE' is not allowed: choose BCE, BPR"),
        ("--neg_sampler=best", "choose adasir, .*rns, srns, or package.module:Class"),
        ("--teacher_mean=2", "teacher_mean = 2 is not allowed: expected True or False"),
        ("--epochs=x", "epochs = 'x' is not allowed: expected a whole number"),
        ("--weight_decay=abc", "weight_decay = 'abc' is not allowed: expected a number"),
        ("--n_layers=2.5", "n_layers = 2.5 is not allowed: expected a whole number"),
        ("--peer_model=SASRek", "peer_model = 'SASRek' is not a model .did you mean SASRec"),
        ("--peer_model=BPR", "peer_model = BPR is not a sequential recommender"),
        ("--peer_model=recbole.model.layers:Nope", "has no class 'Nope'"),
        ("--peer_model=no.such.module:Net", "module 'no.such.module' cannot be imported"),
        ("--peer_model=SHAN", "pad_side = 'right' is not allowed with SHAN, .*: set pad_side=left"),
        ("--peer.n_layers=2", "peer.n_layers .* Mamba4Rec .*num_layers"),
        ("--peer.MAX_ITEM_LIST_LENGTH=2", "peer.MAX_ITEM_LIST_LENGTH cannot be set"),
        ("--peer=GRU4Rec", "peer_model names the model"),
        ("--loss_type=BPR", "the loss is ranking_loss"),
        ("--train_neg_sample_args={'distribution': 'uniform'}", "neg_sampler draws the negatives"),
        ("--eval_args={'mode': 'uni100', 'order': 'TO'}", "evaluation is by full ranking"),
        ("--metrics=['Recal']", "Recal"),
        ("--metrics=[1,2]", r"metrics = \[1, 2\] is not allowed: give names of metrics"),
        ("--metrics=[]", r"metrics = \[\] is not allowed"),
        ("--nproc=2", "nproc = 2 is not used here: torchrun starts several processes, each on its own device"),
        ("--valid_metric=NDCG@7", "valid_metric = 'NDCG@7' is not allowed: metrics and topk give recall@5, recall@10"),
        ("--learner=adamm", "learner = 'adamm' is not allowed: choose adam or adamw"),
        ("--clip_grad_norm=5", "clip_grad_norm = 5 is not allowed: expected keys and values"),
        ("--clip_grad_norm={'maxnorm': 5}", r"clip_grad_norm.maxnorm = 5 is not allowed: .*did you mean max_norm"),
        ("--clip_grad_norm={'max_norm': 0}", "clip_grad_norm.max_norm = 0 is not allowed: it must be > 0"),
        ("--clip_grad_norm={'max_norm': 5, 'norm_type': 'two'}", "clip_grad_norm.norm_type = 'two' is not allowed"),
        ("--peer.hidden_size=wide", "hidden_size = 'wide' is not allowed: expected a whole number"),
        ("--load_col={'inter': ['user_id', 'item_id']}", "load_col.inter = .* must hold user_id, item_id, timestamp"),
        ("positional", "argument 'positional' is not understood"),
    ],
)
def test_bad_keys_and_values_are_refused(argument, message):
    with pytest.raises(ConfigError, match=message):
        MDCNSConfig("SASRec", "tiny", argv=[argument])


def test_recboles_own_number_of_processes_is_allowed():
    assert MDCNSConfig("SASRec", "tiny", argv=["--nproc=1"])["nproc"] == 1


def test_models_that_read_the_right_edge_need_left_padding():
    with pytest.raises(ConfigError, match="pad_side = 'right' is not allowed with SHAN, .*: set pad_side=left"):
        tiny_config("SHAN")
    assert tiny_config("SHAN", pad_side="left").peer_configs()[0]["pad_side"] == "left"


@pytest.mark.parametrize("model", RIGHT_PADDED)
def test_models_that_compute_with_lengths_need_right_padding(model):
    """With padding on the left, RecBole's lengths are the width of the window."""
    message = f"pad_side = 'left' is not allowed with {model}, which computes with the length .*: set pad_side=right"
    for names in ((model, "SASRec"), ("SASRec", model)):
        with pytest.raises(ConfigError, match=message):
            tiny_config(names[0], peer_model=names[1], pad_side="left")


@pytest.mark.parametrize("model", ["SASRek", "BPR", "", "a b"])
def test_unknown_models_are_refused(model):
    with pytest.raises(ConfigError, match="model"):
        MDCNSConfig(model, "tiny")


def test_a_bad_config_file_is_named_with_its_line(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("epochs: 3\nseed: [1, 2\n")
    with pytest.raises(ConfigError, match=r"bad.yaml, line 3"):
        MDCNSConfig("SASRec", "tiny", [bad])
    bad.write_text("- a\n- b\n")
    with pytest.raises(ConfigError, match="bad.yaml must hold lines"):
        MDCNSConfig("SASRec", "tiny", [bad])
    with pytest.raises(ConfigError, match="missing.yaml cannot be read"):
        MDCNSConfig("SASRec", "tiny", ["missing.yaml"])


def test_a_key_without_prefix_holds_for_both_models_and_the_prefix_sets_the_peer_only():
    config = tiny_config(hidden_size=32, **{"peer.hidden_size": 24, "peer": {"learning_rate": 0.5}})
    peer = config.peer_configs()[0]
    assert (config["hidden_size"], peer["hidden_size"]) == (32, 24)
    assert (config["learning_rate"], peer["learning_rate"]) == (0.01, 0.5)
    assert peer["num_layers"] == 1  # RecBole's yaml of the peer
    assert (peer["model"], peer["d_state"]) == ("Mamba4Rec", 16)


def test_default_peer_is_another_architecture():
    assert tiny_config("SASRec").peer_classes[0].__name__ == "Mamba4Rec"
    assert tiny_config("Mamba4Rec").peer_classes[0].__name__ == "SASRec"
    assert tiny_config("SASRec", peer_model="SASRec").peer_classes[0].__name__ == "SASRec"


def test_plain_values_build_the_same_configuration():
    config = tiny_config(**{"peer.hidden_size": 24})
    again = MDCNSConfig.from_plain(config.plain())
    assert again.plain() == config.plain()
    assert again["data_path"] == config["data_path"]
    assert again.peer_configs()[0].plain() == config.peer_configs()[0].plain()


def test_nothing_global_is_changed(monkeypatch):
    """In a separate process: no other import can hide a change."""
    code = (
        "import os, sys, yaml, numpy as np\n"
        "from recbole.utils import argument_list as a\n"
        "def look():\n"
        "    lists = [list(v) for k, v in sorted(vars(a).items()) if k.endswith('arguments')]\n"
        "    resolvers = {k: len(v) for k, v in yaml.FullLoader.yaml_implicit_resolvers.items()}\n"
        "    return dict(os.environ), list(sys.argv), sorted(vars(np)), lists, resolvers\n"
        "from recbole_mdcns.config.run_config import MDCNSConfig\n"
        "np.testing\n"
        "before = look()\n"
        "MDCNSConfig('SASRec', 'ml-100k', argv=['--epochs=3'])\n"
        "assert look() == before\n"
        "assert 'ray' not in sys.modules\n"
    )
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "3", "PYTHONPATH": python_path()}
    subprocess.run([sys.executable, "-c", code, "--seed=99", "--typo=1"], check=True, env=env)


def test_sys_argv_is_not_read(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest", "--epochs=77"])
    assert tiny_config()["epochs"] == TINY["epochs"]


def test_values_are_read_but_not_run():
    config = MDCNSConfig("SASRec", "tiny", argv=["--wandb_project=__import__('os').getcwd()", "--seed=0x10"])
    assert config["wandb_project"] == "__import__('os').getcwd()"
    assert config["seed"] == 16


def test_every_key_of_our_yaml_files_has_type_default_and_meaning():
    symbols = {key.symbol for key in own_keys().values()}
    assert {"N", "M", "alpha", "beta", "gamma", "mu", "tau", "L", "P"} <= symbols
    for key in own_keys().values():
        assert key.check(key.default) == key.default
        assert len(key.help) > 10


def test_numpy_scalars_do_not_reach_a_plain_config():
    config = tiny_config()
    config["learning_rate"] = np.float64(0.5)
    config["seed"] = np.int64(3)
    plain = config.plain()
    assert (type(plain["learning_rate"]), type(plain["seed"])) == (float, int)


def test_numbers_that_json_cannot_hold_are_plain_text_and_come_back():
    config = tiny_config(clip_grad_norm={"max_norm": 5, "norm_type": np.inf})
    plain = json.loads(json.dumps(config.plain(), allow_nan=False))
    assert MDCNSConfig.from_plain(plain).plain() == plain
    assert plain["clip_grad_norm"] == {"max_norm": 5, "norm_type": "inf"}


def test_a_plain_config_of_ml_100k_names_no_folder_of_this_machine():
    values = MDCNSConfig("SASRec", "ml-100k").plain()
    assert values["data_path"] == "dataset/"
    assert not [value for value in values.values() if isinstance(value, str) and value.startswith("/")]


def test_names_of_models_are_found_not_listed():
    assert {"SASRec", "GRU4Rec", "FMLP4Rec", "LinRec", "Mamba4Rec", "BERT4Rec"} <= set(model_names())
    assert not {"ItemSequenceModel", "BPR", "SequentialRecommender"} & set(model_names())
    with pytest.raises(ConfigError, match="did you mean Mamba4Rec"):
        MDCNSConfig("Mamba4Re", "tiny")


class MyRec(GRU4Rec):
    """A model of the user's own; no yaml names its keys."""


def test_keys_that_only_a_model_of_ones_own_reads_are_not_passed_to_the_others():
    config = tiny_config(f"{__name__}:MyRec", my_key=3, hidden_size=24)
    (peer,) = config.peer_configs()
    assert config["my_key"] == config.plain()["my_key"] == 3
    assert "my_key" not in peer and peer["hidden_size"] == 24
    mine, gru = tiny_config(peer_model=f"{__name__}:MyRec,GRU4Rec", **{"peer.my_key": 3}).peer_configs()
    assert mine["my_key"] == 3 and "my_key" not in gru


def test_keys_of_models_that_the_run_does_not_have_are_told():
    def unread(model="SASRec", **keys):
        return [key for key in tiny_config(model, **keys).unread_keys() if key not in TINY]

    keys = {"n_layers": 1, "num_layers": 2, "expand": 1, "order_len": 3, "learning_rate": 0.1}
    assert unread(**keys) == ["order_len"]
    assert unread(peer_model="FOSSIL", **keys) == ["expand", "num_layers"]
    assert unread(peer_model="GRU4Rec", **keys) == ["expand", "order_len"]
    assert unread(f"{__name__}:MyRec", **keys) == []
    assert unread("FEARec", tau=0.5) == []
    assert tiny_config(peer_model="FOSSIL,GRU4Rec", alpha=0.5)["alpha"] == 0.5
    for config in tiny_config(peer_model="FOSSIL,GRU4Rec", alpha=0.5).peer_configs():
        assert ("alpha" in config) == (config["model"] == "FOSSIL")


def test_several_peers_each_take_the_peer_keys_they_know():
    config = tiny_config(peer_model="GRU4Rec, Mamba4Rec", **{"peer.num_layers": 2, "peer.expand": 1})
    assert config.peer_roles == ["peer1", "peer2"]
    gru, mamba = config.peer_configs()
    assert (gru["model"], gru["num_layers"]) == ("GRU4Rec", 2) and "expand" not in gru
    assert (mamba["model"], mamba["expand"]) == ("Mamba4Rec", 1)
    again = MDCNSConfig.from_plain(config.plain())
    assert [c.plain() for c in again.peer_configs()] == [gru.plain(), mamba.plain()]
    with pytest.raises(ConfigError, match=r"peer\.n_heads .* GRU4Rec, Mamba4Rec"):
        tiny_config(peer_model="GRU4Rec,Mamba4Rec", **{"peer.n_heads": 2})
