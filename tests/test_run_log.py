"""Where a run reports to, and that reading a model leaves nothing behind."""

import errno
import logging
from pathlib import Path

import pytest
from helpers.runs import TINY, tiny_config

from recbole_mdcns.cli.main import train_main
from recbole_mdcns.config.identity import settings_id
from recbole_mdcns.errors import USER_ERROR
from recbole_mdcns.quick_start import load_data_and_model, run_recbole_mdcns
from recbole_mdcns.run_log import LogFile, TensorBoard, start_log, tensorboard

KEYS = {**TINY, "epochs": 1, "neg_sampler": "rns"}


@pytest.fixture
def alone(monkeypatch):
    """Return a function that takes the handlers of pytest away, because of which no log would be written."""
    root = logging.getLogger()
    before = root.level
    yield lambda: monkeypatch.setattr(root, "handlers", [])
    root.setLevel(before)


def run(**keys):
    return run_recbole_mdcns("SASRec", "tiny", config_dict={**KEYS, **keys})


def files():
    return sorted(str(path) for path in Path().rglob("*"))


def test_both_folders_have_keys(alone):
    alone()
    run(log_dir="a/b", tensorboard_dir="c")
    (log,) = Path("a/b/SASRec").glob("*.log")
    assert " training [time" in log.read_text() and "\x1b[" not in log.read_text()
    assert [path.name for path in Path("c").iterdir()] == [log.stem]
    assert not Path("log").exists() and not Path("log_tensorboard").exists()


@pytest.mark.parametrize(("key", "folder"), [("log_dir", "log"), ("tensorboard_dir", "log_tensorboard")])
def test_none_switches_a_folder_off(key, folder, alone):
    alone()
    run(**{key: None})
    others = {"log", "log_tensorboard"} - {folder}
    assert not Path(folder).exists() and all(Path(other).exists() for other in others)


def test_the_keys_do_not_make_another_run():
    ids = {settings_id(tiny_config(**keys).plain()) for keys in ({}, {"log_dir": None, "tensorboard_dir": "elsewhere"})}
    assert len(ids) == 1


def test_loading_a_model_and_evaluating_it_writes_nothing(alone):
    alone()
    run()
    (best,) = (path for path in Path("saved").glob("*.pth") if "-last" not in path.name)
    before = files()
    _, model, *_, test = load_data_and_model(best, checkpoint_dir="elsewhere")
    from recbole_mdcns.trainer import NegativeSamplingTrainer

    trainer = NegativeSamplingTrainer(tiny_config(neg_sampler="rns", checkpoint_dir="elsewhere"), model)
    assert trainer.evaluate(test, model_file=best)
    assert files() == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("log_dir", "afile"), ("log_dir", "afile/below"), ("log_dir", "/proc/none"), ("log_dir", "''"),
        ("tensorboard_dir", "afile"), ("tensorboard_dir", "x" * 300), ("checkpoint_dir", "afile"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_written_is_one_sentence_that_names_its_key(key, value, capsys):
    Path("afile").touch()
    keys = [f"--{name}={given}" for name, given in KEYS.items()]
    assert train_main(["-m", "SASRec", "-d", "tiny", *keys, f"--{key}={value}"]) == USER_ERROR
    error = capsys.readouterr().err
    assert f"{key} = " in error and value.strip("'") in error and "Traceback" not in error
    assert not list(Path("saved").glob("*"))


def test_a_file_named_log_is_named_with_its_key(capsys):
    Path("log").touch()
    keys = [f"--{name}={given}" for name, given in KEYS.items()]
    assert train_main(["-m", "SASRec", "-d", "tiny", *keys]) == USER_ERROR
    error = capsys.readouterr().err
    assert "log_dir = 'log' cannot be written to" in error and "or None for none" in error


class Full:
    """A stream, or a writer, whose disk is full."""

    def fail(self, *_):
        raise OSError(errno.ENOSPC, "No space left on device")

    write = flush = close = add_scalar = fail


def test_a_run_goes_on_without_a_log_that_can_no_longer_be_written(capsys, alone):
    alone()
    start_log(tiny_config())
    root = logging.getLogger()
    (log,) = (handler for handler in root.handlers if isinstance(handler, LogFile))
    assert log.stream is not None
    log.stream.close()
    log.stream = Full()  # type: ignore[assignment]
    root.info("one")
    root.info("two")
    said = capsys.readouterr().err
    assert said.count("No space left on device") == 1 and log.baseFilename in said and "Traceback" not in said
    assert "two" in said and log not in root.handlers


def test_a_run_goes_on_without_tensorboard_whose_disk_is_full(caplog):
    board = TensorBoard(Path("board"))
    board._writer = Full()
    for step in range(2):
        board.add_scalar("x", 1.0, step)
    board.close()
    assert caplog.text.count("board cannot be written (No space left on device)") == 1 and not Path("board").exists()


def test_a_program_that_logs_already_keeps_its_own_way(alone):
    alone()
    mine = logging.NullHandler()
    logging.getLogger().addHandler(mine)
    start_log(tiny_config())
    assert logging.getLogger().handlers == [mine] and not Path("log").exists()
    assert tensorboard(tiny_config(), "run").folder == Path("log_tensorboard/run")


@pytest.mark.parametrize("state", ["debug", "WARNING", "Error", None])
def test_the_level_is_that_of_the_key_state(state, alone):
    alone()
    start_log(tiny_config(state=state))
    assert logging.getLogger().level == getattr(logging, (state or "info").upper())
