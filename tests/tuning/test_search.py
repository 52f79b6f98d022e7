"""Searches that learn, with an engine that draws what a test says: what counts as tried, and what is finished."""

import pytest
from helpers.sweeps import Here, sweep_of, trained

from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning import workers
from recbole_mdcns.tuning.driver import run_sweeps, sweep_records
from recbole_mdcns.tuning.grid import cells, make_trial
from recbole_mdcns.tuning.progress import progress
from recbole_mdcns.tuning.trial import run_trial
from recbole_mdcns.tuning.workers import Workers

SMALL = "datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nseeds: [1]\nsearch: hyperopt\n"
SPACE = "space: {rns: {neg_num: {randint: [1, 9]}}}\n"


@pytest.fixture(autouse=True)
def package(monkeypatch):
    """Let the package that would search seem installed."""
    monkeypatch.setattr("recbole_mdcns.tuning.grid.find_spec", lambda name: True)


class Drawing(Here):
    """An engine whose search draws values of ``neg_num``, a list in each round and the last one again and again."""

    rounds = ([1],)

    def search(self, sweep, cell, seed, tried):
        drawn = self.rounds[min(self.asked.count("search"), len(self.rounds) - 1)]
        self.asked.append("search")
        for number in drawn:
            run_trial(make_trial(sweep, cell, {"neg_num": number}, seed), self.store)
        return []


def drawing(*rounds):
    engine = Drawing(Store("store"))
    engine.rounds = rounds
    return engine


def numbers(records):
    return sorted(trained(record).trial.setting["neg_num"] for record in records)


def test_a_search_that_draws_a_setting_twice_goes_on_until_it_has_tried_as_many_as_are_asked_for():
    engine, text = drawing([1, 1], [1, 2], [3, 3]), SMALL + "samples: 3\n" + SPACE
    found = run_sweeps([sweep_of(text)], engine.store, engine)
    assert engine.asked.count("search") == 3 and numbers(found) == [1, 2, 3]
    assert len([record for record in found if trained(record).test]) == 1
    engine = drawing([1, 1])
    run_sweeps([sweep_of(text.replace("seeds: [1]", "seeds: [7]"))], engine.store, engine)
    assert engine.asked.count("search") == 2  # nothing new is drawn: it ends


def test_what_an_edited_space_no_longer_has_is_neither_counted_nor_chosen():
    text = SMALL + "samples: 1\n" + SPACE
    engine = drawing([1])
    assert numbers(run_sweeps([sweep_of(text)], engine.store, engine)) == [1]
    for edited, left in ((text.replace("[1, 9]", "[2, 9]"), 1), (text.replace("{randint: [1, 9]}", "[2, 3]"), 0)):
        engine = drawing([2])
        sweep = sweep_of(edited)
        assert len(progress(sweep, engine.store)[1]) == left
        (chosen,) = map(trained, run_sweeps([sweep], engine.store, engine))
        assert chosen.trial.setting["neg_num"] == 2 and chosen.test
    fixed = sweep_of(text.replace(SPACE, "space: {rns: {learning_rate: {uniform: [0.1, 1]}}}\n"), keys={"neg_num": 1})
    assert sweep_records(fixed, engine.store) == []
    assert numbers(sweep_records(sweep_of(text), engine.store)) == [1, 2]


def test_an_interrupted_trial_is_finished_where_fewer_are_asked_for_and_never_ended_as_if_a_scheduler_had():
    engine, sweep = drawing([1]), sweep_of(SMALL + "samples: 1\n" + SPACE)
    begun = make_trial(sweep, cells(sweep)[0], {"neg_num": 5}, 1)
    engine.store.trial_folder(begun.id.key).mkdir(parents=True)
    engine.store.begin(begun.id)
    assert numbers(run_sweeps([sweep], engine.store, engine)) == [1]
    assert engine.store.record(begun.id.key) is None  # to be continued


def test_ray_is_asked_for_all_that_has_begun_each_with_a_value_for_every_key(monkeypatch):
    """Its searchers take no point without one; what a value switches off does not make two trainings of one."""
    pytest.importorskip("ray.tune")
    text = SMALL.replace("rns", "mdcns") + "peers: [GRU4Rec]\nsamples: 1\n"
    sweep = sweep_of(text + "space: {mdcns: {distill_weight: [0, 1], distill_temperature: {uniform: [0.5, 2]}}}\n")
    (cell,) = cells(sweep)
    given, asked = [], {}
    monkeypatch.setattr(workers, "searcher", lambda name, seed, tried: given.extend(tried))
    monkeypatch.setattr(Workers, "dataset", lambda self, trial: None)

    def fit(self, trial_of, space, number, scheduler, **options):
        asked.update(trial_of=trial_of, number=number, samples=options["num_samples"])
        return []

    monkeypatch.setattr(Workers, "_fit", fit)
    on = {"distill_weight": 1, "distill_temperature": 0.7}
    Workers(sweep, Store("store")).search(sweep, cell, 1, [on, {"distill_weight": 0}])
    assert given == [on, {"distill_weight": 0, "distill_temperature": 0.5}] and asked["number"] == asked["samples"] == 2
    assert asked["trial_of"](given[1]).id == make_trial(sweep, cell, {"distill_weight": 0}, 1).id
    assert asked["trial_of"](on).id == make_trial(sweep, cell, on, 1).id
