"""The variants of training that ``speed.py`` compares: their batches, and the step on each batch."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from recbole.data import data_preparation
from recbole.data.dataset import SequentialDataset
from recbole.model.sequential_recommender.sasrec import SASRec
from recbole.trainer import Trainer
from recbole.utils import InputType
from released_step import ReleasedTraining
from step_phases import PhaseSeconds, now

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.evaluation.evaluator import PlainEvaluator
from recbole_mdcns.quick_start import build_trainer

RELEASED, ALONE = "released step", "RecBole's SASRec alone"
#: RecBole turns torch's anomaly detection on.
ALONE_WITH_ANOMALY_DETECTION = "the same, anomaly detection on as it comes"
COMPILED = "user, compiled scan"
OURS = ("row", "bucket", "user", COMPILED)


@dataclass
class TrainingVariant:
    """One variant of training.

    Attributes:
        batches: An epoch, each time anew.
        step: What is done with a batch.
        step_num: Steps of an epoch.
        target_num: Targets of an epoch.
        watch: Starts to count the seconds of its phases.
        evaluate: Ranks the validation part; None where that is not comparable.
        needs_whole_epoch: Its steps differ, and a whole epoch must be measured.
    """

    batches: Iterable
    step: Callable[[Any], Any]
    step_num: int
    target_num: int
    watch: Callable[[PhaseSeconds], None]
    evaluate: Callable[[], Any] | None = None
    needs_whole_epoch: bool = False

    def run(self, limit: int | None) -> list[float]:
        """Train and return the seconds of each step, its batch included.

        Args:
            limit: The most steps; None for a whole epoch.
        """
        marks = [now()]
        for batch in islice(self.batches, limit):
            self.step(batch)
            marks.append(now())
        return [after - before for before, after in zip(marks, marks[1:])]


def names_of_variants(model: str, peers: list[str]) -> list[tuple[str, str]]:
    """Return every variant with its peer; a scan is compiled where one of the two models is Mamba4Rec."""
    of_peers = [
        (name, peer) for peer in peers for name in (*OURS, RELEASED) if name != COMPILED or "Mamba4Rec" in (model, peer)
    ]
    return [*of_peers, (ALONE, ""), (ALONE_WITH_ANOMALY_DETECTION, "")]


def build_variant(options: argparse.Namespace, name: str, peer: str) -> TrainingVariant:
    """Build a variant by its name."""
    if name == RELEASED:
        return build_released(options, peer)
    if name in (ALONE, ALONE_WITH_ANOMALY_DETECTION):
        return build_recboles(options)
    if name == COMPILED:
        return build_ours(options, peer, "user", compile_scan=True)
    return build_ours(options, peer, name)


def build_ours(options: argparse.Namespace, peer: str, batching: str, **keys: Any) -> TrainingVariant:
    """Build the training of two models with a batching of ours.

    Args:
        options: ``model``, ``dataset``, ``data_path``, ``gpu``, ``candidates`` and ``batch_size``.
        peer: The peer.
        batching: ``row``, ``bucket`` or ``user``.
        **keys: Further keys of the run.
    """
    sizes = {"neg_candidate_num": options.candidates, "train_batch_size": options.batch_size, "batching": batching}
    config = MDCNSConfig(options.model, options.dataset, config_dict={**_shared(options, peer), **sizes, **keys})
    _, splits = load_splits(config)
    train = dataset_of(splits["train"])
    trainer = build_trainer(config, train)
    trainer.prepare(splits["train"])
    strategy = trainer.strategy
    assert strategy is not None

    def step(batch: Any) -> None:
        for scoring_model in trainer.scoring_models:
            scoring_model.model.train()
        trainer.train_step(batch)

    def watch(phases: PhaseSeconds) -> None:
        phases.watch(trainer.loop.objective, "step_loss", "scoring and losses")
        phases.watch(trainer.loop, "step", "backward")
        phases.watch(strategy.sampler, "sample", "sampling")
        for scoring_model, optimizer in zip(trainer.scoring_models, trainer.optimizers):
            phases.watch(scoring_model, "encode", "encoding")
            phases.watch(optimizer, "step", "optimiser")

    evaluate = functools.partial(trainer.evaluate, splits["valid"], load_best_model=False)
    whole = batching != "row"
    return TrainingVariant(trainer.batches, step, len(trainer.batches), len(train), watch, evaluate, whole)


def build_released(options: argparse.Namespace, peer: str) -> TrainingVariant:
    """Build the training of two models with the released step."""
    config = MDCNSConfig(options.model, options.dataset, config_dict=_shared(options, peer))
    _, splits = load_splits(config)
    train = dataset_of(splits["train"])
    models = [each.model_class(each, train).to(each["device"]) for each in (config, *config.peer_configs())]
    training = ReleasedTraining(train, models, options.candidates, options.batch_size, options.workers)

    def watch(phases: PhaseSeconds) -> None:
        phases.watch(training.loader, "collate_fn", "batches")
        phases.watch(training.rows, "draw", "sampling")
        phases.watch(training, "loss", "scoring and losses")
        phases.watch(training, "update", "backward")
        for model, optimizer in zip(models, training.optimizers):
            phases.watch(model, "forward", "encoding")
            phases.watch(optimizer, "step", "optimiser")

    return TrainingVariant(training, training.step, len(training.loader), len(train), watch)


def build_recboles(options: argparse.Namespace) -> TrainingVariant:
    """Build RecBole's SASRec in its own trainer, on one uniform negative per row.

    Rows are those of leave-one-out, sizes those of the paper.
    """
    sizes = {"hidden_dropout_prob": 0.5, "attn_dropout_prob": 0.5, "n_layers": 2, "n_heads": 2}
    keys = {"data_path": options.data_path, "use_gpu": options.gpu, "train_batch_size": options.batch_size, **sizes}
    config = MDCNSConfig("SASRec", options.dataset, config_dict=keys)
    uniform = {"distribution": "uniform", "sample_num": 1, "alpha": 1.0, "dynamic": False, "candidate_num": 0}
    config["train_neg_sample_args"] = uniform
    config["loss_type"], config["MODEL_INPUT_TYPE"] = "BPR", InputType.PAIRWISE
    train, valid, _ = data_preparation(config, SequentialDataset(config))
    rows = train._dataset
    trainer = Trainer(config, SASRec(config, rows).to(config["device"]))
    trainer.eval_collector.data_collect(train)
    trainer.evaluator = PlainEvaluator(config)  # RecBole's needs numpy 1

    def watch(phases: PhaseSeconds) -> None:
        phases.watch(trainer.model, "calculate_loss", "encoding")
        phases.watch(trainer.optimizer, "step", "optimiser")
        phases.watch(train, "collate_fn", "batches")

    evaluate = functools.partial(trainer.evaluate, valid, load_best_model=False)
    step_num = -(-len(rows) // options.batch_size)
    return TrainingVariant(train, lambda batch: trainer._train_epoch([batch], 0), step_num, len(rows), watch, evaluate)


def _shared(options: argparse.Namespace, peer: str) -> dict[str, Any]:
    return {"data_path": options.data_path, "use_gpu": options.gpu, "protocol": "paper", "peer_model": peer}
