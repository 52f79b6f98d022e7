"""Records of schema 1 become records of today: as many, with the same figures, known by what they read."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest
from helpers.sweeps import trained

from recbole_mdcns.cli.main import main
from recbole_mdcns.config.identity import content_key
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.files import read_records
from recbole_mdcns.records.migrate import migrate, migrate_folder
from recbole_mdcns.records.record import Failure, Record
from recbole_mdcns.records.store import Store

#: Keys of strategies and losses, all of which schema 1 wrote into every record.
OF_ALL = {"srns_warm_up": 10, "gnno_max": 0.4, "neg_top_num": 1, "gbce_calibration": 0.75, "distill_weight": 10.24}


def old(sampler="rns", loss="BCE", peer=None, key="0123456789abcdef", **more):
    """Return a record of schema 1, as version 0.1.0 wrote it."""
    reads = {"ranking_loss": loss, "epochs": 3, "stopping_step": 2, "seed": 7}
    reads.update({} if sampler == "none" else {"neg_sampler": sampler}, **({"peer_model": peer} if peer else {}))
    config = MDCNSConfig("SASRec", "tiny", config_dict=reads).plain()
    config = {**OF_ALL, **config, "neg_sampler": sampler, "peer_model": peer, "loss_type": None}
    cell = {"dataset": "tiny", "protocol": "leave_one_out", "model": "SASRec", "peer": peer, "sampler": sampler}
    metrics = {"ndcg@10": 0.25, "recall@10": 0.5}
    return {
        "schema": 1, "command": ["run", "--seed=7", f"--neg_sampler={sampler}"], "model": "SASRec", "peer_model": peer,
        "dataset": "tiny", "config": config, "seed": 7, "batching": "user",
        "data": {"users": 40, "items": 9, "interactions": 99, "rows": {"train": 5, "valid": 4, "test": 4}},
        "epochs": [{"epoch": 0, "loss": 1.5, "parts": {"self": 1.5}, "targets": 5, "train_seconds": 2.5,
                    "valid": metrics}],
        "best_epoch": 0, "valid_metric": "NDCG@10", "best_valid_score": 0.25, "valid": {"self": metrics},
        "test": {"self": metrics}, "test_places": {"self": "1,0,0,3"}, "test_users": "5,5,8,8",
        "seconds_per_epoch": 2.5, "peak_memory": {"resident": 12345}, "git": {"commit": "abc", "clean": True},
        "versions": {"python": "3.11", "recbole-mdcns": "0.1.0"}, "machine": {"processor": "P", "torch_threads": 1},
        "trial": {"key": key, "cell": {**cell, "loss": loss}, "setting": {"neg_top_num": 3}, "seed": 7},
        "status": "finished", "stopped": None, **more,
    }  # fmt: skip


def single(**more):
    """Return a record of schema 1 of a single run."""
    return {name: value for name, value in old(**more).items() if name not in ("trial", "status", "stopped")}


def pack(records, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(path, "wt", encoding="utf-8") as packed:
        packed.writelines(json.dumps(one) + "\n" for one in records)


def migrated(values):
    """Return a record of schema 1 that did not fail, as one of today."""
    return trained(migrate(values, "here"))


@pytest.mark.parametrize("values", [old(), single(), old("mdcns", peer="GRU4Rec"), old("none", "CE")])
def test_figures_stay_as_they_are(values):
    new = migrated(values)
    for name in ("valid", "test", "best_valid_score", "best_epoch", "seconds_per_epoch", "batching", "valid_metric"):
        assert getattr(new, name) == values[name]
    assert [entry.to_json() for entry in new.epochs] == values["epochs"] and new.seed == values["seed"]
    assert new.environment.versions == values["versions"] and new.environment.machine == values["machine"]
    assert new.environment.peak_memory == values["peak_memory"]
    assert (new.environment.commit, new.environment.is_clean) == ("abc", True)
    assert new.data.rows == values["data"]["rows"] and new.data.sizes["interactions"] == 99
    assert new.test_rows is not None and new.test_rows.places == values["test_places"]
    assert new.test_rows.user_of_row().tolist() == [5, 5, 8, 8]
    assert new.package_version == "0.1.0" and Record.from_json(new.to_json(), "again") == new


@pytest.mark.parametrize(
    ("values", "reads", "not_read"),
    [
        (old(), {"neg_sampler": "rns"}, {"srns_warm_up", "gnno_max", "neg_top_num", "peer_model", "distill_weight"}),
        (old("none", "CE"), {"ranking_loss": "CE"}, {"neg_sampler", "neg_top_num", "distill_weight"}),
        (old("mdcns", peer="GRU4Rec"), {"neg_top_num": 1, "distill_weight": 10.24}, {"srns_warm_up", "gnno_max"}),
    ],
)
def test_a_record_holds_what_its_run_reads_and_is_known_by_it(values, reads, not_read):
    new = migrated(values)
    assert reads.items() <= new.config.items() and not not_read & set(new.config)
    assert new.trial.key == content_key(new.config) != values["trial"]["key"]
    assert new.cell.method == values["trial"]["cell"]["sampler"] and new.trial.setting == {"neg_top_num": 3}
    assert new.command[:2] == ["run", "--seed=7"] and "--neg_sampler=none" not in new.command


def test_the_key_is_that_of_the_same_run_today():
    values = old("mdcns", peer="GRU4Rec")
    keys = {"epochs": 3, "stopping_step": 2, "seed": 7, "peer_model": "GRU4Rec"}
    assert migrated(values).trial.key == content_key(MDCNSConfig("SASRec", "tiny", config_dict=keys).plain())


def test_names_of_users_and_studies_stay():
    named = migrated(old(test_users={"names": "a\nb", "rows": "1,3"})).test_rows
    assert (named.names, named.row_nums, named.user_numbers) == ("a\nb", "1,3", None)
    assert migrated(single(stages={"5": {"x": 1}})).study == {"stages": {"5": {"x": 1}}}
    staged = migrated(single(command=["python", "benchmarks/staged.py", "--stages", "5"]))
    assert staged.command == ["python", "benchmarks/studies/staged.py", "--stages", "5"]
    early = {name: value for name, value in single().items() if name not in ("batching", "test_places", "test_users")}
    assert migrated(early).batching == early["config"]["batching"] and migrated(early).test_rows is None


def test_a_failure_and_a_run_of_own_code_are_migrated_too():
    trial = old()["trial"]
    failed = migrate({"schema": 1, "trial": trial, "status": "failed", "error": "why", "attempts": 2}, "here")
    assert isinstance(failed, Failure) and (failed.error, failed.attempts, failed.trial.cell.method) == (
        "why",
        2,
        "rns",
    )
    own = single()
    own["config"] = {**own["config"], "neg_sampler": "gone.module:Mine"}  # nothing is imported
    assert migrated(own).config == own["config"]


def test_a_folder_is_migrated_as_a_whole_or_not_at_all(capsys):
    pack([old(), old("none", "CE")], Path("results/table/mine.jsonl.xz"))
    for name, values in (("run", single()), ("figures", {"schema": 1, "rows": [1]})):
        Path(f"results/{name}.json").write_text(json.dumps(values))
    Path("results/list.json").write_text("[1]")
    assert main(["export", "--migrate", "results"]) == 0
    assert "mine.jsonl.xz: 2 records" in capsys.readouterr().out
    assert len(read_records(Path("results/table"))) == 2 and len(read_records(Path("results/run.json"))) == 1
    assert json.loads(Path("results/figures.json").read_text()) == {"schema": 1, "rows": [1]}
    before = {path: path.read_bytes() for path in Path("results").rglob("*") if path.is_file()}
    assert migrate_folder(Path("results")) == {}  # what is of today stays
    pack([old(), {**old(), "valid": "x"}], Path("results/a.jsonl.xz"))
    Path("results/run.json").write_text(json.dumps(single()))
    with pytest.raises(ConfigError, match=r"a\.jsonl\.xz, line 2: valid is 'x'"):
        migrate_folder(Path("results"))
    assert Path("results/run.json").read_text() == json.dumps(single())
    assert all(path.read_bytes() == content for path, content in before.items() if path.name != "run.json")


def test_the_store_of_a_sweep_finds_its_records_by_their_new_keys():
    store, values = Store("sweeps/mine"), old()
    store.make()
    (store.records / f"{values['trial']['key']}.json").write_text(json.dumps(values))
    checkpoints = store.trial_folder(values["trial"]["key"])
    checkpoints.mkdir(parents=True)
    (checkpoints / "weights").write_text("w")
    begun = {name: values["trial"][name] for name in ("key", "cell", "setting", "seed")}
    unfinished = store.trial_folder("fedcba9876543210")
    unfinished.mkdir()
    for folder, key in ((checkpoints, begun["key"]), (unfinished, unfinished.name)):
        (folder / "begun.json").write_text(json.dumps({**begun, "key": key, "attempts": 2}))
    with pytest.raises(ConfigError, match="has schema 1.* export --migrate"):
        store.all_records()
    migrate_folder(Path("sweeps"))
    record = trained(*store.all_records())
    assert record.trial.key == content_key(record.config)
    assert (store.trial_folder(record.trial.key) / "weights").read_text() == "w" and not checkpoints.exists()
    assert {each.key for each in store.begun()} == {record.trial.key, unfinished.name}
    assert record.trial in store.begun() and store.attempts(record.trial.key) == 2


def test_records_that_would_get_the_same_name_are_refused_before_any_file_is_written():
    store = Store("sweeps/mine")
    store.make()
    for key in ("0123456789abcdef", "123456789abcdef0"):
        (store.records / f"{key}.json").write_text(json.dumps(old(key=key)))
    before = {path: path.read_text() for path in store.records.iterdir()}
    with pytest.raises(
        ConfigError, match=r"0123456789abcdef.json exists, and .*123456789abcdef0.json would replace it"
    ):
        migrate_folder(Path("sweeps"))
    assert {path: path.read_text() for path in store.records.iterdir()} == before


def test_today_is_not_migrated_again():
    today = migrated(old()).to_json()
    with pytest.raises(ConfigError, match="schema is 2, expected 1"):
        migrate(today, "here")


def test_a_folder_that_is_not_there_is_refused(capsys):
    assert main(["export", "--migrate", "no_such_folder"]) == 2
    assert "no_such_folder is not a folder" in capsys.readouterr().err
    Path("empty").mkdir()
    assert main(["export", "--migrate", "empty"]) == 0 and "no record has an older form" in capsys.readouterr().out
