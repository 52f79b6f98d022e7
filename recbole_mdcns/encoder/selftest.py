"""Self-tests of a model: is it causal, may padding be cut off, and are the rows of a batch independent?

There is no list of names. The answers come from running the model on random histories, in evaluation mode and with
noise on its weights. They do not see changes of the gathered state that happen only in training mode: dropout after the
gathering would be lost in passes. A pass in training mode only shows that the model runs there at all.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from logging import getLogger
from time import perf_counter

import torch
from recbole.model.abstract_recommender import SequentialRecommender

from recbole_mdcns.config.keys import own_keys, recbole_keys
from recbole_mdcns.config.model_config import ModelConfig
from recbole_mdcns.encoder.adapt import find_adapter
from recbole_mdcns.encoder.measuring import PlacesInside, alike, measuring, random_sequences
from recbole_mdcns.encoder.model_calls import ModelCallError, call_model
from recbole_mdcns.encoder.scoring_model import ScoringModel, ranking_rows
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.support.declared import is_known

#: Up to this many widths all are measured; of more widths the edges, a quarter, the middle and some random ones.
FEW, RANDOM = 8, 2
#: Lengths of prefixes that are encoded together.
AT_ONCE = 4
#: Backbones of ours, which may refuse a window that is narrower than their own, as RecBole's do.
_BACKBONES = ("recbole_mdcns.model",)
#: Results of this process by class and settings.
_measured: dict[Hashable, dict[str, bool | None]] = {}


def measure_scoring_model(model: SequentialRecommender, config: ModelConfig, role: str = "self") -> ScoringModel:
    """Return the scoring model of a model that can be trained, with the abilities that the run needs to know.

    With ``pad_side: left`` nothing is measured; causality is measured only if batches may be by user or static, and
    what other rows do only if they may be static. A process measures each class once for the same settings, because the
    answers depend on layers and sizes and not on weights.

    Raises:
        ConfigError: As ``find_adapter`` and :func:`try_training`.
    """
    started = perf_counter()
    adapter = find_adapter(model, config, role)
    scoring_model = adapter()
    known = _measured.setdefault((type(scoring_model), _settings(model, config)), {})
    if "trains" not in known:
        try_training(scoring_model)
        known["trains"] = True
    if not is_known(type(model)):
        warn_of_changing_scores(model, role)
    if config["pad_side"] == "right":
        if "is_trimmable" not in known:
            known["is_trimmable"] = is_trimmable(scoring_model)
        asked = ["is_trimmable"]
        if config["batching"] in ("auto", "user", "static"):
            if "is_causal" not in known:  # passes are as wide as their longest, so a causal model must be trimmable
                known["is_causal"] = known["is_trimmable"] and is_causal(scoring_model)
            asked.append("is_causal")
        on_gpu = next(model.parameters()).device.type == "cuda"
        if config["batching"] == "static" or (config["batching"] == "auto" and on_gpu):
            if "ignores_others" not in known:  # only passes are filled up
                known["ignores_others"] = ignores_others(scoring_model) if known["is_causal"] else None
            asked.append("ignores_others")
        scoring_model = adapter(**{ability: known[ability] for ability in asked})
    seconds = perf_counter() - started
    if seconds > 1:
        getLogger().info(f"{type(model).__name__} was measured in {seconds:.1f} s")
    return scoring_model


def try_training(scoring_model: ScoringModel) -> None:
    """Encode random histories once in training mode, where a model may run other code than in evaluation.

    Raises:
        ConfigError: Its code raises an error.
    """
    model = scoring_model.model
    some = random_sequences(model)
    with measuring(model, in_training=True):
        try:
            call_model(scoring_model.encode_sequences, some)
        except ModelCallError as error:
            raise ConfigError(
                f"{type(model).__name__} cannot be the {scoring_model.role} model: in training mode it does not encode "
                f"histories in a window of MAX_ITEM_LIST_LENGTH = {model.max_seq_length} ({error})"
            ) from error.__cause__


def warn_of_changing_scores(model: SequentialRecommender, role: str) -> None:
    """Warn of a model whose scores in evaluation mode are random, or depend on the other rows of a batch."""
    some = random_sequences(model)
    row_num = len(some.user)
    one_row = replace(some, user=some.user[:1], item_seq=some.item_seq[:1], item_length=some.item_length[:1])
    with measuring(model):
        first, again, alone = (
            call_model(model.full_sort_predict, ranking_rows(model, each)) for each in (some, some, one_row)
        )
    found = ""
    if not alike(again, first):
        found = "changes from call to call, as with dropout that does not end with training"
    elif not alike(alone.view(1, -1), first.view(row_num, -1)[:1]):
        found = "depends on the other rows of the batch"
    if found:
        getLogger().warning(
            f"{type(model).__name__}, the {role} model: its ranking of the same history {found}; its metrics and "
            "recommendations will too"
        )


def _settings(model: SequentialRecommender, config: ModelConfig) -> Hashable:
    """Return the keys that the answers for a model depend on: all except those of training, data and evaluation."""
    others = own_keys().keys() | recbole_keys()
    keys = {key: value for key, value in config.final_config_dict.items() if key not in others}
    device = next(model.parameters()).device
    return type(model), model.n_items, model.max_seq_length, str(device), str(model), repr(sorted(keys.items()))


def some_widths(longest: int) -> list[int]:
    """Return the measured widths from 1 to a longest one: all if these are few, otherwise some of each region."""
    if longest <= FEW:
        return list(range(1, longest + 1))
    share = [longest // 4, longest // 2]
    random = torch.randint(3, longest, (RANDOM,), generator=torch.Generator().manual_seed(longest)).tolist()
    return sorted({1, 2, *share, *random, longest - 1, longest})


def fastest_mode(scoring_models: Sequence[ScoringModel], device: torch.device) -> tuple[str, str]:
    """Return the fastest batching that measured models allow together, and the reason for it.

    One causal model is enough for ``user``: the other models then encode the history of each target, as in ``row``.
    """
    if device.type == "cuda":
        return (
            "static",
            "steps of one shape can be captured unless the log says why not, and need less memory than rows",
        )
    if any(each.is_causal for each in scoring_models):
        return "user", "a model is causal"
    if any(each.is_trimmable for each in scoring_models):
        return "bucket", "no model is causal, and padding may be cut off"
    return "row", "no model is causal, and none lets padding be cut off"


def is_trimmable(scoring_model: ScoringModel) -> bool:
    """Tell whether columns that are padding in every row may be cut off without changing an encoding."""
    some = random_sequences(scoring_model.model)
    width = some.item_seq.size(1)
    if width < 2:
        return False
    items, column = some.item_seq.clamp(min=1), torch.arange(width, device=some.item_seq.device)
    with measuring(scoring_model.model):
        for short_width in some_widths(width - 1):
            length = some.item_length.clamp(max=short_width)
            padded = replace(some, item_seq=items * (column < length[:, None]), item_length=length)
            cut = replace(padded, item_seq=padded.item_seq[:, :short_width])
            try:
                with PlacesInside():
                    short = call_model(scoring_model.encode_sequences, cut, modules=_BACKBONES)
            except ModelCallError:  # it needs the whole window
                return False
            if not alike(short, scoring_model.encode_sequences(padded)):
                return False
    return True


def is_causal(scoring_model: ScoringModel) -> bool:
    """Tell whether the state inside a longer pass is the encoding of the prefix that ends there."""
    some = random_sequences(scoring_model.model)
    row_num, width = some.item_seq.shape
    items, column = some.item_seq.clamp(min=1), torch.arange(width, device=some.item_seq.device)
    full = replace(some, item_seq=items, item_length=torch.full_like(some.item_length, width))
    with measuring(scoring_model.model):
        states = scoring_model.position_states(full)
        if states is None:
            return False
        for lengths in torch.tensor(some_widths(width), device=items.device).split(AT_ONCE):
            length = lengths.repeat_interleave(row_num)  # each prefix of every row
            row = torch.arange(row_num, device=items.device).repeat(len(lengths))
            prefixes = replace(
                full, user=full.user[row], item_seq=items[row] * (column < length[:, None]), item_length=length
            )
            if not alike(scoring_model.encode_sequences(prefixes), states[row, length - 1]):
                return False
    return True


def ignores_others(scoring_model: ScoringModel) -> bool:
    """Tell whether the states of a row stay the same in training if the other rows become sequences of one item.

    Dropout draws the same numbers both times. A norm over the batch, for example, would change the states.
    """
    some = random_sequences(scoring_model.model)
    kept = len(some.user) // 2
    row, column = (torch.arange(size, device=some.item_seq.device) for size in some.item_seq.shape)
    is_filler = (row >= kept)[:, None]
    filled_up = replace(
        some,
        item_seq=torch.where(is_filler, some.item_seq.clamp(min=1) * (column < 1), some.item_seq),
        item_length=torch.where(is_filler[:, 0], 1, some.item_length),
    )
    results = []
    with measuring(scoring_model.model, in_training=True):
        for sequences in (some, filled_up):
            torch.manual_seed(0)
            states = scoring_model.position_states(sequences)
            results.append(scoring_model.encode_sequences(sequences) if states is None else states)
    return alike(results[1][:kept], results[0][:kept])
