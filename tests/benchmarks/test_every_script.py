"""Every script that measures speed runs on a tiny dataset, and what it leaves has its figures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.runs import TINY
from helpers.scripts import run_script, scripts_of, table
from helpers.sweeps import Here

#: Sizes of a step of a moment.
STEP = ["--out", "out", "--users", "30", "--warm_up", "1", "--steps", "1", "--threads", "1"]
STEP += ["--usual", "N=5", "L=6", "V=60", "batch=32"]

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
    with pytest.MonkeyPatch.context() as patch:  # Ray itself is tested in tests/tuning/test_sweep.py
        for name in ("init", "shutdown"):
            patch.setattr(f"ray.{name}", lambda *_, **__: None)
        patch.setattr("recbole_mdcns.tuning.driver.Workers", lambda sweep, store: Here(store))
        run_script("speed/sweep_overhead.py", "grid.yaml", "--epochs=1", "--cores=1", "--out=page.md")
    alone, by_ray = table("page.md")
    assert float(by_ray["s of Ray per trial"]) == pytest.approx(float(by_ray["s"]) - float(alone["s"]), abs=0.02)


SCRIPTS: dict[str, Callable[[], None]] = {
    "gpu_check.py": run_gpu_check,
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
}
#: Scripts that draw.
DRAWING = {"speed/scale.py", "speed/speed.py", "speed/speed_costs.py"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_leaves_its_figures(script):
    if script in DRAWING:
        pytest.importorskip("matplotlib", reason="it draws")
    SCRIPTS[script]()


def test_every_script_has_an_entry():
    assert scripts_of(".", "gpu", "speed") == set(SCRIPTS)
