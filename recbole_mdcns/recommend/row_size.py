"""How much a model holds for a sequence: measured, because RecBole's models hold anything from H to V x H numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from recbole_mdcns.data.batch import Sequences
from recbole_mdcns.encoder.measuring import random_sequences
from recbole_mdcns.encoder.scoring_model import ScoringModel


class HeldSizes(TorchDispatchMode):
    """A context that notes how many numbers the memory of each operator's largest result holds; views hold none.

    Attributes:
        sizes: A number per call of an operator.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call ``func``, and note the size of its result."""
        result = func(*args, **(kwargs or {}))
        tensors = [each for each in tree_flatten(result)[0] if isinstance(each, Tensor)]
        held = (each.untyped_storage().nbytes() // each.element_size() for each in tensors)
        self.sizes.append(max(held, default=0))
        return result


def row_size(model: ScoringModel) -> int:
    """Return how many numbers the largest tensor of an encoding grows by with each sequence of full length.

    The encoding of a model without inner products is its scores of all items.
    """
    fewer, more = (_sizes(model, row_num) for row_num in (2, 3))  # one alone may go other ways
    return max(1, *(after - before for before, after in zip(fewer, more)))


def _sizes(model: ScoringModel, row_num: int) -> list[int]:
    one = random_sequences(model.model).item_seq[:1].clamp(min=1)  # [1, L], no padding
    items = one.expand(row_num, -1).contiguous()
    users = torch.ones(row_num, dtype=torch.int64, device=items.device)
    with torch.no_grad(), HeldSizes() as held:
        model.encode_sequences(Sequences(users, items, torch.full_like(users, items.size(1))))
    return held.sizes
