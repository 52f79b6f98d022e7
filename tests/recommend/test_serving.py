"""The example of a service over HTTP, from the exported files to the answers."""

from pathlib import Path

import numpy as np
import pytest
from helpers.paths import ROOT
from helpers.runs import fit, tiny_run

from recbole_mdcns.cli.main import main
from recbole_mdcns.recommend import load

for package, why in (
    ("onnx", "it exports"),
    ("onnxruntime", "it encodes"),
    ("faiss", "it is the index"),
    ("fastapi", "it is the service"),
    ("httpx", "fastapi's TestClient needs it"),
):
    pytest.importorskip(package, reason=why)

SEQUENCES = [["i1", "i2", "i3"], ["i29"], [f"i{number}" for number in range(20)]]


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "serving"))
    import item_index
    import service

    return item_index, service


def test_an_exact_service_gives_the_ids_of_the_recommender(modules):
    from fastapi.testclient import TestClient

    run = tiny_run("SASRec", epochs=1, neg_sampler="rns")
    fit(run)
    model = str(run.trainer.files.best)
    assert main(["export-model", model, "--onnx=m.onnx", "--embeddings=vectors"]) == 0
    recommender = load(model)
    for exact in (True, False):  # 30 items: the graph reaches all of them
        client = TestClient(modules[1].create_app(Path("m.onnx"), Path("vectors"), exact))
        for items in SEQUENCES:
            answer = client.post("/recommend", json={"items": items, "k": 4}).json()
            expected = recommender.recommend([items], k=4)
            assert answer["items"] == expected["item"].tolist()
            np.testing.assert_allclose(answer["scores"], expected["score"], atol=1e-5)
        assert len(client.post("/recommend", json={"items": SEQUENCES[2]}).json()["items"]) == 10  # all that are left
    for bad, said in (
        ({"items": ["x"]}, "item 'x' is unknown"),
        ({"items": []}, "items"),
        ({"items": ["i1"], "k": 0}, "k"),
    ):
        answer = client.post("/recommend", json=bad)
        assert answer.status_code == 422 and said in answer.text


def test_the_graph_finds_nine_of_ten_best_items_of_random_ones(modules):
    random = np.random.default_rng(0)
    items, encodings = (random.standard_normal((number, 16), dtype=np.float32) for number in (3000, 50))
    Path("vectors").mkdir()
    np.save("vectors/embeddings.npy", items)
    Path("vectors/ids.json").write_text(str([f"i{number}" for number in range(3000)]).replace("'", '"'))
    index = modules[0].ItemIndex(Path("vectors"))
    exact = np.argsort(-encodings @ items.T, axis=1)[:, :10]
    found = 0
    for encoding, best in zip(encodings, exact):
        left_out = {f"i{best[0]}"}
        names = [name for name, _ in index.best(encoding, 9, left_out)]
        assert not left_out & set(names) and len(names) == 9
        found += len(set(names) & {f"i{number}" for number in best[1:]})
    assert found >= 0.9 * 9 * len(encodings)
