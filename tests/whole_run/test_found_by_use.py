"""Faults that trying to break the package has shown, each with its right value."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.device import on
from helpers.runs import HEADER, TINY, cycle_lines, fit, tiny_config, tiny_run, write_inter
from helpers.sweeps import failed

from recbole_mdcns.checkpoints.checkpoint import RunFiles
from recbole_mdcns.cli.main import main, train_main
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.errors import CheckpointError, ConfigError, DataError
from recbole_mdcns.negatives import Negatives, NegativeStrategy
from recbole_mdcns.quick_start import evaluate_saved, run_recbole_mdcns
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.sweep_file import read_sweep
from recbole_mdcns.tuning.trial import run_trial


@pytest.mark.parametrize(("keep", "expected"), [("first", ["b", "a", "c", "d"]), ("last", ["a", "c", "b", "d"])])
def test_duplicates_go_and_ties_keep_the_order_of_the_file(keep, expected):
    lines = "u\tb\t1\nu\ta\t1\nu\tc\t1\nu\tb\t1\nu\td\t2\n"
    write_inter(
        [lines + "".join(f"v{k}\ta\t1\nv{k}\tb\t1\nv{k}\tc\t1\nv{k}\td\t1\n" for k in range(3))], "tied", HEADER
    )
    data = HistoryDataset(tiny_config(dataset="tied", rm_dup_inter=keep, topk=[2], valid_metric="NDCG@2"))
    data.build()
    names = data.field2id_token["item_id"]
    assert [names[item] for item in data.history.items[:4]] == expected
    assert [names[item] for item in data.history.items[4:8]] == ["a", "b", "c", "d"]  # without any duplicate


@pytest.mark.parametrize(("keep", "expected"), [("first", ["b", "a", "c", "d"]), ("last", ["a", "c", "b", "d"])])
def test_the_first_of_duplicates_is_that_of_the_earliest_time_wherever_it_stands_in_the_file(keep, expected):
    lines = "u\tb\t4\nu\ta\t2\nu\tc\t3\nu\tb\t1\nu\td\t5\n"
    others = [f"v{k}\t{item}\t{time}\n" for k in range(3) for time, item in enumerate("abcd")]
    write_inter([lines, *others], "shuffled", HEADER)
    data = HistoryDataset(tiny_config(dataset="shuffled", rm_dup_inter=keep, topk=[2], valid_metric="NDCG@2"))
    data.build()
    assert [data.field2id_token["item_id"][item] for item in data.history.items[:4]] == expected


@pytest.mark.parametrize("model", ["__init__", "__doc__", "get_model"])
def test_names_of_python_are_no_models(model):
    with pytest.raises(ConfigError, match=f"model = '{model}' is not a model"):
        tiny_config(model)


@pytest.mark.parametrize("key", ["alias_of_user_id", "alias_of_item_id"])
def test_an_alias_that_no_file_has_is_refused(key):
    with pytest.raises(DataError, match="there is no column x"):
        HistoryDataset(tiny_config(**{key: ["x"]}))


class Own(NegativeStrategy):
    """Takes the first candidate; a subclass spoils what it returns."""

    def choose(self, pool):
        return self.spoilt([scores[:, :1] for scores in pool.scores], pool)

    def spoilt(self, scores, pool):
        return Negatives(scores, list(self.weights))


class Flat(Own):
    def spoilt(self, scores, pool):
        return Negatives([each[:, 0] for each in scores], list(self.weights))


class OneRow(Own):
    def spoilt(self, scores, pool):
        return Negatives([each[:1] for each in scores], list(self.weights))


class TooMany(Own):
    def spoilt(self, scores, pool):
        return Negatives([each[:, :3] for each in pool.scores], list(self.weights))


class Factors(Own):
    def spoilt(self, scores, pool):
        return Negatives(scores, list(self.weights), factors=on(torch.ones(3)))


class Nothing(Own):
    def spoilt(self, scores, pool):
        return None


class Padding(Own):
    def propose(self, batch):
        return on(torch.zeros(len(batch), 3, dtype=torch.int64))


class Beyond(Own):
    def propose(self, batch):
        return super().propose(batch) + 10**6  # type: ignore[operator]


def test_an_own_sampler_that_returns_what_it_should_trains():
    run = tiny_run(neg_sampler=f"{__name__}:Own", epochs=1)
    fit(run)


@pytest.mark.parametrize("strategy", ["Flat", "OneRow", "TooMany", "Factors", "Nothing", "Padding", "Beyond"])
def test_an_own_sampler_that_returns_something_else_is_named(strategy):
    run = tiny_run(neg_sampler=f"{__name__}:{strategy}", epochs=1)
    with pytest.raises(ConfigError, match=rf"neg_sampler {__name__}:{strategy}: (choose|propose) returned .*expected"):
        fit(run)


class Text(str):
    pass


class Number(float):
    pass


def test_values_of_any_kind_of_text_and_number_are_stored_as_plain_ones():
    keys = {
        "valid_metric": Text("NDCG@10"), "learning_rate": Number(0.01), "neg_sampler": "rns",
        "val_interval": {np.str_("timestamp"): "[0,99]"}, "expected_statistics": {np.str_("users"): np.int64(40)},
    }  # fmt: skip
    run_recbole_mdcns("SASRec", "tiny", config_dict={**TINY, **keys, "epochs": 1})
    (last,) = Path("saved").glob("*-last.pth")
    assert torch.load(last, weights_only=True)["config"]["valid_metric"] == "NDCG@10"


def test_a_dataset_with_brackets_in_its_name_is_resumed():
    write_inter(cycle_lines(), "d[1]")
    run = tiny_run(dataset="d[1]", neg_sampler="rns", epochs=1)
    fit(run)
    assert RunFiles.every(run.config)[-1].last == run.trainer.files.last


def test_the_best_weights_are_not_evaluated_on_other_sequences():
    keys = {"neg_sampler": "rns", "epochs": 1}
    fit(tiny_run(**keys))
    (best,) = [path for path in Path("saved").glob("*.pth") if "last" not in path.name]
    lines = cycle_lines()
    lines[-1], lines[-2] = (
        f"{line.rsplit(chr(9), 1)[0]}\t{time}\n" for line, time in ((lines[-1], 10), (lines[-2], 11))
    )
    write_inter(lines)  # the same names in the same order, and another last item
    other = tiny_run(**keys)
    other.trainer.use_files(RunFiles(best))
    with pytest.raises(CheckpointError, match="other data"):
        other.trainer.load_best()


@pytest.mark.parametrize(("allowed", "message"), [(["a", "noo"], "no line has 'noo'"), ([False, "a"], "quotes")])
def test_a_filter_by_values_that_no_line_has_is_refused(allowed, message):
    header = HEADER.replace("\n", "\tkind:token\n")
    write_inter([line.replace("\n", f"\t{'ab'[k % 2]}\n") for k, line in enumerate(cycle_lines())], "kinds", header)
    with pytest.raises(DataError, match=message):
        HistoryDataset(tiny_config(dataset="kinds", val_interval={"kind": allowed}))


def test_an_evaluation_replaces_no_record_and_a_record_no_evaluation(capsys):
    keys = [f"--{key}={value}" for key, value in {**TINY, "epochs": 1, "neg_sampler": "rns"}.items()]
    run = ["--model=SASRec", "--dataset=tiny", *keys]
    assert train_main([*run, "--result_file=run.json"]) == 0
    (best,) = [str(path) for path in Path("saved").glob("*.pth") if "last" not in path.name]
    assert train_main([f"--evaluate={best}", "--result_file=run.json"]) == 2
    assert train_main([f"--evaluate={best}", "--result_file"]) == 2  # without a value it is no path
    assert train_main([f"--evaluate={best}", "--result_file=again.json"]) == 0
    assert train_main([*run, "--result_file=again.json"]) == 2
    assert "schema" in json.loads(Path("run.json").read_text())
    for metrics, cutoffs in (("Recall", 3), (["Recall"], (3,)), (["NDCG"], np.int64(3))):
        assert len(evaluate_saved(best, metrics=metrics, topk=cutoffs)) == 1


def test_keys_that_only_a_peer_would_read_are_told_where_there_is_none():
    assert tiny_config(neg_sampler="rns", d_state=3).unread_keys() != []
    assert "d_state" not in tiny_config(neg_sampler="mdcns", d_state=3).unread_keys()


def test_a_sweep_does_not_mix_records_of_data_that_changed(capsys):
    keys = {**TINY, "epochs": 1, "eval_step": 1}
    sweep = {"datasets": ["tiny"], "models": ["SASRec"], "methods": ["rns"], "seeds": [1, 2], "keys": keys}
    Path("mine.yaml").write_text(yaml.safe_dump(sweep))
    store = Store("sweeps/mine")
    first, second = trials(read_sweep("mine.yaml"))
    run_trial(first, store)
    assert main(["best", "mine.yaml"]) == 0
    write_inter(cycle_lines(seed=5))
    assert "'tiny' changed" in failed(run_trial(second, store)).reason and main(["best", "mine.yaml"]) == 0
    shutil.rmtree(store.folder / "data")  # as in a store that an older version wrote
    store.renew(second.id.key)
    run_trial(second, store)
    capsys.readouterr()
    assert main(["best", "mine.yaml"]) == 2
    told = capsys.readouterr().err
    assert first.id.key in told and second.id.key in told and "'tiny' changed" in told


def test_exposures_that_changed_are_no_resume():
    exposed = Path("data/tiny/tiny.exposed")
    shown = [f"u{user}\ti{item}\t{time}\n" for user in range(40) for time, item in enumerate(range(0, 30, 3))]
    exposed.write_text(HEADER + "".join(shown))
    fit(tiny_run(neg_sampler="ens", epochs=1))
    exposed.write_text(HEADER + "".join(shown[:-40]))
    run = tiny_run(neg_sampler="ens", epochs=2)
    run.trainer.resume_checkpoint(True)
    with pytest.raises(CheckpointError, match="exposures"):
        fit(run)


@pytest.mark.parametrize("key", ["ITEM_LIST_LENGTH_FIELD", "TIME_FIELD"])
def test_two_roles_of_one_column_are_refused(key):
    with pytest.raises(ConfigError, match=f"{key} = 'user_id'"):
        tiny_config(**{key: "user_id"})
