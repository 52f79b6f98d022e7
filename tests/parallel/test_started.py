"""How the processes of one training start, as far as one process can tell."""

import pytest
import torch
import torch.distributed as dist

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.parallel.processes import backend_for, gpu_of_process, started


def test_one_process_starts_nothing():
    assert started(None, "nccl", "cpu") == Group(0, 1)
    assert gpu_of_process() == {}


def test_a_process_works_on_the_gpu_of_its_number(monkeypatch):
    """NCCL would otherwise gather the objects of all processes on the first GPU, and wait for ever."""
    calls = []
    for name, value in {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: calls.append(("device", number)))
    monkeypatch.setattr(dist, "is_nccl_available", lambda: True)
    monkeypatch.setattr(dist, "init_process_group", lambda name, **options: calls.append((name, options["rank"])))
    started(object(), "auto", "cuda")
    assert calls == [("device", 1), ("nccl", 5)] and gpu_of_process() == {"gpu_id": "1"}


def test_backends():
    assert backend_for("auto", "cpu") == "gloo"
    with pytest.raises(ConfigError, match="'nccl' is not allowed on a CPU: choose gloo or auto"):
        backend_for("nccl", "cpu")


@pytest.mark.parametrize(("number", "size"), [(7, 3), (2, 3), (6, 2)])
def test_shares_are_in_order_and_alike(number, size):
    shares = [Group(rank, size).own(number) for rank in range(size)]
    assert [place for share in shares for place in range(number)[share]] == list(range(number))
    assert max(s.stop - s.start for s in shares) - min(s.stop - s.start for s in shares) <= 1
    assert all(len(range(number)[Group(rank, size).computed(number)]) >= 1 for rank in range(size))
