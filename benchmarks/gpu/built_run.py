"""The trainings that ``gpu_check.py`` compares and times: built from keys, on data that a process reads once."""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass
from typing import Any

import torch
from recbole.data.dataloader import AbstractDataLoader

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.data.static_batches import StaticBatches
from recbole_mdcns.quick_start import build_trainer
from recbole_mdcns.trainer import NegativeSamplingTrainer

#: What a line of the log is kept for.
_KEPT = ("captured", "scans by", "batching ")
#: Models of ``--quick``.
_SMALL = {"hidden_size": 16, "embedding_size": 16, "inner_size": 32, "neg_candidate_num": 5, "MAX_ITEM_LIST_LENGTH": 8}
#: Batch sizes of ``--quick``.
_SMALL_BATCH = {1024: 64, 4096: 128}


class NotHereError(Exception):
    """A case cannot be measured here, and this is no failure; the message says why."""


@dataclass(frozen=True)
class Setting:
    """Where and how large the check runs.

    Attributes:
        device: ``cuda`` or ``cpu``.
        folders: The ``data_path`` of each dataset that is there.
        quick: Everything is tiny.
    """

    device: str
    folders: dict[str, str]
    quick: bool

    @property
    def on_gpu(self) -> bool:
        """Whether trainings run on a GPU."""
        return self.device == "cuda"

    def few(self, number: int) -> int:
        """Return a number of steps or epochs, at most 2 under ``--quick``."""
        return min(number, 2) if self.quick else number

    def batch(self, size: int) -> int:
        """Return the batch size that is trained where one is asked for."""
        return _SMALL_BATCH[size] if self.quick else size

    def needs_gpu(self) -> None:
        """Refuse a case that only a GPU can measure.

        Raises:
            NotHereError: There is none.
        """
        if not self.on_gpu:
            raise NotHereError("steps are captured with CUDA only")

    def data(self, dataset: str) -> str:
        """Return the ``data_path`` of a dataset.

        Raises:
            NotHereError: Its file is missing.
        """
        if dataset not in self.folders:
            raise NotHereError(f"{dataset}/{dataset}.inter was not found")
        return self.folders[dataset]


class Lines(logging.Handler):
    """Keeps the lines of the log that say how a training runs."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, once."""
        line = record.getMessage()
        if line.startswith(("training steps", "Mamba4Rec", "batching")) and any(word in line for word in _KEPT):
            self.found += [line] if line not in self.found else []

    def take(self) -> list[str]:
        """Return the lines and forget them."""
        found, self.found = self.found, []
        return found


@dataclass
class BuiltRun:
    """A training that is ready for its first step.

    Attributes:
        trainer: Its trainer.
        train: RecBole's loader of the training part.
        valid: RecBole's loader of the validation part.
        steps: Steps of a whole epoch; set by :meth:`prepare`.
    """

    trainer: NegativeSamplingTrainer
    train: AbstractDataLoader
    valid: Any
    steps: int = 0

    def prepare(self, most_steps: int | None = None) -> None:
        """Make draws and batches, with at most some steps an epoch; only static batches can be cut short."""
        self.trainer.prepare(self.train)
        batches = self.trainer.batches
        self.steps = len(batches)
        if most_steps is not None and len(batches) > most_steps:
            assert isinstance(batches, StaticBatches)
            batches.full_steps, batches.remainder = min(batches.full_steps, most_steps), 0

    @property
    def is_captured(self) -> bool:
        """Whether the steps after the first ones are replays of a captured one."""
        captured = self.trainer.loop.captured
        return captured is not None and captured.obstacle is None


_splits: dict[tuple[Any, ...], dict[str, Any]] = {}


def build_run(setting: Setting, model: str, dataset: str, *, batch: int = 1024, **keys: Any) -> BuiltRun:
    """Build a training.

    Args:
        setting: Where it runs.
        model: The self model.
        dataset: The dataset.
        batch: ``train_batch_size``, smaller under ``--quick``.
        **keys: Further keys of the run.
    """
    shared: dict[str, Any] = {
        "data_path": setting.data("catalogue" if dataset.startswith("synthetic") else dataset),
        "use_gpu": setting.on_gpu, "protocol": "paper", "train_batch_size": setting.batch(batch),
        "show_progress": False, "log_dir": None, "tensorboard_dir": None,
    }  # fmt: skip
    config = MDCNSConfig(model, dataset, config_dict={**shared, **(_SMALL if setting.quick else {}), **keys})
    place = (dataset, config["MAX_ITEM_LIST_LENGTH"], config["eval_batch_size"])
    if place not in _splits:
        _splits.clear()  # one dataset at a time
        _splits[place] = load_splits(config)[1]
    splits = _splits[place]
    trainer = build_trainer(config, dataset_of(splits["train"]))
    splits["train"].generator.manual_seed(config["seed"])  # the last training has drawn from it
    torch.autograd.set_detect_anomaly(False)  # importing RecBole's models turns it on
    return BuiltRun(trainer, splits["train"], splits["valid"])


def release(device: str) -> None:
    """Give the memory of trainings back that nothing holds any more."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def weights(trainer: NegativeSamplingTrainer) -> torch.Tensor:
    """Return all weights of all models as one vector of float64 on the CPU."""
    parameters = [parameter for each in trainer.scoring_models for parameter in each.model.parameters()]
    return torch.cat([parameter.detach().double().flatten().cpu() for parameter in parameters])
