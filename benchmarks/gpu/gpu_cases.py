"""The cases of ``gpu_check.py``: which sections there are, in which order, and how much time each may take."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from built_run import Setting
from epoch_times import time_alone, time_captured, time_plain, time_released
from equal_steps import compare_captured, compare_resumed
from kernel_table import profile_step
from packed_trainings import time_packed
from stand_in_data import write_catalogue
from trained_quality import train_to_quality

#: Takes a part of a result that a case has before its end.
Report = Callable[[dict[str, Any]], None]
#: Measures something and returns the figures by name.
Case = Callable[[Setting, Report], dict[str, Any]]
PEERS = ("GRU4Rec", "Mamba4Rec")
#: Seconds of the whole check; the ends of the sections below are parts of it.
SECONDS = 345
ALONE = "RecBole's SASRec alone"
BEAUTY = "amazon-beauty"


@dataclass(frozen=True)
class Section:
    """Cases that share a table and a time.

    Attributes:
        title: Heading of the table.
        ends: By which of the :data:`SECONDS` it has ended; what an earlier section leaves over is used by later ones.
        cases: The cases by name.
    """

    title: str
    ends: float
    cases: dict[str, Case]


def sections(packed: Sequence[str]) -> dict[str, Section]:
    """Return the sections by name.

    Args:
        packed: The command of one of several trainings at once.
    """
    return {
        "equal": Section("Captured against plain steps, without dropout", 70, _equal()),
        "resume": Section("Resumed against uninterrupted", 105, {"2 + 2 epochs against 4": _resumed}),
        "quality": Section("Beauty, 20 epochs: captured", 105, _quality(True, (2020, 1, 2, 3))),
        "quality_plain": Section("Beauty, 20 epochs: plain", 105, _quality(False, (2020,))),
        "beauty": Section("Beauty, SASRec, batch 1024", 180, _beauty()),
        "batch_4096": Section("Beauty, SASRec, batch 4096", 198, _batch_4096()),
        "self_models": Section("Beauty, other self models with GRU4Rec, batch 1024", 222, _self_models()),
        "ml-1m": Section("MovieLens-1M, SASRec, batch 1024", 247, _ml_1m()),
        "catalogue": Section("One million items, SASRec + GRU4Rec, batch 1024", 287, _catalogue()),
        "packed": Section("Trainings at once, SASRec + GRU4Rec", 319, {"1, 4, 12": _packed(packed)}),
        "kernels": Section("Kernels of one step on Beauty", SECONDS, _kernels()),
    }


#: One stage follows the other. The workers of a stage run side by side, each with its sections one after the other;
#: what is timed has the GPU to itself, and the profiler, which may slow down what follows, comes last.
STAGES: tuple[tuple[tuple[str, ...], ...], ...] = (
    (("equal", "resume"), ("quality",), ("quality_plain",)),
    (("beauty", "batch_4096", "self_models", "ml-1m", "catalogue", "packed", "kernels"),),
)


def _case(measure: Callable[..., dict[str, Any]], *arguments: Any, needs_gpu: bool = False, **keys: Any) -> Case:
    def case(setting: Setting, report: Report) -> dict[str, Any]:
        if needs_gpu:
            setting.needs_gpu()
        return measure(setting, *arguments, **keys)

    return case


def _equal() -> dict[str, Case]:
    return {
        "SASRec + GRU4Rec": _case(compare_captured, "SASRec", peer_model="GRU4Rec"),
        "SASRec + Mamba4Rec": _case(compare_captured, "SASRec", peer_model="Mamba4Rec"),
        "FMLP4Rec + GRU4Rec": _case(compare_captured, "FMLP4Rec", peer_model="GRU4Rec"),
        "SASRec alone, CE": _case(compare_captured, "SASRec", ranking_loss="CE"),
    }


def _resumed(setting: Setting, report: Report) -> dict[str, Any]:
    return compare_resumed(setting, peer_model="GRU4Rec")


def _quality(captures: bool, seeds: Sequence[int]) -> dict[str, Case]:
    def trained(seed: int) -> Case:
        def case(setting: Setting, report: Report) -> dict[str, Any]:
            if captures:
                setting.needs_gpu()
            return train_to_quality(setting, captures, seed, report)

        return case

    return {f"seed {seed}": trained(seed) for seed in seeds}


def _beauty() -> dict[str, Case]:
    captured = {f"captured, {p}": _case(time_captured, "SASRec", BEAUTY, peer_model=p, needs_gpu=True) for p in PEERS}
    plain = {
        f"{batching}, {peer}": _case(time_plain, "SASRec", BEAUTY, batching, peer_model=peer)
        for batching in ("static", "row", "user", "bucket")
        for peer in PEERS
    }
    amp = _case(time_captured, "SASRec", BEAUTY, peer_model="GRU4Rec", enable_amp=True, needs_gpu=True)
    return {
        **captured,
        ALONE: _case(time_alone, BEAUTY, 1024),
        "released step, Mamba4Rec": _case(time_released, "Mamba4Rec"),
        **plain,
        "captured, GRU4Rec, enable_amp": amp,
    }


def _batch_4096() -> dict[str, Case]:
    captured = functools.partial(_case, time_captured, "SASRec", BEAUTY, batch=4096, needs_gpu=True)
    return {
        **{f"captured, {peer}": captured(peer_model=peer) for peer in PEERS},
        "static, GRU4Rec": _case(time_plain, "SASRec", BEAUTY, "static", batch=4096, peer_model="GRU4Rec"),
        ALONE: _case(time_alone, BEAUTY, 4096),
    }


def _self_models() -> dict[str, Case]:
    return {
        f"captured, {model}": _case(time_captured, model, BEAUTY, peer_model="GRU4Rec", needs_gpu=True)
        for model in ("FMLP4Rec", "LinRec")
    }


def _ml_1m() -> dict[str, Case]:
    return {
        "captured, Mamba4Rec": _case(time_captured, "SASRec", "ml-1m", peer_model="Mamba4Rec", needs_gpu=True),
        "row, Mamba4Rec": _case(time_plain, "SASRec", "ml-1m", "row", peer_model="Mamba4Rec"),
        ALONE: _case(time_alone, "ml-1m", 1024),
    }


def _catalogue() -> dict[str, Case]:
    def on_catalogue(measure: Callable[..., dict[str, Any]], needs_gpu: bool, *arguments: Any, **keys: Any) -> Case:
        def case(setting: Setting, report: Report) -> dict[str, Any]:
            if needs_gpu:
                setting.needs_gpu()
            name = write_catalogue(Path(setting.data("catalogue")), setting.quick)
            return measure(setting, "SASRec", name, *arguments, peer_model="GRU4Rec", **keys)

        return case

    softmax = {"neg_sampler": "rns", "ranking_loss": "SSM", "neg_num": 100}
    return {
        "captured": on_catalogue(time_captured, True, validates=False),
        "static": on_catalogue(time_plain, False, "static"),
        "static, lazy_items": on_catalogue(time_plain, False, "static", lazy_items=True),
        "captured, SASRec alone on SSM": on_catalogue(time_captured, True, validates=False, **softmax),
    }


def _packed(command: Sequence[str]) -> Case:
    return _case(time_packed, command)


def _kernels() -> dict[str, Case]:
    return {
        **{f"captured, {peer}": _case(profile_step, peer, True, needs_gpu=True) for peer in PEERS},
        **{f"static, {peer}": _case(profile_step, peer, False) for peer in PEERS},
    }
