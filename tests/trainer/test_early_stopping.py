"""Which epoch is the best, where training ends, and under which limits a run may go on."""

from pathlib import Path

import pytest
from helpers.runs import TINY

from recbole_mdcns.cli.main import train_main
from recbole_mdcns.errors import USER_ERROR, CheckpointError
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.trainer.early_stopping import best_epoch, check_can_go_on, kept_epoch


def limits(epochs=100, stopping_step=100, bigger=True):
    return {
        "epochs": epochs, "stopping_step": stopping_step, "valid_metric": "NDCG@10", "valid_metric_bigger": bigger,
    }  # fmt: skip


def history(*scores):
    """Epochs with these validation scores; None where there was no validation."""
    entries = [{"epoch": epoch} for epoch in range(len(scores))]
    return [entry if s is None else {**entry, "valid": {"ndcg@10": s}} for entry, s in zip(entries, scores)]


@pytest.mark.parametrize(
    ("scores", "bigger", "best", "kept"),
    [
        ([0.1, 0.3, 0.2], True, 1, 1),
        ([0.1, 0.3, 0.2], False, 0, 0),
        ([0.3, 0.1, 0.3, 0.2], True, 2, 2),  # the last of equals
        ([None, 0.2, None, 0.1, None], True, 1, 1),
        ([None, None], True, None, 1),  # without validation the last
        ([], True, None, -1),
    ],
)
def test_the_best_epoch_is_the_last_of_the_highest(scores, bigger, best, kept):
    assert best_epoch(history(*scores), limits(bigger=bigger)) == best
    assert kept_epoch(history(*scores), limits(bigger=bigger)) == kept


FALLING = [0.5, 0.4, 0.3, 0.6, 0.5, 0.4]  # two worse ones, a better one, two worse ones


@pytest.mark.parametrize(
    ("keys", "refused"),
    [
        ({"epochs": 6}, None),
        ({"epochs": 5}, "epochs = 5 is not allowed for x, which has 6 epochs: give 6 or more"),
        ({"stopping_step": 2}, None),
        ({"stopping_step": 1}, "stopping_step = 1 is not allowed for x: it would have stopped .* after epoch 2"),
        ({"stopping_step": 0}, "after epoch 1"),
    ],
)
def test_a_run_does_not_go_on_under_limits_that_it_has_passed(keys, refused):
    if refused is None:
        check_can_go_on(history(*FALLING), limits(**keys), "x")
    else:
        with pytest.raises(CheckpointError, match=refused):
            check_can_go_on(history(*FALLING), limits(**keys), "x")


def test_a_training_that_stopped_at_its_last_epoch_may_be_evaluated_again():
    check_can_go_on(history(0.5, 0.4, 0.3), limits(stopping_step=1), "x")


def test_fewer_epochs_than_are_done_are_refused_and_as_many_are_evaluated(capsys):
    keys = {**TINY, "neg_sampler": "rns", "stopping_step": 9}
    first = run_recbole_mdcns("SASRec", "tiny", config_dict={**keys, "epochs": 4})
    command = ["-m", "SASRec", "-d", "tiny", *(f"--{k}={v}" for k, v in keys.items() if k != "epochs"), "--resume"]
    assert train_main([*command, "--epochs=1", "--result_file=r.json"]) == USER_ERROR
    error = capsys.readouterr().err
    assert "epochs = 1" in error and "4 epochs" in error and not Path("r.json").exists()
    again = run_recbole_mdcns("SASRec", "tiny", config_dict={**keys, "epochs": 4, "resume": True})
    assert again["test_result"] == first["test_result"]
    assert len(again["record"]["epochs"]) == 4
