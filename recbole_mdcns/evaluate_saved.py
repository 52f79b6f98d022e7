"""A saved model evaluated again: other metrics, other cut-offs, another split or other data of the same items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tabulate import tabulate

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.checkpoints.saved_config import saved_config
from recbole_mdcns.config.allowed import Allowed
from recbole_mdcns.config.keys import own_keys
from recbole_mdcns.config.outputs import check_writable, is_evaluation
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.config.values import literal, parse_key_values, unboxed
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.metrics import reported_names
from recbole_mdcns.quick_start import data_and_model
from recbole_mdcns.records.environment import versions
from recbole_mdcns.support.safe_write import replacing
from recbole_mdcns.trainer import NegativeSamplingTrainer

PARTS = ("valid", "test")
#: Keys that leave the model as it is.
ALLOWED = (
    "topk", "metrics", "mask_history", "eval_batch_size", "metric_decimal_place", "dataset", "data_path", "strict_data",
    "expected_statistics", "protocol", "split_ratio", "split_seed", "split_file", "eval_prefixes", "gpu_id", "use_gpu",
    "show_progress", "state", "encoding", "field_separator", "seq_separator",
)  # fmt: skip
_OF_USER_SPLIT = ("split_ratio", "split_seed", "split_file", "eval_prefixes")


def evaluate_saved(
    model_file: str | Path,
    split: str = "test",
    trust_code: bool = False,
    model_class: type | None = None,
    **keys: Any,
) -> dict[str, float]:
    """Evaluate a saved model by full ranking.

    Args:
        model_file: A file of the best self model, or of a peer.
        split: ``test`` or ``valid``.
        trust_code: See :func:`load_data_and_model`.
        model_class: See :func:`load_data_and_model`.
        **keys: Keys of the evaluation and of the data to set anew, such as ``topk=[50]``, ``metrics=["Recall"]``.

    Returns:
        The metrics by name, such as ``recall@50``.

    Raises:
        UserError: A key would change the model, or the file or the data cannot be used.
    """
    return _evaluate(model_file, split, trust_code, model_class, keys)[1]


def evaluate_command(model_file: str, argv: list[str], trust_code: bool = False) -> None:
    """Evaluate a saved model as the command line says, print a table, and write the file that it asks for.

    Args:
        model_file: A file of the best self model, or of a peer.
        argv: Keys as ``--key=value``; ``--split`` and ``--result_file`` among them.
        trust_code: See :func:`load_data_and_model`.

    Raises:
        UserError: See :func:`evaluate_saved`.
    """
    keys = {key: literal(value) for key, value in parse_key_values(argv).items()}
    split, result_file = keys.pop("split", "test"), keys.pop("result_file", None)
    if result_file:
        result_file = Allowed(("path",)).check("result_file", result_file)
        check_writable(result_file, replaces=is_evaluation)
    config, metrics = _evaluate(model_file, split, trust_code, None, keys)
    print(tabulate([[split, *metrics.values()]], headers=["split", *metrics], floatfmt=".4f", tablefmt="github"))
    if result_file:
        result = {
            "model_file": str(model_file),
            "split": split,
            "metrics": metrics,
            "config": config.plain(),
            "versions": versions(),
        }
        with replacing(Path(result_file)) as file:
            file.write(json.dumps(result, indent=1, allow_nan=False).encode() + b"\n")


def _evaluate(
    model_file: str | Path, split: str, trust_code: bool, model_class: type | None, keys: dict[str, Any]
) -> tuple[MDCNSConfig, dict[str, float]]:
    if split not in PARTS:
        raise ConfigError(f"split = {split!r} is not allowed: choose {' or '.join(PARTS)}")
    for key, value in keys.items():
        if key not in ALLOWED:
            raise ConfigError(
                f"{key} = {value!r} is not allowed when a saved model is evaluated, which it might change; "
                f"allowed are {', '.join(ALLOWED)}"
            )
    content = checkpoint.load(model_file, "model")
    given = {**_unused(content["config"], keys, trust_code), "checkpoint_dir": str(Path(model_file).parent), **keys}
    config = saved_config(content, model_file, trust_code, model_class, given)
    model, _, *loaders = data_and_model(content, config, model_file)
    trainer = NegativeSamplingTrainer(config, model)
    trainer.eval_collector.data_collect(loaders[0])
    loader = loaders[1 + PARTS.index(split)]
    metrics = trainer.evaluate(loader, load_best_model=False, show_progress=config["show_progress"])
    return config, dict(metrics)


def _unused(saved: dict[str, Any], keys: dict[str, Any], trust_code: bool) -> dict[str, Any]:
    """Return values for keys of the training, whose saved values an evaluation does not need and might stumble over."""
    values: dict[str, Any] = {
        "peer_model": None,
        "peer": {},
        "neg_sampler": "rns",
        "ranking_loss": "BCE",
        "lazy_items": False,
    }
    metrics, cutoffs = (unboxed(keys.get(key, saved.get(key))) for key in ("metrics", "topk"))
    metrics, cutoffs = ([each] if isinstance(each, (str, int)) else each for each in (metrics, cutoffs))
    metrics, cutoffs = (list(each) if isinstance(each, tuple) else each for each in (metrics, cutoffs))
    may_import = trust_code or "metrics" in keys or not any(":" in str(name) for name in metrics or ())
    if may_import and isinstance(metrics, list) and metrics and isinstance(cutoffs, list) and cutoffs:
        values["valid_metric"] = reported_names(metrics[:1], cutoffs)[0]
    if keys.get("protocol") == "leave_one_out":
        values.update({key: own_keys()[key].default for key in _OF_USER_SPLIT})
    elif {"split_ratio", "split_seed"} & set(keys):
        values["split_file"] = None
    return values
