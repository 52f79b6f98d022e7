"""Checks of the results of a user's own loss: a wrong shape might train without an error, but on another loss."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.returned import described


def check_mean_loss(name: str, loss: Any) -> None:
    """Refuse a result of a loss over the catalogue that is not a scalar.

    Raises:
        ConfigError: Says what was found and what is expected.
    """
    if not isinstance(loss, Tensor) or loss.dim() != 0:
        raise ConfigError(f"ranking_loss {name} returned {described(loss)}, expected the mean loss, a scalar tensor")


def check_pairs(name: str, losses: Any, negative: Tensor) -> None:
    """Refuse a result of ``of_pairs`` that is not one loss per target and negative.

    Raises:
        ConfigError: Says what was found and what is expected.
    """
    if not isinstance(losses, Tensor) or losses.shape != negative.shape or not losses.is_floating_point():
        raise ConfigError(
            f"ranking_loss {name}: of_pairs returned {described(losses)}, expected a loss for each target and "
            f"negative, of shape {list(negative.shape)}"
        )


def check_losses(name: str, result: Any, negative_num: int) -> None:
    """Refuse a result of a loss on K negatives of each target that is not a pair of losses and weights.

    Raises:
        ConfigError: Says what was found and what is expected.
    """
    expected = f"expected mean losses and weights, of shape [{negative_num}] or [1] each"
    if not isinstance(result, tuple) or len(result) != 2:
        raise ConfigError(f"ranking_loss {name} returned {described(result)}, {expected}")
    shapes = [part.shape if isinstance(part, Tensor) else None for part in result]
    if shapes[0] != shapes[1] or shapes[0] not in ((negative_num,), (1,)):
        raise ConfigError(f"ranking_loss {name} returned {' and '.join(map(described, result))}, {expected}")
