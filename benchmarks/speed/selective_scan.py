"""Time and memory of our selective scan, compiled and not, or in Triton, against the plain loop over positions.

    python benchmarks/speed/selective_scan.py --rows 16,128,1024 --threads 2 --out FILE.md
    python benchmarks/speed/selective_scan.py --rows 64,170,1024 --device cuda --out FILE.md

All run in the same process, in turns, forward and backward; the figures are medians after one run of warm-up. "Keeps"
is what autograd holds between forward and backward. Compiling takes half a minute and needs a C++ compiler. Triton
needs a GPU.
"""

from __future__ import annotations

import argparse
import functools
import statistics
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch
import torch.nn.functional as F
from provenance import Provenance
from tabulate import tabulate
from torch import Tensor

from recbole_mdcns.kernels.compiled_scan import compiled_kernels
from recbole_mdcns.kernels.selective_scan import selective_scan

CHANNELS, STATES = 128, 16
#: What is measured by default, by the kind of the device.
FORMS = {"cpu": "plain,ours,compiled", "cuda": "plain,ours,triton"}


def plain_loop(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """Run the scan position by position with autograd."""
    state = x.new_zeros(len(x), x.size(2), A.size(1))
    outputs = []
    for t in range(x.size(1)):
        update = (dt[:, t] * x[:, t])[..., None] * B[:, t, None, :]
        state = torch.exp(dt[:, t, :, None] * A) * state + update
        outputs.append((state * C[:, t, None, :]).sum(-1))
    return torch.stack(outputs, 1)


def random_inputs(rows: int, length: int, device: str) -> list[Tensor]:
    """Return random x, dt, A, B and C of Mamba4Rec's sizes."""
    shapes = [(rows, length, CHANNELS)] * 2 + [(CHANNELS, STATES)] + [(rows, length, STATES)] * 2
    x, dt, A, B, C = (torch.randn(*shape, device=device) for shape in shapes)
    return [value.requires_grad_() for value in (x, F.softplus(dt), -A.exp(), B, C)]


def run_once(scan: Callable[..., Tensor], values: list[Tensor]) -> tuple[float, float]:
    """Return seconds of forward and backward, and the MiB kept between them."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    started = perf_counter()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = scan(*values).sum()
    loss.backward()
    if values[0].is_cuda:
        torch.cuda.synchronize()
    return perf_counter() - started, sum(kept.values()) / 2**20


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="16,128,1024", help="by commas")
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--forms", help="by commas: plain, which is the yardstick, ours, compiled, triton")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="file of the page; without, it is only printed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    forms = {name: scan_form(name) for name in (options.forms or FORMS[torch.device(options.device).type]).split(",")}
    table = []
    for rows in map(int, options.rows.split(",")):
        values = random_inputs(rows, options.length, options.device)
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in forms}
        for _ in range(options.repetitions + 1):
            for name, form in forms.items():
                runs[name].append(run_once(form, values))
        seconds = {name: statistics.median(time for time, _ in run[1:]) for name, run in runs.items()}
        kept = {name: run[-1][1] for name, run in runs.items()}
        faster = [f"{seconds['plain'] / seconds[name]:.2f} x" for name in forms if name != "plain"]
        table.append([rows, *seconds.values(), *faster, *kept.values()])
    headers = ["rows", *(f"{'plain loop' if name == 'plain' else name}, s" for name in forms)]
    headers += [f"{name} faster" for name in forms if name != "plain"] + [f"{name} keeps, MiB" for name in forms]
    about = f"L = {options.length}, {CHANNELS} channels, {STATES} states"
    provenance = Provenance.here(options.device)
    text = "\n".join([
        "# Selective scan of Mamba4Rec against the plain loop over positions", "",
        f"`{provenance.command_line}`; forward and backward, medians of {options.repetitions}.", "",
        tabulate(table, headers=headers, tablefmt="github", floatfmt=".3f"), "",
        f"* {about}; {provenance.line('torch')}", "",
    ])  # fmt: skip
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def scan_form(name: str) -> Callable[..., Tensor]:
    """Return a form of the scan by its name."""
    if name == "compiled":
        return functools.partial(selective_scan, kernels=compiled_kernels())
    if name == "triton":
        from recbole_mdcns.kernels.triton_scan import triton_scan

        return triton_scan
    return plain_loop if name == "plain" else selective_scan


if __name__ == "__main__":
    main()
