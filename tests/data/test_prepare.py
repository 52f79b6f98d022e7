"""From raw rows to an atomic file: order, duplicates, k-core, and writing whole or not at all."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from helpers.raw_files import ALL, AMAZON, AMAZON_OUT, output, prepared, raw, run
from helpers.runs import HEADER, TINY
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_mdcns.cli.main import main
from recbole_mdcns.data.prepare import interactions, prepare
from recbole_mdcns.errors import FAILURE, INTERRUPTED, USER_ERROR

# Order, duplicates, k-core, times


def test_users_come_in_the_order_of_the_raw_file_whatever_is_filtered():
    text = "w,a,1,1\nv,a,5,2\nu,a,5,3\nw,b,5,4\n"
    assert prepared("amazon-x", raw(text), *ALL, "--min_rating=2") == ["w\tb\t4", "v\ta\t2", "u\ta\t3"]


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
    assert prepared("amazon-x", name, "--duplicates=first", "--min_user=3", "--min_item=0")[0] == "v\ta\t1"
    assert len(prepared("amazon-x", name, "--min_user=3", "--min_item=0", "--overwrite")) == 6


def test_the_k_core_is_five_by_default_and_iterated(capsys):
    square = [f"u{u},i{i},5,{u + i}\n" for u in range(5) for i in range(5)]
    extra = [f"x,i{i},5,1\n" for i in range(4)] + ["x,j,5,2\n"]  # j has one user; without it, x has four items
    lines = prepared("amazon-x", raw("".join(extra + square)))
    assert len(lines) == 25 and lines[0] == "u0\ti0\t0"
    printed = capsys.readouterr().out
    assert "30 interactions read, 25 with at least 5 a user and 5 an item" in printed
    assert "|       5 |       5 |             25 |           5.0 |      0.00% |" in printed
    assert "next: recbole-mdcns train --model=SASRec --dataset=amazon-x --data_path=out" in printed


@pytest.mark.parametrize(
    ("item_num", "length", "keys"),
    [
        (130, 12, ""),  # at most ten items in training: 120 are left
        (105, 12, " --neg_candidate_num=95"),
        (15, 12, " --topk='[5,10]' --neg_candidate_num=5"),
        (9, 6, " --topk='[5]' --valid_metric=NDCG@5 --neg_candidate_num=5"),
        (4, 5, " --topk='[4]' --valid_metric=NDCG@4 --neg_candidate_num=1"),
        (4, 6, " --topk='[4]' --valid_metric=NDCG@4 --ranking_loss=CE"),
    ],
)
def test_the_next_command_has_the_keys_that_few_items_need(item_num, length, keys, capsys):
    """Each item begins the walk of one user around a circle of all items."""
    text = "".join(f"u{u},i{(u + step) % item_num},5,{step}\n" for u in range(item_num) for step in range(length))
    prepared("amazon-x", raw(text), *ALL)
    command = f"next: recbole-mdcns train --model=SASRec --dataset=amazon-x --data_path=out{keys}"
    assert capsys.readouterr().out.splitlines()[-1] == command
    if item_num < 10:
        short = {key: value for key, value in TINY.items() if key not in ("data_path", "neg_candidate_num")}
        extra = [f"--{key}={value}" for key, value in {**short, "epochs": 1}.items()]
        assert main([*shlex.split(command)[2:], *extra]) == 0


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
    options = (f"--min_user={user_min}", f"--min_item={item_min}", f"--duplicates={duplicates}")
    assert run("amazon-x", name, *options) == (0 if expected else USER_ERROR)
    if expected:
        assert output("amazon-x") == ["\t".join(map(str, row)) for row in expected]


# Writing


def test_an_output_is_replaced_only_when_asked(capsys):
    assert prepared("amazon-x", raw(AMAZON), *ALL) == AMAZON_OUT
    raw("u,z,1,1\n")
    assert run("amazon-x", "raw.csv", *ALL) == USER_ERROR
    assert "amazon-x.inter exists: add --overwrite" in capsys.readouterr().err
    assert output("amazon-x") == AMAZON_OUT
    assert prepared("amazon-x", "raw.csv", *ALL, "--overwrite") == ["u\tz\t1"]


@pytest.mark.parametrize(
    ("failure", "code"),
    [(OSError(28, "No space left on device"), FAILURE), (KeyboardInterrupt(), INTERRUPTED)],
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


# The command line


def test_the_command_prepares_counts_and_refuses(capsys):
    raw(AMAZON, "my ratings.csv.gz")
    arguments = ["prepare", "amazon-x", "--raw", "my ratings.csv.gz", "--out", "my out", *ALL]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert Path("my out/amazon-x/amazon-x.inter").read_text() == HEADER + "".join(f"{line}\n" for line in AMAZON_OUT)
    assert "--dataset=amazon-x --data_path='my out'" in printed.out
    row = "| amazon-x  |       2 |       3 |              4 |           2.0 |     33.33% |"
    assert row in printed.out
    assert main(["stats", "amazon-x", "--data_path", "my out"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [row]
    assert main(arguments) == 2
    again = capsys.readouterr().err
    assert again.count("\n") == 1 and "Traceback" not in again
