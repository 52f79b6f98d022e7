"""Every study, and every script about models, runs on a tiny dataset, and what it leaves has its figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.runs import TINY
from helpers.scripts import KEYS, record_of_a_run, run_script, scripts_of, table

from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.records.files import read_records, write_record
from recbole_mdcns.records.record import Record

# -- studies ----------------------------------------------------------------------------------------------------------


def run_staged() -> None:
    keys = ["--model=SASRec", "--dataset=tiny", "--neg_sampler=rns", *KEYS]
    run_script("studies/staged.py", "--stages=1,2", "--result_file=run.json", *keys)
    record = json.loads(Path("run.json").read_text())
    assert record["command"][:2] == ["python", "benchmarks/studies/staged.py"]  # wherever the repository lies
    stages = record["study"]["stages"]
    assert list(stages) == ["1", "2"] and stages["2"]["test"] == record["test"] and stages["1"]["best_epoch"] == 0
    assert 0 < stages["1"]["seconds"] < stages["2"]["seconds"]  # all runs up to a stage


def run_stages_page() -> None:
    made = record_of_a_run("made.json", peer_model="GRU4Rec")
    results = {"valid": {"self": {"ndcg@10": 0.25}}, "test": {"self": {"ndcg@10": 0.125}, "peer": {"ndcg@10": 0.5}}}
    stages = {"1": {"seconds": 30.0, **results}, "2": {"seconds": 90.0, **results}}
    Path("staged.json").write_text(json.dumps({**made, "study": {"stages": stages}}))
    run_script("studies/stages_page.py", "staged.json", "--out=out")
    first, second = table("out/README.md")
    assert (first["dataset"], first["epochs"], first["minutes"]) == ("lastfm", "1", "0.5") and second[
        "minutes"
    ] == "1.5"
    assert (first["valid self"], first["test self"], first["test peer"], first["test teacher"]) == (
        "0.2500", "0.1250", "0.5000", "",
    )  # fmt: skip
    assert read_records(Path("out/records.jsonl.xz")) == read_records(Path("staged.json"))
    assert Path("out/curves.png").exists()
    with pytest.raises(AssertionError, match="2"):
        run_script("studies/stages_page.py", "made.json", "--out=out")


def run_parity() -> None:
    """Two seeds of two batchings and two paddings, whose curves are known, and another method beside MDCNS."""
    made = Record.from_json(record_of_a_run("first.json", peer_model="Mamba4Rec"), "first.json")
    Path("records").mkdir()
    for batching, padding, start in (("row", "right", 0.1), ("row", "left", 0.3), ("user", "right", 0.2)):
        for seed in (1, 2):
            metrics = {"ndcg@10": 0.5, "ndcg@20": start + 0.01 * seed}
            epochs = [replace(made.epochs[0], epoch=epoch, valid=metrics) for epoch in range(5)]
            trial = replace(made.trial, key=f"{batching}-{padding}-{seed}", seed=seed)
            config = made.config | {"pad_side": padding}
            planted = replace(made, trial=trial, batching=batching, config=config, epochs=epochs)
            write_record(planted, f"records/{batching}-{padding}-{seed}.json")
    alone = replace(made.trial, key="alone", cell=replace(made.cell, method="rns", peer=None))
    write_record(replace(planted, trial=alone, peer_model=None), "records/alone.json")
    run_script("studies/parity.py", "records")
    text = Path("records/README.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        f"## {made.dataset}, peer Mamba4Rec", f"## {made.dataset}, rns"
    ]  # fmt: skip
    rows = table("records/README.md")
    assert [(row["batching"], row["seeds"], row["epoch 5"]) for row in rows] == [
        ("row", "2", "0.1150 ± 0.0071"), ("row, left padding", "2", "0.3150 ± 0.0071"),
        ("user", "2", "0.2150 ± 0.0071"),
    ]  # fmt: skip
    assert "* row against user: epoch 5 -46.5%" in text  # 0.115 / 0.215 - 1


def run_convergence() -> None:
    Path("records").mkdir()
    record = record_of_a_run("records/mine.json", peer_model="Mamba4Rec")
    run_script("studies/convergence.py", "--out=records", "--note=a note")
    released, mine = table("records/README.md")
    assert (released["run"], mine["run"]) == ("released", "lastfm-Mamba4Rec-user")
    first = record["epochs"][0]["valid"]["ndcg@10"]
    assert mine["epoch 1"].startswith(f"{first:.4f} (+") and float(released["epoch 1"]) < first
    assert "a note" in Path("records/README.md").read_text() and Path("records/curves.png").stat().st_size


def run_mask_effect() -> None:
    run_recbole_mdcns(
        "SASRec", "tiny", config_dict={**TINY, "checkpoint_dir": "saved", "topk": [5], "valid_metric": "NDCG@5"}
    )
    (model_file,) = (path for path in Path("saved").glob("*.pth") if not path.stem.endswith(("-last", "-peer")))
    run_script("studies/mask_effect.py", str(model_file), "--data_path=data", "--out=page.md")
    rows = table("page.md")
    assert [row["history"] for row in rows] == ["left out", "score 0", "ranked"] * 2
    out, zero, ranked = (float(row["recall@20"]) for row in rows[:3])
    assert out >= ranked and out >= zero  # fewer rivals


def run_why_it_works() -> None:
    run_script("studies/why_it_works.py", "--out=out", "--model=SASRec", "--dataset=tiny", "--epochs=2", *KEYS)
    rows = {row[""]: float(row["epoch 2"]) for row in table("out/README.md")}
    assert 1 <= rows["self distinct"] <= 30 and rows["self divergence"] >= rows["pool divergence"]
    assert len(json.loads(Path("out/record.json").read_text())["study"]["chosen"]) == 2


# -- models -----------------------------------------------------------------------------------------------------------


def run_model_table() -> None:
    models = ("GRU4Rec", "BERT4Rec", "RepeatNet", "DIN")
    run_script("models/model_table.py", "--models", *models, "--out=models.md")
    committed = {row["model"]: row for row in table(str(ROOT / "docs" / "models.md"))}
    rows = {row["model"]: row for row in table("models.md")}
    assert list(rows) == list(models) and all(rows[name] == committed[name] for name in models)
    head = Path("models.md").read_text(encoding="utf-8").partition("| model")[0]
    assert (ROOT / "docs" / "models.md").read_text(encoding="utf-8").startswith(head)


def run_every_model() -> None:
    Path("out").mkdir()
    keys = ["--dataset=tiny", *KEYS, "--epochs=1"]
    made = record_of_a_run("out/SASRec-GRU4Rec.json", peer_model="GRU4Rec")  # is there, and not trained again
    Path("out/SASRec-GRU4Rec.json").write_text(json.dumps({**made, "command": ["run_recbole_mdcns.py", *keys]}))
    run_script("models/every_model.py", "--out=out", "--pairs", "SASRec+GRU4Rec", "GRU4Rec+NoModel", *keys)
    trained, failed = table("out/README.md")
    scores = [float(trained[f"valid ndcg@10, {role}"]) for role in ("self", "peer", "teacher")]
    assert all(0 <= score <= 1 for score in scores)
    assert (failed["self"], failed["peer"]) == ("GRU4Rec", "NoModel") and "NoModel" in failed["valid ndcg@10, self"]
    before = Path("out/README.md").read_text()
    with pytest.raises(AssertionError, match="2"):
        run_script("models/every_model.py", "--out=out", "--pairs", "GRU4Rec+SASRec", "SASRec+GRU4Rec", "--epochs=2")
    assert not Path("out/GRU4Rec-SASRec.json").exists()  # it says so before it trains anything
    assert Path("out/README.md").read_text() == before  # the page names one command, that of all its records


SCRIPTS: dict[str, Callable[[], None]] = {
    "models/every_model.py": run_every_model,
    "models/model_table.py": run_model_table,
    "studies/convergence.py": run_convergence,
    "studies/mask_effect.py": run_mask_effect,
    "studies/parity.py": run_parity,
    "studies/staged.py": run_staged,
    "studies/stages_page.py": run_stages_page,
    "studies/why_it_works.py": run_why_it_works,
}
#: Scripts that draw.
DRAWING = {"studies/convergence.py", "studies/parity.py", "studies/stages_page.py", "studies/why_it_works.py"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_study_leaves_its_figures(script):
    if script in DRAWING:
        pytest.importorskip("matplotlib", reason="it draws")
    SCRIPTS[script]()


def test_every_study_has_an_entry():
    assert scripts_of("models", "studies") == set(SCRIPTS)
