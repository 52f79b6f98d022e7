"""The cells of a sweep, and the trials of each cell, identified by their content."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recbole_mdcns.config.checks import check_symbols
from recbole_mdcns.config.identity import content_key, parts_of
from recbole_mdcns.config.keys import own_keys
from recbole_mdcns.config.layers import key_of
from recbole_mdcns.config.peers import PEER_PREFIX
from recbole_mdcns.config.reads import Parts, keys_not_read, keys_of_own_losses, switched_off
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import ConfigError, UserError
from recbole_mdcns.model.registry import default_peer, resolve_model
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.parts import TrialId
from recbole_mdcns.tuning.space import draws, ends, grid, has
from recbole_mdcns.tuning.sweep import Sweep

#: Keys that name a file or folder that a run reads.
_PATHS = ("data_path", "split_file", "exposure_file", "pre_model_path")


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        id: Its identity: cell, hyperparameters, seed, and a key that follows from its content.
        values: The resolved configuration, plain.
        paths: The keys that name files or folders, as absolute paths, because workers run in other folders.
        command: The command line that does the same without a sweep.
    """

    id: TrialId
    values: dict[str, Any]
    paths: dict[str, str]
    command: list[str]


def cells(sweep: Sweep) -> list[Cell]:
    """Return the cells of a sweep; a method without peers occurs once, whatever the peers, and so does a set loss."""
    different: dict[Cell, None] = {}
    axes = (sweep.datasets, sweep.protocols, sweep.models, sweep.peers, sweep.methods, sweep.losses)
    for dataset, protocol, model, peer, method, loss in itertools.product(*axes):
        keys = sweep.keys_of_method(method)
        needs_peer = bool(_parts(model, protocol, {"ranking_loss": loss, **keys}).peers)
        peer = (keys.get("peer_model") or peer or default_peer(model.split(":")[-1])) if needs_peer else None
        different[Cell(dataset, protocol, model, peer, method, keys.get("ranking_loss", loss))] = None
    return list(different)


def space_of(sweep: Sweep, cell: Cell) -> dict[str, Any]:
    """Return the space of a cell: values or a distribution for each key that its runs read and use.

    Raises:
        ConfigError: A key is a symbol of the paper and no key of the cell's models.
    """
    space = {**sweep.space.get("all", {}), **sweep.space.get(cell.method, {})}
    of_others = keys_not_read(space, _parts_of(sweep, cell))
    try:
        check_symbols(of_others)
    except ConfigError as error:
        raise ConfigError(f"{_place(sweep, cell, str(error))}: {error}") from None
    return {key: choices for key, choices in used(sweep, cell, space).items() if key not in of_others}


def may_try(sweep: Sweep, cell: Cell, setting: dict[str, Any]) -> bool:
    """Tell whether the space of a cell has a setting, whose file may have changed since it was tried."""
    space = space_of(sweep, cell)
    left_out = space.keys() - used(sweep, cell, {**dict.fromkeys(space), **setting}).keys()
    return setting.keys() | left_out == space.keys() and all(has(space[key], setting[key]) for key in setting)


def used(sweep: Sweep, cell: Cell, setting: dict[str, Any]) -> dict[str, Any]:
    """Return a setting without the keys that another key of the cell or of the setting switches off."""
    off = switched_off({**_fixed(sweep, cell), **setting}, own_keys())
    return {key: value for key, value in setting.items() if key not in off}


def _fixed(sweep: Sweep, cell: Cell) -> dict[str, Any]:
    """Return the keys and values that a sweep gives to all runs of a cell."""
    return {**sweep.keys, **sweep.dataset_keys.get(cell.dataset, {}), **sweep.keys_of_method(cell.method)}


def unread_keys(sweeps: Sequence[Sweep]) -> list[str]:
    """Return where the file of one or more sweeps sets keys that no cell they apply to reads."""
    of_cell = {cell: sweep for sweep in sweeps for cell in cells(sweep)}
    sweep, every = sweeps[0], list(of_cell)
    places = [("keys", sweep.keys, every), ("space.all", sweep.space.get("all", {}), every)]
    for dataset, keys in sweep.dataset_keys.items():
        places.append((f"dataset_keys.{dataset}", keys, [cell for cell in every if cell.dataset == dataset]))
    for method, keys in sweep.space.items():
        if method != "all":
            places.append((f"space.{method}", keys, [cell for cell in every if cell.method == method]))
    return [
        f"{place}.{key}"
        for place, keys, read_by in places
        for key in keys
        if read_by and all(_is_unread(of_cell[cell], cell, key) for cell in read_by)
    ]


def _is_unread(sweep: Sweep, cell: Cell, key: str) -> bool:
    parts = _parts_of(sweep, cell)
    if key.startswith(PEER_PREFIX) or key == "peer":
        return not parts.peers
    is_off = key in switched_off({key: None, **_fixed(sweep, cell)}, own_keys())
    return bool(is_off or keys_not_read([key], parts) or keys_of_own_losses([key], parts))


def _parts_of(sweep: Sweep, cell: Cell) -> Parts:
    peer = {"peer_model": cell.peer} if cell.peer else {}
    return _parts(cell.model, cell.protocol, {"ranking_loss": cell.loss, **sweep.keys_of_method(cell.method), **peer})


def _parts(model: str, protocol: str, method: dict[str, Any]) -> Parts:
    """Return what the runs of a cell are made of."""
    defaults = {name: own_keys()[name].default for name in ("ranking_loss", "neg_sampler", "peer_model")}
    return parts_of(resolve_model(model), {**defaults, **method, "protocol": protocol})


def settings_of(sweep: Sweep, cell: Cell) -> list[dict[str, Any]]:
    """Return the hyperparameters that a cell is tried with: a grid, or random draws."""
    space = space_of(sweep, cell)
    if sweep.search == "grid":
        every = grid(space, f"space.{cell.method}")
    else:
        every = draws(space, sweep.samples, seed=int(hashlib.sha256(str(cell).encode()).hexdigest()[:8], 16))
    return _different(sweep, cell, every)


def _different(sweep: Sweep, cell: Cell, every: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return settings without the keys that do nothing in them, each once."""
    different = (used(sweep, cell, setting) for setting in every)
    return list({repr(setting): setting for setting in different}.values())


def first_setting(sweep: Sweep, cell: Cell) -> dict[str, Any]:
    """Return hyperparameters that a cell may be tried with, the first ones if they can be listed."""
    if not sweep.is_adaptive:
        return settings_of(sweep, cell)[0]
    return {key: ends(choices)[0] for key, choices in space_of(sweep, cell).items()}


def few_settings(sweep: Sweep, cell: Cell) -> list[dict[str, Any]]:
    """Return all settings of a cell if an adaptive search may try them all, and so has nothing to learn."""
    space = space_of(sweep, cell)
    numbers = [len(choices) if isinstance(choices, list) else math.inf for choices in space.values()]
    if math.prod(numbers) > sweep.samples:
        return []
    return _different(sweep, cell, grid(space, f"space.{cell.method}"))


def samples_of(sweep: Sweep, cell: Cell) -> int:
    """Return how many settings an adaptive search tries in a cell: ``samples``, or all if there are fewer."""
    return len(few_settings(sweep, cell)) or sweep.samples


def check_draws(sweep: Sweep) -> None:
    """Check everything that an adaptive search may try: each value of a list, and both ends of a distribution.

    Raises:
        ConfigError: A key or value of the sweep cannot be used, or the package that searches is not installed.
    """
    if not find_spec(sweep.search):
        raise ConfigError(f"search = {sweep.search!r} needs a package: pip install {sweep.search}")
    for cell in cells(sweep):
        space = space_of(sweep, cell)
        first = first_setting(sweep, cell)
        make_trial(sweep, cell, first, sweep.seeds[0])
        for key, choices in space.items():
            for value in ends(choices)[1:]:
                make_trial(sweep, cell, {**first, key: value}, sweep.seeds[0])


def trials(sweep: Sweep) -> Iterator[Trial]:
    """Yield every trial that a sweep can make, each configuration checked.

    Raises:
        ConfigError: A key or value of the sweep cannot be used; names the file and the place in it.
    """
    for cell in cells(sweep):
        for setting in settings_of(sweep, cell):
            first = make_trial(sweep, cell, setting, sweep.seeds[0])
            yield first
            for seed in sweep.seeds[1:]:  # building a configuration takes milliseconds, and a sweep may have thousands
                values = {**first.values, "seed": seed}
                command = [*first.command[:-1], f"--seed={seed}"]
                trial_id = TrialId(content_key(values), cell, setting, seed)
                yield replace(first, id=trial_id, values=values, command=command)


def first_trials(sweep: Sweep) -> Iterator[Trial]:
    """Yield the trials that wait for no choice: those with the choosing seeds, and all of a cell with one setting."""
    free = {cell for cell in cells(sweep) if len(settings_of(sweep, cell)) == 1}
    return (trial for trial in trials(sweep) if trial.id.cell in free or trial.id.seed in sweep.choice_seeds)


def make_trial(sweep: Sweep, cell: Cell, setting: dict[str, Any], seed: int) -> Trial:
    """Resolve the configuration of a trial.

    Raises:
        ConfigError: It cannot be used; names the place in the sweep's file, or the cell.
    """
    of_cell = {"protocol": cell.protocol, "ranking_loss": cell.loss}
    if cell.peer:
        of_cell["peer_model"] = cell.peer
    given = {**_fixed(sweep, cell), **setting, **of_cell, "seed": seed}
    try:
        config = MDCNSConfig(cell.model, cell.dataset, config_dict=given)
        _check_validates(config)
        values = config.plain()
    except UserError as error:
        raise ConfigError(f"{_place(sweep, cell, str(error))}: {error}") from error
    paths = {name: str(Path(values[name]).absolute()) for name in _PATHS if values.get(name)}
    keys = {"model": cell.model, "dataset": cell.dataset, **given}
    command = ["run_recbole_mdcns", *(f"--{key}={value}" for key, value in keys.items())]
    return Trial(TrialId(content_key(values), cell, setting, seed), values, paths, command)


def _check_validates(config: MDCNSConfig) -> None:
    for key in ("epochs", "eval_step"):
        if not config[key]:
            raise ConfigError(f"{key} = 0 is not allowed in a sweep, which chooses by validation: give at least 1")


def _place(sweep: Sweep, cell: Cell, message: str) -> str:
    """Return where a sweep sets the key that a message is about; the cell if it sets none."""
    sections = {
        f"space.{cell.method}": sweep.space.get(cell.method, {}),
        "space.all": sweep.space.get("all", {}),
        f"method_keys.{cell.method}": sweep.method_keys.get(cell.method, {}),
        f"dataset_keys.{cell.dataset}": sweep.dataset_keys.get(cell.dataset, {}),
        "keys": sweep.keys,
    }
    for section, keys in sections.items():
        key = key_of(message, keys)
        if key is not None:
            return "--set" if section == "keys" and key in sweep.by_option else f"{sweep.origin}: {section}"
    return str(cell)
