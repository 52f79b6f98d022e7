"""The examples of docs/extending.md train as they stand on the page, as the user's own and as new ones of ours."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT, python_path
from helpers.runs import TINY

from recbole_mdcns.cli.main import main, train_main

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.split("\n## ")[1:]}
#: Each section's name, and what its run reads that no other run does, by the key of the record's configuration.
READS: dict[str, dict] = {
    "A sampler": {"mixed_share": 0.8},
    "A loss": {"hinge_margin": 0.5},
    "A metric": {},
    "A dataset": {"USER_ID_FIELD": "guest"},
    "A backbone": {"decay": 0.5},
}
#: Keys that shorten a command of the page, where it does not set them itself.
SHORT = {**TINY, "result_file": "record.json"}


def blocks(section: str, mark: str) -> dict[str, str]:
    """Return the code blocks of a section below the comments ``<!-- MARK: NAME -->``, by name."""
    return dict(re.findall(rf"<!-- {mark}: (\S+) -->\n```\w*\n(.*?)```", SECTIONS[section], re.DOTALL))


def options(section: str, mark: str) -> dict[str, str]:
    """Return the options of the command below ``<!-- MARK -->``, on the tiny dataset where the page takes ml-100k."""
    (command,) = re.findall(rf"<!-- {mark} -->\n```bash\n(.*?)```", SECTIONS[section], re.DOTALL)
    program, script, *words = shlex.split(command)
    assert (program, script, words[0], words[2]) == ("python", "run_recbole_mdcns.py", "-m", "-d")
    assert words[-1] == "--epochs=3"  # of about a third of a minute each
    given = dict(word[2:].split("=", 1) for word in words[4:])
    return {"model": words[1], "dataset": words[3].replace("ml-100k", "tiny"), **given}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_data() -> None:
    """Write the data of the page by its lines of Python."""
    (code,) = re.findall(r"<!-- data -->\n```python\n(.*?)```", SECTIONS["A dataset"], re.DOTALL)
    exec(code, {})


def keys_of(given: dict[str, str]) -> list[str]:
    """Return the arguments of a short training with some options."""
    keys = {**SHORT, **given, "epochs": 1}
    if given["dataset"] == "cafe":
        del keys["neg_candidate_num"]  # the default fits the data of the page
    return [f"--{key}={value}" for key, value in keys.items()]


@pytest.fixture
def modules_of_the_page():
    """Let no test find a module of another one's: those of examples/ have some of these names."""
    names = {Path(name).stem for section in READS for name in blocks(section, "file") if name.endswith(".py")}
    for name in names:
        sys.modules.pop(name, None)
    yield
    for name in names:
        sys.modules.pop(name, None)


def test_the_page_has_these_sections():
    assert list(SECTIONS) == list(READS)


@pytest.mark.parametrize("section", READS)
def test_the_user_s_own(section, modules_of_the_page):
    """In this process, for speed; that the current folder is on the path is part of the command."""
    write(Path(), {name: text for name, text in blocks(section, "file").items() if "/" not in name})
    write_data()
    assert train_main(keys_of(options(section, "run"))) == 0
    record = json.loads(Path("record.json").read_text())
    assert READS[section].items() <= record["config"].items()
    if section == "A metric":
        assert {"rbp@5", "rbp@10", "rbp@20", "ndcg@10"} <= set(record["test"]["self"])


def test_the_samplers_refuse_more_negatives_than_candidates(modules_of_the_page, monkeypatch, capsys):
    write(Path("page"), {name: text for name, text in blocks("A sampler", "file").items() if "/" not in name})
    for folder, sampler in (("page", "mixed:Mixed"), (ROOT / "examples" / "own_sampler", "softened:Softened")):
        monkeypatch.syspath_prepend(folder)
        sizes = [f"--neg_sampler={sampler}", "--neg_num=20", "--neg_candidate_num=10"]
        assert main(["train", "--model=SASRec", "--dataset=tiny", "--data_path=data", *sizes]) == 2
        said = "recbole-mdcns train: neg_num = 20 is not allowed: it is at most neg_candidate_num = 10\n"
        assert capsys.readouterr().err == said


def test_new_ones_of_ours_are_one_file_and_one_yaml_each():
    """All five at once, in a copy of the repository to which nothing but the files of the page was added."""
    copy = Path("copy").absolute()
    for name in ("recbole_mdcns", "properties"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "run_recbole_mdcns.py", copy)
    given = {}
    for section in READS:
        files = {name: text for name, text in blocks(section, "file").items() if "/" in name}
        modules = re.findall(r"<!-- copy: (\S+) to (\S+) -->", SECTIONS[section])
        files.update((there, blocks(section, "file")[here]) for here, there in modules)
        endings = [".yaml"] if section == "A dataset" else [".py", ".yaml"]
        assert sorted(Path(name).suffix for name in files) == endings
        assert not any((copy / name).exists() for name in files)
        write(copy, files)
        given.update(
            {key: value for key, value in options(section, "run ours").items() if value not in ("SASRec", "tiny")}
        )
    write_data()
    command = [sys.executable, str(copy / "run_recbole_mdcns.py"), *keys_of(given)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": python_path(copy)}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1000:]
    record = json.loads(Path("record.json").read_text())
    for key, value in {**READS["A sampler"], **READS["A loss"], **READS["A dataset"], **READS["A backbone"]}.items():
        assert record["config"][key] == value
    assert (record["model"], record["dataset"]) == ("Decayed", "cafe")
    assert "rbp@10" in record["test"]["self"]
