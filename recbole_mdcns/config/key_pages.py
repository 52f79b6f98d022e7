"""Pages about our keys, generated from the yaml files that define them: ``docs/keys.md`` and ``docs/keys.yaml``.

    python -m recbole_mdcns.config.key_pages docs

The second page is a yaml file in RecBole's form, ``key: value  # (type) meaning``. Its entries are comments: a default
that is given wins over the files of the protocol and of the dataset.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Container, Iterator
from itertools import groupby
from pathlib import Path

import yaml

from recbole_mdcns.config.checks import REPLACED
from recbole_mdcns.config.key import Key
from recbole_mdcns.config.keys import model_file_keys, own_keys
from recbole_mdcns.support.declared import declared
from recbole_mdcns.support.safe_write import replacing
from recbole_mdcns.support.yaml_files import properties_dir

_KIND = {"negatives": "Strategy", "losses": "Loss", "model": "Model"}
_MADE = "made by python -m recbole_mdcns.config.key_pages from the yaml files in properties/"


def sections() -> Iterator[tuple[str, list[Key]]]:
    """Yield title and keys of each section: keys of all runs, then of each strategy, loss and model of ours."""
    for title, keys in groupby(own_keys().values(), key=lambda key: key.section):
        kind, _, name = title.partition(": ")
        yield (f"{_KIND[kind]} {name}" if name else title), list(keys)
    for path in sorted((properties_dir() / "model").glob("*.yaml")):
        yield f"Model {path.stem}", list(model_file_keys(path).values())


def markdown() -> str:
    """Return docs/keys.md."""
    lines = [
        f"<!-- {_MADE} -->",
        "",
        "# Keys",
        "",
        "Give a key as `--key=value` on the command line, in a yaml file (`--config_files`), or in `config_dict`. "
        "RecBole's other keys work too, except [some](#keys-of-recbole-that-are-refused). `--peer.KEY=value` sets a "
        "key of the peer only.",
        "",
        "A run reads the keys of all runs and those of its models, its strategy (`neg_sampler`) and its loss "
        "(`ranking_loss`). It warns of a key that it does not read.",
        *_plugins("negatives", "Strategies", "neg_sampler"),
        *_plugins("losses", "Losses", "ranking_loss"),
        *("", "## Metrics", "", "| `metrics` | what it is |", "|---|---|"),
        *(f"| `{metric.name}` | {metric.help} |" for metric in declared("metrics").values()),
    ]
    for title, keys in sections():
        lines += ["", f"## {title}", "", "| key | default | allowed | symbol | meaning |", "|---|---|---|---|---|"]
        for key in keys:
            allowed = str(key.allowed).replace("|", ", ")
            cells = (f"`{key.name}`", f"`{_value(key.default)}`", allowed, key.symbol, key.help.replace("|", "\\|"))
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Keys of RecBole that are refused", "", "| key | instead |", "|---|---|"]
    lines += [f"| `{key}` | {instead} |" for key, instead in REPLACED.items()]
    return "\n".join(lines) + "\n"


def _plugins(kind: str, title: str, name: str) -> list[str]:
    """Return a table of the names of a kind, with the keys that each reads from other files."""
    lines = ["", f"## {title}", "", f"| `{name}` | what it does | keys of other sections |", "|---|---|---|"]
    for declaration in declared(kind).values():
        reads = ", ".join(f"`{key}`" for key in declaration.reads or ())
        lines.append(f"| `{declaration.name}` | {declaration.help} | {reads} |")
    return lines


def recbole_yaml() -> str:
    """Return docs/keys.yaml: every key with its default, in the form of RecBole's yaml files, as comments."""
    lines = [f"# {_MADE}"]
    lines += ["# Copy the keys that you change into a file for --config_files, without their #."]
    for title, keys in sections():
        lines += ["", f"# {title}"]
        for key in keys:
            symbol = f" [{key.symbol}]" if key.symbol else ""
            entry = f"# {key.name}: {_value(key.default)}"
            lines.append(f"{entry:<40}# ({key.allowed}){symbol} {key.help}")
    return "\n".join(lines) + "\n"


def help_lines(of: Container[str] | None = None) -> list[str]:
    """Return the keys for ``--help``: name, default, symbol, allowed values, and meaning.

    Args:
        of: Names of the keys to show; None for all.
    """
    lines: list[str] = []
    for title, keys in sections():
        shown = [key for key in keys if of is None or key.name in of]
        lines += ["", f"{title}:"] if shown else []
        for key in shown:
            symbol = f" [{key.symbol}]" if key.symbol else ""
            lines.append(f"  --{key.name}={_typed(key.default)}{symbol}  ({key.allowed})")
            lines += textwrap.wrap(key.help, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return lines


def _typed(default: object) -> str:
    """Return a default as it is typed on a command line, where a list of names needs quotes."""
    is_list_of_names = isinstance(default, list) and any(isinstance(each, str) for each in default)
    return f'"{default}"' if is_list_of_names else _value(default)


def _value(default: object) -> str:
    if default is None:
        return "~"
    if isinstance(default, (str, bool)):
        return str(default)
    return yaml.safe_dump(default, default_flow_style=True, width=1000).splitlines()[0]


def pages() -> dict[str, str]:
    """Return the text of each page by its name."""
    return {"keys.md": markdown(), "keys.yaml": recbole_yaml()}


if __name__ == "__main__":
    for name, text in pages().items():
        with replacing(Path(sys.argv[1]) / name) as file:
            file.write(text.encode())
