"""Selection sees validation alone; tables say what the records say."""

import json
import lzma
from dataclasses import replace

import pytest
from helpers.planted_records import failure
from helpers.planted_records import record as planted

from recbole_mdcns.errors import ConfigError, UserError
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.files import pack_records, read_records
from recbole_mdcns.records.record import Record
from recbole_mdcns.tuning.selection import best_table, by_cell, chosen_records, common_seeds, flat_rows

CELL = Cell("d", "paper", "SASRec", None, "rns", "BCE")


def record(setting, seed, valid, test=None, cell=CELL):
    """Return a record of five epochs with one metric, the best one its fourth."""
    metrics = {"self": {"ndcg@10": valid}}
    trial = {"key": f"{setting}{seed}", "cell": cell.to_json(), "setting": {"a": setting}, "seed": seed}
    epochs = [{"epoch": epoch, "train_seconds": 1.0, "parts": {}} for epoch in range(5)]
    tested = {"self": {"ndcg@10": test}} if test is not None else None
    more = {"trial": trial, "epochs": epochs, "best_epoch": 3, "test": tested, "test_rows": None}
    return replace(planted("rns", seed, [1], valid=valid, **more), valid=metrics)


def test_a_setting_that_is_best_on_test_and_not_on_validation_is_not_chosen():
    records = [record(1, 1, 0.5, 0.1), record(1, 2, 0.5, 0.1), record(2, 1, 0.4, 0.9), record(2, 2, 0.4, 0.9)]
    assert {r.trial.setting["a"] for r in chosen_records(records, [1, 2])} == {1}
    without_test = [replace(r, test=None) for r in records]
    keys = [r.trial.key for r in chosen_records(without_test, [1, 2])]
    assert keys == [r.trial.key for r in chosen_records(records, [1, 2])]


def test_the_mean_over_all_seeds_decides_and_incomplete_settings_wait():
    records = [record(1, 1, 0.5), record(1, 2, 0.3), record(2, 1, 0.4), record(2, 2, 0.41), record(3, 1, 0.9)]
    assert {r.trial.setting["a"] for r in chosen_records(records, [1, 2])} == {2}
    assert {r.trial.setting["a"] for r in chosen_records(records, [1, 2, 3])} == {3}  # none has all


def test_the_setting_with_less_is_chosen_where_less_is_better():
    metric = "AveragePopularity@10"
    records = [
        replace(record(setting, 1, 0.5), valid={"self": {metric.lower(): value}}, valid_metric=metric)
        for setting, value in ((1, 3.0), (2, 2.0), (3, 4.0))
    ]
    assert [r.trial.setting["a"] for r in chosen_records(records, [1])] == [2]


def test_a_record_says_which_way_a_metric_of_the_users_own_is_better():
    """No class that a record names is imported; ``MeanPlace`` of ``tests/metrics/test_registry.py`` is one."""
    metric = "MeanPlace@10"
    own = {"valid_metric": metric, "valid_metric_bigger": False}
    records = [
        replace(record(setting, 1, 0.5), valid={"self": {metric.lower(): value}, "peer": {metric.lower(): 1.0}}, **own)
        for setting, value in ((1, 3.0), (2, 2.0), (3, 4.0))
    ]
    assert [r.trial.setting["a"] for r in chosen_records(records, [1])] == [2]
    assert records[0].best_role == "peer"
    assert Record.from_json(records[0].to_json(), "again") == records[0]
    untold = replace(records[0], valid_metric_bigger=None)
    assert untold.best_role == "self" and not untold.is_smaller_better(metric)
    assert records[0].is_smaller_better("GiniIndex@10") and not records[0].is_smaller_better("ndcg@10")


def test_settings_that_were_validated_by_different_metrics_are_not_compared():
    other = replace(record(2, 1, 0.3), valid={"self": {"ndcg@10": 0.3, "recall@10": 0.6}}, valid_metric="Recall@10")
    message = "different metrics, 11 by ndcg@10 and 21 by recall@10: give records of one"
    with pytest.raises(UserError, match=message):
        chosen_records([record(1, 1, 0.5), other], [1])


def test_seeds_that_only_the_chosen_setting_has_do_not_choose_it():
    records = [record(1, 1, 0.5, 0.1), record(1, 2, 0.1, 0.2), record(1, 3, 0.3, 0.6), record(2, 1, 0.4)]
    (settings,) = by_cell(records).values()
    assert common_seeds(settings) == [1]
    (row,) = best_table(records, [1])
    assert (row["setting"], row["seeds"], row["settings"]) == ({"a": 1}, [1, 2, 3], 2)
    assert row["valid ndcg@10"] == row["test ndcg@10"] == pytest.approx(0.3)
    (settings,) = by_cell([record(1, 1, 0.5), record(2, 2, 0.4)]).values()
    assert common_seeds(settings) == [1, 2]
    stray = [record(setting, seed, 0.1) for setting in (1, 2) for seed in (1, 2, 3)] + [record(3, 4, 0.9)]
    (settings,) = by_cell(stray).values()
    assert common_seeds(settings) == [1, 2, 3]  # a setting that was tried with none of these is not compared


def test_equal_settings_are_told_apart_by_their_text_wherever_the_records_lie():
    records = [record(1, 1, 0.5), record(2, 1, 0.5), record(3, 1, 0.5)]
    for order in (records, records[::-1], records[1:] + records[:1]):
        assert [each.trial.setting["a"] for each in chosen_records(order, [1])] == [1]


def test_tables_of_a_sweep_show_test_of_the_chosen_setting_alone_and_of_all_its_seeds():
    once_chosen, half = [record(1, 1, 0.5, 0.1), record(1, 2, 0.5, 0.1)], record(2, 1, 0.6, 0.3)
    records = [*once_chosen, half, record(2, 2, 0.6)]
    (row,) = best_table(records, [1, 2])
    assert (row["setting"], row["seeds"], row["test ndcg@10"], row["test sd"]) == ({"a": 2}, [1, 2], None, None)
    assert [flat.get("test.ndcg@10") for flat in flat_rows(records, [1, 2])] == [None, None, 0.3, None]


def test_packed_records_are_of_the_same_cell_as_live_ones(tmp_path):
    live = [record(1, seed, 0.1) for seed in (1, 2)]
    pack_records(live[:1], tmp_path / "a.jsonl.xz")
    (row,) = best_table([*read_records(tmp_path / "a.jsonl.xz"), live[1]], [1, 2])
    assert row["seeds"] == [1, 2] and list(row)[:6] == list(CELL.to_json())


def test_failed_trials_are_left_out_and_named():
    records = [record(1, 1, 0.2), failure(record(2, 1, 0.9), "Traceback\nValueError: no")]
    (row,) = best_table(records, [1])
    assert (row["setting"], row["settings"], row["valid ndcg@10"], row["test ndcg@10"]) == ({"a": 1}, 1, 0.2, None)
    flat = flat_rows(records, [1])
    assert flat[1]["error"] == "ValueError: no" and flat[1]["status"] == "failed" and "valid.ndcg@10" not in flat[1]
    assert flat[0]["setting.a"] == 1 and flat[0]["valid.ndcg@10"] == 0.2 and "test.ndcg@10" not in flat[0]


def test_packed_records_come_back_and_are_the_same_bytes(tmp_path):
    records = [record(setting, 1, 0.1) for setting in (2, 1)]
    pack_records(records, tmp_path / "a.jsonl.xz")
    pack_records(records[::-1], tmp_path / "b.jsonl.xz")
    assert (tmp_path / "a.jsonl.xz").read_bytes() == (tmp_path / "b.jsonl.xz").read_bytes()
    assert read_records(tmp_path / "a.jsonl.xz") == records[::-1]
    with lzma.open(tmp_path / "old.jsonl.xz", "wt") as packed:
        packed.write(json.dumps({**records[0].to_json(), "schema": 0}))
    with pytest.raises(ConfigError, match=r"old.jsonl.xz, line 1 has schema 0.*reads schema 2: .*export --migrate"):
        read_records(tmp_path / "old.jsonl.xz")
    (tmp_path / "no.jsonl.xz").write_text("no")
    with pytest.raises(ConfigError, match=r"no.jsonl.xz holds no packed records: it is not a whole file \*.jsonl.xz$"):
        read_records(tmp_path / "no.jsonl.xz")
    with pytest.raises(
        ConfigError, match=r"none cannot be read: No such file or directory; give the folder of a sweep"
    ):
        read_records(tmp_path / "none")
    (tmp_path / "no.json").write_text('{"a":\n')
    with pytest.raises(ConfigError, match=r"no.json is damaged \(line 2 is not JSON\): remove it"):
        read_records(tmp_path / "no.json")


def test_means_and_deviations_are_over_seeds():
    other = replace(CELL, method="dns")
    records = [record(1, 1, 0.1, 0.2), record(1, 2, 0.3, 0.4), record(1, 1, 0.7, cell=other)]
    first, second = best_table(records, [1, 2])
    assert first["valid ndcg@10"] == pytest.approx(0.2) and first["valid sd"] == pytest.approx(0.1414, abs=1e-4)
    assert first["test ndcg@10"] == pytest.approx(0.3) and first["seeds"] == [1, 2]
    assert second["method"] == "dns" and second["valid sd"] is None
