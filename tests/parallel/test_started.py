"""How the processes of one training start, as far as one process can tell."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from helpers.runs import TINY

from recbole_mdcns.errors import ConfigError, DataError
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.parallel.processes import backend_for, gpu_of_process, started
from recbole_mdcns.quick_start import run_recbole_mdcns


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


def test_the_gpu_is_not_for_the_user_to_choose(monkeypatch):
    Path("own.yaml").write_text("gpu_id: '3'\n")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("recbole_mdcns.quick_start.met", lambda: nullcontext())
    layers: list[tuple] = [("own.yaml", {}, []), ([], {"gpu_id": "3"}, []), ([], {}, ["--gpu_id='3'"])]
    for files, given, argv in layers:
        with pytest.raises(ConfigError, match="gpu_id = '3' is not allowed with several .*CUDA_VISIBLE_DEVICES"):
            run_recbole_mdcns("SASRec", "gone", files, given, argv=argv)
    with pytest.raises(DataError, match="dataset 'gone' is not in"):
        run_recbole_mdcns("SASRec", "gone", config_dict={"data_path": "data", "use_gpu": False})


@pytest.mark.parametrize("key", ["eval_batch_size", "evaluate_peers"])
def test_processes_that_would_rank_other_rows_are_refused(key, monkeypatch):
    def gather(everyone, own):
        everyone[:] = [own, {**own, key: "other"}]

    monkeypatch.setattr(dist, "all_gather_object", gather)
    monkeypatch.setattr("recbole_mdcns.quick_start.started", lambda *_: Group(0, 2))
    with pytest.raises(ConfigError, match=f"{key} differs between processes: .* in process 0, other in process 1"):
        run_recbole_mdcns("SASRec", "tiny", config_dict={**TINY, "neg_sampler": "rns", "epochs": 0}, saved=False)


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
