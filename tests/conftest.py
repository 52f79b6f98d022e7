"""Every test runs in a new empty folder, with a tiny dataset whose next item is known."""

from __future__ import annotations

import pytest
import torch
from helpers.runs import cycle_lines, write_inter


def pytest_collection_modifyitems(items):
    """Begin with the file that takes longest: with two workers, it must not be the last one."""
    items.sort(key=lambda item: item.path.name != "test_sweep.py")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run every test in an empty folder, on one thread, with the tiny dataset in place."""
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    write_inter(cycle_lines())
