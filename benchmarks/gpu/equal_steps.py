"""Whether captured steps train what plain steps train, and whether a resumed training equals one that never stopped.

On a GPU two plain trainings differ too, because sums of gradients have no fixed order there, and captured steps round
otherwise: their optimiser counts in float32. A rounding can change which of two candidates is chosen. Therefore every
comparison stands beside one of two equal trainings, captured steps also beside a plain training whose first weights are
off by one rounding, and each may be three times as far apart.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any

import torch
from built_run import BuiltRun, Setting, build_run, release, weights
from torch import Tensor

#: The largest relative difference of the mean losses of an epoch.
LOSS_TOLERANCE = 1e-4
#: The largest difference of the weights, relative to the way that they have come since their start.
WEIGHT_TOLERANCE = 1e-2
#: A difference may also be this many times the one of two trainings that should be equal.
TIMES = 3.0
#: Steps of an epoch.
STEPS = 20
_NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "dropout_prob": 0.0}


@dataclass
class Trained:
    """What a training came to.

    Attributes:
        losses: The mean loss and its parts, epoch after epoch.
        start: All weights before the first step.
        end: All weights after the last step.
        is_captured: Whether its steps were captured.
    """

    losses: list[float]
    start: Tensor
    end: Tensor
    is_captured: bool


def compare_captured(setting: Setting, model: str, **keys: Any) -> dict[str, Any]:
    """Train two epochs of 20 steps with plain steps, again, from weights off by one rounding, and with captured steps.

    All draw the same, and there is no dropout. The first three steps of the captured training are plain by design.

    Args:
        setting: Where it runs; on a CPU the last training is left out.
        model: The self model.
        **keys: Keys of the run.
    """
    plain = _train_twenty(setting, model, captures=False, **keys)
    again = _train_twenty(setting, model, captures=False, **keys)
    rounded = _train_twenty(setting, model, captures=False, rounds=True, **keys)
    result = {"loss of the last epoch": plain.losses[-1], **_apart("plain twice", plain, again)}
    result |= _apart("plain, rounded", plain, rounded)
    if not setting.on_gpu:
        return {**result, "equal": None, "note": "steps are captured with CUDA only"}
    captured = _train_twenty(setting, model, captures=True, **keys)
    result |= _apart("captured", plain, captured)
    result["equal"] = captured.is_captured and is_close(result, "captured")
    return result if captured.is_captured else {**result, "note": "the steps were not captured"}


def compare_resumed(setting: Setting, **keys: Any) -> dict[str, Any]:
    """Train four epochs of 20 steps twice, and two and two more with another trainer; steps are captured on a GPU."""
    with tempfile.TemporaryDirectory() as folder:
        whole = _fit(setting, _of_four(setting, f"{folder}/whole", 4, keys))
        again = _fit(setting, _of_four(setting, f"{folder}/again", 4, keys))
        first = _of_four(setting, f"{folder}/resumed", 2, keys)
        _fit(setting, first)
        torch.manual_seed(999)  # another process would be in another random state
        second = _of_four(setting, f"{folder}/resumed", 4, keys)
        second.trainer.resume_checkpoint(first.trainer.files.last)
        resumed = _fit(setting, second)
    result = {"loss of the last epoch": whole.losses[-1], **_apart("whole twice", whole, again)}
    result |= _apart("resumed", whole, resumed)
    return {**result, "equal": is_close(result, "resumed"), "captured steps": whole.is_captured}


def is_close(result: dict[str, Any], name: str) -> bool:
    """Tell whether a training is as close to the first one as the tolerances ask."""
    return all(
        result[f"{name}: {what}"] <= max(limit, *(TIMES * far for key, far in result.items() if _is_control(key, what)))
        for what, limit in (("losses", LOSS_TOLERANCE), ("weights", WEIGHT_TOLERANCE))
    )


def _is_control(key: str, what: str) -> bool:
    """Tell whether a figure says how far apart trainings are that should be equal."""
    return key.endswith((f"twice: {what}", f"rounded: {what}"))


def _apart(name: str, one: Trained, other: Trained) -> dict[str, float]:
    """Return the largest relative difference of the losses, and that of the weights relative to their way."""
    losses = max(abs(a - b) / max(abs(a), 1e-12) for a, b in zip(one.losses, other.losses))
    way = (one.end - one.start).norm()
    return {f"{name}: losses": losses, f"{name}: weights": float((one.end - other.end).norm() / way)}


def _train_twenty(setting: Setting, model: str, *, captures: bool, rounds: bool = False, **keys: Any) -> Trained:
    keys = {**_NO_DROPOUT, **keys, "batching": "static", "cuda_graph": captures}
    run = build_run(setting, model, "amazon-beauty", **keys)
    run.prepare(most_steps=_steps(setting))
    start = weights(run.trainer)
    if rounds:
        _round(run)
    losses: list[float] = []
    for epoch in range(2):
        entry = run.trainer.loop.train_epoch(epoch)
        losses += [*entry["parts"].values(), entry["loss"]]
    return _trained(setting, run, losses, start)


def _round(run: BuiltRun) -> None:
    """Make all weights larger by one rounding of float32."""
    with torch.no_grad():
        for each in run.trainer.scoring_models:
            for parameter in each.model.parameters():
                parameter.mul_(1 + torch.finfo(torch.float32).eps)


def _of_four(setting: Setting, folder: str, epochs: int, keys: dict[str, Any]) -> BuiltRun:
    keys = {**keys, "batching": "static", "checkpoint_dir": folder, "epochs": epochs}
    return build_run(setting, "SASRec", "amazon-beauty", **keys)


def _fit(setting: Setting, run: BuiltRun) -> Trained:
    start = weights(run.trainer)
    run.prepare(most_steps=_steps(setting))
    run.trainer.fit(run.train, run.valid, verbose=False)
    losses = [entry["loss"] for entry in run.trainer.epoch_log]
    return Trained(losses, start, weights(run.trainer), run.is_captured)


def _steps(setting: Setting) -> int:
    return 6 if setting.quick else STEPS


def _trained(setting: Setting, run: BuiltRun, losses: list[float], start: Tensor) -> Trained:
    trained = Trained(losses, start, weights(run.trainer), run.is_captured)
    del run
    release(setting.device)
    return trained
