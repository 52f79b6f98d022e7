"""What leaves nothing to train on is one sentence; a bug of ours is a traceback."""

import os
from pathlib import Path

import pytest
from helpers.runs import HEADER, TINY, tiny_config, write_inter

from recbole_mdcns.cli.main import main, train_main
from recbole_mdcns.data import dataset as dataset_module
from recbole_mdcns.data import load
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.files import tables
from recbole_mdcns.data.load import load_splits
from recbole_mdcns.errors import DataError, UserError

RATED = "user_id:token\titem_id:token\ttimestamp:float\trating:float\n"
WITH_RATING = {"inter": ["user_id", "item_id", "timestamp", "rating"]}


@pytest.mark.parametrize("error", [AttributeError, KeyError, TypeError, ValueError, IndexError, NotImplementedError])
@pytest.mark.parametrize(
    ("module", "place"),
    [
        (dataset_module, "find_problems"),
        (dataset_module, "filter_by_counts"),
        (dataset_module, "HistoryIndex"),
        (tables, "read_inter"),
        (tables, "chosen_columns"),
    ],
)
def test_our_own_mistakes_are_no_mistakes_of_the_user(monkeypatch, module, place, error):
    def broken(*arguments, **keys):
        raise error("planted")

    monkeypatch.setattr(module, place, broken)
    with pytest.raises(error, match="planted"):
        load_splits(tiny_config())


@pytest.mark.parametrize("place", ["_unexpected", "_only_evaluated", "_repeated"])
def test_our_own_mistakes_after_the_split_are_no_mistakes_of_the_user(monkeypatch, place):
    def broken(*arguments, **keys):
        raise AttributeError("planted")

    monkeypatch.setattr(load, place, broken)
    with pytest.raises(AttributeError, match="planted"):
        load_splits(tiny_config())


@pytest.mark.parametrize("column", ["history_start", "history_end", "item_length", "item_id_list", "timestamp_list"])
def test_a_column_with_the_name_of_a_made_one_is_refused(column):
    header = RATED.replace("rating:float", f"{column}:token")
    write_inter([f"u{u}\ti{t}\t{t}\t{t % 5}\n" for u in range(6) for t in range(5)], "taken", header=header)
    columns = ["user_id", "item_id", "timestamp"]
    load_splits(tiny_config(dataset="taken", load_col={"inter": columns}))
    with pytest.raises(DataError, match=f"dataset 'taken' has a column {column}, the name of a column that is made"):
        load_splits(tiny_config(dataset="taken", load_col={"inter": [*columns, column]}))


def test_users_in_a_column_with_the_name_of_a_made_one_are_refused():
    write_inter(
        [f"u{u}\ti{t}\t{t}\n" for u in range(6) for t in range(5)], "taken", HEADER.replace("user_id", "history_end")
    )
    with pytest.raises(DataError, match="dataset 'taken' has a column history_end, the name of a column that is made"):
        load_splits(tiny_config(dataset="taken", USER_ID_FIELD="history_end"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"normalize_field": ["age"]}, r"dataset 'rated' cannot be loaded: Field \[age\] does not exist"),
        ({"preload_weight": {"age": "rating"}}, r"Preload id field \[age\] not exist"),
        ({"alias_of_user_id": ["item_id"]}, r"should not have the same field"),
    ],
)
def test_what_recbole_refuses_is_one_sentence(keys, message):
    write_inter([f"u{u}\ti{t}\t{t}\t{t % 5}\n" for u in range(6) for t in range(5)], "rated", header=RATED)
    with pytest.raises(UserError, match=message):
        HistoryDataset(tiny_config(dataset="rated", load_col=WITH_RATING, **keys))


@pytest.mark.parametrize(
    "keys",
    [
        {"user_inter_num_interval": "[100,inf)"},
        {"item_inter_num_interval": "(9,inf)"},
        {"val_interval": {"rating": "[9,inf)"}},
        {"val_interval": {"item_id": ["nobody's"]}},
        {"val_interval": {"rating": "[4,4]"}, "user_inter_num_interval": "[2,inf)"},
    ],
)
def test_filters_that_leave_nothing_are_named(keys):
    write_inter([f"u{u}\ti{t}\t{t}\t{t % 5}\n" for u in range(6) for t in range(5)], "rated", header=RATED)
    with pytest.raises(DataError, match=r"the filters leave no interaction|leaves no row|no line has") as found:
        HistoryDataset(tiny_config(dataset="rated", load_col=WITH_RATING, **keys))
    for key, value in keys.items():
        inner = value if isinstance(value, dict) else {}
        assert f"{key} = {value!r}" in str(found.value) or all(
            f"{key}.{k} = {v!r}" in str(found.value) for k, v in inner.items()
        )


def test_filters_that_leave_no_item_features_are_named():
    write_inter([f"u{u}\ti{t}\t{t}\n" for u in range(6) for t in range(5)], "rated")
    Path("data/rated/rated.item").write_text("item_id:token\tyear:float\n" + "".join(f"i{t}\t{t}\n" for t in range(5)))
    load_col = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "year"]}
    keys = {"val_interval": {"year": "[1990,inf)"}, "filter_inter_by_user_or_item": False}
    with pytest.raises(DataError, match=r"val_interval\.year = .*leaves no row"):
        HistoryDataset(tiny_config(dataset="rated", load_col=load_col, **keys))


@pytest.mark.parametrize(
    ("lines", "keys", "message"),
    [
        (
            [f"u\ti{t}\t{t}\n" for t in range(3)],
            {},
            r"rows {'train': 1, 'valid': 0, 'test': 1}.*four interactions, of 1 users",
        ),
        (
            [f"u{u}\ti{t}\t{t}\n" for u in range(3) for t in range(2)],
            {},
            r"'valid': 0, 'test': 0.*four interactions, of 3 users",
        ),
        (
            [f"u\ti{t}\t{t}\n" for t in range(9)],
            {"protocol": "paper"},
            r"'valid': 0, 'test': 1}.*split_ratio = \[0.7, 0.2, 0.1\] gives users {'train': 0, 'valid': 0, 'test': 1}",
        ),
        (
            [f"u{u}\ti{t}\t{t}\n" for u in range(9) for t in range(3)],
            {"protocol": "paper", "split_ratio": [0.8, 0.2, 0]},
            r"'test': 0}.*split_ratio = \[0.8, 0.2, 0\] gives users {'train': 7, 'valid': 2, 'test': 0}, of 9 users",
        ),
        ([f"u{u}\ti\t{u}\n" for u in range(9)], {}, r"no user with two interactions"),
        (["u\ti\t1\n"], {}, r"no user with two interactions"),
    ],
)  # fmt: skip
def test_a_part_without_rows_says_what_was_found(lines, keys, message):
    write_inter(lines, "small")
    with pytest.raises(DataError, match=message):
        load_splits(tiny_config(dataset="small", **keys))


def test_a_split_file_without_users_for_a_part_is_named():
    Path("split.tsv").write_text("user_id:token\tpart:token\n" + "".join(f"u{u}\ttrain\n" for u in range(40)))
    with pytest.raises(DataError, match=r"split_file = 'split.tsv' gives users {'train': 40, 'valid': 0, 'test': 0}"):
        load_splits(tiny_config(protocol="paper", split_file="split.tsv"))


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["u\ti\t1\n", "u\ti\t2\n", "u\ti\t3\n", "u\ti\t4\n"], "1 items"),
        ([f"u{u}\ti\t{t}\n" for u in range(5) for t in range(6)], "1 items"),
        ([f"u\ti{t}\t{t}\n" for t in range(6)], "6 items"),
    ],
)
def test_one_user_or_one_item_is_one_sentence(lines, named, capsys):
    write_inter(lines, "one")
    keys = [f"--{key}={value}" for key, value in TINY.items() if key != "embedding_size"]
    assert train_main(["--model=SASRec", "--dataset=one", "--neg_sampler=rns", *keys]) == 2
    error = capsys.readouterr().err
    assert named in error and "Traceback" not in error


def test_a_split_file_with_a_mark_and_line_ends_of_windows_is_read():
    users = [f"u{u}\t{'train' if u < 30 else 'valid' if u < 35 else 'test'}" for u in range(40)]
    text = "\ufeff" + "\r\n".join(["user_id:token\tpart:token", *users]) + "\r\n"
    Path("split.tsv").write_bytes(text.encode())
    whole, _ = load_splits(tiny_config(protocol="paper", split_file="split.tsv"))
    assert {part: len(names) for part, names in whole.user_split.items()} == {"train": 30, "valid": 5, "test": 5}


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("gone")])
def test_a_split_file_that_is_none_is_refused(make):
    make(Path("split.tsv"))
    with pytest.raises(DataError, match=r"split_file split\.tsv cannot be read"):
        load_splits(tiny_config(protocol="paper", split_file="split.tsv"))


# -- ml-100k -----------------------------------------------------------------------------------------------------------


def own_ml_100k(folder="mine"):
    path = Path(folder) / "ml-100k" / "ml-100k.inter"
    path.parent.mkdir(parents=True)
    path.write_text(HEADER + "".join(f"mine{u}\tfilm{t}\t{t}\n" for u in range(8) for t in range(6)))
    return path


def loaded(data_path, caplog):
    """Load ml-100k; return the dataset and the line of the log that says where it comes from."""
    caplog.set_level("INFO")
    config = tiny_config(dataset="ml-100k", data_path=data_path)
    assert config.plain()["data_path"] == os.path.expanduser(data_path)
    data = load.load_dataset(config)
    (line,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Interactions: ")]
    return data, line


@pytest.mark.parametrize("data_path", ["mine", "mine/", "./mine", "~/mine"])
def test_the_users_own_ml_100k_wins(data_path, caplog, monkeypatch):
    path = own_ml_100k()
    monkeypatch.setenv("HOME", str(Path.cwd()))
    data, line = loaded(data_path, caplog)
    assert data.item_num - 1 == 6 and "film0" in data.field2token_id["item_id"]
    assert line.endswith(str(path)) and "ships" not in line


def test_an_absolute_path_to_ml_100k(caplog):
    path = own_ml_100k().absolute()
    data, line = loaded(str(path.parent.parent), caplog)
    assert data.item_num - 1 == 6 and line == f"Interactions: {path}"


def test_the_shipped_ml_100k_is_read_where_there_is_none(caplog):
    data, line = loaded("mine", caplog)
    assert data.item_num - 1 == 1682 and "the copy that RecBole ships" in line


def test_a_broken_ml_100k_of_the_user_is_not_replaced_silently():
    Path("mine/ml-100k/ml-100k.inter").mkdir(parents=True)
    with pytest.raises(DataError, match=r"mine/ml-100k/ml-100k\.inter is a folder"):
        HistoryDataset(tiny_config(dataset="ml-100k", data_path="mine"))


def test_the_command_that_prepare_prints_reads_what_prepare_wrote(capsys, caplog):
    Path("u.data").write_text("".join(f"{u}\t{u + t}\t5\t{t}\n" for u in range(30) for t in range(6)))
    assert main(["prepare", "ml-100k", "--raw", "u.data", "--out=mine"]) == 0
    assert "--dataset=ml-100k --data_path=mine" in capsys.readouterr().out
    data, line = loaded("mine", caplog)
    assert data.user_num - 1 == 30 and line == "Interactions: mine/ml-100k/ml-100k.inter"
