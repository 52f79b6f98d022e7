"""Runs ``on_triton.py``, by Triton's interpreter or on a GPU, and compiles the kernels for a GPU that is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WHY = "pip install triton (Linux; 0.3 GB, too much for the extra 'test')"
triton = pytest.importorskip("triton", reason=WHY)


def run_on_triton(interpreted: str, folder: Path) -> None:
    file = Path(__file__).parent / "on_triton.py"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={folder / 'child'}", str(file)]
    done = subprocess.run(
        command, env={**os.environ, "TRITON_INTERPRET": interpreted}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_on_a_cpu_by_the_interpreter(tmp_path):
    pytest.importorskip("triton", minversion="3.8", reason="older interpreters do not run with numpy 2.4")
    run_on_triton("1", tmp_path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu(tmp_path):
    run_on_triton("0", tmp_path)


@pytest.mark.parametrize("kind", ["fp32", "bf16"])
def test_kernels_compile_for_a_gpu_without_spilling(kind, monkeypatch, tmp_path):
    """The interpreter accepts more than the compiler. For an H100, Mamba4Rec's own sizes."""
    pytest.importorskip("triton", minversion="3.3", reason="the compiler had other arguments")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from recbole_mdcns.kernels.triton_scan import _backward, _forward

    sizes = {"CHANNELS": 128, "STATES": 16, "BLOCK": 32, "WIDTH": 16}
    for kernel, constants in ((_forward, {**sizes, "KEEP": True}), (_backward, sizes)):
        types = {}
        for name in kernel.arg_names:
            if name in constants:
                types[name] = "constexpr"
            elif name in ("rows", "length") or name.endswith("_step"):
                types[name] = "i32"
            else:
                types[name] = f"*{kind}" if name in ("g", "x", "dt", "B", "C", "y", "grad_x", "grad_dt") else "*fp32"
        places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
        source = ASTSource(kernel, types, constexprs=places)
        compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1})
        assert compiled.asm["cubin"] and ".local" not in compiled.asm["ptx"]
