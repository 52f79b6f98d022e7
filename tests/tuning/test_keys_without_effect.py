"""Keys of a sweep that change nothing: refused where the file wins over an option, told where no cell uses them."""

from pathlib import Path

import pytest
from helpers.sweeps import refused

from recbole_mdcns.cli.main import main
from recbole_mdcns.tuning.grid import cells, settings_of, trials
from recbole_mdcns.tuning.sweep_file import read_sweep


@pytest.mark.parametrize(
    ("option", "place"),
    [
        ("neg_candidate_num=50", "dataset_keys.tiny"),
        ("neg_top_num=5", "space.dns_plus"),
        ("distill_weight=2", "method_keys.mine"),
    ],
)
def test_an_option_that_the_file_would_win_over_is_refused(option, place, capsys):
    Path("won.yaml").write_text(
        "datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns, dns_plus, mine]\npeers: [GRU4Rec]\nseeds: [1]\n"
        "keys: {data_path: data, neg_candidate_num: 20}\ndataset_keys: {tiny: {neg_candidate_num: 9}}\n"
        "method_keys: {mine: {neg_sampler: mdcns, distill_weight: 3}}\nspace: {dns_plus: {neg_top_num: [1, 2]}}\n"
    )
    error = refused(["sweep", "won.yaml", "--dry_run", "--set", option], capsys)
    assert f"--set {option}" in error and f"{place} of won.yaml sets {option.split('=')[0]}, and wins" in error
    if not place.startswith("dataset"):
        assert main(["sweep", "won.yaml", "--dry_run", "--methods", "rns", "--set", option]) == 0


def test_keys_that_no_cell_reads_are_told(capsys):
    Path("unread.yaml").write_text(
        "datasets: [tiny]\nmodels: [SASRec]\nmethods: [dns, mdcns]\npeers: [GRU4Rec]\nseeds: [1]\n"
        "keys: {data_path: data, neg_num: 1, d_state: 9, split_seed: 42, distill_weight: 3}\n"
        "dataset_keys: {tiny: {srns_memory_num: 5, peer.hidden_size: 8}}\n"
        "space: {all: {neg_top_num: [1, 2]}, dns: {distill_temperature: [1, 2]}}\n"
    )
    assert main(["sweep", "unread.yaml", "--dry_run"]) == 0
    told = [line.split(" is given and not read")[0] for line in capsys.readouterr().err.splitlines()]
    assert told == [
        "keys.d_state",
        "keys.split_seed",
        "dataset_keys.tiny.srns_memory_num",
        "space.dns.distill_temperature",
    ]


def test_a_space_of_a_models_own_loss_is_told(capsys):
    Path("unread.yaml").write_text(
        "datasets: [tiny]\nmodels: [Caser]\nmethods: [rns]\nseeds: [1]\nkeys: {data_path: data}\n"
        "space: {all: {reg_weight: [0.1, 1.0]}}\n"
    )
    assert main(["sweep", "unread.yaml", "--dry_run"]) == 0
    assert capsys.readouterr().err.startswith("space.all.reg_weight is given and not read")


def test_a_setting_that_another_key_switches_off_is_trained_once(capsys):
    """The temperature counts only with a distillation: four of the six settings differ, and the ablation has one."""
    Path("off.yaml").write_text(
        "datasets: [tiny]\nmodels: [SASRec]\nmethods: [mdcns, mdcns_without_cd]\npeers: [GRU4Rec]\nseeds: [1, 2]\n"
        "keys: {data_path: data}\n"
        "space: {mdcns: {distill_weight: [0, 1]}, all: {distill_temperature: [0.5, 1, 2]}}\n"
    )
    sweep = read_sweep("off.yaml")
    of_mdcns, of_ablation = (settings_of(sweep, cell) for cell in cells(sweep))
    assert of_mdcns == [{"distill_weight": 0}, *({"distill_temperature": t, "distill_weight": 1} for t in (0.5, 1, 2))]
    assert of_ablation == [{}]
    assert len({trial.id.key for trial in trials(sweep)}) == 8  # the ablation is mdcns with the weight 0
    assert main(["sweep", "off.yaml", "--dry_run", "--methods", "mdcns_without_cd"]) == 0
    assert capsys.readouterr().err.startswith("space.all.distill_temperature is given and not read: no cell")
