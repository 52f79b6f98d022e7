"""Shares of a batch: together they are the batch, and each target keeps its own history."""

import pytest
import torch
from helpers.flat_sequences import dataset_of

from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.parallel.shares import own_share

LENGTHS = [3, 12, 7, 2, 30, 9, 5, 18]


@pytest.mark.parametrize("mode", ["row", "bucket", "user"])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_shares_are_the_batch_in_order(mode, size):
    """Items are numbered in the order of the flat array: the newest item of a history has the number of its end."""
    generator = torch.Generator().manual_seed(0)
    for batch in TargetLoader(dataset_of(LENGTHS, 8), 16, mode, True, generator, torch.device("cpu")):
        shares = [own_share(batch, Group(rank, size)) for rank in range(size)]
        own = [len(range(len(batch))[Group(rank, size).own(len(batch))]) for rank in range(size)]
        assert torch.equal(torch.cat([share.history_end[:n] for share, n in zip(shares, own)]), batch.history_end)
        for share in shares:
            assert share.rows is not None
            newest = [part.item_seq[torch.arange(len(part.user)), part.item_length - 1] for part in share.rows.parts]
            assert torch.equal(share.rows.in_order(newest), share.history_end)
            assert all(len(part.user) for part in share.rows.parts)
            if mode == "user":
                assert share.passes is not None
                states = [passes.sequences.item_seq[passes.row, passes.position] for passes in share.passes]
                assert torch.equal(torch.cat(states), share.history_end)
                assert all(
                    passes.row.unique().tolist() == list(range(len(passes.sequences.user))) for passes in share.passes
                )
