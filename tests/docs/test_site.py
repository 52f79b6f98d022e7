"""The documentation's site: what its hooks do with links, and a strict build, which refuses links that lead nowhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from helpers.paths import ROOT

_SPEC = spec_from_file_location("site_hooks", ROOT / "docs" / "hooks.py")
hooks = module_from_spec(_SPEC)
_SPEC.loader.exec_module(hooks)


@pytest.mark.parametrize(
    ("markdown", "is_home", "expected"),
    [
        ("[a](docs/keys.md#x) [b](#c) [d](https://e.f/g)", True, "[a](keys.md#x) [b](#c) [d](https://e.f/g)"),
        ("[a](../README.md#two-commands) [b](keys.md)", False, "[a](index.md#two-commands) [b](keys.md)"),
        ("[speed](../benchmarks/a.md) [LICENSE](../LICENSE)", False, "speed (`benchmarks/a.md`) `LICENSE`"),
        ("![a](docs/loop.svg) ![b](benchmarks/b.png)", True, "![a](loop.svg) ![b](benchmarks/b.png)"),
        ("![b](../benchmarks/b.png)", False, "![b](benchmarks/b.png)"),
        ("[a](../b)\n```\nc[0](../d)\n```\n[e](../f)", False, "a (`b`)\n```\nc[0](../d)\n```\ne (`f`)"),
    ],
)  # fmt: skip
def test_links_on_the_site(markdown, is_home, expected):
    assert hooks.site_links(markdown, is_home) == expected


def test_pictures_outside_the_pages_are_found():
    assert hooks.pictures("![a](../benchmarks/b.png) ![c](loop.svg) [d](../benchmarks/e.md)") == ["benchmarks/b.png"]


@pytest.mark.skipif(
    not (find_spec("mkdocs") and find_spec("material") and find_spec("mkdocstrings")),
    reason='the site needs the packages of the extra "docs"',
)
def test_the_site_builds_strictly():
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(ROOT / "mkdocs.yml")]
    done = subprocess.run(
        [*command, "--site-dir", str(Path("site").absolute())],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    pages = {"index", *(path.stem for path in (ROOT / "docs").glob("*.md"))}
    built = {"index", *(path.parent.name for path in Path("site").glob("*/index.html"))}
    assert pages == built
    home = Path("site/index.html").read_text(encoding="utf-8")
    assert "prepare_dataframe" in home and 'src="loop.svg"' in home
    assert not re.search(
        r'(?:src|href)="https?://(?!arxiv|recbole)[^"]+\.(?:js|css|woff2?)"', home
    )  # nothing is fetched
    assert Path("site/benchmarks/results/paper/table3.png").is_file() and not Path("site/hooks.py").exists()
    api = Path("site/api/index.html").read_text(encoding="utf-8")
    assert all(
        f'id="recbole_mdcns.{name}"' in api
        for name in ("recommend.recommender.Recommender.recommend", "negatives.base.NegativeStrategy.choose")
    )
