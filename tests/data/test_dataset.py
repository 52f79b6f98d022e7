"""Rows as RecBole makes them, exact time order, full histories, left padding, and bad files."""

import urllib.error
from pathlib import Path

import pytest
import torch
from helpers.device import on
from helpers.runs import HEADER, tiny_config, write_inter
from recbole.data.dataset import SequentialDataset

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.load import load_splits
from recbole_mdcns.data.windows import window_index, windows
from recbole_mdcns.errors import DataError


def built(dataset):
    dataset._change_feat_format()
    return dataset


class ExactOrder(SequentialDataset):
    """RecBole's dataset, given its lines in the order of exact times: its own stable sort keeps them so."""

    def _change_feat_format(self):
        self.inter_feat = self.inter_feat.sort_values([self.uid_field, self.time_field], kind="stable")
        super()._change_feat_format()


@pytest.mark.parametrize("dataset", ["tiny", "ml-100k"])
def test_rows_equal_those_of_recbole(dataset):
    keys = {"data_path": MDCNSConfig("SASRec", "ml-100k")._data_path} if dataset == "ml-100k" else {}
    config = tiny_config(dataset=dataset, MAX_ITEM_LIST_LENGTH=5, **keys)
    ours, theirs = built(HistoryDataset(config)), built(ExactOrder(config))
    assert len(ours) == len(theirs) == {"tiny": 40 * 11, "ml-100k": 100_000 - 943}[dataset]
    rows = ours[:]
    for field in theirs.inter_feat.interaction:
        assert torch.equal(rows[field], theirs.inter_feat[field]), field
        assert torch.equal(ours.inter_feat[field], theirs.inter_feat[field]), field
    assert ours.field2seqlen["item_id_list"] == theirs.field2seqlen["item_id_list"] == 5
    assert (ours.inter_matrix() != theirs.inter_matrix()).nnz == 0


def test_ids_of_digits_are_text():
    """As RecBole reads them: 7, 07 and 007 are three items, and so they are to a file of items."""
    items = ["7", "07", "007", "1e1", "10"]
    write_inter([f"{user}\t{item}\t{t}\n" for user in range(6) for t, item in enumerate(items)], "digits")
    Path("data/digits/digits.item").write_text("item_id:token\tkind:token\n" + "".join(f"{i}\tk{i}\n" for i in items))
    load_col = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "kind"]}
    for keys in ({}, {"load_col": load_col}):
        config = tiny_config(dataset="digits", **keys)
        ours, theirs = HistoryDataset(config), SequentialDataset(config)
        assert ours.field2id_token["item_id"].tolist() == ["[PAD]", *items]
        assert ours.inter_feat["item_id"].tolist() == theirs.inter_feat["item_id"].tolist()
        assert set(ours.field2token_id["user_id"]) == set(theirs.field2token_id["user_id"])


@pytest.mark.parametrize("intervals", [("[5,inf)", "[20,inf)"), ("(5,30]", "[10,inf)"), ("[0,40)", "[0,100)")])
def test_filters_leave_what_recboles_leave(intervals):
    keys = dict(zip(("user_inter_num_interval", "item_inter_num_interval"), intervals))
    config = MDCNSConfig("SASRec", "ml-100k", config_dict=keys)
    ours, theirs = HistoryDataset(config), SequentialDataset(config)
    for field in ("user_id", "item_id"):
        assert (ours.field2id_token[field] == theirs.field2id_token[field]).all()
        assert ours.inter_feat[field].tolist() == theirs.inter_feat[field].tolist()


def test_leave_one_out_takes_the_rows_that_recbole_takes():
    lengths = [1, 2, 3, 4, 9]
    write_inter([f"u{n}\ti{step}\t{step}\n" for n in lengths for step in range(n)], "steps")
    config = tiny_config(dataset="steps")
    for ours, theirs in zip(HistoryDataset(config).build(), SequentialDataset(config).build()):
        pairs = [
            sorted(zip(part["user_id"].tolist(), part["item_id"].tolist()))
            for part in (ours.inter_feat, theirs.inter_feat)
        ]
        assert pairs[0] == pairs[1]


def test_rows_know_their_full_history():
    data = built(HistoryDataset(tiny_config(MAX_ITEM_LIST_LENGTH=3)))
    rows = data[:]
    for row in range(len(data)):
        inter = rows[row]
        start, end = int(inter["history_start"]), int(inter["history_end"])
        window = [item for item in inter["item_id_list"].tolist() if item]
        assert data.history.items[max(start, end - 3) : end].tolist() == window
        assert int(data.history.items[end]) == int(inter["item_id"])
    assert int((rows["history_end"] - rows["history_start"]).max()) == 11


def test_order_is_by_exact_time_and_ties_keep_the_order_of_the_file():
    """Seconds of 2022 differ by less than float32 resolves; c and d tie and come in the order of the file."""
    base = 1_650_000_000
    events = [("b", base + 2), ("a", base + 1), ("d", base + 3), ("c", base + 3), ("e", base + 4)]
    write_inter([f"u\t{item}\t{time}\n" for item, time in events], "times")
    data = built(HistoryDataset(tiny_config(dataset="times")))
    tokens = data.field2id_token["item_id"]
    assert [tokens[item] for item in data.history.items] == ["a", "b", "d", "c", "e"]


def test_windows_hold_the_newest_entries_at_the_asked_side():
    values = on(torch.tensor([10, 11, 12, 13, 20, 21]))  # the last prefix ends where the array does
    start, end = on(torch.tensor([0, 0, 4, 0])), on(torch.tensor([1, 4, 6, 0]))
    right = windows(values, *window_index(start, end, 3, "right"))
    assert right.tolist() == [[10, 0, 0], [11, 12, 13], [20, 21, 0], [0, 0, 0]]
    left = windows(values, *window_index(start, end, 3, "left"))
    assert left.tolist() == [[0, 0, 10], [11, 12, 13], [0, 20, 21], [0, 0, 0]]
    pairs = windows(torch.stack([values, -values], 1), *window_index(start, end, 2, "left"))
    assert pairs.tolist()[0] == [[0, 0], [10, -10]]


def test_left_padding_moves_rows_to_the_right_edge():
    right, left = (built(HistoryDataset(tiny_config(pad_side=side)))[:] for side in ("right", "left"))
    assert (left["item_length"] == 8).all()
    for row in range(len(right)):
        items = [item for item in right["item_id_list"][row].tolist() if item]
        assert left["item_id_list"][row].tolist() == [0] * (8 - len(items)) + items


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        (["u\ti\n"], HEADER, r"tiny.inter, line 2: expected 3 columns .* found \['u', 'i'\]"),
        (["u\ti\t1\n", "u\tj\tyesterday\n"], HEADER, r"line 3: timestamp = 'yesterday' is not a number"),
        (["u\ti\t1\n", "u\tj\tnan\n"], HEADER, r"line 3: timestamp = 'nan' is not a number"),
        (["u\t\t1\n"], HEADER, r"line 2: item_id is empty"),
        ([], HEADER, r"tiny.inter is empty"),
        (["u\ti\n"], "user_id:token\titem_id:token\n", r"line 1: column timestamp is missing; found user_id, item_id"),
        (["u,i,1\n"], "user_id:token,item_id:token,timestamp:float\n", r"line 1: column .* is not name:type"),
        (["u\ti\t1\n"], "user_id:token\titem_id:token\ttimestamp:token\n", r"timestamp:token must be timestamp:float"),
        (["u\ti\t1\n"], "user_id\titem_id\ttimestamp\n", r"line 1: column 'user_id' is not name:type"),
        (["u\ti\t1\n", "u\tj\t2\t3\n"], HEADER, r"line 3: expected 3 columns"),
        (["u\ti\t1\n", "\n", "u\tj\t2\n"], HEADER, r"line 3: expected 3 columns .* found \[''\]"),
        (["u\ti\t1\n", "v\ti\t1\n"], HEADER, r"no user with two interactions"),
    ],
)
def test_malformed_files_are_refused_by_name_and_line(lines, header, message):
    write_inter(lines, header=header)
    with pytest.raises(DataError, match=message):
        load_splits(tiny_config())


def test_a_dataset_that_leaves_nothing_to_evaluate_is_refused():
    write_inter([f"u{user}\ti{item}\t{item}\n" for user in range(5) for item in range(2)], "short")
    with pytest.raises(DataError, match="dataset 'short' splits into rows {'train': 5, 'valid': 0, 'test': 0}"):
        load_splits(tiny_config(dataset="short"))


def test_filters_that_leave_nothing_are_refused():
    with pytest.raises(DataError, match="tiny"):
        load_splits(tiny_config(user_inter_num_interval="[100,inf)"))


def test_a_missing_dataset_offline_names_the_file_to_put(monkeypatch):
    def offline(url):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(DataError, match=r"ml-1m.*no network.*put its interactions into data/ml-1m/ml-1m.inter"):
        load_splits(tiny_config(dataset="ml-1m"))
    with pytest.raises(DataError, match=r"put its interactions into data/unheard-of/unheard-of.inter"):
        load_splits(tiny_config(dataset="unheard-of"))
    with pytest.raises(DataError, match=r"there is no folder x+ for data_path"):  # a name that no file system takes
        load_splits(tiny_config(dataset="unheard-of", data_path="x" * 300))


def test_missing_values_in_other_columns_are_filled():
    header = "user_id:token\titem_id:token\ttimestamp:float\trating:float\n"
    write_inter(["u\ta\t1\t2\n", "u\tb\t2\t\n", "u\tc\t3\t4\n"], "rated", header=header)
    config = tiny_config(dataset="rated", load_col={"inter": ["user_id", "item_id", "timestamp", "rating"]})
    data = HistoryDataset(config)
    assert data.inter_feat["rating"].tolist() == [2.0, 3.0, 4.0]


def test_values_are_taken_literally():
    """Quotes and pandas' words for missing values are tokens like any others; the last line may lack its end."""
    write_inter(['u"\tNA\t1\n', 'u"\tnull\t2\n', 'u"\t"x\t3.5'], "odd")
    data = HistoryDataset(tiny_config(dataset="odd"))
    assert data.field2id_token["item_id"].tolist() == ["[PAD]", "NA", "null", '"x']
    assert data.inter_feat["timestamp"].tolist() == [1.0, 2.0, 3.5]


def test_a_number_in_a_column_that_is_not_used_may_be_anything():
    header = "user_id:token\titem_id:token\ttimestamp:float\trating:float\n"
    write_inter(["u\ta\t1\tgood\n", "u\tb\t2\t\n"], "rated", header=header)
    assert len(HistoryDataset(tiny_config(dataset="rated")).inter_feat) == 2
    every = tiny_config(dataset="rated", load_col={"inter": ["user_id", "item_id", "timestamp", "rating"]})
    with pytest.raises(DataError, match=r"line 2: rating = 'good' is not a number"):
        HistoryDataset(every)


def test_sequence_columns_are_checked_too():
    header = "user_id:token\titem_id:token\ttimestamp:float\ttags:float_seq\n"
    write_inter(["u\ta\t1\t1 2\n", "u\tb\t2\n"], "tags", header=header)
    config = tiny_config(dataset="tags", load_col={"inter": ["user_id", "item_id", "timestamp", "tags"]})
    with pytest.raises(DataError, match=r"line 3: expected 4 columns"):
        HistoryDataset(config)
