"""Files of models that are not ours, or that need more than their file: loaded, or refused in one sentence."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.runs import TINY, cycle_lines, fit, tiny_run, write_inter

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import CheckpointError, ConfigError
from recbole_mdcns.quick_start import evaluate_saved, run_recbole_mdcns
from recbole_mdcns.recommend import load
from recbole_mdcns.trainer.best_models import BestModels

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


def test_the_best_model_is_the_lowest_where_less_is_better():
    metric = "AveragePopularity"
    run = tiny_run("GRU4Rec", peer_model="SASRec", epochs=1, metrics=[metric], valid_metric=f"{metric}@5")
    fit(run)
    scores = {"self": 3.0, "peer": 2.0, "teacher": 4.0}
    BestModels.add_valid(run.trainer.files, {role: {f"{metric.lower()}@5": score} for role, score in scores.items()})
    assert load(run.trainer.files.best).best_role == "peer"


def test_an_own_metric_in_a_list_is_not_imported_unasked(monkeypatch):
    Path("own_metric.py").write_text("raise SystemError('imported')\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    run = tiny_run(epochs=1, neg_sampler="rns")
    fit(run)
    content = checkpoint.load(run.trainer.files.best, "model")
    content["config"]["metrics"] = ["NDCG", "own_metric:Own"]
    checkpoint.save(content, Path("x.pth"))
    for use in (load, evaluate_saved):
        with pytest.raises(CheckpointError, match=r"names code to import: metrics = \['NDCG', 'own_metric:Own'\]; to"):
            use("x.pth")


def test_a_peer_is_read_when_it_is_asked_for():
    run = tiny_run(epochs=1)
    fit(run)
    files = run.trainer.files
    peer = files.model("peer")
    saved = checkpoint.load(peer, "model")
    assert load(peer).recommend(HISTORIES, k=2).equals(load(files.best).recommend(HISTORIES, k=2, model="peer"))
    with pytest.raises(ConfigError, match="model = 'self' is not allowed: choose peer$"):
        load(peer).recommend(HISTORIES, model="self")
    assert main(["export-model", str(peer), "--embeddings", "vectors"]) == 0
    other = {"epoch": 7, "best_valid_score": 0.123, "fingerprints": {**saved["fingerprints"], "order": "0"}}
    for name, value in other.items():
        checkpoint.save({**saved, name: value}, peer)
        recommender = load(files.best)
        assert len(recommender.recommend(HISTORIES, k=2)) == 4
        with pytest.raises(
            CheckpointError, match=f"has another {name} than .*: it is of another run, or the training was killed, or"
        ):
            recommender.recommend(HISTORIES, model="teacher")
    peer.unlink()
    recommender = load(files.best)
    assert recommender.roles == ["self", "peer", "teacher"] and len(recommender.recommend(HISTORIES, k=2)) == 4
    with pytest.raises(CheckpointError, match="-peer.pth cannot be read: No such file"):
        recommender.score(HISTORIES, ["i1"], model="teacher")


def test_a_model_with_weights_that_are_no_numbers_is_refused():
    run = tiny_run(epochs=1, neg_sampler="rns")
    fit(run)
    content = checkpoint.load(run.trainer.files.best, "model")
    content["state_dict"]["item_embedding.weight"][3, 0] = float("nan")
    checkpoint.save(content, Path("x.pth"))
    with pytest.raises(CheckpointError, match="x.pth holds weights that are not finite numbers: train it again"):
        load("x.pth")


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
