"""From a DataFrame to an atomic file: the same as from a csv of the same rows, and one sentence for each mistake."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.raw_files import output, prepared, run
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_mdcns import prepare_dataframe
from recbole_mdcns.data.prepare.table2 import file_statistics
from recbole_mdcns.errors import ConfigError, DataError, UserError

#: u takes b and c at time 10, in that order, and a at time 30; v takes a at time 20.
ROWS = {"who": ["u", "v", "u", "u"], "what": ["a", "a", "b", "c"], "when": [30, 20, 10, 10]}
NAMES: dict[str, Any] = {"user": "who", "item": "what", "time": "when"}
SORTED = ["u\tb\t10", "u\tc\t10", "u\ta\t30", "v\ta\t20"]


def written(rows=None, name="mine", **options) -> list[str]:
    """Return the lines that the rows become; without filters, if no option says otherwise."""
    options = {"out": "out", "min_user": 0, "min_item": 0, **NAMES, **options}
    prepare_dataframe(pd.DataFrame({**ROWS, **(rows or {})}), name, **options)
    return output(name)


def times(column) -> list[str]:
    """Return the times that a column of four is written as, by its rows."""
    lines = written({"who": list("stuv"), "when": column}, overwrite=True)
    return [line.split("\t")[2] for line in lines]


def test_rows_are_grouped_by_user_and_sorted_by_time():
    assert written() == SORTED


def test_path_steps_and_statistics():
    """u has three items and v one: four pairs of six, 2 a user."""
    df = pd.DataFrame({"user_id": ROWS["who"], "item_id": ROWS["what"], "timestamp": ROWS["when"], "stars": 5})
    result = prepare_dataframe(df, "mine", min_user=0, min_item=0, duplicates="first")
    assert result.path == Path("dataset/mine/mine.inter")
    assert result.steps == ["4 interactions read", "4 without duplicates"]
    assert result.statistics == file_statistics(Path("dataset/mine/mine.inter"))
    assert result.statistics["interactions"] == 4 and result.statistics["length"] == 2


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["u", "NA", "7", "ü x"]), st.integers(0, 3), st.integers(0, 3)),
        min_size=1, max_size=40,
    ),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(["first", "last", "keep"]),
)  # fmt: skip
def test_the_file_is_that_of_a_csv_of_the_same_rows(rows, user_min, item_min, duplicates):
    """The command reads the csv in Amazon's format: user, item, rating, time."""
    df = pd.DataFrame(rows, columns=["who", "what", "when"])
    df.assign(stars=1)[["who", "what", "stars", "when"]].to_csv("rows.csv", index=False, header=False)
    options = (f"--min_user={user_min}", f"--min_item={item_min}", f"--duplicates={duplicates}", "--overwrite")
    arguments = dict(min_user=user_min, min_item=item_min, duplicates=duplicates, overwrite=True, out="out", **NAMES)
    if run("amazon-x", "rows.csv", *options):  # nothing is left
        with pytest.raises(DataError, match="nothing is left"):
            prepare_dataframe(df, "mine", **arguments)
    else:
        prepare_dataframe(df, "mine", **arguments)
        assert output("mine") == output("amazon-x")


def test_the_five_core_is_the_default_as_in_the_command():
    """Five users with five items each stay; x has five items, one of which only x took."""
    rows = [(f"u{user}", f"i{item}", user + item) for user in range(5) for item in range(5)]
    rows += [("x", f"i{item}", 1) for item in range(4)] + [("x", "j", 2)]
    df = pd.DataFrame(rows, columns=["who", "what", "when"])
    result = prepare_dataframe(df, "mine", out="out", **NAMES)
    assert result.steps[1:] == ["25 with at least 5 a user and 5 an item"]
    df.assign(stars=1)[["who", "what", "stars", "when"]].to_csv("rows.csv", index=False, header=False)
    assert output("mine") == prepared("amazon-x", "rows.csv")


@pytest.mark.parametrize(
    "ids",
    [
        pd.Series([1, 2, 3, 4]),
        pd.Series([1, 2, 3, 4], dtype="uint8"),
        pd.Series([1, 2, 3, 4], dtype="Int64"),
        pd.Series([1, "2", 3, "4"]),
        pd.Series(["1", "2", "3", "4"], dtype="category"),
        pd.Series([1, 2, 3, 4], dtype="category"),
        pd.Series(["1", "2", "3", "4"], dtype="string"),
    ],
    ids=lambda ids: str(ids.dtype),
)
def test_ids_are_written_as_their_texts(ids):
    assert sorted(line.split("\t")[1] for line in written({"what": ids})) == ["1", "2", "3", "4"]


def test_dates_are_seconds_since_1970_in_utc():
    """1970-01-02 begins 86,400 seconds after 1970, and an hour earlier in Paris."""
    day = ["1970-01-02"] * 4
    assert times(pd.to_datetime(day)) == times(day) == times([datetime.date(1970, 1, 2)] * 4) == ["86400"] * 4
    assert times(pd.to_datetime(day).tz_localize("Europe/Paris")) == ["82800"] * 4
    assert times(["2022-04-26 09:39:13.528", "1969-12-31T23:59:59", "1970-01-01", "1970-01-01 00:01+00:01"]) == [
        "1650965953.528", "-1", "0", "0",
    ]  # fmt: skip


def test_the_file_is_that_of_the_command_for_a_table_of_ones_own():
    """Quotes, ``NA`` as an id, dates with and without a time, a time zone, and columns in another order."""
    Path("own.csv").write_text(
        "\ufeffstars,when,what,who\n5,2024-05-31,a,NA\n"
        '4,2024-05-31 18:30:00.25,"b, c",NA\n,1970-01-01T00:00+01:00,a,007\n',
        encoding="utf-8",
    )
    df = pd.read_csv("own.csv", dtype={"who": str, "what": str}, keep_default_na=False)
    expected = ["NA\ta\t1717113600", "NA\tb, c\t1717180200.25", "007\ta\t-3600"]
    prepare_dataframe(df, "mine", out="out", min_user=0, min_item=0, **NAMES)
    own = ("--format=table", "--columns=who,what,when", "--min_user=0", "--min_item=0")
    assert prepared("own", "own.csv", *own) == output("mine") == expected


def test_numbers_are_written_as_they_are():
    assert times([2**53, 1650965953.528, -2, 0.1]) == ["9007199254740992", "1650965953.528", "-2", "0.1"]
    assert times(pd.Series([1, 2, 3, 4], dtype="Int64")) == ["1", "2", "3", "4"]


LATE = [1, 2, 3, 2**53 + 2]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"who": ["u", None, "u", None]}, "df['who'] has no value in 2 of 4 rows, first in df.iloc[1]"),
        ({"who": ["u", None, "u", "v"]}, "df.iloc[1]: pd.read_csv(..., keep_default_na=False) keeps ids such as NA"),
        (
            {"who": ["u", None, "u", "v"], "when": [1, 2, 3, None]},
            "df['who'] has no value ... drops such rows; df['when'] has no value ... df.iloc[3]: df.dropna",
        ),
        ({"when": [1, np.nan, 2, 3]}, "df['when'] has no value in 1 of 4 rows, first in df.iloc[1]"),
        ({"when": pd.to_datetime(["2020-01-01", None, None, None])}, "no value in 3 of 4 rows"),
        ({"what": [1.0, 2.0, 3.0, 4.0]}, "numbers with decimals (float64), such as 1.0 ... .astype('int64') makes"),
        ({"what": [True, False, True, True]}, "df['what'] = True is not allowed: ids are texts or integers"),
        ({"what": ["a", "b", "", "c"]}, "df['what'] is empty, in df.iloc[2]"),
        ({"what": ["a", "b", "c", "d\te"]}, r"df['what'] = 'd\te' has a tab ... df.iloc[3]"),
        ({"when": [1, 2, np.inf, 4]}, "df['when'] = inf in df.iloc[2] is not a finite number"),
        ({"when": LATE}, "df['when'] = 9007199254740994 in df.iloc[3] is not a finite number of at most 2^53"),
        ({"when": ["2020-01-01", "1/2/2020", "x", ""]}, "df['when'] = '1/2/2020' in df.iloc[1] is not a time"),
        ({"when": ["2020-01-01", "2020-02-30", "x", ""]}, "df['when'] = '2020-02-30' in df.iloc[1] is not a date of"),
        ({"when": ["2020-02-30"] * 4}, "df['when'] = '2020-02-30' in df.iloc[0] is not a date of the calendar"),
        ({"when": ["30", "20", "10", "10"]}, "df['when'] = '30' in df.iloc[0] is not a time ... pd.to_numeric"),
        ({"when": [True] * 4}, "df['when'] holds boolean, such as True: times are numbers, dates"),
        ({"when": pd.to_timedelta([1, 2, 3, 4])}, "df['when'] holds timedelta64"),
        ({"when": [1, "2020-01-01", 3, 4]}, "df['when'] holds mixed-integer"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_one_sentence(rows, said):
    with pytest.raises(DataError) as caught:
        written(rows)
    assert all(part in str(caught.value) for part in said.split(" ... ")), caught.value
    assert "\n" not in str(caught.value) and not Path("out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"user": "whom"}, r"user = 'whom': df has no column 'whom' \(did you mean who\?\): its columns are who, what"),
        ({"item": "who"}, "user and item are both 'who'"),
        (
            {"user": "whom", "time": "at"},
            r"column 'whom' \(.*\), time = 'at': df has no column 'at' .*: its columns are who",
        ),
        ({"time": None}, "time = None: df has no column None"),
        ({"name": "a/b"}, "dataset = 'a/b' is not allowed"),
        ({"name": 7}, "dataset = 7 is not allowed"),
        ({"out": 7}, "out = 7 is not allowed: give the path of a folder"),
        ({"min_user": 2.5}, "min_user = 2.5 is not allowed: give a whole number >= 0"),
        ({"min_item": -1}, "min_item = -1 is not allowed"),
        ({"min_item": True}, "min_item = True is not allowed"),
        ({"duplicates": "none"}, "duplicates = 'none' is not allowed: choose first, last, keep"),
        ({"min_user": 4}, "nothing is left of mine: 4 interactions read, 0 with at least 4 a user and 0 an item"),
    ],
)
def test_an_argument_that_cannot_be_used_is_one_sentence(options, said):
    with pytest.raises((ConfigError, DataError), match=said) as caught:
        written(**options)
    assert "\n" not in str(caught.value) and not Path("out").exists()


@pytest.mark.parametrize(
    ("df", "said"),
    [
        ([("u", "a", 1)], "df is a list: give a pandas DataFrame"),
        (pd.DataFrame(ROWS).iloc[:0], "df has no rows"),
        (pd.DataFrame([["u", "v", "a", 1]], columns=["who", "who", "what", "when"]), "df has 2 columns 'who'"),
    ],
)
def test_what_is_no_table_of_interactions_is_one_sentence(df, said):
    with pytest.raises(DataError, match=said):
        prepare_dataframe(df, "mine", out="out", **NAMES)
    assert not Path("out").exists()


def test_a_file_is_replaced_only_when_asked():
    assert written() == SORTED
    with pytest.raises(UserError, match=r"mine.inter exists: give another name, or overwrite=True"):
        written({"what": list("zzzz")})
    assert output("mine") == SORTED
    assert written({"who": list("uuuu"), "what": list("zzzz")}, duplicates="last", overwrite=True) == ["u\tz\t30"]


def test_a_folder_that_cannot_be_made_is_one_sentence():
    Path("out").write_text("a file")
    with pytest.raises(DataError, match=r"out/mine/mine.inter cannot be written: "):
        written()
