"""What users give as sequences, and what is refused."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recbole_mdcns.errors import ConfigError, DataError
from recbole_mdcns.recommend.sequences import ItemSequences, item_sequences
from recbole_mdcns.recommend.tables import Columns
from recbole_mdcns.recommend.vocabulary import Vocabulary, as_text

ITEMS = Vocabulary(["a", "b", "7", "007", "NA", 'say "x"'], "item_id")  # numbers 1 to 6
COLUMNS = Columns()


def read(given, on_unknown="error", columns=COLUMNS):
    found = item_sequences(given, ITEMS, columns, on_unknown)
    found = found.only(found.lengths > 0)
    return {name: found.part(place, place + 1).items.tolist() for place, name in enumerate(found.names)}


def table(*rows):
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])


def written(name, text):
    Path(name).write_bytes(text.encode())
    return name


# Lists and dicts


def test_lists_are_named_by_place_and_dicts_by_user():
    assert read([["a", "b"], ("7",), np.array([7, 7])]) == {0: [1, 2], 1: [3], 2: [3, 3]}
    assert read({"u": ["b", "a"], 3: [7]}) == {"u": [2, 1], "3": [3]}
    assert read([]) == {}
    assert not item_sequences([["a"]], ITEMS, COLUMNS).has_users
    assert item_sequences({"u": ["a"]}, ITEMS, COLUMNS).has_users


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["a", "b"], "the sequence of list 0 is 'a': expected a list of item ids"),
        ({"u": 7}, "the sequence of 'u' is 7"),
        (7, "sequences = int is not allowed"),
        ([[7.0]], "item = 7.0 is not allowed: ids are texts or integers"),
        ([[True]], "item = True"),
        ([["a", None]], "item = None"),
        ([[["a"]]], r"item = \['a'\]"),
        ({1: ["a"], "1": ["b"]}, "a user is given twice"),
        ([["a"], []], "1 of 2 sequences have no item, such as that of list 1; on_unknown=skip leaves them out"),
        ([["a"], ["x"]], "1 of 2 items are not among the 6 .* such as 'x' in the sequence of list 1; on_unknown"),
        ([[1, 2], [3]], "3 of 3 items .* such as '1' .*the model knows ids such as 'a', 'b', '7'"),
    ],
)
def test_lists_that_are_refused(given, said):
    with pytest.raises(DataError, match=said):
        read(given)


def test_what_is_skipped_is_counted(caplog):
    assert read({"u": ["x", "a"], "v": ["x"], "w": [], "z": ["b"]}, "skip") == {"u": [1], "z": [2]}
    assert "2 of 4 items are not among" in caplog.text
    assert "2 of 4 sequences have no item, such as that of 'v'" in caplog.text
    assert read([["x"], ["y"]], "skip") == {}  # alone as in company
    assert "2 of 2 items are not among" in caplog.text and "the model knows ids such as" in caplog.text
    with pytest.raises(DataError, match="the model knows ids such as"):
        read([["x"], ["y"]])
    with pytest.raises(DataError, match="on_unknown = 'ignore' is not allowed: choose error or skip"):
        read([["a"]], "ignore")


# Tables


def test_a_table_is_sorted_by_time_and_users_stay_in_their_order():
    given = table(["v", "a", 3], ["u", "b", 9], ["v", "b", 1], ["v", 7, 3], ["u", "a", 2])
    assert read(given) == {"v": [2, 1, 3], "u": [1, 2]}  # at equal times the order of the lines


def test_numbers_and_texts_are_one_user():
    assert read(table([1, "a", 1], ["1", "b", 2])) == {"1": [1, 2]}


@pytest.mark.parametrize(
    "times",
    [
        pd.to_datetime(["2020-01-02", "2020-01-01"]),
        ["2020-01-02", "2020-01-01"],
        ["2024-05-31T18:30:00.5", "2024-05-31T18:30:00"],  # as datetime.isoformat() writes them
        ["2024-02-01 00:00+01:00", "2024-01-31"],
        [datetime.date(2020, 1, 2), datetime.date(2020, 1, 1)],
        ["2", "1"],
        [2.5, -1.0],
        [2**60 + 1, 2**60],  # one float
        pd.array([2, 1], dtype="Int64"),
    ],
)
def test_times_of_any_kind(times):
    assert read(pd.DataFrame({"user_id": "u", "item_id": ["a", "b"], "timestamp": times})) == {"u": [2, 1]}


def test_lines_a_nanosecond_apart_are_no_copies():
    assert read(table(["u", "a", 2**60], ["u", "a", 2**60 + 1])) == {"u": [1, 1]}


def test_repeated_lines_count_and_are_told_once(caplog):
    """Two of the lines are copies: the fourth of the first, and the fifth of the second."""
    given = table(["u", "a", 1], ["v", "b", 1], ["u", "b", 2], ["u", "a", 1], ["v", "b", 1])
    assert read(given) == {"u": [1, 1, 2], "v": [2, 2]}
    given.to_csv("s.csv", index=False)
    assert read("s.csv") == read(given)
    said = "the same user_id, item_id and timestamp as {} (2 such lines): all of them count, as in training"
    assert [record.getMessage() for record in caplog.records][:2] == [
        f"df.iloc[3] has {said.format('df.iloc[0]')}",
        f"s.csv: line 5 has {said.format('line 2')}",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (table(["u", "a", 1]).drop(columns="item_id"), "the table has no column 'item_id': it has user_id, timestamp"),
        (pd.concat([table(["u", "a", 1])] * 2, axis=1), "the table has the column 'user_id' more than once"),
        (table(["u", "a", np.nan]), "timestamp is missing in 1 of 1 lines"),
        (table(["u", "a", np.inf]), "timestamp is not finite in 1 of 1 lines"),
        (table(["u", "a", "nan"]), r"timestamp = 'nan' in df.iloc\[0\]"),
        (table(["u", "a", "soon"]), r"timestamp = 'soon' in df.iloc\[0\] is neither a number nor a date such as"),
        (
            table(["u", "a", "2024-01-01"], ["u", "b", "05.02.2024"]),
            r"'05.02.2024' in df.iloc\[1\] .*\(1 such lines",
        ),
        (table(["u", "a", "2024-01-01"], ["u", "b", 3]), r"timestamp = 3 in df.iloc\[1\] is neither"),
        (table(["u", "a", "today"]), "timestamp = 'today'"),
        (table(["u", None, 1]), "item_id is missing in 1 of 1 lines"),
        (table([None, "a", 1]), "user_id is missing in 1 of 1 lines"),
        (table(["u", 7.0, 1]), "item_id = 7.0 is not allowed: ids are texts or integers"),
    ],
)
def test_tables_that_are_refused(given, said):
    with pytest.raises(DataError, match=said):
        read(given)


# Files

LINES = [("u", "007", "2"), ("u", "NA", "1"), ("v", "7", "1")]


@pytest.mark.parametrize(("ending", "separator"), [("csv", ","), ("tsv", "\t"), ("inter", "\t")])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_text_files_are_read_literally(ending, separator, newline, mark):
    header = ("user_id:token", "item_id:token", "timestamp:float") if ending == "inter" else COLUMNS.names
    text = newline.join(separator.join(line) for line in (header, *LINES)) + newline
    assert read(written(f"s.{ending}", mark + text)) == {"u": [5, 4], "v": [3]}


def test_quotes_are_text_in_atomic_files_and_quotes_elsewhere():
    header = "\t".join(COLUMNS.names)
    assert read(written("s.inter", f'{header}\nu\tsay "x"\t1\n')) == {"u": [6]}
    assert read(written("s.csv", 'user_id,item_id,timestamp\n"u, v","say ""x""",1\n')) == {"u, v": [6]}


def test_a_parquet_file_and_other_columns_in_another_order():
    pytest.importorskip("pyarrow")
    pd.DataFrame({"t": [2, 1], "extra": 0, "i": ["a", "b"], "u": [5, 5]}).to_parquet("s.parquet")
    assert read("s.parquet", columns=Columns("u", "i", "t")) == {"5": [2, 1]}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("gone.csv", None, "gone.csv cannot be read: No such file"),
        ("s.txt", "", "s.txt is not allowed: its ending must be .csv, .tsv, .inter, .parquet"),
        ("s.csv", "", "s.csv cannot be read as .csv: No columns"),
        ("s.csv", "user_id,item_id,timestamp\n", "s.csv has no lines below its header"),
        ("s.csv", "user_id,item_id\nu,a\n", "s.csv has no column 'timestamp': it has user_id, item_id"),
        ("s.csv", "user_id,item_id,user_id,timestamp\nu,a,u,1\n", "s.csv has the column 'user_id' more than once"),
        ("s.csv", "user_id,item_id,timestamp\nu,a,1,9\nu,b,2,9\n", "lines have more fields than the 3 of its header"),
        ("s.csv", "user_id,item_id,timestamp\nu,a,1\nu,b,2,9\n", "s.csv cannot be read as .csv: .*line 3"),
        ("s.csv", "user_id,item_id,timestamp\nu,a\n", "s.csv: timestamp is missing in 1 of 1 lines"),
        ("s.csv", "user_id,item_id,timestamp\nu,,1\n", "s.csv: item_id is missing in 1 of 1 lines"),
        ("s.csv", "user_id,item_id,timestamp\nu,a,NaN\n", "s.csv: timestamp"),
        ("s.csv", "\x00\x01", "s.csv has no column"),
        ("s.csv", 'user_id,item_id,timestamp,x\nu,a,1,"5 inch\nv,b,2,\nw,c,3,"big" saw\n', "a quote in line 2 does"),
        ("s.csv", 'user_id,item_id,timestamp,x\n\nu,a,1,x\nv,b,2,"x\nw,c,3,y\n"\n', "a quote in line 4 does not end"),
        ("s.parquet", "no parquet", "s.parquet cannot be read as .parquet"),
    ],
)  # fmt: skip
def test_files_that_are_refused(name, text, said):
    if text is not None:
        written(name, text)
    with pytest.raises(DataError, match=said):
        read(name)


def test_other_bytes_than_text_and_a_folder_are_refused():
    Path("s.csv").write_bytes(b"user_id,item_id,timestamp\nu,\xff\xfe,1\n")
    with pytest.raises(DataError, match="s.csv cannot be read as .csv: .*utf-8"):
        read("s.csv")
    Path("folder.csv").mkdir()
    with pytest.raises(DataError, match="folder.csv cannot be read: Is a directory"):
        read("folder.csv")


@pytest.mark.parametrize("names", [("u", "u", "t"), ("u", "", "t")])
def test_columns_are_three_names(names):
    with pytest.raises(ConfigError, match="give three different names"):
        Columns(*names)


# Pieces


def test_parts_and_choices_of_sequences():
    every = ItemSequences(np.array(["u", "v", "w"], dtype=object), np.array([1, 2, 3, 4, 5, 6]), np.array([1, 4, 6]))
    part = every.part(1, 9)
    assert (part.names.tolist(), part.items.tolist(), part.ends.tolist()) == (["v", "w"], [2, 3, 4, 5, 6], [3, 5])
    assert part.starts.tolist() == [0, 3] and every.lengths.tolist() == [1, 3, 2]
    assert len(every.part(3, 9)) == 0 and every.part(3, 9).items.tolist() == []
    chosen = every.only(np.array([True, False, True]))
    assert (chosen.names.tolist(), chosen.items.tolist(), chosen.ends.tolist()) == (["u", "w"], [1, 5, 6], [1, 3])


def test_ids_as_texts():
    assert as_text(pd.Series(["a", "b"]), "x").tolist() == ["a", "b"]
    assert as_text(np.array([3, -1]), "x").tolist() == ["3", "-1"]
    assert as_text(pd.Series(["a", 3], dtype=object), "x").tolist() == ["a", "3"]
    assert as_text(pd.Categorical(["a", "b"]).categories, "x").tolist() == ["a", "b"]
    assert [type(text) for text in as_text([np.str_("a")], "x")] == [str]
    with pytest.raises(DataError, match="x = nan is not allowed"):
        as_text(pd.Series(["a", np.nan], dtype=object), "x")
