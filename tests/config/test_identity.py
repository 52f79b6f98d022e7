"""A run is known by what it reads: nothing else is in its record, its identity or its warnings."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.runs import TINY, tiny_config

from recbole_mdcns.config.identity import content_key, reduce, settings, settings_id
from recbole_mdcns.config.keys import own_keys
from recbole_mdcns.config.model_config import ModelConfig
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import ConfigError

OF_MDCNS = {"divergence_weight", "self_neg_weight", "distill_weight", "distill_temperature", "teacher_mean"}


def test_a_run_holds_and_records_the_keys_that_it_reads():
    rns, mdcns = tiny_config(neg_sampler="rns"), tiny_config()
    assert not (OF_MDCNS | {"neg_candidate_num", "peer_model", "peer", "srns_memory_num"}) & rns.plain().keys()
    assert {"neg_num", "neg_sampler", "n_layers"} <= rns.plain().keys() and "d_state" not in rns.plain()
    assert OF_MDCNS | {"neg_candidate_num", "peer_model", "peer"} <= mdcns.plain().keys()
    assert not {"neg_num", "gbce_calibration", "d_state"} & mdcns.plain().keys()
    assert mdcns.plain()["peer"]["d_state"] == 16 and rns.peer_classes == ()


def test_a_loss_over_the_catalogue_has_no_strategy():
    config = tiny_config(ranking_loss="SCE")
    assert not {"neg_sampler", "neg_num", "neg_candidate_num"} & config.plain().keys()
    assert config.plain()["sce_bucket_items"] == 256 and config.parts.strategy is None
    with pytest.raises(ConfigError, match=r"neg_sampler = 'rns' is not allowed with ranking_loss = 'SCE'"):
        tiny_config(ranking_loss="SCE", neg_sampler="rns")


def test_protocols_have_keys_of_their_own():
    assert "split_seed" not in tiny_config().plain()
    by_ratio, by_file = tiny_config(protocol="paper"), tiny_config(protocol="paper", split_file="users.tsv")
    assert {"split_seed", "split_ratio", "split_file"} <= by_ratio.plain().keys()
    assert "split_file" in by_file.plain() and "split_seed" not in by_file.plain()


def test_to_ask_for_a_key_that_is_not_read_is_an_error():
    config = tiny_config(neg_sampler="rns")
    with pytest.raises(ConfigError, match=r"distill_weight is not read by .*'BCE' and neg_sampler = 'rns'.*reads"):
        config["distill_weight"]
    assert config["no_such_key"] is None  # RecBole's way, on which its models rely


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"neg_sampler": "rns", "neg_top_num": 5, "srns_std_weight": 9, "distill_weight": 3}, 3),
        ({"neg_sampler": "rns", "gbce_calibration": 0.1}, 1),
        ({"neg_sampler": "rns", "peer_model": "GRU4Rec", "peer.hidden_size": 8}, 2),
        ({"neg_sampler": "rns", "d_state": 3}, 1),
        ({"ranking_loss": "CE", "neg_num": 3, "pop_power": 1}, 2),
        ({"neg_sampler": "mdcns", "d_state": 3, "distill_weight": 3}, 0),
    ],
)
def test_given_keys_that_the_run_does_not_read_are_told(keys, told):
    config = tiny_config(**keys)
    names = set(config.unread_keys()) - TINY.keys()
    assert len(names) == told and names <= {*keys, "peer.hidden_size"}
    plain = config.plain()
    assert not names & plain.keys()
    assert content_key(plain) == content_key(tiny_config(**{k: v for k, v in keys.items() if k not in names}).plain())


@pytest.mark.parametrize("key", ["neg_topnum", "distil_weight", "peer.d_stat"])
def test_unknown_keys_are_errors(key):
    with pytest.raises(ConfigError, match="did you mean"):
        tiny_config(neg_sampler="rns" if not key.startswith("peer") else "mdcns", **{key: 1})


def test_a_peer_has_no_peer_no_strategy_and_no_loss():
    (peer,) = tiny_config(**{"peer.learning_rate": 0.5}).peer_configs()
    assert type(peer) is ModelConfig and not hasattr(peer, "peer_configs")
    assert peer["learning_rate"] == 0.5 and peer["d_state"] == 16
    assert not {"peer_model", "neg_sampler", "ranking_loss", "distill_weight", "peer"} & peer.plain().keys()
    assert ModelConfig.from_plain(peer.plain()).plain() == peer.plain()


@pytest.mark.parametrize(
    "keys", [{}, {"neg_sampler": "srns"}, {"ranking_loss": "CE"}, {"protocol": "paper", "neg_sampler": "pns"}]
)
def test_a_configuration_comes_back_from_its_plain_values(keys):
    plain = tiny_config(**keys).plain()
    again = MDCNSConfig.from_plain(plain)
    assert again.plain() == plain == reduce(plain) == json.loads(json.dumps(plain))
    assert again.unread_keys() == []


SEVERAL = {"peer_model": "Mamba4Rec,GRU4Rec"}


def test_several_peers_come_back_with_their_own_keys():
    """A value that is the self model's default is not that of each peer: two runs, and two keys."""
    runs = [MDCNSConfig("SASRec", "ml-100k", config_dict={**SEVERAL, **keys}) for keys in ({}, {"hidden_size": 64})]
    widths = [[peer["hidden_size"] for peer in run.peer_configs()] for run in runs]
    assert widths == [[64, 128], [64, 64]] and content_key(runs[0].plain()) != content_key(runs[1].plain())
    for run in runs:
        again = MDCNSConfig.from_plain(json.loads(json.dumps(run.plain())))
        assert [peer.plain() for peer in again.peer_configs()] == [peer.plain() for peer in run.peer_configs()]
        assert again.plain() == run.plain()
    with pytest.raises(ConfigError, match="there are 1 peers"):
        MDCNSConfig.from_plain({**runs[0].plain(), "peer_model": "GRU4Rec"})


@pytest.mark.parametrize(
    ("run", "same"),
    [
        ({}, {"peer_model": "Mamba4Rec"}),
        ({}, {"d_state": 16}),
        ({}, {"peer.compile_scan": True}),
        ({"peer_model": "GRU4Rec"}, {"peer_model": " GRU4Rec "}),
        (SEVERAL, {"peer_model": "Mamba4Rec, GRU4Rec", "peer.learning_rate": 0.001}),
    ],
)
def test_a_default_that_is_given_leaves_the_identity(run, same):
    plain, given = (MDCNSConfig("SASRec", "ml-100k", config_dict=keys).plain() for keys in (run, {**run, **same}))
    assert content_key(plain) == content_key(given) and settings_id(plain) == settings_id(given)


def test_reduce_leaves_what_the_run_reads():
    plain = tiny_config(neg_sampler="rns").plain()
    every = {name: key.default for name, key in own_keys().items()}
    old = {**every, **plain, "peer": {"d_state": 32}, "d_state": 7, "loss_type": None}
    assert reduce(old) == plain
    with pytest.raises(ConfigError, match="neg_sampler = 'mine:Own' names code to import"):
        reduce({**old, "neg_sampler": "mine:Own"})


def test_what_changes_the_numbers_is_in_the_identity():
    plain = tiny_config().plain()
    same = {"show_progress": True, "result_file": "r.json", "checkpoint_dir": "elsewhere", "log_dir": None}
    assert content_key({**plain, **same}) == content_key(plain)
    changes = {
        "seed": 5, "neg_top_num": 2, "epochs": 3, "n_layers": 1, "peer": {"d_state": 8}, "mask_history": False,
        "ema_decay": 0.9, "eval_step": 2, "clip_grad_norm": {"max_norm": 1.0}, "enable_amp": True, "shuffle": False,
        "topk": [7], "metrics": ["MRR"], "valid_metric": "MRR@5", "train_batch_size": 7, "batching": "row",
        "rm_dup_inter": "last", "eval_args": {"order": "RO"}, "item_init_range": 1.0, "lazy_items": True,
    }  # fmt: skip
    for key, value in changes.items():
        assert content_key({**plain, key: value}) != content_key(plain), key
    assert settings_id({**plain, "epochs": 99}) == settings_id(plain) != settings_id({**plain, "seed": 5})


def test_a_key_of_ours_with_its_first_default_is_not_in_the_identity():
    plain = tiny_config().plain()
    left = {key: value for key, value in plain.items() if key != "distill_temperature"}  # as before there was the key
    assert plain["distill_temperature"] == own_keys()["distill_temperature"].first_default
    assert content_key(left) == content_key(plain) and settings(left) == settings(plain)


#: Prints the identities of three runs, in a separate installation.
IDENTITIES = """
import json
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.config.identity import content_key, settings_id
runs = [{}, {"neg_sampler": "rns"}, {"ranking_loss": "CE"}]
plain = [MDCNSConfig("SASRec", "ml-100k", config_dict=keys).plain() for keys in runs]
print(json.dumps([[content_key(values), settings_id(values)] for values in plain]))
"""
LATER = """
from recbole_mdcns.config.run_config import MDCNSConfig
plain = MDCNSConfig("SASRec", "ml-100k", config_dict={"neg_sampler": "later", "lateness": 0.7}).plain()
print(plain["lateness"], plain["later_of_overall"])
"""
STRATEGY = """
from recbole_mdcns.negatives.rns import RNS


class Later(RNS):
    def __init__(self, config, device):
        super().__init__(config, device)
        self.lateness = config["lateness"]
"""
KEY = "  {name}:\n    default: 0.5\n    type: float\n    help: Of a later version.\n"


def test_a_strategy_a_loss_and_a_key_of_a_later_version_leave_the_identity_of_other_runs(tmp_path, monkeypatch):
    import shutil

    for folder in ("recbole_mdcns", "properties"):
        shutil.copytree(ROOT / folder, tmp_path / folder)

    def run(code: str) -> list[str]:
        environment = {"PYTHONPATH": str(tmp_path), "PATH": "", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    (before,) = run(IDENTITIES)
    (tmp_path / "recbole_mdcns/negatives/later.py").write_text(STRATEGY)
    (tmp_path / "properties/negatives/later.yaml").write_text(
        "class: recbole_mdcns.negatives.later:Later\nhelp: Later.\nreads: [neg_num]\nkeys:\n"
        + KEY.format(name="lateness")
    )
    loss = "class: recbole_mdcns.losses.pairwise:BPR\nhelp: Later.\nkeys:\n" + KEY.format(name="later_margin")
    (tmp_path / "properties/losses/Later.yaml").write_text(loss)
    for path, old in (
        ("overall.yaml", "Batches:\n"),
        ("negatives/mdcns.yaml", "keys:\n"),
        ("model/Mamba4Rec.yaml", ""),
    ):
        file = tmp_path / "properties" / path
        text = file.read_text()
        name = "later_of_" + Path(path).stem
        entry = KEY.format(name=name) if old else KEY.format(name=name).replace("\n  ", "\n").lstrip()
        file.write_text(text.replace(old, old + entry, 1) if old else text + entry)
    assert run(IDENTITIES + LATER) == [before, "0.7 0.5"]
