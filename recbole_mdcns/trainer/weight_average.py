"""An exponential average of the models' weights over training steps; it is validated and saved in their place."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """Averages the weights w_1, ..., w_n after each of n training steps; the newest has the largest share.

    With the decay d, the share of w_i is ``(1 - d) d^(n - i) / (1 - d^n)``. Each step computes
    ``A = d A + (1 - d) w`` from A = 0, and the average is ``A / (1 - d^n)``, the correction of Adam's moments (Kingma
    and Ba, ICLR 2015). So the weights before the first step have no share. With d = 0 the average is the newest
    weights, and nothing is kept. Averages over steps go back to Polyak and Juditsky (SIAM J. Control Optim. 1992).

    The average covers the floating-point weights that train, and buffers that a step has changed, such as the
    statistics of a BatchNorm. A step is two or three calls for all tensors; it reads nothing on the host, and can be
    captured. The average takes the memory of one more copy of all models, and of a second one while it is in their
    place. It has the precision of the weights: in float32 its relative error is up to 6e-8 / (1 - d).

    Args:
        models: The models by role; their tensors must keep their places.
        decay: d, 0 to below 1.

    Attributes:
        sums: A by role and name, in the shapes of the weights.
        steps: n of each role, integers on the device, shape [R].
    """

    def __init__(self, models: Mapping[str, nn.Module], decay: float):
        self.decay = decay
        self._weights: dict[str, Tensor] = {}
        if decay:
            for role, model in models.items():
                self._weights.update({f"{role}.{name}": weight for name, weight in _averaged(model)})
        weights = self._weights.items()
        #: A buffer that no step changes stays exactly as it is: it may be a mask.
        self._first_buffers = {k: w.clone() for k, w in weights if not isinstance(w, nn.Parameter)}
        self.sums = {name: torch.zeros_like(weight.detach()) for name, weight in weights}
        devices = [weight.device for _, weight in weights]
        self.roles = list(models)
        self.steps = torch.zeros(len(self.roles), dtype=torch.int64, device=devices[0] if devices else None)

    @torch.no_grad()
    def update(self) -> None:
        """Add the weights after a training step."""
        if self._weights:
            torch._foreach_lerp_(list(self.sums.values()), list(self._weights.values()), 1 - self.decay)
            self.steps += 1

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the averages into the models in a ``with`` block, and afterwards the weights again, bit for bit.

        A model without a step has no average, and does not change.
        """
        steps = {role: number for role, number in zip(self.roles, self.steps.tolist()) if number}
        if not steps:
            yield
            return
        plain = {name: weight.detach().clone() for name, weight in self._weights.items()}
        try:
            self._write({role: -math.expm1(number * math.log(self.decay)) for role, number in steps.items()})
            yield
        finally:
            with torch.no_grad():
                for name, weight in self._weights.items():
                    weight.copy_(plain[name])

    @torch.no_grad()
    def _write(self, totals: Mapping[str, float]) -> None:
        """Write the averages of some roles into their models; ``totals`` are 1 - d^n."""
        for name, weight in self._weights.items():
            total, first = totals.get(_role(name)), self._first_buffers.get(name)
            if total is not None and (first is None or not torch.equal(weight, first)):
                weight.copy_(self.sums[name] / total)

    def reset(self, *roles: str) -> None:
        """Forget the steps of some roles, or of all."""
        for role in roles or self.roles:
            self.steps[self.roles.index(role)] = 0
            for name, each in self.sums.items():
                if _role(name) == role:
                    each.zero_()

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs: ``steps``, and ``sums`` by role and name."""
        return {"steps": self.steps, "sums": self.sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned, in the same places."""
        self.steps.copy_(state["steps"])
        for name, total in self.sums.items():
            total.copy_(state["sums"][name])


def _role(name: str) -> str:
    return name.partition(".")[0]


def _averaged(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the floating-point tensors of a model's file that training may change, each once."""
    seen: set[int] = set()
    for name, weight in model.state_dict(keep_vars=True).items():
        if not isinstance(weight, Tensor) or id(weight) in seen:
            continue
        seen.add(id(weight))
        trains = weight.requires_grad or not isinstance(weight, nn.Parameter)
        if trains and (weight.is_floating_point() or weight.is_complex()):
            yield name, weight
