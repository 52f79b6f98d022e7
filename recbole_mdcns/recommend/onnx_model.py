"""The encoder of a model as an ONNX file, checked against torch.

torch has two exporters. This file uses the older one, ``dynamo=False``, which traces: it is the only one that every
torch of the allowed range has with dynamic axes, and it needs no package besides ``onnx``.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import warnings
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recbole_mdcns.data.windows import padded
from recbole_mdcns.encoder.scoring_model import InnerProductModel
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.recommend.plain_layers import plain_copy
from recbole_mdcns.recommend.recommender import Recommender
from recbole_mdcns.support.foreign_code import ForeignCall
from recbole_mdcns.support.safe_write import replacing

#: Names of the input and the output.
INPUT, OUTPUT = "items", "encoding"
#: The newest version of the operators that torch 2.1 writes.
OPSET = 17
#: The largest difference from torch.
TOLERANCE = 1e-5
#: An ONNX file holds less than this.
LARGEST = 2**31
#: Models whose export the tests of this package check; any other needs onnxruntime, which shows what tracing missed.
TESTED = ("SASRec", "GRU4Rec", "LinRec", "FMLP4Rec", "Mamba4Rec")
_NEEDED = "an export needs the packages onnx and onnxruntime: pip install onnx onnxruntime"


class SequenceEncoder(nn.Module):
    """Encodes sequences of any number and length, in operators that can be exported.

    Args:
        inner: The model.
        window: How many of the newest items it reads, L.
        pad_side: Where it was trained with padding.
    """

    columns: Tensor

    def __init__(self, inner: InnerProductModel, window: int, pad_side: str):
        super().__init__()
        self.model = plain_copy(inner.model, window)
        self.window, self.on_left = window, pad_side == "left"
        self.is_trimmable = bool(inner.is_trimmable) and not self.on_left
        self.fields = inner.forward_fields
        self.register_buffer("columns", torch.arange(window))

    def forward(self, items: Tensor) -> Tensor:
        """Return encodings, shape [B, H].

        Args:
            items: Item numbers from 1 on, oldest first, padded with 0 on the right, shape [B, W] of any W.
        """
        length = (items > 0).sum(1, keepdim=True)  # [B, 1]
        kept = length.clamp(max=self.window)
        column = self.columns[: items.size(1)] if self.is_trimmable else self.columns
        place = column - self.window + length if self.on_left else column + length - kept
        filled = place >= length - kept
        filled = filled & (place < length)  # [B, L]
        window = items.gather(1, torch.where(filled, place, torch.zeros_like(place)))
        window = torch.where(filled, window, torch.zeros_like(window))
        read = (torch.full_like(kept, self.window) if self.on_left else kept).squeeze(1)
        given = {"item_seq": window, "item_length": read}
        return self.model(*(given[field] for field in self.fields))


def export_onnx(recommender: Recommender, path: Path, role: str | None = None) -> str:
    """Write the encoder of a model as an ONNX file, and check it under onnxruntime.

    The input ``items`` has item numbers from 1 on, the places in ``Recommender.item_ids`` plus 1, oldest first, padded
    with 0 on the right; batch and length are free, and the newest items count of a sequence longer than the window. The
    output ``encoding`` has what ``Recommender.encode`` gives; scores are its inner products with ``item_embeddings``.

    Args:
        recommender: The models.
        path: The file.
        role: ``self``, ``peer``, and so on; by default the model of the file.

    Returns:
        What was checked, for the user.

    Raises:
        ConfigError: A package is missing; the model does not score by inner products, reads users, cannot be exported,
            or gives other encodings under onnxruntime.
        WriteError: The file cannot be written.
    """
    inner = recommender.inner_product_model(role)
    name = type(inner.model).__name__
    if "user" in inner.forward_fields:
        raise ConfigError(f"{name} cannot be exported: it reads the user, and an exported encoder reads only items")
    encoder = SequenceEncoder(inner, recommender.window, recommender.config["pad_side"]).cpu()
    size = sum(tensor.numel() * tensor.element_size() for tensor in encoder.state_dict().values())
    if size >= LARGEST:
        raise ConfigError(f"{name} cannot be exported: it has {size / 2**30:.1f} GiB, the limit of ONNX is 2 GiB")
    content = onnx_bytes(encoder, name)
    checked = _check(content, inner, recommender, name)
    with replacing(path) as file:
        file.write(content)
    return checked


def onnx_bytes(encoder: SequenceEncoder, name: str) -> bytes:
    """Return the content of an ONNX file; ``name`` is that of the model, for messages.

    Raises:
        ConfigError: The package onnx is missing, or torch cannot export the model.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise ConfigError(_NEEDED) from None
    example = torch.tensor([[1, 1, 0], [1, 1, 1]])
    free = {INPUT: {0: "batch", 1: "length"}, OUTPUT: {0: "batch"}}
    older = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    arguments: dict[str, Any] = {
        "opset_version": OPSET,
        "input_names": [INPUT],
        "output_names": [OUTPUT],
        "dynamic_axes": free,
        **older,
    }
    export: Any = torch.onnx.export  # its types name no open file
    file = io.BytesIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of the tracer, whose result is checked
        with ForeignCall(
            lambda error: ConfigError(f"{name} cannot be exported: {_first_line(error)}"),
            "torch",
            "recbole_mdcns.model",
        ):
            export(encoder, (example,), file, **arguments)
    return file.getvalue()


def _check(content: bytes, inner: InnerProductModel, recommender: Recommender, name: str) -> str:
    try:
        import onnxruntime
    except ImportError:
        if name not in TESTED:
            raise ConfigError(f"{name} cannot be exported unchecked: {_NEEDED}") from None
        getLogger().warning("onnxruntime is not installed: the exported encoder was not compared with torch")
        return "not compared with torch"
    window, item_num = recommender.window, len(recommender.item_ids)
    refuse = f"{name} cannot be exported: its ONNX form"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with ForeignCall(lambda error: ConfigError(f"{refuse} does not run: {_first_line(error)}"), "onnxruntime"):
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    random, worst = np.random.default_rng(0), 0.0
    shapes = [(1, 1), (2, window), (3, window + 5), (17, max(1, window // 2)), (64, 2 * window)]
    for row_num, width in shapes:
        length = random.integers(1, width + 1, row_num)
        length[0] = width
        items = random.integers(1, item_num + 1, (row_num, width)) * (np.arange(width) < length[:, None])
        with ForeignCall(lambda error: ConfigError(f"{refuse} does not run: {_first_line(error)}"), "onnxruntime"):
            (found,) = session.run([OUTPUT], {INPUT: items})
        expected = _encode(inner, items, length, recommender)
        if found.shape != expected.shape:
            raise ConfigError(f"{refuse} gives the shape {found.shape}, and torch gives {expected.shape}")
        worst = max(worst, float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max())))
        if not worst <= TOLERANCE:
            raise ConfigError(f"{refuse} differs from torch by {worst:.1e}, and at most {TOLERANCE:.0e} is allowed")
    return f"differs from torch by at most {worst:.1e}"


def _encode(inner: InnerProductModel, items: np.ndarray, length: np.ndarray, recommender: Recommender) -> np.ndarray:
    """Return what the recommender would compute, shape [B, H]."""
    device = recommender.device
    flat, ends = torch.from_numpy(items[items > 0]).to(device), torch.from_numpy(length.cumsum()).to(device)
    starts, users = ends - torch.from_numpy(length).to(device), torch.ones_like(ends)
    with torch.no_grad():
        sequences = padded(flat, starts, ends, users, recommender.window, recommender.config["pad_side"])
        return inner.encode_sequences(sequences).float().cpu().numpy()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
