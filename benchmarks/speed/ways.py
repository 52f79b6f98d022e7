"""Ways to train on a dataset that ``speed.py`` puts side by side: batches, and what to do with each of them."""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import torch
from recbole.data import data_preparation
from recbole.data.dataset import SequentialDataset
from recbole.model.sequential_recommender.sasrec import SASRec
from recbole.trainer import Trainer
from recbole.utils import InputType
from released_step import ReleasedTraining

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import load_splits
from recbole_mdcns.evaluation.evaluator import PlainEvaluator
from recbole_mdcns.quick_start import build_trainer
from recbole_mdcns.records.environment import reset_peak_memory

PARTS = ("batches", "sampling", "encoding", "scoring and losses", "backward", "optimiser")
RELEASED, ALONE, AS_IT_COMES = "released step", "RecBole's SASRec alone", "the same, anomaly detection on as it comes"
COMPILED = "user, compiled scan"
OURS = ("row", "bucket", "user", COMPILED)


class Parts:
    """Seconds spent in watched methods, each second in the innermost of them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Count a method of an object as a part."""
        method = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            started = now()
            result = method(*args, **kwargs)
            spent = now() - started
            self.seconds[part] += spent - self._inner.pop()
            if self._inner:
                self._inner[-1] += spent
            return result

        setattr(owner, name, watched)


def now() -> float:
    """Return the time in seconds, once a GPU has done what it was asked."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


@dataclass
class Way:
    """One way to train.

    Attributes:
        batches: An epoch, each time anew.
        step: What to do with a batch.
        step_num: Steps of an epoch.
        target_num: Targets of an epoch.
        watch: Starts to count its parts.
        evaluate: Ranks the validation part, where there is something to compare.
        whole: Steps differ, so that a whole epoch must be measured.
    """

    batches: Iterable
    step: Callable[[Any], Any]
    step_num: int
    target_num: int
    watch: Callable[[Parts], None]
    evaluate: Callable[[], Any] | None = None
    whole: bool = False

    def run(self, limit: int | None) -> list[float]:
        """Train and return the seconds of each step, its batch included."""
        marks = [now()]
        for batch in islice(self.batches, limit):
            self.step(batch)
            marks.append(now())
        return [after - before for before, after in zip(marks, marks[1:])]


def make(options: argparse.Namespace, name: str, peer: str) -> Way:
    """Build a way by its name."""
    if name == RELEASED:
        return released(options, peer)
    if name in (ALONE, AS_IT_COMES):
        return recboles(options)
    return ours(options, peer, "user", compile_scan=True) if name == COMPILED else ours(options, peer, name)


def names(model: str, peer: str) -> list[str]:
    """Return the ways with two models; there is something to compile where one of them is Mamba4Rec."""
    return [name for name in (*OURS, RELEASED) if name != COMPILED or "Mamba4Rec" in (model, peer)]


def measure(options: argparse.Namespace, name: str, peer: str) -> dict[str, Any]:
    """Measure a way in this process: warm-up, time, then parts, evaluation and memory."""
    with torch.autograd.set_detect_anomaly(name == AS_IT_COMES):
        way = make(options, name, peer)
        limit = None if way.whole else options.warm_up + options.steps
        before = _reset_peak()
        way.run(options.warm_up)
        seconds = way.run(limit)
        memory = _peak() - before
        step = statistics.median(seconds if way.whole else seconds[options.warm_up :])
        epoch = sum(seconds) if way.whole else step * way.step_num
        parts = Parts()
        way.watch(parts)
        watched = way.run(limit)
        scale = way.step_num / len(watched)
        of_parts = {part: parts.seconds[part] * scale for part in PARTS if part in parts.seconds}
        rest = PARTS[4] if name in (ALONE, AS_IT_COMES) else PARTS[0]  # RecBole's backward is no method of its own
        of_parts[rest] = sum(watched) * scale - sum(of_parts.values())
        evaluation = None
        if way.evaluate:
            way.evaluate()
            started = now()
            way.evaluate()
            evaluation = now() - started
    return {
        "way": name, "peer": peer, "steps": way.step_num, "targets": way.target_num, "ms per step": 1000 * step,
        "s per epoch": epoch, "targets per s": way.target_num / epoch, "MiB of a step": memory / 2**20,
        "MiB of the process": _peak() / 2**20, "s of parts": of_parts, "s of evaluation": evaluation,
    }  # fmt: skip


def ours(options: argparse.Namespace, peer: str, mode: str, **keys: Any) -> Way:
    """Two models with a batching of ours."""
    shared = {"data_path": options.data_path, "use_gpu": options.gpu, "protocol": "paper", "peer_model": peer}
    sizes = {"neg_candidate_num": options.candidates, "train_batch_size": options.batch_size, "batching": mode}
    config = MDCNSConfig(options.model, options.dataset, config_dict={**shared, **sizes, **keys})
    _, splits = load_splits(config)
    trainer = build_trainer(config, splits["train"]._dataset)
    trainer.prepare(splits["train"])

    def step(batch: Any) -> None:
        for encoder in trainer.scoring_models:
            encoder.model.train()
        trainer.train_step(batch)

    def watch(parts: Parts) -> None:
        parts.watch(trainer, "training_loss", "scoring and losses")
        parts.watch(trainer, "_step", "backward")
        parts.watch(trainer.strategy.sampler, "sample", "sampling")
        for encoder, optimizer in zip(trainer.scoring_models, trainer.optimizers):
            parts.watch(encoder, "encode", "encoding")
            parts.watch(optimizer, "step", "optimiser")

    def evaluate() -> None:
        trainer.evaluate(splits["valid"], load_best_model=False)

    targets = len(splits["train"]._dataset)
    return Way(trainer.batches, step, len(trainer.batches), targets, watch, evaluate, whole=mode != "row")


def released(options: argparse.Namespace, peer: str) -> Way:
    """Two models with the released step."""
    keys = {"data_path": options.data_path, "use_gpu": options.gpu, "protocol": "paper", "peer_model": peer}
    config = MDCNSConfig(options.model, options.dataset, config_dict=keys)
    _, splits = load_splits(config)
    data = splits["train"]._dataset
    models = [each.model_class(each, data).to(each["device"]) for each in (config, *config.peer_configs())]
    training = ReleasedTraining(data, models, options.candidates, options.batch_size, options.workers)

    def watch(parts: Parts) -> None:
        parts.watch(training.loader, "collate_fn", "batches")
        parts.watch(training.loader.dataset, "draw", "sampling")
        parts.watch(training, "loss", "scoring and losses")
        parts.watch(training, "update", "backward")
        for model, optimizer in zip(models, training.optimizers):
            parts.watch(model, "forward", "encoding")
            parts.watch(optimizer, "step", "optimiser")

    return Way(training, training.step, len(training.loader), len(data), watch)


def recboles(options: argparse.Namespace) -> Way:
    """RecBole's SASRec in its own trainer, on one uniform negative per row (leave-one-out rows, the paper's sizes)."""
    sizes = {"hidden_dropout_prob": 0.5, "attn_dropout_prob": 0.5, "n_layers": 2, "n_heads": 2}
    keys = {"data_path": options.data_path, "use_gpu": options.gpu, "train_batch_size": options.batch_size, **sizes}
    config = MDCNSConfig("SASRec", options.dataset, config_dict=keys)
    uniform = {"distribution": "uniform", "sample_num": 1, "alpha": 1.0, "dynamic": False, "candidate_num": 0}
    config["train_neg_sample_args"] = uniform
    config["loss_type"], config["MODEL_INPUT_TYPE"] = "BPR", InputType.PAIRWISE
    train, valid, _ = data_preparation(config, SequentialDataset(config))
    trainer = Trainer(config, SASRec(config, train._dataset).to(config["device"]))
    trainer.eval_collector.data_collect(train)
    trainer.evaluator = PlainEvaluator(config)  # RecBole's needs numpy 1

    def watch(parts: Parts) -> None:
        parts.watch(trainer.model, "calculate_loss", "encoding")
        parts.watch(trainer.optimizer, "step", "optimiser")
        parts.watch(train, "collate_fn", "batches")

    targets = len(train._dataset)
    return Way(
        train, lambda batch: trainer._train_epoch([batch], 0), -(-targets // options.batch_size), targets, watch,
        lambda: trainer.evaluate(valid, load_best_model=False),
    )  # fmt: skip


def _reset_peak() -> int:
    """Forget the highest memory in use so far and return what is in use now, in bytes."""
    on_gpu = torch.cuda.is_initialized()
    reset_peak_memory(torch.device("cuda" if on_gpu else "cpu"))
    return torch.cuda.memory_allocated() if on_gpu else psutil.Process().memory_info().rss


def _peak() -> int:
    """Return the highest memory in use since: of the GPU, otherwise resident; Linux says it in /proc."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
