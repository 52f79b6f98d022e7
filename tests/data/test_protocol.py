"""The two protocols through the dataset: who trains, who is evaluated, what is odd in the data."""

import logging
import re
from pathlib import Path
from urllib.error import URLError

import pytest
import yaml
from helpers.runs import TINY, tiny_config, tiny_run, write_inter

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.errors import ConfigError, DataError
from recbole_mdcns.quick_start import load_data_and_model, run_recbole_mdcns
from recbole_mdcns.support.yaml_files import properties_dir

PAPER = {"protocol": "paper", "topk": [5, 20], "epochs": 1}


def parts_of(**keys):
    dataset, splits = load_splits(tiny_config(**keys))
    return dataset, {name: dataset_of(loader) for name, loader in splits.items()}


def seen_pairs(part, history):
    """Every (user, item) that a part's rows show a model, as input or as target."""
    rows = part.inter_feat
    pairs = set(zip(rows["user_id"].tolist(), rows["item_id"].tolist()))
    numbers, items = history.pairs(rows["history_start"], rows["history_end"])
    return pairs | set(zip(rows["user_id"][numbers].tolist(), items.tolist()))


@pytest.mark.parametrize("eval_prefixes", ["last", "all"])
def test_the_paper_protocol_never_trains_on_evaluated_users(eval_prefixes):
    dataset, parts = parts_of(**PAPER, eval_prefixes=eval_prefixes)
    users = {name: set(part.inter_feat["user_id"].tolist()) for name, part in parts.items()}
    assert {name: len(members) for name, members in users.items()} == {"train": 28, "valid": 8, "test": 4}
    assert not users["train"] & (users["valid"] | users["test"]) and not users["valid"] & users["test"]
    assert len(parts["train"]) == 28 * 11  # every prefix
    rows = 1 if eval_prefixes == "last" else 11
    assert (len(parts["valid"]), len(parts["test"])) == (8 * rows, 4 * rows)
    lengths = (parts["test"].inter_feat["history_end"] - parts["test"].inter_feat["history_start"]).tolist()
    assert sorted(set(lengths)) == ([11] if eval_prefixes == "last" else list(range(1, 12)))
    names = dataset.field2id_token["user_id"]
    assert {part: {names[user] for user in members} for part, members in users.items()} == {
        part: set(members) for part, members in dataset.user_split.items()
    }


def test_leave_one_out_never_trains_on_a_later_item():
    _, parts = parts_of()
    train = seen_pairs(parts["train"], parts["train"].history)
    for name in ("valid", "test"):
        rows = parts[name].inter_feat
        assert not train & set(zip(rows["user_id"].tolist(), rows["item_id"].tolist()))
    valid = seen_pairs(parts["valid"], parts["train"].history)
    rows = parts["test"].inter_feat
    assert not valid & set(zip(rows["user_id"].tolist(), rows["item_id"].tolist()))


def test_the_paper_preset_holds_for_the_models_that_have_its_keys():
    config = MDCNSConfig("SASRec", "tiny", config_dict={"protocol": "paper", "peer_model": "GRU4Rec"})
    assert (config["valid_metric"], config["stopping_step"], config["train_batch_size"]) == ("NDCG@20", 30, 1024)
    assert (config["n_layers"], config["hidden_dropout_prob"], "num_layers" in config) == (2, 0.5, False)
    peer = config.peer_configs()[0]
    assert (peer["hidden_size"], peer["num_layers"], peer["dropout_prob"]) == (64, 2, 0.5)
    own = MDCNSConfig("SASRec", "tiny", config_dict={"protocol": "paper", "n_layers": 1, "stopping_step": 5})
    assert (own["n_layers"], own["stopping_step"]) == (1, 5)
    assert MDCNSConfig("SASRec", "tiny")["train_batch_size"] == 2048


def test_datasets_know_what_the_released_runs_did_otherwise():
    lastfm = MDCNSConfig("SASRec", "lastfm", config_dict={"protocol": "paper"})
    assert (lastfm["split_ratio"], lastfm["eval_prefixes"]) == ([0.8, 0.1, 0.1], "all")
    assert MDCNSConfig("SASRec", "lastfm")["protocol"] == "leave_one_out"
    assert MDCNSConfig("SASRec", "kuairand")["neg_top_num"] == 1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"split_ratio": [0.7, 0.2, 0.2]}, r"split_ratio = \[0.7, 0.2, 0.2\] is not allowed: .* sum to 1"),
        ({"split_ratio": [0.9, 0.1]}, "three numbers"),
        ({"split_ratio": [1.2, -0.1, -0.1]}, "three numbers"),
        ({"split_ratio": ["most", "some", "few"]}, "a list of numbers"),
        ({"protocol": "mine"}, "protocol = 'mine' is not allowed: choose leave_one_out or paper"),
        ({"eval_prefixes": "first"}, "choose last or all"),
        ({"eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}}}, "eval_args.split = .* is not allowed: .* under paper"),
        (
            {"protocol": "leave_one_out", "eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}}},
            r"eval_args.split = {'RS': .* is not allowed: it is {'LS': 'valid_and_test'} under protocol leave_one_out",
        ),
        ({"protocol": "leave_one_out", "eval_args": {"split": {"LS": "valid_only"}}}, "eval_args.split = .*valid_only"),
        ({"eval_args": "full"}, "eval_args = 'full' is not allowed: expected keys and values"),
        ({"protocol": "leave_one_out", "split_seed": 7}, "split_seed = 7 is not used under protocol leave_one_out"),
    ],
)
def test_keys_that_make_no_split_are_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        tiny_config(**{**PAPER, **keys})


def test_a_run_writes_its_split_and_another_takes_it():
    Path("results").mkdir()
    keys = {**TINY, **PAPER, "split_seed": 9, "result_file": "results/run.json"}
    record = run_recbole_mdcns("SASRec", "tiny", config_dict=keys)["record"]
    assert record["data"]["split_users"] == {"train": 28, "valid": 8, "test": 4}
    dataset, _ = parts_of(**PAPER, split_file="results/run-split.tsv")
    other, _ = parts_of(**PAPER)
    drawn, _ = parts_of(**PAPER, split_seed=9)
    assert dataset.user_split == drawn.user_split != other.user_split
    model_file = next(path for path in Path("saved").glob("*.pth") if "-last" not in path.name)
    assert load_data_and_model(model_file)[2].user_split == drawn.user_split


def test_a_run_without_record_writes_its_split_beside_the_model():
    run_recbole_mdcns("SASRec", "tiny", config_dict={**TINY, **PAPER, "neg_sampler": "rns"})
    (split,) = Path("saved").glob("*-split.tsv")
    assert split.with_name(split.name.replace("-split.tsv", ".pth")).is_file()


def test_users_that_a_split_file_leaves_out_are_neither_trained_nor_evaluated(caplog):
    lines = ["user_id:token\tpart:token"] + [
        f"u{u}\t{'train' if u < 5 else 'valid' if u < 7 else 'test'}" for u in range(9)
    ]
    Path("split.tsv").write_text("\n".join(lines) + "\n")
    with caplog.at_level(logging.WARNING):
        _, parts = parts_of(**PAPER, split_file="split.tsv")
    assert [len(part) for part in parts.values()] == [5 * 11, 2, 2]
    assert "split_file split.tsv leaves 31 users out" in caplog.text


def test_what_eval_args_leave_out_is_the_protocols():
    config = tiny_config(eval_args={"mode": {"valid": "full", "test": "full"}})
    assert config["eval_args"] == tiny_config()["eval_args"]
    _, parts = parts_of(eval_args={"group_by": "user"})
    assert {name: len(part) for name, part in parts.items()} == {"train": 360, "valid": 40, "test": 40}


def test_a_part_without_rows_is_refused():
    write_inter([f"u{user}\ti{item}\t{item}\n" for user in range(5) for item in range(3)], "short")
    with pytest.raises(DataError, match="'valid': 0.*: each part needs one .leave_one_out .* four interactions"):
        load_splits(tiny_config(dataset="short"))
    with pytest.raises(DataError, match="splits into rows .*'test': 0}: each part needs one .split_ratio"):
        load_splits(tiny_config(**{**PAPER, "split_ratio": [0.9, 0.1, 0]}))


def test_training_under_the_paper_protocol_learns():
    run = tiny_run(**{**PAPER, "epochs": 20, "valid_metric": "NDCG@5", "stopping_step": 20})
    score, _ = run.trainer.fit(run.train, run.valid, saved=False)
    assert score > 0.6  # chance is below 0.1


ODD = {
    "unsorted": (
        ["u\ta\t2\n", "u\tb\t1\n", "u\tc\t3\n"],
        "line 3: its timestamp is before the line above it of its user",
    ),
    "repeated": (
        ["u\ta\t1\n", "v\ta\t1\n", "u\tb\t1\n", "u\ta\t1\n", "v\tb\t2\n"],
        r"line 5: the same user_id, item_id and timestamp as in line 2 .1 such lines",
    ),
    "single": (["u\ta\t1\n", "u\tb\t2\n", "w\ta\t1\n"], "line 4: user_id 'w' has one interaction"),
    "cold": (
        [f"u\t{item}\t{time}\n" for time, item in enumerate("abcde")] + ["v\te\t1\n", "v\tb\t2\n"],
        "item_id 'd' is evaluated and never trained on .1 such items",  # e begins a history that is trained on
    ),
    "counts": (["u\ta\t1\n", "u\tb\t2\n", "u\tc\t3\n", "u\ta\t4\n"], "after the filters: 1 users, expected 7 "),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_data_are_reported_and_with_strict_data_refused(kind, caplog):
    lines, message = ODD[kind]
    write_inter(lines + [f"x{u}\t{i}\t{t}\n" for u in range(4) for t, i in enumerate("abc" * 2)], "odd")
    keys = {"dataset": "odd", "neg_candidate_num": 1}
    if kind == "counts":
        write_inter(lines, "odd")
        keys["expected_statistics"] = {"users": 7, "items": 3}
    with caplog.at_level(logging.WARNING):
        load_splits(tiny_config(**keys))
    reported = [record.message for record in caplog.records]
    with pytest.raises(DataError, match=f"odd.inter, .*{message}"):
        load_splits(tiny_config(**keys, strict_data=True))
    # Lines out of order are sorted, and every MovieLens file has them: no report.
    assert any(re.search(message, line) for line in reported) == (kind != "unsorted")


def test_clean_data_pass_the_strict_check(caplog):
    with caplog.at_level(logging.WARNING):
        load_splits(tiny_config(strict_data=True))
    assert not caplog.records


def test_empty_results_after_filtering_name_the_filters():
    with pytest.raises(DataError, match=r"tiny.inter: the filters leave no interaction .*item_inter_num_interval"):
        load_splits(tiny_config(item_inter_num_interval="[999,inf)"))


@pytest.mark.parametrize("path", sorted((properties_dir() / "dataset").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_dataset_yaml_makes_a_configuration(path):
    content = yaml.safe_load(path.read_text())
    config = MDCNSConfig("SASRec", path.stem, config_dict={"protocol": "paper"})
    assert set(config["expected_statistics"]) == {"users", "items", "interactions"}
    assert {key: config[key] for key in content} == content


def test_a_dataset_that_recbole_knows_otherwise_says_how_to_prepare_it():
    with pytest.raises(DataError, match=r"'lastfm' is not in data/lastfm: .*recbole-mdcns prepare lastfm"):
        load_splits(tiny_config(dataset="lastfm"))


def test_a_download_that_fails_says_why_and_where_the_file_goes(monkeypatch):
    def offline(url):
        raise URLError(OSError(101, "Network is unreachable"))

    monkeypatch.setattr("recbole.data.dataset.dataset.decide_download", offline)
    where = "data/ml-1m and could not be downloaded (Network is unreachable): put its interactions into data/ml-1m/"
    with pytest.raises(DataError, match=re.escape(f"dataset 'ml-1m' is not in {where}ml-1m.inter")):
        load_splits(tiny_config(dataset="ml-1m"))
