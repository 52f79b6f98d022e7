"""Keys that cannot be used: unknown, replaced, of the wrong kind, or in conflict with each other."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from recbole_mdcns.config.allowed import SAID
from recbole_mdcns.config.hints import hint_for, of_symbol
from recbole_mdcns.config.key import Key
from recbole_mdcns.config.recbole_keys import check_recbole_keys, recbole_specs
from recbole_mdcns.errors import ConfigError, nearest

#: Keys that only the split over users reads.
USER_SPLIT_KEYS = ("split_ratio", "split_seed", "split_file", "eval_prefixes")
#: RecBole keys that would work against this package, and what to use instead.
REPLACED = {
    "train_neg_sample_args": "neg_sampler draws the negatives",
    "neg_sampling": "neg_sampler draws the negatives",
    "loss_type": "the loss is ranking_loss",
    "save_dataset": "datasets are built at every start",
    "save_dataloaders": "datasets are built at every start",
    "dataset_save_path": "datasets are built at every start",
    "dataloaders_save_path": "datasets are built at every start",
    "benchmark_filename": "sequences are built and split here, as protocol says",
    "threshold": "every interaction counts as a positive; val_interval drops lines, such as {'rating': '[3,inf)'}",
    "config_file": "--config_files or config_file_list names yaml files",
    "config_files": "--config_files or config_file_list names yaml files",
    "transform": "models are trained on histories as they are",
    "local_rank": "torchrun starts several processes, each on its own device",
    "nproc": "torchrun starts several processes, each on its own device",
}
#: Models that read the newest items at the right edge of the window; padding must not be there.
LEFT_PADDED = ("SHAN",)
#: Models that compute with the length of a history, which with padding on the left is the whole window.
RIGHT_PADDED = ("FOSSIL", "HRM", "STAMP")


def check_given(
    given: dict[str, Any], defaults: dict[str, Any], known: Collection[str], typed: Mapping[str, Key], strict: bool
) -> dict[str, Any]:
    """Refuse given keys that nothing reads, or whose values are of another kind than their defaults.

    Args:
        given: The user's keys and values.
        defaults: Every default.
        known: Every key that something reads.
        typed: Known keys with their own checks, which are skipped here.
        strict: Refuse every unknown key. Otherwise refuse only look-alikes of known keys, because a user's own model
            may read keys that no yaml names.

    Returns:
        The given keys of RecBole; in their paths the home folder replaces ``~``.

    Raises:
        ConfigError: Names the key, its value and what is allowed.
    """
    for key, value in given.items():
        if key in REPLACED and value not in (None, False) and (key, value) != ("nproc", 1):
            raise ConfigError(f"{key} = {value!r} is not used here: {REPLACED[key]}")
        if key not in known:
            hint = hint_for(key, known) if strict else of_symbol(key) or nearest(key, known, cutoff=0.85)
            if hint or strict:
                raise ConfigError(f"{key} = {value!r}: there is no key {key}{hint}; --help lists ours")
        if key in typed:
            typed[key].check(value)
        if key in typed or key in recbole_specs():
            continue
        default = defaults.get(key)
        if isinstance(default, (bool, int, float)) and not _same_kind(value, default):
            raise ConfigError(f"{key} = {value!r} is not allowed: expected {SAID[type(default).__name__]}")
        if not _is_finite(value):
            raise ConfigError(f"{key} = {value!r} is not allowed: it must be a finite number")
    return check_recbole_keys(given)


def check_symbols(unread: Sequence[str]) -> None:
    """Refuse a symbol of the paper that is also a key of another model: the run would not read it.

    Raises:
        ConfigError: Names the symbol and its key.
    """
    for key in unread:
        hint = of_symbol(key)
        if hint:
            raise ConfigError(f"{key} is a key of models that this run does not have{hint}")


def check_values(final: dict[str, Any]) -> None:
    """Refuse metrics that full ranking does not have, cut-offs given twice, and clipping without a norm.

    Raises:
        ConfigError: Names the key and what is allowed.
    """
    from recbole_mdcns.metrics import resolve_metric  # torch is loaded with it, which a wrong key does not need

    metrics, topk, clip = final["metrics"], final["topk"], final["clip_grad_norm"]
    names = [metrics] if isinstance(metrics, str) else metrics
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"metrics = {metrics!r} is not allowed: give names of metrics, such as ['Recall', 'NDCG']")
    for name in names:
        resolve_metric(name)
    if isinstance(topk, list) and (not topk or len(set(topk)) < len(topk)):
        raise ConfigError(f"topk = {topk!r} is not allowed: give one cut-off or more, each once")
    if clip is not None and "max_norm" not in clip:
        raise ConfigError(f"clip_grad_norm = {clip!r} is not allowed: give max_norm, a number > 0")


def check_together(final: dict[str, Any]) -> None:
    """Refuse values that are allowed separately but not together.

    Raises:
        ConfigError: Names both keys.
    """
    top, candidates = final.get("neg_top_num", 1), final.get("neg_candidate_num", 1)
    if top > candidates and {"neg_top_num", "neg_candidate_num"} <= final.keys():
        raise ConfigError(f"neg_top_num = {top} is not allowed: it is at most neg_candidate_num = {candidates}")
    if final["batching"] in ("bucket", "user") and final["pad_side"] == "left":
        raise ConfigError(f"batching = {final['batching']!r} is not allowed with pad_side = 'left': choose row or auto")
    if final["lazy_items"]:
        needed = {"learner": "adam", "weight_decay": 0.0, "clip_grad_norm": None, "enable_scaler": False}
        for key, value in needed.items():
            if final[key] != value:
                raise ConfigError(f"{key} = {final[key]!r} is not allowed with lazy_items: it must be {value!r}")
        if final["ema_decay"]:
            raise ConfigError(
                f"ema_decay = {final['ema_decay']!r} is not allowed with lazy_items: each step would average all item "
                "rows, which lazy_items leaves alone; leave one of the two keys out"
            )


def check_protocol(final: dict[str, Any], given: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Refuse wrong shares, splits that differ from the protocol's, and keys of the other protocol.

    Raises:
        ConfigError: Names the key and what is allowed.
    """
    ratio = final.get("split_ratio", defaults["split_ratio"])
    numbers = all(isinstance(share, (int, float)) and not isinstance(share, bool) for share in ratio)
    if not numbers or len(ratio) != 3 or min(ratio) < 0 or abs(sum(ratio) - 1) > 1e-6:
        raise ConfigError(
            f"split_ratio = {ratio!r} is not allowed: give the shares of train, valid and test users, three "
            "numbers from 0 to 1 that sum to 1"
        )
    asked, default = final["eval_args"].get("split"), defaults["eval_args"]["split"]
    if asked != default:
        raise ConfigError(
            f"eval_args.split = {asked!r} is not allowed: it is {default!r} under protocol leave_one_out; under "
            "paper, split_ratio or split_file chooses the training users"
        )
    if final.get("split_file"):
        for key in ("split_ratio", "split_seed"):
            if key in given and given[key] != defaults[key]:
                raise ConfigError(
                    f"{key} = {given[key]!r} is not used with split_file = {final['split_file']!r}, which names the "
                    "training users: leave one of the two keys out"
                )
    if final["protocol"] == "paper":
        return
    for key in USER_SPLIT_KEYS:
        if key in given and given[key] != defaults[key]:
            raise ConfigError(f"{key} = {given[key]!r} is not used under protocol leave_one_out: set protocol=paper")


def check_evaluation(final: dict[str, Any], given: dict[str, Any]) -> None:
    """Refuse sampled evaluation, and a ``valid_metric`` that is not computed; set ``valid_metric_bigger``.

    Raises:
        ConfigError: Names the key and what is allowed.
    """
    from recbole_mdcns.metrics import is_higher_better, reported_names

    modes = final["eval_args"]["mode"]
    if set(modes.values()) != {"full"}:
        raise ConfigError(f"eval_args.mode = {modes!r} is not allowed: evaluation is by full ranking, mode full")
    reported = reported_names(final["metrics"], final["topk"])
    if final["valid_metric"].lower() not in reported:
        raise ConfigError(
            f"valid_metric = {final['valid_metric']!r} is not allowed: metrics and topk give {', '.join(reported)}"
        )
    bigger = final["valid_metric_bigger"] = is_higher_better(final["valid_metric"], final["metrics"])
    if given.get("valid_metric_bigger", bigger) != bigger:
        raise ConfigError(
            f"valid_metric_bigger = {not bigger} is not allowed: it is {bigger} for valid_metric = "
            f"{final['valid_metric']!r}"
        )


def check_padding(pad_side: str, model_classes: Sequence[type]) -> None:
    """Refuse padding on the side where a model would read it as items, or miscount them.

    Raises:
        ConfigError: Names the key and the model.
    """
    for names, side, why in (
        (LEFT_PADDED, "left", "reads the newest items at the right edge of the window"),
        (RIGHT_PADDED, "right", "computes with the length of a history"),
    ):
        for cls in model_classes:
            if any(base.__name__ in names for base in cls.__mro__) and pad_side != side:
                raise ConfigError(
                    f"pad_side = {pad_side!r} is not allowed with {cls.__name__}, which {why}: set pad_side={side}"
                )


def check_cutoffs(topk: list[int], item_num: int) -> None:
    """Refuse cut-offs beyond the catalogue, once it is known.

    Raises:
        ConfigError: Names the key, the cut-off and the number of items.
    """
    if max(topk, default=0) > item_num:
        raise ConfigError(f"topk = {topk!r} is not allowed: there are {item_num} items, and a cut-off is at most that")


def _is_finite(value: Any) -> bool:
    """Tell whether all numbers in a value, also in its lists and dicts, are finite."""
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _same_kind(value: Any, default: bool | int | float) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    # Some yaml of RecBole writes a rate as 0 or 1.
    return isinstance(value, int) or (isinstance(value, float) and (isinstance(default, float) or default in (0, 1)))
