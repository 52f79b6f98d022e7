"""The record of a single run as that of a trial, so that a page shows both side by side."""

from __future__ import annotations

from typing import Any

from recbole_mdcns.config.identity import FREE_KEYS, content_key
from recbole_mdcns.config.keys import own_keys
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.store import FINISHED
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml
from recbole_mdcns.tuning.grid import Cell

#: Keys that say which cell a run belongs to, and its seed; keys that decide what is reported alone.
_OF_CELL = ("protocol", "neg_sampler", "peer_model", "ranking_loss", "seed")
_REPORTED = ("metrics", "topk")


def as_trial(record: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a record with ``trial`` and ``status``; that of a sweep is returned as it is.

    The sampler of the cell is the method of ``properties/methods.yaml`` that fits the run's keys best, else the
    strategy; the setting is what else differs from the defaults of our keys, so that no run passes for another.

    Raises:
        ConfigError: The record does not say what was run; names where it is.
    """
    if "trial" in record or "status" in record:
        return record
    config = record.get("config")
    wanted = ("protocol", "neg_sampler", "ranking_loss")
    if not isinstance(config, dict) or not all(isinstance(config.get(key), str) for key in wanted):
        raise ConfigError(f"record {where} is incomplete: its config lacks {', '.join(wanted)}, so that it has no cell")
    given = {**config, "peer_model": record.get("peer_model")}
    method, keys = _method(given)
    model, dataset = (str(record.get(key)) for key in ("model", "dataset"))
    cell = Cell(dataset, given["protocol"], model, given["peer_model"], method, given["ranking_loss"])
    key = f"run-{content_key(config)}-{record.get('batching', config.get('batching'))}"
    setting = _changed(config, dataset, keys)
    trial = {"key": key, "cell": vars(cell), "setting": setting, "seed": record.get("seed")}
    return {**record, "trial": trial, "status": FINISHED, "stopped": None}


def _method(config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name and the keys of the method with the most keys among those that a configuration fits."""
    methods = read_yaml(properties_dir() / "methods.yaml")
    methods[config["neg_sampler"]] = {"neg_sampler": config["neg_sampler"]}
    fitting = {
        name: keys for name, keys in methods.items() if all(config.get(key) == value for key, value in keys.items())
    }
    name = max(fitting, key=lambda name: len(fitting[name]))
    return name, fitting[name]


def _changed(config: dict[str, Any], dataset: str, of_method: dict[str, Any]) -> dict[str, Any]:
    """Return our keys of a configuration that have other values than its protocol, dataset and method give them."""
    usual = {name: key.default for name, key in own_keys().items()}
    known = {path.stem: path for path in properties_dir().glob("dataset/*.yaml")}
    for path in (properties_dir() / "protocol" / "paper.yaml", known.get(dataset)):
        if path is not None and (path.stem != "paper" or config["protocol"] == "paper"):
            usual.update(read_yaml(path))
    left_out = {*_OF_CELL, *_REPORTED, *FREE_KEYS, *of_method}
    return {
        name: config[name]
        for name in own_keys()
        if name in config and name not in left_out and config[name] != usual[name]
    }
