"""A sweep whose dataset is missing: refused as ``train`` does, told by the dry run, and no matter to the status."""

from pathlib import Path

from helpers.runs import cycle_lines, write_inter
from helpers.sweeps import refused, unscored

from recbole_mdcns.cli.main import main
from recbole_mdcns.records.record import Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.sweep_file import read_sweep

SWEEP = "datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nseeds: [1]\n"


def shop(*names: str) -> None:
    """Write a sweep on some datasets, and data for one of them."""
    write_inter(cycle_lines(), "shop")
    Path("mine.yaml").write_text(SWEEP.replace("tiny", ", ".join(names)) + "keys: {data_path: data}\n")


def test_a_dataset_that_no_trial_can_have_is_refused_as_train_does(capsys):
    shop("shop", "shopp")
    assert main(["train", "--model=SASRec", "--dataset=shopp", "--data_path=data"]) == 2
    said = capsys.readouterr().err.partition(": ")[2]
    assert said.startswith(
        "dataset 'shopp' is not in data/shopp (did you mean shop?): data_path data holds shop, tiny;"
    )
    for command in (["sweep", "mine.yaml", "--dry_run"], ["sweep", "mine.yaml", "--engine=processes"]):
        assert refused(command, capsys) == f"recbole-mdcns sweep: {said}"
    assert not Path("sweeps").exists()
    assert main(["sweep", "mine.yaml", "--dry_run", "--datasets=shop,amazon-beauty"]) == 0  # RecBole downloads the last
    assert capsys.readouterr().err == ""


def test_a_dataset_that_is_known_and_not_prepared_is_told_by_the_dry_run(capsys):
    shop("lastfm")
    assert main(["sweep", "mine.yaml", "--dry_run"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "sweep would refuse this: dataset 'lastfm' is not in data/lastfm: RecBole has listening counts"
    )
    assert "dataset 'lastfm' is not in data/lastfm" in refused(["sweep", "mine.yaml"], capsys)


def test_the_status_needs_no_data_and_tells_of_a_name_that_nothing_has(capsys):
    shop("shop", "shopp")
    first, second = trials(read_sweep("mine.yaml"))
    assert main(["status", "mine.yaml"]) == 0
    shown = capsys.readouterr()
    assert "2 cells, 2 trials, 2 to run" in shown.out
    (line,) = shown.err.splitlines()
    assert line.startswith("sweep would refuse this: dataset 'shopp' is not in data/shopp (did you mean shop?)")
    Store("sweeps/mine").trial_folder(second.id.key).mkdir(parents=True)
    Store("sweeps/mine").begin(second.id)  # on a machine that has the data
    assert main(["status", "mine.yaml"]) == 0
    assert capsys.readouterr().err == ""
    Store("sweeps/mine").write(Record.from_json(unscored(first.id.to_json()), "here"))
    Path("data/shop/shop.inter").unlink()
    assert main(["sweep", "mine.yaml", "--dry_run", "--datasets=shop"]) == 0  # nothing is left to train on it
    assert capsys.readouterr().err == ""
