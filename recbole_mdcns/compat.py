"""The only place for differences between versions of RecBole, numpy, pandas and torch.

Measured on RecBole 1.2.1 with numpy 1.26 and 2.4, pandas 2.2 and 3.1, torch 2.13:

* RecBole gives numpy its removed names back (``np.float = np.float_``), which numpy 2 refuses. The configuration
  here leaves numpy alone; the metrics that need those names are replaced in ``metrics/ranking.py``, and models are
  built under :func:`numpy_long`.
* RecBole fills missing values with a chained assignment, which does nothing on pandas 3.
* RecBole takes the lengths of token sequences with ``Series.agg(len)``, which on pandas 3 is the length of the column.
* pandas 3.1 reads categories of digits as numbers: 7 and 007 become one category.
* Importing RecBole's sequential models turns torch's anomaly detection on for the whole process (its SINE does).
* RecBole pickles its Config into checkpoints, which torch >= 2.6 does not load by default.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import pickle
import re
import struct
import types
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch


@cache
def token_dtype() -> type | str:
    """Return the dtype that keeps tokens as text in ``pandas.read_csv``: categories or str."""
    seven = pd.read_csv(io.StringIO("token\n007\n"), dtype="category").token[0]
    return "category" if seven == "007" else str


def fill_missing(frame: Any, field2type: dict[str, Any]) -> Any:
    """Return a data frame without missing values: 0 for tokens, the mean for floats, nothing for sequences.

    Args:
        frame: ``pandas.DataFrame`` of RecBole's fields, tokens already mapped to ids.
        field2type: RecBole's ``FeatureType`` of each field.

    Returns:
        The frame with RecBole's imputation, on any version of pandas and numpy.
    """
    filled = {}
    for field in frame:
        kind = field2type[field].value
        column = frame[field]
        if kind == "token":
            filled[field] = column.fillna(0)
        elif kind == "float":
            filled[field] = column.fillna(column.mean())
        else:
            empty = np.array([], dtype=np.int64 if kind == "token_seq" else np.float64)
            filled[field] = column.map(lambda value, empty=empty: empty if isinstance(value, float) else value)
    return frame.assign(**filled)


def flat_columns(columns: list[tuple[Any, str, Any]]) -> tuple[list[tuple[Any, str, Any]], Callable[[], None]]:
    """Return columns for RecBole to number, with flat sequences: RecBole counts their lengths right only on pandas < 3.

    Args:
        columns: Table, column and ``FeatureType`` of each.

    Returns:
        The columns, all of type token; and a function that puts the numbered sequences back afterwards.
    """
    flat, sequences = [], []
    for table, name, each in columns:
        if each.value == "token_seq":
            values = table[name].to_list()
            joined = pd.DataFrame({name: np.concatenate(values) if values else np.array([], dtype=object)})
            flat.append((joined, name, type(each)("token")))
            sequences.append((table, name, joined, np.cumsum([len(value) for value in values])[:-1]))
        else:
            flat.append((table, name, each))

    def put_back() -> None:
        for table, name, joined, ends in sequences:
            table[name] = np.split(joined[name].to_numpy(), ends)

    return flat, put_back


def ray_tune() -> Any:
    """Return what has Ray Tune's ``report``, ``RunConfig`` and ``FailureConfig``, which moved between 2.6 and 2.41."""
    if _is_new_ray():
        return importlib.import_module("ray.tune")
    from ray import air
    from ray.air import session

    return types.SimpleNamespace(report=session.report, RunConfig=air.RunConfig, FailureConfig=air.FailureConfig)


def ray_train() -> Any:
    """Return the parts of Ray Train that moved or changed between 2.6, 2.41 and 2.51.

    They are ``TorchTrainer``, ``TorchConfig``, ``ScalingConfig``, ``RunConfig``, ``FailureConfig``; ``GIVEN_UP``, the
    errors of a training that ended without success; and the options of ``scaling``, so that Ray's own actor takes no
    CPU, and of ``run``, so that Ray prints no tables.

    Raises:
        ImportError: Ray Train is not installed.
    """
    from ray.train.base_trainer import TrainingFailedError
    from ray.train.torch import TorchConfig, TorchTrainer

    module = importlib.import_module("ray.train" if _is_new_ray() else "ray.air")
    has_v2 = TorchTrainer.__module__.startswith("ray.train.v2")
    return types.SimpleNamespace(
        TorchTrainer=TorchTrainer,
        TorchConfig=TorchConfig,
        ScalingConfig=module.ScalingConfig,
        RunConfig=module.RunConfig,
        FailureConfig=module.FailureConfig,
        GIVEN_UP=(TrainingFailedError, getattr(module, "TrainingFailedError", TrainingFailedError)),
        scaling={} if has_v2 else {"trainer_resources": {"CPU": 0}},
        run={} if has_v2 else {"verbose": 0},
    )


def _is_new_ray() -> bool:
    import ray

    return tuple(map(int, ray.__version__.split(".")[:2])) >= (2, 41)


@contextlib.contextmanager
def quiet_readonly_arrays():
    """Silence torch's warning about read-only arrays: pandas 3 hands them out, RecBole only reads them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        yield


@contextlib.contextmanager
def numpy_long():
    """Give numpy before 2.0 its name ``long`` back in a ``with`` block: RecBole's feature layers are built with it."""
    missing = "long" not in vars(np)
    if missing:
        vars(np)["long"] = np.int_
    try:
        yield
    finally:
        if missing:
            del vars(np)["long"]


def no_anomaly_mode():
    """Return a context without torch's anomaly detection, a debugging aid that slows every backward pass."""
    return torch.autograd.set_detect_anomaly(False)


#: Errors of torch for damaged files.
_OF_DAMAGED_FILES = (
    RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, OverflowError,
    struct.error,
)  # fmt: skip


def load_plain(path: str | Path, device: torch.device | str = "cpu") -> Any:
    """Load a file of tensors and plain values; a file that would run code is refused.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is damaged, or holds anything except tensors and plain values.
    """
    if os.path.isfile(path) and not _is_of_torch_save(path):
        raise ValueError("it is not a whole file of torch.save")
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, KeyError) as error:  # torch advises to load it all the same, or names a byte
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"it holds {refused[1]}, " if refused else ""
        raise ValueError(f"{what}expected tensors and plain values") from error
    except _OF_DAMAGED_FILES as error:
        raise ValueError("it is not a whole file of torch.save") from error


def _is_of_torch_save(path: str | Path) -> bool:
    """Tell whether a file is a whole zip file, which torch sees by its first bytes and zipfile by its last ones.

    Torch reads other files by its older readers, of which those before 2.6 may run code (CVE-2025-32434).
    """
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04" and zipfile.is_zipfile(path)


def grad_scaler(device: torch.device, enabled: bool) -> Any:
    """Return the gradient scaler of mixed precision, by its name in the installed torch."""
    if hasattr(torch.amp, "GradScaler"):
        return torch.amp.GradScaler(device.type, enabled=enabled)
    return torch.cuda.amp.GradScaler(enabled=enabled)


def with_globals(function: Any, **replaced: Any) -> Any:
    """Return a copy of a function with other objects under some of its global names; the function itself is unchanged.

    RecBole's ``Trainer`` makes folders in its constructor and has no hook for this.
    """
    names = {**function.__globals__, **replaced}
    return types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
