"""Atomic files as people have them: byte order marks, line ends, separators, quotes, NULs, and what cannot be read."""

import os
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import HEADER, TINY, cycle_lines, tiny_config

from recbole_mdcns.cli.main import train_main
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.files import atomic
from recbole_mdcns.data.files.atomic import read_inter
from recbole_mdcns.data.files.validate import Layout, check_header, check_is_file
from recbole_mdcns.data.load import load_splits
from recbole_mdcns.errors import DataError, UserError

TEXT = HEADER + "".join(cycle_lines(5, 9, 6))
ALL_COLUMNS = {"inter": ["user_id", "item_id", "timestamp"]}


def dataset(**keys):
    return HistoryDataset(tiny_config(dataset="file", **keys))


def put(content: bytes, suffix="inter"):
    path = Path("data/file") / f"file.{suffix}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def put_items(text: str):
    put((HEADER + "u\ta\t1\nu\tb\t2\nu\tc\t3\n").encode())
    return put(text.encode(), "item")


def with_items(*columns):
    return dataset(load_col={**ALL_COLUMNS, "item": ["item_id", *columns]})


def shown(data, field):
    return [str(data.field2id_token[field][int(number)]) for number in data.item_feat[field][1:]]


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (b"\xef\xbb\xbf" + TEXT.encode(), {}),
        (b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode(), {}),
        (TEXT.replace("\n", "\r\n").encode(), {}),
        (TEXT.replace("\n", "\r").encode(), {}),
        (TEXT.rstrip("\n").encode(), {}),
        (TEXT.replace("\t", "::").encode(), {"field_separator": "::"}),
        (TEXT.replace("\t", "||").encode(), {"field_separator": "||"}),
        (TEXT.replace("\t", "|").encode(), {"field_separator": "|"}),
        (TEXT.replace("\t", "§").encode(), {"field_separator": "§"}),
        (TEXT.encode("utf-16"), {"encoding": "utf-16"}),
        (TEXT.encode("latin-1"), {"encoding": "latin-1"}),
        (b"\xef\xbb\xbf" + TEXT.replace("\t", "::").encode(), {"field_separator": "::"}),
    ],
)
def test_the_same_lines_are_read_from_every_form(content, keys):
    put(TEXT.encode())
    plain = dataset()
    put(content)
    data = dataset(**keys)
    assert data.field2id_token["user_id"].tolist() == plain.field2id_token["user_id"].tolist()
    assert data.field2id_token["item_id"].tolist() == plain.field2id_token["item_id"].tolist()
    assert data.inter_feat.to_numpy().tolist() == plain.inter_feat.to_numpy().tolist()


NAMES = ["u\x85v", "u\u2028v", "u\x0bv", "u\x0cv", "u\x1cv", "u\xa0v", '"u', "u#", " u", "NA", "7", "07", "[PAD]x"]


def test_names_are_taken_literally_on_both_ways_of_reading():
    """The clean way leaves it to pandas, the other looks at each line."""
    path = put((HEADER + "".join(f"{name}\t{name}\t{t}\n" for name in NAMES for t in (1, 2.5))).encode())
    layout = Layout.of(tiny_config(dataset="file"))
    columns = check_header(path, layout)
    kinds = dict(columns)
    clean = atomic._read_clean(path, layout, columns, kinds)
    checked = atomic._read_checked(path, layout, columns, kinds)
    for frame in (clean, checked):
        assert frame["user_id"].tolist() == frame["item_id"].tolist() == [name for name in NAMES for _ in (1, 2)]
        assert frame["timestamp"].tolist() == [1.0, 2.5] * len(NAMES)


@pytest.mark.parametrize("separator", ["\t", ","])
def test_a_run_reads_its_own_split_file_whatever_users_are_called(separator):
    users = [f"{name}{number}" for name in NAMES for number in range(2)]
    users += ["tab\tin name"] if separator == "," else []
    lines = [f"{user}{separator}i{(n + t) % 20}{separator}{t}\n" for n, user in enumerate(users) for t in range(4)]
    put((HEADER.replace("\t", separator) + "".join(lines)).encode())
    keys = [
        f"--{key}={value}"
        for key, value in {**TINY, "epochs": 0, "protocol": "paper", "topk": [10], "valid_metric": "NDCG@10"}.items()
    ]
    keys += ["--dataset=file", "--neg_sampler=rns", f"--field_separator={separator!r}", "--embedding_size=16"]
    keys = [key for key in keys if not key.startswith("--embedding")]
    assert train_main(["--model=SASRec", *keys, "--result_file=first.json"]) == 0
    assert train_main(["--model=SASRec", *keys, "--result_file=second.json", "--split_file=first-split.tsv"]) == 0
    assert Path("first-split.tsv").read_bytes() == Path("second-split.tsv").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + "u\x001\ta\t1\nu\x002\tb\t2\n", r"file\.inter, line 2: user_id = 'u\\x001' has a NUL character"),
        (HEADER + "u\ta\t1\nu\tb\x00\t2\n", r"file\.inter, line 3: item_id = 'b\\x00' has a NUL character"),
        (HEADER + "u\ta\t1\nu\tb\t2\r9\n", r"file\.inter, line 4: expected 3 columns"),
        (HEADER + "u\ta\t1_0\nu\tb\t2\n", r"file\.inter, line 2: timestamp = '1_0' is not a number"),
        (HEADER + "u\ta\t1\nu\tb\t1e999\n", r"file\.inter, line 3: timestamp = '1e999' is not a number"),
        (
            "user_id:token\titem_id:token\titem_id:token\ttimestamp:float\nu\ta\tb\t1\n",
            "line 1: column item_id is named twice",
        ),
        (
            "user_id:token\tuser_id:float\titem_id:token\ttimestamp:float\nu\t1\tb\t1\n",
            "line 1: column user_id is named twice",
        ),
        ("", r"file\.inter is empty: its first line must name the columns"),
        ("\n", r"file\.inter, line 1: column '' is not name:type"),
        (HEADER, r"file\.inter is empty: it has a header and no interaction"),
        (HEADER + "u\udcff\ta\t1\n", r"file\.inter.*: not utf-8 text; set the key encoding"),
        (
            HEADER.replace("\t", "::") + "u::a::1\n",
            r"line 1: column 'user_id:token::.*separated by '\\t' \(field_separator",
        ),
    ],
)
def test_what_is_malformed_is_refused_by_file_and_line(content, message):
    put(content.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=message):
        dataset()


def test_nul_bytes_do_not_merge_users_in_statistics_and_features():
    put((HEADER + "u\x001\ta\t1\nu\x002\tb\t2\n").encode())
    layout = Layout({"user_id": "token"}, named_by="a test")
    path = Path("data/file/file.inter")
    with pytest.raises(DataError, match="line 2: user_id.*NUL"):
        read_inter(path, layout, check_header(path, layout), {"user_id"})
    put_items("item_id:token\tname:token\na\tx\nb\ty\x00z\n")
    with pytest.raises(DataError, match=r"file\.item, line 3: name = 'y\\x00z' has a NUL"):
        with_items("name")


def test_a_carriage_return_at_the_border_of_two_blocks_is_a_line_end(monkeypatch):
    path = put(TEXT.replace("\n", "\r\n").encode())
    lines = TEXT.splitlines()
    monkeypatch.setattr(atomic, "_BLOCK", len(lines[1]) + 1)  # the first block ends between the two
    assert atomic._lines_are_even(path, "\t", 3)


# -- what cannot be opened --------------------------------------------------------------------------------------------


def test_a_folder_in_place_of_the_file():
    Path("data/file/file.inter").mkdir(parents=True)
    with pytest.raises(DataError, match=r"data/file/file\.inter is a folder"):
        dataset()


def test_a_link_to_nothing():
    Path("data/file").mkdir()
    os.symlink("gone.inter", "data/file/file.inter")
    with pytest.raises(DataError, match=r"data/file/file\.inter is a link to gone\.inter, which is missing"):
        dataset()


def test_a_file_without_permission(monkeypatch):
    path = put(TEXT.encode())
    original = Path.open

    def refuse(self, *arguments, **keys):
        if self == path:
            raise PermissionError(13, "Permission denied")
        return original(self, *arguments, **keys)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"data/file/file\.inter cannot be read: Permission denied"):
        dataset()


@pytest.mark.parametrize("encoding", ["klingon", "hex"])
def test_an_encoding_that_nobody_knows(encoding):
    path = put(TEXT.encode())
    with pytest.raises(DataError, match=f"encoding = '{encoding}' is not known"):
        check_header(path, Layout({}, encoding=encoding))


def test_the_command_line_ends_in_one_sentence(capsys):
    Path("data/file/file.inter").mkdir(parents=True)
    assert train_main(["--model=SASRec", "--dataset=file", "--data_path=data"]) == 2
    error = capsys.readouterr().err
    assert "file.inter is a folder" in error and "Traceback" not in error


# -- items and users --------------------------------------------------------------------------------------------------

TITLES = ['"Quoted, title', '"A" and "B"', "NA", "it's, a 'title'"]


def test_quotes_and_words_are_titles_in_item_files():
    put((HEADER + "".join(f"u\ti{n}\t{n}\n" for n in range(4))).encode())
    put(
        ("item_id:token\ttitle:token\n" + "".join(f"i{n}\t{title}\n" for n, title in enumerate(TITLES))).encode(),
        "item",
    )
    assert shown(with_items("title"), "title") == TITLES


def test_sequences_are_read_as_arrays():
    path = put_items("item_id:token\ttags:token_seq\tvalues:float_seq\na\tx y\t1 2.5\nb\t\t\nc\t NA \t3\n")
    layout = Layout({"item_id": "token"}, "ITEM_ID_FIELD")
    columns = check_header(path, layout)
    for wanted in ({"item_id", "tags"}, {"item_id", "tags", "values"}):  # with numbers each line is looked at
        frame = read_inter(path, layout, columns, wanted)
        assert list(map(list, frame["tags"])) == [["x", "y"], [], ["NA"]]
    assert list(map(list, frame["values"])) == [[1.0, 2.5], [], [3.0]]


def test_sequences_of_numbers_are_cut_at_seq_len():
    put_items("item_id:token\tvalues:float_seq\na\t1 2.5\nb\t\nc\t3\n")
    data = with_items("values")
    assert data.field2seqlen["values"] == 2
    assert [list(map(float, each)) for each in data.item_feat["values"][1:]] == [[1.0, 2.5], [], [3.0]]
    cut = dataset(load_col={**ALL_COLUMNS, "item": ["item_id", "values"]}, seq_len={"values": 1})
    assert cut.field2seqlen["values"] == 1 and list(cut.item_feat["values"][1]) == [1.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item_id:token\tname:token\na\tx\t\nb\ty\n", r"file\.item, line 2: expected 2 columns \(item_id, name\)"),
        (
            "item_id:token\tname:token\na\tx\nb\ty\textra\n",
            r"file\.item, line 3: expected 2 columns .* found \['b', 'y', 'extra'\]",
        ),
        ("item_id:token\tname:token\na\tx\n\ty\n", r"file\.item, line 3: item_id is empty"),
        ("item_id:token\tname:float\na\tx\n", r"file\.item, line 2: name = 'x' is not a number"),
        ("item_id:token\tname:float_seq\na\t1 x\n", r"file\.item, line 2: name = '1 x' is not a number each"),
        ("item_id:token\tname:token\tname:token\na\tx\ty\n", r"file\.item, line 1: column name is named twice"),
        ("item:token\tname:token\na\tx\n", r"file\.item, line 1: column item_id is missing; found item, name"),
        (
            "item_id:token\ttitle:token\na\tx\n",
            r"load_col\.item names 'name', which data/file/file\.item does not have; found item_id, title",
        ),
        ("item_id:token\tname:token\n", r"file\.item is empty: it has a header and no item"),
        ("", r"file\.item is empty"),
    ],
)
def test_bad_item_files_are_refused_by_line(text, message):
    put_items(text)
    with pytest.raises(DataError, match=message):
        with_items("name")


@pytest.mark.parametrize(("source", "content"), [("item", "items"), ("user", "users")])
def test_a_file_of_features_that_load_col_asks_for_must_be_there(source, content):
    put(TEXT.encode())
    with pytest.raises(DataError, match=rf"dataset file data/file/file\.{source} is missing: put the {content} of"):
        dataset(load_col={**ALL_COLUMNS, source: [f"{source}_id", "name"]})
    Path(f"data/file/file.{source}").mkdir()
    with pytest.raises(DataError, match=rf"data/file/file\.{source} is a folder"):
        dataset(load_col=None)
    assert dataset()  # nobody asks for it


def test_a_missing_file_of_another_kind_is_not_said_to_hold_interactions():
    with pytest.raises(DataError, match=r"file\.ent is missing: put the rows of 'file' there"):
        check_is_file(Path("data/file/file.ent"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"load_col": {"inter": [*ALL_COLUMNS["inter"], "rating"]}},
            r"load_col\.inter names 'rating', which .*found user_id, item_id",
        ),
        ({"load_col": None, "unload_col": {"inter": ["rating"]}}, r"unload_col\.inter names 'rating'"),
        (
            {"load_col": None, "unload_col": {"inter": ["timestamp"]}},
            r"unload_col\.inter = .*must not hold .*timestamp",
        ),
        (
            {"load_col": {**ALL_COLUMNS, "item": ["name"]}},
            r"load_col\.item = \[.name.\] is not allowed: it must hold item_id",
        ),
        ({"load_col": {**ALL_COLUMNS, "items": ["name"]}}, r"load_col\.items = .*did you mean item"),
        ({"load_col": {**ALL_COLUMNS, "item": "name"}}, r"load_col\.item = 'name' is not allowed: expected a list"),
        ({"load_col": {**ALL_COLUMNS, "item": None}}, r"load_col\.item = None is not allowed: expected a list"),
        ({"additional_feat_suffix": ["ent"]}, r"dataset file data/file/file\.ent is missing"),
        ({"additional_feat_suffix": ["item"]}, r"additional_feat_suffix = \['item'\] is not allowed"),
        ({"val_interval": {"rating": "[3,inf)"}}, r"val_interval\.rating = .*has no column rating"),
    ],
)
def test_columns_that_are_not_there_are_named(keys, message):
    put_items("item_id:token\tname:token\na\tx\nb\ty\nc\tz\n")
    with pytest.raises(UserError, match=message):
        dataset(**keys)


def test_unload_col_leaves_columns_out():
    put_items("item_id:token\tname:token\tyear:float\na\tx\t1\nb\ty\t2\nc\tz\t\n")
    data = dataset(load_col=None, unload_col={"item": ["name"]})
    assert set(data.item_feat.columns) == {"item_id", "year"}
    assert data.item_feat["year"].tolist()[1:] == [1.0, 2.0, 1.5]  # a missing number is the mean


def test_arrays_of_a_frame_stay_whole_numbers():
    put(TEXT.encode())
    assert (
        load_splits(tiny_config(dataset="file", topk=[5], valid_metric="NDCG@5"))[0].history.items.numpy().dtype
        == np.int64
    )
