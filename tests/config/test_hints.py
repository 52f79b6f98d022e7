"""What a user typed leads to the key that was meant, or to none: a wrong suggestion costs more than no suggestion."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from helpers.runs import tiny_config

from recbole_mdcns.cli.main import main, train_main
from recbole_mdcns.config.hints import hint_for, other_names
from recbole_mdcns.config.keys import every_key
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import ConfigError, nearest
from recbole_mdcns.support.declared import methods, resolve


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("batch_size", "train_batch_size"),
        ("lr", "learning_rate"),
        ("LR", "learning_rate"),
        ("early_stopping", "stopping_step"),
        ("patience", "stopping_step"),
        ("num_negatives", "neg_num"),
        ("max_seq_length", "MAX_ITEM_LIST_LENGTH"),
        ("hidden_dim", "hidden_size"),
        ("embed_dim", "hidden_size or embedding_size"),
        ("loss", "ranking_loss"),
        ("device", "use_gpu or gpu_id"),
        ("peer_hidden_size", "peer.hidden_size"),
        ("peer_lr", "peer.learning_rate"),
        ("peer_learning_rate", "peer.learning_rate"),
        ("epocs", "epochs"),
        ("neg_candidates_num", "neg_candidate_num"),
        ("hiden_size", "hidden_size"),
        ("candidate_num", "neg_candidate_num"),
        ("sampler", "neg_sampler"),
    ],
)
def test_a_name_of_another_library_or_a_slip_leads_to_the_key(typed, meant, capsys):
    assert train_main(["--model=SASRec", "--dataset=tiny", "--data_path=data", f"--{typed}=3"]) == 2
    assert f"{typed} = 3: there is no key {typed} (did you mean {meant}?); --help lists" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="did you mean") as refused:
        tiny_config(**{typed: 3})
    assert f"(did you mean {meant}?)" in str(refused.value)


@pytest.mark.parametrize(
    "typed", ["qqq", "peer", "peer_qqq", "warmup", "num_gizmos", "my_own_switch", "verbosity_of_it"]
)
def test_a_name_that_is_near_to_no_key_leads_nowhere(typed):
    assert hint_for(typed, every_key()) == ""


def test_every_suggestion_is_a_key_and_no_key_is_listed_as_another_name():
    suggested = {key for keys in other_names().values() for key in keys}
    assert suggested <= every_key() and not other_names().keys() & every_key()
    assert all(name == name.lower() for name in other_names())


def test_the_symbols_of_the_paper_come_first():
    assert hint_for("alpha", every_key()).startswith(" (the paper's alpha is ")


def test_the_keys_of_a_peer_have_the_same_hints():
    with pytest.raises(ConfigError, match=r"peer\.lr cannot be set for peer GRU4Rec \(did you mean learning_rate\?\)"):
        tiny_config(peer_model="GRU4Rec", **{"peer.lr": 0.1})


def test_a_file_is_near_by_its_name_and_not_by_its_ending(capsys):
    for name in ("sg_ref.yaml", "minne.yaml"):
        Path(name).write_text("epochs: 1\n")
    for name, hint in (("mine.yaml", " (did you mean minne.yaml?)"), ("other.yaml", "")):
        assert main(["train", "--model=SASRec", "--dataset=tiny", f"--config_files={name}"]) == 2
        said = f"train: config file {name} cannot be read: No such file or directory{hint}\n"
        assert said in capsys.readouterr().err
        assert main(["status", name]) == 2
        assert f"there is no sweep {name}{hint}: give" in capsys.readouterr().err


def test_likeness_by_hand():
    """Of seven letters one slip leaves 6/7 (0.86) and three leave 4/7 (0.57); of three letters, one leaves 2/3."""
    assert nearest("abcdefx", ["abcdefg"]) == " (did you mean abcdefg?)"
    assert nearest("abcdxyz", ["abcdefg"]) == ""
    assert nearest("abx", ["abc"]) == " (did you mean abc?)"
    assert nearest("beauty", ["amazon-beauty", "amazon-books"]) == " (did you mean amazon-beauty?)"
    assert nearest("amazon", ["amazon-all-beauty", "amazon-gift-cards"]) == ""  # which of them?


@pytest.mark.parametrize("key", ["neg_sampler", "ranking_loss"])
def test_the_name_of_a_method_is_answered_with_its_keys(key, capsys):
    assert train_main(["--model=SASRec", "--dataset=tiny", "--data_path=data", f"--{key}=mdcns_softmax"]) == 2
    said = capsys.readouterr().err
    assert f"{key} = 'mdcns_softmax' is not allowed: choose " in said
    assert said.endswith(
        "; mdcns_softmax is a method, which sweeps take under methods: for one run write --neg_sampler=mdcns "
        "--ranking_loss=SSM --ssm_scale=True --pool_scope=batch --neg_candidate_num=1024 --distill_weight=1 "
        "--ema_decay=0.998 instead\n"
    )


@pytest.mark.parametrize("method", methods())
def test_the_keys_that_are_printed_for_a_method_are_those_of_its_runs(method):
    with pytest.raises(ConfigError) as refused:
        resolve("negatives", method)
    printed = str(refused.value).partition("for one run write ")[2].removesuffix(" instead")
    config = MDCNSConfig("SASRec", "tiny", argv=shlex.split(printed))
    assert {key: config[key] for key in methods()[method]} == methods()[method]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("neg_sampler=CE", "; CE is a value of another key: --ranking_loss=CE"),
        ("ranking_loss=mdcns", "; mdcns is a value of another key: --neg_sampler=mdcns"),
        ("ranking_loss=ssm", "'ssm' is not allowed (did you mean SSM?): choose"),
        ("ranking_loss=XE", "or package.module:Class\n"),
    ],
)
def test_a_loss_for_a_strategy_is_told_and_so_is_the_reverse(typed, said, capsys):
    assert train_main(["--model=SASRec", "--dataset=tiny", "--data_path=data", f"--{typed}"]) == 2
    assert said in capsys.readouterr().err
