"""A masked item is never a hit and never recommended, however large K is; scores that are no numbers are an error."""

import pytest
import torch
from helpers.device import DEVICE_OPTIONS, on
from helpers.runs import fit, states, tiny_config, tiny_run, write_inter

from recbole_mdcns.cli.main import train_main
from recbole_mdcns.data.load import dataset_of
from recbole_mdcns.errors import TrainingError
from recbole_mdcns.evaluation.collector import NonFiniteScores, RankCollector
from recbole_mdcns.evaluation.evaluator import PlainEvaluator

OUT = -torch.inf
LISTS = ["ItemCoverage", "ShannonEntropy", "GiniIndex", "AveragePopularity", "TailPercentage"]


def evaluate(metrics, scores, target, topk, counts=None):
    """Return the metrics of scores [B, V + 1] and targets [B]."""
    valid = metrics[0] if metrics[0] == "GAUC" else f"{metrics[0]}@{topk[0]}"
    config = tiny_config(metrics=metrics, topk=topk, valid_metric=valid, metric_decimal_place=9)
    collector, evaluator = RankCollector(config), PlainEvaluator(config)
    collector.data_struct.set("data.num_items", scores.size(1))
    collector.data_struct.set("data.count_items", counts or {})
    for part, of_part in zip(scores.split(4), target.split(4)):
        collector.eval_batch_collect(part.clone(), None, on(torch.arange(len(part))), of_part)
    result = evaluator.evaluate(collector.get_data_struct())
    return result, result.places


@pytest.mark.parametrize("beside", [[], ["ItemCoverage"], ["GAUC"]], ids=["counted", "with items", "with ranks"])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_masked_targets_are_no_hits_at_any_cut_off(beside, k):
    """Six users, eight items: four have their target masked, one ranks it second of three, one first of one."""
    scores = on(torch.full((6, 9), OUT))
    scores[:4, 1:4] = on(torch.tensor([0.3, 0.2, 0.1]))
    scores[4, 1:4] = on(torch.tensor([0.3, 0.2, 0.1]))
    scores[5, 8] = -5.0
    target = on(torch.tensor([4, 5, 6, 8, 2, 8]))
    result, places = evaluate(["Recall", "MRR", "NDCG", "MAP", "Hit", "Precision", *beside], scores, target, [k])
    assert places == [0, 0, 0, 0, 2 if k > 1 else 0, 1]
    assert result[f"recall@{k}"] == result[f"hit@{k}"] == pytest.approx((1 + (k > 1)) / 6)
    assert result[f"mrr@{k}"] == result[f"map@{k}"] == pytest.approx((1 + 0.5 * (k > 1)) / 6)
    assert result[f"precision@{k}"] == pytest.approx((1 + (k > 1)) / 6 / k)


def test_a_masked_target_ranks_behind_all_others_in_the_area_under_the_curve():
    scores = on(torch.tensor([[OUT, 3.0, 2.0, 1.0, OUT]] * 3))
    assert evaluate(["GAUC"], scores, on(torch.tensor([1, 1, 4])), [1])[0] == {"gauc": pytest.approx(2 / 3)}
    assert evaluate(["GAUC"], scores, on(torch.tensor([2, 2, 4])), [1])[0] == {"gauc": pytest.approx(1 / 3)}


def test_masked_items_are_not_recommended():
    """Rows that have two, one and no item left recommend 1, 2 and 1; three of them at K = 3 in all."""
    scores = on(torch.tensor([[OUT, 3.0, 2.0, OUT], [OUT, 3.0, OUT, OUT], [OUT, OUT, OUT, OUT]]))
    result, _ = evaluate([*LISTS, "Recall"], scores, on(torch.tensor([2, 1, 3])), [1, 3], counts={1: 4, 2: 1, 3: 9})
    assert [result["itemcoverage@1"], result["itemcoverage@3"]] == pytest.approx([1 / 3, 2 / 3])
    assert result["averagepopularity@1"] == pytest.approx((4 + 4 + 0) / 3)
    assert result["averagepopularity@3"] == pytest.approx((2.5 + 4 + 0) / 3)
    assert result["tailpercentage@3"] == pytest.approx((0.5 + 0 + 0) / 3)  # item 2 is the rarest tenth
    p = on(torch.tensor([2 / 3, 1 / 3]))
    assert result["shannonentropy@3"] == pytest.approx(float(-(p * p.log()).sum() / 2))
    assert result["giniindex@3"] == pytest.approx((0 * 1 + 2 * 2) / 3 / 3)  # of V = 3: 2 i - V - 1 is 0 and 2
    assert result["recall@3"] == pytest.approx(2 / 3)


def test_a_run_whose_users_have_seen_all_items_but_their_target():
    """Six users take eight items in turn: only the target is left to rank."""
    write_inter([f"u{u}\ti{(u + step) % 8}\t{step}\n" for u in range(6) for step in range(8)], "six")
    run = tiny_run(dataset="six", neg_sampler="rns", neg_candidate_num=1, topk=[1, 8], valid_metric="Recall@8")
    run.trainer.prepare(run.train)
    assert run.trainer.evaluate(run.test, load_best_model=False)["recall@8"] == 1.0


# Scores that are no numbers


@pytest.mark.parametrize("metrics", [["Recall"], ["GAUC"], ["Recall", "ItemCoverage"]])
@pytest.mark.parametrize(("value", "name"), [(torch.nan, "nan"), (torch.inf, "inf")])
def test_one_score_that_is_no_number_is_an_error(metrics, value, name):
    scores = on(torch.randn(3, 9))
    scores[:, 0] = OUT
    scores[1, 7] = value
    with pytest.raises(NonFiniteScores, match=rf"the self model are not finite \({name} in 1 of 3 rows"):
        evaluate(metrics, scores, on(torch.tensor([1, 2, 3])), [5])


def test_finite_scores_however_large_are_none():
    scores = on(torch.tensor([[OUT, 3e38, -3e38, OUT, 1e-45]]))
    assert evaluate(["Recall"], scores, on(torch.tensor([4])), [2])[1] == [2]


@pytest.mark.parametrize("metrics", [["Recall"], ["GAUC"]])
def test_scores_that_are_all_minus_infinity_are_an_error(metrics):
    with pytest.raises(NonFiniteScores, match="-inf in all of them"):
        evaluate(metrics, on(torch.full((6, 9), OUT)), on(torch.tensor([1, 2, 3, 4, 5, 6])), [5])


def spoil(model):
    with torch.no_grad():
        model.item_embedding.weight[5] = torch.nan


def test_after_a_training_whose_last_epoch_is_not_validated_the_best_epoch_is_named():
    run = tiny_run(neg_sampler="rns", epochs=3, eval_step=2)
    fit(run, saved=False)
    run.trainer.load_best()
    spoil(run.trainer.model)
    with pytest.raises(TrainingError, match="nan in .* at the best epoch: lower"):
        run.trainer.evaluate_all(run.test)


@pytest.mark.parametrize("index", [0, 1])
def test_a_model_that_breaks_in_training_is_named_with_its_epoch(index):
    run = tiny_run(peer_model="GRU4Rec", epochs=3, evaluate_peers=True)
    train = run.trainer._train_epoch

    def broken_in_the_third(data, epoch, *rest, **more):
        loss = train(data, epoch, *rest, **more)
        if epoch == 2:
            spoil(run.trainer.scoring_models[index].model)
        return loss

    run.trainer._train_epoch = broken_in_the_third
    role = ("self", "peer")[index]
    with pytest.raises(
        TrainingError, match=rf"the {role} model .*nan.* after epoch 2, and were finite after epoch 1: lower"
    ):
        fit(run)


def test_the_last_evaluation_is_checked_as_well():
    run = tiny_run(neg_sampler="rns", epochs=1)
    fit(run)
    before = states(run.trainer)
    spoil(run.trainer.scoring_models[0].model)
    with pytest.raises(TrainingError, match=r"self model .*nan in \d+ of \d+ rows.* at the best epoch"):
        run.trainer.evaluate_all(run.test)
    run.trainer.scoring_models[0].model.load_state_dict(before[0])  # what was collected of the failure is forgotten
    assert len(run.trainer.evaluate_all(run.test).places["self"]) == len(dataset_of(run.test))


def test_a_run_that_diverges_in_its_only_step_ends_with_one_sentence(capsys):
    arguments = ["--data_path=data", *DEVICE_OPTIONS, "--show_progress=False", "--train_batch_size=100000"]
    arguments += ["--model=SASRec", "--dataset=tiny", "--neg_sampler=rns", "--neg_candidate_num=10", "--epochs=1"]
    assert train_main([*arguments, "--learning_rate=1e38", "--MAX_ITEM_LIST_LENGTH=8", "--topk=[10]"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "self model are not finite" in error and "after epoch 0" in error and "learning_rate" in error


def test_a_pass_of_minus_infinity_after_a_good_one_is_an_error():
    collector = RankCollector(tiny_config(metrics=["Recall"], topk=[2], valid_metric="Recall@2"))
    rows, target = on(torch.arange(2)), on(torch.tensor([1, 2]))
    collector.eval_batch_collect(on(torch.tensor([[OUT, 1.0, 2.0]] * 2)), None, rows, target)
    collector.get_data_struct()
    collector.eval_batch_collect(on(torch.full((2, 3), OUT)), None, rows, target)
    with pytest.raises(NonFiniteScores, match="-inf in all of them"):
        collector.get_data_struct()
