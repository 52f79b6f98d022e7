"""Yaml files: plain values in UTF-8, each key once, and nothing that is executed."""

import os
from pathlib import Path

import pytest

from recbole_mdcns.cli.main import main, train_main
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import USER_ERROR, ConfigError
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml, recbole_properties_dir

ALIASES = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)
)
#: What a file holds, and what the one sentence names.
BAD = {
    "a key twice": (b"epochs: 1\nseed: 2\nepochs: 3\n", "epochs is given twice, in lines 1 and 3"),
    "a key twice inside": (b"peer:\n  n_layers: 1\n  n_layers: 1\n", "n_layers is given twice, in lines 2 and 3"),
    "a key twice in braces": (b"eval_args: {mode: full, mode: full}\n", "mode is given twice, in lines 1 and 1"),
    "a key twice in a list": (b"metrics: [{a: 1, a: 2}]\n", "a is given twice"),
    "a number as a key": (b"seed: 1\n1: 2\n", "line 2: key '1' is not text"),
    "a number as a key inside": (b"load_col:\n  1: [a]\n", "line 2: key '1' is not text"),
    "yes as a key": (b"on: 1\n", "line 1: key 'on' is not text"),
    "nothing as a key": (b"~: 1\n", "key '~' is not text"),
    "a list as a key": (b"? [a, b]\n: 1\n", "line 1: key a list or a dict is not text"),
    "Latin 1": ("seed: 1\nwandb_project: Café\n".encode("latin-1"), "line 2 is not UTF-8 (byte 0xe9)"),
    "UTF-16": ("seed: 1\n".encode("utf-16"), "line 1 is not UTF-8 (byte 0xff)"),
    "half of a pair": (b"wandb_project: \xed\xa0\x80\n", "line 1 is not UTF-8"),
    "a value in itself": (b"load_col: &x [*x]\n", "line 1: a value contains itself"),
    "a dict in itself": (b"load_col: &x {inter: *x}\n", "line 1: a value contains itself"),
    "aliases of aliases": (ALIASES.encode(), "aliases stand for more than"),
    "very deep": (b"metrics: " + b"[" * 500 + b"]" * 500, "nested more than 50 deep"),
    "deeper than libyaml goes": (b"metrics: " + b"[" * 100_000, "is not yaml"),
    "a list at the top": (b"- epochs\n- seed\n", "must hold lines 'key: value', found a list"),
    "a text at the top": (b"epochs=3\n", "must hold lines 'key: value', found 'epochs=3'"),
    "two documents": (b"seed: 1\n---\nseed: 2\n", "expected a single document"),
    "a tab": (b"peer:\n\tn_layers: 1\n", "line 2 is not yaml: while scanning for the next token"),
    "an open list": (b"topk: [1, 2\n", "line 2 is not yaml"),
    "an open quote": (b"neg_sampler: 'rns\n", "is not yaml"),
    "two colons": (b"seed: 1: 2\n", "line 1 is not yaml"),
    "no such alias": (b"seed: *other\n", "line 1 is not yaml: found undefined alias"),
    "a NUL byte": (b"wandb_project: a\x00b\n", "is not yaml: unacceptable character #x0000"),
    "a date": (b"dataset: 2020-01-01\n", "line 1: a value of kind !!timestamp is not allowed"),
    "a set": (b"metrics: !!set {NDCG, MRR}\n", "a value of kind !!set is not allowed"),
    "a wrong tag": (b"seed: !!int many\n", "has a value that its type does not allow"),
    "a number of 6000 digits": (b"seed: " + b"9" * 6000, "has a value that its type does not allow"),
    "merging a number": (b"<<: 5\n", "expected a mapping"),
    "a user's own tag": (b"seed: !mine 5\n", "kind !mine"),
    "a call": (b"seed: !!python/object/apply:os.system ['touch made']\n", "kind !!python/object/apply:os.system"),
    "a new object": (b"!!python/object/new:os.system ['touch made']\n", "kind !!python/object/new:os.system"),
    "a name of Python": (b"seed: !!python/name:os.system\n", "kind !!python/name:os.system"),
    "a module of Python": (b"seed: !!python/module:mine\n", "kind !!python/module:mine"),
    "a call as a key": (b"? !!python/object/apply:os.system ['touch made']\n: 1\n", "is not text"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("entry", ["run", "sweep"])
def test_a_bad_yaml_ends_in_one_sentence_and_runs_nothing(case, entry, capsys):
    content, culprit = BAD[case]
    Path("mine.py").write_text("open('made', 'w')\n")
    Path("bad.yaml").write_bytes(content)
    if entry == "run":
        assert train_main(["-m", "SASRec", "-d", "tiny", "--config_files", "bad.yaml"]) == USER_ERROR
    else:
        assert main(["status", "bad.yaml"]) == 2
    error = capsys.readouterr().err
    assert "config file bad.yaml" in error and culprit in error
    assert len(error.strip().splitlines()) == 1 and "Traceback" not in error
    assert sorted(os.listdir()) == ["bad.yaml", "data", "mine.py"]


def test_every_yaml_file_that_ships_is_read():
    files = [path for folder in (recbole_properties_dir(), properties_dir()) for path in folder.rglob("*.yaml")]
    assert len(files) > 100 and all(isinstance(read_yaml(path), dict) for path in files)


def test_what_yaml_allows_is_read():
    Path("good.yaml").write_bytes(
        b"\xef\xbb\xbfbase: &base {x: 1, y: 2}\nmore: {<<: *base, x: 3}\n<<: *base\n"
        b"rate: 1e-3\nname: '2018'\nlast: .inf\n"
    )
    assert read_yaml("good.yaml") == {
        "base": {"x": 1, "y": 2}, "more": {"x": 3, "y": 2}, "x": 1, "y": 2, "rate": 0.001, "name": "2018",
        "last": float("inf"),
    }  # fmt: skip
    Path("empty.yaml").write_text("# nothing\n")
    assert read_yaml("empty.yaml") == {}


@pytest.mark.parametrize("kind", [str, Path, lambda name: [name], lambda name: (Path(name),)])
def test_one_file_needs_no_list(kind):
    Path("one.yaml").write_text("epochs: 7\n")
    assert MDCNSConfig("SASRec", "tiny", kind("one.yaml"))["epochs"] == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config_file_list": "gone.yaml"}, "config file gone.yaml cannot be read: No such file"),
        ({"config_file_list": "on.yaml"}, "on.yaml cannot be read: No such file or directory .did you mean one.yaml"),
        ({"config_file_list": "data"}, "config file data cannot be read: Is a directory"),
        ({"config_file_list": ["a\0b.yaml"]}, "cannot be read: embedded null byte"),
        ({"config_file_list": 5}, "config_file_list = 5 is not allowed"),
        ({"config_file_list": {"epochs": 3}}, "config_file_list = {'epochs': 3} is not allowed"),
        ({"config_file_list": [None]}, r"config_file_list = \[None\] is not allowed"),
        ({"config_dict": ["epochs"]}, r"config_dict = \['epochs'\] is not allowed"),
        ({"config_dict": {1: 2}}, "config_dict = {1: 2} is not allowed: give a dict with names of keys"),
        ({"argv": "--epochs=3"}, "argv = '--epochs=3' is not allowed: give a list"),
        ({"argv": [3]}, r"argv = \[3\] is not allowed"),
        ({"argv": ["--model=GRU4Rec"]}, "model is given twice: 'SASRec', and 'GRU4Rec' on the command line"),
        ({"argv": ["--dataset=other"]}, "dataset is given twice: 'tiny', and 'other' on the command line"),
    ],
)
def test_layers_of_another_kind_are_refused(arguments, message):
    Path("one.yaml").touch()
    with pytest.raises(ConfigError, match=message):
        MDCNSConfig("SASRec", "tiny", **arguments)


def test_numbers_are_read_as_they_are_written():
    """YAML 1.1 makes 8 of ``010``, 750 of ``12:30`` and 255 of ``0xff``: as ids they would select other rows."""
    Path("ids.yaml").write_text(
        "ids: [010, 12:30, 0xff, 0b11, 08, 1:30.5]\nnumbers: [10, -3, +4, 0, 1_000, 1e-3, .5, -1.5]\n"
    )
    read = read_yaml("ids.yaml")
    assert read["ids"] == ["010", "12:30", "0xff", "0b11", "08", "1:30.5"]
    assert read["numbers"] == [10, -3, 4, 0, 1000, 0.001, 0.5, -1.5]
    assert [type(value) for value in read["numbers"]] == [int] * 5 + [float] * 3
