"""A training step never asks what a tensor holds: on a GPU the host can run ahead of it."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from helpers.device import DEVICE
from helpers.runs import cycle_lines, tiny_run, write_inter
from helpers.strategies import ONE_EXPOSURE, write_exposures

from recbole_mdcns.trainer.host_reads import HostReads


def reads_of_an_epoch(**keys) -> Counter[str]:
    """Return the reads of tensors of an epoch's batches and of some steps, the first left out, as on a GPU."""
    write_inter(cycle_lines(item_num=60))
    run = tiny_run(train_batch_size=16, **{"neg_candidate_num": 5, **keys})
    trainer = run.trainer
    trainer.prepare(run.train)
    torch.autograd.set_detect_anomaly(False)  # which RecBole's SASRec turns on; fit turns it off
    if trainer.strategy is not None:
        trainer.strategy.sampler.may_read = trainer.strategy.sampler.sorts_histories = False  # as on a GPU
        trainer.strategy.start_epoch(0)
    batches = iter(trainer.batches)
    trainer.train_step(next(batches))  # reads the sizes of the epoch's batches, makes the optimisers' states
    with HostReads(DEVICE) as reads:
        for number, batch in enumerate(batches, start=1):
            if number < 4 or len(batch) < 16:  # all batches are made; counting makes a step slow
                trainer.train_step(batch)
    return reads.found


@pytest.mark.parametrize("batching", ["row", "bucket", "user", "static"])
@pytest.mark.parametrize("peer", ["GRU4Rec", "Mamba4Rec"])
def test_mdcns_reads_nothing(batching, peer):
    assert not reads_of_an_epoch(batching=batching, peer_model=peer)


@pytest.mark.parametrize("model", ["FMLP4Rec", "LinRec", "NARM", "Caser"])
def test_other_backbones_read_nothing(model):
    assert not reads_of_an_epoch(model=model)


@pytest.mark.parametrize(
    "keys",
    [{"neg_sampler": "rns"}, {"neg_sampler": "dns_plus", "neg_top_num": 2, "neg_num": 2}, {"neg_sampler": "mixgcf"},
     {"neg_sampler": "srns", "srns_memory_num": 2, "srns_fresh_num": 2},
     {"neg_sampler": "rns", "ranking_loss": "gBCE", "neg_num": 4}, {"ranking_loss": "CE"},
     {"neg_candidate_num": 20},  # crowded rows
     {"exclude": "user_train"}, {"exclude": "target"}, {"neg_sampler": "pns", "exclude": "user_train"},
     {"neg_sampler": "pns"}, {"neg_sampler": "in_batch"}, {"neg_sampler": "ens"},
     {"neg_sampler": "rns", "ranking_loss": "SSM", "neg_num": 4}, {"neg_sampler": "pns", "ranking_loss": "SSM"},
     {"neg_sampler": "adasir", "adasir_sample_num": 5, "adasir_pool_num": 2, "adasir_proposal": "popularity"},
     {"neg_sampler": "gnno", "neg_candidate_num": 5, "gnno_hard_num": 1, "gnno_pace": 0.1},
     {"ranking_loss": "MutualCE"}, {"ranking_loss": "SSM", "pool_scope": "batch", "rdrop_weight": 1.0},
     {"ranking_loss": "SSM", "pool_scope": "batch", "ssm_scale": True, "pool_hard_num": 4, "pool_popular_share": 0.3}],
)  # fmt: skip
def test_baselines_read_nothing(keys):
    write_exposures(ONE_EXPOSURE)
    assert not reads_of_an_epoch(**keys)


@pytest.mark.parametrize("keys", [{"ranking_loss": "SCE"}, {"lazy_items": True}])
def test_what_reads_after_all_is_known(keys):
    """The exceptions that the changelog names."""
    assert reads_of_an_epoch(**keys)


def test_what_reads_is_found():
    with HostReads(torch.device("cpu")) as reads:
        values = torch.arange(4)
        _ = values[values > 1], values.max().item(), values.nonzero(), values.repeat_interleave(values)
        values[values > 1] = 0
    assert reads.found == {"index": 1, "_local_scalar_dense": 1, "nonzero": 1, "repeat_interleave": 1}
