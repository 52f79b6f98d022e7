"""What a pool leaves out beside the target: the history, the user's training sequence, or nothing."""

from pathlib import Path

import pytest
import torch
from helpers.device import on
from helpers.strategies import batches_of, prepared, sampler_for

from recbole_mdcns.negatives.draws.rejection import draw_allowed
from recbole_mdcns.negatives.draws.shared_pool import SharedPoolSampler
from recbole_mdcns.support.declared import declared

#: Users 1 and 2, their training sequences, and the places of their targets, 3 and 1 with histories {2, 7} and {12}.
SEQUENCES, TRAINED, PLACES = [[2, 7, 3, 11, 5, 9, 4], [12, 1, 8, 12, 6]], [5, 3], [2, 1]
CASES = {
    "history": ([[0, 2], [7, 8]], [{2, 3, 7}, {1, 12}]),
    "user_train": ([[0, 5], [7, 10]], [{2, 3, 5, 7, 11}, {1, 8, 12}]),  # 9, 4 and 6 come after the training part
    "target": ([[0, 0], [7, 7]], [{3}, {1}]),
}


@pytest.mark.parametrize("exclude", CASES)
@pytest.mark.parametrize("may_read", [True, False])
def test_the_stretch_of_each_target_and_what_is_drawn_outside_of_it(exclude, may_read):
    """On a GPU nothing is read: stretches are searched, and forbidden draws are repeated in all rows."""
    bounds, left_out = CASES[exclude]
    sampler, batch = sampler_for(SEQUENCES, 12, 4, 0, exclude, PLACES, TRAINED)
    sampler.may_read = sampler.sorts_histories = may_read
    assert torch.stack(sampler.excluded(batch), 1).tolist() == bounds
    assert sampler.allowed_num(batch).tolist() == [12 - len(items) for items in left_out]
    everything = on(torch.arange(1, 13)).expand(2, -1)
    forbidden = sampler.forbidden(everything, batch)
    assert [set(items[bad].tolist()) for items, bad in zip(everything, forbidden)] == left_out

    def draw(rows):
        return on(torch.randint(1, 13, (len(rows), 4), generator=generator))

    generator = torch.Generator().manual_seed(1)
    for pools in (
        [sampler.sample(batch) for _ in range(200)],
        [draw_allowed(draw, batch, sampler) for _ in range(200)],
    ):
        for row, items in zip(torch.cat(pools, 1), left_out):
            assert set(row.tolist()) == set(range(1, 13)) - items


@pytest.mark.parametrize("exclude", CASES)
@pytest.mark.parametrize("may_read", [True, False])
def test_a_shared_pool_of_all_items_masks_what_each_target_excludes(exclude, may_read):
    sampler, batch = sampler_for(SEQUENCES, 12, 1, 0, exclude, PLACES, TRAINED)
    sampler.may_read = may_read
    pool = SharedPoolSampler(sampler.dataset, 12, sampler).sample(batch)
    assert [set(pool.items[row].tolist()) for row in pool.forbidden] == CASES[exclude][1]


@pytest.mark.parametrize("name", sorted(declared("negatives")))
@pytest.mark.parametrize("exclude", ["user_train", "target"])
def test_every_strategy_obeys(name, exclude):
    """A user's training sequence is all but its last two items, and the tiny data's items are taken once."""
    run = prepared(name, exclude=exclude)
    run.trainer.strategy.start_epoch(0)
    names = run.data.field2id_token
    sequences: dict = {}
    for line in Path("data/tiny/tiny.inter").read_text().splitlines()[1:]:
        user, item, _ = line.split("\t")
        sequences.setdefault(user, []).append(item)
    of_history = 0
    for batch in batches_of(run):
        for user, target, candidates in zip(batch.user, batch.target, run.trainer.strategy.propose(batch)):
            drawn = {names["item_id"][item] for item in candidates.tolist()}
            taken = sequences[names["user_id"][user]][:-2]
            assert "[PAD]" not in drawn and names["item_id"][target] not in drawn
            of_history += len(drawn & set(taken))
    assert (of_history > 0) == (exclude == "target")


def test_a_pool_of_all_other_items_has_the_negatives_of_a_softmax_over_all_items():
    run = prepared("rns", exclude="target", neg_num=29)
    for batch in batches_of(run):
        with_target = torch.cat([batch.target[:, None], run.trainer.strategy.propose(batch)], 1)
        assert torch.equal(with_target.sort(1).values, on(torch.arange(1, 31)).expand(len(batch), -1))
