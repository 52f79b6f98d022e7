"""The paper's tables from planted records: exact text, what is more than chance, what is missing or contradictory."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from helpers.planted_records import METRICS, draw, failure, planted, record, with_config

from recbole_mdcns.errors import UserError
from recbole_mdcns.report import cells, html_tables
from recbole_mdcns.report.cells import chosen_cells, unique
from recbole_mdcns.report.compare import blocks, command, places
from recbole_mdcns.report.dataset_page import dataset_page
from recbole_mdcns.report.description import read_description
from recbole_mdcns.report.markdown import markdown


def paper(table, metrics=METRICS):
    """Return a table of the paper with some metrics."""
    return replace(read_description(table), metrics=metrics)


def fill(table, datasets, records):
    return cells.fill(paper(table), records, datasets)


def with_trial(one, **parts):
    return replace(one, trial=replace(one.trial, **parts))


def only(lines):
    """Return the line of MDCNS."""
    (line,) = (line for line in lines if line.name == "MDCNS")
    return line


def test_the_setting_whose_test_was_read_is_shown_where_a_failed_seed_would_have_another_one_chosen():
    """The sweep compared three seeds; those that all settings have, 1 and 2, prefer the one with M = 1."""
    scores = {1: (0.5, 0.5, 0.4), 2: (0.49, 0.49, 0.48), 3: (0.3, 0.3)}
    records = [
        record("dns_plus", seed, [1, 0], valid=valid, setting={"neg_top_num": top})
        for top, of_seeds in scores.items()
        for seed, valid in enumerate(of_seeds, start=1)
    ]
    records = [each if each.trial.setting["neg_top_num"] == 2 else replace(each, test=None) for each in records]
    (line,) = (line for line in fill("table3", ["beauty"], records) if line.name == "DNS+")
    assert sorted(line.runs) == [1, 2, 3] and line.setting == "neg_top_num 2"
    assert {run.trial.setting["neg_top_num"] for run in line.runs.values()} == {2}
    ((_, compared, chosen),) = chosen_cells(records)
    assert len(compared) == 1 and all(run.test for run in chosen)


def test_the_text_of_a_table_is_exact():
    records = [
        record("rns", 1, [1, 0, 0, 0]), record("rns", 2, [1, 0, 0, 2]),
        record("mdcns", 1, [1, 1, 0, 0], peer="GRU4Rec"), record("mdcns", 2, [1, 1, 0, 0], peer="GRU4Rec"),
    ]  # fmt: skip
    lines = fill("table7", ["beauty"], records)
    text = markdown(paper("table7"), lines).splitlines()
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
        "| beauty, SASRec, DNS+ | `recbole-mdcns reproduce table7 --datasets beauty --models SASRec "
        '--methods "DNS+" --seeds 1,2 --budget cpu --data_path DIR` |' in text
    )
    head = next(index for index, line in enumerate(text) if re.match(r"\| +\| metric +\| against ", line))
    gain = [cell.strip() for cell in text[head + 2].split("|")]
    assert gain[1:6] == ["MDCNS-wts", "recall@5", "RNS, best of the paper's", "+33.3%", "2"] and len(gain) == 11
    assert any(
        line.startswith("* MDCNS, ndcg@20: the 40 settings of the released grid have 0.0633 to") for line in text
    )


def test_a_planted_difference_is_found_and_noise_is_not():
    lines = fill("table3", ["beauty", "toys"], planted())
    gains = {line.row.dataset: line.gains["ndcg@10"] for line in lines if line.name == "MDCNS"}
    assert gains["beauty"].baseline.name == "DNS+" and gains["beauty"].relative > 1
    assert gains["beauty"].corrected < 1e-6 and gains["beauty"].p_seeds < 0.05
    assert gains["beauty"].interval[0] > 0.1
    assert gains["toys"].corrected > 0.05 and gains["toys"].p_seeds > 0.05
    assert gains["toys"].interval[0] < 0 < gains["toys"].interval[1]
    text = markdown(paper("table3"), lines)
    starred = [line for line in text.splitlines() if line.startswith("| MDCNS |") and "80 / 80" in line]
    assert "*†" in starred[0] and "*†" not in starred[1] and "** ±" in starred[1]


@pytest.mark.parametrize(
    ("key", "value"),
    [("split_seed", 2), ("protocol", "x"), ("split_ratio", [0.5, 0.5, 0]), ("split_file", "mine.tsv")],
)
def test_other_splits_are_not_compared(key, value):
    records = [with_config(one, **{key: value}) if one.cell.method == "mdcns" else one for one in planted()]
    lines = fill("table3", ["beauty"], records)
    (mdcns,) = (line for line in lines if line.name == "MDCNS")
    assert mdcns.runs and not (mdcns.is_compared or mdcns.gains) and mdcns.budget == "80 / 80, other test rows"


def test_methods_that_the_paper_lacks_stand_apart():
    records = planted()
    for seed in (1, 2, 3):
        ce = record("ce", seed, draw(700 + seed, 0.3))
        records.append(with_trial(ce, cell=replace(ce.cell, loss="CE")))
    lines = fill("table3", ["beauty"], records)
    line = only(lines)
    assert line.gains["ndcg@10"].baseline.name == "DNS+" and line.gains["ndcg@10"].relative > 1
    assert list(line.against) == ["RNS", "DNS+", "CE"] and line.against["CE"].relative < 0
    assert line.against["DNS+"].p_users == line.gains["ndcg@10"].p_users
    text = markdown(paper("table3"), lines).splitlines()
    rule = text.index("| *not in the paper* | | | | | | | |")
    assert next(i for i, line in enumerate(text) if line.startswith("| CE | **")) > rule
    assert text.index("* CE: softmax over all items.") > rule
    assert any(re.match(r"\| MDCNS +\| ndcg@10 +\| CE +\| -3\d\.\d% +\| 3 ", line) for line in text)


def test_lines_are_compared_at_one_budget_and_over_the_seeds_they_share():
    more = record("mdcns", 9, draw(1, 0.9), peer="Mamba4Rec")
    more = with_config(more, epochs=300, stopping_step=30)
    records = [r for r in planted() if r.cell.method != "mdcns"]
    lines = fill("table3", ["beauty"], [*records, more])
    line = only(lines)
    assert line.budget == "300 / 30" and not line.is_compared and not line.gains and list(line.runs) == [9]
    shown = f"| MDCNS | {line.mean('recall@5'):.4f} ("  # neither bold nor marked
    assert shown in markdown(paper("table3"), lines)
    one = [r for r in planted() if r.cell.method != "mdcns" or r.seed == 1]
    lines = fill("table3", ["beauty"], one)
    line = only(lines)
    baseline = line.gains["ndcg@10"].baseline
    expected = line.runs[1].test["self"]["ndcg@10"] / baseline.runs[1].test["self"]["ndcg@10"] - 1
    assert line.gains["ndcg@10"].relative == pytest.approx(expected)
    assert line.gains["ndcg@10"].corrected < 1e-6 and "** (" in markdown(paper("table3"), lines)  # one seed: no mark


def test_a_web_page_marks_the_best_and_the_second_value():
    hits = {"rns": [1, 1, 0, 0], "dns_plus": [1, 0, 0, 0], "dns": [0, 0, 0, 0]}
    page = replace(paper("table3"), metrics=["ndcg@10"])
    lines = cells.fill(page, [record(method, 1, places) for method, places in hits.items()], ["beauty"])
    block = next(block for block in blocks(lines) if block[0].row.model == "SASRec")
    for text in (html_tables.block_table(page, block), html_tables.summary(page, block)):
        assert re.findall(r'<span class="(\w+)">([\d.]+)', text) == [("best", "0.5000"), ("second", "0.2500")]
        assert sorted(re.findall(r'data-value="([\d.]+)"', text)) == ["0.0", "0.25", "0.5"]


def test_equal_as_printed_is_equal():
    lines = fill("table7", ["beauty"], [record("rns", 1, [1, 0]), record("dns_plus", 1, [1, 0])])
    assert places(lines, "ndcg@10") == {0: 1, 1: 1}


def test_the_largest_budget_counts_and_validation_chooses():
    small = with_trial(with_config(record("rns", 1, [1, 1], valid=0.9), epochs=2), key="small")
    worse = record("rns", 1, [1, 1], valid=0.1, setting={"neg_num": 2})
    lines = fill("table7", ["beauty"], [small, worse, record("rns", 1, [0, 0])])
    assert lines[0].mean("ndcg@10") == 0.0 and lines[0].budget == "80 / 80"
    unread = with_config(record("rns", 1, [1, 1], test=None), epochs=300)  # of a sweep that has not ended
    unread = with_trial(unread, key="unread")
    lines = fill("table7", ["beauty"], [unread, record("rns", 1, [0, 0])])
    assert lines[0].budget == "80 / 80" and lines[0].is_compared


def test_records_occur_once_and_must_agree():
    first, failed = record("rns", 1, [1, 0]), failure(record("rns", 2, [1, 0]))
    unread = replace(first, test=None)
    assert unique([unread, first, first, failed]) == [first]
    another = {"self": {"ndcg@10": 0.7}}
    for contrary in (replace(first, test=another), replace(first, valid=another, test=None)):
        with pytest.raises(UserError, match="two records of trial amazon-beauty-rns-None-1 .*have different results"):
            unique([first, contrary])
    assert not fill("table7", ["beauty"], [unread])[0].runs  # chosen, and its sweep unfinished
    other = with_trial(first, key="other")
    with pytest.raises(
        UserError, match=r"records amazon-beauty-rns-None-1 and other are of the same .*rns/BCE, seed 1"
    ):
        fill("table7", ["beauty"], [first, other])


def test_records_with_other_keys_are_not_averaged_as_seeds():
    first, second = record("rns", 1, [1, 0]), record("rns", 2, [1, 0])
    with pytest.raises(
        UserError, match=r"^records amazon-beauty-rns-None-1 and .*-2 of .*/rns/BCE differ in split_see"
    ):
        fill("table7", ["beauty"], [first, with_config(second, split_seed=9)])
    faster = with_config(second, learning_rate=0.1, metrics=["mrr"])
    with pytest.raises(UserError, match=r"differ in learning_rate \(None, 0.1\): give the records of one of these"):
        list(chosen_cells([first, faster]))
    lines = fill("table7", ["beauty"], [first, with_config(second, metrics=["mrr"], epochs=80, data_path="here")])
    assert list(lines[0].runs) == [1, 2]


def test_a_line_with_other_test_rows_is_shown_and_not_compared():
    others = [record(method, 1, [1, 0, 0]) for method in ("rns", "dns")]
    lines = fill("table7", ["beauty"], [*others, record("dns_plus", 1, [1, 1])])
    told = {line.name: (line.is_compared, line.budget) for line in lines if line.runs}
    assert told["DNS+"] == (False, "80 / 80, other test rows")
    assert told.pop("DNS+") and set(told.values()) == {(True, "80 / 80")}
    order = places(lines, "ndcg@10")
    assert {lines[index].name for index in order} <= {"RNS", "DNS"} and order


def test_a_run_that_was_cut_short_says_so():
    cut = record("rns", 1, [1, 0], status="stopped", stopped="by asha")
    (line,) = (line for line in fill("table7", ["beauty"], [cut]) if line.runs)
    assert line.budget == "80 / 80, stopped by asha"


def test_the_command_of_a_missing_line_has_the_budget_of_its_block():
    page = paper("table3")
    for config, said in (({"epochs": 80}, "--budget cpu"), ({"epochs": 20}, "--set epochs=20 --set stopping_step=80")):
        lines = fill("table3", ["beauty"], [with_config(record("rns", 1, [1, 0]), **config)])
        assert f" {said} " in command(page, next(line for line in lines if not line.runs))


def test_lines_without_all_seeds_of_their_block_are_named_as_missing():
    records = [record("rns", 1, [1, 0]), record("rns", 2, [1, 0]), record("dns_plus", 1, [1, 1])]
    text = markdown(paper("table7"), fill("table7", ["beauty"], records))
    named = re.findall(r"^\| beauty, .*?(\S+) \| `", text.split("## Missing")[1], re.MULTILINE)
    assert named == ["DNS+", "MDCNS-wts", "MDCNS"]


def test_a_page_of_several_versions_says_so_in_one_line():
    records = [record("rns", 1, [1, 0]), record("dns_plus", 1, [1, 1], package_version="2.0")]
    lines = fill("table7", ["beauty"], records)
    sentence = "Mixed versions: records of recbole-mdcns 1.0, 2.0, whose numbers may differ."
    assert markdown(paper("table7"), lines).splitlines().count(sentence) == 1
    assert "Mixed versions" not in markdown(paper("table7"), fill("table7", ["beauty"], records[:1]))


def test_a_table_has_no_other_datasets_than_its_own():
    with pytest.raises(UserError, match="dataset bauty is not in table3; it has beauty"):
        paper("table3").lines(["bauty"])


def test_the_page_of_a_dataset_tells_results_of_two_protocols_apart():
    one = record("rns", 1, [1, 0])
    other = with_trial(record("rns", 1, [1, 0, 0]), key="other", cell=replace(one.cell, protocol="leave_one_out"))
    page = dataset_page(one.dataset, [one, other], ["ndcg@10"], paper("table3").role_of)
    assert "\nRows of leave_one_out: 9 train, 9 valid, 3 test.\n\nRows of paper: 9 train, 9 valid, 2 test.\n" in page
    methods = [line.split("|")[2].strip() for line in page.splitlines() if line.startswith("| SASRec ")]
    assert methods == ["rns, leave_one_out", "rns, paper"]
    alone = dataset_page(one.dataset, [one], ["ndcg@10"], paper("table3").role_of)
    assert "\n\nRows: 9 train, 9 valid, 2 test.\n\n## Setting" in alone and "| SASRec  | rns " in alone
