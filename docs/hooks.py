"""Hooks of the documentation site (mkdocs.yml): its home page, and links that leave the folder of the pages.

The home page is README.md. The repository has no address on the web that a page could name, so a link to a file outside
``docs/`` is shown as the path of that file, and a picture outside is copied into the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def on_files(files: Any, config: Any) -> Any:
    """Add the home page, and the pictures of all pages that lie outside the folder."""
    from mkdocs.structure.files import File

    home = (ROOT / "README.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "index.md", content=f"---\nhide: [navigation]\n---\n{home}"))
    pages = [home, *(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))]
    for picture in sorted({picture for page in pages for picture in pictures(page)}):
        files.append(File.generated(config, picture, abs_src_path=str(ROOT / picture)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Rewrite the links of a page."""
    return site_links(markdown, is_home=page.file.src_uri == "index.md")


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Remove Sphinx's roles, which docstrings of the API page have: ``:meth:`` before a name in code."""
    return re.sub(r":(?:meth|func|class|mod):(?=<code>)", "", html)


def pictures(markdown: str) -> list[str]:
    """Return the paths, from the root, of the pictures of benchmarks/ that a page shows."""
    targets = [link["target"] for link in _LINK.finditer(markdown) if link["image"]]
    return [target.replace("../", "") for target in targets if target.replace("../", "").startswith("benchmarks/")]


def site_links(markdown: str, is_home: bool) -> str:
    """Return the text of a page with links that work on the site.

    Args:
        markdown: The text, with links that work in the repository.
        is_home: Whether it is README.md, one folder above the other pages.
    """
    parts, start = [], 0
    for code in _FENCED.finditer(markdown):  # code stays as it is
        parts += [_rewritten(markdown[start : code.start()], is_home), code.group()]
        start = code.end()
    return "".join([*parts, _rewritten(markdown[start:], is_home)])


def _rewritten(text: str, is_home: bool) -> str:
    def one(link: re.Match) -> str:
        if "://" in link["target"] or link["target"].startswith("#"):
            return link.group()
        target, _, anchor = link["target"].partition("#")
        path = posixpath.normpath(posixpath.join("" if is_home else "docs", target))  # from the root
        if path == "README.md":
            path = "docs/index.md"
        if path.startswith("docs/"):
            return f"{link['image']}[{link['text']}]({path[5:]}{'#' if anchor else ''}{anchor})"
        if link["image"]:
            return f"![{link['text']}]({path})"
        return f"`{path}`" if link["text"].strip("`") == path else f"{link['text']} (`{path}`)"

    return _LINK.sub(one, text)
