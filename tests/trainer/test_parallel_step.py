"""What several processes cannot train is refused before the first step."""

import pytest
import torch.distributed as dist
from helpers.runs import tiny_run

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.trainer.parallel_step import in_parallel


def test_lazy_items_are_refused_with_nccl(monkeypatch):
    monkeypatch.setattr(dist, "get_backend", lambda: "nccl")
    run = tiny_run(peer_model="GRU4Rec", lazy_items=True)
    run.trainer.prepare(run.train)
    with pytest.raises(ConfigError, match="lazy_items = True is not allowed .* by NCCL, .* distributed_backend=gloo"):
        in_parallel(run.trainer.loop.objective)
