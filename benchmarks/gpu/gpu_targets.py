"""What the check measured beside what was aimed at; the targets are of one H100."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

#: Results by section and case.
Results = Mapping[str, Mapping[str, dict[str, Any]]]
_ALONE = "RecBole's SASRec alone"


@dataclass(frozen=True)
class Target:
    """An aim.

    Attributes:
        about: What is aimed at.
        limit: The most, or the least, that meets it.
        is_least: Whether ``limit`` is the least.
        measure: Returns the figure; KeyError where something of it was not measured.
    """

    about: str
    limit: float
    is_least: bool
    measure: Callable[[Results], float]

    def judge(self, results: Results) -> dict[str, Any]:
        """Return the target beside the figure, and whether it is met."""
        sign = "at least" if self.is_least else "at most"
        row: dict[str, Any] = {"target": self.about, "aim": f"{sign} {self.limit:.4g}"}
        try:
            value = self.measure(results)
        except KeyError:
            return {**row, "measured": None, "result": "not measured"}
        met = value >= self.limit if self.is_least else value <= self.limit
        factor = self.limit / value if self.is_least else value / self.limit
        return {**row, "measured": value, "result": "met" if met else f"missed by {factor - 1:.0%}"}


def judge_all(results: Results) -> list[dict[str, Any]]:
    """Return every target with its figure, and the comparison of quality."""
    return [*(target.judge(results) for target in TARGETS), judge_quality(results)]


def judge_quality(results: Results) -> dict[str, Any]:
    """Return captured against plain steps after the last epoch that both have, against the noise of seeds.

    The noise is twice the standard deviation of the captured trainings with other seeds, which needs three of them.
    """
    row: dict[str, Any] = {
        "target": "Beauty: validation NDCG@20 of captured less plain steps, same seed",
        "aim": "within 2 standard deviations of seeds",
    }
    captured = [each for each in results.get("quality", {}).values() if each.get("steps are captured", True)]
    curves: list[list[float]] = [each["curve"] for each in captured if "curve" in each]
    plain: list[list[float]] = [e["curve"] for e in results.get("quality_plain", {}).values() if "curve" in e]
    if len(curves) < 3 or not plain:
        return {**row, "measured": None, "result": "not measured"}
    last = min(len(curve) for curve in [*curves, *plain]) - 1
    noise = 2 * statistics.stdev(curve[last] for curve in curves)
    apart = abs(curves[0][last] - plain[0][last])
    row["aim"] += f" (here {noise:.4f}, epoch {last + 1})"
    return {**row, "measured": apart, "result": "met" if apart <= noise else f"missed by {apart - noise:.4f}"}


def _of(section: str, case: str, figure: str = "s per epoch") -> Callable[[Results], float]:
    def measure(results: Results) -> float:
        row = results[section][case]
        if case.startswith("captured") and not row["steps are captured"]:
            raise KeyError(case)
        return row[figure]

    return measure


def _faster(section: str, case: str, other: str) -> Callable[[Results], float]:
    """Return how many times the targets per second of another case."""

    def measure(results: Results) -> float:
        return _of(section, case, "targets per s")(results) / results[section][other]["targets per s"]

    return measure


def _most(about: str, section: str, case: str, limit: float) -> Target:
    return Target(f"{about}: s per epoch", limit, False, _of(section, case))


TARGETS = (
    _most("Beauty, SASRec + GRU4Rec", "beauty", "captured, GRU4Rec", 0.30),
    _most("Beauty, SASRec + Mamba4Rec", "beauty", "captured, Mamba4Rec", 0.40),
    *(
        Target(f"Beauty, SASRec + {peer}: targets per s of RecBole's SASRec alone", 3, True,
               _faster("beauty", f"captured, {peer}", _ALONE))
        for peer in ("GRU4Rec", "Mamba4Rec")
    ),
    Target("Beauty, SASRec + Mamba4Rec: targets per s of the released step", 180, True,
           _faster("beauty", "captured, Mamba4Rec", "released step, Mamba4Rec")),
    _most("Beauty, batch 4096, SASRec + GRU4Rec", "batch_4096", "captured, GRU4Rec", 0.15),
    _most("Beauty, batch 4096, SASRec + Mamba4Rec", "batch_4096", "captured, Mamba4Rec", 0.15),
    Target("MovieLens-1M, SASRec + Mamba4Rec: targets per s of RecBole's SASRec alone", 5, True,
           _faster("ml-1m", "captured, Mamba4Rec", _ALONE)),
    _most("Beauty, FMLP4Rec + GRU4Rec", "self_models", "captured, FMLP4Rec", 0.80),
    _most("Beauty, LinRec + GRU4Rec", "self_models", "captured, LinRec", 0.80),
    Target("Beauty, SASRec + GRU4Rec: a validation, as a part of an epoch", 0.1, False,
           _of("beauty", "captured, GRU4Rec", "validation / epoch")),
)  # fmt: skip
