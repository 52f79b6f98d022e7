"""Every command that the documentation prints is one that runs: it is parsed, and what it names exists."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
from helpers.paths import ROOT

from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.cli.main import COMMANDS
from recbole_mdcns.cli.sweep_options import sweep_and_store
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.prepare.formats import find_format

FILES = [
    *sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "properties").rglob("*.yaml")), *sorted((ROOT / "examples").rglob("*.py")),
]  # fmt: skip
#: How a command begins, wherever in a line.
_BEGINS = re.compile(
    r"(?:(?P<train>(?:python (?:\.\./)*)?(?<![\w.])run_recbole_mdcns(?:\.py)?)(?= -)"
    r"|(?:recbole-mdcns|python -m recbole_mdcns) (?=[a-z])"
    r"|python (?P<script>benchmarks/\S+\.py))(?P<rest>.*)"
)
#: A file that a page prints: its name in the first line, and its content.
_YAML = re.compile(r"^```yaml\n# (\S+\.yaml)\n(.*?)^```$", re.M | re.S)
#: Commands that have gone, and scripts that are commands now.
_GONE = re.compile(
    r"-m recbole_mdcns\.(tuning|data)|recbole_mdcns_tuning|recbole_mdcns\.(evaluate_saved|program)\b"
    r"|benchmarks/(report|reproduce)\.py"
)


def printed(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a text: the name of the command or the path of a script, and its arguments."""
    text = re.sub(r"\\+\n\s*", "", text)  # lines that go on
    pieces = re.split(r"^```.*$", text, flags=re.M)  # every other one is a block of code
    pieces[::2] = [
        re.sub(r"`([^`]+)`", lambda code: f"\n{' '.join(code[1].split())}\n", piece) for piece in pieces[::2]
    ]
    found = []
    for line in "\n".join(pieces).splitlines():
        begin = _BEGINS.search(line)
        if begin:
            rest = re.split(r" \\?\| ", begin["rest"])[0]
            rest = rest.rstrip('"') if rest.count('"') % 2 else rest  # of a yaml value
            words = shlex.split(rest.rstrip("'") if rest.count("'") % 2 else rest, comments=True)
            name = "train" if begin["train"] else begin["script"] or words.pop(0)
            found.append((name, words))
    return found


def all_printed() -> list:
    return [
        pytest.param(file, *command, id=f"{file.relative_to(ROOT)}-{number}")
        for file in FILES
        for number, command in enumerate(printed(file.read_text(encoding="utf-8")))
    ]


def parsed(name: str, arguments: list[str]):
    """Return the options of a command."""
    command = COMMANDS[name]
    module = importlib.import_module(command.module)
    parser = Parser(f"recbole-mdcns {name}", command.about, own_help=command.takes_keys)
    module.add_arguments(parser)
    return parser.parse_with_keys(arguments) if command.takes_keys else parser.parse_intermixed_args(arguments)


@pytest.mark.parametrize(("file", "name", "arguments"), all_printed())
def test_a_printed_command_is_parsed(file, name, arguments, monkeypatch):
    if name.startswith("benchmarks/"):
        assert (ROOT / name).is_file()
        return
    if not arguments or {"--help", "..."} & set(arguments):  # no more than its name
        assert name in COMMANDS
        return
    options = parsed(name, arguments)
    if name == "train" and file.name != "extending.md":  # whose classes and keys are those of the page
        check_keys(options, monkeypatch)
    elif name in ("sweep", "status", "best", "export") and options.grid:
        for of_page, content in _YAML.findall(file.read_text(encoding="utf-8")):
            Path(of_page).write_text(content)
        sweep_and_store(options)
    elif name == "prepare":
        find_format(options.name, options.format)


def check_keys(options, monkeypatch):
    """Make the configuration of a training, with empty files in the place of those that it names."""
    for example in sorted((ROOT / "examples").iterdir()):
        monkeypatch.syspath_prepend(str(example))
    Path("my_package").mkdir()
    Path("my_package/my_module.py").write_text(
        "from recbole.model.sequential_recommender import GRU4Rec\nclass MyRec(GRU4Rec):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(Path.cwd()))
    files = (options.config_files or "").split()
    for path in files:
        Path(path).touch()
    MDCNSConfig(options.model, options.dataset, files, {}, options.keys)


def test_the_commands_of_a_text_are_found():
    text = """Text with `recbole-mdcns sweep
    a.yaml` and `recbole-mdcns best b.yaml`.

```bash
python run_recbole_mdcns.py -m A \\
    --config_files "a b"   # a comment
cd examples
python benchmarks/speed/speed.py --x
```
key: "say: recbole-mdcns stats c"
| `recbole-mdcns train --help \\| head` |
recbole_mdcns is no command, run_recbole_mdcns alone is none, and `recbole-mdcns COMMAND` neither.
"""
    assert printed(text) == [
        ("sweep", ["a.yaml"]), ("best", ["b.yaml"]), ("train", ["-m", "A", "--config_files", "a b"]),
        ("benchmarks/speed/speed.py", ["--x"]),
        ("stats", ["c"]), ("train", ["--help"]),
    ]  # fmt: skip
    assert printed("`ray exec 'cd x && recbole-mdcns best b.yaml --set a=b'`") == [("best", ["b.yaml", "--set", "a=b"])]


def test_the_pages_print_every_command():
    names = {name for file in FILES for name, _ in printed(file.read_text(encoding="utf-8"))}
    assert set(COMMANDS) <= names


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_command_that_has_gone_is_printed(file):
    assert not _GONE.search(file.read_text(encoding="utf-8"))
