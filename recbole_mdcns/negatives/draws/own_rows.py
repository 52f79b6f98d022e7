"""The rows of a batch by their users."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class OwnRows(NamedTuple):
    """Where the rows of each row's own user are.

    Attributes:
        order: All rows, those of a user one after the other, shape [T].
        first: Where in ``order`` the rows of each row's user begin, shape [T].
        number: How many they are, shape [T].
    """

    order: Tensor
    first: Tensor
    number: Tensor


def own_rows(user: Tensor) -> OwnRows:
    """Return the rows of each row's own user, whose number is in ``user`` [T], without a wait of the host."""
    order = user.argsort()
    ordered = user[order]
    first, end = (torch.searchsorted(ordered, user, right=right) for right in (False, True))
    return OwnRows(order, first, end - first)
