"""What people get wrong, through the commands that they type: one sentence that names the culprit, and no traceback.

A traceback fails these tests by itself, as the commands run in this process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
import yaml
from helpers.raw_files import KUAIRAND, KUAIRAND_ROWS, raw
from helpers.runs import HEADER, TINY, cycle_lines, tiny_run, write_inter

from recbole_mdcns.cli.main import main, train_main
from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.sweep_file import read_sweep

BASE = ["--dataset=tiny", *(f"--{key}={value}" for key, value in {**TINY, "epochs": 1}.items())]
SASREC = ["--model=SASRec", *BASE]


def refused(main, arguments, capsys, *culprits) -> str:
    """Run a command, and return the one sentence that it ends with; nothing has been trained by then."""
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    for culprit in culprits:
        assert culprit in error, error
    assert len(error) < 1000, error
    assert not list(Path("saved").glob("*.pth"))
    return error


# Keys and values


@pytest.mark.parametrize(
    ("arguments", "culprits"),
    [
        # whole numbers
        ("--epochs=-1", "epochs = -1"),
        ("--epochs=2.5", "epochs = 2.5"),
        ("--epochs=many", "epochs = 'many'"),
        ("--train_batch_size=0", "train_batch_size = 0"),
        ("--train_batch_size=1e3", "train_batch_size = 1000.0"),
        ("--eval_batch_size=-5", "eval_batch_size = -5"),
        ("--eval_step=-1", "eval_step = -1"),
        ("--stopping_step=-2", "stopping_step = -2"),
        ("--neg_num=0 --neg_sampler=rns", "neg_num = 0"),
        ("--neg_candidate_num=0", "neg_candidate_num = 0"),
        ("--neg_candidate_num=1000", "neg_candidate_num = 1000"),
        ("--neg_top_num=11", "neg_top_num = 11"),
        ("--MAX_ITEM_LIST_LENGTH=0", "MAX_ITEM_LIST_LENGTH = 0"),
        ("--MAX_ITEM_LIST_LENGTH=wide", "MAX_ITEM_LIST_LENGTH = 'wide'"),
        ("--metric_decimal_place=-1", "metric_decimal_place = -1"),
        ("--loss_decimal_place=-3", "loss_decimal_place = -3"),
        ("--loss_decimal_place=x", "loss_decimal_place = 'x'"),
        ("--seed=-1", "seed = -1"),
        ("--seed=1.5", "seed = 1.5"),
        ("--seed=99999999999999999999", "seed = 99999999999999999999"),
        ("--seed=x", "seed = 'x'"),
        ("--protocol=paper --split_seed=-1", "split_seed = -1"),
        ("--protocol=paper --split_seed=99999999999", "split_seed = 99999999999"),
        ("--worker=-1", "worker = -1"),
        ("--hidden_size=0", "hidden_size"),
        ("--hidden_size=-16", "hidden_size"),
        ("--n_layers=0", "n_layers = 0"),
        ("--n_layers=-1", "n_layers = -1"),
        ("--n_heads=3", "n_heads"),
        ("--n_heads=0", "n_heads = 0"),
        ("--inner_size=0", "inner_size = 0"),
        ("--hidden_act=gelluu", "gelluu"),
        # other numbers
        ("--learning_rate=inf", "learning_rate"),
        ("--learning_rate=nan", "learning_rate"),
        ("--learning_rate=0", "learning_rate = 0"),
        ("--learning_rate=-0.1", "learning_rate = -0.1"),
        ("--learning_rate=fast", "learning_rate = 'fast'"),
        ("--weight_decay=inf", "weight_decay"),
        ("--weight_decay=-1", "weight_decay = -1"),
        ("--distill_weight=inf", "distill_weight"),
        ("--distill_weight=nan", "distill_weight"),
        ("--distill_temperature=0", "distill_temperature = 0"),
        ("--distill_temperature=inf", "distill_temperature"),
        ("--divergence_weight=inf", "divergence_weight"),
        ("--self_neg_weight=nan", "self_neg_weight"),
        ("--hidden_dropout_prob=1.5", "hidden_dropout_prob = 1.5"),
        ("--hidden_dropout_prob=-0.5", "hidden_dropout_prob = -0.5"),
        ("--attn_dropout_prob=nan", "attn_dropout_prob"),
        ("--layer_norm_eps=inf", "layer_norm_eps"),
        ("--initializer_range=-1", "initializer_range"),
        ("--peer.learning_rate=inf", "learning_rate"),
        ("--peer.dropout_prob=2", "dropout_prob = 2"),
        ("--clip_grad_norm={'max_norm':inf}", "clip_grad_norm"),
        ("--clip_grad_norm={'max_norm':-1}", "clip_grad_norm"),
        ("--clip_grad_norm=5", "clip_grad_norm = 5"),
        # truth values, choices, names
        ("--reproducibility=maybe", "reproducibility = 'maybe'"),
        ("--shuffle=2", "shuffle = 2"),
        ("--use_gpu=yes", "use_gpu = 'yes'"),
        ("--show_progress=2", "show_progress = 2"),
        ("--mask_history=2", "mask_history = 2"),
        ("--strict_data=x", "strict_data = 'x'"),
        ("--enable_amp=x", "enable_amp = 'x'"),
        ("--log_wandb=x", "log_wandb = 'x'"),
        ("--state=LOUD", "state = 'LOUD'"),
        ("--learner=adamm", "learner = 'adamm'"),
        ("--ranking_loss=XE", "ranking_loss = 'XE'"),
        ("--batching=rows", "batching = 'rows'"),
        ("--pad_side=middle", "pad_side = 'middle'"),
        ("--protocol=papers", "protocol = 'papers'"),
        ("--neg_sampler=best", "neg_sampler = 'best'"),
        ("--eval_prefixes=none --protocol=paper", "eval_prefixes = 'none'"),
        ("--encoding=utf-99", "encoding = 'utf-99'"),
        ("--gpu_id=x --use_gpu=True", "gpu_id"),
        ("--gpu_id=0,1", "gpu_id"),
        ("--nproc=2", "nproc = 2"),
        # lists and dicts
        ("--topk=[5.5]", "topk = [5.5]"),
        ("--topk=['10']", "topk = ['10']"),
        ("--topk=['a']", "topk = ['a']"),
        ("--topk=[]", "topk = []"),
        ("--topk=[0]", "topk = [0]"),
        ("--topk=-5", "topk"),
        ("--topk=[5,1000]", "topk"),
        ("--topk={}", "topk = {}"),
        ("--metrics=[]", "metrics = []"),
        ("--metrics=[1]", "metrics = [1]"),
        ("--metrics=['Recal']", "Recal"),
        ("--metrics=5", "metrics = 5"),
        ("--valid_metric=NDCG@7", "valid_metric = 'NDCG@7'"),
        ("--valid_metric=5", "valid_metric = 5"),
        ("--valid_metric=NDCG", "valid_metric = 'NDCG'"),
        ("--eval_args=5", "eval_args = 5"),
        ("--eval_args={'mod':'full'}", "eval_args"),
        ("--eval_args={'mode':'uni100'}", "eval_args.mode"),
        ("--eval_args={'mode':{'valid':'uni100','test':'full'}}", "eval_args.mode"),
        ("--eval_args={'split':{'RS':[8,1,1]}}", "eval_args.split"),
        ("--eval_args={'order':'XX'}", "eval_args.order"),
        ("--eval_args={'group_by':'item'}", "eval_args.group_by"),
        ("--load_col=5", "load_col = 5"),
        ("--load_col={'inter':['user_id']}", "load_col.inter"),
        ("--load_col={'intr':['user_id']}", "intr"),
        ("--load_col={'inter':['user_id','item_id','timestamp','rating']}", "rating"),
        ("--load_col={'inter':['user_id','item_id','timestamp'],'item':['item_id','category']}", "tiny.item"),
        ("--unload_col={'inter':['nothing']}", "nothing"),
        ("--val_interval=5", "val_interval = 5"),
        ("--val_interval={'timestamp':'3'}", "val_interval.timestamp"),
        ("--val_interval={'timestamp':'[5,3]'}", "val_interval.timestamp"),
        ("--val_interval={'stars':'[3,inf)'}", "stars"),
        ("--user_inter_num_interval=5", "user_inter_num_interval = 5"),
        ("--user_inter_num_interval=", "user_inter_num_interval"),
        ("--user_inter_num_interval=5,inf", "user_inter_num_interval"),
        ("--user_inter_num_interval=[5,inf", "user_inter_num_interval"),
        ("--item_inter_num_interval=[9,5]", "item_inter_num_interval"),
        ("--item_inter_num_interval={5,inf}", "item_inter_num_interval"),
        ("--user_inter_num_interval=[500,inf)", "user_inter_num_interval"),
        ("--threshold={'rating':3}", "threshold"),
        ("--threshold=5", "threshold"),
        ("--expected_statistics={'user':3}", "expected_statistics"),
        ("--expected_statistics=5", "expected_statistics = 5"),
        ("--split_ratio=[1] --protocol=paper", "split_ratio"),
        ("--split_ratio=[0.5,0.5,0.5] --protocol=paper", "split_ratio"),
        ("--split_ratio=['a','b','c'] --protocol=paper", "split_ratio"),
        ("--split_ratio=[1,0,0] --protocol=paper", "split_ratio"),
        ("--split_ratio=[0.8,0.1,0.1] --split_file=x.tsv --protocol=paper", "split_ratio"),
        ("--split_ratio=[0.8,0.1,0.1]", "split_ratio"),
        ("--split_file=nowhere.tsv --protocol=paper", "nowhere.tsv"),
        ("--exposure_file=nowhere.exposed --neg_sampler=ens", "nowhere.exposed"),
        # names of things
        ("--neg_candidates_num=5", "neg_candidates_num"),
        ("--qqq=1", "qqq"),
        ("--mu=1", "distill_weight"),
        ("--peer.qqq=1", "qqq"),
        ("--peer=GRU4Rec", "peer"),
        ("--peer_model=SASRek", "SASRek"),
        ("--peer_model=BPR", "BPR"),
        ("--peer_model=5", "peer_model"),
        ("--peer_model=no.such:Net", "no.such"),
        ("--neg_sampler=no.such:Sampler", "no.such"),
        ("--neg_sampler=5", "neg_sampler"),
        ("--ITEM_ID_FIELD=item", "ITEM_ID_FIELD"),
        ("--USER_ID_FIELD=5", "USER_ID_FIELD"),
        ("--TIME_FIELD=", "TIME_FIELD"),
        ("--field_separator=", "field_separator"),
        ("--data_path=5", "data_path"),
        ("--data_path=nowhere", "nowhere"),
        # what does not go together
        ("--ranking_loss=CE --neg_sampler=mdcns", "ranking_loss"),
        ("--ranking_loss=SSM --neg_sampler=dns", "neg_sampler = 'dns'"),
        ("--ranking_loss=gBCE --neg_sampler=pns", "neg_sampler = 'pns'"),
        ("--neg_sampler=none", "neg_sampler = 'none'"),
        ("--batching=user --pad_side=left", "batching = 'user'"),
        ("--lazy_items --learner=sgd", "lazy_items"),
        ("--repeatable --mask_history", "repeatable"),
        ("--neg_sampler=srns --neg_num=20", "neg_num = 20"),
        ("--neg_sampler=srns --srns_memory_num=500", "srns_memory_num = 500"),
        ("--neg_sampler=gnno --gnno_hard_num=500", "gnno_hard_num = 500"),
        ("--neg_sampler=dns_plus --neg_num=11", "neg_num"),
        # paths
        ("--result_file=no/such/folder/r.json", "no/such/folder/r.json"),
        ("--result_file=data/tiny/tiny.inter", "data/tiny/tiny.inter"),
        ("--result_file=data", "result_file = 'data'"),
        ("--result_file=data/tiny/tiny.inter/r.json", "result_file"),
        (f"--result_file={'x' * 300}.json", "result_file"),
        ("--checkpoint_dir=data/tiny/tiny.inter", "checkpoint_dir"),
        ("--checkpoint_dir=", "checkpoint_dir"),
        ("--log_dir=data/tiny/tiny.inter", "log_dir"),
        ("--tensorboard_dir=data/tiny/tiny.inter", "tensorboard_dir"),
        ("--resume=nowhere-last.pth", "nowhere-last.pth"),
        ("--resume=data/tiny/tiny.inter", "data/tiny/tiny.inter"),
        # the command line itself
        ("--model=SASRek", "SASRek"),
        ("--model=BPR", "BPR"),
        ("--model=", "model"),
        ("-m=GRU4Rec", "model"),
        ("--dataset=a/b", "a/b"),
        ("--dataset=../tiny", "../tiny"),
        ("--dataset=/etc", "/etc"),
        ("--dataset=..", ".."),
        ("--dataset=", "dataset"),
        ("--dataset=no-such-data", "no-such-data"),
        ("positional", "positional"),
        ("--=5", "--=5"),
        ("--epochs=1 --epochs=3", "epochs"),
        ("--config_files=nowhere.yaml", "nowhere.yaml"),
    ],
)  # fmt: skip
def test_bad_keys_and_values(arguments, culprits, capsys):
    kept = {argument.partition("=")[0] for argument in arguments.split(" ")}
    given = [each for each in SASREC if each.partition("=")[0] not in kept] + arguments.split(" ")
    refused(train_main, given, capsys, culprits)


# Configuration files


@pytest.mark.parametrize(
    ("content", "culprits"),
    [
        (b"epochs: [1\n", ("c.yaml",)),
        (b"epochs 5\n", ("c.yaml",)),
        (b"- epochs\n- 5\n", ("c.yaml",)),
        (b"\tepochs: 5\n", ("c.yaml", "line 1")),
        (b"epochs: 5\nepochs: 6\n", ("c.yaml", "epochs", "lines 1 and 2")),
        (b"eval_args:\n  order: TO\n  order: RO\n", ("c.yaml", "order", "lines 2 and 3")),
        (b"5: 6\n", ("c.yaml", "5")),
        (b"~: 6\n", ("c.yaml",)),
        (b"? [a, b]\n: 6\n", ("c.yaml",)),
        (b"note: caf\xe9\n", ("c.yaml",)),
        (b"\xff\xfee\x00\n\x00", ("c.yaml",)),
        (b"epochs: \x00\n", ("c.yaml",)),
        (b"eval_args: &a\n  order: *a\n", ("c.yaml",)),
        (b"epochs: *nothing\n", ("c.yaml",)),
        (b"epochs: !!python/object/apply:os.system ['touch made']\n", ("c.yaml",)),
        (b"epochs: !!python/name:os.system\n", ("c.yaml",)),
        (b"epochs: !mine 5\n", ("c.yaml",)),
        (b"epochs: 5\n---\nepochs: 6\n", ("c.yaml",)),
        (b"epochs: many\n", ("epochs = 'many'",)),
        (b"epoch: 5\n", ("epoch", "epochs")),
        (b"topk: [a]\n", ("topk",)),
        (b"seed: 1_000_000_000_000\n", ("seed",)),
        (b"weight_decay: .inf\n", ("weight_decay",)),
        (b"val_interval: {rating: 2020-01-01}\n", ("c.yaml", "line 1")),
    ],
)
def test_bad_configuration_files(content, culprits, capsys):
    Path("c.yaml").write_bytes(content)
    keys = [key for key in SASREC if "epochs" not in key]
    refused(train_main, [*keys, "--config_files", "c.yaml"], capsys, *culprits)
    assert not Path("made").exists()


def test_a_configuration_file_that_is_a_folder(capsys):
    Path("c.yaml").mkdir()
    refused(train_main, [*SASREC, "--config_files", "c.yaml"], capsys, "c.yaml")


# Data


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


# Modules of the user's own


@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        ("import nothing_of_that_name\n", "nothing_of_that_name"),
        ("1 / 0\n", "division by zero"),
        ("raise KeyError('deep')\n", "deep"),
        ("def broken(:\n", "own_module"),
        ("import sys\nsys.exit(3)\n", "own_module"),
        ("class Mine:\n    pass\n", "Mine"),
        ("Mine = 5\n", "Mine"),
        ("", "Mine"),
        ("from recbole.model.sequential_recommender import SASRec\nclass Mine(SASRec):\n"
         "    def __init__(self, config, dataset):\n        raise RuntimeError('at once')\n", "at once"),
        ("from recbole.model.sequential_recommender import SASRec\nclass Mine(SASRec):\n"
         "    def forward(self, item_seq, item_seq_len):\n        raise IndexError('later')\n"
         "    full_sort_predict = forward\n", "Mine"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["model", "peer_model"])
def test_bad_modules(key, content, culprit, capsys, monkeypatch):
    monkeypatch.syspath_prepend(os.getcwd())
    Path("own_module.py").write_text(content)
    try:
        model = [] if key == "model" else ["--model=SASRec"]
        refused(train_main, [*BASE, *model, f"--{key}=own_module:Mine"], capsys, culprit)
    finally:
        sys.modules.pop("own_module", None)


@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        ("1 / 0\n", "division by zero"),
        ("class Mine:\n    pass\n", "Mine"),
        ("", "Mine"),
    ],
)
def test_bad_modules_of_samplers(content, culprit, capsys, monkeypatch):
    monkeypatch.syspath_prepend(os.getcwd())
    Path("own_sampler.py").write_text(content)
    try:
        refused(train_main, [*SASREC, "--neg_sampler=own_sampler:Mine"], capsys, culprit)
    finally:
        sys.modules.pop("own_sampler", None)


# Checkpoints


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """The files of a finished run, as they load, by kind."""
    folder = tmp_path_factory.mktemp("run")
    before = os.getcwd()
    os.chdir(folder)
    try:
        write_inter(cycle_lines())
        run = tiny_run(epochs=1, neg_sampler="rns")
        run.trainer.fit(run.train, run.valid, verbose=False)
        paths = {"resume": run.trainer.files.last, "evaluate": run.trainer.files.best}
        return {kind: torch.load(path, weights_only=True) for kind, path in paths.items()}
    finally:
        os.chdir(before)


def drop(key):
    return lambda content: content.pop(key)


def put(key, value):
    return lambda content: content.update({key: value})


SPOILED = [put("format", "other"), put("kind", "soup"), drop("kind"), put("config", 5), drop("config"),
           put("config", {"model": "SASRec"}), put("config", {1: 2}), put("epoch", "x")]  # fmt: skip
SPOILED_LAST = [drop("models"), put("models", 5), put("models", {"self": {}}), put("models", {"self": {"x": 1}}),
                drop("optimizers"), put("optimizers", {}), put("optimizers", {"self": {}}), drop("random"),
                put("random", {}), put("history", 5), put("history", [1]), drop("history"), drop("epoch"),
                put("cur_step", "x"), put("scaler", 5), drop("loader"), put("loader", 5), put("extra", 5),
                put("best_valid_score", "high"), put("best_valid_result", 5), put("device", 5)]  # fmt: skip
SPOILED_BEST = [drop("state_dict"), put("state_dict", 5), put("state_dict", {}), put("state_dict", {"x": "y"}),
                put("config", {"model": "os:system", "dataset": "tiny"}),
                put("config", {"model": "SASRec", "dataset": "../tiny"}), put("other_parameter", 5)]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        *(("resume", spoil) for spoil in [*SPOILED, *SPOILED_LAST]),
        *(("evaluate", spoil) for spoil in [*SPOILED, *SPOILED_BEST]),
    ],
)
def test_checkpoints_with_the_right_mark_and_wrong_entries(kind, spoil, checkpoints, capsys):
    content = dict(checkpoints[kind])
    spoil(content)
    torch.save(content, "x-last.pth")
    command = [*SASREC, "--neg_sampler=rns", "--resume=x-last.pth"] if kind == "resume" else ["--evaluate=x-last.pth"]
    refused(train_main, command, capsys, "x-last.pth")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a checkpoint", b"\x80\x04N."])
@pytest.mark.parametrize("option", ["resume", "evaluate"])
def test_files_that_are_no_checkpoints(option, content, capsys):
    Path("x-last.pth").write_bytes(content)
    keys = SASREC if option == "resume" else []
    refused(train_main, [*keys, f"--{option}=x-last.pth"], capsys, "x-last.pth")


# Sweeps


SWEEP = {"datasets": ["tiny"], "models": ["SASRec"], "samplers": ["rns"], "seeds": [1], "keys": TINY}


@pytest.mark.parametrize(
    ("changes", "culprits"),
    [
        ({"datasets": []}, ("datasets",)),
        ({"datasets": "tiny"}, ("datasets",)),
        ({"datasets": [5]}, ("datasets",)),
        ({"datasets": ["../tiny"]}, ("../tiny",)),
        ({"datasets": ["a/b"]}, ("a/b",)),
        ({"models": ["SASRek"]}, ("SASRek",)),
        ({"models": None}, ("models",)),
        ({"samplers": ["best"]}, ("best",)),
        ({"samplers": ["no.such:Sampler"]}, ("no.such",)),
        ({"losses": ["XE"]}, ("XE",)),
        ({"losses": [5]}, ("losses",)),
        ({"protocols": ["papers"]}, ("papers",)),
        ({"peers": ["SASRek"], "samplers": ["mdcns"]}, ("SASRek",)),
        ({"seeds": []}, ("seeds",)),
        ({"seeds": ["x"]}, ("seeds",)),
        ({"seeds": [1, 1]}, ("seeds",)),
        ({"seeds": [-1]}, ("seed",)),
        ({"seeds": [1, 99999999999999999999]}, ("seed",)),
        ({"seeds": [1.5]}, ("seeds",)),
        ({"tune_seeds": [7]}, ("tune_seeds",)),
        ({"search": "magic"}, ("search",)),
        ({"search": ["grid"]}, ("search",)),
        ({"scheduler": "none"}, ("scheduler",)),
        ({"samples": 0}, ("samples",)),
        ({"retries": -1}, ("retries",)),
        ({"cpus": "two"}, ("cpus",)),
        ({"gpus": -1}, ("gpus",)),
        ({"cpus": float("inf")}, ("cpus",)),
        ({"trial_hours": float("nan")}, ("trial_hours",)),
        ({"max_concurrent": 0}, ("max_concurrent",)),
        ({"sweep_hours": "long"}, ("sweep_hours",)),
        ({"name": "../outside"}, ("name", "../outside")),
        ({"name": "a/b"}, ("name", "a/b")),
        ({"name": ".."}, ("name", "..")),
        ({"name": 5}, ("name",)),
        ({"name": ""}, ("name",)),
        ({"nam": "x"}, ("nam", "name")),
        ({"keys": [1]}, ("keys",)),
        ({"keys": {**TINY, "epoch": 5}}, ("epoch",)),
        ({"keys": {**TINY, "epochs": "many"}}, ("epochs",)),
        ({"keys": {**TINY, "learning_rate": float("inf")}}, ("learning_rate",)),
        ({"keys": {**TINY, "seed": 3}}, ("seed", "seeds")),
        ({"keys": {**TINY, "resume": True}}, ("resume",)),
        ({"keys": {**TINY, "result_file": "r.json"}}, ("result_file",)),
        ({"keys": {**TINY, "checkpoint_dir": "here"}}, ("checkpoint_dir",)),
        ({"keys": {5: 6}}, ("5",)),
        ({"dataset_keys": {"tinny": {"epochs": 3}}}, ("tinny", "tiny")),
        ({"dataset_keys": {"tiny": {"resume": True}}}, ("resume",)),
        ({"dataset_keys": {"tiny": 5}}, ("dataset_keys.tiny",)),
        ({"methods": {"rns": {}}}, ("methods.rns",)),
        ({"methods": {"mine": {"seed": 3}}, "samplers": ["mine"]}, ("seed",)),
        ({"methods": {"mine": {"neg_sampler": "best"}}, "samplers": ["mine"]}, ("best",)),
        ({"methods": {"mine": {"result_file": "x"}}, "samplers": ["mine"]}, ("result_file",)),
        ({"methods": {"mine": 5}, "samplers": ["mine"]}, ("methods.mine",)),
        ({"space": {"rns": {"learning_rate": []}}}, ("learning_rate",)),
        ({"space": {"rns": {"learning_rate": 5}}}, ("learning_rate",)),
        ({"space": {"rns": {"learning_rate": [0.1, -1]}}}, ("learning_rate",)),
        ({"space": {"rnss": {"learning_rate": [0.1]}}}, ("rnss",)),
        ({"space": {"rns": {"learning_ratee": [0.1]}}}, ("learning_ratee",)),
        ({"space": {"rns": {"result_file": ["a", "b"]}}}, ("result_file",)),
        ({"space": {"rns": 5}}, ("space.rns",)),
    ],
)
@pytest.mark.parametrize("command", [["sweep", "--dry-run"], ["sweep"]])
def test_bad_sweeps(command, changes, culprits, capsys, monkeypatch):
    monkeypatch.setattr("recbole_mdcns.tuning.workers.Workers.start", no_ray)
    Path("mine.yaml").write_text(yaml.safe_dump({**SWEEP, **changes}))
    refused(main, [command[0], "mine.yaml", *command[1:]], capsys, *culprits)
    assert not Path("outside").exists() and not Path("../outside").exists()


def no_ray(self):
    raise AssertionError("Ray was started")


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["sweep", "nowhere.yaml"], "nowhere.yaml"),
        (["sweep", "mine.yaml", "--set", "epochs"], "epochs"),
        (["sweep", "mine.yaml", "--set", "epochs=many", "--dry-run"], "epochs"),
        (["sweep", "mine.yaml", "--set", "resume=True", "--dry-run"], "resume"),
        (["sweep", "mine.yaml", "--seeds=x", "--dry-run"], "seeds"),
        (["sweep", "mine.yaml", "--models=SASRek", "--dry-run"], "SASRek"),
        (["sweep", "mine.yaml", "--storage=mine.yaml", "--dry-run"], "mine.yaml"),
        (["status", "mine.yaml", "--datasets="], "datasets"),
        (["best", "mine.yaml", "--sampler=rns"], "--sampler"),
        (["export", "mine.yaml"], "FILE"),
        (["export", "mine.yaml", "x.xlsx"], "x.xlsx"),
        (["export", "mine.yaml", "no/such/x.csv"], "no/such/x.csv"),
        (["fly", "mine.yaml"], "fly"),
        ([], "command"),
    ],
)
def test_bad_options_of_sweeps(arguments, culprit, capsys):
    Path("mine.yaml").write_text(yaml.safe_dump(SWEEP))
    refused(main, arguments, capsys, culprit)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"5", b"\xff\xfe", b"{}", b'{"schema": 1}', b'{"schema": 99}', b'{"schema": "x"}',
                b'{"schema": 1, "trial": 5, "status": "finished"}', b'{"schema": 1, "trial": {}, "status": "done"}',
                b'{"schema": 1, "trial": {"key": 5, "cell": 5, "setting": 5, "seed": 5}, "status": "finished"}'],
)  # fmt: skip
@pytest.mark.parametrize("command", ["status", "best"])
def test_bad_records(command, content, capsys):
    Path("mine.yaml").write_text(yaml.safe_dump(SWEEP))
    assert main(["status", "mine.yaml"]) == 0
    key = next(iter(trial_keys()))
    Path(f"sweeps/mine/records/{key}.json").write_bytes(content)
    refused(main, [command, "mine.yaml"], capsys, key)


def trial_keys():
    return [trial.key for trial in trials(read_sweep("mine.yaml"))]


NOTES = [b"", b"{", b"[]", b"\xff", b"{}", b'{"attempts": "x"}', b'{"key": 1}']


@pytest.mark.parametrize("content", NOTES)
def test_bad_notes_of_trials(content, capsys):
    Path("mine.yaml").write_text(yaml.safe_dump(SWEEP))
    folder = Path("sweeps/mine/trials/abc")
    folder.mkdir(parents=True)
    (folder / "begun.json").write_bytes(content)
    refused(main, ["status", "mine.yaml"], capsys, "begun.json")


# Raw files and statistics


@pytest.mark.parametrize(
    ("name", "content", "options", "culprits"),
    [
        ("amazon-x/r.csv", b"u,a,5\n", [], ("r.csv", "line 1")),
        ("amazon-x/r.csv", b"u,a,5,1\nv,b\n", [], ("r.csv",)),
        ("amazon-x/r.csv", b"u,a\0b,5,1\n", [], ("r.csv", "line 1")),
        ("amazon-x/r.csv", b"u,a,5,noon\n", [], ("r.csv", "line 1", "noon")),
        ("amazon-x/r.csv", b"u,a,high,1\n", ["--min-rating=3"], ("r.csv", "line 1")),
        ("amazon-x/r.csv", b"\xff\xfe\n", [], ("r.csv",)),
        ("amazon-x/r.csv", b"", [], ("r.csv",)),
        ("amazon-x/r.json", b"{]\n", [], ("r.json", "line 1")),
        ("amazon-x/r.json", b"[]\n", [], ("r.json", "line 1")),
        ("amazon-x/r.json", b"__import__('os').system('touch made')\n", [], ("r.json", "line 1")),
        ("amazon-x/r.jsonl", b'{"user_id": "u"}\n', [], ("r.jsonl", "line 1", "parent_asin")),
        ("amazon-x/r.jsonl", b'{"user_id":"u","parent_asin":"a","rating":5,"timestamp":"noon"}\n', [], ("r.jsonl",)),
        ("amazon-x/r.json.gz", b"plain", [], ("r.json.gz",)),
        ("amazon-x/r.xml", b"<a/>\n", [], ("r.xml",)),
        ("amazon-x/r.csv", b"u,a,5,1\n", ["--min-user=x"], ("x",)),
        ("amazon-x/r.csv", b"u,a,5,1\n", ["--min-rating=x"], ("x",)),
        ("amazon-x/r.csv", b"u,a,5,1\n", ["--min-rating=nan"], ("--min-rating",)),
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
        (["tiny", "--data_path=data", "--user-field=who"], "who"),
        ([], "NAME"),
    ],
)
def test_bad_statistics(arguments, culprit, capsys):
    refused(main, ["stats", *arguments], capsys, culprit)
