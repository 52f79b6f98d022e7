"""How a run is named: the command line, names of datasets, and classes of the user's own."""

import logging
from pathlib import Path

import pytest
from helpers.runs import TINY, tiny_config, tiny_run

from recbole_mdcns.cli import train
from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.cli.main import main, train_main
from recbole_mdcns.config.identity import settings
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.encoder.users import reads_user
from recbole_mdcns.errors import USER_ERROR, ConfigError
from recbole_mdcns.model.registry import resolve_model

NAMED = ["--model=SASRec", "--dataset=tiny"]


def refused(arguments, capsys):
    """Return the one sentence of a command that is refused."""
    assert train_main(arguments) == USER_ERROR
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1 and "Traceback" not in error
    return error


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["-m", "SASRec", "--model=GRU4Rec", "-d", "tiny"], "--model is given twice: 'SASRec' and 'GRU4Rec'"),
        ([*NAMED, "-d", "other"], "--dataset is given twice: 'tiny' and 'other'"),
        ([*NAMED, "--config_files=a.yaml", "--config_files=b.yaml"], "--config_files is given twice"),
        (["--model", "--dataset=tiny"], "expected one argument"),
        (["--model=", "--dataset=tiny"], "--model = '' has no value"),
        (["--model=SASRec", "-d", " "], "--dataset = ' ' has no value"),
        ([*NAMED, "--config_files="], "--config_files = '' has no value"),
        ([*NAMED, "--config_files=gone.yaml"], "gone.yaml"),
        ([*NAMED, "stray"], "'stray'"),
        ([*NAMED, "--", "--epochs=1"], "'--'"),
        ([*NAMED, "--=3"], "'--=3'"),
        ([*NAMED, "-e=3"], "'-e=3'"),
        ([*NAMED, "--epochs=1", "2"], "'2'"),
        ([*NAMED, "--epochs=1", "--epochs", "2"], "--epochs is given twice: '1' and '2'"),
        ([*NAMED, "--epochs="], "--epochs= has no value"),
        ([*NAMED, "--result_file="], "--result_file= has no value"),
        ([*NAMED, "--resume="], "--resume= has no value"),
        ([*NAMED, "--epochs==3"], "epochs = '=3'"),
        ([*NAMED, "--épochs=3"], "épochs = 3: there is no key"),
        ([*NAMED, "--a b=3"], "a b = 3: there is no key"),
        ([*NAMED, "--7=3"], "7 = 3: there is no key"),
        ([*NAMED, "--peer.=3"], "peer. cannot be set"),
        ([*NAMED, "--peer_model=GRU4Rec,"], "peer_model = ''"),
        ([*NAMED, "--peer_model=5"], "peer_model = 5"),
        ([*NAMED, "--neg_sampler=5"], "neg_sampler = 5"),
        ([*NAMED, "--neg_sampler=[rns]"], "neg_sampler = '[rns]'"),
        ([*NAMED, "--neg_sampler=:"], "neg_sampler = ':' is not allowed: write package.module:Class"),
        ([*NAMED, "--peer_model=.mine:Net"], "peer_model = '.mine:Net' is not allowed: write package.module:Class"),
        (["--model=mine:", "--dataset=tiny"], "model = 'mine:' is not allowed: write package.module:Class"),
        (["--model=os:sep", "--dataset=tiny"], "model = 'os:sep' is not allowed"),
        ([*NAMED, "--neg_sampler=os:sep"], "neg_sampler = 'os:sep' is not allowed"),
        (["--model=5", "--dataset=tiny"], "model = '5' is not a model"),
        (["--model=SASRec", "--dataset=a/b"], "dataset = 'a/b'"),
        (["--model=SASRec", "--dataset=/etc/a"], "dataset = '/etc/a'"),
        (["--model=SASRec", "--dataset=.."], "dataset = '..'"),
        (["--model=SASRec", "--dataset=../x"], "dataset = '../x'"),
        (["--model=SASRec", "--dataset=a\\b"], "dataset = 'a\\\\b'"),
        (["--model=SASRec", "--dataset=a\nb"], "dataset = 'a\\nb'"),
        (["--model=SASRec", f"--dataset={'n' * 300}"], "dataset = 'nnn"),
    ],
)
def test_a_bad_command_line_ends_in_one_sentence(arguments, culprit, capsys):
    assert culprit in refused(arguments, capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--dataset=tinny", "--data_path=data"],
            "data/tinny (did you mean tiny?): data_path data holds tiny; put",
        ),
        (["--dataset=ml100k"], "dataset/ml100k (did you mean ml-100k?): there is no folder dataset"),
        (["--dataset=amazon-beuty", "--data_path=none"], "none/amazon-beuty (did you mean amazon-beauty?): "),
        (["--dataset=tiny", "--data_path=dta"], "dta/tiny: there is no folder dta (did you mean data?) for data_path"),
        (["--dataset=bare", "--data_path=data"], "dataset file data/bare/bare.inter is missing"),
    ],
)
def test_a_dataset_that_is_nowhere_is_refused_before_the_log_begins(arguments, said, capsys):
    Path("data/bare").mkdir()
    assert said in refused(["--model=SASRec", *arguments], capsys)


def test_the_same_value_twice_is_no_mistake_and_a_dataset_may_be_called_a_number():
    parser = Parser("x", "", own_help=True)
    train.add_arguments(parser)
    given = ["-m", "SASRec", "--model=SASRec", "--dataset", "2018", "--seed=1", "--seed", "1"]
    options = parser.parse_with_keys(given)
    assert (options.model, options.dataset, options.keys) == ("SASRec", "2018", ["--seed=1", "--seed=1"])
    assert MDCNSConfig("SASRec", argv=["--dataset=2018"])["dataset"] == "2018"
    assert MDCNSConfig("SASRec", config_dict={"dataset": "2018"})["dataset"] == "2018"


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("model: SASRec\ndataset: 2018\n", "dataset = 2018 is not allowed: give a name; in yaml, numbers"),
        ("model: SASRec\ndataset: [tiny]\n", "dataset = ['tiny'] is not allowed: give a name"),
        ("model: SASRec\ndataset: ''\n", "dataset = '' is not allowed"),
        ("model: 5\ndataset: tiny\n", "model = 5 is not allowed: give a model name"),
        ("model: [SASRec]\ndataset: tiny\n", "model = ['SASRec'] is not allowed"),
        ("model: ''\ndataset: tiny\n", "model = '' is not allowed"),
        ("model: SASRec\ndataset: tiny\npeer_model: [GRU4Rec]\n", "peer_model = ['GRU4Rec'] is not allowed"),
        ("model: SASRec\ndataset: tiny\npeer_model: ''\n", "peer_model = '' is not allowed"),
        ("model: SASRec\ndataset: tiny\nneg_sampler: [rns]\n", "neg_sampler = ['rns'] is not allowed"),
    ],
)
def test_names_in_a_file_are_names(text, culprit, capsys):
    Path("run.yaml").write_text(text)
    assert culprit in refused(["--config_files=run.yaml"], capsys)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([], "mine.yaml, line 2: epohcs = 2: there is no key epohcs (did you mean epochs?)"),
        (["--config_files=mine.yaml other.yaml"], "other.yaml, line 1: epohcs = 3: there is no key"),
        (["--epohcs=4"], "run_recbole_mdcns: epohcs = 4: there is no key"),
        (["--config_files=peer.yaml"], "peer.yaml, line 2: peer: learning_rate = 'x' is not allowed"),
        (["--config_files=inner.yaml"], "inner.yaml, line 1: eval_args.mod = 1 is not allowed"),
        (["--config_files=peer.yaml", "--peer.learning_rate=y"], "run_recbole_mdcns: peer: learning_rate = 'y' is"),
    ],
)
def test_a_wrong_key_of_a_file_is_said_with_file_and_line(keys, said, capsys):
    Path("mine.yaml").write_text("epochs: 1\nepohcs: 2\n")
    Path("other.yaml").write_text("epohcs: 3\n")
    Path("peer.yaml").write_text("epochs: 1\npeer.learning_rate: x\n")
    Path("inner.yaml").write_text("eval_args: {mod: 1}\n")
    files = [] if any("config_files" in key for key in keys) else ["--config_files=mine.yaml"]
    assert said in refused([*NAMED, *files, *keys], capsys)


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("import os\n\n1 / 0\n", "(raising.py, line 3): ZeroDivisionError: division by zero"),
        ("import os\nos.getcwdd()\n", "(raising.py, line 2): AttributeError: module 'os'"),
        ("from os import nothing\n", "(raising.py, line 1): ImportError: cannot import name 'nothing'"),
        ("import no_such_package\n", "(raising.py, line 1): ModuleNotFoundError: No module named 'no_such_package'"),
        ("def f():\n    raise KeyError('x')\n\nf()\n", "(raising.py, line 2): KeyError: 'x'"),
        ("import json\njson.loads('{')\n", "(raising.py, line 2): JSONDecodeError"),
        ("class Net\n", "(raising.py, line 1): SyntaxError"),
        ("import sys\nsys.exit(3)\n", "(raising.py, line 2): SystemExit: 3"),
        ("raise ValueError('two\\nlines')\n", "(raising.py, line 1): ValueError: two lines"),
        ("x = 1\n", "raising.py has no class 'Net'"),
    ],
)
@pytest.mark.parametrize("key", ["model", "peer_model", "neg_sampler"])
def test_an_own_module_that_raises_is_named_with_its_line(text, culprit, key, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(Path.cwd()))
    Path("raising.py").write_text(text)
    monkeypatch.delitem(__import__("sys").modules, "raising", raising=False)
    named = ["--dataset=tiny"] if key == "model" else NAMED
    error = refused([*named, f"--{key}=raising:Net"], capsys)
    assert f"{key} = 'raising:Net'" in error and culprit in error


def test_the_traceback_of_an_own_module_is_there_for_who_asks(monkeypatch):
    monkeypatch.syspath_prepend(str(Path.cwd()))
    Path("raising_too.py").write_text("1 / 0\n")
    with pytest.raises(ConfigError) as found:
        train_main(["--model=raising_too:Net", "--dataset=tiny", "--state=DEBUG"])
    assert isinstance(found.value.__cause__, ZeroDivisionError)


BASES = {"SASRec": "n_layers", "GRU4Rec": "num_layers", "Mamba4Rec": "d_state", "FEARec": "global_ratio"}


def subclass(base, depth=1):
    """Return the import path of a class of the user's own, a few steps below a model."""
    cls = resolve_model(base)
    for step in range(depth):
        name = f"Mine{base}{step}"
        cls = globals()[name] = type(name, (cls,), {"__module__": __name__})
    return f"{__name__}:{cls.__name__}"


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("depth", [1, 2])
def test_a_subclass_without_a_yaml_has_the_keys_of_its_nearest_known_base(base, depth):
    own = set(settings(tiny_config(base).plain())) - {"model", "peer"}
    config = tiny_config(subclass(base, depth))
    assert own <= set(settings(config.plain())) and config[BASES[base]] == tiny_config(base)[BASES[base]]
    peer = tiny_config("STAMP", peer_model=subclass(base, depth)).peer_configs()[0]
    assert peer[BASES[base]] == config[BASES[base]]


def test_a_subclass_of_a_model_trains_and_takes_peer_keys():
    run = tiny_run(subclass("SASRec"), neg_sampler="rns", n_layers=1, MAX_ITEM_LIST_LENGTH=3)
    assert len(run.trainer.model.trm_encoder.layer) == 1
    config = tiny_config("SASRec", peer_model=subclass("SASRec"), **{"peer.n_layers": 3})
    assert (config["n_layers"], config.peer_configs()[0]["n_layers"]) == (2, 3)
    with pytest.raises(ConfigError, match="pad_side = 'right' is not allowed with MineSHAN0"):
        tiny_config(subclass("SHAN"))


def test_a_yaml_of_its_own_comes_on_top_of_its_base(monkeypatch):
    monkeypatch.syspath_prepend(str(Path.cwd()))
    Path("layered.py").write_text("from recbole.model.sequential_recommender import SASRec\nclass Net(SASRec): pass\n")
    Path("Net.yaml").write_text("n_layers: 5\nown_key: 1\n")
    config = MDCNSConfig("layered:Net", "tiny")
    assert (config["n_layers"], config["own_key"], config["n_heads"]) == (5, 1, 2)


@pytest.mark.parametrize("wrong", [AttributeError, KeyError, TypeError, ValueError])
def test_a_mistake_of_ours_stays_visible(wrong, monkeypatch):
    def broken(*_):
        raise wrong("ours")

    monkeypatch.setattr("recbole_mdcns.config.checks.check_together", broken)
    with pytest.raises(wrong, match="ours"):
        tiny_config()


def test_what_recbole_would_refuse_is_one_sentence():
    with pytest.raises(ConfigError, match="metrics = 'Recal' is not allowed .did you mean Recall"):
        tiny_config(metrics=["Recal"])
    with pytest.raises(ConfigError, match="repeatable"):
        tiny_config(repeatable=True)


@pytest.mark.parametrize("model", ["Caser", "FOSSIL", "TransRec", "SASRec", "GRU4Rec", "STAMP"])
def test_models_that_read_the_user_are_found_and_refused_under_paper(model):
    logging.disable(logging.CRITICAL)
    knows_users = model in ("Caser", "FOSSIL", "TransRec")
    run = tiny_run(model, neg_sampler="rns")
    assert reads_user(run.trainer.model, run.data.user_num) == knows_users
    if knows_users:
        with pytest.raises(ConfigError, match=f"protocol = 'paper' is not allowed with {model} as the self model"):
            tiny_run(model, neg_sampler="rns", protocol="paper")
        with pytest.raises(ConfigError, match=f"protocol = 'paper' is not allowed with {model} as the peer model"):
            tiny_run("SASRec", peer_model=model, protocol="paper")
    else:
        tiny_run(model, neg_sampler="rns", protocol="paper")
    logging.disable(logging.NOTSET)


def test_models_under_paper_are_refused_before_anything_is_trained(capsys):
    keys = [f"--{key}={value}" for key, value in TINY.items()]
    error = refused(["-m", "Caser", "-d", "tiny", "--protocol=paper", "--neg_sampler=rns", *keys], capsys)
    assert "protocol = 'paper'" in error and not list(Path("saved").glob("*.pth"))


def test_a_folder_that_is_gone_is_told_in_one_sentence(tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["stats", "tiny"]) == 2
    assert capsys.readouterr().err == (
        "recbole-mdcns stats: the folder that this command was started in is gone: change to another one\n"
    )
