"""The volumes that docs/scaling.md says are those of its formula, for the weights that the models have."""

from __future__ import annotations

import pytest
from helpers.paths import ROOT

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.stand_in import StandInDataset
from recbole_mdcns.encoder.build import build_model

PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
KEYS = {"data_path": "data", "use_gpu": False, "protocol": "paper", "peer_model": "GRU4Rec"}


def test_volumes_are_those_of_the_formula():
    config = MDCNSConfig("SASRec", "tiny", config_dict=KEYS)
    built = [build_model(each, StandInDataset(each, {"item_id": 0})) for each in (config, *config.peer_configs())]
    rest = sum(weight.numel() for model in built for weight in model.parameters()) - 2 * 64  # the padding's row
    head, _, *rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.count("|") == 9]
    process_nums = [int(cell.split("=")[1]) for cell in head[3:]]
    assert process_nums == [2, 4, 8, 16, 64] and len(rows) == 4
    for row in rows:
        items, weights, *volumes = (float(cell.replace(",", "")) for cell in row[1:])
        bytes_of_weights = 4 * (rest + 2 * 64 * (items + 1))
        assert weights == pytest.approx(bytes_of_weights / 2**20, abs=0.05)
        moved = bytes_of_weights + 4 * 1024 * 101 * 2
        expected = [2 * (number - 1) / number * moved / 2**20 for number in process_nums]
        assert volumes == pytest.approx(expected, abs=0.05)
