"""Every link and every path that the documentation names leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.paths import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / ".github").rglob("*.md"))]
TOP = ("recbole_mdcns/", "properties/", "benchmarks/", "tests/", "docs/", "examples/")


def links(text: str) -> list[str]:
    """Return the targets of links and images, without addresses of the web and anchors."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    return [target for target in targets if "://" not in target]


def paths(text: str) -> list[str]:
    """Return the code spans that are paths from the root of the repository.

    Placeholders do not count, nor do files that the page itself gives, which it names in a comment.
    """
    spans = re.findall(r"`([^`\n]+)`", text)
    given = " ".join(re.findall(r"<!-- (.*?) -->", text)).split()
    is_placeholder = re.compile(r"[<>{}A-Z ]{2}")
    return [span for span in spans if span.startswith(TOP) and span not in given and not is_placeholder.search(span)]


def missing(page: Path, root: Path = ROOT) -> list[str]:
    text = page.read_text(encoding="utf-8")
    lost = [target for target in links(text) if not (page.parent / target).exists()]
    return lost + [path for path in paths(text) if not list(root.glob(path))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page):
    assert missing(page) == []


def test_a_path_that_leads_nowhere_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "[here](page.md#x) [gone](gone.md) [web](https://x.org/y) `docs/no.md` `docs/*.svg` `docs/NAME.md`\n"
        "<!-- copy: new.py to docs/new.py --> `docs/new.py`\n"
    )
    assert missing(page) == ["gone.md", "docs/no.md"]
