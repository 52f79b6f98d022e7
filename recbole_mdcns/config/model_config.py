"""``ModelConfig``: RecBole's Config with our yaml layers, checked keys and no side effects, for one model."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from recbole.config import Config
from recbole.utils.argument_list import dataset_arguments, evaluation_arguments, general_arguments, training_arguments

from recbole_mdcns.config import checks, recbole_checks
from recbole_mdcns.config.identity import NOT_READ
from recbole_mdcns.config.keys import dataset_keys, keys_of_models, model_file_defaults, own_keys, recbole_keys
from recbole_mdcns.config.layers import check_layers, with_place
from recbole_mdcns.config.model_keys import declared_model_keys, keyed_class, model_keys, model_yamls
from recbole_mdcns.config.model_ranges import check_model_values
from recbole_mdcns.config.reads import (
    Parts,
    keys_not_read,
    keys_of_own_losses,
    optional_keys,
    plugin_keys,
    switched_off,
)
from recbole_mdcns.config.recbole_keys import check_inner
from recbole_mdcns.config.values import literal, parse_key_values, plain_value, unboxed
from recbole_mdcns.data.place import dataset_folder
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.model.registry import resolve_model, spec_of
from recbole_mdcns.support.declared import is_known
from recbole_mdcns.support.foreign_code import ForeignCall
from recbole_mdcns.support.path_names import checked_name
from recbole_mdcns.support.yaml_files import YamlLoader, properties_dir, read_shipped, read_yaml

_NAMES = ("model", "dataset")


class ModelConfig(Config):
    """Configuration of one model on one dataset: how the model is built and how it is optimised.

    Layers, later ones win: RecBole's overall, model and dataset yaml; ours; ``config_file_list`` in order;
    ``config_dict``; ``argv``. Unlike RecBole's Config, it does not read ``sys.argv``, evaluates no strings as code, and
    does not change numpy, PyYAML, ``CUDA_VISIBLE_DEVICES`` or RecBole's argument lists.

    It holds only the keys that are read. Reading one of our other keys is an error; for any other unknown key the value
    is None, as in RecBole.

    Args:
        model: A name, a class, or ``package.module:Class``.
        dataset: Name of the dataset.
        config_file_list: Yaml files; one alone needs no list.
        config_dict: Keys and values.
        argv: Command line, such as ``["--epochs=3", "--hidden_size=32"]``.

    Attributes:
        parts: The classes of the configuration; they determine the keys that are read.

    Raises:
        ConfigError: A key or value cannot be used; names it, what was found and what is allowed.
    """

    parts: Parts

    def __init__(
        self,
        model: str | type | None = None,
        dataset: str | None = None,
        config_file_list: str | Path | Sequence[str | Path] | None = None,
        config_dict: dict[str, Any] | None = None,
        argv: Sequence[str] = (),
    ):
        files, given, self._argv = check_layers(config_file_list, config_dict, argv)
        self._file_of: dict[str, str | Path] = {}
        try:
            super().__init__(model, dataset, files, given)
            self._check_whole()
        except ConfigError as error:
            later = {*given, *getattr(self, "cmd_config_dict", {})}
            from_files = {key: file for key, file in self._file_of.items() if key not in later}
            raise with_place(error, from_files) from error.__cause__

    def __getitem__(self, item: str) -> Any:
        """Return the value of a key.

        Raises:
            ConfigError: It is a key of ours that this configuration does not read.
        """
        if item in optional_keys() and item not in self.final_config_dict:
            raise ConfigError(
                f"{item} is not read by {self._reader()}: list it under reads in the yaml file of the class"
            )
        return super().__getitem__(item)

    def _reader(self) -> str:
        return f"model {self.model}"

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
            values = read_yaml(file)
            merged.update(values)
            self._file_of.update(dict.fromkeys(values, file))
        return merged

    def _convert_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        # A name stays as it is written: a dataset may be called 2018.
        is_text = {key for key, value in config_dict.items() if isinstance(value, str) and key not in _NAMES}
        return {key: literal(str(value)) if key in is_text else unboxed(value) for key, value in config_dict.items()}

    def _load_cmd_line(self) -> dict[str, Any]:
        return self._convert_config_dict(parse_key_values(self._argv))

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
        self.model_spec = spec_of(cls)
        return cls.__name__, cls, dataset

    def _update_internal_config_dict(self, file: str) -> dict[str, Any]:
        """Take over a file of RecBole's own; every configuration reads the same few."""
        values = read_shipped(file)
        self.internal_config_dict.update(values)
        return values

    def _load_internal_config_dict(self, model: str, model_class: type, dataset: str) -> None:
        super()._load_internal_config_dict(keyed_class(model_class).__name__, model_class, dataset)
        internal, ours = self.internal_config_dict, properties_dir()
        internal.update({name: copy.deepcopy(key.default) for name, key in own_keys().items()})
        for path in model_yamls(model_class):
            internal.update(model_file_defaults(path))
        protocol = own_keys()["protocol"].check(self.external_config_dict.get("protocol", internal["protocol"]))
        preset = read_shipped(ours / "protocol" / f"{protocol}.yaml")
        # Model keys of the preset hold for the models that have them.
        internal.update({key: value for key, value in preset.items() if key in internal})
        self._of_dataset = dataset_keys(dataset)
        internal.update(self._of_dataset)
        values = {**internal, **self.external_config_dict, "protocol": protocol}
        self.parts = self._find_parts(model_class, values)
        declared = plugin_keys(self.parts)
        internal.update({name: key.default for name, key in declared.items() if name not in own_keys()})
        self._keys = {**own_keys(), **declared, **declared_model_keys(model_class)}
        for key in self._keys.values():
            if key.only_with and key.only_with not in internal:
                raise ConfigError(f"{key.section}, key {key.name}: only_with names {key.only_with}, which is no key")

    def _find_parts(self, model_class: type, values: Mapping[str, Any]) -> Parts:
        """Return the parts of a run from its resolved keys."""
        return Parts(model_class, values["protocol"], bool(values["split_file"]))

    def _get_final_config_dict(self) -> dict[str, Any]:
        given = self.external_config_dict
        self._check_given(given)
        merged = super()._get_final_config_dict()
        not_read = set(keys_not_read(merged, self.parts)) - {"loss_type"}  # which RecBole's FPMC and SINE ask for
        final = {key: value for key, value in merged.items() if key not in not_read}
        checked = {name: key for name, key in self._keys.items() if name in final}
        final.update({name: check_inner(name, key.check(final[name])) for name, key in checked.items()})
        final.update({name: copy.deepcopy(self._keys[name].default) for name in switched_off(final, self._keys)})
        # DIN's and DIEN's evaluation ranks samples.
        defaults = {**self.internal_config_dict["eval_args"], "mode": "full"}
        final["eval_args"] = {**defaults, **given.get("eval_args", {})}
        checks.check_values(final)
        recbole_checks.check_packages(final)
        if is_known(self.model_class):
            check_model_values(final, model_keys(self.model_class))
        self._check_together(final)
        checks.check_protocol(final, given, self.internal_config_dict)
        recbole_checks.tie_repeatable(final, given)
        recbole_checks.check_columns(final, given)
        needed = [final[name] for name in ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD")]
        final["load_col"] = given.get("load_col", {"inter": needed})
        # RecBole's models and loaders know no BCE: they get one row per positive, and RecBole draws no negatives.
        final["train_neg_sample_args"] = None
        if not hasattr(self.model_class, "input_type"):  # the others insist on the loss_type of their yaml
            final["loss_type"] = "CE"
        final["transform"] = None  # those of yaml files serve a model's own training
        return final

    def _set_default_parameters(self) -> None:
        final = self.final_config_dict
        self._data_path = final["data_path"]  # RecBole appends the dataset's name to it
        metrics, final["metrics"] = final["metrics"], ["Recall"]  # RecBole's own table has none of the user's
        take_defaults = super()._set_default_parameters
        with ForeignCall(lambda error: ConfigError(str(error))):
            take_defaults()
        final["metrics"] = [metrics] if isinstance(metrics, str) else metrics
        checks.check_evaluation(self.final_config_dict, self.external_config_dict)
        self.final_config_dict["data_path"] = dataset_folder(self._data_path, self.dataset)

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

    def _common_keys(self) -> set[str]:
        """Return every key that all runs have, and those of the model."""
        return {*recbole_keys(), *own_keys(), *self.internal_config_dict}

    def _check_given(self, given: dict[str, Any]) -> None:
        known = self._common_keys() | keys_of_models() | model_keys(*self.parts.peers)
        is_strict = is_known(self.model_class)
        given.update(checks.check_given(given, self.internal_config_dict, known, self._keys, is_strict))

    def _check_whole(self) -> None:
        """Check what is known only once the configuration is whole."""

    def _check_together(self, final: dict[str, Any]) -> None:
        """Check combinations of values; an error names those that the user has not given."""
        try:
            self._check_parts(final)
        except ConfigError as error:
            origins = [line for line in self.dataset_defaults(final) if line.split(" ")[0] in str(error)]
            raise ConfigError("; ".join([str(error), *origins])) from None

    def _check_parts(self, final: dict[str, Any]) -> None:
        checks.check_together(final)
        checks.check_padding(final["pad_side"], [self.model_class])

    def dataset_defaults(self, final: Mapping[str, Any] | None = None) -> list[str]:
        """Return a line for each key of a method that the dataset's yaml sets and the user does not."""
        values = self.final_config_dict if final is None else final
        of_method = self._of_dataset.keys() & optional_keys() & values.keys()
        return [
            f"{key} = {self._of_dataset[key]!r} comes from properties/dataset/{self.dataset}.yaml"
            for key in sorted(of_method - self.external_config_dict.keys())
        ]

    def unread_keys(self) -> list[str]:
        """Return the given keys of other models, strategies, losses and protocols, which this run does not read."""
        return keys_not_read(self.external_config_dict, self.parts)

    def switched_off(self) -> list[str]:
        """Return a line for each given key that another key switches off; its value is the default instead."""
        off = switched_off(self.final_config_dict, self._keys)
        return [
            f"{key} = {self.external_config_dict[key]!r} is given and not used: {switch} is {self[switch]!r}"
            for key, switch in off.items()
            if key in self.external_config_dict
        ]

    def keys_of_own_losses(self) -> list[str]:
        """Return the given keys that only the own losses of RecBole's models read, which ``ranking_loss`` replaces."""
        return keys_of_own_losses(self.external_config_dict, self.parts)

    # -- plain values -------------------------------------------------------------------------------------------------

    def plain(self) -> dict[str, Any]:
        """Return the keys that are read, as plain values for :meth:`from_plain`."""
        values = {key: value for key, value in self.final_config_dict.items() if key not in NOT_READ}
        values["data_path"] = self._data_path
        values["model"] = self.model_spec
        return {key: plain_value(value) for key, value in values.items()}

    @classmethod
    def from_plain(cls, values: dict[str, Any], **overrides: Any):
        """Build a configuration from the values of :meth:`plain`, with some keys replaced."""
        values = copy.deepcopy(values)
        values.pop("repeatable", None)  # always True, and mask_history says what it would
        values.update(overrides)
        return cls(values.pop("model"), values.pop("dataset"), config_dict=values)
