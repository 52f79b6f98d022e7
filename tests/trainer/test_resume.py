"""A run that was stopped goes on to the same numbers; the best models are kept, on disk or in memory."""

import re
from pathlib import Path

import pytest
import torch
from helpers.device import DEVICE
from helpers.runs import fit, same, states, tiny_run

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.errors import CheckpointError, ConfigError
from recbole_mdcns.losses.pairwise import BPR
from recbole_mdcns.model.item_sequence import ItemSequenceModel
from recbole_mdcns.negatives.rns import RNS
from recbole_mdcns.trainer import NegativeSamplingTrainer

SHARED = {"ranking_loss": "SSM", "pool_scope": "batch"}


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"neg_sampler": "rns"},
        {"eval_step": 2},
        {"eval_step": 4, "evaluate_peers": True},
        {"eval_step": 9},
        {"neg_top_num": 4, "pad_side": "left"},
        {"batching": "user"},
        {"batching": "bucket"},
        {"lazy_items": True},
        {"ranking_loss": "SCE"},
        {"neg_sampler": "adasir", "adasir_sample_num": 8, "adasir_pool_num": 4, "neg_num": 2},
        {"neg_sampler": "srns", "srns_memory_num": 4, "srns_fresh_num": 3},
        {"neg_sampler": "gnno", "neg_candidate_num": 5, "gnno_hard_num": 1, "gnno_pace": 0.1},
        {"peer_model": "GRU4Rec,Mamba4Rec"},
        {"ema_decay": 0.95},
        {**SHARED, "distill_warmup_epochs": 4, "ssm_scale": True, "pool_hard_num": 4, "rdrop_weight": 1.0},
        {**SHARED, "pool_in_batch_share": 0.3, "exclude": "user_train"},
        {"ranking_loss": "MutualCE", "distill_warmup_epochs": 4},
    ],
)
def test_resume_equals_an_uninterrupted_run(keys):
    end, stop = (5, 3) if "eval_step" in keys else (3, 2)
    keys = {"epochs": end, **keys}
    whole = tiny_run(**keys)
    result = fit(whole)

    first = tiny_run(**{**keys, "epochs": stop})
    fit(first)
    torch.manual_seed(999)  # another process would be in another random state
    second = tiny_run(**keys)
    second.trainer.resume_checkpoint(first.trainer.files.last)
    assert fit(second) == result
    assert same(states(second.trainer), states(whole.trainer))
    for left, right in zip(second.trainer.optimizers, whole.trainer.optimizers):
        torch.testing.assert_close(left.state_dict(), right.state_dict(), rtol=0, atol=0)
    averages = [run.trainer.loop.average.state_dict() for run in (second, whole)]
    torch.testing.assert_close(*averages, rtol=0, atol=0)
    assert without_times(second.trainer) == without_times(whole.trainer)
    second.trainer.load_best(), whole.trainer.load_best()
    assert same(states(second.trainer), states(whole.trainer))
    assert second.trainer.evaluate_all(second.test) == whole.trainer.evaluate_all(whole.test)


def test_a_short_run_is_validated_at_its_end_and_resumed_as_it_is():
    """Fewer epochs than ``eval_step``: RecBole validates the last one; the same command again finds its result."""
    run = tiny_run(epochs=2, eval_step=4)
    result = fit(run)
    assert ["valid" in entry for entry in run.trainer.epoch_log] == [False, True]
    again = tiny_run(epochs=2, eval_step=4)
    again.trainer.resume_checkpoint(True)
    assert fit(again) == result and again.trainer.epoch_log == run.trainer.epoch_log
    longer = tiny_run(epochs=3, eval_step=4)
    longer.trainer.resume_checkpoint(True)
    assert longer.trainer.best_valid_score == -torch.inf
    score, _ = fit(longer)
    assert ["valid" in entry for entry in longer.trainer.epoch_log] == [False, False, True]
    assert score == longer.trainer.epoch_log[2]["valid"]["ndcg@10"]


def interrupt(run, epoch, **arguments):
    """Train a run until Ctrl-C at the beginning of an epoch."""
    train = run.trainer._train_epoch

    def until(data, number, *rest, **more):
        if number == epoch:
            raise KeyboardInterrupt
        return train(data, number, *rest, **more)

    run.trainer._train_epoch = until
    with pytest.raises(KeyboardInterrupt):
        fit(run, **arguments)
    run.trainer._train_epoch = train


def without_times(trainer):
    return [{key: value for key, value in entry.items() if key != "train_seconds"} for entry in trainer.epoch_log]


def test_a_run_that_is_shortened_to_what_is_done_is_validated_at_its_end():
    """Killed after 3 epochs, before its first validation, and resumed with 3 epochs."""
    keys = {"eval_step": 5, "evaluate_peers": True}
    whole = tiny_run(epochs=3, **keys)
    result = fit(whole)
    killed = tiny_run(epochs=9, **keys)
    interrupt(killed, 3)
    for _ in range(2):  # the second time, its validation is in the file
        short = tiny_run(epochs=3, **keys)
        short.trainer.resume_checkpoint(killed.trainer.files.last)
        assert fit(short) == result and without_times(short.trainer) == without_times(whole.trainer)
        short.trainer.load_best()
        assert same(states(short.trainer), states(whole.trainer))


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_trainer_whose_training_broke_off_trains_no_further_before_it_resumes(epoch):
    run = tiny_run()
    interrupt(run, epoch)
    last = run.trainer.files.last
    advice = f", and continue with its resume_checkpoint({str(last)!r})" if epoch else ""
    with pytest.raises(ConfigError, match=f"broke off, .*: make a new trainer{re.escape(advice)}$"):
        fit(run)
    if epoch:
        run.trainer.resume_checkpoint(last)
        result, whole = fit(run), tiny_run()
        assert fit(whole) == result and same(states(run.trainer), states(whole.trainer))


told: list[tuple[str, int]] = []


class ToldLoss(BPR):
    def start_epoch(self, epoch):
        told.append(("loss", epoch))


class ToldStrategy(RNS):
    def start_epoch(self, epoch):
        told.append(("strategy", epoch))


def test_loss_and_strategy_are_told_each_epoch_from_0_also_after_a_resume():
    told.clear()
    keys = {"ranking_loss": f"{__name__}:ToldLoss", "neg_sampler": f"{__name__}:ToldStrategy", "neg_num": 2}
    first, second = (tiny_run(**keys, epochs=epochs) for epochs in (2, 3))
    fit(first)
    second.trainer.resume_checkpoint(first.trainer.files.last)
    fit(second)
    assert told == [(kind, epoch) for epoch in range(3) for kind in ("loss", "strategy")]


def test_resume_of_a_stopped_run_trains_no_further(monkeypatch):
    run = tiny_run(epochs=9, stopping_step=1)
    monkeypatch.setattr("recbole_mdcns.trainer.trainer.calculate_valid_score", lambda *_: -len(run.trainer.epoch_log))
    fit(run)
    done = len(run.trainer.epoch_log)
    assert done == 3  # one best, one step of patience, one to stop
    again = tiny_run(epochs=9, stopping_step=1)
    again.trainer.resume_checkpoint(True)
    score = fit(again)
    assert len(again.trainer.epoch_log) == done
    assert score == (run.trainer.best_valid_score, run.trainer.best_valid_result)


def getting_worse(**keys):
    """Return a run whose first epoch is its best one."""
    run = tiny_run(**keys)
    validate, log = run.trainer._valid_epoch, run.trainer.epoch_log

    def worse(*arguments, **options):
        _, result = validate(*arguments, **options)
        log[-1]["valid"]["ndcg@10"] = 1 / len(log)
        return 1 / len(log), result

    run.trainer._valid_epoch = worse
    return run


def test_without_saving_the_best_models_come_from_memory(tmp_path):
    """Later epochs change nothing of what is kept."""
    saved = getting_worse(epochs=3)
    fit(saved)
    memory = getting_worse(epochs=3)
    fit(memory, saved=False)
    last = states(memory.trainer)
    saved.trainer.load_best(), memory.trainer.load_best()
    assert same(states(saved.trainer), states(memory.trainer)) and not same(states(memory.trainer), last)
    assert len(list((tmp_path / "saved").glob("*.pth"))) == 3  # best self, its peer, last state


def test_without_validation_the_last_epoch_is_kept():
    run = tiny_run(epochs=2)
    _, result = run.trainer.fit(run.train, None, verbose=False)
    assert result is None
    last = states(run.trainer)
    run.trainer.load_best()
    assert same(last, states(run.trainer))

    untrained = tiny_run(epochs=0)
    first = states(untrained.trainer)
    untrained.trainer.fit(untrained.train, None, verbose=False, saved=False)
    untrained.trainer.load_best()
    assert same(first, states(untrained.trainer))


def test_without_validation_an_epoch_counts_as_done_once_its_models_are_saved(monkeypatch):
    written = []
    save = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda content, path: (written.append(Path(path)), save(content, path)))
    run = tiny_run(epochs=1)
    run.trainer.fit(run.train, None, verbose=False)
    files = run.trainer.files
    assert written.index(files.best) < written.index(files.last)


def test_a_run_does_not_go_on_with_another_device_other_data_or_other_peers():
    run = tiny_run(epochs=1)
    fit(run)
    state = torch.load(run.trainer.files.last, weights_only=True)
    here, there = DEVICE.type, "cuda" if DEVICE.type == "cpu" else "cpu"
    assert state["device"] == here
    torch.save({**state, "device": there}, run.trainer.files.last)
    with pytest.raises(CheckpointError, match=f"run on {there}, this one is on {here}"):
        tiny_run(epochs=2).trainer.resume_checkpoint(True)
    with pytest.raises(ConfigError, match="prepared for another training set"):
        run.trainer.fit(tiny_run().train)
    with pytest.raises(ConfigError, match="0 peers were given, and the run trains 1, as neg_sampler"):
        NegativeSamplingTrainer(run.config, run.trainer.model)


def test_two_runs_of_the_same_settings_share_no_file():
    assert tiny_run().trainer.files.best != tiny_run().trainer.files.best


class Counting(ItemSequenceModel):
    """Counts its training steps in an attribute, as RecBole's ``other_parameter_name`` allows; the scores read it."""

    other_parameter_name = ["step_num"]  # noqa: RUF012

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.step_num = 0

    def forward(self, item_seq, item_seq_len):
        self.step_num += self.training
        return self.item_embedding(item_seq).mean(1) * (1 + 0.1 * self.step_num)


def test_what_a_model_counts_beside_its_weights_is_resumed_and_kept():
    whole, first, second = (tiny_run(Counting, neg_sampler="rns", epochs=epochs) for epochs in (2, 1, 2))
    for run in (whole, first):
        fit(run)
    second.trainer.resume_checkpoint(first.trainer.files.last)
    fit(second)
    steps = whole.trainer.model.step_num
    assert second.trainer.model.step_num == steps == 2 * first.trainer.model.step_num
    assert second.trainer.epoch_log[-1]["loss"] == whole.trainer.epoch_log[-1]["loss"]
    unsaved = tiny_run(Counting, neg_sampler="rns", epochs=1)
    fit(unsaved, saved=False)
    unsaved.trainer.model.step_num = 99
    unsaved.trainer.load_best()
    assert unsaved.trainer.model.step_num == first.trainer.model.step_num


def test_a_training_without_files_can_go_on_with_files():
    run = tiny_run(epochs=2)
    fit(run, saved=False)
    expected = run.trainer.evaluate(run.test)
    fit(run)  # nothing is left to train
    assert run.trainer.evaluate(run.test) == expected
    content = torch.load(run.trainer.files.best, weights_only=True)
    assert content["epoch"] == 1 and content["best_valid_score"] == run.trainer.best_valid_score


def test_a_resumed_run_forgets_the_models_that_an_earlier_training_kept_in_memory():
    saved = tiny_run()
    fit(saved)
    run = tiny_run()
    interrupt(run, 1, saved=False)
    run.trainer.resume_checkpoint(saved.trainer.files.last)
    run.trainer.load_best(), saved.trainer.load_best()
    assert same(states(run.trainer), states(saved.trainer))


def test_a_better_epoch_in_files_replaces_the_one_in_memory():
    run = tiny_run(epochs=1)
    fit(run, saved=False)
    run.trainer.epochs = 2
    score, _ = fit(run)
    assert score > run.trainer.epoch_log[0]["valid"]["ndcg@10"]
    last = states(run.trainer)
    run.trainer.load_best()
    assert same(states(run.trainer), last)
