"""Charts of a report's page by hand: lengths of bars, places of points, ticks, labels; and one place for colours."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from recbole_mdcns.report.figure import COLOURS, GREY, STYLE, web_colours
from recbole_mdcns.report.svg import Bar, Curve, bars, curves

EVIL = "<script>\"'&"


def shapes(text, tag):
    """Return the attributes of all elements of a kind; the text must be whole XML."""
    return [element.attrib for element in ElementTree.fromstring(text).iter(tag)]


def points_of(text):
    return [
        [tuple(map(float, pair.split(","))) for pair in line["points"].split()] for line in shapes(text, "polyline")
    ]


def test_bars_start_at_zero_and_the_longest_end_fills_the_room():
    text = bars("t", [Bar("a", "C0", 0.2, spread=0.05), Bar("b", "others", 0.1, mark=0.5)])
    rects = shapes(text, "rect")
    room = 400 - 112 - 50  # 0.5 is the highest, a mark
    assert [float(rect["width"]) for rect in rects] == pytest.approx([room * 0.4, room * 0.2], abs=0.06)
    assert {rect["x"] for rect in rects} == {"112.0"}
    (spread, mark) = shapes(text, "line")
    assert float(spread["x1"]) == pytest.approx(112 + room * 0.3, abs=0.06) and float(mark["x1"]) == 350
    assert "a: 0.2000 ± 0.0500" in text and "b: 0.1000, elsewhere 0.5000" in text


def test_a_negative_bar_ends_where_the_others_begin():
    left, right = shapes(bars("t", [Bar("a", "C0", -1.0), Bar("b", "C1", 1.0)]), "rect")
    assert float(left["x"]) + float(left["width"]) == float(right["x"]) == 112 + 238 / 2


def test_bars_of_zero_are_drawn():
    (rect,) = shapes(bars("t", [Bar("a", "C0", 0.0)]), "rect")
    assert float(rect["width"]) == 0


def test_points_of_a_curve_go_from_edge_to_edge():
    line = Curve("a", "C0", [(1, 0.0), (2, 0.5), (3, 1.0)])
    assert points_of(curves("t", [line], "epoch")) == [[(48, 214), (219, 120), (390, 26)]]


def test_a_logarithm_takes_equal_steps_for_equal_factors_and_leaves_out_zero():
    line = Curve("a", "C0", [(0, 5.0), (1, 1.0), (10, 10.0), (100, 100.0)])
    assert points_of(curves("t", [line], "s", log_x=True, log_y=True)) == [[(48, 214), (219, 120), (390, 26)]]


@pytest.mark.parametrize(
    ("points", "log", "ticks"),
    [
        ([(0, 0), (1, 1)], False, ["0", "0.5", "1"]),
        ([(3, 0), (97, 1)], False, ["50"]),
        ([(1, 0), (20, 1)], True, ["1", "2", "5", "10", "20"]),
        ([(1, 0), (100000, 1)], True, ["1", "10", "100", "1,000", "10,000", "100,000"]),
    ],
)
def test_ticks_are_round(points, log, ticks):
    text = curves("t", [Curve("a", "C0", points)], "x", log_x=log)
    assert re.findall(r'y="228.0" text-anchor="middle">([^<]+)<', text) == ticks


def test_labels_at_the_ends_keep_apart():
    lines = [Curve(name, "C0", [(1, 0.0), (2, value)], name) for name, value in (("a", 1.0), ("b", 0.99), ("c", 0.98))]
    text = curves("t", lines, "epoch")
    heights = [float(y) for y in re.findall(r'y="([\d.]+)" text-anchor="start"', text)]
    assert re.findall(r'"start">(\w)<', text) == ["a", "b", "c"] and len(heights) == 3
    assert min(after - before for before, after in zip(heights, heights[1:])) >= 13


@pytest.mark.parametrize("lines", [[], [Curve("a", "C0", [])], [Curve("a", "C0", [(1, 0.5)])]])
def test_few_points_are_no_error(lines):
    assert len(shapes(curves("t", lines, "epoch"), "circle")) == (1 if lines and lines[0].points else 0)


def test_names_mark_up_nothing():
    for text in (bars(EVIL, [Bar(EVIL, "C0", 1.0)]), curves(EVIL, [Curve(EVIL, "C0", [(1, 1)], EVIL)], EVIL)):
        ElementTree.fromstring(text)
        assert "<script" not in text and "&lt;script&gt;" in text


def test_colours_are_those_of_the_style_of_figures():
    pytest.importorskip("matplotlib")
    (cycle,) = re.findall(r"cycler\('color', \[(.*)\]\)", STYLE.read_text())
    assert web_colours() == {
        **{name: f"#{colour.lower()}" for name, colour in zip(COLOURS, re.findall(r"\w{6}", cycle))},
        GREY: "#cccccc",
    }
