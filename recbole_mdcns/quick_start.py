"""From names to results: train and evaluate, load a saved model with its data, and evaluate it again."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping, Sequence
from logging import getLogger
from pathlib import Path
from typing import Any

from recbole.utils import init_seed, set_color
from tabulate import tabulate

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.checkpoints.data_identity import DataIdentity, warn_of_other_data
from recbole_mdcns.checkpoints.saved_config import saved_config
from recbole_mdcns.checkpoints.saved_state import load_weights
from recbole_mdcns.config.checks import check_cutoffs
from recbole_mdcns.config.evaluation_keys import check_evaluation_keys, saved_keys_to_evaluate, values_to_evaluate
from recbole_mdcns.config.identity import content_key
from recbole_mdcns.config.keys import has_import_path
from recbole_mdcns.config.layers import check_layers, refuse_gpu_id
from recbole_mdcns.config.outputs import check_outputs, check_writable, keep_quiet
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.data.names import Numbering
from recbole_mdcns.data.place import check_dataset
from recbole_mdcns.data.split import is_split, write_split
from recbole_mdcns.encoder.build import build_model
from recbole_mdcns.encoder.users import refuse_unknown_users
from recbole_mdcns.errors import ConfigError, WriteError
from recbole_mdcns.evaluation.best_role import best_role
from recbole_mdcns.negatives.draws.pool import check_pool
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.parallel.processes import alive, gpu_of_process, met, started
from recbole_mdcns.records.building import build_record
from recbole_mdcns.records.files import write_record
from recbole_mdcns.run_log import start_log
from recbole_mdcns.trainer import NegativeSamplingTrainer
from recbole_mdcns.trainer.best_models import BestModels
from recbole_mdcns.version import __version__

#: Splits that a model is evaluated on.
EVALUATED = ("valid", "test")
_SAVED = (
    "the training is finished and kept; the same command with --resume and --result_file=ELSEWHERE writes its record"
)


def run_recbole_mdcns(
    model: str | type | None = None,
    dataset: str | None = None,
    config_file_list: str | Path | Sequence[str | Path] | None = None,
    config_dict: dict[str, Any] | None = None,
    saved: bool = True,
    argv: Sequence[str] = (),
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Train a self model with its peer, choose the epoch on validation, and evaluate once on test.

    Args:
        model: Self model: a name, a class, or ``package.module:Class``.
        dataset: Name of the dataset.
        config_file_list: Yaml files; one alone needs no list.
        config_dict: Keys and values.
        saved: Write checkpoints; without them the best models are kept in memory.
        argv: Further keys as on the command line, ``--key=value``.
        command: The command line as typed, for the record.

    Returns:
        RecBole's ``best_valid_score``, ``valid_score_bigger``, ``best_valid_result`` and ``test_result`` of the self
        model; ``model_file``, the path of the best self model, which ``load`` takes, or None where nothing is saved;
        and the whole ``record`` as plain values.

    Raises:
        UserError: A name, a key, a file or the data cannot be used; raised before any training.
        LostProcess: Another of several processes has ended; finished epochs are kept.
        WriteError: A checkpoint or the record cannot be written; finished epochs are kept.
    """
    with met() as store, alive():
        files, given, arguments = check_layers(config_file_list, config_dict, argv)
        gpu = gpu_of_process()
        if gpu:
            refuse_gpu_id(files, given, arguments)
        config = MDCNSConfig(model, dataset, files, {**given, **gpu}, arguments)
        group = started(store, config["distributed_backend"], config["device"].type)
        if not group.is_first:
            keep_quiet(config)
        return _run(config, group, saved and group.is_first, command)


def _run(config: MDCNSConfig, group: Group, saved: bool, command: Sequence[str]) -> dict[str, Any]:
    check_outputs(config)
    check_dataset(config)
    init_seed(config["seed"], config["reproducibility"])
    start_log(config)
    logger = getLogger()
    logger.info(config)
    logger.info(
        f"ranking_loss = {config['ranking_loss']!r} trains the models; RecBole's loss_type and loss_fct are unused"
    )
    for line in config.dataset_defaults():
        logger.info(line)
    few = config.few_negatives()
    if few:
        logger.warning(few)
    for key in config.unread_keys():
        logger.warning(f"{key} is given and not read: no model, strategy, loss or protocol of this run has it")
    for line in config.switched_off():
        logger.warning(line)
    for key in config.keys_of_own_losses():
        logger.warning(f"{key} is given and not read: only the model's own loss has it, and ranking_loss replaces that")

    files = checkpoint.RunFiles.to_resume(config, config["resume"])
    resumed = str(files.last) if files is not None else None
    same = {"version": __version__, "configuration": content_key(config.plain()), "file to resume": resumed}
    of_passes = ("eval_batch_size", "evaluate_peers")  # not in content_key, and processes share the rows of a pass
    group.check_same({**same, **{key: config.final_config_dict.get(key) for key in of_passes}})
    with contextlib.ExitStack() as locks:  # held until the record is written: nobody else replaces the best models
        if files is not None and saved:
            locks.enter_context(files.lock.held())
        whole, splits = load_splits(config)
        trainer = build_trainer(config, dataset_of(splits["train"]))
        found = trainer.data_fingerprints()
        group.check_same({"training data": found["fingerprint"], "split of the data": found["split_fingerprint"]})
        if files is not None:
            trainer.use_files(files)
            trainer.resume_checkpoint(files.last)
        elif saved:
            locks.enter_context(trainer.files.lock.held())
        return _train_and_evaluate(config, trainer, whole, splits, saved, command)


def _train_and_evaluate(
    config: MDCNSConfig,
    trainer: NegativeSamplingTrainer,
    whole: HistoryDataset,
    splits: dict[str, Any],
    saved: bool,
    command: Sequence[str],
) -> dict[str, Any]:
    logger = getLogger()
    beside = config["result_file"] or (trainer.files.best if saved else None)
    if beside and whole.user_split:
        path = Path(beside).with_name(f"{Path(beside).stem}-split.tsv")
        check_writable(path, "the split beside result_file" if config["result_file"] else "the split", is_split)
        write_split(whole.user_split, path)
        logger.info(f"Split over users, for split_file: {path}")
    progress = config["show_progress"]
    best_score, best_result = trainer.fit(splits["train"], splits["valid"], saved=saved, show_progress=progress)

    trainer.load_best()
    results = {name: trainer.evaluate_all(splits[name], show_progress=progress) for name in ("valid", "test")}
    title = f"results at the best epoch, mask_history {config['mask_history']}"
    logger.info(
        set_color(title, "yellow") + ":\n" + results_table({name: each.metrics for name, each in results.items()})
    )
    chosen_by = results["valid"].chosen_by(config["valid_metric"])
    best = best_role(chosen_by, config["valid_metric"], config["valid_metric_bigger"])
    if len(chosen_by) > 1:
        logger.info(f"Best on validation by {config['valid_metric']}: {best}")
    if saved:
        BestModels.add_valid(trainer.files, chosen_by)
    record = build_record(config, trainer, splits, list(command), results)
    if config["result_file"]:
        try:
            write_record(record, config["result_file"])
        except WriteError as error:
            if saved:
                raise error.advising(_SAVED) from None
            raise
        logger.info(f"Record of the run: {config['result_file']}")
    if saved:
        logger.info(f"Saved model: {trainer.files.best}; recommend with it: {recommend_command(config, trainer)}")
    return {
        "best_valid_score": best_score,
        "valid_score_bigger": config["valid_metric_bigger"],
        "best_valid_result": best_result,
        "test_result": results["test"].metrics["self"],
        "model_file": str(trainer.files.best) if saved else None,
        "record": record.to_json(),
    }


def recommend_command(config: MDCNSConfig, trainer: NegativeSamplingTrainer) -> str:
    """Return the command that recommends with the best model of a finished run."""
    trust = " --trust_code" if has_import_path(config.plain()) else ""
    return f"recbole-mdcns recommend {shlex.quote(str(trainer.files.best))} --sequences=FILE --model=best{trust}"


def build_trainer(config: MDCNSConfig, dataset: HistoryDataset) -> NegativeSamplingTrainer:
    """Build the models of a run, from its seed, and their trainer.

    Raises:
        ConfigError: A size is larger than the data allow; a model cannot be the self model or the peer, or it reads
            users and knows none of the test users.
    """
    check_cutoffs(config["topk"], dataset.item_num - 1)
    if config.parts.strategy is not None:
        check_pool(config, config.parts.strategy.key_of_pool(config), dataset)
    init_seed(config["seed"], config["reproducibility"])
    model = build_model(config, dataset)
    peer_configs = config.peer_configs()
    peers = [build_model(peer_config, dataset) for peer_config in peer_configs]
    for built in (model, *peers):
        getLogger().info(built)
    trainer = NegativeSamplingTrainer(config, model, *peers, peer_configs=peer_configs)
    trainer.use_data(dataset)
    refuse_unknown_users(trainer.scoring_models, config["protocol"], dataset.user_num)
    return trainer


def load_data_and_model(
    model_file: str | Path, trust_code: bool = False, model_class: type | None = None, **overrides: Any
) -> tuple:
    """Load a saved model with its data, as RecBole's function of this name does.

    Users and items get the numbers that they had in training, for any order of the lines of the data. RecBole's
    ``full_sort_scores`` and ``full_sort_topk`` also rank the items of a row's history. To leave these items out, set
    ``scores[dataset.history.pairs(rows["history_start"], rows["history_end"])]`` to ``-inf``.

    Args:
        model_file: A file of the best self model, or of its peer.
        trust_code: Import the user's classes that the file names, such as ``model: module:Class``.
        model_class: The class of a user's own model; then no class is imported for it.
        **overrides: Keys with new values, such as ``data_path``.

    Returns:
        config, model, dataset, train_data, valid_data, test_data.

    Raises:
        UserError: The file or the data cannot be used, or the data have other names than the model.
    """
    content = checkpoint.load(model_file, "model")
    config = saved_config(content, model_file, trust_code, model_class, overrides)
    return (config, *data_and_model(content, config, model_file))


def data_and_model(content: dict[str, Any], config: MDCNSConfig, model_file: str | Path) -> tuple:
    """Return model, dataset, train_data, valid_data and test_data of a checkpoint; see :func:`load_data_and_model`."""
    init_seed(config["seed"], config["reproducibility"])
    getLogger().info(config)
    numbering = Numbering(checkpoint.names(content, model_file), f"checkpoint {model_file}")
    dataset, splits = load_splits(config, numbering)
    train_part = dataset_of(splits["train"])
    model = build_model(config, train_part)
    getLogger().info(model)
    load_weights(model, content, model_file)
    model.eval()
    warn_of_other_data(content, DataIdentity(train_part))
    return model, dataset, splits["train"], splits["valid"], splits["test"]


def evaluate_saved(
    model_file: str | Path, split: str = "test", trust_code: bool = False, model_class: type | None = None, **keys: Any
) -> dict[str, float]:
    """Evaluate a saved model by full ranking.

    Args:
        model_file: A file of the best self model, or of a peer.
        split: ``test`` or ``valid``.
        trust_code: See :func:`load_data_and_model`.
        model_class: See :func:`load_data_and_model`.
        **keys: New values of keys of the evaluation and of the data, such as ``topk=[50]``, ``metrics=["Recall"]``.

    Returns:
        The metrics by name, such as ``recall@50``.

    Raises:
        UserError: A key would change the model, or the file or the data cannot be used.
    """
    return evaluate_checkpoint(model_file, split, trust_code, model_class, keys)[1]


def evaluate_checkpoint(
    model_file: str | Path,
    split: str,
    trust_code: bool = False,
    model_class: type | None = None,
    keys: dict[str, Any] | None = None,
) -> tuple[MDCNSConfig, dict[str, float]]:
    """Return the configuration and the metrics of an evaluation; see :func:`evaluate_saved`."""
    keys = keys or {}
    if split not in EVALUATED:
        raise ConfigError(f"split = {split!r} is not allowed: choose {' or '.join(EVALUATED)}")
    check_evaluation_keys(keys)
    content = checkpoint.load(model_file, "model")
    values = {"checkpoint_dir": str(Path(model_file).parent), **values_to_evaluate(content["config"], keys, trust_code)}
    content = {**content, "config": saved_keys_to_evaluate(content["config"])}
    config = saved_config(content, model_file, trust_code, model_class, values)
    model, _, train, *evaluated = data_and_model(content, config, model_file)
    trainer = NegativeSamplingTrainer(config, model)
    trainer.eval_collector.data_collect(train)
    loader = dict(zip(EVALUATED, evaluated))[split]
    return config, dict(trainer.evaluate(loader, load_best_model=False, show_progress=config["show_progress"]))


def results_table(results: Mapping[str, Mapping[str, dict[str, float]]]) -> str:
    """Return a table of metrics with a row per split and role."""
    rows = [[split, role, *metrics.values()] for split, by_role in results.items() for role, metrics in by_role.items()]
    names = next(iter(next(iter(results.values())).values()))
    return tabulate(rows, headers=["split", "model", *names], floatfmt=".4f", tablefmt="github")
