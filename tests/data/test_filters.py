"""Filters leave what a filter by hand leaves: intervals of values and of counts, with and without files of features."""

from pathlib import Path

import pytest
from helpers.runs import tiny_config, write_inter

from recbole_mdcns.cli.main import train_main
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.intervals import holds_a_count, parse_intervals
from recbole_mdcns.data.load import load_dataset, load_splits
from recbole_mdcns.errors import DataError

HEADER = "user_id:token\titem_id:token\ttimestamp:float\trating:float\tkind:token\n"
#: user, item, time, rating, kind
LINES = [(u, (u * step) % 7, step, (u + step) % 6, f"{step % 3}") for u in range(1, 9) for step in range(1, 4 + u)]


def rated(**keys):
    """Write the made data, and return what a configuration leaves of it as pairs of user and item, sorted."""
    text = [f"u{u}\ti{i}\t{t}\t{'' if r == 0 else r}\t{k}\n" for u, i, t, r, k in LINES]  # no rating at all for 0
    write_inter(text, "rated", HEADER)
    dataset = load_dataset(tiny_config(dataset="rated", **keys))
    return sorted(
        (dataset.id2token("user_id", int(u)), dataset.id2token("item_id", int(i)))
        for u, i in zip(dataset.inter_feat["user_id"], dataset.inter_feat["item_id"])
    )


def by_hand(stays):
    return sorted((f"u{line[0]}", f"i{line[1]}") for line in LINES if stays(line))


@pytest.mark.parametrize(
    ("allowed", "stays"),
    [
        ({"rating": "[3,inf)"}, lambda line: line[3] >= 3),
        ({"rating": "(3,inf)"}, lambda line: line[3] > 3),
        ({"rating": "[2,4]"}, lambda line: 2 <= line[3] <= 4),
        ({"rating": "[2,4)"}, lambda line: 2 <= line[3] < 4),
        ({"rating": "(2,4]"}, lambda line: 2 < line[3] <= 4),
        ({"rating": "[4,4]"}, lambda line: line[3] == 4),
        ({"rating": "[1,2) ; [ 4 , INF )"}, lambda line: line[3] == 1 or line[3] >= 4),
        ({"rating": "(-inf,2]"}, lambda line: 0 < line[3] <= 2),  # a missing rating is in no interval
        ({"rating": [2, 4]}, lambda line: 2 <= line[3] <= 4),
        ({"rating": (2, 4)}, lambda line: 2 < line[3] < 4),
        ({"timestamp": "[3,6)"}, lambda line: 3 <= line[2] < 6),
        ({"kind": ["0", "2"]}, lambda line: line[4] in "02"),
        ({"kind": [0, 2]}, lambda line: line[4] in "02"),
        ({"item_id": ["i1", "i2", "i3"], "rating": "[2,inf)"}, lambda line: line[1] in (1, 2, 3) and line[3] >= 2),
    ],
)
def test_a_filter_by_value_leaves_what_it_leaves_by_hand(allowed, stays):
    assert rated(val_interval=allowed) == by_hand(stays)
    every_column = ["user_id", "item_id", "timestamp", "rating", "kind"]
    assert rated(val_interval=allowed, load_col={"inter": every_column}) == by_hand(stays)


def test_a_column_that_is_loaded_for_the_filter_alone_is_gone_after_it():
    rated()
    assert "rating" not in HistoryDataset(tiny_config(dataset="rated")).field2type
    filtered = HistoryDataset(tiny_config(dataset="rated", val_interval={"rating": "[2,inf)", "kind": ["1", "2"]}))
    assert list(filtered.inter_feat.columns) == ["user_id", "item_id", "timestamp"]
    assert not {"rating", "kind"} & filtered.field2type.keys()
    asked = {"inter": ["user_id", "item_id", "timestamp", "kind"]}
    kept = HistoryDataset(tiny_config(dataset="rated", val_interval={"rating": "[2,inf)"}, load_col=asked))
    assert list(kept.inter_feat.columns) == ["user_id", "item_id", "timestamp", "kind"]
    load_splits(tiny_config(dataset="rated", val_interval={"rating": "[2,inf)"}))


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        ({"ratng": "[3,inf)"}, r"val_interval.ratng .*rated.inter has no column ratng"),
        ({"kind": "[1,2]"}, r"val_interval.kind = '\[1,2\]' .* type token; give a list"),
        ({"rating": [1, 2, 3]}, r"val_interval.rating = \[1, 2, 3\] .* type float; give an interval"),
        ({"rating": "[100,inf)"}, r"val_interval.rating .* leaves no row"),
        ({"kind": ["9"]}, r"val_interval.kind .* no line has .9"),
    ],
)
def test_a_filter_that_does_not_go_with_its_column_is_refused(allowed, message):
    with pytest.raises(DataError, match=message):
        rated(val_interval=allowed)


def test_a_filter_is_refused_on_the_command_line_too(capsys):
    arguments = ["--model=SASRec", "--dataset=tiny", "--data_path=data", "--val_interval={'rating': '[3,inf)'}"]
    assert train_main(arguments) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "val_interval.rating = '[3,inf)'" in message and "has no column rating" in message


def by_count(user_allowed, item_allowed):
    """Drop, in rounds, every line whose user or item has a number of lines that is not allowed."""
    left = [(f"u{line[0]}", f"i{line[1]}") for line in LINES]
    while True:
        users, items = [u for u, _ in left], [i for _, i in left]
        stays = [(u, i) for u, i in left if user_allowed(users.count(u)) and item_allowed(items.count(i))]
        if len(stays) == len(left):
            return sorted(left)
        left = stays


COUNTS = [
    ("[5,inf)", "[8,inf)", lambda n: n >= 5, lambda n: n >= 8),
    ("(5,inf)", None, lambda n: n > 5, lambda n: True),
    ("[0,6)", "[0,inf)", lambda n: n < 6, lambda n: True),
    ("[4,5];[9,11)", "[2,inf)", lambda n: n in (4, 5, 9, 10), lambda n: n >= 2),
    ("[9,11);[4,5]", "[2,inf)", lambda n: n in (4, 5, 9, 10), lambda n: n >= 2),
    (None, " [ 7 , 9 ] ", lambda n: True, lambda n: 7 <= n <= 9),
]


@pytest.mark.parametrize(("users", "items", "user_allowed", "item_allowed"), COUNTS)
def test_filters_by_count_go_on_until_nothing_changes(users, items, user_allowed, item_allowed):
    expected = by_count(user_allowed, item_allowed)
    assert expected, "the example filters everything"
    keys = {"user_inter_num_interval": users, "item_inter_num_interval": items}
    assert rated(**keys) == expected
    # A file of items changes nothing, not even with several intervals in any order.
    names = [f"i{n}\tg{n}\n" for n in range(9)]
    Path("data/rated/rated.item").write_text("item_id:token\tgroup:token\n" + "".join(names))
    Path("data/rated/rated.user").write_text(
        "user_id:token\tage:float\n" + "".join(f"u{n}\t{n}\n" for n in range(1, 10))
    )
    needed = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "group"], "user": ["user_id", "age"]}
    assert rated(load_col=needed, **keys) == expected


def test_features_of_items_that_are_gone_are_gone_as_in_recbole():
    rated()
    names = [f"i{n}\tg{n}\n" for n in range(12)]
    Path("data/rated/rated.item").write_text("item_id:token\tgroup:token\n" + "".join(names))
    needed = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "group"]}
    for interval, left in (("[1,inf)", 7), ("[0,inf)", 12), (None, 12)):
        dataset = HistoryDataset(tiny_config(dataset="rated", load_col=needed, item_inter_num_interval=interval))
        assert (dataset.item_num - 1, len(dataset.item_feat) - 1) == (left, left)


def test_a_filter_of_items_drops_the_lines_of_the_others():
    rated()
    names = [f"i{n}\t{'even' if n % 2 == 0 else 'odd'}\t{n}\n" for n in range(7)]
    Path("data/rated/rated.item").write_text("item_id:token\tparity:token\tprice:float\n" + "".join(names))
    columns = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "parity", "price"]}
    assert rated(load_col=columns, val_interval={"parity": ["even"]}) == by_hand(lambda line: line[1] % 2 == 0)
    assert rated(load_col=columns, val_interval={"price": "[1,3]"}) == by_hand(lambda line: 1 <= line[1] <= 3)
    with pytest.raises(DataError, match=r"val_interval.price .* has no column price"):
        rated(val_interval={"price": "[1,3]"})


def test_intervals_are_read_as_they_are_written():
    assert parse_intervals("[5,inf)") == [("[", 5.0, float("inf"), ")")]
    assert parse_intervals(" ( -Inf , 2.5 ] ; [3,3]") == [("(", -float("inf"), 2.5, "]"), ("[", 3.0, 3.0, "]")]
    assert parse_intervals([2, 4]) == [("[", 2.0, 4.0, "]")]
    assert parse_intervals((2, 4)) == [("(", 2.0, 4.0, ")")]
    holding = ["[1,1]", "[0,2)", "(0,2)", "(-inf,1]", "[5.5,6]", "[7,inf)"]
    assert all(holds_a_count(parse_intervals(text)[0]) for text in holding)
    empty = ["[0,0]", "[0,1)", "(1,2)", "(-inf,1)", "[5.5,5.9]", "(6,7)"]
    assert not any(holds_a_count(parse_intervals(text)[0]) for text in empty)
