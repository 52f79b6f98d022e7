"""From names to results: one call that trains and evaluates, one that loads what it left."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from logging import getLogger
from pathlib import Path
from typing import Any

from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import init_logger, init_seed, set_color
from tabulate import tabulate

from recbole_mdcns.config import MDCNSConfig
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.load import load_splits
from recbole_mdcns.data.split import write_split
from recbole_mdcns.errors import ConfigError, UserError
from recbole_mdcns.model.fused import fuse_layers
from recbole_mdcns.negatives import resolve_strategy
from recbole_mdcns.record import build_record, check_folder, check_writable, write_record
from recbole_mdcns.trainer import MDCNSTrainer, NegativeSamplingTrainer, checkpoint
from recbole_mdcns.trainer.resumable import load_weights

#: Where the last run of this process logs to.
_log_handlers: list[logging.Handler] = []


def run_recbole_mdcns(
    model: str | type | None = None,
    dataset: str | None = None,
    config_file_list: Sequence[str | Path] | None = None,
    config_dict: dict[str, Any] | None = None,
    saved: bool = True,
    argv: Sequence[str] = (),
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Train a self model with its peer, choose the epoch on validation, and evaluate once on test.

    Args:
        model: Self model: a name, a class, or ``package.module:Class``.
        dataset: Name of the dataset.
        config_file_list: Yaml files.
        config_dict: Keys and values.
        saved: Write checkpoints; without them the best models are kept in memory.
        argv: Further keys as on the command line, ``--key=value``.
        command: The command line as typed, for the record.

    Returns:
        RecBole's ``best_valid_score``, ``valid_score_bigger``, ``best_valid_result`` and ``test_result`` of the self
        model, and the whole ``record``.

    Raises:
        UserError: Something given cannot be used; raised before any training.
    """
    config = MDCNSConfig(model, dataset, config_file_list, config_dict, argv)
    if config["result_file"]:
        check_writable(config["result_file"])
    check_folder(config["checkpoint_dir"], "checkpoint_dir")
    init_seed(config["seed"], config["reproducibility"])
    start_log(config)
    logger = getLogger()
    logger.info(config)
    for line in config.dataset_defaults():
        logger.info(line)
    for key in config.unread_keys():
        logger.warning(f"{key} = {config[key]!r} is not read: it is a key of models that this run does not have")

    whole, splits = load_splits(config)
    trainer = build_trainer(config, splits["train"]._dataset)
    if config["resume"]:
        trainer.resume_checkpoint(config["resume"])
    beside = config["result_file"] or (trainer.files.best if saved else None)
    if beside and whole.user_split:
        path = Path(beside).with_name(f"{Path(beside).stem}-split.tsv")
        write_split(whole.user_split, path)
        logger.info(f"Split over users, for split_file: {path}")
    progress = config["show_progress"]
    best_score, best_result = trainer.fit(splits["train"], splits["valid"], saved=saved, show_progress=progress)

    trainer.load_best()
    results = {name: trainer.evaluate_all(splits[name], show_progress=progress) for name in ("valid", "test")}
    title = f"results at the best epoch, mask_history {config['mask_history']}"
    logger.info(set_color(title, "yellow") + ":\n" + results_table(results))
    record = build_record(config, trainer, splits, list(command), results)
    if config["result_file"]:
        write_record(record, config["result_file"])
        logger.info(f"Record of the run: {config['result_file']}")
    return {
        "best_valid_score": best_score,
        "valid_score_bigger": config["valid_metric_bigger"],
        "best_valid_result": best_result,
        "test_result": results["test"]["self"],
        "record": record,
    }


def start_log(config: MDCNSConfig) -> None:
    """Start RecBole's log in place of that of the last run in this process, into whose file RecBole would go on."""
    root = getLogger()
    for handler in _log_handlers:
        root.removeHandler(handler)
        handler.close()
    others = list(root.handlers)
    Path("log", config["model"]).mkdir(parents=True, exist_ok=True)  # RecBole's two steps fail if two start at once
    streams = sys.stdout, sys.stderr
    try:
        init_logger(config)  # it wraps both streams, anew in each run
    finally:
        sys.stdout, sys.stderr = streams
    _log_handlers[:] = [handler for handler in root.handlers if handler not in others]


def build_trainer(config: MDCNSConfig, dataset: HistoryDataset) -> NegativeSamplingTrainer:
    """Build the models of a run, from its seed, and the trainer that its ``neg_sampler`` needs.

    Raises:
        ConfigError: A model cannot be the self model or the peer.
    """
    init_seed(config["seed"], config["reproducibility"])
    model = build_model(config, dataset)
    if not resolve_strategy(config["neg_sampler"]).needs_peer:
        return NegativeSamplingTrainer(config, model)
    peer_configs = config.peer_configs()
    peers = [build_model(each, dataset) for each in peer_configs]
    return MDCNSTrainer(config, model, *peers, peer_configs=peer_configs)


def build_model(config: MDCNSConfig, dataset: HistoryDataset) -> SequentialRecommender:
    """Build the model that a configuration names, on its device.

    Raises:
        ConfigError: The model does not accept its keys.
    """
    try:
        model = config.model_class(config, dataset)
    except UserError:
        raise
    except KeyError as error:
        raise ConfigError(
            f"model {config['model']} cannot be built: it needs {error}, which neither keys nor data have"
        ) from error
    except Exception as error:  # whatever the model's own constructor raises
        raise ConfigError(
            f"model {config['model']} cannot be built from its keys: {error or type(error).__name__}"
        ) from error
    model = model.to(config["device"])
    fuse_layers(model)
    getLogger().info(model)
    return model


def load_data_and_model(model_file: str | Path, **overrides: Any) -> tuple:
    """Load a saved model with its data, as RecBole's function of this name does.

    Args:
        model_file: A file of the best self model, or of its peer.
        **overrides: Keys to set anew, such as ``data_path``.

    Returns:
        config, model, dataset, train_data, valid_data, test_data.

    Raises:
        UserError: The file or the data cannot be used.
    """
    content = checkpoint.load(model_file, "model")
    config = MDCNSConfig.from_plain(content["config"], **overrides)
    init_seed(config["seed"], config["reproducibility"])
    start_log(config)
    getLogger().info(config)
    dataset, splits = load_splits(config)
    model = build_model(config, splits["train"]._dataset)
    load_weights(model, content, model_file)
    model.eval()
    return config, model, dataset, splits["train"], splits["valid"], splits["test"]


def results_table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """Lay out metrics by split and role, one row each."""
    rows = [[split, role, *metrics.values()] for split, by_role in results.items() for role, metrics in by_role.items()]
    names = next(iter(next(iter(results.values())).values()))
    return tabulate(rows, headers=["split", "model", *names], floatfmt=".4f", tablefmt="github")
