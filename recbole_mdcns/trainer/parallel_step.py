"""The step of several processes, by torch's DistributedDataParallel."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.encoder.selftest import ignores_others
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.losses import CatalogueLoss
from recbole_mdcns.trainer.objective import Objective, StepLoss


class _Step(nn.Module):
    """The loss of a step as a module, whose weights are those of all models."""

    def __init__(self, objective: Objective):
        super().__init__()
        self.models = nn.ModuleList(each.model for each in objective.scoring_models)
        self.step_loss = objective.step_loss

    def forward(self, batch: TargetBatch) -> StepLoss:
        return self.step_loss(batch)


def in_parallel(objective: Objective) -> Any:
    """Return the loss of a step as a function; its backward pass averages the gradients of all processes.

    Raises:
        ConfigError: The loss cannot be computed in parts, a model cannot encode a batch in parts, or NCCL would have to
            add sparse gradients.
    """
    step = _Step(objective)
    if dist.get_backend() == "nccl" and any(getattr(layer, "sparse", False) for layer in step.modules()):
        raise ConfigError(
            "lazy_items = True is not allowed with several processes by NCCL, which cannot add sparse gradients: set "
            "distributed_backend=gloo"
        )
    if isinstance(objective.loss, CatalogueLoss) and not objective.loss.is_mean:
        raise ConfigError(
            f"ranking_loss = {objective.loss_name!r} is not allowed with several processes: it needs the states of all "
            "targets of a step at once"
        )
    for each in objective.scoring_models:
        if not ignores_others(each):
            raise ConfigError(
                f"{'model' if each.role == 'self' else 'peer_model'} = {type(each.model).__name__!r} is not allowed "
                "with several processes: in training its states depend on the other rows of a batch, and each process "
                "encodes a part of them"
            )
    return DistributedDataParallel(step, find_unused_parameters=True)
