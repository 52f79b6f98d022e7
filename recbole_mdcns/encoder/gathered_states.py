"""From which states a model of RecBole's takes its last one: all of them, where one pass serves many targets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor


@contextlib.contextmanager
def gathered_states(model: SequentialRecommender) -> Iterator[list[Tensor]]:
    """Within it, note from which tensors a model gathers its last states with RecBole's ``gather_indexes``.

    The model's method is replaced by one that notes and then gathers; afterwards it is what it was. One thread alone
    may use the model meanwhile.
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
