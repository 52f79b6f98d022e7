"""The average of weights over steps: its numbers, its place in the models, and what a run validates and saves."""

import logging

import pytest
import torch
from helpers.device import DEVICE
from helpers.runs import fit, same, states, tiny_config, tiny_run
from torch import nn

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.config.identity import settings_id
from recbole_mdcns.errors import CheckpointError
from recbole_mdcns.quick_start import evaluate_saved
from recbole_mdcns.recommend import load
from recbole_mdcns.trainer.weight_average import WeightAverage


class Small(nn.Module):
    """A weight, a weight that does not train, a mask, an integer, and a statistic that steps change."""

    mask: torch.Tensor
    count: torch.Tensor
    mean: torch.Tensor

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([8.0, 0.1]))
        self.frozen = nn.Parameter(torch.tensor([0.3]), requires_grad=False)
        self.wave = nn.Parameter(torch.tensor([1 + 2j]))
        self.tied = self.weight
        self.register_buffer("mask", torch.tensor([0.0, 0.1, -torch.inf]))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("mean", torch.tensor([0.0]))

    def step(self, weight: float) -> None:
        with torch.no_grad():
            self.weight.fill_(weight)
            self.wave.fill_(1j * weight)
            self.mean.fill_(10 * weight)
            self.count += 1


def after_three_steps():
    """Weights 1, 2, 6 with d = 1/2: shares 1/7, 2/7, 4/7, so the average is (1 + 4 + 24) / 7 = 29 / 7."""
    models = {"self": Small().to(DEVICE), "peer": Small().to(DEVICE)}
    average = WeightAverage(models, 0.5)
    for weight in (1.0, 2.0, 6.0):
        models["self"].step(weight)
        models["peer"].step(-weight)
        average.update()
    return models, average


def test_three_steps_by_hand():
    models, average = after_three_steps()
    sums = {name: total.cpu() for name, total in average.sums.items()}
    assert sums["self.weight"].tolist() == [29 / 8] * 2 and sums["peer.weight"].tolist() == [-29 / 8] * 2
    assert average.steps.tolist() == [3, 3]
    names = {f"{role}.{name}" for role in models for name in ("weight", "wave", "mask", "mean")}
    assert set(average.sums) == names  # each tensor once, what does not train not at all
    mine, peer = models["self"], models["peer"]
    with average.in_place():
        assert mine.weight.tolist() == pytest.approx([29 / 7] * 2) and peer.weight.tolist() == pytest.approx(
            [-29 / 7] * 2
        )
        assert mine.wave.item() == pytest.approx(29j / 7) and mine.mean.item() == pytest.approx(290 / 7)
        assert mine.count.item() == 3 and mine.frozen.tolist() == Small().frozen.tolist()
        assert torch.equal(mine.mask, Small().mask.to(DEVICE))


def test_the_first_step_is_the_average_of_one_step():
    model = Small()
    average = WeightAverage({"self": model}, 0.998)
    model.step(3.0)
    average.update()
    with average.in_place():
        assert model.weight.tolist() == pytest.approx([3.0] * 2, rel=1e-4)  # and not 0.002 * 3 + 0.998 * 8


def test_weights_come_back_bit_for_bit_in_the_same_places():
    models, average = after_three_steps()
    weights = {**dict(models["self"].named_parameters()), **dict(models["self"].named_buffers())}
    before = {name: (weight.detach().clone(), weight.data_ptr()) for name, weight in weights.items()}
    with pytest.raises(KeyboardInterrupt), average.in_place():
        assert not torch.equal(models["self"].weight, before["weight"][0])
        assert models["self"].weight.data_ptr() == before["weight"][1]
        raise KeyboardInterrupt
    for name, (value, place) in before.items():
        assert torch.equal(weights[name], value) and weights[name].data_ptr() == place


def test_without_a_step_or_with_decay_0_nothing_changes():
    models, average = after_three_steps()
    average.reset()
    assert average.steps.tolist() == [0, 0] and not any(total.abs().sum() for total in average.sums.values())
    off = WeightAverage(models, 0.0)
    off.update()
    assert off.sums == {} and not off.steps.any()
    for each in (average, off):
        with each.in_place():
            assert models["self"].weight.tolist() == [6.0, 6.0]


def test_a_role_can_begin_anew():
    models, average = after_three_steps()
    average.reset("self")
    with average.in_place():
        assert models["self"].weight.tolist() == [6.0] * 2
        assert models["peer"].weight.tolist() == pytest.approx([-29 / 7] * 2)
    models["self"].step(4.0)
    models["peer"].step(-4.0)
    average.update()
    with average.in_place():
        assert models["self"].weight.tolist() == [4.0] * 2  # its first step again
        assert models["peer"].weight.tolist() == pytest.approx([-(29 / 7 * 7 + 4 * 8) / 15] * 2)


def test_a_file_for_the_self_model_leaves_the_averages_of_the_others():
    run = tiny_run(epochs=2, ema_decay=0.9)
    fit(run)
    before = run.trainer.evaluate_all(run.valid).metrics
    run.trainer.evaluate(run.valid, model_file=run.trainer.files.best)
    assert run.trainer.evaluate_all(run.valid).metrics["peer"] == before["peer"]


def test_a_restored_average_goes_on_in_its_places():
    models, average = after_three_steps()
    other = WeightAverage(models, 0.5)
    places = [total.data_ptr() for total in other.sums.values()]
    other.load_state_dict(average.state_dict())
    other.update()  # a fourth step with weight 6: (29/8 + 6) / 2
    assert other.sums["self.weight"].tolist() == [77 / 16] * 2 and other.steps.tolist() == [4, 4]
    assert [total.data_ptr() for total in other.sums.values()] == places
    assert average.sums["self.weight"].tolist() == [29 / 8] * 2


KEYS: dict = {"epochs": 3, "evaluate_peers": True, "learning_rate": 0.002}


def averages_by_epoch(decay: float):
    """Train without an average, and return the run and per epoch the averages of its weights, in double precision."""
    run = tiny_run(**KEYS)
    sums, steps, by_epoch = None, 0, []
    take = run.trainer.loop.step

    def step(loss):
        nonlocal sums, steps
        take(loss)
        new = [{name: weight.double() for name, weight in each.items()} for each in states(run.trainer)]
        sums = sums or [{name: 0 * weight for name, weight in each.items()} for each in new]
        sums = [{k: decay * old[k] + (1 - decay) * now[k] for k in now} for old, now in zip(sums, new)]
        steps += 1

    run.trainer.loop.step = step
    start = run.trainer.loop.train_epoch

    def epoch(*arguments):
        entry = start(*arguments)
        by_epoch.append([{k: total / (1 - decay**steps) for k, total in each.items()} for each in sums])
        return entry

    run.trainer.loop.train_epoch = epoch
    fit(run)
    return run, by_epoch


@pytest.mark.parametrize("saved", [True, False])
def test_a_run_validates_and_keeps_the_averages(saved, caplog):
    caplog.set_level(logging.INFO)
    plain, by_epoch = averages_by_epoch(0.9)
    run = tiny_run(**KEYS, ema_decay=0.9)
    score, result = fit(run, saved=saved)
    told = [line for line in caplog.messages if "averages of the weights" in line]
    assert len(told) == 1 and "ema_decay 0.9" in told[0]
    assert same(states(run.trainer), states(plain.trainer))  # the training itself is the same
    log = run.trainer.epoch_log
    assert [entry["loss"] for entry in log] == [entry["loss"] for entry in plain.trainer.epoch_log]
    judge = tiny_run(**KEYS)
    for entry, averages in zip(log, by_epoch):
        for each, weights in zip(judge.trainer.scoring_models, averages):
            each.model.load_state_dict({name: weight.float() for name, weight in weights.items()})
        metrics = judge.trainer.evaluate_all(judge.valid).metrics
        assert {"self": entry["valid"], **entry["valid_peers"]} == metrics
        assert entry["valid"] != plain.trainer.epoch_log[entry["epoch"]]["valid"]

    best = max(log, key=lambda entry: entry["valid"]["ndcg@10"])["epoch"]
    run.trainer.load_best()
    for weights, averages in zip(states(run.trainer), by_epoch[best]):
        for name, weight in weights.items():
            torch.testing.assert_close(weight.double(), averages[name], rtol=1e-5, atol=1e-6)
    assert run.trainer.loop.average.steps.tolist() == [0, 0]
    assert run.trainer.evaluate_all(run.valid).metrics["self"] == result == log[best]["valid"]
    assert run.trainer.evaluate(run.valid, load_best_model=False)["ndcg@10"] == score


def test_the_last_state_has_plain_weights_and_the_average():
    run = tiny_run(**KEYS, ema_decay=0.9)
    fit(run)
    last = torch.load(run.trainer.files.last, weights_only=True, map_location=DEVICE)
    assert same(states(run.trainer), [last["models"][each.role] for each in run.trainer.scoring_models])
    saved, own = last["weight_average"], run.trainer.loop.average.state_dict()
    torch.testing.assert_close(saved, own, rtol=0, atol=0)
    run.trainer.load_best()
    expected = run.trainer.evaluate(run.test, load_best_model=False)
    assert evaluate_saved(run.trainer.files.best, "test") == expected
    recommender = load(run.trainer.files.best, DEVICE)
    for role, weights in zip(("self", "peer"), states(run.trainer)):
        assert same([recommender.model_of(role)[0].model.state_dict()], [weights])


def test_a_damaged_average_is_refused_and_a_run_without_one_needs_none():
    run = tiny_run(epochs=1, ema_decay=0.9)
    fit(run)
    content = torch.load(run.trainer.files.last, weights_only=True)
    for average, fault in (
        (None, "weight_average is None, expected a dict with steps, sums"),
        ({**content["weight_average"], "steps": 3}, "weight_average.steps is 3, expected a tensor of int64"),
        ({**content["weight_average"], "sums": {}}, r"weight_average.sums is \{\}, expected a dict with self.item"),
    ):
        torch.save({**content, "weight_average": average}, run.trainer.files.last)
        with pytest.raises(CheckpointError, match=fault):
            tiny_run(epochs=2, ema_decay=0.9).trainer.resume_checkpoint(True)
    off = tiny_run(epochs=1)
    fit(off)
    assert "weight_average" not in checkpoint.load(off.trainer.files.last, "training")
    with pytest.raises(CheckpointError, match=r"ema_decay is 0.0 there and 0.9 here"):
        tiny_run(epochs=2, ema_decay=0.9).trainer.resume_checkpoint(off.trainer.files.last)


def test_a_run_without_the_key_has_the_identity_it_had():
    plain = tiny_config().plain()
    older = {key: value for key, value in plain.items() if key != "ema_decay"}
    assert plain["ema_decay"] == 0.0 and settings_id(plain) == settings_id(older)
    assert settings_id(tiny_config(ema_decay=0.9).plain()) != settings_id(plain)
