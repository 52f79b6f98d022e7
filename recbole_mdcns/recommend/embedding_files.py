"""Item embeddings as files, for any vector index."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from recbole_mdcns.recommend.recommender import Recommender
from recbole_mdcns.support.safe_write import replacing

#: The embeddings, shape [V, H]; row r is that of the item with number r + 1.
EMBEDDINGS = "embeddings.npy"
#: A list of the items' ids in the same order.
IDS = "ids.json"


def write_embeddings(recommender: Recommender, folder: Path, role: str | None = None) -> tuple[int, int]:
    """Write the embeddings of all items and their ids, neither of them with pickle.

    Args:
        recommender: The models.
        folder: Gets the two files; it is made if it is missing.
        role: ``self``, ``peer``, and so on; by default the model of the file.

    Returns:
        Number of items, and the size of an embedding.

    Raises:
        ConfigError: The model has no such embeddings.
        WriteError: A file cannot be written.
    """
    ids, embeddings = recommender.item_embeddings(role)
    with replacing(folder / EMBEDDINGS, make_folder=True) as vectors:
        np.save(vectors, np.ascontiguousarray(embeddings, dtype=np.float32), allow_pickle=False)
        vectors.flush()
        os.fsync(vectors.fileno())  # what takes long is done before the first of the two files is replaced
        with replacing(folder / IDS) as names:
            names.write(json.dumps(ids, ensure_ascii=False).encode() + b"\n")
    return embeddings.shape
