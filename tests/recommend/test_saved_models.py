"""Files of models that are not ours, or that need more than their file: loaded, or refused in one sentence."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.runs import TINY, cycle_lines, fit, tiny_run, write_inter

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import CheckpointError
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.recommend import load

OWN = "own_items:OwnItems"
HISTORIES = [["i3", "i4", "i5"], ["i20"]]


@pytest.fixture
def own_model(monkeypatch):
    """Put the example of an own model into this folder, under another name."""
    for ending in ("py", "yaml"):
        name = {"py": "last_items", "yaml": "LastItems"}[ending]
        text = (ROOT / "examples" / "own_model" / f"{name}.{ending}").read_text()
        own = {"py": "own_items", "yaml": "OwnItems"}[ending]
        Path(f"{own}.{ending}").write_text(text.replace("LastItems", "OwnItems"))
    monkeypatch.syspath_prepend(str(Path.cwd()))
    yield OWN
    sys.modules.pop("own_items", None)


@pytest.mark.parametrize("models", [{"model": OWN, "peer": "GRU4Rec"}, {"model": "GRU4Rec", "peer": OWN}])
def test_an_own_model_by_import_path_recommends_without_its_data(own_model, models, capsys, caplog):
    write_inter(cycle_lines(user_num=80, item_num=120, length=9))
    caplog.set_level("INFO")
    keys = {**TINY, "epochs": 1, "peer_model": models["peer"], "neg_candidate_num": 4, "state": "INFO"}
    path = run_recbole_mdcns(models["model"], "tiny", config_dict=keys)["model_file"]
    (printed,) = re.findall(r"Saved model: (\S+); recommend with it: recbole-mdcns (.*)", caplog.text)
    assert printed == (path, f"recommend {path} --sequences=FILE --model=best --trust_code")
    shutil.rmtree("data")
    with pytest.raises(CheckpointError, match="names code to import: .*own_items:OwnItems.*trust_code=True"):
        load(path)
    recommender = load(path, trust_code=True)
    assert recommender.roles == ["self", "peer", "teacher"] and recommender.best_role is not None
    role = "self" if models["model"] == OWN else "peer"
    found = recommender.recommend(HISTORIES, k=3, model=role)
    scores = recommender.score(HISTORIES, recommender.item_ids, model=role)
    for row, items in enumerate(HISTORIES):
        order = [recommender.item_ids[place] for place in (-scores[row]).argsort(kind="stable")]
        assert found[found["user"] == row]["item"].tolist() == [item for item in order if item not in items][:3]
    assert {"i3", "i4", "i5"}.isdisjoint(found[found["user"] == 0]["item"])
    Path("s.csv").write_text("user_id,item_id,timestamp\na,i3,1\n")
    command = ["recommend", str(path), "--sequences=s.csv", "--out=r.csv"]
    assert main(command) == 2 and not Path("r.csv").exists()
    assert "--trust_code" in capsys.readouterr().err
    assert main([*command, "--trust_code"]) == 0 and len(Path("r.csv").read_text().splitlines()) == 11
    assert main([*shlex.split(printed[1].replace("FILE", "s.csv")), "--out=best.csv"]) == 0
    said = f"best.csv: 10 rows for 1 sequences, by the {recommender.best_role} model, the best on validation\n"
    assert capsys.readouterr().out.endswith(said)
    assert Path("best.csv").read_text() == recommender.recommend("s.csv", model="best").to_csv(index=False)


def test_a_class_that_is_given_is_not_imported(own_model):
    path = run_recbole_mdcns(OWN, "tiny", config_dict={**TINY, "epochs": 1, "neg_sampler": "rns"})["model_file"]
    given = sys.modules.pop("own_items").OwnItems
    assert type(load(path, model_class=given).model_of("self")[0].model) is given
    assert "own_items" not in sys.modules


def test_a_model_that_reads_features_of_items_needs_its_data():
    Path("data/tiny/tiny.item").write_text(
        "item_id:token\tclass:token\n" + "".join(f"i{k}\tg{k % 5}\n" for k in range(30))
    )
    columns = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "class"]}
    run = tiny_run("SASRecF", neg_sampler="rns", load_col=columns, selected_features=["class"], epochs=1)
    fit(run)
    with pytest.raises(CheckpointError, match="load it with its data, by load_data_and_model"):
        load(run.trainer.files.best)
