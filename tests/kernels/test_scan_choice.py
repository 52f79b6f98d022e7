"""Which scan a model gets, by device and packages; there need be neither."""

import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.planted_bugs import ours
from helpers.runs import tiny_run

from recbole_mdcns.kernels import scan_choice
from recbole_mdcns.kernels.scan_choice import Scan, choose_scan, find_triton
from recbole_mdcns.kernels.selective_scan import PLAIN, selective_scan

GPU, CPU = torch.device("cuda"), torch.device("cpu")


def triton(*tensors):
    return "Triton's"


def package(*tensors):
    return "the package's"


@pytest.fixture
def here(monkeypatch, caplog):
    """Choose as if Triton gave ``form``, and say what was logged."""
    monkeypatch.setattr(scan_choice, "compiled_kernels", lambda: PLAIN._replace(chunk=2))

    def choose(device, compiled=False, form=triton, packaged=None):
        monkeypatch.setattr(scan_choice, "find_triton", lambda _: form)
        monkeypatch.setattr(scan_choice, "_mamba_ssm", lambda: packaged)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            scan = choose_scan(device, compiled)
        return scan, caplog.messages

    return choose


def test_a_gpu_gets_the_package_then_triton_then_pytorch(here):
    compiled = Scan(PLAIN._replace(chunk=2))
    assert here(GPU, packaged=package) == (Scan(on_gpu=package), ["Mamba4Rec scans by mamba-ssm"])
    assert here(GPU) == here(GPU, compiled=True) == (Scan(on_gpu=triton), ["Mamba4Rec scans by Triton"])
    missing = "; Triton cannot be used here: no module"
    assert here(GPU, form="no module") == (Scan(), [f"Mamba4Rec scans by plain PyTorch{missing}"])
    assert here(GPU, True, "no module") == (compiled, [f"Mamba4Rec scans by torch.compile{missing}"])
    assert here(CPU, packaged=package) == (Scan(), ["Mamba4Rec scans by plain PyTorch"])
    assert here(CPU, compiled=True) == (compiled, ["Mamba4Rec scans by torch.compile"])


def test_tensors_on_a_cpu_are_scanned_there_whatever_was_chosen(monkeypatch):
    """A model that was trained on a GPU and moved: to a file for serving, for example."""
    monkeypatch.setattr(scan_choice, "selective_scan", lambda x, dt, A, B, C, kernels: kernels)
    here: Any = [SimpleNamespace(is_cuda=False)] * 5
    there: Any = [SimpleNamespace(is_cuda=True)] * 5
    assert Scan(on_gpu=triton)(*here) is PLAIN
    assert Scan(on_gpu=triton)(*there) == "Triton's"
    assert Scan()(*there) is PLAIN


def test_a_model_on_a_cpu_scans_by_pytorch():
    run = tiny_run("Mamba4Rec", neg_sampler="rns", use_gpu=False)
    assert run.trainer.model.layers[0].mixer.scan == Scan()
    shapes = [(1, 2, 3)] * 2 + [(3, 2)] + [(1, 2, 2)] * 2
    x, dt, A, B, C = (torch.rand(shape) for shape in shapes)
    assert torch.equal(Scan()(x, dt, A, B, C), selective_scan(x, dt, A, B, C))


def test_a_missing_triton_is_a_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "recbole_mdcns.kernels.triton_scan", None)
    assert "triton_scan" in str(find_triton.__wrapped__(CPU))


def test_a_triton_that_fails_is_a_reason_and_a_bug_of_ours_is_none(monkeypatch):
    def plant(module):
        planted = SimpleNamespace(triton_scan=ours("raise RuntimeError('no C compiler')", module=module))
        monkeypatch.setitem(sys.modules, "recbole_mdcns.kernels.triton_scan", planted)

    plant("triton.runtime")
    assert find_triton.__wrapped__(CPU) == "RuntimeError no C compiler"
    plant("recbole_mdcns.kernels.triton_scan")
    with pytest.raises(RuntimeError, match="no C compiler"):
        find_triton.__wrapped__(CPU)


def test_the_scan_of_the_package_is_called_with_channels_before_positions(monkeypatch):
    """Its arguments: u, delta [R, D, L], A [D, S], B, C [R, S, L]."""

    def selective_scan_fn(u, delta, A, B, C):
        assert [tuple(tensor.shape) for tensor in (u, delta, A, B, C)] == [(2, 3, 4)] * 2 + [(3, 5)] + [(2, 5, 4)] * 2
        return 2 * u

    interface = SimpleNamespace(selective_scan_fn=selective_scan_fn)
    for name, module in (("", None), (".ops", None), (".ops.selective_scan_interface", interface)):
        monkeypatch.setitem(sys.modules, f"mamba_ssm{name}", module or SimpleNamespace(__path__=[]))
    x, dt, B, C = torch.rand(2, 4, 3), torch.rand(2, 4, 3), torch.rand(2, 4, 5), torch.rand(2, 4, 5)
    assert torch.equal(scan_choice._mamba_ssm()(x, dt, torch.rand(3, 5), B, C), 2 * x)
