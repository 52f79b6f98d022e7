"""Batches by row, bucket and user: the same targets with the same histories, each once."""

import numpy as np
import pytest
import torch
from helpers.flat_sequences import LENGTHS, dataset_of
from helpers.runs import tiny_config, tiny_run
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.data.passes import SHIFTS
from recbole_mdcns.encoder.scoring_model import widened
from recbole_mdcns.errors import ConfigError

CPU = torch.device("cpu")


def loader(lengths, mode, width=8, batch_size=16, seed=0, with_rows=True):
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return TargetLoader(dataset_of(lengths, width), batch_size, mode, with_rows, generator, CPU)


@pytest.mark.parametrize("mode", ["row", "bucket", "user"])
@given(lengths=LENGTHS, seed=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_every_target_comes_once_with_its_own_history(mode, lengths, seed):
    width, ends = 8, []
    for batch in loader(lengths, mode, width, seed=seed):
        ends += batch.history_end.tolist()
        # items are numbered from 1 in the order of the flat array: the item at place p is p + 1
        assert (batch.target == batch.history_end + 1).all()
        length = (batch.history_end - batch.history_start).clamp(max=width)
        assert torch.equal(batch.rows.in_order([part.item_length for part in batch.rows.parts]), length)
        items = widened(batch.rows.parts, width).item_seq
        for row, end, size in zip(batch.rows.in_order([items]).tolist(), batch.history_end.tolist(), length.tolist()):
            assert row == [*range(end - size + 1, end + 1), *[0] * (len(row) - size)]
        widths = [part.item_seq.size(1) for part in batch.rows.parts]
        if mode == "row":
            assert widths == [width]
        else:
            assert widths == sorted(widths) == [part.item_length.max() for part in batch.rows.parts]
    assert sorted(ends) == loader(lengths, mode, width, seed=None).targets.history_end.sort().values.tolist()
    assert len(ends) == sum(lengths) - len(lengths)


@given(lengths=LENGTHS, width=st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_a_pass_holds_the_history_of_each_of_its_targets(lengths, width):
    for batch in loader(lengths, "user", width, with_rows=False):
        assert batch.rows is None
        place = 0
        for passes in batch.passes:
            targets = slice(place, place + len(passes.row))
            place = targets.stop
            sequences = passes.sequences
            assert sequences.item_seq.size(1) == sequences.item_length.max() <= width
            assert torch.equal(sequences.user[passes.row], batch.user[targets])
            last = sequences.item_seq[passes.row, passes.position]
            assert torch.equal(last, batch.history_end[targets])  # the item at place end - 1
            first = sequences.item_seq[passes.row, 0]
            assert (first > batch.history_start[targets]).all()  # of the same user
            seen, whole = passes.position + 1, (batch.history_end - batch.history_start)[targets]
            assert (seen == whole)[whole <= width].all()
            assert (seen[whole > width] >= width - max(1, width // SHIFTS) + 1).all()
            inside = torch.arange(sequences.item_seq.size(1)) < sequences.item_length[:, None]
            assert ((sequences.item_seq > 0) == inside).all()
        assert place == len(batch)


def test_batches_of_users_have_about_the_asked_number_of_targets_and_little_padding():
    random = np.random.default_rng(0)
    lengths = (random.geometric(0.12, 3000) + 4).clip(max=60).tolist()
    batches = list(loader(lengths, "user", width=50, batch_size=1024, with_rows=False))
    sizes = [len(batch) for batch in batches]
    assert all(abs(size - 1024) <= 60 for size in sorted(sizes)[1:])
    sequences = [passes.sequences for batch in batches for passes in batch.passes]
    filled = sum(int(part.item_length.sum()) for part in sequences)
    assert filled / sum(part.item_seq.numel() for part in sequences) > 0.6


def test_batches_are_of_all_lengths():
    """No batch is of short histories alone, and short ones are not in a few batches alone: steps are alike."""
    lengths = [*[3] * 400, *[21] * 100]
    for mode in ("row", "bucket", "user"):
        batches = list(loader(lengths, mode, width=50, batch_size=200, with_rows=False))
        of_short = [float((batch.user <= 400).double().mean()) for batch in batches]  # 800 of 2,800 targets
        assert len(batches) in (14, 15)
        assert all(share < 0.6 for share in of_short) and sum(share > 0.15 for share in of_short) >= 11


def test_the_number_of_batches_is_known_before():
    lengths = (np.random.default_rng(0).geometric(0.12, 3000) + 4).clip(max=60).tolist()
    batches = loader(lengths, "user", width=50, batch_size=1024)
    assert abs(len(batches) - len(list(batches))) <= 1


@pytest.mark.parametrize("mode", ["row", "bucket", "user"])
def test_order_is_random_and_repeats_under_a_seed(mode):
    def ends(seed):
        return [batch.history_end.tolist() for batch in loader([9] * 40, mode, seed=seed)]

    assert ends(1) == ends(1) != ends(2)
    twice = loader([9] * 40, mode, seed=1)
    assert [b.history_end.tolist() for b in twice] != [b.history_end.tolist() for b in twice]


@pytest.mark.parametrize("mode", ["bucket", "user"])
def test_sequences_of_equal_length_have_other_companions_in_each_epoch(mode):
    epochs = loader([4] * 60, mode, seed=1, with_rows=False)

    def parts():
        found = set()
        for batch in epochs:
            sizes = [len(p.row) for p in batch.passes] if mode == "user" else [len(p.user) for p in batch.rows.parts]
            found |= {frozenset(ends) for ends in map(torch.Tensor.tolist, batch.history_end.split(sizes))}
        return found

    first, second = parts(), parts()
    assert len(first) > 20 and len(first & second) < len(first) / 4


@pytest.mark.parametrize("mode", ["bucket", "user"])
@pytest.mark.parametrize(("model", "peer"), [("SASRec", "Mamba4Rec"), ("SASRec", "FMLP4Rec"), ("LinRec", "FMLP4Rec")])
def test_training_learns_in_every_mode(mode, model, peer):
    """Both causal, one of them, none."""
    run = tiny_run(model, peer_model=peer, batching=mode, epochs=7)
    score, _ = run.trainer.fit(run.train, run.valid, verbose=False, saved=False)
    assert score > 0.5
    assert {entry["targets"] for entry in run.trainer.epoch_log} == {360}


@pytest.mark.parametrize("batching", ["row", "user", "static"])
def test_without_shuffle_every_epoch_has_the_same_batches(batching):
    orders = []
    for shuffle in (False, True):
        run = tiny_run(neg_sampler="rns", batching=batching, shuffle=shuffle)
        run.trainer.prepare(run.train)
        orders.append([[batch.row_index.tolist() for batch in run.trainer.batches] for _ in range(2)])
    assert orders[0][0] == orders[0][1] and orders[1][0] != orders[1][1]


def test_left_padding_goes_with_rows_alone():
    with pytest.raises(ConfigError, match="batching = 'user' is not allowed with pad_side = 'left': choose row"):
        tiny_config(batching="user", pad_side="left")
    run = tiny_run(pad_side="left", neg_sampler="rns")
    run.trainer.prepare(run.train)
    assert run.trainer.batches.mode == "row"


@pytest.mark.parametrize(
    ("model", "peer", "mode"),
    [("SASRec", "GRU4Rec", "user"), ("FMLP4Rec", "SASRec", "user"), ("NARM", "FMLP4Rec", "bucket"),
     ("LinRec", "FMLP4Rec", "row"), ("STAMP", "FMLP4Rec", "row")],
)  # fmt: skip
def test_auto_is_the_fastest_mode_that_the_models_allow(model, peer, mode):
    run = tiny_run(model, peer_model=peer)
    assert run.config["batching"] == "auto"
    run.trainer.prepare(run.train)
    assert run.trainer.batches.mode == mode
