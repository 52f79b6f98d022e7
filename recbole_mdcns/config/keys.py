"""The keys of recbole_mdcns: name, type, range, default, paper symbol and meaning, read from overall.yaml."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_mdcns.config.specs import check_value, spec_parts
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml, recbole_properties_dir

_LINE = re.compile(r"^(?P<name>\w+):.*?#\s*\((?P<spec>[^)]*)\)\s*(\[(?P<symbol>[^\]]*)\]\s*)?(?P<meaning>.+)$")

# Keys that RecBole reads without listing them in any of its yaml files.
_UNLISTED = {"model", "dataset", "config_files", "nproc", "encoding", "tail_ratio"}
#: Keys that models of RecBole read without listing them in their yaml files.
UNLISTED_OF_MODEL = {"FEARec": {"contrast", "sim", "tau", "use_filter"}, "HRM": {"reg_weight"}}


@dataclass(frozen=True)
class Key:
    """One key; ``spec`` is the bracket of its yaml line: ``int, >= 1``, ``float, 0 to 1``, ``choice, BCE|BPR``."""

    name: str
    default: Any
    spec: str
    symbol: str
    meaning: str
    section: str

    def check(self, value: Any) -> Any:
        """Return ``value`` in the key's type (an int where a float is asked for becomes one).

        Raises:
            ConfigError: Wrong type or out of range; names the key, the value and what is allowed.
        """
        kinds, _ = spec_parts(self.spec)
        if "float" in kinds and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
            value = float(value)
        return check_value(self.name, self.spec, value)


def key_files() -> list[Path]:
    """Return the yaml files that define keys of ours: for all runs, and for one strategy each."""
    return [properties_dir() / "overall.yaml", *sorted((properties_dir() / "negatives").glob("*.yaml"))]


@functools.lru_cache(maxsize=1)
def own_keys() -> dict[str, Key]:
    """Return every key of ours by name, in the order of :func:`key_files`."""
    keys: dict[str, Key] = {}
    for path in key_files():
        defaults = read_yaml(path)
        section = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if line.startswith("# ") and ":" not in line:
                section = line[2:]
            elif line.strip() and not line.startswith("#"):
                match = _LINE.match(line)
                if match is None:
                    raise ConfigError(
                        f"{path}, line {number}: expected 'key: default  # (type) meaning', found {line!r}"
                    )
                name, spec, meaning = match["name"], match["spec"].strip(), match["meaning"].strip()
                keys[name] = Key(name, defaults[name], spec, match["symbol"] or "", meaning, section)
    return keys


@functools.lru_cache(maxsize=1)
def recbole_keys() -> frozenset[str]:
    """Return every key of RecBole that belongs to no model: from its argument lists, ``overall.yaml`` and beyond."""
    from recbole.utils.argument_list import (
        dataset_arguments,
        evaluation_arguments,
        general_arguments,
        training_arguments,
    )

    names = {*_UNLISTED, *dataset_arguments, *evaluation_arguments, *general_arguments, *training_arguments}
    folder = recbole_properties_dir()
    files = [folder / "overall.yaml", folder / "dataset" / "sample.yaml", *folder.glob("quick_start_config/*.yaml")]
    return frozenset(names.union(*map(_names, files)))


@functools.lru_cache(maxsize=1)
def keys_of_models() -> frozenset[str]:
    """Return every key that some model of RecBole or of ours has, and not all runs."""
    files = (path for folder in (recbole_properties_dir(), properties_dir()) for path in folder.glob("model/*.yaml"))
    return frozenset(set().union(*map(_names, files), *UNLISTED_OF_MODEL.values()) - recbole_keys())


def _names(path: Path) -> list[str]:
    return re.findall(r"^([A-Za-z_]\w*):", path.read_text(encoding="utf-8"), re.MULTILINE)
