"""Batches of one shape: every target once, with its own history, whatever fills them up."""

from collections import Counter

import pytest
import torch
from helpers.flat_sequences import LENGTHS, dataset_of
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_mdcns.data.passes import SHIFTS
from recbole_mdcns.data.static_batches import StaticBatches, rounded_up


def batches_of(lengths, width=8, batch_size=16, seed=0, reads_passes=True, reads_rows=True, pad_side="right"):
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    dataset = dataset_of(lengths, width, pad_side)
    reads = {"reads_passes": reads_passes, "reads_rows": reads_rows}
    return StaticBatches(dataset, batch_size, **reads, generator=generator, device=torch.device("cpu"))


@pytest.mark.parametrize("reads_passes", [True, False])
@given(lengths=LENGTHS, seed=st.integers(0, 3), batch_size=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_every_target_comes_once_and_every_batch_is_full(reads_passes, lengths, seed, batch_size):
    static = batches_of(lengths, batch_size=batch_size, seed=seed, reads_passes=reads_passes)
    total = sum(lengths) - len(lengths)
    for _ in range(2):
        batches = list(static)
        full, left = divmod(total, batch_size)
        assert [len(batch) for batch in batches] == [batch_size] * full + [left] * (left > 0)
        assert len(static) == len(batches)
        ends = Counter(end for batch in batches for end in batch.history_end.tolist())
        assert set(ends.values()) == {1} and len(ends) == total
        for batch in batches:
            assert (batch.target == batch.history_end + 1).all()  # items are numbered in the order of the flat array


@given(lengths=LENGTHS, width=st.integers(1, 9), batch_size=st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_a_pass_holds_the_history_of_its_targets_and_nothing_points_to_what_fills_up(lengths, width, batch_size):
    static = batches_of(lengths, width, batch_size)
    shapes = set()
    for batch in static:
        (passes,) = batch.passes
        sequences = passes.sequences
        shapes.add(tuple(sequences.item_seq.shape))
        assert torch.equal(sequences.user[passes.row], batch.user)
        assert torch.equal(sequences.item_seq[passes.row, passes.position], batch.history_end)  # the newest item
        seen, whole = passes.position + 1, batch.history_end - batch.history_start
        assert (seen == whole)[whole <= width].all()
        assert (seen[whole > width] >= width - max(1, width // SHIFTS) + 1).all()
        inside = torch.arange(sequences.item_seq.size(1)) < sequences.item_length[:, None]
        assert ((sequences.item_seq > 0) == inside).all() and (sequences.item_length > 0).all()
        used = int(passes.row.max()) + 1
        assert passes.row.unique().tolist() == list(range(used))
        assert (sequences.item_length[used:] == 1).all()
    assert len(shapes) == 1


@pytest.mark.parametrize("pad_side", ["right", "left"])
def test_rows_are_the_newest_items_of_each_history(pad_side):
    for batch in batches_of([3, 12, 7, 2, 30], pad_side=pad_side, reads_passes=False):
        assert batch.passes is None
        (rows,) = batch.rows.parts
        assert batch.rows.place is None and torch.equal(rows.user, batch.user)
        for row, length, start, end in zip(rows.item_seq, rows.item_length, batch.history_start, batch.history_end):
            items, padding = list(range(max(start, end - 8) + 1, end + 1)), [0] * (8 - min(8, end - start))
            assert row.tolist() == (padding + items if pad_side == "left" else items + padding)
            assert length == (8 if pad_side == "left" else len(items))


def test_a_pass_whose_targets_do_not_fit_is_in_two_batches():
    """By hand: users with 3, 4 and 2 targets, in this order, in batches of 4."""
    static = batches_of([4, 5, 3], batch_size=4, seed=None)
    first, second, third = list(static)
    assert first.user.tolist() == [1, 1, 1, 2] and first.passes[0].row.tolist() == [0, 0, 0, 1]
    assert second.user.tolist() == [2, 2, 2, 3] and second.passes[0].row.tolist() == [0, 0, 0, 1]
    assert second.passes[0].position.tolist() == [1, 2, 3, 0]
    assert third.user.tolist() == [3] and third.passes[0].position.tolist() == [1]
    assert second.passes[0].sequences.item_seq[:2].tolist() == [[5, 6, 7, 8], [10, 11, 0, 0]]
    assert static.sequence_num == 8  # two are needed
    assert third.passes[0].sequences.item_length.tolist() == [2, 1, 1, 1, 1, 1, 1, 1]


def test_order_is_random_and_repeats_under_a_seed():
    def ends(seed):
        return [batch.history_end.tolist() for batch in batches_of([9] * 40, seed=seed)]

    assert ends(1) == ends(1) != ends(2)
    twice = batches_of([9] * 40, seed=1)
    assert [b.history_end.tolist() for b in twice] != [b.history_end.tolist() for b in twice]


@pytest.mark.parametrize(
    ("number", "expected"), [(1, 8), (8, 8), (9, 16), (120, 120), (121, 128), (161, 176), (1000, 1024)]
)
def test_numbers_of_sequences_are_few(number, expected):
    assert rounded_up(number) == expected
    assert all(0 <= rounded_up(each) - each <= max(7, each / 8) for each in range(1, 3000))
