"""Files of data that are wrong: one sentence that names file and line, from the commands that people type."""

from pathlib import Path

import pytest
from helpers.raw_files import KUAIRAND, KUAIRAND_ROWS, raw
from helpers.refusals import SASREC, refused
from helpers.runs import HEADER, cycle_lines

from recbole_mdcns.cli.main import main, train_main

GOOD = "".join(cycle_lines())


@pytest.mark.parametrize(
    ("content", "culprits"),
    [
        (b"", ("tiny.inter",)),
        (HEADER.encode(), ("tiny.inter",)),
        (b"user_id\titem_id\ttimestamp\nu\ti\t1\n", ("tiny.inter", "line 1")),
        (b"user_id:token\titem_id:token\nu\ti\n", ("tiny.inter", "timestamp")),
        (b"user_id:token\titem_id:token\ttimestamp:float\titem_id:token\nu\ti\t1\ti\n", ("tiny.inter", "item_id")),
        (b"user_id:token,item_id:token,timestamp:float\nu,i,1\n", ("tiny.inter", "line 1")),
        (b"user_id:text\titem_id:token\ttimestamp:float\nu\ti\t1\n", ("tiny.inter", "user_id:text")),
        ((HEADER + GOOD + "u1\ti1\n").encode(), ("tiny.inter", "line 482")),
        ((HEADER + GOOD + "u1\ti1\t3\textra\n").encode(), ("tiny.inter", "line 482")),
        ((HEADER + GOOD + "\ti1\t3\n").encode(), ("tiny.inter", "line 482", "user_id")),
        ((HEADER + GOOD + "u1\t\t3\n").encode(), ("tiny.inter", "line 482", "item_id")),
        ((HEADER + GOOD + "u1\ti1\t\n").encode(), ("tiny.inter", "line 482", "timestamp")),
        ((HEADER + GOOD + "u1\ti1\tnoon\n").encode(), ("tiny.inter", "line 482", "noon")),
        ((HEADER + GOOD + "u1\ti1\tinf\n").encode(), ("tiny.inter", "line 482")),
        ((HEADER + GOOD + "u1\ti1\tnan\n").encode(), ("tiny.inter", "line 482")),
        ((HEADER + GOOD + "u1\0x\ti1\t3\n").encode(), ("tiny.inter", "line 482")),
        ((HEADER + GOOD + "u1\ti1\0\t3\n").encode(), ("tiny.inter", "line 482")),
        ((HEADER + GOOD).encode() + b"caf\xe9\ti1\t3\n", ("tiny.inter",)),
        ((HEADER + GOOD).encode("utf-16"), ("tiny.inter",)),
        ((HEADER + "u1\ti1\t1\nu2\ti2\t1\n").encode(), ("tiny",)),
        ((HEADER + "u1\ti1\t1\nu1\ti2\t2\n").encode(), ("tiny",)),
        (b"\x80\x04\x95", ("tiny.inter",)),
    ],
)
def test_bad_data(content, culprits, capsys):
    Path("data/tiny/tiny.inter").write_bytes(content)
    refused(train_main, SASREC, capsys, *culprits)


@pytest.mark.parametrize(
    ("content", "culprits"),
    [
        (b"item_id:token\tname:token\ni1\ta\tb\n", ("tiny.item", "line 2")),
        (b"item_id:token\tname:token\ni1\n", ("tiny.item", "line 2")),
        (b"item:token\tname:token\ni1\ta\n", ("tiny.item", "item_id")),
        (b"item_id\tname\ni1\ta\n", ("tiny.item",)),
        (b"", ("tiny.item",)),
        (b"item_id:token\tname:token\ni1\tcaf\xe9\n", ("tiny.item",)),
        (b"item_id:token\tprice:float\ni1\tcheap\n", ("tiny.item", "cheap")),
        (b"item_id:token\tname:token\tname:token\ni1\ta\tb\n", ("tiny.item", "name")),
    ],
)
def test_bad_item_files(content, culprits, capsys):
    Path("data/tiny/tiny.item").write_bytes(content)
    columns = "{'inter':['user_id','item_id','timestamp'],'item':'*'}"
    refused(train_main, [*SASREC, f"--load_col={columns}"], capsys, *culprits)


@pytest.mark.parametrize(
    ("content", "culprits"),
    [
        (b"", ("s.tsv", "line 1")),
        (b"user\tpart\n", ("s.tsv", "line 1")),
        (b"user_id:token\tpart:token\nu1\tlearn\n", ("s.tsv", "line 2", "learn")),
        (b"user_id:token\tpart:token\nu1 train\n", ("s.tsv", "line 2")),
        (b"user_id:token\tpart:token\nnobody\ttrain\n", ("s.tsv", "line 2", "nobody")),
        (b"user_id:token\tpart:token\nu1\ttrain\nu1\ttest\n", ("s.tsv", "line 3", "u1")),
        (b"user_id:token\tpart:token\nu1\ttrain\n", ("valid",)),
        (b"\xff\xfe", ("s.tsv",)),
    ],
)
def test_bad_split_files(content, culprits, capsys):
    Path("s.tsv").write_bytes(content)
    refused(train_main, [*SASREC, "--protocol=paper", "--split_file=s.tsv"], capsys, *culprits)


def folder_in_place(path):
    path.unlink()
    path.mkdir()


def dangling(path):
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize("spoil", [Path.unlink, folder_in_place, dangling])
def test_a_data_file_that_cannot_be_opened(spoil, capsys):
    spoil(Path("data/tiny/tiny.inter"))
    refused(train_main, SASREC, capsys, "tiny")


# Raw files and statistics


@pytest.mark.parametrize(
    ("name", "content", "options", "culprits"),
    [
        ("amazon-x/r.csv", b"u,a,5\n", [], ("r.csv", "line 1")),
        ("amazon-x/r.csv", b"u,a,5,1\nv,b\n", [], ("r.csv",)),
        ("amazon-x/r.csv", b"u,a\0b,5,1\n", [], ("r.csv", "line 1")),
        ("amazon-x/r.csv", b"u,a,5,noon\n", [], ("r.csv", "line 1", "noon")),
        ("amazon-x/r.csv", b"u,a,high,1\n", ["--min_rating=3"], ("r.csv", "line 1")),
        ("amazon-x/r.csv", b"\xff\xfe\n", [], ("r.csv",)),
        ("amazon-x/r.csv", b"", [], ("r.csv",)),
        ("amazon-x/r.json", b"{]\n", [], ("r.json", "line 1")),
        ("amazon-x/r.json", b"[]\n", [], ("r.json", "line 1")),
        ("amazon-x/r.json", b"__import__('os').system('touch made')\n", [], ("r.json", "line 1")),
        ("amazon-x/r.jsonl", b'{"user_id": "u"}\n', [], ("r.jsonl", "line 1", "parent_asin")),
        ("amazon-x/r.jsonl", b'{"user_id":"u","parent_asin":"a","rating":5,"timestamp":"noon"}\n', [], ("r.jsonl",)),
        ("amazon-x/r.json.gz", b"plain", [], ("r.json.gz",)),
        ("amazon-x/r.xml", b"<a/>\n", [], ("r.xml",)),
        ("amazon-x/r.csv", b"u,a,5,1\n", ["--min_user=x"], ("x",)),
        ("amazon-x/r.csv", b"u,a,5,1\n", ["--min_rating=x"], ("x",)),
        ("amazon-x/r.csv", b"u,a,5,1\n", ["--min_rating=nan"], ("--min_rating",)),
        ("amazon-x/r.csv", b"u,a,5,1\n", ["--duplicates=all"], ("all",)),
        ("amazon-x/r.csv", b"u,a,5,1\n", ["--signal=is_click"], ("--signal",)),
        ("amazon-x/r.csv", b"u,a,5,1\n", ["--what"], ("--what",)),
        ("amazon-x/r.csv", b"u,a,5,1\n", [], ("nothing is left",)),
        ("../x/r.csv", b"u,a,5,1\n", ["--format=amazon"], ("../x",)),
        ("mine/r.csv", b"u,a,5,1\n", [], ("--format",)),
        ("kuairand/l.csv", b"user_id,video_id\n1,2\n", [], ("l.csv", "line 1")),
        ("kuairand/l.csv", (KUAIRAND + KUAIRAND_ROWS[0]).encode(), ["--from=2022"], ("2022",)),
        ("kuairand/l.csv", (KUAIRAND + KUAIRAND_ROWS[0]).encode(), ["--signal=nope"], ("nope",)),
        ("lastfm/t.dat", b"userID\tartistID\n1\t2\n", [], ("t.dat", "line 1")),
        ("ml-x/r.dat", b"1::2::3\n", [], ("r.dat", "line 1")),
    ],
)
def test_bad_raw_files(name, content, options, culprits, capsys):
    dataset, _, file = name.rpartition("/")
    Path(file).write_bytes(content) if content == b"plain" else raw(content, file)
    refused(main, ["prepare", dataset, "--raw", file, "--out=out", *options], capsys, *culprits)
    assert not list(Path("out").rglob("*.inter")) and not Path("made").exists()


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["nowhere", "--data_path=data"], "nowhere"),
        (["../data/tiny", "--data_path=data"], "../data/tiny"),
        (["tiny", "--data_path=none"], "none"),
        (["tiny", "--data_path=data", "--user_field=who"], "who"),
        ([], "NAME"),
    ],
)
def test_bad_statistics(arguments, culprit, capsys):
    refused(main, ["stats", *arguments], capsys, culprit)
