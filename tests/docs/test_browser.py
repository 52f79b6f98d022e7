"""A headless browser opens every page of the site, and a report: no console error, no sideways scrolling, sorting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers import browser_process
from helpers.paths import ROOT
from helpers.planted_records import planted

from recbole_mdcns.report.description import read_description
from recbole_mdcns.report.html_page import page
from recbole_mdcns.report.report import write_report

pytestmark = [
    pytest.mark.skipif(
        not any(map(find_spec, ("playwright", "PySide6", "PyQt6"))),
        reason="there is no browser: pip install playwright && playwright install chromium, or pip install PySide6",
    ),
    pytest.mark.cpu_only("pages are the same everywhere"),
]
WIDTHS = [1280, 390]  #: A desktop, a phone.


@dataclass
class Server:
    """Serves the folder of the test.

    Attributes:
        address: Of its root.
        failed: What was asked for and not found.
    """

    address: str = ""
    failed: list[str] = field(default_factory=list)

    def look(self, visits: list[dict[str, str]]) -> list[dict[str, Any]]:
        """Return what a browser sees; the addresses are paths."""
        visits = [{**visit, "url": self.address + visit["url"]} for visit in visits]
        done = subprocess.run(
            [sys.executable, browser_process.__file__],
            input=json.dumps({"widths": WIDTHS, "visits": visits}),
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode == browser_process.NONE:
            pytest.skip("playwright or Qt is installed without its browser")
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def server():
    shown = Server()

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            if int(code) >= 400:
                shown.failed.append(self.path)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(Path.cwd()))) as serving:
        shown.address = f"http://127.0.0.1:{serving.server_port}/"
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield shown
        serving.shutdown()
        thread.join()


def test_what_is_wrong_with_a_page_is_seen(server):
    Path("wide.html").write_text('<link rel="icon" href="data:,"><div style="width: 600px">wide</div>')
    Path("bad.html").write_text('<link rel="icon" href="data:,"><img src="gone.png"><script>nothing.here()</script>')
    wide, bad = server.look([{"url": "wide.html", "script": "'a' + 1"}, {"url": "bad.html"}])
    assert wide["overflow"][0] == 0 < wide["overflow"][1] and wide["errors"] == [] and wide["value"] == "a1"
    assert any("nothing is not defined" in error for error in bad["errors"]) and bad["overflow"] == [0, 0]
    assert server.failed == ["/gone.png"]


@pytest.mark.skipif(
    not (find_spec("mkdocs") and find_spec("material") and find_spec("mkdocstrings")),
    reason='the site needs the packages of the extra "docs"',
)
def test_every_page_of_the_site(server):
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--config-file", str(ROOT / "mkdocs.yml")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run([*command, "--site-dir", str(Path("site").absolute())], env=environment, check=True)
    pages = sorted(path.parent.relative_to(".").as_posix() + "/" for path in Path("site").rglob("index.html"))
    assert len(pages) >= len(list((ROOT / "docs").glob("*.md")))
    seen = server.look([{"url": path} for path in pages])
    bad = {path: (of["errors"], of["overflow"]) for path, of in zip(pages, seen) if of["errors"] or any(of["overflow"])}
    assert not bad and not server.failed, (bad, server.failed)


SORT = """
(() => {
  document.querySelectorAll("details").forEach(part => part.open = true);
  const button = document.querySelectorAll("thead button")[COLUMN], table = button.closest("table");
  const told = () => [button.parentElement.getAttribute("aria-sort"),
    ...[...table.tBodies[0].rows].map(row => row.cells[0].textContent)].join(" ");
  const before = told(); button.click(); const once = told(); button.click();
  return [before, once, told()].join("; ");
})()
"""


def test_a_report(server):
    pytest.importorskip("matplotlib")
    write_report([read_description("table3")], planted(), Path("out"), ["beauty", "toys"])
    visits = [{"url": "out/index.html", "script": SORT.replace("COLUMN", str(column))} for column in (0, 1)]
    opened = {"url": "out/index.html?opened", "script": f"{SORT.replace('COLUMN', '0')}; {browser_process.OVERFLOW}"}
    names, numbers, wide = server.look([*visits, opened])
    assert names["errors"] == numbers["errors"] == [] and not server.failed
    assert names["overflow"] == [0, 0] and wide["value"] == 0  # the tables scroll inside their boxes
    before = "none RNS DNS+ MDCNS"
    assert names["value"] == f"{before}; ascending DNS+ MDCNS RNS; descending RNS MDCNS DNS+"
    assert numbers["value"] == f"{before}; descending MDCNS DNS+ RNS; ascending RNS DNS+ MDCNS"


def test_cells_that_have_no_number_come_last(server):
    Path("own.html").write_text(page("own", [_own_table()]))
    (seen,) = server.look([{"url": "own.html", "script": SORT.replace("COLUMN", "1")}])
    assert seen["value"] == "none a b c d; descending c b a d; ascending a b c d"


def _own_table() -> str:
    from recbole_mdcns.report.html_tables import sortable

    cells = {"a": "1e-05", "b": "0.3", "c": "+10%", "d": "not paired"}
    rows = [f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in cells.items()]
    return sortable("own", ["name", "number"], rows)
