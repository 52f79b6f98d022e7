"""Tests over users pair by name, or not at all; Holm's family is every test that a table prints."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from helpers.planted_records import METRICS, draw, planted, record, with_config
from helpers.runs import cycle_lines, tiny_run, write_inter

from recbole_mdcns.data.load import dataset_of
from recbole_mdcns.evaluation.ranking import Evaluation
from recbole_mdcns.evaluation.significance import holm, paired_t, values_of_users
from recbole_mdcns.records.building import rows_of_test
from recbole_mdcns.records.paired_rows import same_rows, why_unpaired
from recbole_mdcns.records.parts import TestRows
from recbole_mdcns.report.cells import fill
from recbole_mdcns.report.compare import comparisons
from recbole_mdcns.report.description import read_description
from recbole_mdcns.report.markdown import markdown


def named(one, users, rows=None):
    """Return a record that has the names of its users."""
    row_nums = ",".join(map(str, rows)) if rows else None
    return replace(one, test_rows=replace(one.test_rows, names="\n".join(users), row_nums=row_nums))


def paper(metrics=METRICS, table="table3"):
    return replace(read_description(table), metrics=list(metrics))


def mdcns_of(records, datasets=("beauty",), metrics=METRICS):
    lines = fill(paper(metrics), records, list(datasets))
    return [line for line in lines if line.name == "MDCNS" and line.runs], lines


def test_values_of_users_with_names_by_hand():
    places = np.array([1, 0, 3, 11])
    assert values_of_users(places, "ndcg@10").tolist() == [1, 0, 0.5, 0]
    # rows 1 of a, 3 of b: sums 1 and 0.5, by two rows a user
    rows = TestRows({"self": "1,0,3,11"}, "a\nb", "1,3")
    assert values_of_users(places, "ndcg@10", rows.user_of_row()).tolist() == [0.5, 0.25]
    assert TestRows({}, "a\nb").user_of_row() is None
    assert TestRows({}, user_numbers="7,7,2").user_of_row().tolist() == [7, 7, 2]


@pytest.mark.parametrize("keys", [{}, {"protocol": "paper", "eval_prefixes": "all", "split_ratio": [0.4, 0.3, 0.3]}])
def test_the_place_of_a_user_has_its_name_whatever_the_order_of_the_rows(keys):
    """Users with histories of many lengths, whose names are not in the order of the file."""
    rng = random.Random(0)
    fields = [line.split() for line in cycle_lines(user_num=30)]
    events = [(user, item, int(time)) for user, item, time in fields]
    length = {user: rng.randint(4, 12) for user, _, _ in events}
    begin = {user: rng.randint(0, 1000) for user in length}
    lines = [f"{user}\t{item}\t{begin[user] + time}\n" for user, item, time in events if time < length[user]]
    rng.shuffle(lines)
    write_inter(lines, "mixed")
    found = {}
    for side in ("left", "right"):
        run = tiny_run(dataset="mixed", neg_sampler="rns", neg_candidate_num=2, pad_side=side, **keys)
        part = dataset_of(run.test)
        users = [part.field2id_token["user_id"][user] for user in part.inter_feat["user_id"].tolist()]
        ends = part.inter_feat["history_end"].tolist()
        evaluated = Evaluation({}, {"self": list(range(1, len(users) + 1))})  # a place that tells the row
        rows = rows_of_test(evaluated, run.test).to_json()
        found[side] = rows, users
        by_row = list(map(int, rows.pop("places")["self"].split(",")))
        row_nums = list(map(int, rows["row_nums"].split(","))) if "row_nums" in rows else [1] * len(users)
        names = np.repeat(rows["names"].split("\n"), row_nums).tolist()
        assert ("row_nums" in rows) == ("eval_prefixes" in keys)
        assert names == sorted(users) and [users[place - 1] for place in by_row] == names
        of_user = [ends[place - 1] for place in by_row]
        assert all(a < b for a, b, x, y in zip(of_user, of_user[1:], names, names[1:]) if x == y)  # in order of time
    assert found["left"][1] != found["right"][1] and found["left"][0] == found["right"][0]


def test_runs_of_the_same_users_are_paired_by_name_whatever_else_they_set():
    """Named records with other pad_side and split_file, though the users are the same; and no reordering changes p."""
    users = [f"u{number:04}" for number in range(1000)]
    records = [named(one, users) for one in planted() if one.dataset == "amazon-beauty"]
    (line,), _ = mdcns_of(records)
    expected = line.gains["ndcg@10"].p_users
    other = {"pad_side": "left", "split_file": "mine.tsv"}
    records = [with_config(one, **other) if one.cell.method == "mdcns" else one for one in records]
    (line,), _ = mdcns_of(records)
    assert line.gains["ndcg@10"].p_users == expected is not None and not line.gains["ndcg@10"].unpaired


def test_lines_with_other_users_are_not_compared():
    users = [f"u{number:04}" for number in range(1000)]
    records = [named(one, [*users[:-1], "z"] if one.cell.method == "mdcns" else users) for one in planted()]
    (line,), _ = mdcns_of(records)
    assert not (line.is_compared or line.gains) and line.budget == "80 / 80, other test rows"


def test_nameless_records_are_not_paired_with_named_ones():
    users, reason = [f"u{number:04}" for number in range(1000)], "lack the users' names"
    records = [one if one.cell.method == "mdcns" else named(one, users) for one in planted()]
    (line,), lines = mdcns_of(records)
    for gain in (*line.gains.values(), *line.against.values()):
        assert gain.p_users is gain.corrected is gain.interval is None and reason in gain.unpaired
    text = markdown(paper(), lines)
    assert text.count(reason) == len(line.gains) + len(line.against) and "| MDCNS | **" in text
    assert not any("***" in row for row in text.splitlines() if row.startswith("| MDCNS |"))


@pytest.mark.parametrize(("key", "value"), [("pad_side", "left"), ("MAX_ITEM_LIST_LENGTH", 20)])
def test_records_without_names_are_paired_only_where_their_order_is_the_same(key, value):
    records = [with_config(one, **{key: value}) if one.cell.method == "mdcns" else one for one in planted()]
    (line,), _ = mdcns_of(records)
    assert line.gains["ndcg@10"].p_users is None and "not paired" in line.gains["ndcg@10"].unpaired
    (line,), _ = mdcns_of(planted())
    assert line.gains["ndcg@10"].p_users is not None


def test_seeds_with_other_users_are_not_averaged():
    one, two = record("rns", 1, [1, 0]), record("rns", 2, [1, 0, 1])
    assert why_unpaired([named(one, ["a", "b"]), named(two, ["a", "b", "c"])]) == "not paired: other users or rows"
    assert why_unpaired([named(one, ["a", "b"])] * 2) == "" and why_unpaired([one, one]) == ""
    assert same_rows(named(one, ["a", "b"]), named(one, ["a", "b"]))
    assert not same_rows(named(one, ["a", "b"], [1, 1]), named(one, ["a", "b"], [1, 2]))


def test_the_same_users_of_other_data_or_with_other_prefixes_are_not_paired():
    one = named(record("rns", 1, [1, 0]), ["a", "b"])
    larger = replace(one, data=replace(one.data, sizes={"users": 1001}))
    for other in (larger, with_config(one, eval_prefixes="all"), with_config(one, mask_history=False)):
        assert not same_rows(one, other) and why_unpaired([one, other]) == "not paired: other users or rows"
    of_training = replace(one.data, fingerprint="0", split_fingerprint="1", sampler_fingerprint="2")
    assert same_rows(one, replace(one, data=of_training))


def test_the_family_is_every_test_that_the_table_prints_each_once():
    (beauty, toys), _ = mdcns_of(planted(), datasets=("beauty", "toys"))
    p = {}
    for line in (beauty, toys):
        for gain in (*line.gains.values(), *line.against.values()):
            p[line.row.dataset, gain.baseline.name, gain.metric] = gain
    # per block: the best baseline on four metrics, and the other baseline on the last
    assert len(p) == 10
    for gain, corrected in zip(p.values(), holm([gain.p_users for gain in p.values()])):
        assert gain.corrected == corrected
    for line in (beauty, toys):
        best = line.gains["ndcg@10"]
        assert line.against[best.baseline.name].corrected == best.corrected
    strongest = min(gain.p_users for gain in p.values())
    assert min(gain.corrected for gain in p.values()) == pytest.approx(10 * strongest)


def test_the_p_over_seeds_is_of_the_pairs_with_the_same_seed():
    """Recall 2, 3, 4 of 4 against 1, 2, 1: differences 1, 1, 3 quarters, t = 2.5 with two degrees of freedom."""
    ours = [
        record("mdcns", seed, [1] * hits + [0] * (4 - hits), peer="Mamba4Rec") for seed, hits in enumerate((2, 3, 4))
    ]
    other = [record("rns", seed, [1] * hits + [0] * (4 - hits)) for seed, hits in enumerate((1, 2, 1))]
    (line,), _ = mdcns_of([*ours, *other[::-1]])
    assert line.gains["recall@5"].p_seeds == pytest.approx(1 - 2.5 / (2 + 2.5**2) ** 0.5)
    (line,), _ = mdcns_of([*ours, *other[1:]])  # over the seeds that both have: 1 and 3 quarters, t = 2
    assert line.gains["recall@5"].seeds == 2
    assert line.gains["recall@5"].p_seeds == pytest.approx(1 - 2 * math.atan(2) / math.pi)


def test_the_p_of_a_named_pair_is_that_of_the_t_test_by_user():
    ours, other = draw(1, 0.3, 50), draw(2, 0.2, 50)
    users = [f"n{number:02}" for number in range(50)]
    records = [named(record("rns", 1, other), users), named(record("mdcns", 1, ours, peer="Mamba4Rec"), users)]
    (line,), _ = mdcns_of(records)
    assert line.gains["recall@5"].p_users == pytest.approx(paired_t(ours, other))


# Blocks that have no baseline of the paper


def only_extra(dataset, hit=0.3):
    for seed in (1, 2):
        yield record("mdcns", seed, draw(seed, 0.2), dataset, "Mamba4Rec")
        ce = record("ce", seed, draw(50 + seed, hit), dataset)
        yield replace(ce, trial=replace(ce.trial, cell=replace(ce.cell, loss="CE")))


@pytest.mark.parametrize("metrics", [METRICS, ["ndcg@10"], ["ndcg@5", "recall@20"]])
def test_mdcns_with_only_lines_that_the_paper_lacks_is_compared_on_the_last_metric(metrics):
    _, lines = mdcns_of(list(only_extra("amazon-beauty")), metrics=metrics)
    assert all(not line.gains for line in lines)
    rows = [row for row in comparisons(paper(metrics), lines, "github") if row.startswith("| MDCNS ")]
    assert len(rows) == 1 and [cell.strip() for cell in rows[0].split("|")][2:4] == [metrics[-1], "CE"]
    assert "CE" in markdown(paper(metrics), lines)


def test_each_block_names_its_own_metric():
    records = [*(one for one in planted() if one.dataset == "amazon-beauty"), *only_extra("amazon-toys-games")]
    _, lines = mdcns_of(records, datasets=("beauty", "toys"))
    shown = {line.row.dataset: [(g.metric, n) for n, g in line.against.items()] for line in lines if line.against}
    assert shown["beauty"] == [("ndcg@10", "RNS"), ("ndcg@10", "DNS+")] and shown["toys"] == [("ndcg@10", "CE")]


def test_only_the_tests_that_a_page_asks_for_are_made():
    records = [one for one in planted() if one.dataset == "amazon-beauty"]
    by_tests = {}
    for tests in (["seeds"], ["users"], []):
        lines = fill(replace(paper(), tests=tests), records, ["beauty"])
        (line,) = (line for line in lines if line.name == "MDCNS")
        by_tests[tuple(tests)] = line.gains["ndcg@10"]
    assert by_tests["seeds",].p_seeds is not None and by_tests["seeds",].p_users is None
    assert by_tests["users",].p_seeds is None and by_tests["users",].corrected is not None
    assert by_tests[()].p_seeds is by_tests[()].p_users is None and by_tests[()].relative > 1
