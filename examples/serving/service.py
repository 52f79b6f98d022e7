"""POST /recommend: the best items for a sequence, by an exported encoder and an index, without torch.

MODEL=m.onnx EMBEDDINGS=vectors uvicorn --app-dir examples/serving --factory service:from_environment
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from fastapi import FastAPI, HTTPException
from item_index import ItemIndex
from pydantic import BaseModel, Field


class Asked(BaseModel):
    """A request.

    Attributes:
        items: Ids of the user's items, oldest first.
        k: How many recommendations.
    """

    items: list[str] = Field(min_length=1, max_length=10_000)
    k: int = Field(default=10, ge=1, le=1000)


def create_app(model: Path, embeddings: Path, exact: bool = False) -> FastAPI:
    """Return the service.

    Args:
        model: The ONNX file that the command ``export-model`` writes.
        embeddings: The folder of ``--embeddings``, of the same model.
        exact: See :class:`ItemIndex`.
    """
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    index = ItemIndex(embeddings, exact)
    app = FastAPI()

    @app.post("/recommend")
    def recommend(asked: Asked) -> dict[str, Any]:
        unknown = [item for item in asked.items if item not in index.numbers]
        if unknown:
            raise HTTPException(422, f"item {unknown[0]!r} is unknown: the model was not trained on it")
        numbers = np.array([[index.numbers[item] for item in asked.items]])  # [1, W]
        (encoding,) = session.run(["encoding"], {"items": numbers})
        best = index.best(encoding[0], asked.k, set(asked.items))
        return {"items": [item for item, _ in best], "scores": [score for _, score in best]}

    return app


def from_environment() -> FastAPI:
    """Return the service whose files the variables MODEL and EMBEDDINGS name."""
    return create_app(Path(os.environ["MODEL"]), Path(os.environ["EMBEDDINGS"]))
