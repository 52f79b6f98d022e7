"""The paper's tables from planted records: exact text, what is more than chance, what is missing or contradictory."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from helpers.planted_records import METRICS, draw, planted, record

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.packed import pack_records, read_records
from recbole_mdcns.records.store import Store
from recbole_mdcns.report import paper as layout
from recbole_mdcns.report.cells import fill, unique
from recbole_mdcns.report.render import command, markdown, places
from recbole_mdcns.report.report import main as report_main
from recbole_mdcns.report.report import with_packed, write_report
from recbole_mdcns.report.reproduce import asked_rows, has_records, main, parser, take_over


def test_the_text_of_a_table_is_exact():
    records = [
        record("rns", 1, [1, 0, 0, 0]), record("rns", 2, [1, 0, 0, 2]),
        record("mdcns", 1, [1, 1, 0, 0], peer="GRU4Rec"), record("mdcns", 2, [1, 1, 0, 0], peer="GRU4Rec"),
    ]  # fmt: skip
    lines = fill(layout.rows("table7", ["beauty"]), records, METRICS)
    text = markdown("table7", lines, METRICS).splitlines()
    start = text.index("## beauty, SASRec")
    assert text[start + 2 : start + 8] == [
        "| method | recall@5 | recall@10 | ndcg@5 | ndcg@10 | setting | seeds | epochs / patience |",
        "|---|---|---|---|---|---|---|---|",
        # hits 1 and 2 of 4; gains 1 and 1 + 1 / log2(3) = 1.6309 of 4
        "| RNS | <u>0.3750</u> ± 0.1768 (0.0434, +764.1%) | <u>0.3750</u> ± 0.1768 (0.0612, +512.7%) "
        "| <u>0.3289</u> ± 0.1115 (0.0289, +1037.9%) | <u>0.3289</u> ± 0.1115 (0.0347, +847.7%) "
        "| defaults | 1, 2 | 80 / 80 |",
        "| DNS+ | missing (0.0550) | missing (0.0769) | missing (0.0355) | missing (0.0425) |  | missing |  |",
        "| MDCNS-wts | **0.5000** ± 0.0000 (0.0760, +557.9%) | **0.5000** ± 0.0000 (0.1140, +338.6%) "
        "| **0.5000** ± 0.0000 (0.0542, +822.5%) | **0.5000** ± 0.0000 (0.0663, +654.1%) "
        "| defaults | 1, 2 | 80 / 80 |",
        "| MDCNS | missing (0.0823) | missing (0.1144) | missing (0.0582) | missing (0.0685) |  | missing |  |",
    ]
    assert (
        "| beauty, SASRec, DNS+ | `python benchmarks/reproduce.py table7 --datasets beauty --models SASRec "
        '--methods "DNS+" --seeds 1,2 --budget cpu --data_path DIR` |' in text
    )
    head = next(index for index, line in enumerate(text) if re.match(r"\| +\| metric +\| against ", line))
    gain = [cell.strip() for cell in text[head + 2].split("|")]
    assert gain[1:6] == ["MDCNS-wts", "recall@5", "RNS, best of the paper's", "+33.3%", "2"] and len(gain) == 11
    assert any(
        line.startswith("* MDCNS, ndcg@20: the 40 settings of the released grid have 0.0633 to") for line in text
    )


def test_a_planted_difference_is_found_and_noise_is_not():
    lines = fill(layout.rows("table3", ["beauty", "toys"]), planted(), METRICS)
    gains = {line.row.dataset: line.gains["ndcg@10"] for line in lines if line.row.method == "MDCNS"}
    assert gains["beauty"].baseline.row.method == "DNS+" and gains["beauty"].relative > 1
    assert gains["beauty"].corrected < 1e-6 and gains["beauty"].p_seeds < 0.05
    assert gains["beauty"].interval[0] > 0.1
    assert gains["toys"].corrected > 0.05 and gains["toys"].p_seeds > 0.05
    assert gains["toys"].interval[0] < 0 < gains["toys"].interval[1]
    text = markdown("table3", lines, METRICS)
    starred = [line for line in text.splitlines() if line.startswith("| MDCNS |") and "80 / 80" in line]
    assert "*†" in starred[0] and "*†" not in starred[1] and "** ±" in starred[1]


def test_other_splits_are_not_compared_over_users():
    records = planted()
    for one in records:
        if one["trial"]["cell"]["sampler"] == "mdcns":
            one["config"]["split_seed"] = 2
    lines = fill(layout.rows("table3", ["beauty"]), records, METRICS)
    (gain,) = (line.gains["ndcg@10"] for line in lines if line.row.method == "MDCNS")
    assert gain.p_users is None and gain.corrected is None and gain.p_seeds is None and gain.relative > 1


def test_methods_that_the_paper_lacks_stand_apart():
    records = planted()
    for seed in (1, 2, 3):
        ce = record("ce", seed, draw(700 + seed, 0.3))
        ce["trial"]["cell"]["loss"] = "CE"
        records.append(ce)
    lines = fill(layout.rows("table3", ["beauty"]), records, METRICS)
    (line,) = (line for line in lines if line.row.method == "MDCNS")
    assert line.gains["ndcg@10"].baseline.row.method == "DNS+" and line.gains["ndcg@10"].relative > 1
    assert list(line.against) == ["RNS", "DNS+", "CE"] and line.against["CE"].relative < 0
    assert line.against["DNS+"].p_users == line.gains["ndcg@10"].p_users
    text = markdown("table3", lines, METRICS).splitlines()
    rule = text.index("| *not in the paper* | | | | | | | |")
    assert next(i for i, line in enumerate(text) if line.startswith("| CE | **")) > rule
    assert text.index("* CE: softmax over all items.") > rule
    assert any(re.match(r"\| MDCNS +\| ndcg@10 +\| CE +\| -3\d\.\d% +\| 3 ", line) for line in text)


def test_lines_are_compared_at_one_budget_and_over_the_seeds_they_share():
    more = record("mdcns", 9, draw(1, 0.9), peer="Mamba4Rec")
    more["config"] = {**more["config"], "epochs": 300, "stopping_step": 30}
    records = [r for r in planted() if r["trial"]["cell"]["sampler"] != "mdcns"]
    lines = fill(layout.rows("table3", ["beauty"]), [*records, more], METRICS)
    (line,) = (line for line in lines if line.row.method == "MDCNS")
    assert line.budget == "300 / 30" and not line.is_compared and not line.gains and list(line.runs) == [9]
    shown = f"| MDCNS | {line.mean('recall@5'):.4f} ("  # neither bold nor marked
    assert shown in markdown("table3", lines, METRICS)
    one = [r for r in planted() if r["trial"]["cell"]["sampler"] != "mdcns" or r["seed"] == 1]
    lines = fill(layout.rows("table3", ["beauty"]), one, METRICS)
    (line,) = (line for line in lines if line.row.method == "MDCNS")
    baseline = line.gains["ndcg@10"].baseline
    expected = line.runs[1]["test"]["self"]["ndcg@10"] / baseline.runs[1]["test"]["self"]["ndcg@10"] - 1
    assert line.gains["ndcg@10"].relative == pytest.approx(expected)
    assert line.gains["ndcg@10"].corrected < 1e-6 and "** (" in markdown("table3", lines, METRICS)  # one seed: no mark


def test_equal_as_printed_is_equal():
    lines = fill(layout.rows("table7", ["beauty"]), [record("rns", 1, [1, 0]), record("dns_plus", 1, [1, 0])], METRICS)
    assert places(lines, "ndcg@10") == {0: 1, 1: 1}


def test_the_largest_budget_counts_and_validation_chooses():
    small = record("rns", 1, [1, 1], valid=0.9)
    small["config"], small["trial"]["key"] = {**small["config"], "epochs": 2}, "small"
    worse = record("rns", 1, [1, 1], valid=0.1)
    worse["trial"] = {**worse["trial"], "key": "worse", "setting": {"neg_num": 2}}
    lines = fill(layout.rows("table7", ["beauty"]), [small, worse, record("rns", 1, [0, 0])], METRICS)
    assert lines[0].mean("ndcg@10") == 0.0 and lines[0].budget == "80 / 80"
    unread = record("rns", 1, [1, 1], test=None)  # of a sweep that has not ended
    unread["config"], unread["trial"]["key"] = {**unread["config"], "epochs": 300}, "unread"
    lines = fill(layout.rows("table7", ["beauty"]), [unread, record("rns", 1, [0, 0])], METRICS)
    assert lines[0].budget == "80 / 80" and lines[0].is_compared


def test_records_occur_once_and_must_agree(tmp_path):
    first, failed = record("rns", 1, [1, 0]), {**record("rns", 2, [1, 0]), "status": "failed"}
    unread = {**first, "test": None}
    assert unique([unread, first, first, failed]) == [first]
    with pytest.raises(UserError, match="two records of trial amazon-beauty-rns-None-1 .*have different results"):
        unique([first, {**first, "test": {"self": {"ndcg@10": 0.7}}}])
    assert not fill(layout.rows("table7", ["beauty"]), [unread], METRICS)[0].runs  # chosen, and its sweep unfinished
    other = {**first, "trial": {**first["trial"], "key": "other"}}
    with pytest.raises(UserError, match=r"trials amazon-beauty-rns-None-1 and other are .*rns/BCE, seed 1, and differ"):
        fill(layout.rows("table7", ["beauty"]), [first, other], METRICS)


def test_a_second_machine_fills_its_pages_from_its_own_records_and_the_packed_ones(tmp_path):
    store = Store(tmp_path / "sweeps" / "reproduction-cpu")
    mine, packed = record("rns", 1, [1, 1]), [record("rns", 1, [1, 0]), record("dns_plus", 1, [1, 0])]
    store.write(mine)
    pack_records(packed, tmp_path / "records.jsonl.xz")
    assert with_packed(store.all_records(), tmp_path) == [mine, packed[1]]
    assert has_records("table7", packed) and not has_records("table5", packed)
    failed = {**mine, "status": "failed", "error": "why", "trial": packed[1]["trial"]}
    failed.pop("test")
    store.write(failed)
    assert packed[1] in with_packed(store.all_records(), tmp_path)  # a failure takes no other record's place
    take_over(Store(tmp_path / "other"), [failed])
    assert not Store(tmp_path / "other").all_records()
    store.renew(failed["trial"]["key"])
    untested = record("dns", 1, [1, 0], test=None)
    pack_records([*packed, untested], tmp_path / "records.jsonl.xz")
    take_over(
        store, read_records(tmp_path / "records.jsonl.xz")
    )  # but what the store has, or a cell that was not tested
    assert store.all_records() == [packed[1], mine]
    beaten = record("dns_plus", 1, [1, 0], test=None, valid=0.1)
    beaten["trial"] = {**beaten["trial"], "key": "beaten", "setting": {"neg_top_num": 3}}
    pack_records([*packed, beaten], tmp_path / "records.jsonl.xz")
    take_over(store, read_records(tmp_path / "records.jsonl.xz"))
    assert store.record("beaten") == beaten
    with pytest.raises(UserError, match="dataset bauty is not in the paper; it has beauty"):
        layout.rows("table3", ["bauty"])


def test_the_report_works_without_a_network_and_latex_compiles(tmp_path):
    pytest.importorskip("matplotlib")
    write_report(["table3", "table6"], planted(), tmp_path / "out", ["beauty", "toys"])
    html = (tmp_path / "out" / "index.html").read_text()
    assert "Plotly.newPlot" in html and 'src="http' not in html and "plotly.js v" in html
    assert html.count("<table>") == 8 and "reproduce.py table6" in html and "p users, Holm" in html
    assert "released grid have 0.0633 to 0.0775" in html
    assert (tmp_path / "out" / "table3.png").read_bytes().startswith(b"\x89PNG")
    assert "![test and validation ndcg@20](table3.png)" in (tmp_path / "out" / "table3.md").read_text()
    assert "after Holm" in html and "&lt; 0.05" in html
    page = (tmp_path / "out" / "amazon-beauty.md").read_text()
    assert "1,000 users" in page and "| SASRec + Mamba4Rec | mdcns " in page and "* commit: abc" in page
    kept = read_records(tmp_path / "out")
    assert {r["trial"]["key"] for r in kept} == {r["trial"]["key"] for r in planted()}
    first = (tmp_path / "out" / "README.md").read_text()
    assert "(amazon-beauty.jsonl.xz)" in page and "(amazon-beauty.jsonl.xz), [amazon-toys" in first
    assert re.search(
        r"^\| RNS +\| 0\.0\d+ ± 0\.\d{4} \(0\.0435\) +\| 0\.\d+ ± 0\.\d{4} \(0\.0587\)", first, re.MULTILINE
    )
    assert re.search(r"^\| MDCNS +\| \*\*0\.\d+\*\*\*†", first, re.MULTILINE) and "[amazon-toys-games]" in first
    tex = (tmp_path / "out" / "table3.tex").read_text()
    assert tex.count(r"\begin{table}") == 2 and tex.count(r"\midrule") == 6 and r"\textbf{" in tex
    assert re.search(r"^RNS & .* \{\\scriptsize \(0.0435, [+-]\d+.\d\\%\)\}", tex, re.MULTILINE) and "Holm" in tex
    assert "seeds 1, 2, 3; epochs / patience 80 / 80" in tex
    compiler = shutil.which("pdflatex") or shutil.which("tectonic")
    if compiler:
        document = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}" + tex + r"\end{document}"
        (tmp_path / "a.tex").write_text(document)
        subprocess.run([compiler, "a.tex"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)


def test_the_report_keeps_what_is_packed_beside_its_pages(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    write_report(["table7"], [record("rns", 1, [1, 0]), record("dns", 1, [1, 0])], tmp_path / "out", ["beauty"])
    newer = record("rns", 1, [1, 1])
    pack_records([newer], tmp_path / "mine.jsonl.xz")
    asked = ["report", "table7", "--records", str(tmp_path / "mine.jsonl.xz"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", asked)
    assert report_main() == 0
    kept = {r["trial"]["cell"]["sampler"]: r["test"] for r in read_records(tmp_path / "out")}
    assert set(kept) == {"rns", "dns"} and kept["rns"] == newer["test"]


def test_the_page_opens_in_a_browser_without_errors(tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")
    pytest.importorskip("matplotlib")
    write_report(["table3"], planted(), tmp_path / "out", ["beauty"])
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    page = (tmp_path / "out" / "index.html").as_uri()
    shown = subprocess.run([*command, page], capture_output=True, text=True, timeout=120, check=True)
    assert "Uncaught" not in shown.stderr
    assert shown.stdout.count('class="main-svg"') >= 4


def test_figure3_shows_the_parts_of_the_loss(tmp_path):
    pytest.importorskip("matplotlib")
    write_report(["figure3"], planted(), tmp_path / "out")
    assert (tmp_path / "out" / "figure3.png").stat().st_size > 1000
    assert (tmp_path / "out" / "index.html").read_text().count("Plotly.newPlot(") >= 2
    with pytest.raises(UserError, match="figure3 needs a record of mdcns"):
        write_report(["figure3"], [record("rns", 1, [1, 0])], tmp_path / "out")


def test_lines_without_all_seeds_of_their_block_are_named_as_missing():
    records = [record("rns", 1, [1, 0]), record("rns", 2, [1, 0]), record("dns_plus", 1, [1, 1])]
    text = markdown("table7", fill(layout.rows("table7", ["beauty"]), records, METRICS), METRICS)
    named = re.findall(r"^\| beauty, .*?(\S+) \| `", text.split("## Missing")[1], re.MULTILINE)
    assert named == ["DNS+", "MDCNS-wts", "MDCNS"]


def test_printed_commands_ask_for_their_line():
    for table in ("table3", "table4", "table5", "table6", "table7"):
        for line in fill(layout.rows(table), planted(), METRICS):
            options = parser().parse_args(shlex.split(command(table, line))[2:])
            assert line.row in asked_rows(options)


def run_reproduce(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["reproduce.py", *arguments])
    return main()


def test_what_cannot_be_run_or_shown_is_said_before_any_training(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    asked = ["table7", "--datasets", "beauty", "--methods", "RNS", "--budget", "cpu", "--storage", str(tmp_path / "s")]
    pages = ["--out", str(tmp_path / "out")]
    assert run_reproduce(monkeypatch, *asked, *pages, "--seeds", "1,x") == 2
    (tmp_path / "file").write_text("")
    assert run_reproduce(monkeypatch, *asked, "--out", str(tmp_path / "file")) == 2
    other = record("rns", 1, [1, 0])
    other["config"]["learning_rate"] = 0.5
    (tmp_path / "out").mkdir(exist_ok=True)
    pack_records([other], tmp_path / "out" / "records.jsonl.xz")
    assert run_reproduce(monkeypatch, *asked, *pages) == 2
    monkeypatch.setattr("reproduce.run", lambda options: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run_reproduce(monkeypatch, *asked, *pages) == 130
    seeds, folder, clash, stopped = capsys.readouterr().err.splitlines()
    assert "'1,x' are not allowed: give whole numbers" in seeds and "file cannot be used: " in folder
    assert "SASRec/rns/BCE, seed 1, has a record with other keys" in clash and "learning_rate 0.5 there, " in clash
    assert "the same command goes on" in stopped


def test_a_missing_matplotlib_is_said_before_any_training(tmp_path, monkeypatch):
    monkeypatch.setattr("figure.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("sys.argv", ["reproduce.py", "table3", "--storage", str(tmp_path / "sweeps")])
    with pytest.raises(SystemExit, match="matplotlib, which is not installed: pip install matplotlib"):
        main()
    assert not (tmp_path / "sweeps").exists()
