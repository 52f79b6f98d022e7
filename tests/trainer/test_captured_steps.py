"""A captured step does what the plain step does; here a tape on the CPU takes the place of a CUDA graph."""

from __future__ import annotations

import logging
import random
from typing import Any

import pytest
import torch
from helpers.runs import cycle_lines, fit, same, states, tiny_run, write_inter
from helpers.strategies import ONE_EXPOSURE, write_exposures
from helpers.tape import TapeCapturing
from torch.optim import SGD, Adagrad, Adam

from recbole_mdcns.errors import TrainingError
from recbole_mdcns.losses import LossOfNegatives
from recbole_mdcns.losses.pairwise import bce
from recbole_mdcns.negatives.dns_plus import DNSPlus
from recbole_mdcns.negatives.rns import RNS
from recbole_mdcns.trainer.captured_steps import MOST_GRAPHS, obstacle_of
from recbole_mdcns.trainer.host_reads import HostReads

pytestmark = pytest.mark.cpu_only("a tape on the CPU takes the place of a CUDA graph")

KEYS: dict = {"batching": "static", "epochs": 2, "train_batch_size": 32, "neg_candidate_num": 5, "srns_fresh_num": 1}
SHARED: dict = {"ranking_loss": "SSM", "pool_scope": "batch"}


@pytest.fixture(autouse=True)
def enough_items():
    """Each row has twice as many items left as its pool has."""
    write_inter(cycle_lines(user_num=20, item_num=60))


def prepared(capturing, **keys):
    """Return a run as on a GPU, which captures if there is something to capture with."""
    run = tiny_run(**{**KEYS, **keys})
    run.trainer.prepare(run.train)
    if run.trainer.strategy is not None:
        sampler = run.trainer.strategy.sampler
        sampler.may_read = sampler.sorts_histories = False
    if capturing is not None:
        run.trainer.loop.capture_with(capturing)
    return run


def plain_and_captured(**keys):
    """Train twice, with plain and with captured steps, as on a GPU; return both runs and the tapes."""
    write_exposures(ONE_EXPOSURE)
    runs, capturing = [], TapeCapturing()
    for captures in (False, True):
        run = prepared(capturing if captures else None, **keys)
        fit(run, saved=False)
        runs.append(run)
    return (*runs, capturing.tapes)


def losses(run):
    return [(entry["loss"], entry["parts"], entry["targets"]) for entry in run.trainer.epoch_log]


@pytest.mark.parametrize(
    "keys",
    [
        {}, {"peer_model": "Mamba4Rec"}, {"peer_model": "GRU4Rec,SASRec"}, {"model": "FMLP4Rec"}, {"model": "LinRec"},
        {"model": "GRU4Rec", "peer_model": "NARM"}, {"clip_grad_norm": {"max_norm": 0.1}}, {"learner": "sgd"},
        {"neg_sampler": "rns"}, {"neg_sampler": "pns"}, {"neg_sampler": "in_batch"}, {"neg_sampler": "ens"},
        {"neg_sampler": "dns_plus", "neg_top_num": 2, "neg_num": 2}, {"neg_sampler": "mixgcf"},
        {"neg_sampler": "gnno", "neg_candidate_num": 5, "gnno_hard_num": 1, "gnno_pace": 0.1},
        {"neg_sampler": "srns", "srns_warm_up": 3},
        {"neg_sampler": "adasir", "adasir_sample_num": 8, "adasir_pool_num": 4},
        {"neg_sampler": "adasir", "adasir_sample_num": 8, "adasir_pool_num": 4, "adasir_proposal": "popularity"},
        {"ranking_loss": "BPR"}, {"neg_sampler": "rns", "ranking_loss": "gBCE", "neg_num": 4},
        {"neg_sampler": "pns", "ranking_loss": "SSM", "neg_num": 4}, {"ranking_loss": "CE"},
        {"pad_side": "left"}, {"neg_candidate_num": 3, "enable_amp": True},
        {"ema_decay": 0.9}, {**SHARED, "distill_warmup_epochs": 2},
        {**SHARED, "ssm_scale": True, "pool_hard_num": 4, "pool_popular_share": 0.3, "pool_in_batch_share": 0.3,
         "exclude": "user_train"},
        {**SHARED, "logq_refined": True, "rdrop_weight": 1.0, "neg_candidate_num": 40},
        {"ranking_loss": "MutualCE", "distill_warmup_epochs": 2},
    ],
)  # fmt: skip
def test_captured_steps_train_the_same_models(keys):
    plain, captured, tapes = plain_and_captured(**keys)
    assert captured.trainer.loop.captured.obstacle is None
    full_steps = 180 // 32
    assert tapes and sum(tape.replays for tape in tapes) == 2 * full_steps - 3 * len(tapes)
    assert same(states(plain.trainer), states(captured.trainer))
    assert losses(plain) == losses(captured)
    averages = [run.trainer.loop.average.state_dict() for run in (plain, captured)]
    torch.testing.assert_close(*averages, rtol=0, atol=0)
    assert [entry["valid"] for entry in plain.trainer.epoch_log] == [e["valid"] for e in captured.trainer.epoch_log]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [({"ranking_loss": "SCE"}, "makes the host wait"), ({"lazy_items": True}, "makes the host wait")],
)  # fmt: skip
def test_what_reads_stays_plain_and_says_why(keys, reason, caplog):
    caplog.set_level(logging.INFO)
    plain, captured, tapes = plain_and_captured(**keys)
    assert not tapes and reason in captured.trainer.loop.captured.obstacle
    told = [line for line in caplog.messages if "training steps are not captured" in line]
    assert len(told) == 1 and reason in told[0]
    assert same(states(plain.trainer), states(captured.trainer))


class Counting(RNS):
    """Counts its steps on the host."""

    steps = 0

    def choose(self, pool):
        self.steps += 1
        return super().choose(pool)


class Rebinding(RNS):
    """Replaces a tensor in each step, where a captured step would read the first one."""

    def prepare(self, dataset):
        super().prepare(dataset)
        self.sums = torch.zeros(())

    def choose(self, pool):
        self.sums = self.sums + pool.positive[0].detach().sum()
        return super().choose(pool)


class Rolling(RNS):
    """Draws on the host."""

    def choose(self, pool):
        random.random()
        return super().choose(pool)


class Listing(LossOfNegatives):
    """Keeps a list of what it saw."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.seen = {"sizes": [0]}

    def __call__(self, scores):
        self.seen["sizes"].append(len(scores.positive))
        return bce(scores.positive, scores.negative).mean(0), scores.weights


@pytest.mark.parametrize(
    ("keys", "reason"),
    [({"neg_sampler": f"{__name__}:Counting"}, "strategy.steps changes on the host"),
     ({"neg_sampler": f"{__name__}:Rebinding"}, "strategy.sums changes on the host"),
     ({"neg_sampler": f"{__name__}:Rolling"}, "random makes the host wait or draws there"),
     ({"neg_sampler": "rns", "ranking_loss": f"{__name__}:Listing"}, "loss.seen.sizes.3 changes on the host")],
)  # fmt: skip
def test_a_users_own_class_with_a_state_on_the_host_stays_plain(keys, reason):
    plain, captured, tapes = plain_and_captured(**keys)
    assert not tapes and captured.trainer.loop.captured.obstacle == reason
    assert same(states(plain.trainer), states(captured.trainer))


class Fading(DNSPlus):
    """Lowers a rate between epochs, and reads the epoch: both are constants of a captured step."""

    rate = 8.0

    def start_epoch(self, epoch):
        super().start_epoch(epoch)
        self.rate = 8.0 / (1 + epoch)

    def choose(self, pool):
        negatives = super().choose(pool)
        negatives.factors = torch.full_like(pool.positive[0][:, None], self.rate + self.epoch).detach()
        return negatives


def test_a_value_that_changes_between_epochs_is_captured_anew():
    plain, captured, tapes = plain_and_captured(neg_sampler=f"{__name__}:Fading", epochs=6, stopping_step=6)
    assert len(tapes) == 6 and len(captured.trainer.loop.captured._graphs) == MOST_GRAPHS
    assert same(states(plain.trainer), states(captured.trainer)) and losses(plain) == losses(captured)


def test_other_numbers_of_sequences_have_graphs_of_their_own(monkeypatch):
    numbers = iter([48, 40, 48, 40] * 2)
    monkeypatch.setattr("recbole_mdcns.data.static_batches.rounded_up", lambda number: next(numbers))
    plain, captured, tapes = plain_and_captured(epochs=4)
    assert [tape.replays for tape in tapes] == [2 * 5 - 3] * 2
    assert same(states(plain.trainer), states(captured.trainer)) and losses(plain) == losses(captured)


def test_a_captured_run_goes_on_where_it_stopped():
    whole = prepared(TapeCapturing(), epochs=4)
    expected = fit(whole)
    first = prepared(TapeCapturing(), epochs=2)
    fit(first)
    capturing = TapeCapturing()
    second = prepared(capturing, epochs=4)
    second.trainer.resume_checkpoint(first.trainer.files.last)
    assert fit(second) == expected and capturing.tapes
    assert same(states(second.trainer), states(whole.trainer))
    assert losses(second) == losses(whole)


def test_a_trainer_that_goes_on_from_an_earlier_state_captures_anew():
    """Graphs know the places of the optimisers' moments, and loading replaces these."""
    expected = prepared(None, neg_sampler="rns", epochs=3)
    fit(expected, saved=False)
    first = prepared(None, neg_sampler="rns", epochs=1)
    fit(first)
    second = prepared(TapeCapturing(), neg_sampler="rns", epochs=3)
    fit(second, saved=False)
    second.trainer.resume_checkpoint(first.trainer.files.last)
    fit(second, saved=False)
    assert same(states(second.trainer), states(expected.trainer))


def test_a_learning_rate_that_changes_between_epochs_is_captured_anew():
    runs = []
    for capturing in (None, TapeCapturing()):
        run = prepared(capturing, neg_sampler="rns", stopping_step=9)
        rates = run.trainer.optimizers[0].param_groups[0]
        fit(run, saved=False, callback_fn=lambda *_, rates=rates: rates.update(lr=0.002))
        runs.append(run)
    assert same(states(runs[0].trainer), states(runs[1].trainer)) and losses(runs[0]) == losses(runs[1])
    assert len(runs[1].trainer.loop.captured._graphs) == 2


def test_a_growing_hardness_keeps_its_graph():
    keys = {"neg_sampler": "gnno", "gnno_hard_num": 1, "gnno_pace": 0.1}
    assert len(plain_and_captured(**keys)[2]) == 1


def test_a_failed_capture_names_the_way_out(monkeypatch):
    run = prepared(TapeCapturing())

    def fail(tape, call):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr("helpers.tape.Tape.capture", fail)
    with pytest.raises(TrainingError, match=r"could not be captured .*not permitted.*set cuda_graph = False"):
        fit(run, saved=False)


def test_tensors_of_another_device_are_found():
    """A step on a GPU must not use the CPU; here a step without memory."""
    with HostReads(torch.device("meta")) as reads:
        here = torch.zeros(3, device="meta")
        _ = here + 1, here * torch.tensor(2.0)
    assert not reads.found
    with HostReads(torch.device("meta")) as reads:
        torch.arange(3).add(1)
        torch.rand(())
    assert reads.found == {"arange": 1, "add": 1, "rand": 1, "torch's generator of the CPU": 1}


def test_keys_that_rule_out_a_capture(monkeypatch):
    monkeypatch.setattr(torch.cuda.CUDAGraph, "register_generator_state", None, raising=False)
    weight = torch.nn.Parameter(torch.zeros(2))
    adam = Adam([weight], capturable=True)
    keys: Any = {"cuda_graph": True, "lazy_items": False}
    assert obstacle_of(keys, [adam, SGD([weight], 0.1)], False) is None
    off: Any = {**keys, "cuda_graph": False}
    assert obstacle_of(off, [adam], False) == "cuda_graph is False"
    lazy: Any = {**keys, "lazy_items": True}
    assert "lazy_items" in str(obstacle_of(lazy, [adam], False))
    assert "enable_scaler" in str(obstacle_of(keys, [adam], True))
    assert obstacle_of(keys, [adam, Adagrad([weight])], False) == "Adagrad counts its steps on the host"
    assert obstacle_of(keys, [Adam([weight])], False) == "Adam counts its steps on the host"
