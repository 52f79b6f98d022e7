"""Rows as RecBole makes them, exact time order, full histories, left padding, and bad files."""

import urllib.error

import pytest
import torch
from conftest import HEADER, tiny_config, write_inter
from recbole.data.dataset import SequentialDataset

from recbole_mdcns.data.dataset import HistoryDataset, load_splits, shift_right
from recbole_mdcns.errors import DataError


def built(dataset):
    dataset._change_feat_format()
    return dataset


def test_rows_equal_those_of_recbole():
    config = tiny_config(MAX_ITEM_LIST_LENGTH=5)
    ours, theirs = built(HistoryDataset(config)), built(SequentialDataset(config))
    assert len(ours) == len(theirs) == 40 * 11
    for field in theirs.inter_feat:
        assert torch.equal(ours.inter_feat[field], theirs.inter_feat[field]), field


def test_rows_know_their_full_history():
    data = built(HistoryDataset(tiny_config(MAX_ITEM_LIST_LENGTH=3)))
    for row in range(len(data)):
        inter = data.inter_feat[row]
        start, end = int(inter["history_start"]), int(inter["history_end"])
        window = [item for item in inter["item_id_list"].tolist() if item]
        assert data.history.items[max(start, end - 3) : end].tolist() == window
        assert int(data.history.items[end]) == int(inter["item_id"])
    assert int((data.inter_feat["history_end"] - data.inter_feat["history_start"]).max()) == 11


def test_order_is_by_exact_time_and_ties_keep_the_order_of_the_file():
    """Seconds of 2022 differ by less than float32 resolves; c and d tie and come in the order of the file."""
    base = 1_650_000_000
    events = [("b", base + 2), ("a", base + 1), ("d", base + 3), ("c", base + 3), ("e", base + 4)]
    write_inter([f"u\t{item}\t{time}\n" for item, time in events], "times")
    data = built(HistoryDataset(tiny_config(dataset="times")))
    tokens = data.field2id_token["item_id"]
    assert [tokens[item] for item in data.history.items] == ["a", "b", "d", "c", "e"]


def test_left_padding_moves_rows_to_the_right_edge():
    table, length = torch.tensor([[1, 2, 0, 0], [3, 4, 5, 6], [7, 0, 0, 0]]), torch.tensor([2, 4, 1])
    assert shift_right(table, length).tolist() == [[0, 0, 1, 2], [3, 4, 5, 6], [0, 0, 0, 7]]
    right = built(HistoryDataset(tiny_config()))
    left = built(HistoryDataset(tiny_config(pad_side="left")))
    assert (left.inter_feat["item_length"] == 8).all()
    for row in range(len(right)):
        items = [item for item in right.inter_feat["item_id_list"][row].tolist() if item]
        assert left.inter_feat["item_id_list"][row].tolist() == [0] * (8 - len(items)) + items


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
        (["u\ti\t1\n"], "user_id\titem_id\ttimestamp\n", r"line 1: column 'user_id' is not name:type"),
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


def test_missing_values_in_other_columns_are_filled():
    header = "user_id:token\titem_id:token\ttimestamp:float\trating:float\n"
    write_inter(["u\ta\t1\t2\n", "u\tb\t2\t\n", "u\tc\t3\t4\n"], "rated", header=header)
    config = tiny_config(dataset="rated", load_col={"inter": ["user_id", "item_id", "timestamp", "rating"]})
    data = HistoryDataset(config)
    assert data.inter_feat["rating"].tolist() == [2.0, 3.0, 4.0]
