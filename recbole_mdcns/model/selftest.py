"""What a model can do, measured on itself: is it causal, and may padding be cut off?

No list of names: both answers come from running the model on random histories, in evaluation mode and with noise on its
weights. What a model does to its state in training mode alone, after it has gathered it, is not seen by them: dropout
there would be lost in passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from recbole.config import Config
from recbole.model.abstract_recommender import SequentialRecommender

from recbole_mdcns.model.encoder import Encoder, make_encoder
from recbole_mdcns.model.measuring import PlacesInside, alike, measuring, random_sequences


def measured_encoder(model: SequentialRecommender, config: Config, role: str = "self") -> Encoder:
    """Return the encoder of a model, knowing what the model can do; with ``pad_side: left`` that is nothing.

    Args:
        model: The model, as RecBole builds it.
        config: The configuration that it was built from.
        role: ``self`` or ``peer``.

    Raises:
        ConfigError: As ``make_encoder``.
    """
    encoder = make_encoder(model, config, role)
    if config["pad_side"] == "right":
        encoder.trimmable = is_trimmable(encoder)
        encoder.causal = encoder.trimmable and is_causal(encoder)  # passes are as wide as their longest
    return encoder


def fastest_mode(encoders: Sequence[Encoder]) -> str:
    """Return the fastest batching that measured models allow together.

    One causal model is enough for ``user``: the others then encode each target's own history, as they would in
    ``row``.
    """
    if any(encoder.causal for encoder in encoders):
        return "user"
    return "bucket" if any(encoder.trimmable for encoder in encoders) else "row"


def is_trimmable(encoder: Encoder) -> bool:
    """Tell whether columns that are padding in every row may be cut off without changing an encoding."""
    sequences = random_sequences(encoder.model)
    width = sequences.item_seq.size(1)
    if width < 2:
        return False
    with measuring(encoder.model):
        for short_width in range(1, width):
            length = sequences.item_length.clamp(max=short_width)
            inside = torch.arange(width, device=length.device) < length[:, None]
            padded = replace(sequences, item_seq=sequences.item_seq.clamp(min=1) * inside, item_length=length)
            whole = encoder.encode_sequences(padded)
            try:
                with PlacesInside():
                    short = encoder.encode_sequences(replace(padded, item_seq=padded.item_seq[:, :short_width]))
            except (RuntimeError, ValueError, IndexError):
                return False
            if not alike(short, whole):
                return False
    return True


def is_causal(encoder: Encoder) -> bool:
    """Tell whether the state inside a longer pass is the encoding of the prefix that ends there."""
    some = random_sequences(encoder.model)
    width = some.item_seq.size(1)
    full = replace(some, item_seq=some.item_seq.clamp(min=1), item_length=torch.full_like(some.item_length, width))
    with measuring(encoder.model):
        states = encoder.position_states(full)
        if states is None:
            return False
        for length in range(1, width + 1):
            inside = torch.arange(width, device=full.item_seq.device) < length
            prefix = replace(
                full, item_seq=full.item_seq * inside, item_length=torch.full_like(full.item_length, length)
            )
            if not alike(encoder.encode_sequences(prefix), states[:, length - 1]):
                return False
    return True
