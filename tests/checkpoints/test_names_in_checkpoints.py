"""Checkpoints stand on names: a model keeps its items when the data file changes, or is refused with a count."""

import random
import time

import pytest
import torch
from helpers.runs import cycle_lines, fit, same, states, tiny_run, write_inter

from recbole_mdcns.data.names import describe_difference, pack, unpack
from recbole_mdcns.errors import CheckpointError
from recbole_mdcns.quick_start import build_model, load_data_and_model
from recbole_mdcns.trainer import NegativeSamplingTrainer

LINES = cycle_lines()


def shuffled(lines, seed=1):
    lines = list(lines)
    random.Random(seed).shuffle(lines)
    return lines


def trained(model="SASRec", **keys):
    run = tiny_run(model, epochs=keys.pop("epochs", 2), neg_sampler="rns", **keys)
    fit(run)
    run.trainer.load_best()
    return run.trainer.files.best, run.trainer.evaluate_all(run.test).metrics["self"], run


def metrics_of(model_file, **keys):
    config, model, _, _, _, test = load_data_and_model(model_file, **keys)
    trainer = NegativeSamplingTrainer(config, model)
    trainer.eval_collector.data_collect(test)
    return trainer.evaluate(test, load_best_model=False)


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        ("SASRec", {}),
        ("SASRec", {"protocol": "paper"}),
        ("GRU4Rec", {"pad_side": "left"}),
        ("BERT4Rec", {}),
        ("Caser", {}),
        ("HRM", {}),
    ],
)
def test_a_saved_model_gives_the_same_metrics_whatever_the_order_of_the_lines(model, keys):
    model_file, expected, _ = trained(model, **keys)
    for lines in (shuffled(LINES), sorted(LINES), LINES[::-1]):
        write_inter(lines)
        assert metrics_of(model_file) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda line: line.replace("\ti7\t", "\tother\t"),
            r"of its 30 item_id 1 is missing here \('i7'\), and 1 is new",
        ),
        (
            lambda line: line.replace("\ti1", "\tj1"),
            r"11 are missing here \('i\d+', 'i\d+', 'i\d+', ...\), and 11 are new",
        ),
        (lambda line: line.replace("\ti3\t", "\ti4\t"), r"1 is missing here \('i3'\)$"),
        (lambda line: line + line.replace("u0\ti", "u0\tnew") if line.startswith("u0\t") else line, r"12 are new"),
    ],
)
def test_data_with_other_items_is_refused_with_a_count(change, said):
    model_file, _, _ = trained()
    write_inter([change(line) for line in LINES])
    with pytest.raises(CheckpointError, match=said) as error:
        load_data_and_model(model_file)
    assert str(model_file) in str(error.value)
    with pytest.raises(CheckpointError, match=said):  # and so do the trainers
        tiny_run(epochs=3, neg_sampler="rns").trainer.resume_checkpoint(True)


def test_other_users_are_refused_by_models_that_embed_users_alone():
    of_items, expected, _ = trained("SASRec")
    of_users, _, _ = trained("Caser")
    assert set(torch.load(of_items, weights_only=True)["names"]) == {"item_id"}
    assert set(torch.load(of_users, weights_only=True)["names"]) == {"item_id", "user_id"}
    write_inter([line.replace("u", "v") for line in LINES])
    assert metrics_of(of_items) == pytest.approx(expected)
    with pytest.raises(CheckpointError, match=r"of its 40 user_id 40 are missing here .* and 40 are new"):
        load_data_and_model(of_users)


def test_a_resumed_run_refuses_other_data():
    _, _, run = trained(protocol="paper")

    def refusal(lines, **keys):
        write_inter(lines)
        other = tiny_run(epochs=3, neg_sampler="rns", protocol="paper", **keys)
        with pytest.raises(CheckpointError) as error:
            other.trainer.resume_checkpoint(run.trainer.files.last)
        return str(error.value)

    assert "the same 30 item_id, in another order" in refusal(shuffled(LINES))
    # the first user's items come in the same order, and the other users change places
    by_user = [LINES[k : k + 12] for k in range(0, len(LINES), 12)]
    assert "another order" in refusal([line for user in [by_user[0], *by_user[:0:-1]] for line in user])
    assert "other sequences, times or features" in refusal([*LINES[:-1], LINES[-1].replace("\t11", "\t12")])
    assert "other sequences" in refusal([*LINES, "u3\ti2\t99\n"])


def test_a_resumed_run_refuses_another_split(tmp_path):
    split = tmp_path / "split.tsv"
    parts = ["train"] * 30 + ["valid"] * 5 + ["test"] * 5

    def write(order):
        lines = [f"u{user}\t{part}\n" for user, part in zip(order, parts)]
        split.write_text("user_id:token\tpart:token\n" + "".join(lines))
        return tiny_run(epochs=3, neg_sampler="rns", protocol="paper", split_file=str(split))

    run = write(range(40))
    run.trainer.epochs = 1
    fit(run)
    again = write(range(40))
    again.trainer.resume_checkpoint(True)
    assert same(states(again.trainer), states(run.trainer))
    for order in (range(39, -1, -1), [*range(30), *range(35, 40), *range(30, 35)]):
        with pytest.raises(CheckpointError, match="another split"):
            write(order).trainer.resume_checkpoint(True)


def test_loading_says_when_other_data_or_another_split_is_evaluated(caplog):
    model_file, _, _ = trained(protocol="paper")
    load_data_and_model(model_file)
    assert "trained on" not in caplog.text
    load_data_and_model(model_file, split_seed=7)
    assert "The split differs" in caplog.text
    write_inter([*LINES, "u0\ti3\t99\n"])
    load_data_and_model(model_file)
    assert "The data differs" in caplog.text


def test_weights_are_not_taken_for_items_of_another_order():
    model_file, _, _ = trained()
    write_inter(shuffled(LINES))
    run = tiny_run(neg_sampler="rns")
    with pytest.raises(CheckpointError, match="in another order of first appearance"):
        run.trainer.evaluate(run.test, model_file=model_file)
    with pytest.raises(CheckpointError, match="in another order of first appearance"):
        run.trainer.load_best(model_file)


def test_the_part_that_is_evaluated_first_is_not_taken_for_the_training_part():
    """A trainer that was not told its training part, under a protocol whose parts have other users."""
    model_file, expected, run = trained(protocol="paper")
    for given in (model_file, None):
        other = NegativeSamplingTrainer(run.config, build_model(run.config, run.data))
        other.eval_collector.data_collect(run.train)
        other.resume_checkpoint(run.trainer.files.last)
        assert other.evaluate(run.test, model_file=given) == expected
        assert other.evaluate(run.valid) == run.trainer.evaluate(run.valid)
        other.resume_checkpoint(run.trainer.files.last)
        other.prepare(run.train)
        assert other.data_fingerprints() == run.trainer.data_fingerprints()


@pytest.mark.parametrize("kind", ["model", "training"])
def test_a_file_of_the_version_before_is_refused_by_its_format(kind):
    _, _, run = trained()
    path = run.trainer.files.best if kind == "model" else run.trainer.files.last
    content = torch.load(path, weights_only=True)
    before = {k: v for k, v in content.items() if k not in ("format_number", "names", "fingerprints")}
    torch.save(before, path)
    with pytest.raises(CheckpointError, match=r"has format 1, .* this version reads format 3: .* names of its items"):
        if kind == "model":
            load_data_and_model(path)
        else:
            tiny_run(epochs=3, neg_sampler="rns").trainer.resume_checkpoint(path)
    torch.save({**content, "format_number": 4}, path)
    with pytest.raises(CheckpointError, match="has format 4"):
        load_data_and_model(path)


@pytest.mark.parametrize(
    "names", [[], ["a"], ["", "x"], ["a b", "ü\u2028x", "日本", "\U0001f600z", "\x85", "\n", "7", "007"]]
)
def test_names_come_back_whatever_is_in_them(names):
    assert unpack(pack(names)) == names


def test_a_million_names_are_packed_small_and_unpacked_quickly():
    names = [f"B{number:09d}XY" for number in range(1_000_000)]
    packed = pack(names)
    assert sum(part.nbytes for part in packed.values()) == 20_000_000
    started = time.process_time()
    assert unpack(packed) == names
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "ends"), [("ab", [1, 3]), ("ab", [2, 1]), ("ab", [-1, 2]), ("ab", [1]), ("aa", [1, 2]), ("", [1])]
)
def test_names_that_are_none_are_refused(text, ends):
    packed = {"text": torch.tensor(list(text.encode()), dtype=torch.uint8), "ends": torch.tensor(ends)}
    with pytest.raises(ValueError, match="name"):
        unpack(packed)


def test_differences_are_counted_with_three_examples_at_most():
    assert describe_difference([], []) == ""
    assert describe_difference(["a"], []) == "1 is missing here ('a')"
    expected = "4 are missing here ('a', 'b', 'c', ...), and 2 are new ('x', 'y')"
    assert describe_difference(["a", "b", "c", "d"], ["x", "y"]) == expected
