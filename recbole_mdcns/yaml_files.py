"""Where the yaml files of ``properties/`` are, and how they are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from recbole_mdcns.errors import ConfigError

_FLOAT = re.compile(
    r"^[-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|\.\d[\d_]*([eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.inf|\.nan)$"
)


class YamlLoader(getattr(yaml, "CFullLoader", yaml.FullLoader)):  # type: ignore[misc]
    """PyYAML's loader that also reads ``1e-3`` as a number, as RecBole's does, without changing the shared one."""


YamlLoader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def properties_dir() -> Path:
    """Return the folder of our yaml files: inside the installed package, or beside it in a clone."""
    package = Path(__file__).resolve().parent
    for folder in (package / "properties", package.parent / "properties"):
        if (folder / "overall.yaml").is_file():
            return folder
    raise ConfigError(f"the yaml files of recbole_mdcns are neither in {package} nor beside it: install it again")


def recbole_properties_dir() -> Path:
    """Return the folder of RecBole's own yaml files."""
    import recbole

    return Path(recbole.__file__).resolve().parent / "properties"


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read one yaml file of ``key: value`` lines.

    Args:
        path: The file.

    Returns:
        Its keys and values; an empty file gives an empty dict.

    Raises:
        ConfigError: The file is missing, is not yaml (names the line), or holds no keys.
    """
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=YamlLoader)
    except OSError as error:
        raise ConfigError(f"config file {path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"config file {path}{line} is not yaml: {getattr(error, 'problem', error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"config file {path} must hold lines 'key: value', found {type(content).__name__}")
    return content
