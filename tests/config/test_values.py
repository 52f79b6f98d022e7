"""Values of keys: each form that RecBole takes still works, and each is kept as it was given."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.runs import tiny_config
from recbole.utils import argument_list

from recbole_mdcns.cli.main import train_main
from recbole_mdcns.config.checks import REPLACED
from recbole_mdcns.config.keys import own_keys, recbole_keys
from recbole_mdcns.config.recbole_keys import recbole_specs
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import ConfigError


@pytest.mark.parametrize(
    "value", ["[3]", "clip_grad_norm.norm_tpye", {"max_norm": 5, "norm_type": float("nan")}, {"max_norm": float("inf")}]
)
def test_the_message_shows_what_was_found(value):
    with pytest.raises(ConfigError, match="clip_grad_norm.* = .* is not allowed"):
        tiny_config(clip_grad_norm=value)


@pytest.mark.parametrize("dataset", ["a/b", "..", "", "../tiny", "a\\b", "2024:01", ".mine", " "])
def test_the_name_of_a_dataset_is_one_name(dataset):
    with pytest.raises(ConfigError, match="dataset = "):
        tiny_config(dataset=dataset)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gpu_id", "0"), ("gpu_id", 0), ("gpu_id", ""), ("gpu_id", None), ("gpu_id", (0,)), ("gpu_id", -1),
        ("state", "debug"), ("state", "Info"), ("state", None),
        ("seed", 0), ("seed", 2**32 - 2), ("encoding", "latin-1"), ("encoding", None),
        ("topk", [10, 5]), ("topk", (10, 5)), ("metrics", ["ndcg", "GAUC", "Recall"]),
        ("valid_metric", "ndcg@10"), ("valid_metric_bigger", True), ("repeatable", False),
        ("load_col", None), ("load_col", {"inter": "*"}), ("unused_col", {"inter": ["rating"]}),
        ("load_col", {"inter": ["user_id", "item_id", "timestamp", "rating"], "item": "*"}),
        ("additional_feat_suffix", "ent"), ("additional_feat_suffix", ["ent"]),
        ("clip_grad_norm", {"max_norm": 5, "norm_type": "inf"}), ("clip_grad_norm", None),
        ("eval_args", {"mode": "full"}), ("eval_args", {"mode": {"test": "full"}}), ("eval_args", {}),
        ("user_inter_num_interval", "[5,inf)"), ("user_inter_num_interval", " ( 5 , INF ) "),
        ("user_inter_num_interval", "[0,5];[10,inf)"), ("user_inter_num_interval", "[5,10]"),
        ("user_inter_num_interval", "(5,10)"), ("user_inter_num_interval", None), ("user_inter_num_interval", "[5,5]"),
        ("val_interval", {"rating": "[3,inf)"}), ("val_interval", {"rating": "(-inf,3)", "kind": ["a", 7]}),
        ("val_interval", {"rating": (3, 5)}), ("val_interval", None),
        ("rm_dup_inter", "first"), ("rm_dup_inter", "None"), ("filter_inter_by_user_or_item", False),
        ("discretization", {"rating": {"method": "ED", "bucket": 5}}), ("threshold", None),
        ("expected_statistics", {"users": 40}), ("split_file", "None"), ("data_path", Path("data")), ("data_path", ""),
    ],
)  # fmt: skip
def test_what_recbole_takes_is_taken_and_its_plain_values_build_the_same_run(key, value):
    config = tiny_config(**{key: value})
    assert MDCNSConfig.from_plain(config.plain()).plain() == config.plain()


def test_accepted_values_stay_what_they_are():
    """A run is found again by its plain values: checks must not rewrite them."""
    kept: dict = {
        "clip_grad_norm": {"max_norm": 5},
        "user_inter_num_interval": "[5,inf)",
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "topk": [10],
    }
    plain = tiny_config(**kept).plain()
    assert plain["eval_args"].pop("mode") == {"valid": "full", "test": "full"}  # RecBole's
    assert kept["eval_args"].pop("mode")
    assert {key: plain[key] for key in kept} == kept
    assert type(plain["clip_grad_norm"]["max_norm"]) is int
    assert plain["gpu_id"] == "0" and plain["repeatable"] is True and "threshold" not in plain


def test_an_open_interval_typed_as_a_tuple_stays_open():
    config = MDCNSConfig("SASRec", "tiny", argv=["--user_inter_num_interval=(5,10)"])
    assert config["user_inter_num_interval"] == "(5, 10)"
    assert MDCNSConfig.from_plain(config.plain())["user_inter_num_interval"] == "(5, 10)"


def test_numbers_of_numpy_are_plain_numbers():
    numbers = {
        "seed": np.int64(3), "learning_rate": np.float32(0.5), "use_gpu": np.bool_(False), "topk": np.array([5, 10]),
        "hidden_size": np.int32(16), "clip_grad_norm": {"max_norm": np.float64(5)}, "peer": {"hidden_size": np.int8(8)},
        "split_ratio": [np.float64(0.5), np.float64(0.25), 0.25], "protocol": "paper", "valid_metric": "MRR@5",
    }  # fmt: skip
    config = tiny_config(**numbers)
    assert (config["seed"], config["learning_rate"], config["topk"], config["use_gpu"]) == (3, 0.5, [5, 10], False)
    assert type(config["seed"]) is int and type(config["clip_grad_norm"]["max_norm"]) is float
    assert config.peer_configs()[0]["hidden_size"] == 8
    plain = {**numbers, "seed": 3, "learning_rate": 0.5, "use_gpu": False, "topk": [5, 10], "hidden_size": 16}
    plain.update(clip_grad_norm={"max_norm": 5.0}, peer={"hidden_size": 8}, split_ratio=[0.5, 0.25, 0.25])
    assert tiny_config(**plain).plain() == config.plain()
    with pytest.raises(ConfigError, match="topk = "):
        tiny_config(topk=np.array([5.5]))
    with pytest.raises(ConfigError, match="seed = -3"):
        tiny_config(seed=np.int64(-3))


def test_home_stands_for_its_sign_in_every_path(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    paths = {key: f"~/{key}" for key in ("data_path", "checkpoint_dir", "result_file", "split_file", "exposure_file")}
    config = tiny_config(neg_sampler="ens", protocol="paper", resume="~/run-last.pth", **paths)
    for key in paths:
        if key != "data_path":
            assert config[key] == str(tmp_path / "home" / key)
    assert config["data_path"] == str(tmp_path / "home" / "data_path" / "tiny")
    assert config["resume"] == str(tmp_path / "home" / "run-last.pth")
    assert tiny_config("S3Rec", pre_model_path="~/pre.pth")["pre_model_path"] == str(tmp_path / "home" / "pre.pth")


def test_a_ratio_beside_a_file_of_users_is_refused():
    for key, value in (("split_ratio", [0.8, 0.1, 0.1]), ("split_seed", 7)):
        with pytest.raises(ConfigError, match=rf"{key} = .* is not used with split_file = 'users.tsv'"):
            tiny_config(protocol="paper", split_file="users.tsv", **{key: value})
    config = tiny_config(protocol="paper", split_file="users.tsv", split_ratio=[0.7, 0.2, 0.1])  # the default
    assert not {"split_ratio", "split_seed"} & config.plain().keys()


def test_repeatable_is_the_opposite_of_mask_history():
    for masked in (True, False):
        assert tiny_config(mask_history=masked, repeatable=not masked)["repeatable"] is True  # RecBole's condition
        with pytest.raises(ConfigError, match=f"repeatable = {masked} .* mask_history = {masked}"):
            tiny_config(mask_history=masked, repeatable=masked)
        assert (
            tiny_config(mask_history=masked).plain() == tiny_config(mask_history=masked, repeatable=not masked).plain()
        )


def test_wandb_is_asked_for_before_anything_runs(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace())
    assert tiny_config(log_wandb=True)["log_wandb"] is True
    monkeypatch.delitem(sys.modules, "wandb")
    if importlib.util.find_spec("wandb") is None:
        Path("wandb").mkdir()  # as a run of wandb leaves it in the current folder
        monkeypatch.syspath_prepend(str(Path.cwd()))
        assert train_main(["--model=SASRec", "--dataset=tiny", "--data_path=data", "--log_wandb"]) == 2
        assert "log_wandb = True needs the package wandb: pip install wandb" in capsys.readouterr().err
        assert not Path("log").exists()


def test_bad_values_of_peers_and_of_yaml_files_are_refused_as_well(tmp_path):
    (tmp_path / "run.yaml").write_text("learning_rate: .inf\n")
    with pytest.raises(ConfigError, match="learning_rate = inf"):
        MDCNSConfig("SASRec", "tiny", [tmp_path / "run.yaml"])
    (tmp_path / "run.yaml").write_text("eval_args:\n  spilt: {LS: valid_and_test}\n")
    with pytest.raises(ConfigError, match="eval_args.spilt = .*did you mean split"):
        MDCNSConfig("SASRec", "tiny", [tmp_path / "run.yaml"])
    with pytest.raises(ConfigError, match="peer: learning_rate = nan"):
        tiny_config(**{"peer.learning_rate": "nan"})


def test_every_key_of_recbole_has_a_type_is_ours_or_is_refused():
    listed = {key for name, keys in vars(argument_list).items() if name.endswith("_arguments") for key in keys}
    elsewhere = {"model", "dataset"}
    assert not (listed | recbole_keys()) - own_keys().keys() - recbole_specs().keys() - REPLACED.keys() - elsewhere


def test_what_recbole_ships_passes_its_own_specs():
    values = {**tiny_config().internal_config_dict, **MDCNSConfig("FDSA", "ml-100k").internal_config_dict}
    checked = [key for key in values if key in recbole_specs() and key != "repeatable"]
    assert len(checked) > 40
    for key in checked:
        assert recbole_specs()[key].check(key, values[key]) == values[key], key
