"""Every test runs in a new empty folder, with a tiny dataset whose next item is known, on the chosen device."""

from __future__ import annotations

import sys

import pytest

LONGEST = (
    "test_sweep.py",
    "test_captured_steps.py",
    "test_model_contract.py",
    "test_every_script.py",
    "test_ray_train.py",
    "test_processes.py",
    "test_known_answers.py",
    "test_several_processes.py",
)


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="run the tests on this device: cpu, cuda or cuda:1 (cpu)")


def pytest_configure(config):
    """Choose the device before the modules of tests are read: they take it from ``helpers.device``."""
    config.addinivalue_line("markers", "cpu_only(reason): a test that says nothing about another device")
    starts_workers = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if starts_workers and config.getoption("device") == "cpu":
        return  # torch is imported in the workers alone
    from helpers import device

    from recbole_mdcns.errors import ConfigError

    try:
        device.choose(config.getoption("--device"))
    except ConfigError as error:
        raise pytest.UsageError(f"--{error}") from None


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest: one of them at the end would leave the other worker idle."""
    from helpers import device

    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
    for item in items:
        mark = item.get_closest_marker("cpu_only")
        if mark and device.DEVICE.type != "cpu":
            item.add_marker(pytest.mark.skip(reason=f"only on a CPU: {mark.args[0]}"))


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run every test in an empty folder, on one thread, with the tiny dataset in place.

    A command puts its folder on the path of Python; later tests would find the modules of this one there.
    """
    import torch
    from helpers.runs import cycle_lines, write_inter  # which reads the device

    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    torch.autograd.set_detect_anomaly(False)  # RecBole's SINE switches it on, for all of the process
    write_inter(cycle_lines())
