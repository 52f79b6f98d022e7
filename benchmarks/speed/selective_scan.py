"""Time and memory of our selective scan, compiled and not, against the plain loop over positions.

    python benchmarks/selective_scan.py [--rows 16,128,1024] [--length 50] [--threads 2]

All run in the same process, in turns, forward and backward; the figures are medians of seven runs after one of warm-up.
"Kept" is what autograd holds between forward and backward. Compiling takes half a minute and needs a C++ compiler.
"""

from __future__ import annotations

import argparse
import functools
import platform
import statistics
from time import perf_counter

import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch import Tensor

from recbole_mdcns.kernels.compiled_scan import compiled_kernels
from recbole_mdcns.kernels.selective_scan import selective_scan
from recbole_mdcns.records.environment import machine

CHANNELS, STATES, REPETITIONS = 128, 16, 7


def plain_loop(x: Tensor, step: Tensor, decay: Tensor, into: Tensor, out_of: Tensor) -> Tensor:
    """Run the scan position by position with autograd."""
    state = x.new_zeros(len(x), x.size(2), decay.size(1))
    outputs = []
    for t in range(x.size(1)):
        update = (step[:, t] * x[:, t])[..., None] * into[:, t, None, :]
        state = torch.exp(step[:, t, :, None] * decay) * state + update
        outputs.append((state * out_of[:, t, None, :]).sum(-1))
    return torch.stack(outputs, 1)


def inputs(rows: int, length: int, device: str) -> list[Tensor]:
    """Return random inputs of Mamba4Rec's sizes."""
    shapes = [(rows, length, CHANNELS)] * 2 + [(CHANNELS, STATES)] + [(rows, length, STATES)] * 2
    x, step, decay, into, out_of = (torch.randn(*shape, device=device) for shape in shapes)
    return [value.requires_grad_() for value in (x, F.softplus(step), -decay.exp(), into, out_of)]


def once(scan, values: list[Tensor]) -> tuple[float, float]:
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
    parser.add_argument("--rows", default="16,128,1024")
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ways = {
        "plain": plain_loop,
        "ours": selective_scan,
        "compiled": functools.partial(selective_scan, kernels=compiled_kernels()),
    }
    table = []
    for rows in map(int, options.rows.split(",")):
        values = inputs(rows, options.length, options.device)
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(REPETITIONS + 1):
            for name, way in ways.items():
                runs[name].append(once(way, values))
        seconds = {name: statistics.median(time for time, _ in run[1:]) for name, run in runs.items()}
        kept = {name: run[-1][1] for name, run in runs.items()}
        faster = [f"{seconds['plain'] / seconds[name]:.2f} x" for name in ("ours", "compiled")]
        table.append([rows, *seconds.values(), *faster, *kept.values()])
    headers = [
        "rows", "plain loop, s", "ours, s", "compiled, s", "ours faster", "compiled faster", "plain keeps, MiB",
        "ours keeps, MiB", "compiled keeps, MiB",
    ]  # fmt: skip
    print(tabulate(table, headers=headers, tablefmt="github", floatfmt=".3f"))
    about = machine(torch.device(options.device))
    print(
        f"\nL = {options.length}, {CHANNELS} channels, {STATES} states; {about['processor']}, {about['torch_threads']} "
        f"threads, {about.get('gpu', 'no GPU')}; torch {torch.__version__}, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()
