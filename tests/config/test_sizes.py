"""Sizes that do not go together or cannot be are refused with their keys, before anything is loaded."""

import logging

import pytest
from helpers.runs import tiny_config, tiny_run, write_inter

from recbole_mdcns.cli.main import train_main
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.quick_start import run_recbole_mdcns


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"neg_sampler": "srns", "srns_memory_num": 8, "srns_fresh_num": 3}, ["srns_memory_num = 8", "fresh_num = 3"]),
        ({"neg_sampler": "srns", "srns_memory_num": 11, "srns_fresh_num": 0}, ["srns_memory_num = 11", "= 10"]),
        ({"neg_sampler": "srns", "srns_memory_num": 4, "srns_fresh_num": 2, "neg_num": 5}, ["neg_num = 5", "num = 4"]),
        ({"neg_sampler": "gnno", "gnno_hard_num": 10}, ["gnno_hard_num = 10", "neg_candidate_num = 10"]),
        ({"neg_sampler": "gnno", "gnno_hard_num": 2, "neg_num": 2}, ["neg_num = 2", "neg_top_num = 1"]),
        ({"neg_sampler": "dns_plus", "neg_num": 4, "neg_top_num": 3}, ["neg_num = 4", "neg_top_num = 3"]),
        ({"neg_sampler": "dns", "neg_num": 2}, ["neg_num = 2", "the 1 highest"]),
        ({"neg_sampler": "mixgcf", "neg_num": 2}, ["neg_num = 2", "the 1 highest"]),
        ({"neg_sampler": "mixgcf_plus", "neg_num": 2}, ["neg_num = 2", "neg_top_num = 1"]),
        ({"neg_top_num": 11}, ["neg_top_num = 11", "neg_candidate_num = 10"]),
    ],
)
def test_sizes_that_do_not_go_together_are_refused_with_both_keys(keys, named):
    with pytest.raises(ConfigError) as refused:
        tiny_config(**keys)
    assert all(part in str(refused.value) for part in named)


@pytest.mark.parametrize("sampler", ["srns", "gnno"])
def test_a_size_of_the_datasets_yaml_is_named_where_it_does_not_fit(sampler):
    with pytest.raises(ConfigError, match=r"neg_candidate_num = 10 comes from properties/dataset/ml-100k\.yaml"):
        MDCNSConfig("SASRec", "ml-100k", config_dict={"neg_sampler": sampler})
    config = MDCNSConfig("SASRec", "ml-100k", config_dict={"neg_sampler": sampler, "neg_candidate_num": 100})
    assert config.dataset_defaults() == []
    assert MDCNSConfig("SASRec", "tiny").dataset_defaults() == []


def test_no_default_of_kuairand_deforms_a_method():
    config = MDCNSConfig("SASRec", "kuairand")
    assert (config["neg_candidate_num"], config["neg_top_num"]) == (100, 1)
    assert config.dataset_defaults() == []


def test_the_log_names_a_default_of_the_dataset(caplog, monkeypatch):
    def stop(config):
        raise KeyboardInterrupt

    monkeypatch.setattr("recbole_mdcns.quick_start.load_splits", stop)
    monkeypatch.setattr("recbole_mdcns.quick_start.start_log", lambda config: None)
    with caplog.at_level(logging.INFO), pytest.raises(KeyboardInterrupt):
        run_recbole_mdcns("SASRec", "ml-100k", config_dict={"use_gpu": False})
    assert "neg_candidate_num = 10 comes from properties/dataset/ml-100k.yaml" in caplog.text
    assert "ranking_loss = 'BCE' trains the models" in caplog.text and "few negatives" not in caplog.text
    with caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt):
        run_recbole_mdcns("SASRec", "ml-100k", config_dict={"use_gpu": False, "ranking_loss": "SSM"})
    assert "ml-100k.yaml: few negatives for ranking_loss = 'SSM', 100 to 256 are usual" in caplog.text


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"ranking_loss": "SSM", "pool_scope": "batch"},
            "neg_candidate_num = 10 comes from properties/dataset/ml-100k",
        ),
        ({"ranking_loss": "SSM", "neg_candidate_num": 31}, "neg_candidate_num = 31: few negatives"),
        ({"ranking_loss": "SSM", "neg_candidate_num": 32}, ""),
        ({"ranking_loss": "gBCE", "neg_sampler": "rns"}, "neg_num = 1: few negatives for ranking_loss = 'gBCE'"),
        ({"ranking_loss": "gBCE", "neg_sampler": "rns", "neg_num": 256}, ""),
        ({"ranking_loss": "CE"}, ""),
        ({"neg_sampler": "rns"}, ""),
    ],
)
def test_a_loss_over_few_negatives_is_told(keys, said):
    few = MDCNSConfig("SASRec", "ml-100k", config_dict=keys).few_negatives()
    assert few.startswith(said) and bool(few) == bool(said)


@pytest.mark.parametrize(
    ("model", "key", "value"),
    [
        ("SASRec", "n_layers", 0), ("SASRec", "hidden_size", 0), ("SASRec", "hidden_size", -8),
        ("SASRec", "n_heads", -1), ("SASRec", "inner_size", 0), ("SASRec", "hidden_dropout_prob", 1.5),
        ("SASRec", "attn_dropout_prob", -0.1), ("SASRec", "initializer_range", -0.02),
        ("GRU4Rec", "num_layers", 0), ("GRU4Rec", "embedding_size", -4), ("GRU4Rec", "dropout_prob", 2),
        ("Mamba4Rec", "d_state", 0), ("Mamba4Rec", "expand", -1), ("BERT4Rec", "mask_ratio", -1),
        ("Caser", "nh", 0), ("NextItNet", "kernel_size", 0), ("SINE", "prototype_size", 0),
    ],
)  # fmt: skip
def test_impossible_sizes_of_models_end_with_their_key_and_value(model, key, value, capsys):
    keys = [f"--model={model}", "--dataset=tiny", "--data_path=data", "--use_gpu=False", f"--{key}={value}"]
    assert train_main(keys) == 2
    said = capsys.readouterr().err
    assert f"{key} = {value}" in said and "must be" in said and "Traceback" not in said


def test_sizes_of_peers_are_checked_too():
    with pytest.raises(ConfigError, match="d_state = 0 is not allowed"):
        tiny_config(**{"peer.d_state": 0})


# Sizes that depend on the data: a user of the tiny dataset has 12 of its 30 items, 10 of them in training


@pytest.mark.parametrize(
    ("keys", "most", "left"),
    [
        ({"neg_candidate_num": 21}, 20, "has 20 of 30 items left outside history and target"),
        ({"neg_candidate_num": 30}, 20, "has 20 of 30 items left outside history and target"),
        ({"neg_candidate_num": 500}, 20, "has 20 of 30 items left outside history and target"),
        ({"neg_candidate_num": 500, "exclude": "target"}, 29, "has 29 of 30 items left apart from the target"),
        ({"neg_sampler": "rns", "neg_num": 31}, 20, "has 20 of 30 items left outside history and target"),
        ({"ranking_loss": "SSM", "neg_candidate_num": 31, "pool_scope": "batch"}, 30, "there are 30 items, and no "),
    ],
)
def test_the_first_message_says_the_final_limit(keys, most, left):
    key = next(name for name in keys if name.endswith("_num"))
    with pytest.raises(ConfigError) as refused:
        prepared(**keys)
    said = str(refused.value)
    assert said.startswith(f"{key} = {keys[key]} is not allowed: ") and left in said
    assert said.endswith(f"set it to at most {most}")
    assert prepared(**{**keys, key: most}).candidate_num == most


def test_a_target_without_any_item_left_is_told_with_the_pool_that_was_asked_for():
    write_inter([f"u{user}\ti{(user + place) % 30}\t{place}\n" for user in range(3) for place in range(32)])
    with pytest.raises(ConfigError, match="neg_candidate_num = 12 is not allowed: user .* has 0 of 30 items left"):
        prepared(ranking_loss="SSM", neg_candidate_num=12, pool_scope="batch")


def prepared(**keys):
    """Return the strategy of a run, as it is when the first epoch begins."""
    run = tiny_run(**keys)
    run.trainer.strategy.prepare(run.data)
    return run.trainer.strategy


def test_a_cut_off_is_at_most_the_number_of_items():
    with pytest.raises(ConfigError, match="there are 30 items, and a cut-off is at most that"):
        tiny_run(topk=[31], valid_metric="NDCG@31")
    tiny_run(topk=[30], valid_metric="NDCG@30")
