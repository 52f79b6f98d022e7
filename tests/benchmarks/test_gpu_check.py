"""The parts of ``gpu_check.py`` that a GPU run relies on: lost cases, targets, tables of kernels, stand-in data."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from helpers.paths import BENCHMARKS
from helpers.runs import HEADER
from helpers.tape import TapeCapturing

#: A worker whose cases do what their names say.
WORKER = """
import sys, time
sys.path[:0] = [{gpu!r}]
from supervised import cases_to_measure, tell
for section, case in cases_to_measure():
    tell(section, case, status="started")
    if case == "crashes":
        raise ValueError("no such kernel")
    if case == "hangs":
        tell(section, case, half=1)
        time.sleep(600)
    tell(section, case, status="done", value=case.upper())
"""


@pytest.fixture(autouse=True)
def scripts_are_importable(monkeypatch):
    for folder in ("speed", "gpu"):
        monkeypatch.syspath_prepend(str(BENCHMARKS / folder))


def supervised_results(cases, ends, code=WORKER):
    from supervised import supervise

    results: dict = {}
    Path("worker.py").write_text(code.format(gpu=str(BENCHMARKS / "gpu")))

    def keep(section, case, result):
        results.setdefault((section, case), {}).update(result)

    supervise([sys.executable, "worker.py"], cases, ends, keep, lambda line: None)
    return results


def test_a_case_that_crashes_or_hangs_costs_only_itself():
    now = time.monotonic()
    cases = [("a", "one"), ("a", "crashes"), ("a", "two"), ("b", "hangs"), ("b", "three"), ("c", "four")]
    results = supervised_results(cases, {"a": now + 60, "b": now + 3, "c": now + 60})
    assert list(results) == cases
    by_case = {case: result for (_, case), result in results.items()}
    assert [by_case[case]["value"] for case in ("one", "two", "four")] == ["ONE", "TWO", "FOUR"]
    assert by_case["crashes"]["status"] == "failed" and by_case["crashes"]["error"].endswith("no such kernel")
    assert by_case["hangs"] == {"status": "out of time", "half": 1}  # what it told before is kept
    assert by_case["three"] == {"status": "out of time"}


def test_a_worker_that_cannot_begin_is_not_started_again_for_each_case():
    later = time.monotonic() + 60
    results = supervised_results([("a", "one"), ("b", "two")], {"a": later, "b": later}, "raise SystemExit('no torch')")
    assert [result["error"] for result in results.values()] == ["no torch"] * 2


def test_targets_are_met_missed_or_not_measured():
    from gpu_targets import judge_all

    def row(seconds, targets):
        return {"s per epoch": seconds, "targets per s": targets, "steps are captured": True, "validation / epoch": 0.2}

    beauty = {
        "captured, GRU4Rec": row(0.25, 500.0), "captured, Mamba4Rec": row(0.6, 200.0),
        "RecBole's SASRec alone": row(1.5, 100.0), "released step, Mamba4Rec": row(70.0, 2.0),
    }  # fmt: skip
    plain = {"captured, GRU4Rec": {**row(0.1, 1.0), "steps are captured": False}}  # it was to be captured and was not
    judged = {each["target"]: each for each in judge_all({"beauty": beauty, "batch_4096": plain})}
    short = [(each["measured"], each["result"]) for each in judged.values()]
    assert short == [
        (0.25, "met"), (0.6, "missed by 50%"),  # 0.6 / 0.4
        (5.0, "met"), (2.0, "missed by 50%"),  # 500 / 100; 200 / 100, and 3 / 2
        (100.0, "missed by 80%"),  # 200 / 2, and 180 / 100
        (None, "not measured"), (None, "not measured"), (None, "not measured"), (None, "not measured"),
        (None, "not measured"), (0.2, "missed by 100%"), (None, "not measured"),
    ]  # fmt: skip


def test_quality_is_compared_with_the_noise_of_seeds_at_the_last_common_epoch():
    from gpu_targets import judge_quality

    captured = {str(seed): {"curve": [0.0, value, 0.9]} for seed, value in enumerate((0.10, 0.12, 0.14))}
    far = judge_quality({"quality": captured, "quality_plain": {"0": {"curve": [0.0, 0.15]}}})
    assert far["result"] == "missed by 0.0100" and "0.0400, epoch 2" in far["aim"]  # 0.05 against 2 x 0.02
    near = judge_quality({"quality": captured, "quality_plain": {"0": {"curve": [0.0, 0.13]}}})
    assert near["result"] == "met" and near["measured"] == pytest.approx(0.03)
    unmeasured = judge_quality({"quality": captured, "quality_plain": {"0": {"status": "failed"}}})
    assert unmeasured["result"] == "not measured"


def test_kernels_are_counted_per_step_and_operators_are_not():
    from kernel_table import GPU_WORK, table_of

    events: list[dict] = [
        {"cat": "kernel", "name": "gemm", "dur": 30}, {"cat": "kernel", "name": "gemm", "dur": 50},
        {"cat": "gpu_memcpy", "name": "copy", "dur": 20}, {"cat": "kernel", "name": "add", "dur": 40},
        {"cat": "cpu_op", "name": "aten::mm", "dur": 900}, {"name": "process_name", "ph": "M"},
    ]  # fmt: skip
    table = table_of(events, GPU_WORK, steps=2)
    assert (table["kernels"], table["different"]) == (2.0, 3) and table["ms of kernels"] == pytest.approx(0.07)
    assert [(row["kernel"], row["a step"], round(row["ms"], 3)) for row in table["longest"]] == [
        ("gemm", 1.0, 0.04), ("add", 0.5, 0.02), ("copy", 0.5, 0.01),
    ]  # fmt: skip


def test_captured_steps_are_called_equal_or_not(monkeypatch):
    """A tape stands in for the CUDA graph; a step that it takes twice is found."""
    from built_run import BuiltRun, Setting
    from equal_steps import compare_captured
    from stand_in_data import find_data

    setting = Setting("cpu", find_data(Path("none"), Path("made"), True)[0], True)
    prepare, graphs = BuiltRun.prepare, TapeCapturing()

    def prepared(self, most_steps=None):
        prepare(self, most_steps)
        self.trainer.strategy.sampler.may_read = self.trainer.strategy.sampler.sorts_histories = False
        if self.trainer.config["cuda_graph"]:
            self.trainer.loop.capture_with(graphs)

    monkeypatch.setattr(BuiltRun, "prepare", prepared)
    assert compare_captured(setting, "SASRec", peer_model="GRU4Rec")["equal"] is None  # a CPU compares plain steps only
    with monkeypatch.context() as patch:  # build_run asks too, but nothing of this test is on a GPU
        patch.setattr(Setting, "on_gpu", property(lambda self: sys._getframe(1).f_code.co_name == "compare_captured"))
        right = compare_captured(setting, "SASRec", peer_model="GRU4Rec")
        assert right["equal"] and right["captured: losses"] == right["captured: weights"] == 0
        assert graphs.tapes[0].replays == 6 + 3  # two epochs of six steps, less the first three
        run = type(graphs.tapes[0]).run
        patch.setattr(type(graphs.tapes[0]), "run", lambda self: (run(self), run(self)))
        wrong = compare_captured(setting, "SASRec", peer_model="GRU4Rec")
        assert wrong["equal"] is False and wrong["captured: losses"] > 1e-3


def test_stand_ins_keep_their_sizes_through_the_filters():
    from stand_in_data import TINY, write_part, write_walks

    path = write_walks(Path("made"), "amazon-beauty", *TINY)
    lines = path.read_text().splitlines()[1:]
    users, items = (Counter(column) for column in list(zip(*(line.split("\t") for line in lines)))[:2])
    assert (len(users), len(items), len(lines)) == TINY
    assert min(users.values()) >= 5 and min(items.values()) >= 5  # none is filtered out
    Path("raw").mkdir()
    Path("raw/raw.inter").write_text(f"{HEADER}u\ta\t1\nv\ta\t2\nw\ta\t3\nu\tb\t4\n")
    part = Path(write_part(Path("raw/raw.inter"), Path("part"), 2)) / "raw" / "raw.inter"
    assert part.read_text() == f"{HEADER}u\ta\t1\nv\ta\t2\nu\tb\t4\n"
