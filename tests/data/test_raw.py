"""Raw formats: exact output of tiny files, and every mistake a file or an option can hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.raw_files import ALL, AMAZON, AMAZON_OUT, KUAIRAND, KUAIRAND_ROWS, mistake, prepared, raw

# Formats


@pytest.mark.parametrize("name", ["raw.csv", "raw.CSV.gz"])
def test_amazon_ratings(name):
    assert prepared("amazon-x", raw(AMAZON, name), *ALL) == AMAZON_OUT


def test_amazon_ids_in_the_order_of_2014():
    out = prepared("amazon-x", raw("A1YJEY40YUW4SE,B00004TFT1,5.0,1\nA1YJEY40YUW4SE,013396203X,5.0,2\n"), *ALL)
    assert [line.split("\t")[1] for line in out if line.startswith("A1Y")] == ["B00004TFT1", "013396203X"]


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
    assert prepared("ml-x", name, "--min_rating=4", "--overwrite") == ["1\t20\t978300760", "2\t10\t978300750"]


def test_lines_have_positions_as_times():
    name = raw("v b a b\n\n u\ta   é\n", "anything")
    expected = ["v\tb\t1", "v\ta\t2", "v\tb\t3", "u\ta\t1", "u\té\t2"]
    assert prepared("mine", name, "--format=lines", *ALL) == expected
    assert prepared("ml-mine", name, "--format=lines", *ALL) == expected  # --format goes before the name


@pytest.mark.parametrize(("name", "tab"), [("t.csv", ","), ("t.csv.gz", ","), ("t.tsv", "\t")])
def test_a_table_of_ones_own_has_its_columns_by_name(name, tab):
    text = "item_id,extra,user_id,timestamp\nb,,u,30\na,x,u,1.5\n"
    assert prepared("mine", raw(text.replace(",", tab), name), *ALL, "--format=table") == ["u\ta\t1.5", "u\tb\t30"]


def test_unknown_names_need_a_format(capsys):
    error = mistake(capsys, "mine", raw(AMAZON))
    for format_name in ("amazon (amazon-*)", "hetrec (lastfm)", "kuairand (kuairand*)", "movielens (ml-*)", "lines"):
        assert format_name in error


def test_a_dataset_name_is_no_path(capsys):
    assert "dataset = '../mine' is not allowed: give a name" in mistake(
        capsys, "../mine", raw(AMAZON), "--format=amazon"
    )


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
    "table": ("mine", "t.csv", b"user_id,item_id,timestamp\nu,a,1\n", ("--format=table",), "3 fields user_id, item_id"),
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
        ("csv", b"B00004TFT1,A1YJEY40YUW4SE,5.0,1\n", "ratings of 2018 begin with the item; give the reviews (.json)"),
        ("csv", b"u,a,1,\n", "timestamp = '' is not a finite number"),
        ("csv", b"u,a,1,nan\n", "timestamp = 'nan' is not a finite number"),
        ("csv", b"u,a,1,inf\n", "timestamp = 'inf' is not a finite number"),
        ("csv", b"u,a,1,1_0\n", "timestamp = '1_0' is not a finite number"),
        ("csv", b"u,a,1,9007199254740994\n", "is not a finite number of at most 2^53"),
        ("csv", b"u\xff,a,1,1\n", "can't decode byte 0xff in position 1"),
        ("table", b"u,a,soon\n", "time = 'soon' is neither a number nor a date such as 2024-05-31 18:30"),
        ("table", b"u,a,2024-02-30\n", "time = '2024-02-30' is neither a number nor a date"),
        ("table", b"u,a,1_0\n", "timestamp = '1_0' is not a finite number"),
        ("table", b"u,a\n", "found 2 fields"),
        ("table", b"u,a,2024-05-31\n", "time = '2024-05-31' is a date, and the times before it are numbers"),
        ("table", b"u,a,2024-05-31 1:30 AM\n", "time = '2024-05-31 1:30 AM' is neither a number nor a date"),
        ("json", b"{'asin': \n", "is not an object"),
        ("json", b"[1]\n", "'[1]' is not an object"),
        ("json", b'{"asin": "a", "overall": 1, "unixReviewTime": null}\n', "reviewerID and unixReviewTime is missing"),
        ("json", REVIEW.replace(b'"a"', rb'"a\nb"'), r"item = 'a\nb' has a tab"),
        ("days", b"1\t2\t3\n", r"found 3 fields in '1\t2\t3'"),
        ("days", b"1\t2\t3\t31\t2\t2009\n", "('31', '2', '2009') is not a date"),
        ("days", b"1\t2\t3\t1\t1\t1000000000000000000\n", "is not a date"),
        ("log", LOG.replace(b"20220421", b"2022-04-21"), "date = '2022-04-21' is not YYYYMMDD"),
        ("log", LOG.replace(b",1,1,", b",2,1,"), "is_click = '2' is not 0 or 1"),
        ("dat", b"1,2,3,4\n", "found 1 fields in '1,2,3,4'"),
        ("lines", b"x\n", "user 'x' has no item"),
        ("lines", b"w b\n", "user 'w' already has"),
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
    assert error.startswith(f"recbole-mdcns prepare: {where}") and problem in error
    assert f"; expected {expected}" in error and "--bad_lines=skip" in error

    assert prepared(dataset, name, *ALL, *options, "--bad_lines=skip") == clean
    count, line = capsys.readouterr().err.splitlines()
    assert count == "1 bad lines skipped:"
    assert line.startswith(where) and problem in line


def test_the_first_ten_bad_lines_are_named(capsys):
    text = "".join(f"u,a{number},1,1\nu,b{number}\n" for number in range(12))
    assert len(prepared("amazon-x", raw(text), *ALL, "--bad_lines=skip")) == 12
    head, *named = capsys.readouterr().err.splitlines()
    assert head == "12 bad lines skipped, the first 10:"
    assert [line.split(":")[0] for line in named] == [f"raw.csv, line {number}" for number in range(2, 22, 2)]


@pytest.mark.parametrize(("line_num", "read_num"), [(3, 3), (100, 100), (150, 100)])
def test_a_file_of_another_format_is_named(line_num, read_num, capsys):
    raw("u,a,1,1\n" * 5, "good.csv")
    raw("1::2::3::4\n" * line_num, "other.csv")
    error = mistake(capsys, "amazon-x", "good.csv", "other.csv", *ALL, "--bad_lines=skip")
    assert f"other.csv seems to have another format: none of its first {read_num} lines" in error
    assert f"other.csv, line {read_num}: found 1 fields" in error


def test_a_late_first_good_line_is_in_time(capsys):
    raw("bad\n" * 99 + "u,a,1,1\n")
    assert prepared("amazon-x", "raw.csv", *ALL, "--bad_lines=skip") == ["u\ta\t1"]
    assert "99 bad lines skipped, the first 10:" in capsys.readouterr().err


# Files and options that cannot be used


@pytest.mark.parametrize(
    ("dataset", "name", "content", "message"),
    [
        ("amazon-x", "r.csv", None, "r.csv cannot be read: No such file"),
        ("amazon-x", "r.csv", b"", "r.csv is empty"),
        ("amazon-x", "r.csv", b"\n\n", "nothing is left of amazon-x: 0 interactions read"),
        ("amazon-x", "r.txt", b"u,a,1,1\n", "r.txt: Amazon ratings end in .csv"),
        ("amazon-x", "r.csv.gz", "plain", "r.csv.gz, after line 0: cannot be read (it is not a whole .gz file)"),
        ("amazon-x", "r.csv.gz", "cut", "r.csv.gz, after line "),
        ("ml-x", "r.txt", b"1::2::3::4\n", "r.txt: MovieLens ratings end in .dat"),
        ("ml-x", "r.csv", b"1,2,3,4\n", "r.csv, line 1: columns userId, movieId, rating and timestamp are missing"),
        ("kuairand", "l.csv", b"user_id,video_id,time_ms,date,date\n", "line 1: column date is there 2 times: rename"),
        ("lastfm", "t.dat", b"userID\tartistID\tweight\n", "line 1: column timestamp is missing; found 'userID', 'art"),
        ("kuairand", "l.csv", b"user_id,video_id\n", "line 1: columns time_ms and date are missing"),
        ("kuairand", "l.csv", b'"user_id\n', "line 1: columns user_id, video_id, time_ms and date are"),
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
        ("amazon-x", ["--signal=is_click"], "--signal does not fit the format of amazon-x, which takes --mi"),
        ("kuairand", ["--min_rating=1"], "which takes --signal, --from, --to"),
        ("lastfm", ["--from=20220101"], "which takes no such option"),
        ("kuairand", ["--from=20220102", "--to=20220101"], "--from=20220102 is after --to=20220101"),
        ("kuairand", ["--to=20220231"], "'20220231' is not a day YYYYMMDD"),
        ("kuairand", ["--to=2022011"], "'2022011' is not a day YYYYMMDD"),
        ("kuairand", ["--signal=is_clik"], "column is_clik is missing; found 'user_id'"),
        ("amazon-x", ["--min_user=-1"], "'-1' is not a whole number"),
        ("mine", ["--format=table"], "l.csv, line 1: columns item_id and timestamp are missing; found 'user_id'"),
        ("mine", ["--format=table", "--columns=a,b,c"], ", separated by commas (--columns names the needed ones)"),
        ("mine", ["--format=table", "--columns=a,b"], "'a,b' is not three different names USER,ITEM,TIME"),
        ("mine", ["--format=table", "--columns=a,b,a"], "'a,b,a' is not three different names USER,ITEM,TIME"),
        ("amazon-x", ["--columns=a,b,c"], "--columns does not fit the format of amazon-x"),
        ("amazon-x", ["--format=netflix"], "invalid choice: 'netflix'"),
        ("amazon-x", ["--bad-line=skip"], "unrecognized arguments"),
    ],
)
def test_wrong_options_are_one_sentence(dataset, options, message, capsys):
    raw(KUAIRAND + KUAIRAND_ROWS[0], "l.csv")
    assert message in mistake(capsys, dataset, "l.csv", *options)


def test_what_was_left_at_which_step(capsys):
    error = mistake(capsys, "amazon-x", raw(AMAZON), "--min_rating=2", "--duplicates=last", "--min_item=2")
    assert error.endswith(
        "nothing is left of amazon-x: 4 interactions read, 3 selected by --min_rating, 3 without duplicates, "
        "0 with at least 5 a user and 2 an item\n"
    )


# Amazon Reviews 2023

REVIEWS_2023 = (
    '{"rating": 5.0, "title": "x", "asin": "a-red", "parent_asin": "a", "user_id": "u", "timestamp": 1677721600123}\n'
    '{"rating": 1, "parent_asin": "a", "user_id": "v", "timestamp": 1677721600100, "verified_purchase": true}\n'
    '{"rating": 3.0, "text": "it\'s \\"new\\"", "parent_asin": "b", "user_id": "u", "timestamp": 1677721600122}\n'
)
OUT_2023 = ["u\tb\t1677721600122", "u\ta\t1677721600123", "v\ta\t1677721600100"]


@pytest.mark.parametrize("name", ["All_Beauty.jsonl", "All_Beauty.jsonl.gz"])
def test_amazon_reviews_of_2023(name):
    assert prepared("amazon-beauty-2023", raw(REVIEWS_2023, name), *ALL) == OUT_2023
    assert prepared("amazon-beauty-2023", name, *ALL, "--min_rating=3", "--overwrite") == OUT_2023[:2]


@pytest.mark.parametrize("name", ["All_Beauty.csv", "All_Beauty.csv.gz"])
def test_amazon_ratings_of_2023(name):
    text = "\ufeffuser_id,parent_asin,rating,timestamp\r\nu,a,5.0,1677721600123\r\nv,a,1.0,1677721600100\r\n"
    text += "u,b,3.0,1677721600122\r\n"
    assert prepared("amazon-beauty-2023", raw(text, name), *ALL) == OUT_2023


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"rating": 5, "asin": "a", "user_id": "u", "timestamp": 1}', "line 4: parent_asin is missing"),
        ('{"rating": 5, "parent_asin": "a", "user_id": "u", "timestamp": "soon"}', "line 4: timestamp = 'soon' is not"),
        ('{"rating": 5, "parent_asin": "a\\u0000", "user_id": "u", "timestamp": 1}', "line 4: item = 'a\\x00' has a"),
        ('{"rating": 5, "parent_asin": "a", "user_id": "u\\u0085", "timestamp": 1}', "line 4: user = 'u\\x85' has a"),
        ('{"rating": 5, "parent_asin": "a"', "line 4: "),
    ],
)
def test_bad_reviews_of_2023_are_refused_by_line(line, message, capsys):
    assert message in mistake(capsys, "amazon-x", raw(REVIEWS_2023 + line + "\n", "r.jsonl"))


# Files as people have them


@pytest.mark.parametrize(
    ("dataset", "name", "text"),
    [
        ("amazon-x", "r.csv", "u,a,5,1\rv,b,5,2\r"),
        ("ml-x", "u.data", "1\t2\t5\t1\r2\t2\t5\t2\r"),
        ("kuairand", "log.csv", KUAIRAND.replace("\n", "\r") + KUAIRAND_ROWS[0].replace("\n", "\r")),
        ("lastfm", "tags.dat", "userID\tartistID\ttimestamp\r1\t2\t3\r"),
    ],
)
def test_carriage_returns_alone_are_refused(dataset, name, text, capsys):
    assert "lines end in a carriage return" in mistake(capsys, dataset, raw(text, name))


def test_only_blanks_separate_the_items_of_a_line(capsys):
    assert prepared("own", raw("u a\t b\n", "x.txt"), *ALL, "--format=lines") == ["u\ta\t1", "u\tb\t2"]
    for odd in ("\xa0", "\u2028", "\u3000", "\u200c"):
        assert prepared("own", raw(f"u a{odd}b c\n", "x.txt"), *ALL, "--format=lines", "--overwrite") == [
            f"u\ta{odd}b\t1", "u\tc\t2"
        ]  # fmt: skip
    for odd in ("\x85", "\x1c", "\x0b", "\x00"):
        error = mistake(capsys, "odd", raw(f"u a{odd}b c\n", "x.txt"), "--format=lines")
        assert "line 1: item = " in error and "control character" in error


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_raw_file_that_is_none(kind, capsys):
    Path("r.csv").mkdir() if kind == "folder" else Path("r.csv").symlink_to("gone")
    expected = {"folder": "raw file r.csv is a folder", "link": "r.csv cannot be read: No such file"}[kind]
    assert expected in mistake(capsys, "amazon-x", "r.csv")
