"""Every command's help and version: what they print, and that they need nothing that trains."""

import os
import re
import subprocess
import sys

import pytest
from helpers.paths import python_path
from helpers.python_process import run_python

from recbole_mdcns import __version__
from recbole_mdcns.cli.main import COMMANDS, main, train_main
from recbole_mdcns.errors import PIPE_CLOSED


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_version(name, capsys):
    for flag in ("--help", "-h"):
        assert main([name, flag]) == 0
        printed = capsys.readouterr()
        assert printed.out.startswith(f"usage: recbole-mdcns {name} ") and printed.err == ""
    assert main([name, "--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_the_whole_has_a_line_for_each_command_and_the_version(capsys):
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(COMMANDS)
    assert all(len(line) <= 80 for line in lines)
    assert "2 a mistake in the input, 130 Ctrl-C," in "\n".join(lines) and "docs/" in lines[-1]
    for run in (main, train_main):
        assert run(["--version"]) == 0
        assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_loads_nothing_that_trains(name):
    code = (
        "import sys; from recbole_mdcns.cli.main import main; main(sys.argv[1:]); "
        "print(sorted({'torch', 'recbole', 'ray', 'pandas'} & set(sys.modules)), file=sys.stderr)"
    )
    done = run_python("-c", code, name, "--help")
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_a_reader_that_goes_away_is_no_traceback(flag):
    env = {**os.environ, "PYTHONPATH": python_path()}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "recbole_mdcns", "sweep", flag],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (PIPE_CLOSED, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_one_spelling_and_explains_every_option(name, capsys):
    assert main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert not re.search(r"--\w+-\w", printed)
    lines = printed.replace(",\n", ", ").splitlines()
    options = [place for place, line in enumerate(lines) if re.match(r"  --\w+", line)]
    for place in options:
        alone = re.fullmatch(
            r"  --\w+(?: [A-Z_]+| \{.*\}| \[?[A-Z]+ \.\.\.\]?| [A-Z]+ \[[A-Z]+ \.\.\.\])?", lines[place]
        )
        assert not alone or lines[place + 1].startswith(" " * 10), lines[place]


def test_help_of_an_evaluation_names_every_key_that_it_takes(capsys):
    from recbole_mdcns.config.evaluation_keys import EVALUATION_KEYS

    assert main(["evaluate", "--help"]) == 0
    printed = capsys.readouterr().out
    for key in EVALUATION_KEYS:
        assert key in printed
    assert "--neg_top_num" not in printed
