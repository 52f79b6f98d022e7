"""``MDCNSConfig``: RecBole's Config with our yaml layers, checked keys and no side effects."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from recbole.config import Config
from recbole.utils.argument_list import (
    dataset_arguments,
    evaluation_arguments,
    general_arguments,
    training_arguments,
)

from recbole_mdcns.config import checks, recbole_checks
from recbole_mdcns.config.keys import key_files, keys_of_models, own_keys, recbole_keys
from recbole_mdcns.config.layers import check_layers
from recbole_mdcns.config.model_keys import is_known, keyed_class, model_keys, model_yamls, unread_keys, yaml_beside
from recbole_mdcns.config.model_ranges import check_model_values
from recbole_mdcns.config.peers import PEER_PREFIX, PEER_TRAINING_KEYS, check_overrides, peer_classes, values_of_peer
from recbole_mdcns.config.recbole_keys import check_inner, check_recbole_keys
from recbole_mdcns.config.values import literal, parse_key_values, plain_value, unboxed
from recbole_mdcns.data.place import dataset_folder
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.model.registry import default_peer, resolve_model
from recbole_mdcns.negatives import resolve_strategy
from recbole_mdcns.support.path_names import checked_name
from recbole_mdcns.support.yaml_files import YamlLoader, properties_dir, read_yaml

#: What RecBole derives from other keys; left out of saved configs.
_DERIVED = (
    "MODEL_TYPE", "MODEL_INPUT_TYPE", "eval_type", "device", "single_spec", "local_rank", "valid_metric_bigger",
    "train_neg_sample_args", "valid_neg_sample_args", "test_neg_sample_args",
)  # fmt: skip

_NAMES = ("model", "dataset")


class MDCNSConfig(Config):
    """Configuration of one run.

    Layers, the later ones winning: RecBole's overall, model and dataset yaml; ours; ``config_file_list`` in order;
    ``config_dict``; ``argv``. A key without prefix holds for self and peer, ``peer.KEY`` for the peer alone.
    Unlike RecBole's, it reads no ``sys.argv``, evaluates no strings as code and leaves numpy, PyYAML,
    ``CUDA_VISIBLE_DEVICES`` and RecBole's argument lists as they are.

    Args:
        model: Self model: a name, a class, or ``package.module:Class``.
        dataset: Name of the dataset.
        config_file_list: Yaml files; one alone needs no list.
        config_dict: Keys and values.
        argv: Command line, such as ``["--epochs=3", "--peer.hidden_size=32"]``.

    Raises:
        ConfigError: A key or value cannot be used; names it, what was found and what is allowed.
    """

    def __init__(
        self,
        model: str | type | None = None,
        dataset: str | None = None,
        config_file_list: str | Path | Sequence[str | Path] | None = None,
        config_dict: dict[str, Any] | None = None,
        argv: Sequence[str] = (),
    ):
        files, given, self._argv = check_layers(config_file_list, config_dict, argv)
        super().__init__(model, dataset, files, given)
        self._resolve_peers()
        checks.check_symbols(self.unread_keys())
        if self.peer_overrides:
            try:
                self.peer_configs()  # checks their values now
            except ConfigError as error:
                raise ConfigError(f"peer: {error}") from None

    # -- RecBole's steps, in the order in which its constructor takes them ------------------------------------------

    def compatibility_settings(self) -> None:
        """Change nothing: RecBole would write removed names into numpy here (see ``compat``)."""

    def _init_parameters_category(self) -> None:
        # Copies: RecBole appends to its module-level lists.
        self.parameters = {
            "General": list(general_arguments),
            "Training": list(training_arguments),
            "Evaluation": list(evaluation_arguments),
            "Dataset": list(dataset_arguments),
        }
        listed = {name for names in self.parameters.values() for name in names}
        self.parameters["MDCNS"] = [name for name in own_keys() if name not in listed]

    def _build_yaml_loader(self) -> type[YamlLoader]:
        return YamlLoader

    def _load_config_files(self, file_list: Iterable[str | Path] | None) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for file in file_list or []:
            merged.update(read_yaml(file))
        return merged

    def _convert_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        # A name stays as it is written: a dataset may be called 2018.
        is_text = {key for key, value in config_dict.items() if isinstance(value, str) and key not in _NAMES}
        return {key: literal(str(value)) if key in is_text else unboxed(value) for key, value in config_dict.items()}

    def _load_cmd_line(self) -> dict[str, Any]:
        return self._convert_config_dict(parse_key_values(self._argv))

    def _merge_external_config_dict(self) -> None:
        super()._merge_external_config_dict()
        external = self.external_config_dict
        peer = external.pop("peer", None) or {}
        if not isinstance(peer, dict):
            raise ConfigError(f"peer = {peer!r} is not allowed: it holds keys of the peer; peer_model names the model")
        self.peer_overrides = dict(peer)
        for key in [key for key in external if key.startswith(PEER_PREFIX)]:
            self.peer_overrides[key[len(PEER_PREFIX) :]] = external.pop(key)

    def _get_model_and_dataset(self, model: str | type | None, dataset: str | None) -> tuple[str, type, str]:
        for key, given in zip(_NAMES, (model, dataset)):
            typed = self.cmd_config_dict.get(key)
            if None not in (given, typed) and given != typed:
                raise ConfigError(f"{key} is given twice: {given!r}, and {typed!r} on the command line")
        model = model if model is not None else self.external_config_dict.get("model")
        dataset = dataset if dataset is not None else self.external_config_dict.get("dataset")
        if model is None or dataset is None:
            raise ConfigError("model and dataset must be named, such as --model=SASRec --dataset=ml-100k")
        dataset = checked_name(dataset, "dataset")
        cls = resolve_model(model)
        self.model_spec = cls.__name__ if is_known(cls) else f"{cls.__module__}:{cls.__qualname__}"
        return cls.__name__, cls, dataset

    def _load_internal_config_dict(self, model: str, model_class: type, dataset: str) -> None:
        super()._load_internal_config_dict(keyed_class(model_class).__name__, model_class, dataset)
        ours = properties_dir()
        for path in (*key_files(), *model_yamls(model_class), *self._strategy_yaml()):
            self.internal_config_dict.update(read_yaml(path))
        of_dataset = ours / "dataset" / f"{dataset}.yaml"
        for_dataset = read_yaml(of_dataset) if of_dataset.is_file() else {}
        protocol = self.external_config_dict.get("protocol", self.internal_config_dict["protocol"])
        preset = read_yaml(ours / "protocol" / f"{own_keys()['protocol'].check(protocol)}.yaml")
        # Model keys of the preset hold for the models that have them.
        self.internal_config_dict.update({k: v for k, v in preset.items() if k in self.internal_config_dict})
        self.internal_config_dict.update(for_dataset)
        methods = {key for key in for_dataset if key in own_keys() and own_keys()[key].section != "Data"}
        self._of_dataset = {key: for_dataset[key] for key in sorted(methods - self.external_config_dict.keys())}

    def _strategy_yaml(self) -> list[Path]:
        sampler = self.external_config_dict.get("neg_sampler")
        return yaml_beside(resolve_strategy(sampler)) if isinstance(sampler, str) and ":" in sampler else []

    def _get_final_config_dict(self) -> dict[str, Any]:
        self._check_external(self.external_config_dict)
        final = super()._get_final_config_dict()
        final.update({name: check_inner(name, key.check(final[name])) for name, key in own_keys().items()})
        if final["ranking_loss"] in checks.CATALOGUE_LOSSES and "neg_sampler" not in self.external_config_dict:
            final["neg_sampler"] = "none"
        # DIN's and DIEN's evaluation ranks samples.
        defaults = {**self.internal_config_dict["eval_args"], "mode": "full"}
        final["eval_args"] = {**defaults, **self.external_config_dict.get("eval_args", {})}
        checks.check_values(final)
        recbole_checks.check_packages(final)
        if is_known(self.model_class):
            check_model_values(final, model_keys(self.model_class))
        self._check_together(final)
        checks.check_protocol(final, self.external_config_dict, self.internal_config_dict)
        recbole_checks.tie_repeatable(final, self.external_config_dict)
        recbole_checks.check_columns(final, self.external_config_dict)
        needed = [final[name] for name in ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD")]
        final["load_col"] = self.external_config_dict.get("load_col", {"inter": needed})
        final["peer"] = self.peer_overrides
        # RecBole's models and loaders know no BCE: underneath, one row per positive and no negatives of theirs.
        final["train_neg_sample_args"] = None
        if not hasattr(self.model_class, "input_type"):  # the others insist on the loss_type of their yaml
            final["loss_type"] = "CE"
        final["transform"] = None  # those of yaml files serve a model's own training
        return final

    def _set_default_parameters(self) -> None:
        self._data_path = self.final_config_dict["data_path"]  # RecBole appends the dataset's name to it
        try:
            super()._set_default_parameters()
        except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:  # RecBole's ways to refuse
            raise ConfigError(str(error)) from error
        checks.check_evaluation(self.final_config_dict, self.external_config_dict)
        self.final_config_dict["data_path"] = dataset_folder(self._data_path, self.final_config_dict)

    def _init_device(self) -> None:
        """Choose the device without touching ``CUDA_VISIBLE_DEVICES``; ``gpu_id`` counts the visible devices."""
        final = self.final_config_dict
        gpu_id = final["gpu_id"] or ""
        final.update(gpu_id=gpu_id, single_spec=True, local_rank=0, device=torch.device("cpu"))
        if final["use_gpu"] and gpu_id not in ("", "-1") and torch.cuda.is_available():
            if int(gpu_id) >= torch.cuda.device_count():
                raise ConfigError(f"gpu_id = {gpu_id!r} is not allowed: {torch.cuda.device_count()} GPUs are visible")
            final["device"] = torch.device("cuda", int(gpu_id))

    # -- checks -----------------------------------------------------------------------------------------------------

    def _named_keys(self) -> set[str]:
        """Return every key that all runs have, and those of the self model."""
        return {*recbole_keys(), *own_keys(), *self.internal_config_dict}

    def _check_external(self, external: dict[str, Any]) -> None:
        known = self._named_keys() | keys_of_models() | model_keys(*peer_classes(external.get("peer_model")))
        checks.check_given(external, self.internal_config_dict, known, is_known(self.model_class))
        external.update(check_recbole_keys(external))

    def _check_together(self, final: dict[str, Any]) -> None:
        """Check values beside each other, and tell which of them the user has not given."""
        try:
            checks.check_together(final)
        except ConfigError as error:
            origins = [line for line in self.dataset_defaults() if line.split(" ")[0] in str(error)]
            raise ConfigError("; ".join([str(error), *origins])) from None

    def _resolve_peers(self) -> None:
        self.peer_classes = peer_classes(self.final_config_dict["peer_model"]) or [
            resolve_model(default_peer(self.model), "peer_model")
        ]
        checks.check_padding(self.final_config_dict["pad_side"], [self.model_class, *self.peer_classes])
        check_overrides(self.peer_overrides, self.peer_classes, self._named_keys())

    def dataset_defaults(self) -> list[str]:
        """Return a line for each key of a method that the dataset's yaml sets, and not the user."""
        return [
            f"{key} = {value!r} comes from properties/dataset/{self.dataset}.yaml"
            for key, value in self._of_dataset.items()
        ]

    def unread_keys(self) -> list[str]:
        """Return the given keys that other models alone have, so that nobody reads them in this run."""
        needs_peer = resolve_strategy(self.final_config_dict["neg_sampler"]).needs_peer
        peers = self.peer_classes if needs_peer else []
        return unread_keys(self.external_config_dict, [self.model_class, *peers])

    @property
    def peer_roles(self) -> list[str]:
        """What the peers are called: ``peer``, or ``peer1``, ``peer2`` and so on where there are several."""
        number = len(self.peer_classes)
        return ["peer"] if number == 1 else [f"peer{place}" for place in range(1, number + 1)]

    def peer_configs(self) -> list[MDCNSConfig]:
        """Return each peer's configuration: the same run, the peer's model values, and the ``peer.`` keys it knows."""
        configs = []
        for peer_class in self.peer_classes:
            values = values_of_peer(
                peer_class, self.external_config_dict, self.model_class, self.peer_overrides, self.peer_classes
            )
            if is_known(peer_class):  # keys that no yaml names are for classes of the user's own
                known = model_keys(peer_class) | self._named_keys()
                values = {key: value for key, value in values.items() if key in known}
            configs.append(MDCNSConfig(peer_class, self.dataset, config_dict=values))
        return configs

    # -- plain values -------------------------------------------------------------------------------------------------

    def plain(self) -> dict[str, Any]:
        """Return the resolved keys as plain values, from which the same configuration can be built again."""
        values = {key: value for key, value in self.final_config_dict.items() if key not in _DERIVED}
        values["data_path"] = self._data_path
        values["model"] = self.model_spec
        values["peer"] = dict(self.peer_overrides)
        if len(self.peer_classes) == 1:  # what several peers resolve to may differ from one to the other
            (peer,) = self.peer_configs()
            own = {key for key in (*model_keys(self.peer_classes[0]), *PEER_TRAINING_KEYS) if key in peer}
            values["peer"] = {**{key: peer[key] for key in sorted(own)}, **values["peer"]}
        values["loss_type"] = None
        return {key: plain_value(value) for key, value in values.items()}

    @classmethod
    def from_plain(cls, values: dict[str, Any], **overrides: Any) -> MDCNSConfig:
        """Build the configuration that :meth:`plain` described, with some keys replaced."""
        values = copy.deepcopy(values)
        values.pop("repeatable", None)  # always True, and mask_history says what it would
        if values.get("split_file"):  # which earlier versions took beside keys that it makes useless
            values = {key: value for key, value in values.items() if key not in ("split_ratio", "split_seed")}
        values.update(overrides)
        return cls(values.pop("model"), values.pop("dataset"), config_dict=values)
