"""Every script of benchmarks/ runs on a tiny dataset, and what it leaves has its figures."""

from __future__ import annotations

import json
import logging
import re
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.paths import BENCHMARKS, ROOT
from helpers.runs import TINY, cycle_lines, write_inter

from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.records.files import write_record
from recbole_mdcns.records.record import Record

KEYS = [f"--{key}={value}" for key, value in TINY.items() if key != "epochs"]
#: Sizes of a step of a moment.
STEP = ["--out", "out", "--users", "30", "--warm_up", "1", "--steps", "1", "--threads", "1"]
STEP += ["--usual", "N=5", "L=6", "V=60", "batch=32"]


def run_script(path: str, *arguments: str) -> None:
    """Run a script as the main program, with its folder first on the path as Python has it."""
    script = BENCHMARKS / path
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *arguments])
        patch.syspath_prepend(str(script.parent))
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            assert not end.code, end.code
        finally:
            logging.disable(logging.NOTSET)


def table(path: str) -> list[dict[str, str]]:
    """Return the first table of a page: its rows by the names of the columns."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return [dict(zip(rows[0], row)) for row in rows[2:]]


def record_of_a_run(file: str, **keys: object) -> dict:
    """Train two epochs on the tiny dataset, under the name of one with a released log, and return the record."""
    write_inter(cycle_lines(), name="lastfm")
    return run_recbole_mdcns("SASRec", "lastfm", config_dict={**TINY, "result_file": file, **keys}, saved=False)[
        "record"
    ]


# -- on a GPU ---------------------------------------------------------------------------------------------------------


def run_gpu_check() -> None:
    """Everything but the capture runs, and the page says of the captured cases why they are missing."""
    run_script("gpu_check.py", "--device=cpu", "--quick", "--seconds=3000", "--out=gpu.md")
    results = json.loads(Path("gpu.json").read_text())["results"]
    assert list(results["beauty"])[:3] == ["captured, GRU4Rec", "captured, Mamba4Rec", "RecBole's SASRec alone"]
    for section, cases in results.items():
        for case, row in cases.items():
            captured = case.startswith("captured") or section == "quality"
            assert row["status"] == ("not measured" if captured else "done"), (section, case)
    assert results["resume"]["2 + 2 epochs against 4"]["equal"] is True
    assert [row["at once"] for row in results["packed"]["1, 4, 12"]["rows"]] == [1]
    assert results["kernels"]["static, GRU4Rec"]["kernels"] > 100
    assert all(row["result"] == "not measured" for row in table("gpu.md"))
    assert "no figure of this page says anything about speed" in Path("gpu.md").read_text()


# -- speed ------------------------------------------------------------------------------------------------------------


def run_speed() -> None:
    """Every variant has its row, and the yardsticks are once themselves."""
    sizes = ["--candidates", "5", "--batch_size", "64", "--warm_up", "1", "--steps", "1", "--repetitions", "1"]
    data = ["--dataset", "tiny", "--data_path", "data", "--peers", "GRU4Rec", "--threads", "1"]
    run_script("speed/speed.py", *data, *sizes, "--same_process", "--out", "out")
    rows = {row["way"]: row for row in table("out/tiny-1-threads.md")}
    assert [name for name in rows if name.startswith("ours")] == [
        f"ours, {mode}, peer GRU4Rec" for mode in ("row", "bucket", "user")
    ]
    assert rows["released step, peer GRU4Rec"]["faster than released"] == "1.0 x"
    assert rows["RecBole's SASRec alone"]["targets/s of RecBole's SASRec"] == "1.0 x"
    results = json.loads(Path("out/tiny-1-threads.json").read_text())["results"]
    for result in results:  # the phases are the epoch
        assert all(seconds >= 0 for seconds in result["s of parts"].values())
        assert {"encoding", "backward"} <= result["s of parts"].keys()


def run_speed_costs() -> None:
    run_script("speed/speed_costs.py", *STEP, "--changed", "N,V", "--factors", "1,2")
    rows = table("out/costs.md")
    assert [(row["changed"], row["size"], row["lazy_items"]) for row in rows] == [
        ("N", "5", ""), ("N", "10", ""), ("V", "60", ""), ("V", "60", "yes"), ("V", "120", ""), ("V", "120", "yes"),
    ]  # fmt: skip
    assert [row["of the usual"] for row in rows if row["size"] in ("5", "60") and not row["lazy_items"]] == ["1.00"] * 2
    assert Path("out/costs.png").stat().st_size


def run_speed_kernels() -> None:
    run_script("speed/speed_kernels.py", *STEP)
    rows = table("out/kernels.md")
    has_torchs = hasattr(torch.nn.functional, "linear_cross_entropy")
    assert len(rows) == 9 + has_torchs and all(float(row["ratio"]) > 0 for row in rows)
    assert rows[0]["kernel"] == "sampling 32 pools of 5 from 60 items"


def run_selective_scan() -> None:
    run_script("speed/selective_scan.py", "--rows=2", "--length=5", "--repetitions=1", "--forms=plain,ours", "--out=p")
    (row,) = table("p")
    assert float(row["ours keeps, MiB"]) < float(row["plain loop, s"]) + float(row["plain keeps, MiB"])
    assert re.fullmatch(r"\d+\.\d\d x", row["ours faster"])


def run_scale() -> None:
    run_script("speed/scale.py", "--data=made", "--out=out", "--ours=3000", "--recbole=3000", "--steps=1")
    ours, recboles = table("out/README.md")
    assert (ours["side"], recboles["side"]) == ("ours", "recbole")
    assert ours["users"] == ours["items"] == "300" and ours["rows"] == recboles["rows"] > "0"
    assert float(ours["1 steps s"]) > 0 and not recboles["1 steps s"]  # RecBole's case is not trained


def run_active_user() -> None:
    small = ["--interactions=1000", "--items=200", "--samplers=rns", "--batching=row", "--same_process"]
    run_script("speed/active_user.py", "--data=made", *small, "--out=page.md")
    rows = table("page.md")
    assert [row["users"] for row in rows] == ["ordinary", "active"] and all(float(row["peak GiB"]) for row in rows)
    by_user = [line.split("\t")[0] for line in Path("made/active/active.inter").read_text().splitlines()[1:]]
    assert 550 < by_user.count("0") < 650


def run_synthetic() -> None:
    run_script("speed/synthetic.py", "--out=made", "--interactions=500", "--users=20", "--items=40")
    lines = Path("made/synthetic-500/synthetic-500.inter").read_text().splitlines()[1:]
    users, items, times = zip(*(line.split("\t") for line in lines))
    assert len(lines) == 500 and (len(set(users)), len(set(items))) == (20, 40) and list(times) == sorted(times)


def run_large_tables() -> None:
    sizes = ["--items=8000", "--dimensions=8", "--batch_size=16", "--candidates=5", "--steps=1", "--limit=0.0015"]
    run_script("speed/large_tables.py", *sizes, "--processes=1", "--same_process", "--out=page.md")
    rows = table("page.md")
    assert [(row["items"], row["lazy_items"], row["tables"]) for row in rows] == [
        ("8,000", "", "4.5"), ("8,000", "yes", "3"),
    ]  # fmt: skip
    # 8,000 x 8 x 4 bytes x 4.5 x 2 = 2.3 MB are above the limit of 1.5 MiB, x 3 x 2 = 1.5 MB below
    assert [row["dimensions"] for row in rows] == ["4", "8"]
    assert all(each["MiB"] > 0 and each["s"] > 0 for each in json.loads(Path("page.json").read_text())["results"])


def run_pool_costs() -> None:
    small = ["--sizes=300,600", "--users=40", "--steps=2", "--rounds=1", "--warm_up=1", "--threads=1"]
    usual = ["--usual", "N=5", "L=4", "batch=32"]
    run_script("speed/pool_costs.py", *small, *usual, "--methods=mdcns,ce", "--out=page.md")
    rows = table("page.md")
    assert [(row["V"], row["method"]) for row in rows] == [
        ("300", "mdcns"), ("300", "ce"), ("600", "mdcns"), ("600", "ce"),
    ]  # fmt: skip
    results = json.loads(Path("page.json").read_text())["results"]
    first = {each["V"]: each for each in results if each["method"] == "mdcns"}
    smallest = {each["method"]: each for each in results if each["V"] == 300}
    for row, each in zip(rows, results):
        assert (row["V"], row["method"], row["ms"]) == (str(each["V"]), each["method"], f"{each['ms']:.0f}")
        assert 0 < each["ms without"] < each["ms"]
        for column, measure in (("of mdcns", first[each["V"]]), ("of its smallest V", smallest[each["method"]])):
            assert float(row[column]) == pytest.approx(each["ms without"] / measure["ms without"], abs=0.01)


def run_processes() -> None:
    small = ["--size=300,30,100", "--batch_sizes=64", "--candidates=5", "--warm_up=1", "--rounds=1"]
    run_script("speed/processes.py", *small, "--same_process", "--out=page.md")
    one, two = table("page.md")
    assert (one["processes"], two["processes"], one["of one process's"]) == ("1", "2", "1.00")
    first, second = json.loads(Path("page.json").read_text())["results"]
    assert first["targets"] == second["targets"] > 100  # the same epoch
    assert float(two["of one process's"]) == pytest.approx(second["s"] / first["s"], abs=0.01)
    assert float(two["of one process's core"]) == pytest.approx(second["core s"] / first["core s"], abs=0.01)


def run_recommend() -> None:
    small = ["--items=300,40", "--sequences=30", "--measured=30,20", "--batch_size=16", "--threads=1"]
    small.append("--same_process")
    run_script("speed/recommend.py", *small, "--out=page.md")
    rows = table("page.md")
    ways = ["full_sort_topk", "product and topk", "ours", "ours, peer", "ours, teacher"]
    assert [(row["items"], row["way"]) for row in rows] == [(items, way) for items in ("300", "40") for way in ways]
    assert [row["faster than full_sort_topk"] for row in rows if row["way"] == ways[0]] == ["1.00 x"] * 2
    assert all(float(row["sequences/s"]) > 0 for row in rows)
    results = json.loads(Path("page.json").read_text())["results"]
    assert [each["sequences"] for each in results] == [30] * 5 + [20] * 5


def run_sweep_overhead() -> None:
    pytest.importorskip("ray", reason="it measures Ray")
    settings = "".join(f"  {key}: {value}\n" for key, value in TINY.items() if key != "data_path")
    data = f"  data_path: {Path('data').absolute()}\n"
    Path("grid.yaml").write_text(
        f"datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nseeds: [1]\nkeys:\n{data}{settings}"
    )
    run_script("speed/sweep_overhead.py", "grid.yaml", "--epochs=1", "--cores=1", "--out=page.md")
    alone, by_ray = table("page.md")
    assert float(by_ray["s of Ray per trial"]) == pytest.approx(float(by_ray["s"]) - float(alone["s"]), abs=0.02)


# -- studies ----------------------------------------------------------------------------------------------------------


def run_staged() -> None:
    keys = ["--model=SASRec", "--dataset=tiny", "--neg_sampler=rns", *KEYS]
    run_script("studies/staged.py", "--stages=1,2", "--result_file=run.json", *keys)
    record = json.loads(Path("run.json").read_text())
    assert record["command"][:2] == ["python", "benchmarks/studies/staged.py"]  # wherever the repository lies
    stages = record["study"]["stages"]
    assert list(stages) == ["1", "2"] and stages["2"]["test"] == record["test"] and stages["1"]["best_epoch"] == 0
    assert 0 < stages["1"]["seconds"] < stages["2"]["seconds"]  # all runs up to a stage


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
    run_recbole_mdcns("SASRec", "tiny", config_dict={**TINY, "checkpoint_dir": "saved"})
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
    record_of_a_run("out/SASRec-GRU4Rec.json", peer_model="GRU4Rec")  # is there, and not trained again
    keys = ["--dataset=tiny", *KEYS, "--epochs=1"]
    run_script("models/every_model.py", "--out=out", "--pairs", "SASRec+GRU4Rec", "GRU4Rec+NoModel", *keys)
    trained, failed = table("out/README.md")
    scores = [float(trained[f"valid ndcg@10, {role}"]) for role in ("self", "peer", "teacher")]
    assert all(0 <= score <= 1 for score in scores)
    assert (failed["self"], failed["peer"]) == ("GRU4Rec", "NoModel") and "NoModel" in failed["valid ndcg@10, self"]


SCRIPTS: dict[str, Callable[[], None]] = {
    "gpu_check.py": run_gpu_check,
    "models/every_model.py": run_every_model,
    "models/model_table.py": run_model_table,
    "speed/active_user.py": run_active_user,
    "speed/large_tables.py": run_large_tables,
    "speed/pool_costs.py": run_pool_costs,
    "speed/processes.py": run_processes,
    "speed/recommend.py": run_recommend,
    "speed/scale.py": run_scale,
    "speed/selective_scan.py": run_selective_scan,
    "speed/speed.py": run_speed,
    "speed/speed_costs.py": run_speed_costs,
    "speed/speed_kernels.py": run_speed_kernels,
    "speed/sweep_overhead.py": run_sweep_overhead,
    "speed/synthetic.py": run_synthetic,
    "studies/convergence.py": run_convergence,
    "studies/mask_effect.py": run_mask_effect,
    "studies/parity.py": run_parity,
    "studies/staged.py": run_staged,
    "studies/why_it_works.py": run_why_it_works,
}
#: Scripts that draw.
DRAWING = {"speed/scale.py", "speed/speed.py", "speed/speed_costs.py", "studies/convergence.py", "studies/parity.py",
           "studies/why_it_works.py"}  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_leaves_its_figures(script):
    if script in DRAWING:
        pytest.importorskip("matplotlib", reason="it draws")
    SCRIPTS[script]()


def test_every_script_has_an_entry_here_and_in_the_readme():
    scripts = {
        path.relative_to(BENCHMARKS).as_posix()
        for path in BENCHMARKS.rglob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert scripts == set(SCRIPTS)
    listed = re.findall(r"`python benchmarks/([\w/]+\.py)", (BENCHMARKS / "README.md").read_text(encoding="utf-8"))
    assert scripts == set(listed)
