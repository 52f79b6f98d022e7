"""The best items for encodings, by an index over exported item embeddings (faiss)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import faiss
import numpy as np

#: Links of an item, and how many items a search looks at: more of both is slower and misses less.
LINKS, LOOKED_AT = 32, 256


class ItemIndex:
    """An index over the folder that the command ``export-model`` fills with ``--embeddings``.

    Args:
        folder: Holds ``embeddings.npy`` and ``ids.json``.
        exact: Compare with every item; otherwise an HNSW graph finds nearly the best ones in far less time.
    """

    def __init__(self, folder: Path, exact: bool = False):
        embeddings = np.load(folder / "embeddings.npy", allow_pickle=False)  # [V, H]
        self.ids: list[str] = json.loads((folder / "ids.json").read_text(encoding="utf-8"))
        self.numbers = {item: number for number, item in enumerate(self.ids, start=1)}
        self._index: Any
        if exact:
            self._index = faiss.IndexFlatIP(embeddings.shape[1])
        else:
            self._index = faiss.IndexHNSWFlat(embeddings.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efConstruction = LOOKED_AT
            self._index.hnsw.efSearch = LOOKED_AT
        self._index.add(embeddings)

    def best(self, encoding: np.ndarray, k: int, left_out: set[str]) -> list[tuple[str, float]]:
        """Return the k items with the highest scores for an encoding [H], best first, without some items."""
        asked = min(k + len(left_out), len(self.ids))
        scores, rows = self._index.search(encoding[None], asked)
        found = [(self.ids[row], float(score)) for row, score in zip(rows[0], scores[0]) if row >= 0]
        return [(item, score) for item, score in found if item not in left_out][:k]
