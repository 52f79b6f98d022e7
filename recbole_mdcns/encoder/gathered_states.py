"""The states from which a RecBole model gathers its last one: one pass can serve many targets with all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor


@contextlib.contextmanager
def gathered_states(model: SequentialRecommender) -> Iterator[list[Tensor]]:
    """Record in a ``with`` block from which tensors a model gathers its last states with RecBole's ``gather_indexes``.

    In the block, a method that records and gathers replaces the model's own method; afterwards the model is as before.
    Only one thread may use the model in the block.
    """
    gathered: list[Tensor] = []
    gather = type(model).gather_indexes

    def note(output: Tensor, gather_index: Tensor) -> Tensor:
        gathered.append(output)
        return gather(model, output, gather_index)

    model.gather_indexes = note  # type: ignore[method-assign]
    try:
        yield gathered
    finally:
        del model.gather_indexes
