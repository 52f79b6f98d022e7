"""Files of a report: pages that work without a network, LaTeX, packed records, pictures."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.planted_records import failure, planted, record
from helpers.sweeps import trained

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import UserError
from recbole_mdcns.records.files import pack_records, read_records
from recbole_mdcns.report.description import read_description, shipped
from recbole_mdcns.report.report import write_report

pytest.importorskip("matplotlib")


def write(tables, records, datasets=None):
    """Write some tables of the paper, and return the folder."""
    write_report([read_description(table) for table in tables], records, Path("out"), datasets)
    return Path("out")


def test_the_report_works_without_a_network_and_latex_compiles(tmp_path):
    out = write(["table3", "table6"], planted(), ["beauty", "toys"])
    html = (out / "index.html").read_text()
    assert not re.search(r'(?:src|href)="(?!data:)|url\(|@import', html)
    # of each page a summary, then for two datasets with records all metrics and the comparisons
    assert html.count("<table>") == 2 * (1 + 2 + 2)
    assert "recbole-mdcns reproduce table6" in html and "p users, Holm" in html
    assert "released grid have 0.0633 to 0.0775" in html
    assert (out / "table3.png").read_bytes().startswith(b"\x89PNG")
    assert "![test and validation ndcg@20](table3.png)" in (out / "table3.md").read_text()
    assert "after Holm" in html and "&lt; 0.05" in html
    page = (out / "amazon-beauty.md").read_text()
    assert "1,000 users" in page and "| SASRec + Mamba4Rec | mdcns " in page and "* commit: abc" in page
    assert {r.trial.key for r in read_records(out)} == {r.trial.key for r in planted()}
    first = (out / "README.md").read_text()
    assert "(amazon-beauty.jsonl.xz)" in page and "(amazon-beauty.jsonl.xz), [amazon-toys" in first
    shown = r"^\| RNS +\| 0\.0\d+ ± 0\.\d{4} \(0\.0435\) +\| 0\.\d+ ± 0\.\d{4} \(0\.0587\)"
    assert re.search(shown, first, re.MULTILINE)
    assert re.search(r"^\| MDCNS +\| \*\*0\.\d+\*\*\*†", first, re.MULTILINE) and "[amazon-toys-games]" in first
    tex = (out / "table3.tex").read_text()
    assert tex.count(r"\begin{table}") == 2 and tex.count(r"\midrule") == 6 and r"\textbf{" in tex
    assert re.search(r"^RNS & .* \{\\scriptsize \(0.0435, [+-]\d+.\d\\%\)\}", tex, re.MULTILINE) and "Holm" in tex
    assert "seeds 1, 2, 3; epochs / patience 80 / 80" in tex
    compiler = shutil.which("pdflatex") or shutil.which("tectonic")
    if compiler:
        document = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}" + tex + r"\end{document}"
        (tmp_path / "a.tex").write_text(document)
        subprocess.run([compiler, "a.tex"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)


def test_the_report_keeps_what_is_packed_beside_its_pages():
    write(["table7"], [record("rns", 1, [1, 0]), record("dns", 1, [1, 0])], ["beauty"])
    newer = record("rns", 1, [1, 1])
    pack_records([newer], Path("mine.jsonl.xz"))
    assert main(["report", "table7", "--records", "mine.jsonl.xz", "--out", "out"]) == 0
    tests = {r.trial.cell.method: trained(r).test for r in read_records(Path("out"))}
    assert set(tests) == {"rns", "dns"} and tests["rns"] == newer.test
    pack_records([replace(newer, test=None, test_rows=None)], Path("unread.jsonl.xz"))  # its sweep goes on
    assert main(["report", "table7", "--records", "unread.jsonl.xz", "--out", "out"]) == 0
    assert {r.trial.cell.method: trained(r).test for r in read_records(Path("out"))} == tests


def test_figure3_shows_the_parts_of_the_loss():
    out = write(["figure3"], planted())
    assert (out / "figure3.png").stat().st_size > 1000
    html = (out / "index.html").read_text()
    assert html.count('class="curve"') == 2 and html.count("<title>self/self</title>") == 2  # one part, two datasets
    with pytest.raises(UserError, match="figure3 needs a record of mdcns: recbole-mdcns reproduce figure3"):
        write(["figure3"], [record("rns", 1, [1, 0])])


def test_pages_of_other_kinds_are_written_alone():
    with pytest.raises(UserError, match="written alone"):
        write(["table3", "side_by_side"], planted())


def test_records_of_changed_data_and_pages_that_replace_others_are_refused():
    one, two = record("rns", 1, [1, 0]), record("dns", 1, [1, 0])
    data = [replace(each.data, fingerprint=name) for each, name in ((one, "a"), (two, "b"))]
    with pytest.raises(UserError, match="differ in data: the files of 'amazon-beauty' changed between them"):
        write(["table7"], [replace(one, data=data[0]), replace(two, data=data[1])])
    with pytest.raises(UserError, match="no record is of a trial that succeeded: there is nothing to show"):
        write(["table7"], [failure(one)])
    own = "datasets: [amazon-beauty]\nmodels: [SASRec]\nprotocol: paper\nmethods: {a: rns}\nmetrics: [ndcg@10]\n"
    for name in ("amazon-beauty", "README"):
        Path(f"{name}.yaml").write_text(own)
        with pytest.raises(UserError, match=f"{name}.md would replace another page: rename the file"):
            write([f"{name}.yaml"], [one])
    assert not Path("out").exists()


def test_every_description_that_is_shipped_can_be_read():
    assert {"table3", "table4", "table5", "table6", "table7", "figure3", "side_by_side"} <= set(shipped())
    for name in shipped():
        page = read_description(name)
        if page.page == "table":
            assert page.reference is not None
            have = {(line.dataset, line.model, line.method.name) for line in page.lines()}
            assert have >= set(page.reference.values)  # every value that the paper prints has its line
            assert all(set(page.metrics) == set(of_line) for of_line in page.reference.values.values())
