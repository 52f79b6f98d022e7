"""Which lines a picture shows, in which colour, and at which places."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from helpers.planted_records import metrics_of, record

from recbole_mdcns.errors import WriteError
from recbole_mdcns.report import html_charts, sensitivity
from recbole_mdcns.report.cells import fill
from recbole_mdcns.report.compare import places
from recbole_mdcns.report.description import read_description
from recbole_mdcns.report.figure import COLOURS, saved_figure
from recbole_mdcns.report.gains import best_of
from recbole_mdcns.report.picture_lines import line_colours, with_curve

PAGE = """
protocol: paper
dataset_names: {beauty: amazon-beauty}
datasets: [beauty]
models: [SASRec]
methods:
  uniform: rns
  pair: {method: mdcns, peer: GRU4Rec}
  "pair, teacher": {method: mdcns, peer: GRU4Rec, role: teacher}
  "apart, peer": {method: two_models_apart, peer: GRU4Rec, role: peer}
  "apart, teacher": {method: two_models_apart, peer: GRU4Rec, role: teacher}
ours: [pair]
metrics: [ndcg@10]
"""


def test_models_of_one_training_share_a_curve_and_a_colour(tmp_path):
    (tmp_path / "page.yaml").write_text(PAGE)
    places = [1, 0, 0, 0]
    of_two = {"test": {role: metrics_of(places) for role in ("self", "peer", "teacher")}}
    pairs = [
        record(method, 1, places, "amazon-beauty", "GRU4Rec", **of_two) for method in ("mdcns", "two_models_apart")
    ]
    lines = fill(read_description(tmp_path / "page.yaml"), [record("rns", 1, [0, 0, 0, 0]), *pairs])
    # two models apart have no line of their self model, so the first one keeps the curve
    assert [line.name for line in with_curve(lines)] == ["uniform", "pair", "apart, peer"]
    colours = line_colours(lines, "ndcg@10")
    assert colours["pair"] == colours["pair, teacher"] == COLOURS[0]
    assert colours["apart, peer"] == colours["apart, teacher"] == COLOURS[1]
    assert colours["uniform"] == COLOURS[2]


def test_a_record_says_that_less_is_better_of_a_metric_of_the_users_own(tmp_path):
    """The reports do not import its class."""
    (tmp_path / "page.yaml").write_text(PAGE.replace("ndcg@10", "lastplace@10"))
    made = []
    for method, peer, value in (("rns", None, 3.0), ("mdcns", "GRU4Rec", 1.0)):
        test = {role: {"lastplace@10": value} for role in ("self", "peer", "teacher")}
        one = replace(record(method, 1, [1, 0], "amazon-beauty", peer), valid=test, test=test)
        epochs = [replace(entry, valid=test["self"]) for entry in one.epochs]
        made.append(replace(one, epochs=epochs, valid_metric="LastPlace@10", valid_metric_bigger=False))
    lines = [line for line in fill(read_description(tmp_path / "page.yaml"), made) if line.runs]
    assert best_of(lines, "lastplace@10").name == "pair"
    assert places(lines[:2], "lastplace@10") == {0: 2, 1: 1}


@pytest.mark.parametrize("values", [(0.0, 0.1, 1.0), (0.1, 1.0, 10.0), (0.0,)])
def test_a_value_of_zero_does_not_put_the_others_at_one_place(values, tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    (tmp_path / "page.yaml").write_text("page: sensitivity\nkeys: {distill_weight: w}\n")
    figure, axes = pyplot.subplots(squeeze=False)
    monkeypatch.setattr(sensitivity, "saved_figure", lambda *_, **__: contextlib.nullcontext(axes))
    varied = {"distill_weight": {value: [record("mdcns", 1, [1, 0])] for value in values}}
    sensitivity.draw(read_description(tmp_path / "page.yaml"), varied, "ndcg@10", tmp_path / "page.png")
    figure.canvas.draw()
    places = [axes[0][0].transData.transform((value, 0))[0] for value in values]
    assert all(later - earlier > 50 for earlier, later in zip(places, places[1:]))
    pyplot.close(figure)


def test_a_figure_that_cannot_be_written_is_told_in_one_sentence(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "page.png").mkdir()
    with (
        pytest.raises(WriteError, match=r"page.png cannot be written \(Is a directory\)"),
        saved_figure(tmp_path / "page.png"),
    ):
        pass


def test_points_of_validation_stand_at_their_epochs_and_at_all_seconds_until_then(tmp_path, monkeypatch):
    """Validation in every second epoch of 1, 2, 3 and 4 seconds: at the epochs 2 and 4, after 3 and 10 seconds."""
    (tmp_path / "page.yaml").write_text(PAGE)
    epochs = [
        {
            "epoch": epoch,
            "train_seconds": epoch + 1.0,
            "parts": {},
            **({"valid": {"ndcg@10": epoch / 10}} if odd else {}),
        }
        for epoch, odd in enumerate((0, 1, 0, 1))
    ]
    lines = fill(read_description(tmp_path / "page.yaml"), [record("rns", 1, [0], epochs=epochs)])
    drawn = []
    monkeypatch.setattr(html_charts.svg, "curves", lambda title, curves, *_, **__: drawn.extend(curves) or "")
    for by_time in (False, True):
        html_charts.validation_curves([line for line in lines if line.runs], "ndcg@10", by_time)
    assert [curve.points for curve in drawn] == [[(2, 0.1), (4, 0.3)], [(3.0, 0.1), (10.0, 0.3)]]


def test_a_saved_picture_has_few_colours_and_among_them_those_of_the_lines(tmp_path):
    colours = pytest.importorskip("matplotlib.colors")
    from PIL import Image

    with saved_figure(tmp_path / "page.png") as axes:
        axes.bar(range(len(COLOURS)), 1, color=COLOURS)
        wanted = [[255 * part for part in colours.to_rgb(colour)] for colour in COLOURS]  # as the style has them
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.mode == "P"  # at most 256 colours
        found = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    for colour in wanted:
        assert np.abs(found - colour).max(1).min() <= 2, colour
