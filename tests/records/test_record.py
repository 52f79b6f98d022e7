"""Records: what is written is read, and what is damaged is refused with its file and field."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.planted_records import failure, planted, record, values
from hypothesis import given
from hypothesis import strategies as st

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.files import pack_records, read_records, write_record
from recbole_mdcns.records.record import SCHEMA_VERSION, Failure, Record, read_record
from recbole_mdcns.tuning.progress import measured

#: A record with every field that there is.
WHOLE = values(
    "mdcns",
    1,
    [1, 0, 3],
    peer="Mamba4Rec",
    stopped="by asha",
    status="stopped",
    setting={"neg_top_num": 3},
    data={
        "users": 3, "items": 9, "fingerprint": "f", "split_fingerprint": "g", "sampler_fingerprint": "h",
        "rows": {"train": 5, "valid": 3, "test": 3},
        "split_users": {"train": 2},
    },
    epochs=[
        {
            "epoch": 0, "train_seconds": 1.5, "parts": {"self/hard": 1.0}, "loss": 1.0, "targets": 5,
            "valid": {"ndcg@10": 0.5}, "valid_peers": {"peer": {"ndcg@10": 0.4}},
        }
    ],
    test_rows={"places": {"self": "1,0,3", "peer": ""}, "names": "a\nb", "row_nums": "1,2"},
    study={"stages": {"5": {}}},
    environment={
        "versions": {"torch": "2", "ray": None}, "git": {"commit": "abc", "clean": False},
        "machine": {"processor": "P", "torch_threads": 1, "gpu": None}, "peak_memory": {"resident": 7},
    },
)  # fmt: skip


def paths_of(inside: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of every entry of a record."""
    paths = [path] if path else []
    if isinstance(inside, dict) and path not in [("config",), ("study",), ("trial", "setting")]:
        paths += [below for name, value in inside.items() for below in paths_of(value, (*path, name))]
    return paths


def changed(inside: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a copy with another value at a path, or without it where the value is ``...``."""
    whole = copy.deepcopy(inside)
    *folders, last = path
    deepest = whole
    for name in folders:
        deepest = deepest[name]
    if value is ...:
        del deepest[last]
    else:
        deepest[last] = value
    return whole


def test_a_record_comes_back_from_its_json():
    one = Record.from_json(WHOLE, "here")
    again = json.loads(json.dumps(one.to_json()))
    assert again == WHOLE and Record.from_json(again, "here") == one
    assert one.seed == 1 and str(one.trial) == "amazon-beauty/paper/SASRec+Mamba4Rec/mdcns/BCE, seed 1"
    assert one.curve("ndcg@10") == {1: 0.5} and one.environment.shown_commit == "abc (modified)"
    assert one.test_rows is not None and one.test_rows.of_role("peer") is None
    failed = failure(one, "Traceback\nValueError: no\n")
    assert read_record(json.dumps(failed.to_json()), "here") == failed and failed.reason == "ValueError: no"


@pytest.mark.parametrize(
    ("metric", "scores", "best"),
    [
        ("NDCG@10", {"self": 0.3, "peer": 0.5, "teacher": 0.4}, "peer"),
        ("NDCG@10", {"self": 0.5, "peer": 0.2, "teacher": 0.5}, "self"),
        ("AveragePopularity@10", {"self": 0.3, "peer": 0.5, "teacher": 0.2}, "teacher"),  # less is better
        ("NDCG@10", {}, None),
    ],
)
def test_the_best_role_is_that_of_validation(metric, scores, best):
    one = record("mdcns", 1, [1])
    valid = {role: {metric.lower(): score} for role, score in scores.items()}
    test = {role: {metric.lower(): 1 - score} for role, score in scores.items()}
    assert replace(one, valid_metric=metric, valid=valid, test=test).best_role == best


def test_files_of_records_come_back():
    records = planted()
    pack_records(records, Path("mine.jsonl.xz"))
    write_record(records[0], "one.json")
    write_record(failure(records[1]), "two.json")
    assert sorted(read_records(Path("mine.jsonl.xz")), key=str) == sorted(records, key=str)
    assert read_records(Path("one.json")) == [records[0]]
    Path("folder").mkdir()
    for name, one in (("a", records[1]), ("b", records[0])):
        write_record(one, f"folder/{name}.json")
    pack_records([records[2]], Path("folder/first.jsonl.xz"))
    assert {r.trial.key for r in read_records(Path("folder"))} == {r.trial.key for r in records[:3]}
    Path("sweep/records").mkdir(parents=True)
    write_record(records[0], "sweep/records/a.json")
    pack_records([records[1]], Path("sweep/page.jsonl.xz"))  # a pack hides no record that was written later
    assert {r.trial.key for r in read_records(Path("sweep"))} == {r.trial.key for r in records[:2]}
    Path("sweep/records/gone.json").symlink_to("nowhere")  # as one that a sweep takes away while the folder is read
    assert {r.trial.key for r in read_records(Path("sweep"))} == {r.trial.key for r in records[:2]}
    assert [r.trial.key for r in measured(".")] == [records[0].trial.key]


@given(
    seed=st.integers(0, 2**32 - 2),
    places=st.lists(st.integers(0, 20), min_size=1, max_size=6),
    setting=st.dictionaries(st.text("ab_", min_size=1), st.one_of(st.integers(), st.floats(-9, 9), st.text("xyz"))),
    method=st.from_regex(r"[a-z_]{1,9}", fullmatch=True),
    valid=st.floats(0, 1),
)
def test_any_record_comes_back_from_its_json(seed, places, setting, method, valid):
    one = record(method, seed, places, setting={}, valid=valid)
    one = replace(one, trial=replace(one.trial, setting=setting))
    assert read_record(json.dumps(one.to_json()), "here") == one


#: Entries that need not be there.
OPTIONAL = {
    ("study",), ("trial",), ("data", "users"), ("data", "items"), ("data", "fingerprint"), ("data", "split_users"),
    ("data", "split_fingerprint"), ("data", "sampler_fingerprint"),
    ("data", "split_users", "train"), ("data", "rows", "train"), ("data", "rows", "valid"), ("test_rows", "names"),
    ("test_rows", "row_nums"), ("environment", "git", "clean"), ("environment", "machine", "gpu"),
    ("environment", "versions", "torch"), ("environment", "versions", "ray"), ("test_rows", "places", "self"),
    ("test_rows", "places", "peer"), ("environment", "peak_memory", "resident"),
}  # fmt: skip
METRIC = re.compile("recall|ndcg")


@pytest.mark.parametrize(
    "path", [p for p in paths_of(WHOLE) if p not in OPTIONAL and not METRIC.match(p[-1])], ids=".".join
)
def test_a_record_that_lacks_an_entry_is_refused_with_file_and_field(path):
    with pytest.raises(ConfigError) as refused:
        Record.from_json(changed(WHOLE, path, ...), "r.json, line 3")
    assert "record r.json, line 3" in str(refused.value) and path[-1] in str(refused.value)


@pytest.mark.parametrize("path", paths_of(WHOLE), ids=".".join)
def test_an_entry_of_another_kind_is_refused_with_file_and_field(path):
    value = WHOLE
    for name in path:
        value = value[name]
    other: Any = 7 if isinstance(value, str) or value is None else "a text"
    if path == ("schema",):
        other = 99
    if path == ("environment", "machine", "gpu"):
        other = ["a list"]
    if path[-1].endswith("fingerprint"):
        other = 7
    with pytest.raises(ConfigError) as refused:
        Record.from_json(changed(WHOLE, path, other), "r.json")
    assert "record r.json" in str(refused.value) and ".".join(path) in str(refused.value).replace(" has ", ".")


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("dataset", "../../x", "dataset = "),
        ("dataset", "/abs", "dataset = "),
        ("dataset", ".hidden", "dataset = "),
        ("dataset", "a\\b", "dataset = "),
        ("dataset", "", "dataset = "),
        ("trial.key", "../../x", "trial.key = "),
        ("trial.cell.more", "x", "there is no trial.cell.more"),
        ("more", "x", "there is no more"),
        ("valid.self", {"ndcg@10": float("nan")}, "valid.self.ndcg@10 is nan"),
        ("valid.self", {}, "valid.self lacks ndcg@10"),
        ("test.self", {"mrr@5": 1.0}, "test.self lacks ndcg@10"),
        ("epochs", [{"epoch": 0}], "it has no epochs[0].train_seconds"),
        ("epochs", [5], "epochs[0] is 5"),
        ("best_epoch", None, "only one of best_epoch and best_valid_score"),
        ("command", "run", "command is 'run', expected a list"),
        ("trial.seed", True, "trial.seed is True, expected a whole number"),
        ("test_rows.places.self", "1,x", "test_rows.places.self is '1,x'"),
        ("test_rows.places.self", "1,0", "test_rows.places.self has 2 rows, expected 3"),
        ("test_rows.names", "a\nb\nc", "test_rows.row_nums"),
        ("test_rows.row_nums", "1,0", "test_rows.row_nums is '1,0'"),
        ("test_rows.row_nums", "3,", "test_rows.row_nums is '3,'"),
        ("status", "done", "status is 'done', expected finished or stopped"),
        ("config.epochs", "80<script>", "config.epochs is '80<script>'"),
        ("environment.versions", {"torch": 2}, "environment.versions.torch is 2"),
        ("environment.git.clean", "yes", "environment.git.clean is 'yes'"),
    ],
)
def test_damage_is_named(path, value, field):
    with pytest.raises(ConfigError, match=rf"record r\.json.*{re.escape(field)}"):
        Record.from_json(changed(WHOLE, tuple(path.split(".")), value), "r.json")


def test_places_have_a_row_for_each_user_whatever_the_form():
    for rows in ({"names": "a\nb\nc"}, {"user_numbers": "4,4,2"}, {}):
        Record.from_json(changed(WHOLE, ("test_rows",), {"places": {"self": "1,0,3"}, **rows}), "r.json")
        with pytest.raises(ConfigError, match="test_rows.places.self has 2 rows, expected 3"):
            Record.from_json(changed(WHOLE, ("test_rows",), {"places": {"self": "1,0"}, **rows}), "r.json")


def test_a_failure_says_what_failed():
    whole = failure(record("rns", 1, [1])).to_json()
    for path in whole.keys() - {"status"}:
        with pytest.raises(ConfigError, match=rf"r\.json.*{path}"):
            read_record(json.dumps(changed(whole, (path,), ...)), "r.json")
    with pytest.raises(ConfigError, match="error is ' ', expected what made the trial fail"):
        Failure.from_json({**whole, "error": " "}, "r.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 2}', '{"schema": NaN}', "[" * 100_000])
def test_what_is_no_record_is_refused(text):
    with pytest.raises(ConfigError, match=r"record r\.json"):
        read_record(text, "r.json")


def test_another_schema_is_refused_with_the_command_that_migrates():
    with pytest.raises(ConfigError) as old:
        read_record('{"schema": 1, "config": {}}', "r.json")
    with pytest.raises(ConfigError, match=rf"has schema {SCHEMA_VERSION + 1},.* a newer version wrote it"):
        read_record(json.dumps({"schema": SCHEMA_VERSION + 1}), "r.json")
    sentence = str(old.value)
    assert "has schema 1" in sentence and "reads schema 2: recbole-mdcns export --migrate FOLDER" in sentence
    assert re.search(r"recbole-mdcns \d+\.\d+", sentence)
