"""The models of a run, from their files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.checkpoints.checkpoint import RunFiles
from recbole_mdcns.checkpoints.saved_config import saved_config
from recbole_mdcns.checkpoints.saved_state import load_weights
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.stand_in import StandInDataset
from recbole_mdcns.encoder.build import build_model
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.encoder.selftest import measure_scoring_model
from recbole_mdcns.errors import CheckpointError
from recbole_mdcns.support.path_names import expanded

#: Names of each column in the model that is measured: how a model scores does not depend on how many there are, and a
#: measurement takes long with a million.
FEW = 100


class SavedModel:
    """A model as its file describes it.

    Args:
        path: The file.
        trust_code: Import the user's own classes that the file names.
        model_class: The class of a user's own model; then none is imported.
        device: Where the model goes.

    Attributes:
        config: Its configuration.
        names: By column, the names in the order of their numbers, from number 1 on.
        model: The model, in evaluation mode.
        valid: The metrics on validation by role, if the run has finished; only the self model's file has them.
        best: What its run and its epoch are known by.

    Raises:
        CheckpointError: The file is missing, damaged, of another version, or needs its data, or a weight is no number.
    """

    #: Entries that all models of one best epoch share.
    SHARED = ("epoch", "best_valid_score", "fingerprints")

    def __init__(self, path: Path, trust_code: bool, model_class: type | None, device: torch.device):
        content = checkpoint.load(path, "model", "cpu")
        on_device: dict[str, Any] = {"use_gpu": device.type == "cuda", "gpu_id": str(device.index or 0)}
        self.config: MDCNSConfig = saved_config(content, path, trust_code, model_class, on_device)
        self.names = checkpoint.names(content, path)
        self.path, self.role = path, content["role"]
        self.valid: dict[str, dict[str, float]] | None = content.get("valid")
        self.best = {name: content[name] for name in self.SHARED}
        sizes = {field: len(names) for field, names in self.names.items()}
        dataset = StandInDataset(self.config, sizes)
        model = build_model(self.config, dataset)
        load_weights(model, content, path)
        model.eval()
        if not all(weights.isfinite().all() for weights in model.parameters()):
            raise CheckpointError(f"checkpoint {path} holds weights that are not finite numbers: train it again")
        small = build_model(self.config, StandInDataset(self.config, {f: min(n, FEW) for f, n in sizes.items()}))
        self.model: ScoringModel = measure_scoring_model(small, self.config, self.role).like_this(model)
        self.embeds_users = self.config["USER_ID_FIELD"] in dataset.counted


class SavedModels:
    """The models of a run by role. A peer is read when it is first asked for: its file need not be there before.

    Args:
        path: The file of the self model, beside which the peers' lie; or that of a peer, which is alone.
        trust_code: See :class:`SavedModel`.
        model_class: The class of the file's model.
        device: Where the models go.

    Attributes:
        first: The model of the file.
        roles: The models that the run has, the file's first.

    Raises:
        CheckpointError: The file is missing or cannot be used.
    """

    def __init__(self, path: str | Path, trust_code: bool, model_class: type | None, device: torch.device):
        self.first = SavedModel(expanded(path), trust_code, model_class, device)
        config = self.first.config
        has_peers = self.first.role == "self" and config.peer_classes
        self.roles: list[str] = [self.first.role, *(config.peer_roles if has_peers else [])]
        self._read = {self.first.role: self.first}
        self._trust_code, self._device = trust_code, device

    def __getitem__(self, role: str) -> SavedModel:
        """Return a model, which is read unless it has been.

        Raises:
            CheckpointError: Its file is missing, cannot be used, or is of another run or another epoch.
        """
        if role not in self._read:
            path = RunFiles(self.first.path).model(role)
            peer = SavedModel(path, self._trust_code, None, self._device)
            for name in SavedModel.SHARED:
                if peer.best[name] != self.first.best[name]:
                    raise CheckpointError(
                        f"checkpoint {path} has another {name} than {self.first.path}: it is of another run, or the "
                        "training was killed, or goes on, between the two files; --resume writes both again"
                    )
            self._read[role] = peer
        return self._read[role]
