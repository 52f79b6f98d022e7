"""Recommendations of every model, from its file alone, are what the evaluation ranked."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.device import DEVICE
from helpers.models import SUPPORTED
from helpers.runs import cycle_lines, fit, tiny_run, write_inter
from recbole.data.interaction import Interaction

from recbole_mdcns.config.checks import LEFT_PADDED
from recbole_mdcns.data.load import dataset_of
from recbole_mdcns.recommend import load
from recbole_mdcns.recommend.saved_models import FEW


def ranked(run, k):
    """Return users, full histories and the k best items that the trainer's own models give the test rows."""
    data = dataset_of(run.test)
    rows = data.inter_feat[torch.arange(len(data))]
    trainer = run.trainer
    trainer.load_best()
    item_names, user_names = (data.field2id_token[field] for field in ("item_id", "user_id"))
    start, end = rows["history_start"], rows["history_end"]
    row, seen = data.history.pairs(start, end)
    scores = {}
    with torch.no_grad():
        for scoring_model in trainer.scoring_models:
            scoring_model.model.eval()
            inside = Interaction(dict(rows.interaction)).to(DEVICE)
            found = scoring_model.model.full_sort_predict(inside).view(len(data), -1)
            scores[scoring_model.role] = scoring_model.as_scores(found).float()
    if len(scores) > 1:
        together = torch.stack(list(scores.values()))
        scores["teacher"] = together.mean(0) if run.config["teacher_mean"] else together.sum(0)
    histories = [
        item_names[data.history.items[s:e].cpu().numpy()].tolist() for s, e in zip(start.tolist(), end.tolist())
    ]
    users = [user_names[user] for user in rows["user_id"].tolist()]
    best = {}
    for role, table in scores.items():
        table[:, 0] = -torch.inf
        table[row, seen] = -torch.inf
        values, items = table.topk(k, dim=1)
        best[role] = item_names[items.cpu().numpy()], values.cpu().numpy()
    return users, histories, best


def abilities(scoring_model):
    """Return what was measured of a model."""
    names = ("is_causal", "is_trimmable", "gives_probabilities", "forward_fields")
    return type(scoring_model), *(getattr(scoring_model, name, None) for name in names)


@pytest.mark.parametrize("name", SUPPORTED)
def test_recommendations_are_those_of_the_evaluation(name):
    write_inter(cycle_lines(user_num=80, item_num=120, length=9))
    padding = {"pad_side": "left"} if name in LEFT_PADDED else {}
    run = tiny_run(name, epochs=1, neg_candidate_num=4, neg_sampler="rns", **padding)
    fit(run)
    users, histories, best = ranked(run, 5)
    shutil.rmtree("data")  # nothing of it is needed
    recommender = load(run.trainer.files.best, DEVICE)
    measured, loaded = run.trainer.scoring_models[0], recommender.model_of("self")[0]
    assert abilities(loaded) == abilities(measured)
    assert loaded.model.n_items == measured.model.n_items == 121 > FEW  # a twin of FEW items was measured by load
    for batch_size in (7, 1000):
        found = recommender.recommend(dict(zip(users, histories)), k=5, batch_size=batch_size)
        items, scores = best["self"]
        got = found["score"].to_numpy().reshape(-1, 5)
        np.testing.assert_allclose(got, scores, rtol=1e-4, atol=1e-4)
        apart = np.abs(np.diff(scores, axis=1)).min(1) > 1e-4  # where no two scores are nearly equal
        assert (found["item"].to_numpy().reshape(-1, 5) == items)[apart].all()
        assert found["user"].to_numpy().reshape(-1, 5)[:, 0].tolist() == users


@pytest.mark.parametrize("mean", [True, False])
def test_peer_and_teacher_are_those_of_the_evaluation(mean):
    run = tiny_run("SASRec", epochs=1, teacher_mean=mean)
    fit(run)
    _, histories, best = ranked(run, 4)
    shutil.rmtree("data")
    recommender = load(run.trainer.files.best, DEVICE)
    assert recommender.roles == ["self", "peer", "teacher"] == list(best)
    for role, (items, scores) in best.items():
        found = recommender.recommend(histories, k=4, model=role)
        np.testing.assert_allclose(found["score"].to_numpy().reshape(-1, 4), scores, rtol=1e-4, atol=1e-5)
        apart = np.abs(np.diff(scores, axis=1)).min(1) > 1e-4
        assert (found["item"].to_numpy().reshape(-1, 4) == items)[apart].all(), role
    alone = load(run.trainer.files.model("peer"), DEVICE)
    assert alone.roles == ["peer"]
    assert alone.recommend(histories, model="peer", k=4).equals(recommender.recommend(histories, model="peer", k=4))
    assert Path(run.trainer.files.best).is_file()
