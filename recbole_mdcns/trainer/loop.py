"""The training steps of an epoch: one objective for all models, one backward pass, one step of each optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from logging import getLogger
from typing import Any, Union

import torch
from recbole.utils import get_gpu_usage, set_color
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from tqdm import tqdm

from recbole_mdcns import compat
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.static_batches import StaticBatches
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.encoder.selftest import fastest_mode
from recbole_mdcns.errors import ConfigError, TrainingError
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.support.declared import is_known
from recbole_mdcns.trainer.captured_steps import CapturedSteps, Capturing, CudaCapturing, obstacle_of
from recbole_mdcns.trainer.make_objective import make_objective
from recbole_mdcns.trainer.objective import StepLoss
from recbole_mdcns.trainer.parallel_step import in_parallel
from recbole_mdcns.trainer.weight_average import WeightAverage

#: The batches of a training part.
Batches = Union[TargetLoader, StaticBatches]


class TrainingLoop:
    """Makes the batches of a training part, and takes the steps of its epochs.

    Raises:
        ConfigError: The loss cannot train one of the models.

    Attributes:
        objective: What a step minimises.
        scaler: The gradient scaler of mixed precision.
        average: The average of the models' weights over the steps, by ``ema_decay``.
        batches: The training batches; set by :meth:`prepare`.
        captured: The steps of static batches on a GPU; None if all steps are plain.
    """

    batches: Batches

    def __init__(self, config: MDCNSConfig, scoring_models: Sequence[ScoringModel], optimizers: Sequence[Optimizer]):
        self.config = config
        self.device: torch.device = config["device"]
        self.scoring_models = scoring_models
        self.optimizers = optimizers
        self.objective = make_objective(config, scoring_models)
        uses_scaler = torch.cuda.is_available() and config["enable_scaler"]  # as RecBole's trainer decides
        self.scaler = compat.grad_scaler(self.device, uses_scaler)
        self.average = WeightAverage({each.role: each.model for each in scoring_models}, config["ema_decay"])
        self.captured: CapturedSteps | None = None
        self._sums: dict[str, Tensor] = {}  # of the losses of an epoch, in place: captured steps add to them
        self._dataset: HistoryDataset | None = None
        self.group = Group.current()
        self._step_of: Callable[[TargetBatch], StepLoss] = self.objective.step_loss

    def prepare(self, dataset: HistoryDataset, order: torch.Generator) -> None:
        """Make the draws and the batches of a training part, once.

        Args:
            dataset: The training part.
            order: Random generator of the order of the batches, if the run shuffles.

        Raises:
            ConfigError: A row leaves fewer than N candidates, there are more processes than targets in a step, or
                another training part was prepared before.
        """
        if self._dataset is not None:
            if dataset is not self._dataset:
                raise ConfigError("this trainer was prepared for another training set: make a new trainer")
            return
        if self.group.size > self.config["train_batch_size"]:
            raise ConfigError(
                f"train_batch_size = {self.config['train_batch_size']} is not allowed: {self.group.size} processes "
                "share the targets of a step, and each needs at least one"
            )
        self.objective.prepare(dataset)
        if self.config["lazy_items"]:
            self._make_lazy()
        self.batches = self._make_batches(dataset, order if self.config["shuffle"] else None)
        self._dataset = dataset
        if self.config["ema_decay"]:
            getLogger().info(
                f"averages of the weights over training steps (ema_decay {self.config['ema_decay']}) are validated and "
                "saved in place of the weights"
            )
        if self.group.size > 1:
            self._step_of = in_parallel(self.objective)
        if self.batches.mode == "static" and self.device.type == "cuda":
            self._make_captured()

    def _make_batches(self, dataset: HistoryDataset, order: torch.Generator | None) -> Batches:
        mode, reason = self.config["batching"], "as asked"
        if mode == "auto":
            mode, reason = fastest_mode(self.scoring_models, self.device)
        abilities = "; ".join(f"{each.role}: {each.abilities()}" for each in self.scoring_models)
        getLogger().info(f"batching {mode}: {reason} ({abilities})")
        size, reading = self.config["train_batch_size"], [each.reads_passes for each in self.scoring_models]
        source: dict[str, Any] = {"generator": order, "device": self.device}
        if mode == "static":
            return StaticBatches(dataset, size, reads_passes=any(reading), reads_rows=not all(reading), **source)
        return TargetLoader(dataset, size, mode, with_rows=not all(reading), **source)

    def _make_captured(self) -> None:
        obstacle = obstacle_of(self.config, self.optimizers, self.scaler.is_enabled())
        if obstacle is not None:
            getLogger().info(f"training steps are not captured: {obstacle}")
            return
        self.capture_with(CudaCapturing(self.device))

    def capture_with(self, capturing: Capturing) -> None:
        """Capture the steps of static batches from now on."""
        assert isinstance(self.batches, StaticBatches)
        strategy = self.objective.strategy
        state: dict[str, Any] = {each.role: each.model for each in self.scoring_models}
        state.update(loss=self.objective.loss, strategy=strategy, average=self.average)
        fixed = ("strategy.epoch",) if is_known(type(strategy)) else ()  # ours read it at the start of an epoch only
        self.captured = CapturedSteps(self.batches, self._take, self.optimizers, state, fixed, capturing, self.device)

    def _make_lazy(self) -> None:
        for each in self.scoring_models:
            if not each.make_lazy():
                getLogger().warning(
                    f"lazy_items does nothing for the {each.role} model: {type(each.model).__name__} scores all items, "
                    "so every item row has a gradient"
                )

    def train_step(self, batch: TargetBatch) -> dict[str, Tensor]:
        """Take one optimiser step per model on a batch; return the loss and its parts."""
        loss, parts = self._step_of(batch)
        self.step(loss * self.group.size if self.group.size > 1 else loss)  # gradients are averaged
        return {"loss": loss.detach(), **parts}

    def step(self, loss: Tensor) -> None:
        """Take one optimiser step per model along the gradient of a loss, and add the new weights to the average."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        for each, optimizer in zip(self.scoring_models, self.optimizers):
            if self.config["clip_grad_norm"]:
                self.scaler.unscale_(optimizer)
                clip_grad_norm_(each.model.parameters(), **self.config["clip_grad_norm"])
            self.scaler.step(optimizer)
        self.scaler.update()
        self.average.update()

    def train_epoch(self, epoch: int, show_progress: bool = False) -> dict[str, Any]:
        """Train one epoch, counted from 0; losses are read from the device once, at its end.

        Returns:
            The epoch's number, mean ``loss`` per target, its ``parts``, and the number of ``targets``.

        Raises:
            TrainingError: The loss is no longer finite.
        """
        for each in self.scoring_models:
            each.model.train()
        if self.group.size > 1:  # dropout differs between processes, and a resumed run finds it again
            torch.manual_seed(self.config["seed"] + 1_000_000 * (epoch + 1) + self.group.rank)
        self.objective.start_epoch(epoch)
        steps: Any
        if self.captured is None:
            self._sums, steps = {}, self._plain_steps()
        else:
            for total in self._sums.values():
                total.zero_()
            steps = self.captured.epoch()
        if show_progress:
            steps = tqdm(steps, total=len(self.batches), ncols=100, desc=set_color(f"Train {epoch:>5}", "pink"))
        target_num = 0
        for number in steps:
            target_num += number
            if self.device.type == "cuda" and show_progress:
                steps.set_postfix_str(set_color("GPU RAM: " + get_gpu_usage(self.device), "yellow"))
        parts = dict(zip(self._sums, (torch.stack(list(self._sums.values())) / target_num).tolist()))
        total = parts.pop("loss")
        if not all(map(math.isfinite, (total, *parts.values()))):
            raise TrainingError(f"the loss became {total} in epoch {epoch}: lower learning_rate or set clip_grad_norm")
        return {"epoch": epoch, "loss": total, "parts": parts, "targets": target_num}

    def _plain_steps(self) -> Iterator[int]:
        for batch in self.batches:
            self._take(batch)
            yield len(batch)

    def _take(self, batch: TargetBatch) -> None:
        """Take a training step, and add its losses to the sums of the epoch."""
        for name, loss in self.train_step(batch).items():
            if name not in self._sums:
                self._sums[name] = torch.zeros((), dtype=torch.float64, device=self.device)
            self._sums[name] += loss.double() * len(batch)
