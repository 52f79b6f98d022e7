"""The configuration in a checkpoint; it imports no code unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole_mdcns.config.keys import IMPORTING
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import CheckpointError, ConfigError

#: Keys of first weights, which a saved model does not need, and their values for none.
_STARTS = {"pre_model_path": "", "item_init_range": None}


def saved_config(
    content: dict[str, Any],
    path: str | Path,
    trust_code: bool = False,
    model_class: type | None = None,
    overrides: dict[str, Any] | None = None,
) -> MDCNSConfig:
    """Build the configuration that a checkpoint of a model holds, without keys of first weights.

    Args:
        content: The checkpoint.
        path: Its file, for the error.
        trust_code: Import the classes that the file names as ``module:Class``.
        model_class: The class of the model.
        overrides: Keys with new values; import paths in them come from the caller and are trusted.

    Raises:
        CheckpointError: The file names a user's class without ``trust_code``, or its keys cannot be used.
    """
    unused = {key: value for key, value in _STARTS.items() if key in content["config"]}
    given = {"log_wandb": False, **unused, **(overrides or {})}  # loading is not a run
    if model_class is not None:
        given["model"] = model_class
    values = {**content["config"], **given}
    foreign = {key: values[key] for key in IMPORTING if key not in given and ":" in str(values.get(key))}
    if foreign and not trust_code:
        named = ", ".join(f"{key} = {value!r}" for key, value in foreign.items())
        by_class = ", or give the class itself as model_class" if list(foreign) == ["model"] else ""
        raise CheckpointError(
            f"checkpoint {path} names code to import: {named}; to import and run it, load with trust_code=True "
            f"(on the command line --trust_code){by_class}"
        )
    try:
        return MDCNSConfig.from_plain(content["config"], **given)
    except ConfigError as error:
        raise CheckpointError(f"the keys of checkpoint {path} cannot be used: {error}") from error
