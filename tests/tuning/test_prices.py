"""What a trial costs, by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.planted_records import cell_of, failure
from helpers.sweeps import unscored

from recbole_mdcns.cli.main import main
from recbole_mdcns.records.record import Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.prices import Prices, total_hours
from recbole_mdcns.tuning.progress import measured
from recbole_mdcns.tuning.sweep_file import read_sweep


def timed(method, seconds, epochs=10, limit=80, **axes):
    """Return the record of a trial whose epochs took some seconds."""
    cell = cell_of(method, **{"dataset": "d", "protocol": "p", "model": "m", **axes})
    trial = {"key": f"{method}-{'-'.join(axes.values())}", "cell": cell, "setting": {}, "seed": 1}
    entries = [{"epoch": epoch, "train_seconds": seconds, "parts": {}} for epoch in range(epochs)]
    config = {"epochs": limit, "stopping_step": 10}
    return Record.from_json(unscored(trial, seconds_per_epoch=seconds, epochs=entries, config=config), "here")


def test_a_known_cell_takes_the_median_of_its_records():
    Store("a").write(timed("rns", 2.0))
    Store("b").write(timed("mdcns", 5.0, 20))
    Store("b").write(failure(timed("ce", 9.0, 7)))
    Path("b/records/damaged.json").write_text("{")
    records = measured(".")
    assert [record.cell.method for record in records] == ["rns", "mdcns"]
    cell, prices = records[0].cell, Prices(records)
    assert prices.seconds((cell, 300)) == 20  # as many epochs as the other one ran
    assert prices.seconds((cell, 4)) == 8
    assert total_hours([(cell, 300), (cell, 4)], records) == 28 / 3600
    assert total_hours([(cell, 300), (replace(cell, dataset="other"), 4)], records) is None
    records.append(timed("rns", 4.0, 3, limit=3))  # cut off: says how long an epoch takes, and not how many there are
    assert Prices(records).seconds((cell, 300)) == 3.0 * 10
    assert Prices(records[-1:]).seconds((cell, 300)) == 4.0 * 300


def test_another_cell_takes_the_product_of_what_its_parts_cost():
    records = [
        timed("rns", 2.0),
        timed("mdcns", 6.0),
        timed("rns", 10.0, dataset="large"),
        timed("rns", 8.0, model="n"),
    ]
    prices, cell = Prices(records), records[0].cell
    for parts, seconds in (
        ({"method": "mdcns", "dataset": "large"}, 2 * 3 * 5),
        ({"method": "mdcns", "model": "n"}, 2 * 3 * 4),
        ({"method": "mdcns", "dataset": "large", "model": "n"}, 2 * 3 * 5 * 4),
    ):
        assert prices.seconds((replace(cell, **parts), 10)) == pytest.approx(10 * seconds)


def test_what_was_never_timed():
    records = [timed("rns", 2.0, 10), timed("mdcns", 8.0, 20)]
    prices, cell = Prices(records), records[0].cell
    # a method without a record: the geometric mean of an epoch, and the mean number of epochs
    assert prices.seconds((replace(cell, method="new"), 300)) == pytest.approx(15 * math.sqrt(2 * 8))
    assert prices.seconds((replace(cell, dataset="other"), 300)) is None
    assert prices.seconds((replace(cell, model="other"), 300)) is None
    assert Prices([]).seconds((cell, 300)) is None


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("cpus: 1", "time: 2.0 hours of training, 1.0 with 2 at once"),  # two trials of an hour, on four cores
        ("max_concurrent: 1", "time: 2.0 hours of training, 2.0 with 1 at once"),
        ("gpus: 0.5", "time: 2.0 hours of training (1.0 GPU hours), 2.0 with 1 at once"),
        ("seeds: [1]", "time: 0.0 hours of training, 0.0 with 1 at once"),
    ],
)
def test_the_hours_of_a_sweep_are_those_of_its_trials_on_as_many_places_as_they_need(keys, said, monkeypatch, capsys):
    monkeypatch.setattr("recbole_mdcns.tuning.progress.usable_cores", lambda: 4)
    text = "datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nkeys: {data_path: data, epochs: 10}\n"
    Path("mine.yaml").write_text(f"{text}{keys}\n" + ("" if "seeds" in keys else "seeds: [1, 2, 3]\n"))
    first, *_ = trials(read_sweep("mine.yaml"))
    entries = [{"epoch": epoch, "train_seconds": 360.0, "parts": {}} for epoch in range(10)]
    config = {"epochs": 10, "stopping_step": 10}
    done = unscored(first.id.to_json(), seconds_per_epoch=360.0, epochs=entries, config=config)
    Store("sweeps/mine").write(Record.from_json(done, "here"))
    assert main(["status", "mine.yaml"]) == 0
    assert said in capsys.readouterr().out.splitlines()
