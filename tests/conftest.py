"""Every test runs in a new empty folder, with a tiny dataset whose next item is known, on the chosen device."""

from __future__ import annotations

import sys

import pytest
import torch
from helpers import device

from recbole_mdcns.errors import ConfigError


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="run the tests on this device: cpu, cuda or cuda:1 (cpu)")


def pytest_configure(config):
    """Choose the device before the modules of tests are read: they take it from ``helpers.device``."""
    config.addinivalue_line("markers", "cpu_only(reason): a test that says nothing about another device")
    try:
        device.choose(config.getoption("--device"))
    except ConfigError as error:
        raise pytest.UsageError(f"--{error}") from None


def pytest_collection_modifyitems(items):
    """Begin with the file that takes longest (with two workers, it must not be the last one); skip what needs a CPU."""
    items.sort(key=lambda item: item.path.name != "test_sweep.py")
    for item in items:
        mark = item.get_closest_marker("cpu_only")
        if mark and device.DEVICE.type != "cpu":
            item.add_marker(pytest.mark.skip(reason=f"only on a CPU: {mark.args[0]}"))


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run every test in an empty folder, on one thread, with the tiny dataset in place.

    A command puts its folder on the path of Python; later tests would find the modules of this one there.
    """
    from helpers.runs import cycle_lines, write_inter  # which reads the device

    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    write_inter(cycle_lines())
