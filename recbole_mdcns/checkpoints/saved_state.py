"""Checks of a loaded checkpoint against the run that reads it: weights, optimisers, and states of other parts."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor
from torch.optim import Optimizer

from recbole_mdcns.checkpoints.form import GENERATOR, bytes_like, described, first_fault
from recbole_mdcns.checkpoints.storable import load_other_parameters
from recbole_mdcns.errors import CheckpointError

#: State that each of RecBole's optimisers needs for its second step.
_MOMENTS = {
    "Adam": {"step", "exp_avg", "exp_avg_sq"},
    "AdamW": {"step", "exp_avg", "exp_avg_sq"},
    "LazyAdam": {"step", "exp_avg", "exp_avg_sq"},
    "SparseAdam": {"step", "exp_avg", "exp_avg_sq"},
    "Adagrad": {"step", "sum"},
    "RMSprop": {"step", "square_avg"},
}


def load_weights(model: SequentialRecommender, content: dict[str, Any], path: str | Path) -> None:
    """Load the weights of a checkpoint into a model.

    Raises:
        CheckpointError: They are of another model, or of another number of items.
    """
    own = model.state_dict()
    for name, tensor in content["state_dict"].items():
        if name in own and tensor.dtype.is_floating_point != own[name].dtype.is_floating_point:
            raise CheckpointError(
                f"checkpoint {path} is damaged: {name} is {described(tensor)}, expected {own[name].dtype}"
            )
    try:
        model.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        lines = "; ".join(line.strip() for line in str(error).splitlines()[1:4])
        reason = textwrap.shorten(lines, 400, placeholder=" ...")
        raise CheckpointError(f"checkpoint {path} does not fit model {type(model).__name__}: {reason}") from None
    try:
        load_other_parameters(model, content.get("other_parameter") or {})
    except ValueError as error:
        raise CheckpointError(f"checkpoint {path} is damaged: {error}") from None


def training_fault(
    state: dict[str, Any], optimizers: dict[str, Optimizer], scaler: dict[str, Any], device: torch.device
) -> str:
    """Return why a run cannot continue from a training state, or an empty text.

    Args:
        state: The content of the file, which has the form of a training state.
        optimizers: The run's optimisers by role.
        scaler: The current state of the run's gradient scaler.
        device: The device of the run.
    """
    epochs = [entry["epoch"] for entry in state["epoch_log"]]
    if epochs != list(range(state["epoch"] + 1)):
        return f"epoch_log holds epochs {described(epochs)}, expected 0 to {state['epoch']}"
    for entry in ("models", "other_parameters", "optimizers"):
        if set(state[entry]) != set(optimizers):
            return f"{entry} holds {', '.join(state[entry]) or 'nothing'}, expected {', '.join(optimizers)}"
    faults = [state_fault(state["scaler"], scaler, "scaler")]
    faults += [optimizer_fault(state["optimizers"][role], optimizer, role) for role, optimizer in optimizers.items()]
    if device.type == "cuda":
        faults.append(first_fault(state["random"]["cuda"], bytes_like(torch.cuda.get_rng_state(device)), "random.cuda"))
    return next(filter(None, faults), "")


def optimizer_fault(saved: dict[str, Any], optimizer: Optimizer, role: str) -> str:
    """Return why an optimiser cannot load a saved state, or an empty text."""
    where, now = f"optimizers.{role}", optimizer.state_dict()["param_groups"]
    if len(saved["param_groups"]) != len(now):
        return f"{where} has {len(saved['param_groups'])} param_groups, expected {len(now)}"
    for place, (there, here) in enumerate(zip(saved["param_groups"], now)):
        for key, value in here.items():
            if isinstance(value, (int, float, tuple, list)) and not isinstance(value, bool):
                fault = _difference(
                    there.get(key), value, f"{where}.param_groups[{place}].{key}", exact=key == "params"
                )
                if fault:
                    return fault
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for number, entries in saved["state"].items():
        if not isinstance(number, int) or not 0 <= number < len(weights) or not isinstance(entries, dict):
            return (
                f"{where}.state[{number!r}] is {described(entries)}, expected a dict for each of {len(weights)} weights"
            )
        lacks = sorted(_MOMENTS.get(type(optimizer).__name__, set()) - set(entries))
        if lacks:
            return f"{where}.state[{number}] lacks {', '.join(lacks)}"
        for key, value in entries.items():
            if isinstance(value, Tensor):
                if value.numel() != 1 and value.shape != weights[number].shape:
                    return (
                        f"{where}.state[{number}].{key} is {described(value)}, expected {list(weights[number].shape)}"
                    )
            elif value is not None and not isinstance(value, (int, float)):
                return f"{where}.state[{number}].{key} is {described(value)}, expected a tensor"
    return ""


def state_fault(saved: Any, now: Any, where: str) -> str:
    """Return why a part of the run cannot load a saved state, or an empty text.

    Args:
        saved: The state in the file.
        now: The state of the same part before its first step; both must have the same shapes.
        where: Name of the part.
    """
    if isinstance(now, dict):
        if not isinstance(saved, dict) or not set(now) <= set(saved):
            return f"{where} is {described(saved)}, expected a dict with {', '.join(map(str, now)) or 'nothing'}"
        return next(filter(None, (state_fault(saved[key], now[key], f"{where}.{key}") for key in now)), "")
    if isinstance(now, Tensor):
        if now.dtype == torch.uint8 and GENERATOR.holds(now):
            return first_fault(saved, GENERATOR, where)
        fits = isinstance(saved, Tensor) and saved.dtype == now.dtype and saved.shape == now.shape
        return "" if fits else f"{where} is {described(saved)}, expected {described(now)}"
    if isinstance(now, (int, float)) and not isinstance(saved, (int, float)):
        return f"{where} is {described(saved)}, expected a number"
    return ""


def _difference(saved: Any, now: Any, where: str, exact: bool) -> str:
    """Compare a setting of an optimiser: numbers with numbers, lists with lists of the same length."""
    if isinstance(now, (list, tuple)):
        fits = isinstance(saved, (list, tuple)) and len(saved) == len(now) and (not exact or list(saved) == list(now))
        fits = fits and all(isinstance(value, (int, float)) for value in saved)
    else:
        fits = isinstance(saved, (int, float))
    return "" if fits else f"{where} is {described(saved)}, expected {described(now)}"
