"""Batches by row, bucket and user: the same targets with the same histories, each once."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import tiny_config, tiny_run
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.data.history import HistoryIndex
from recbole_mdcns.errors import ConfigError

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(2, 30), min_size=1, max_size=12)


def dataset_of(lengths, width, pad_side="right"):
    """Users with the given numbers of items, all items different; every prefix is a row."""
    items = np.arange(1, sum(lengths) + 1)
    begins = np.cumsum([0, *lengths])[:-1]
    starts = np.repeat(begins, lengths)
    ends = np.array([begin + place for begin, length in zip(begins, lengths) for place in range(1, length)])
    rows = {
        "user_id": np.repeat(np.arange(1, len(lengths) + 1), lengths)[ends],
        "item_id": items[ends],
        "history_start": starts[ends],
        "history_end": ends,
    }
    return SimpleNamespace(
        inter_feat={name: torch.from_numpy(column) for name, column in rows.items()},
        uid_field="user_id",
        iid_field="item_id",
        history=HistoryIndex(items, starts, len(items) + 1),
        max_item_list_len=width,
        config={"pad_side": pad_side},
    )


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
        assert torch.equal(batch.rows.item_length, length)
        for row, end, size in zip(batch.rows.item_seq.tolist(), batch.history_end.tolist(), length.tolist()):
            assert row == [*range(end - size + 1, end + 1), *[0] * (len(row) - size)]
        if mode == "row":
            assert batch.rows.item_seq.size(1) == width
        else:
            assert batch.rows.item_seq.size(1) == length.max()
    assert sorted(ends) == loader(lengths, mode, width, seed=None).end.sort().values.tolist()
    assert len(ends) == sum(lengths) - len(lengths)


@given(lengths=LENGTHS, width=st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_a_pass_holds_the_history_of_each_of_its_targets(lengths, width):
    for batch in loader(lengths, "user", width, with_rows=False):
        assert batch.rows is None
        passes = batch.passes
        sequences = passes.sequences
        assert sequences.item_seq.size(1) == sequences.item_length.max() <= width
        assert torch.equal(sequences.user[passes.row], batch.user)
        last = sequences.item_seq[passes.row, passes.position]
        assert torch.equal(last, batch.history_end)  # the item at place end - 1
        first = sequences.item_seq[passes.row, 0]
        assert (first > batch.history_start).all()  # of the same user
        seen, whole = passes.position + 1, batch.history_end - batch.history_start
        assert (seen == whole)[whole <= width].all()
        assert (seen[whole > width] >= width - max(1, width // 2) + 1).all()
        inside = torch.arange(sequences.item_seq.size(1)) < sequences.item_length[:, None]
        assert ((sequences.item_seq > 0) == inside).all()


def test_batches_of_users_have_about_the_asked_number_of_targets_and_little_padding():
    random = np.random.default_rng(0)
    lengths = (random.geometric(0.12, 3000) + 4).clip(max=60).tolist()
    batches = list(loader(lengths, "user", width=50, batch_size=1024, with_rows=False))
    sizes = [len(batch) for batch in batches]
    assert all(abs(size - 1024) <= 60 for size in sorted(sizes)[1:])
    filled = sum(int(batch.passes.sequences.item_length.sum()) for batch in batches)
    tokens = sum(batch.passes.sequences.item_seq.numel() for batch in batches)
    assert filled / tokens > 0.6
    assert abs(len(loader(lengths, "user", width=50, batch_size=1024)) - len(batches)) <= 1


@pytest.mark.parametrize("mode", ["row", "bucket", "user"])
def test_order_is_random_and_repeats_under_a_seed(mode):
    def ends(seed):
        return [batch.history_end.tolist() for batch in loader([9] * 40, mode, seed=seed)]

    assert ends(1) == ends(1) != ends(2)
    twice = loader([9] * 40, mode, seed=1)
    assert [b.history_end.tolist() for b in twice] != [b.history_end.tolist() for b in twice]


@pytest.mark.parametrize("mode", ["bucket", "user"])
@pytest.mark.parametrize(("model", "peer"), [("SASRec", "Mamba4Rec"), ("SASRec", "FMLP4Rec"), ("LinRec", "FMLP4Rec")])
def test_training_learns_in_every_mode(mode, model, peer):
    """Both causal, one of them, none."""
    run = tiny_run(model, peer_model=peer, batching=mode, epochs=12, stopping_step=12)
    score, _ = run.trainer.fit(run.train, run.valid, verbose=False, saved=False)
    assert score > 0.5
    assert {entry["targets"] for entry in run.trainer.history} == {360}


def test_left_padding_goes_with_rows_alone():
    with pytest.raises(ConfigError, match="batching = 'user' is not allowed with pad_side = 'left': choose row"):
        tiny_config(batching="user", pad_side="left")
    run = tiny_run(pad_side="left", neg_sampler="rns")
    run.trainer.prepare(run.train)
    assert run.trainer.batches.mode == "row"


@pytest.mark.parametrize(
    ("model", "peer", "mode"),
    [("SASRec", "GRU4Rec", "user"), ("FMLP4Rec", "SASRec", "user"), ("STAMP", "FMLP4Rec", "bucket"),
     ("LinRec", "FMLP4Rec", "row")],
)  # fmt: skip
def test_auto_is_the_fastest_mode_that_the_models_allow(model, peer, mode):
    run = tiny_run(model, peer_model=peer)
    assert run.config["batching"] == "auto"
    run.trainer.prepare(run.train)
    assert run.trainer.batches.mode == mode


@pytest.mark.parametrize("mode", ["bucket", "user"])
def test_the_host_knows_the_widths_without_looking(mode):
    """Batches are as wide as their longest sequence and history, and no wider."""
    for batch in loader([3, 9, 30, 60, 7] * 8, mode, width=20, with_rows=True):
        assert batch.rows.item_seq.size(1) == int(batch.rows.item_length.max())
        if mode == "user":
            assert batch.passes.sequences.item_seq.size(1) == int(batch.passes.sequences.item_length.max())
