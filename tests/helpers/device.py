"""The device that the tests run on: the option ``--device`` of the tests."""

from __future__ import annotations

import os
from typing import Any

import torch

from recbole_mdcns.recommend.arguments import usable_device

#: Set by :func:`choose`, before a module of tests is read.
DEVICE = torch.device("cpu")
#: The keys of a run on it.
DEVICE_KEYS: dict[str, Any] = {"use_gpu": False}

#: The same as options of a command.
DEVICE_OPTIONS = ["--use_gpu=False"]


def on(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor on the device of the tests, a leaf where it needs a gradient: draws are the same everywhere."""
    return tensor.detach().to(DEVICE).requires_grad_(tensor.requires_grad)


def choose(name: str) -> None:
    """Choose the device of this process.

    On a GPU, torch is asked for kernels that repeat their sums in the same order: tests compare runs bit for bit. GRUs
    and convolutions are asked for float32, where cuDNN rounds to TF32.

    Args:
        name: Such as ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ConfigError: It is no device, or this machine has none.
    """
    global DEVICE
    found = usable_device(name)
    if found.type != "cpu":
        DEVICE = torch.device(found.type, found.index or 0)
        DEVICE_KEYS.update(use_gpu=True, gpu_id=str(DEVICE.index))
        DEVICE_OPTIONS[:] = [f"--{key}={value}" for key, value in DEVICE_KEYS.items()]
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.allow_tf32 = False
