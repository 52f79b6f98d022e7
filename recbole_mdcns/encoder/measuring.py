"""Measurements of a model: on random histories, in evaluation mode, with noise on the initial weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from recbole_mdcns.data.batch import Sequences

#: Two computations of the same numbers may differ by this share of the largest one in float32.
TOLERANCE = 1e-4
#: Wider windows than this get fewer rows.
WIDE = 100
#: Standard deviation of the noise on every weight.
NOISE = 0.1


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """Keep GPUs from rounding to TF32, cuDNN's default: two ways to compute the same numbers would then differ."""
    cudnn, matmul = torch.backends.cudnn, torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with cudnn.flags(cudnn.enabled, cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(matmul)


@contextlib.contextmanager
def measuring(model: SequentialRecommender, in_training: bool = False) -> Iterator[None]:
    """Put a model into evaluation or training mode, without gradients, in exact float32, with noise on its weights.

    A bias that begins at zero, or a scale that begins at one, shows only with noise. Padding rows of embeddings get
    none. Afterwards weights, buffers, mode and attributes, such as a count of steps, are restored; random generators do
    not change.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(0)
    weights: dict[torch.Tensor, torch.Tensor] = {
        weight: weight.detach().clone() for weight in model.parameters() if weight.is_floating_point()
    }
    buffers = {buffer: buffer.detach().clone() for buffer in model.buffers()}
    attributes = {module: dict(vars(module)) for module in model.modules()}
    model.train(in_training)
    try:
        devices = [device] if device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(devices=devices), exact_float32():
            for weight in weights:
                weight.add_(torch.randn(weight.shape, generator=generator).to(weight), alpha=NOISE)
            for module in model.modules():
                if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
                    row = module.padding_idx
                    module.weight[row] = weights[module.weight][row]
            yield
    finally:
        with torch.no_grad():
            for tensor, before in (*weights.items(), *buffers.items()):
                tensor.copy_(before)
        for module, values in attributes.items():
            vars(module).clear()
            vars(module).update(values)


class PlacesInside(TorchDispatchMode):
    """A context in which reading outside of a tensor raises IndexError or RuntimeError on every device.

    On a GPU such a read would end the process. Therefore the CPU reads the same places first, from a tensor without
    memory.
    """

    _taking = ("aten::index.Tensor", "aten::gather", "aten::index_select", "aten::embedding")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Call ``func``; if it reads places, call it on the CPU first."""
        kwargs = kwargs or {}
        if func.name() in self._taking:
            func(*tree_map(self._on_cpu, args), **tree_map(self._on_cpu, kwargs))
        return func(*args, **kwargs)

    @staticmethod
    def _on_cpu(value: object) -> object:
        if not isinstance(value, Tensor):
            return value
        return torch.zeros(()).expand(value.shape) if value.is_floating_point() or value.is_complex() else value.cpu()


def alike(values: Tensor, expected: Tensor) -> bool:
    """Tell whether two computations gave the same numbers, up to rounding at their scale."""
    if values.shape != expected.shape:
        return False
    return bool((values - expected).abs().max() <= TOLERANCE * expected.abs().max())


def random_sequences(model: SequentialRecommender) -> Sequences:
    """Return random histories of random lengths for a model's window, on its device, the same at every call."""
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(0)
    width = model.max_seq_length
    row_num = 4 if width <= WIDE else 2
    items = torch.randint(1, model.n_items, (row_num, width), generator=generator)
    length = torch.randint(1, width + 1, (row_num,), generator=generator)
    items = items * (torch.arange(width) < length[:, None])
    users = torch.ones(row_num, dtype=torch.int64)
    return Sequences(users.to(device), items.to(device), length.to(device))
