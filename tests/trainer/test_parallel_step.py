"""What several processes cannot train is refused before the first step; each draws its own dropout."""

import pytest
import torch
import torch.distributed as dist
from helpers.runs import tiny_run

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.model.item_sequence import ItemSequenceModel
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.trainer.parallel_step import in_parallel


def test_lazy_items_are_refused_with_nccl(monkeypatch):
    monkeypatch.setattr(dist, "get_backend", lambda: "nccl")
    run = tiny_run(peer_model="GRU4Rec", lazy_items=True)
    run.trainer.prepare(run.train)
    with pytest.raises(ConfigError, match="lazy_items = True is not allowed .* by NCCL, .* distributed_backend=gloo"):
        in_parallel(run.trainer.loop.objective)


class OfTheBatch(ItemSequenceModel):
    """Subtracts the mean of the batch, in training only."""

    def forward(self, item_seq, item_seq_len):
        states = self.item_embedding(item_seq).mean(1)
        return states - states.mean(0) if self.training else states


@pytest.mark.parametrize(
    ("model", "keys", "named"),
    [
        (OfTheBatch, {"neg_sampler": "rns"}, "model = 'OfTheBatch'"),
        ("GRU4Rec", {"peer_model": "FEARec"}, "peer_model = 'FEARec'"),
    ],
)
def test_models_that_read_other_rows_of_a_batch_are_refused(model, keys, named, monkeypatch):
    monkeypatch.setattr(dist, "get_backend", lambda: "gloo")
    run = tiny_run(model, **keys)
    run.trainer.prepare(run.train)
    with pytest.raises(ConfigError, match=f"^{named} is not allowed with several processes: in training its states"):
        in_parallel(run.trainer.loop.objective)


def test_dropout_differs_between_processes_and_between_epochs(monkeypatch):
    loop = tiny_run(neg_sampler="rns", seed=5).trainer.loop
    seeds = []

    def no_steps():
        seeds.append(torch.initial_seed())
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_plain_steps", no_steps)
    for rank in (0, 1, 0):
        loop.group = Group(rank, 2)
        for epoch in (0, 1):
            with pytest.raises(KeyboardInterrupt):
                loop.train_epoch(epoch)
    assert len(set(seeds)) == 4 and seeds[:2] == seeds[4:]  # a resumed run finds them again
