"""The command ``recommend``: what it writes, what it refuses, and that nothing is half-written."""

import gc
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from helpers.runs import cycle_lines, fit, tiny_run, write_inter

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import USER_ERROR
from recbole_mdcns.recommend import load, writers
from recbole_mdcns.recommend.recommender import Recommender

HEADER = "user_id,item_id,timestamp\n"
SEQUENCES = HEADER + "new,i3,1\nnew,i4,2\nother,i20,1\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder with a run of GRU4Rec and its peer, and a run of HGN, which embeds users."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("trained")
    os.chdir(folder)
    try:
        write_inter(cycle_lines())
        for name, keys in (("model", {"model": "GRU4Rec", "peer_model": "SASRec"}), ("users", {"model": "HGN"})):
            run = tiny_run(**keys, epochs=1, checkpoint_dir=name, **({"neg_sampler": "rns"} if name == "users" else {}))
            fit(run)
            Path(run.trainer.files.best).rename(f"{name}.pth")
            if name == "model":
                Path(run.trainer.files.model("peer")).rename(f"{name}-peer.pth")
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def files(trained):
    for path in trained.glob("*.pth"):
        shutil.copy(path, path.name)
    Path("s.csv").write_text(SEQUENCES)


def command(*arguments):
    return main(["recommend", *map(str, arguments)])


def expected(**options):
    return load("model.pth").recommend("s.csv", **{"k": 5, **options})


READ = {
    ".csv": lambda path: pd.read_csv(path, dtype={"user": str, "item": str}),
    ".tsv": lambda path: pd.read_csv(path, sep="\t", dtype={"user": str, "item": str}),
    ".jsonl": lambda path: pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()]),
    ".parquet": pd.read_parquet,
}


@pytest.mark.parametrize("ending", READ)
@pytest.mark.parametrize("batch_size", [1, 256])
def test_every_kind_of_file_holds_what_python_gives(ending, batch_size, monkeypatch, capsys):
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(writers, "ROW_GROUP", 5)
    out = Path(f"recs{ending}")
    out.write_text("an older file")
    assert command("model.pth", "--sequences=s.csv", "--k=5", f"--out={out}", f"--batch_size={batch_size}") == 0
    pd.testing.assert_frame_equal(READ[ending](out), expected(), check_dtype=False, rtol=1e-4)
    assert capsys.readouterr().out == f"{out}: 10 rows for 2 sequences, by the self model\n"
    assert not list(Path().glob("*.tmp"))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--model=teacher"], {"model": "teacher"}),
        (["--keep_seen"], {"exclude_seen": False}),
        (["--allowed=some.txt"], {"allowed": ["i3", "i9", "i12"]}),
        (["--columns=u,i,t", "--sequences=other.tsv"], {}),
        (["--on_unknown=skip", "--sequences=odd.csv"], {}),
    ],
)
def test_options_are_those_of_python(arguments, options):
    Path("some.txt").write_text("i9\ni3\n\ni12\n")
    Path("other.tsv").write_text(SEQUENCES.replace(HEADER, "u,i,t\n").replace(",", "\t"))
    Path("odd.csv").write_text(SEQUENCES + "nobody,x,1\nother,x,2\n")
    given = [] if any(each.startswith("--sequences") for each in arguments) else ["--sequences=s.csv"]
    assert command("model.pth", *given, *arguments, "--k=5", "--out=r.csv") == 0
    pd.testing.assert_frame_equal(READ[".csv"](Path("r.csv")), expected(**options), check_dtype=False, rtol=1e-4)


def test_without_out_a_table_is_printed(capsys):
    assert command("model.pth", "--sequences=s.csv", "--k=2", "--batch_size=1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["user", "rank", "item", "score"] and len(lines) == 2 + 4
    items = expected(k=2)["item"].tolist()
    assert [line.split()[:3] for line in lines[2:]] == [
        ["new", "1", items[0]], ["new", "2", items[1]], ["other", "1", items[2]], ["other", "2", items[3]]
    ]  # fmt: skip


def test_endings_may_be_in_capitals():
    for out in ("recs.csv", "recs.CSV"):
        assert command("model.pth", "--sequences=s.csv", "--k=2", f"--out={out}") == 0
    assert Path("recs.CSV").read_bytes() == Path("recs.csv").read_bytes()


def test_users_that_the_data_do_not_have_are_left_out_where_that_is_asked_for(capsys):
    assert command("model.pth", "--users=u5,nobody", "--k=2") == 2
    assert "user 'nobody' is not among the 40 of tiny" in capsys.readouterr().err
    assert command("model.pth", "--users=u5,nobody", "--k=2", "--on_unknown=skip") == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]} == {"u5"}


@pytest.mark.parametrize("model", ["model.pth", "users.pth"])
def test_users_of_the_run(model, monkeypatch):
    monkeypatch.setenv("HOME", os.getcwd())
    assert command(model, "--users=all", "--k=3", "--out=all.csv") == 0
    every = READ[".csv"](Path("all.csv"))
    lines = [line.split() for line in cycle_lines()]
    seen = {user: {item for owner, item, _ in lines if owner == user} for user, _, _ in lines}
    assert every.groupby("user").size().to_dict() == dict.fromkeys(seen, 3)
    assert not any(item in seen[user] for user, item in zip(every["user"], every["item"]))
    Path("ids.txt").write_text("u5\nu2\n")
    for users in ("u5,u2", "ids.txt", "~/ids.txt"):
        assert command(model, f"--users={users}", "--k=3", "--out=some.csv") == 0
        some = READ[".csv"](Path("some.csv"))
        assert some["user"].tolist() == ["u5"] * 3 + ["u2"] * 3
        wanted = pd.concat([every[every["user"] == user] for user in ("u5", "u2")], ignore_index=True)
        pd.testing.assert_frame_equal(some, wanted, rtol=1e-4)
    shutil.move("data", "moved")
    assert command(model, "--users=all", "--k=3", "--out=again.csv", "--data_path=moved") == 0
    assert READ[".csv"](Path("again.csv")).equals(every)


def test_repeated_lines_count_as_in_the_data_of_the_run():
    """The first two lines of the data are there again; the lines of a user stay in their order."""
    lines = cycle_lines()
    file = write_inter([lines[0], *lines, lines[1]])
    assert command("model.pth", "--users=all", "--k=3", "--out=users.csv") == 0
    assert command("model.pth", f"--sequences={file}", "--k=3", "--out=lines.csv") == 0
    users, by_line = (READ[".csv"](Path(name)).sort_values(["user", "rank"]) for name in ("users.csv", "lines.csv"))
    pd.testing.assert_frame_equal(users.reset_index(drop=True), by_line.reset_index(drop=True), rtol=1e-4)


def test_the_file_of_a_peer_recommends_by_that_peer(capsys):
    assert command("model-peer.pth", "--sequences=s.csv", "--k=5", "--out=recs.csv") == 0
    assert "by the peer model" in capsys.readouterr().out
    pd.testing.assert_frame_equal(READ[".csv"](Path("recs.csv")), expected(model="peer"), check_dtype=False, rtol=1e-4)
    assert command("model-peer.pth", "--sequences=s.csv", "--model=best") == USER_ERROR
    assert "does not say which model is best on validation, as it is that of a peer" in capsys.readouterr().err


def spoil(name):
    """Write a file that is no model, half of one, and models of another version and kind."""
    if name == "half.pth":
        Path(name).write_bytes(Path("model.pth").read_bytes()[:3000])
    elif name == "newer.pth":
        torch.save({**torch.load("model.pth", weights_only=True), "format_number": 99}, name)
    elif name == "text.pth":
        Path(name).write_text("no model")
    elif name == "tensors.pth":
        torch.save({"weights": torch.zeros(2)}, name)
    elif name == "alone.pth":
        shutil.copy("model.pth", name)


BAD = [
    (["text.pth"], None, "checkpoint text.pth is damaged"),
    (["half.pth"], None, "half.pth is damaged"),
    (["tensors.pth"], None, "tensors.pth was not written by recbole_mdcns"),
    (["newer.pth"], None, "newer.pth has format 99"),
    (["gone.pth"], None, "gone.pth cannot be read"),
    (["alone.pth", "--model=teacher"], None, "alone-peer.pth cannot be read"),
    ([], "user_id,item_id\nu,i1\n", "has no column 'timestamp': it has user_id, item_id"),
    ([], "user;item\nu;i1\n", "it has user;item, separated by ',' (columns names the needed ones)"),
    ([], HEADER + "u,3,1\nu,4,2\n", "2 of 2 items are not among the 30 that the model was trained on, such as '3'"),
    ([], HEADER + "u,i1,1\nu,x,2\n", "1 of 2 items are not among the 30"),
    ([], HEADER + "u,i1,1\nu,i2,NaN\n", "timestamp is missing in 1 of 2 lines"),
    ([], HEADER + "u,i1,inf\n", "timestamp is not finite in 1 of 1 lines"),
    ([], "", "bad.csv cannot be read as .csv"),
    ([], HEADER, "bad.csv has no lines below its header"),
    (["users.pth"], None, "2 of 2 users are unknown, such as 'new', and HGN embeds users"),
    (["--k=0"], None, "k = 0 is not allowed"),
    (["--k=x"], None, "argument --k: invalid int value: 'x'"),
    (["--batch_size=-1"], None, "batch_size = -1 is not allowed"),
    (["--allowed=allowed.txt"], None, "allowed.txt: item 'x' is unknown"),
    (["--allowed=gone.txt"], None, "gone.txt cannot be read: No such file"),
    (["--allowed=empty.txt"], None, "empty.txt: it is empty"),
    (["--out=gone/recs.csv"], None, "'gone/recs.csv' cannot be written (gone is not a folder)"),
    (["--out=s.csv/recs.csv"], None, "cannot be written"),
    (["--out=recs.xlsx"], None, "recs.xlsx is not allowed: its ending must be .csv, .tsv, .jsonl, .parquet"),
    (["--out=bad.csv"], None, "--out=bad.csv is not allowed"),
    (["--model=peer2"], None, "model = 'peer2' is not allowed: choose self, peer, teacher"),
    (["--model=best"], None, "model = 'best' is not allowed"),
    (["--users=all"], None, "give one of --sequences=FILE and --users"),
    (["--data_path=dataset"], None, "--data_path is not allowed without --users"),
    (["--columns=a,b"], None, "give three names, USER,ITEM,TIME"),
    (["text.pth", "--columns=a,b"], None, "give three names, USER,ITEM,TIME"),  # before the model is read
    (["--columns=a,a,b"], None, "give three different names"),
    (["--device=tpu"], None, "device = 'tpu' is not allowed"),
    (["--on_unknown=ignore"], None, "invalid choice: 'ignore'"),
]


@pytest.mark.parametrize(("arguments", "text", "said"), BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(arguments, text, said, capsys):
    Path("bad.csv").write_text(SEQUENCES if text is None else text)
    Path("allowed.txt").write_text("i1\nx\n")
    Path("empty.txt").touch()
    model = next((each for each in arguments if each.endswith(".pth")), "model.pth")
    spoil(model)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    options = [each for each in arguments if each != model]
    assert command(model, "--sequences=bad.csv", "--out=recs.csv", *options) == USER_ERROR
    error = capsys.readouterr().err
    assert error.startswith("recbole-mdcns recommend: ") and said in error and error.count("\n") == 1
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ending", READ)
def test_an_end_in_the_middle_leaves_the_older_file(ending, monkeypatch):
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    whole = Recommender.top_items

    def stops(*arguments):
        yield next(iter(whole(*arguments)))
        raise KeyboardInterrupt

    monkeypatch.setattr(Recommender, "top_items", stops)
    out = Path(f"recs{ending}")
    out.write_text("an older file")
    assert command("model.pth", "--sequences=s.csv", f"--out={out}", "--batch_size=1") == 130
    gc.collect()
    assert out.read_text() == "an older file" and not list(Path().glob("*.tmp"))
