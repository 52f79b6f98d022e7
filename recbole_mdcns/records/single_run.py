"""The trial that a single run corresponds to, by its configuration: runs and trials can then share a page."""

from __future__ import annotations

from typing import Any

from recbole_mdcns.config.identity import FREE_KEYS, content_key
from recbole_mdcns.config.keys import dataset_keys, model_file_defaults, own_keys, recbole_keys
from recbole_mdcns.config.peers import PEER_TRAINING_KEYS
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.entries import Entry
from recbole_mdcns.records.parts import TrialId
from recbole_mdcns.support.declared import methods
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml, recbole_properties_dir

#: Keys that say which cell a run belongs to, and its seed.
_OF_CELL = ("protocol", "neg_sampler", "peer_model", "ranking_loss", "seed")
#: Keys that decide what is reported alone.
_REPORTED = ("metrics", "topk")


def trial_of_run(entry: Entry) -> TrialId:
    """Return the trial of a record that names none.

    The method of its cell is the one of ``properties/methods.yaml`` that fits most of the run's keys, else the strategy
    or the loss over the catalogue; the setting is everything else that differs from the defaults of our keys, so that
    different runs have different trials.

    Args:
        entry: The record.

    Raises:
        ConfigError: The record does not say what was run.
    """
    config = entry["config"].mapping()
    protocol, loss = (entry["config"][key].text() for key in ("protocol", "ranking_loss"))
    peer, dataset = entry["peer_model"].optional(Entry.text), entry["dataset"].file_name()
    method, keys = _method({**config, "peer_model": peer})
    model = _spec(config.get("model"), entry["model"].text())
    cell = Cell(dataset, protocol, model, peer and _spec(config.get("peer_model"), peer), method, loss)
    key = f"run-{content_key(config)}-{entry['batching'].text()}"
    return TrialId(key, cell, _changed(config, dataset, keys), entry["config"]["seed"].whole())


def _spec(given: Any, names: str) -> str:
    """Return the import paths of models if some are the user's own, as sweeps name them, and else their names."""
    return given if isinstance(given, str) and ":" in given else names


def _method(config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name and the keys of the method with the most keys among those that a configuration fits."""
    own = "neg_sampler" if config.get("neg_sampler") else "ranking_loss"
    known = {**methods()}
    known.setdefault(config[own], {own: config[own]})
    fitting = {
        name: keys for name, keys in known.items() if all(config.get(key) == value for key, value in keys.items())
    }
    name = max(fitting, key=lambda name: len(fitting[name]))
    return name, fitting[name]


def _changed(config: dict[str, Any], dataset: str, of_method: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a configuration that have other values than its protocol, dataset and method give them.

    These are our keys, those of the models (a peer's are called ``peer.KEY``), and those of the user's own classes.
    """
    usual = {**{name: key.default for name, key in own_keys().items()}, **_model_defaults(config["model"])}
    if config["protocol"] == "paper":
        usual.update(read_yaml(properties_dir() / "protocol" / "paper.yaml"))
    usual.update(dataset_keys(dataset))
    left_out = {"peer", *_OF_CELL, *_REPORTED, *FREE_KEYS, *of_method, *(recbole_keys() - own_keys().keys())}
    changed = {
        name: value
        for name, value in config.items()
        if name not in left_out and (name not in usual or value != usual[name])
    }
    peers, models = config.get("peer") or {}, str(config.get("peer_model")).split(",")
    for place, (model, keys) in enumerate(zip(models, peers if isinstance(peers, list) else [peers]), start=1):
        role = "peer" if len(models) == 1 else f"peer{place}"
        usual_of_peer = {**_model_defaults(model), **{key: config[key] for key in PEER_TRAINING_KEYS if key in config}}
        for name, value in keys.items():
            given = name in changed and value == changed[name]
            if name not in FREE_KEYS and not given and usual_of_peer.get(name) != value:
                changed[f"{role}.{name}"] = value
    return changed


def _model_defaults(model: str) -> dict[str, Any]:
    """Return the defaults in the yaml files of a model; the user's own is not imported and has none."""
    paths = [folder / "model" / f"{model}.yaml" for folder in (recbole_properties_dir(), properties_dir())]
    files = [] if ":" in model else [path for path in paths if path.is_file()]
    return {name: value for path in files for name, value in model_file_defaults(path).items()}
