"""The environment of a result: versions, commit, machine and memory."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

from recbole_mdcns.records.parts import Environment
from recbole_mdcns.version import __version__

_PACKAGES = ("recbole", "torch", "numpy", "pandas", "scipy", "ray")


def reset_peak_memory(device: torch.device) -> None:
    """Restart the count of :func:`peak_memory`, because a process may train several runs; on Linux and on GPUs only."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if device.type == "cuda" and torch.cuda.is_initialized():  # else it fails, and there is nothing to reset
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> dict[str, int]:
    """Return the highest memory in use so far in bytes: resident memory of the process, and of the GPU.

    So far: since the process began, or since :func:`reset_peak_memory`.
    """
    peak = {"resident": _peak_resident()}
    if device.type == "cuda":
        peak["gpu"] = int(torch.cuda.max_memory_allocated(device))
    return peak


def _peak_resident() -> int:
    with contextlib.suppress(OSError):  # Linux: ru_maxrss is at least the memory of the process that started this one
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource

        unit = 1 if platform.system() == "Darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    except ImportError:  # Windows
        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))


def environment(device: torch.device) -> Environment:
    """Return the environment of a result on a device."""
    git = git_state() or {}
    return Environment(versions(), git.get("commit"), git.get("clean"), machine(device), peak_memory(device))


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    return {"python": platform.python_version(), "recbole-mdcns": __version__, **_versions_of_packages()}


@functools.cache  # a sweep writes thousands of records
def _versions_of_packages() -> dict[str, str]:
    by_name = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            by_name[name] = metadata.version(name)
    return by_name


def git_state() -> dict[str, Any] | None:
    """Return commit and cleanness of the clone that this package runs from; None when installed elsewhere."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return None
        return {"commit": git("rev-parse", "HEAD"), "clean": not git("status", "--porcelain", "--untracked-files=no")}
    except (OSError, subprocess.CalledProcessError):
        return None


def machine(device: torch.device) -> dict[str, Any]:
    """Describe the machine without naming it: system, processor, cores, threads, memory, GPU."""
    described: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "memory": psutil.virtual_memory().total,
        "device": str(device),
    }
    if device.type == "cuda":
        described["gpu"] = torch.cuda.get_device_name(device)
    return described


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
