"""Files of tensors and plain values: the best models, and the whole state of a training run."""

from __future__ import annotations

import glob
import os
import random
import uuid
from logging import getLogger
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from recbole.utils import get_local_time

from recbole_mdcns import compat
from recbole_mdcns.checkpoints.form import FORMS, first_fault
from recbole_mdcns.checkpoints.run_lock import RunLock
from recbole_mdcns.config.identity import settings, settings_id
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.names import unpack
from recbole_mdcns.errors import CheckpointError, WriteError
from recbole_mdcns.support.path_names import expanded
from recbole_mdcns.support.safe_write import replacing
from recbole_mdcns.version import __version__

FORMAT = "recbole_mdcns"
#: Format of the content. Format 1 had no names of items; format 2 held the keys of every strategy and loss.
FORMAT_NUMBER = 3


class RunFiles:
    """The files of one run in ``checkpoint_dir``; no two runs share them.

    Attributes:
        best: The best self model.
        last: The whole training state after the last finished epoch.
        lock: Held by the process that trains the run.
    """

    def __init__(self, best: Path):
        self.best = best
        self.last = best.with_name(f"{best.stem}-last.pth")
        self.lock = RunLock(best)

    def model(self, role: str) -> Path:
        """Return the file of the best epoch's model of a role; for ``self`` it is :attr:`best`."""
        return self.best if role == "self" else self.best.with_name(f"{self.best.stem}-{role}.pth")

    @classmethod
    def new(cls, config: MDCNSConfig) -> RunFiles:
        """Name the files of a new run: model, dataset, settings, time, and eight random digits."""
        names = (_known_by(config), get_local_time(), uuid.uuid4().hex[:8])
        return cls(Path(config["checkpoint_dir"]) / ("-".join(names) + ".pth"))

    @classmethod
    def of_last(cls, last: str | Path) -> RunFiles:
        """Return the files of the run of a ``*-last.pth`` file.

        Raises:
            CheckpointError: The file has another name.
        """
        last = Path(last)
        if not last.name.endswith("-last.pth"):
            raise CheckpointError(f"resume = {str(last)!r} is not allowed: expected a file *-last.pth, or True")
        return cls(last.with_name(last.name[: -len("-last.pth")] + ".pth"))

    @classmethod
    def to_resume(cls, config: MDCNSConfig, resume: str | Path | bool) -> RunFiles | None:
        """Return the files of the run to resume, by the value of the key ``resume``.

        Returns:
            None if a new run begins: without ``resume``, or with True if there is no such run (the log says so).

        Raises:
            CheckpointError: The file is missing, or has not the name of a training state.
        """
        if not resume:
            return None
        if resume is not True:
            files = cls.of_last(str(resume))
            if not os.path.isfile(files.last):
                raise CheckpointError(f"checkpoint {files.last} cannot be read: No such file")
            return files
        every = cls.every(config)
        if not every:
            getLogger().warning(
                f"resume = True: {config['checkpoint_dir']} holds no finished epoch of {config['model']} on "
                f"{config['dataset']} with these settings ({_known_by(config)}-*-last.pth), so a new run begins"
            )
        return every[-1] if every else None

    @classmethod
    def every(cls, config: MDCNSConfig) -> list[RunFiles]:
        """Find all runs with the same settings, finished or not, from the oldest state to the newest."""
        pattern = f"{glob.escape(_known_by(config))}-*-last.pth"
        states = Path(config["checkpoint_dir"]).glob(pattern)
        return [cls.of_last(state) for state in sorted(states, key=lambda path: path.stat().st_mtime)]


def _known_by(config: MDCNSConfig) -> str:
    return "-".join((config["model"], config["dataset"], settings_id(config.plain())))


def save(content: dict[str, Any], path: Path) -> None:
    """Write a checkpoint; a crash leaves either the old file or the new one.

    Raises:
        WriteError: It cannot be written.
    """
    try:
        with replacing(path, make_folder=True) as file:
            torch.save({"format": FORMAT, "format_number": FORMAT_NUMBER, "version": __version__, **content}, file)
    except WriteError as error:
        raise error.advising("make room there; finished epochs are kept, and resume continues after them") from None


def load(path: str | Path, kind: str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint of this package.

    Args:
        path: The file.
        kind: ``model`` or ``training``.
        device: Where its tensors go.

    Raises:
        CheckpointError: The file is missing, truncated, not of this package, of the other kind or of another format, or
            an entry is malformed.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise CheckpointError(f"checkpoint {path!r} is not allowed: give the path of a file")
    try:
        content = compat.load_plain(expanded(path), device)
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CheckpointError(f"checkpoint {path} is damaged, or was not written by recbole_mdcns: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"checkpoint {path} was not written by recbole_mdcns")
    number = content.get("format_number", 1)
    if number != FORMAT_NUMBER:
        reason = (
            "it does not hold the names of its items; train again" if number == 1 else "use the version that wrote it"
        )
        raise CheckpointError(
            f"checkpoint {path} has format {number!r}, written by recbole_mdcns {content.get('version')!r}, and this "
            f"version reads format {FORMAT_NUMBER}: {reason}"
        )
    saved_kind = content.get("kind")
    if saved_kind != kind:
        advice = " (the file without -last)" if kind == "model" else ""
        raise CheckpointError(f"checkpoint {path} holds a {saved_kind} state, expected a {kind} state{advice}")
    fault = first_fault(content, FORMS[kind])
    if fault:
        raise CheckpointError(f"checkpoint {path} is damaged: {fault}")
    return content


def names(content: dict[str, Any], path: str | Path) -> dict[str, list[str]]:
    """Return the names of a checkpoint by column, in the order of their numbers.

    Raises:
        CheckpointError: They are damaged.
    """
    try:
        return {field: unpack(packed) for field, packed in content["names"].items()}
    except ValueError as error:
        raise CheckpointError(f"checkpoint {path} is damaged: {error}") from None


def check_same_settings(saved: dict[str, Any], config: MDCNSConfig, path: str | Path) -> None:
    """Refuse to continue a saved run with other settings.

    Raises:
        CheckpointError: Names every key that differs, with both values.
    """
    plain = config.plain()
    here, there = settings(plain), settings(saved)
    differ = [key for key in sorted({*here, *there}) if here.get(key) != there.get(key)]
    if differ:
        pairs = ", ".join(_both_values(key, saved.get(key), plain.get(key)) for key in differ)
        raise CheckpointError(f"checkpoint {path} belongs to another run: {pairs}")


def _both_values(key: str, there: Any, here: Any) -> str:
    """Say what a key is in a checkpoint and in this run; of the keys of one peer only those that differ."""
    if not (isinstance(there, dict) and isinstance(here, dict)):
        return f"{key} is {there!r} there and {here!r} here"
    differ = [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]
    return ", ".join(_both_values(f"{key}.{name}", there.get(name), here.get(name)) for name in differ)


def random_states(device: torch.device) -> dict[str, Any]:
    """Return the states of the random generators of Python, numpy and torch as plain values and tensors.

    Args:
        device: The device of the run; the states of other GPUs do not matter.
    """
    name, keys, position, has_gauss, gauss = cast(tuple, np.random.get_state())
    version, internal, next_gauss = random.getstate()
    return {
        "python": [version, list(internal), next_gauss],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def set_random_states(states: dict[str, Any], device: torch.device) -> None:
    """Restore the states that :func:`random_states` returned."""
    version, internal, next_gauss = states["python"]
    random.setstate((version, tuple(internal), next_gauss))
    name, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(states["torch"].cpu())
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)
