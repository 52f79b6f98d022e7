"""Raw files to atomic files: tiny files of every format, exact output, and every mistake a file can hold."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import HEADER, cycle_lines
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_mdcns.data import interactions, prepare
from recbole_mdcns.data.statistics import statistics

ROOT = Path(__file__).resolve().parent.parent
ALL = ("--min-user=0", "--min-item=0")
KUAIRAND = "user_id,video_id,date,hourmin,time_ms,is_click,long_view,play_time_ms,is_rand,tab\n"
#: Four ratings: u's b and c at the same time, in that order.
AMAZON = "u,a,5.0,30\nv,a,1.0,20\nu,b,3.0,10\nu,c,4.0,10\n"
AMAZON_OUT = ["u\tb\t10", "u\tc\t10", "u\ta\t30", "v\ta\t20"]


def raw(text: str | bytes, name: str = "raw.csv") -> str:
    """Write a raw file, packed if its name says so, and return its name."""
    content = text.encode() if isinstance(text, str) else text
    Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return name


def run(name: str, *arguments: str) -> int:
    return prepare.main([name, "--raw", *arguments, "--out=out"])


def output(name: str) -> list[str]:
    """Return the lines of the output after the header, which is checked."""
    text = (Path("out") / name / f"{name}.inter").read_text()
    assert text.startswith(HEADER) and text.endswith("\n")
    return text.splitlines()[1:]


def prepared(name: str, *arguments: str) -> list[str]:
    assert run(name, *arguments) == 0
    return output(name)


def mistake(capsys, name: str, *arguments: str) -> str:
    """Return the one line on stderr that a run with a mistake ends in; it leaves no folder behind."""
    assert run(name, *arguments) == prepare.USER_ERROR
    error = capsys.readouterr().err
    assert error.startswith("recbole_mdcns.data.prepare: ") and error.count("\n") == 1
    assert not Path("out", name).exists()
    return error


# Formats


@pytest.mark.parametrize("name", ["raw.csv", "raw.CSV.gz"])
def test_amazon_ratings(name):
    assert prepared("amazon-x", raw(AMAZON, name), *ALL) == AMAZON_OUT


@pytest.mark.parametrize("name", ["r_5.json", "r_5.json.gz"])
def test_amazon_reviews_as_json_and_as_python_literals(name):
    lines = (
        '{"reviewerID": "u", "asin": "a", "reviewText": "it\'s \\"new\\"", "overall": 5.0, "unixReviewTime": 30}\n'
        "{'reviewerID': 'v', 'asin': 'a', 'reviewText': \"a \\d it's\", 'overall': 1.0, 'unixReviewTime': 20}\n"
        "{'reviewerID': 'u', 'asin': 'b', 'helpful': [0, 0], 'overall': 3.0, 'unixReviewTime': 10}\n"
        '{"reviewerID": "u", "asin": "c", "overall": 4, "unixReviewTime": "10"}\n'
    )
    assert prepared("amazon-x", raw(lines, name), *ALL) == AMAZON_OUT


def test_lastfm_with_timestamps_keeps_the_first_tag_of_an_artist():
    text = "userID\tartistID\ttagID\ttimestamp\r\n2\t52\t13\t1238536800000\r\n2\t51\t15\t1238536800000\r\n"
    text += "2\t51\t18\t1238536799999\r\n2\t52\t41\t1241128800000\r\n"
    name = raw(text, "user_taggedartists-timestamps.dat")
    assert prepared("lastfm", name, *ALL) == ["2\t51\t1238536799999", "2\t52\t1238536800000"]


def test_lastfm_by_day_writes_the_start_of_the_day_in_milliseconds():
    text = "userID\tartistID\ttagID\tday\tmonth\tyear\n2\t52\t13\t1\t4\t2009\n2\t53\t13\t31\t12\t1969\n"
    expected = ["2\t53\t-86400000", "2\t52\t1238544000000"]
    assert prepared("lastfm", raw(text, "user_taggedartists.dat"), *ALL) == expected


KUAIRAND_ROWS = [
    "7,b,20220422,100,1650565030100,0,1,0,0,1\n",
    "7,a,20220421,100,1650475030100,1,1,900,0,1\n",
    "8,a,20220423,100,1650655030100,1,0,10,0,2\n",
    "7,a,20220423,100,1650655030101,1,0,10,0,2\n",
]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--signal=exposure"], ["7\ta\t1650475030100", "7\tb\t1650565030100", "8\ta\t1650655030100"]),
        (["--duplicates=last"], ["7\tb\t1650565030100", "7\ta\t1650655030101", "8\ta\t1650655030100"]),
        (["--signal=is_click"], ["7\ta\t1650475030100", "8\ta\t1650655030100"]),
        (["--signal=long_view"], ["7\ta\t1650475030100", "7\tb\t1650565030100"]),
        (["--from=20220422", "--to=20220422"], ["7\tb\t1650565030100"]),
        (["--from=20220423", "--signal=is_click"], ["7\ta\t1650655030101", "8\ta\t1650655030100"]),
    ],
)
def test_kuairand_signals_and_days_over_two_logs(options, expected):
    first = raw(KUAIRAND + "".join(KUAIRAND_ROWS[:2]), "log_1.csv")
    second = raw(KUAIRAND + "".join(KUAIRAND_ROWS[2:]), "log_2.csv.gz")
    assert prepared("kuairand-pure", first, second, *ALL, *options) == expected


def test_kuairand_columns_are_found_by_name():
    text = "time_ms,is_like,date,video_id,user_id\n5,1,20220422,a,u\n4,0,20220422,b,u\n"
    assert prepared("kuairand", raw(text), *ALL, "--signal=is_like") == ["u\ta\t5"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ratings.dat", "1::20::5::978300760\n1::10::3::978300760\n2::10::4.5::978300750\n"),
        ("u.data", "1\t20\t5\t978300760\n1\t10\t3\t978300760\n2\t10\t4\t978300750\n"),
        ("r.csv", '\ufeffuserId,movieId,rating,timestamp\n1,20,5.0,978300760\n1,"10",3,978300760\n2,10,4,978300750\n'),
    ],
)
def test_movielens_keeps_everything_by_default(name, text):
    assert prepared("ml-x", raw(text, name)) == ["1\t20\t978300760", "1\t10\t978300760", "2\t10\t978300750"]
    assert prepared("ml-x", name, "--min-rating=4", "--overwrite") == ["1\t20\t978300760", "2\t10\t978300750"]


def test_lines_have_positions_as_times():
    name = raw("v b a b\n\n u\ta   é\n", "anything")
    expected = ["v\tb\t1", "v\ta\t2", "v\tb\t3", "u\ta\t1", "u\té\t2"]
    assert prepared("mine", name, "--format=lines", *ALL) == expected
    assert prepared("ml-mine", name, "--format=lines", *ALL) == expected  # --format goes before the name


def test_unknown_names_need_a_format(capsys):
    error = mistake(capsys, "mine", raw(AMAZON))
    for format_name in ("amazon (amazon-*)", "hetrec (lastfm)", "kuairand (kuairand*)", "movielens (ml-*)", "lines"):
        assert format_name in error


def test_a_dataset_name_is_no_path(capsys):
    assert "dataset name '../mine' must be a plain name" in mistake(capsys, "../mine", raw(AMAZON), "--format=amazon")


# Order, duplicates, k-core, times


def test_users_come_in_the_order_of_the_raw_file_whatever_is_filtered():
    text = "w,a,1,1\nv,a,5,2\nu,a,5,3\nw,b,5,4\n"
    assert prepared("amazon-x", raw(text), *ALL, "--min-rating=2") == ["w\tb\t4", "v\ta\t2", "u\ta\t3"]


@pytest.mark.parametrize(
    ("duplicates", "expected"),
    [
        ("keep", ["a 1", "b 2", "a 3", "a 3"]),
        ("first", ["a 1", "b 2"]),
        ("last", ["b 2", "a 3"]),
    ],
)
def test_duplicates_are_dropped_by_time(duplicates, expected):
    name = raw("u,a,1,3\nu,b,1,2\nu,a,1,1\nu,a,1,3\n")
    kept = prepared("amazon-x", name, *ALL, f"--duplicates={duplicates}")
    assert kept == ["u\t" + line.replace(" ", "\t") for line in expected]


def test_duplicates_go_before_the_k_core():
    """u has two items once its repeat is gone, so a minimum of three leaves only v."""
    name = raw("u,a,1,1\nu,a,1,2\nu,b,1,3\nv,a,1,1\nv,b,1,2\nv,c,1,3\n")
    assert prepared("amazon-x", name, "--duplicates=first", "--min-user=3", "--min-item=0")[0] == "v\ta\t1"
    assert len(prepared("amazon-x", name, "--min-user=3", "--min-item=0", "--overwrite")) == 6


def test_the_k_core_is_five_by_default_and_iterated(capsys):
    square = [f"u{u},i{i},5,{u + i}\n" for u in range(5) for i in range(5)]
    extra = [f"x,i{i},5,1\n" for i in range(4)] + ["x,j,5,2\n"]  # j has one user; without it, x has four items
    lines = prepared("amazon-x", raw("".join(extra + square)))
    assert len(lines) == 25 and lines[0] == "u0\ti0\t0"
    printed = capsys.readouterr().out
    assert "30 interactions read, 25 with at least 5 a user and 5 an item" in printed
    assert "|       5 |       5 |             25 |           5.0 |      0.00% |" in printed
    assert "next: python run_recbole_mdcns.py --model=SASRec --dataset=amazon-x --data_path=out" in printed


def test_times_are_written_as_the_numbers_they_are():
    times = ["9007199254740992", "1650965953.528", "1e3", "-2", "1.0", "0.1"]
    text = "".join(f"u{index},a,-1,{time}\n" for index, time in enumerate(times))
    written = [line.split("\t")[2] for line in prepared("amazon-x", raw(text), *ALL)]
    assert written == ["9007199254740992", "1650965953.528", "1000", "-2", "1", "0.1"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("uvwx"), st.sampled_from("abcd"), st.integers(0, 3)), min_size=1, max_size=30),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from(["first", "last", "keep"]),
)
def test_output_is_what_plain_python_makes_of_the_rows(rows, user_min, item_min, duplicates):
    order = list(dict.fromkeys(user for user, _, _ in rows))
    expected = sorted(rows, key=lambda row: (order.index(row[0]), row[2]))  # stable
    if duplicates != "keep":
        places = {}
        for place, (user, item, _) in enumerate(expected):
            if duplicates == "last" or (user, item) not in places:
                places[user, item] = place
        expected = [expected[place] for place in sorted(places.values())]
    before = None
    while before != expected:
        before = expected
        users, items = Counter(row[0] for row in before), Counter(row[1] for row in before)
        expected = [row for row in before if users[row[0]] >= user_min and items[row[1]] >= item_min]

    shutil.rmtree("out", ignore_errors=True)
    name = raw("".join(f"{user},{item},1,{time}\n" for user, item, time in rows))
    options = (f"--min-user={user_min}", f"--min-item={item_min}", f"--duplicates={duplicates}")
    assert run("amazon-x", name, *options) == (0 if expected else prepare.USER_ERROR)
    if expected:
        assert output("amazon-x") == ["\t".join(map(str, row)) for row in expected]


# Bad lines

REVIEW = b'{"reviewerID": "u", "asin": "a", "overall": 1, "unixReviewTime": 1}\n'
DAYS = b"userID\tartistID\ttagID\tday\tmonth\tyear\n1\t2\t3\t1\t1\t2009\n"
LOG = KUAIRAND_ROWS[1].encode()
#: Of each kind of file: dataset, file, good content, options, and what a line is expected to be.
KINDS = {
    "csv": ("amazon-x", "r.csv", b"u,a,1,1\n", (), "4 fields user, item, rating, timestamp"),
    "json": ("amazon-x", "r.json", REVIEW, (), "one object a line with reviewerID, asin, overall, unixReviewTime"),
    "days": ("lastfm", "d.dat", DAYS, (), "6 fields userID, artistID, tagID, day, month, year"),
    "log": (
        "kuairand",
        "l.csv",
        KUAIRAND.encode() + LOG,
        ("--signal=is_click",),
        "10 fields user_id, video_id, date",
    ),
    "dat": ("ml-x", "r.dat", b"1::2::3::4\n", (), "4 fields user, item, rating, timestamp"),
    "lines": ("mine", "l.txt", b"w a\n", ("--format=lines",), "'user item item ...', separated by spaces"),
}


@pytest.mark.parametrize(
    ("kind", "bad", "problem"),
    [
        ("csv", b"u,a,1\n", "found 3 fields in 'u,a,1'"),
        ("csv", b",a,1,1\n", "user is empty"),
        ("csv", b"u,,1,1\n", "item is empty"),
        ("csv", b"u,b\tc,1,1\n", r"item = 'b\tc' has a tab"),
        ("csv", b'"u,a,1,1\n', "is not csv"),
        ("csv", b"u\x85,a,1,1\n".decode("latin-1").encode(), "has a tab or another control character"),
        ("csv", b"u,a,good,1\n", "rating = 'good' is not a finite number"),
        ("csv", b"u,a,1,\n", "timestamp = '' is not a finite number"),
        ("csv", b"u,a,1,nan\n", "timestamp = 'nan' is not a finite number"),
        ("csv", b"u,a,1,inf\n", "timestamp = 'inf' is not a finite number"),
        ("csv", b"u,a,1,1_0\n", "timestamp = '1_0' is not a finite number"),
        ("csv", b"u,a,1,9007199254740994\n", "is not a finite number of at most 2^53"),
        ("csv", b"u\xff,a,1,1\n", "can't decode byte 0xff in position 1"),
        ("json", b"{'asin': \n", "is no object"),
        ("json", b"[1]\n", "'[1]' is no object"),
        ("json", b'{"asin": "a", "overall": 1, "unixReviewTime": null}\n', "reviewerID and unixReviewTime is missing"),
        ("json", REVIEW.replace(b'"a"', rb'"a\nb"'), r"item = 'a\nb' has a tab"),
        ("days", b"1\t2\t3\n", r"found 3 fields in '1\t2\t3'"),
        ("days", b"1\t2\t3\t31\t2\t2009\n", "('31', '2', '2009') is no date"),
        ("days", b"1\t2\t3\t1\t1\t1000000000000000000\n", "is no date"),
        ("log", LOG.replace(b"20220421", b"2022-04-21"), "date = '2022-04-21' is not YYYYMMDD"),
        ("log", LOG.replace(b",1,1,", b",2,1,"), "is_click = '2' is not 0 or 1"),
        ("dat", b"1,2,3,4\n", "found 1 fields in '1,2,3,4'"),
        ("lines", b"x\n", "user 'x' has no item"),
        ("lines", b"w b\n", "user 'w' has a line before this one"),
    ],
)
def test_a_bad_line_is_an_error_or_is_counted(kind, bad, problem, capsys):
    dataset, name, good, options, expected = KINDS[kind]
    clean = prepared(dataset, raw(good, name), *ALL, *options)
    shutil.rmtree("out")
    capsys.readouterr()

    where = f"{name}, line {good.count(chr(10).encode()) + 1}: "
    raw(good + bad, name)
    error = mistake(capsys, dataset, name, *ALL, *options)
    assert error.startswith(f"recbole_mdcns.data.prepare: {where}") and problem in error
    assert f"; expected {expected}" in error and "--bad-lines=skip" in error

    assert prepared(dataset, name, *ALL, *options, "--bad-lines=skip") == clean
    count, line = capsys.readouterr().err.splitlines()
    assert count == "1 bad lines skipped:"
    assert line.startswith(where) and problem in line


def test_the_first_ten_bad_lines_are_named(capsys):
    text = "".join(f"u,a{number},1,1\nu,b{number}\n" for number in range(12))
    assert len(prepared("amazon-x", raw(text), *ALL, "--bad-lines=skip")) == 12
    head, *named = capsys.readouterr().err.splitlines()
    assert head == "12 bad lines skipped, the first 10:"
    assert [line.split(":")[0] for line in named] == [f"raw.csv, line {number}" for number in range(2, 22, 2)]


@pytest.mark.parametrize(("line_num", "read_num"), [(3, 3), (100, 100), (150, 100)])
def test_a_file_of_another_format_is_named(line_num, read_num, capsys):
    raw("u,a,1,1\n" * 5, "good.csv")
    raw("1::2::3::4\n" * line_num, "other.csv")
    error = mistake(capsys, "amazon-x", "good.csv", "other.csv", *ALL, "--bad-lines=skip")
    assert f"other.csv seems to have another format: no good line among the first {read_num};" in error
    assert f"other.csv, line {read_num}: found 1 fields" in error


def test_a_late_first_good_line_is_in_time(capsys):
    raw("bad\n" * 99 + "u,a,1,1\n")
    assert prepared("amazon-x", "raw.csv", *ALL, "--bad-lines=skip") == ["u\ta\t1"]
    assert "99 bad lines skipped, the first 10:" in capsys.readouterr().err


# Files and options that cannot be used


@pytest.mark.parametrize(
    ("dataset", "name", "content", "message"),
    [
        ("amazon-x", "r.csv", None, "raw file r.csv is missing"),
        ("amazon-x", "r.csv", b"", "r.csv is empty"),
        ("amazon-x", "r.csv", b"\n\n", "nothing is left of amazon-x: 0 interactions read"),
        ("amazon-x", "r.txt", b"u,a,1,1\n", "r.txt: Amazon ratings end in .csv"),
        ("amazon-x", "r.csv.gz", "plain", "r.csv.gz, after line 0: cannot be read"),
        ("amazon-x", "r.csv.gz", "cut", "r.csv.gz, after line "),
        ("ml-x", "r.txt", b"1::2::3::4\n", "r.txt: MovieLens ratings end in .dat"),
        ("ml-x", "r.csv", b"1,2,3,4\n", "r.csv, line 1: column userId and movieId and rating and timestamp is missing"),
        ("lastfm", "t.dat", b"userID\tartistID\tweight\n", "line 1: column timestamp is missing; found 'userID', 'art"),
        ("kuairand", "l.csv", b"user_id,video_id\n", "line 1: column time_ms and date is missing"),
        ("kuairand", "l.csv", b'"user_id\n', "line 1: column user_id and"),
    ],
)
def test_unusable_files_are_one_sentence(dataset, name, content, message, capsys):
    rows = "".join(f"u{number},a,1,{number * 7919 % 1000}\n" for number in range(1000))
    if content == "plain":
        Path(name).write_text(rows)
    elif content == "cut":
        raw(rows, name)
        Path(name).write_bytes(Path(name).read_bytes()[:-200])
    elif content is not None:
        raw(content, name)
    assert message in mistake(capsys, dataset, name, *ALL)


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        ("amazon-x", ["--signal=is_click"], "--signal does not go with the format of amazon-x, which takes --mi"),
        ("kuairand", ["--min-rating=1"], "which takes --signal, --from, --to"),
        ("lastfm", ["--from=20220101"], "which takes no such option"),
        ("kuairand", ["--from=20220102", "--to=20220101"], "--from=20220102 is after --to=20220101"),
        ("kuairand", ["--to=20220231"], "'20220231' is not a day YYYYMMDD"),
        ("kuairand", ["--to=2022011"], "'2022011' is not a day YYYYMMDD"),
        ("kuairand", ["--signal=is_clik"], "column is_clik is missing; found 'user_id'"),
        ("amazon-x", ["--min-user=-1"], "'-1' is not a whole number"),
        ("amazon-x", ["--format=netflix"], "invalid choice: 'netflix'"),
        ("amazon-x", ["--bad-line=skip"], "unrecognized arguments"),
    ],
)
def test_wrong_options_are_one_sentence(dataset, options, message, capsys):
    raw(KUAIRAND + KUAIRAND_ROWS[0], "l.csv")
    assert message in mistake(capsys, dataset, "l.csv", *options)


def test_what_was_left_at_which_step(capsys):
    error = mistake(capsys, "amazon-x", raw(AMAZON), "--min-rating=2", "--duplicates=last", "--min-item=2")
    assert error.endswith(
        "nothing is left of amazon-x: 4 interactions read, 3 selected by --min-rating, 3 without duplicates, "
        "0 with at least 5 a user and 2 an item\n"
    )


# Writing


def test_an_output_is_replaced_only_when_asked(capsys):
    assert prepared("amazon-x", raw(AMAZON), *ALL) == AMAZON_OUT
    raw("u,z,1,1\n")
    assert run("amazon-x", "raw.csv", *ALL) == prepare.USER_ERROR
    assert "amazon-x.inter exists: add --overwrite" in capsys.readouterr().err
    assert output("amazon-x") == AMAZON_OUT
    assert prepared("amazon-x", "raw.csv", *ALL, "--overwrite") == ["u\tz\t1"]


@pytest.mark.parametrize(
    ("failure", "code"),
    [(OSError(28, "No space left on device"), prepare.USER_ERROR), (KeyboardInterrupt(), prepare.INTERRUPTED)],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_failure_in_the_middle_leaves_what_was_there(before, failure, code, monkeypatch, capsys):
    if before:
        prepared("amazon-x", raw(AMAZON), *ALL)
    raw("u,z,1,1\n")

    def fail_after_a_line(file, data):
        file.write(b"half")
        file.flush()
        raise failure

    monkeypatch.setattr(prepare, "write_inter", fail_after_a_line)
    assert run("amazon-x", "raw.csv", *ALL, "--overwrite") == code
    assert "Traceback" not in capsys.readouterr().err
    folder = Path("out/amazon-x")
    assert [path.name for path in folder.iterdir()] == (["amazon-x.inter"] if before else [])
    if before:
        assert output("amazon-x") == AMAZON_OUT


def test_many_rows_are_written_in_pieces(monkeypatch):
    monkeypatch.setattr(prepare, "_ROWS_AT_ONCE", 3)
    lines = [f"u\ti{number}\t{number}" for number in range(8)]
    assert prepared("amazon-x", raw("".join(f"u,i{n},1,{n}\n" for n in range(8))), *ALL) == lines


@pytest.mark.parametrize("name", ["raw.csv", "raw.csv.gz"])
def test_the_progress_bar_runs_over_the_bytes_of_all_files(name, monkeypatch, capsys):
    monkeypatch.setattr(interactions, "_LINES_PER_UPDATE", 1)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    raw("v,a,1,1\n" * 1280, "a" + name)
    raw("u,a,1,1\n" * 1280, "b" + name)
    size = Path("a" + name).stat().st_size + Path("b" + name).stat().st_size
    closed = []
    close = interactions.tqdm.close
    monkeypatch.setattr(interactions.tqdm, "close", lambda bar: (closed.append((bar.n, bar.total)), close(bar)))
    assert run("amazon-x", "a" + name, "b" + name, *ALL) == 0
    assert closed[0] == (size, size)
    assert "reading:   0%" in capsys.readouterr().err


# Statistics


def test_statistics_by_hand():
    """Two users, four items, five interactions: 2.5 a user; 3 of 8 pairs are free."""
    numbers = statistics(np.array([0, 0, 0, 7, 7]), np.array([1, 2, 3, 1, 4]))
    assert numbers == {"users": 2, "items": 4, "interactions": 5, "length": 2.5, "sparsity": 37.5}


def test_stats_prints_one_row_for_each_dataset(capsys):
    Path("dataset/big").mkdir(parents=True)
    rows = "".join(f"{number}\t{number % 2000}\tx\n" for number in range(2000))
    Path("dataset/big/big.inter").write_text("who:token\twhat:token\tnote:token\n" + rows)
    shutil.copytree("data/tiny", "dataset/tiny")
    assert prepare.main(["stats", "tiny", "--data_path", "data"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "| dataset   |   users |   items |   interactions |   avg. length |   sparsity |",
        "|-----------|---------|---------|----------------|---------------|------------|",
        f"| tiny      |      40 |      30 |            {len(cycle_lines())} |          12.0 |     60.00% |",
    ]
    assert prepare.main(["stats", "big", "--user-field=who", "--item-field=what"]) == 0  # dataset/ is the default
    assert "| big       |   2,000 |   2,000 |          2,000 |           1.0 |     99.95% |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "dataset file data/x/x.inter is missing"),
        (HEADER, "x.inter is empty: it has a header and no interaction"),
        ("user_id:token\tvideo_id:token\n", "line 1: column item_id is missing; found user_id, video_id"),
        (HEADER + "u\ti\t1\nu\ti\n", "line 3: expected 3 columns (user_id, item_id, timestamp), found ['u', 'i']"),
        (HEADER + "u\t\t1\n", "line 2: item_id is empty"),
        (HEADER + "u\t\udcff\t1\n", "not utf-8 text"),
    ],
)
def test_stats_of_an_unusable_file(text, message, capsys):
    if text is not None:
        Path("data/x").mkdir()
        Path("data/x/x.inter").write_bytes(text.encode(errors="surrogateescape"))
    assert prepare.main(["stats", "tiny", "x", "--data_path=data"]) == prepare.USER_ERROR
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1
    assert printed.out == ""


# The command line as a process


def test_the_command_prepares_counts_and_refuses():
    def command(*arguments):
        entry = [sys.executable, "-m", "recbole_mdcns.data.prepare"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run([*entry, *arguments], capture_output=True, text=True, env=env)

    raw(AMAZON, "my ratings.csv.gz")
    arguments = ("amazon-x", "--raw", "my ratings.csv.gz", "--out", "my out", *ALL)
    done = command(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path("my out/amazon-x/amazon-x.inter").read_text() == HEADER + "".join(f"{line}\n" for line in AMAZON_OUT)
    assert "--dataset=amazon-x --data_path='my out'" in done.stdout
    row = "| amazon-x  |       2 |       3 |              4 |           2.0 |     33.33% |"
    assert row in done.stdout
    stats = command("stats", "amazon-x", "--data_path", "my out")
    assert stats.returncode == 0 and stats.stdout.splitlines()[2:] == [row]
    again = command(*arguments)
    assert again.returncode == 2 and again.stderr.count("\n") == 1 and "Traceback" not in again.stderr
