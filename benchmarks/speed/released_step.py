"""The training step of MDCNS's released code, rewritten in plain form: the baseline of ``speed.py``, not for use.

Facts of that code (its text is not copied): every row is padded on the left to the full window; its candidates are
drawn in the data loader from the Python set of all items without its history and target; positives and candidates are
scored by a broadcast product; losses take the logarithm of a sigmoid plus 1e-24; the distillation is summed over the
batch; one Adam per model, one backward over both.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from recbole_mdcns.data.dataset import HistoryDataset

TINY = 1e-24


class ReleasedRows(Dataset):
    """Rows with their candidates, one at a time.

    Args:
        dataset: The training part.
        candidate_num: N.
    """

    def __init__(self, dataset: HistoryDataset, candidate_num: int):
        rows = dataset.inter_feat
        columns = (rows["history_start"], rows["history_end"], rows[dataset.iid_field])
        self.rows = list(zip(*(column.tolist() for column in columns)))
        self.items = dataset.history.items.tolist()
        self.item_num = dataset.item_num
        self.width, self.candidate_num = dataset.max_item_list_len, candidate_num

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int, Tensor]:
        start, end, target = self.rows[index]
        history = self.items[start:end]
        window = history[-self.width :]
        padded = [0] * (self.width - len(window)) + window
        return torch.tensor(padded), target, torch.tensor(self.draw(history, target))

    def draw(self, history: list[int], target: int) -> list[int]:
        """Draw the candidates of a row."""
        return draw_candidates(self.item_num, history, target, self.candidate_num)


def draw_candidates(item_num: int, history: list[int], target: int, candidate_num: int) -> list[int]:
    """Draw from the Python set of all items, made anew for the row, less its history and its target."""
    return random.sample(list(set(range(1, item_num)) - set(history) - {target}), candidate_num)


class ReleasedTraining:
    """Two models and the released step.

    Args:
        dataset: The training part.
        models: Self and peer, RecBole models with a ``forward(item_seq, item_seq_len)`` and an ``item_embedding``.
        candidate_num: N.
        batch_size: Rows per step.
        workers: Processes of the data loader.
    """

    def __init__(
        self,
        dataset: HistoryDataset,
        models: list[Any],
        candidate_num: int,
        batch_size: int,
        workers: int,
    ):
        self.rows = ReleasedRows(dataset, candidate_num)
        self.loader = DataLoader(self.rows, batch_size, shuffle=True, num_workers=workers)
        self.models = models
        self.optimizers = [torch.optim.Adam(model.parameters(), lr=0.001) for model in models]

    def __iter__(self) -> Iterator[list[Tensor]]:
        return iter(self.loader)

    def step(self, batch: list[Tensor]) -> Tensor:
        """Take one step and return its loss."""
        device = next(self.models[0].parameters()).device
        loss = self.loss(*(column.to(device) for column in batch))
        self.update(loss)
        return loss.detach()

    def loss(self, item_seq: Tensor, target: Tensor, candidates: Tensor) -> Tensor:
        """Return the loss of both models."""
        length = torch.full_like(target, item_seq.size(1))
        positive, scores = [], []
        for model in self.models:
            state = model.train().forward(item_seq, length)
            positive.append((state * model.item_embedding(target)).sum(-1))  # [B]
            scores.append((state[:, None] * model.item_embedding(candidates)).sum(-1))  # [B, N]
        with torch.no_grad():
            teacher = (scores[0] + scores[1]) / 2
            distance = (scores[0] - scores[1]).abs()
            chosen = [(view + distance).argmax(1, keepdim=True) for view in (scores[0], scores[1], teacher)]
            whole = (
                torch.cat([positive[0][:, None], scores[0]], 1) + torch.cat([positive[1][:, None], scores[1]], 1)
            ) / 2
            of_teacher = F.softmax(whole, dim=1)
        loss = torch.zeros((), device=target.device)
        for own_positive, own_scores in zip(positive, scores):
            for column in chosen:
                negative = own_scores.gather(1, column).squeeze(1)
                loss = (
                    loss - (own_positive.sigmoid() + TINY).log().mean() - (1 - negative.sigmoid() + TINY).log().mean()
                )
            log_student = F.log_softmax(torch.cat([own_positive[:, None], own_scores], 1), dim=1)
            loss = loss + 0.01 * F.kl_div(log_student, of_teacher, reduction="sum")
        return loss

    def update(self, loss: Tensor) -> None:
        """Take a step of both optimisers."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
