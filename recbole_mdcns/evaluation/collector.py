"""RecBole's collector of the inputs of metrics, with ranks by counting."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from recbole.config import Config
from recbole.data.interaction import Interaction
from recbole.evaluator import Collector
from recbole.evaluator.collector import DataStruct
from recbole.evaluator.register import Register
from torch import Tensor

from recbole_mdcns import compat
from recbole_mdcns.errors import TrainingError
from recbole_mdcns.metrics import resolve_metric
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.parallel.row_shares import RowShares

#: Inputs of metrics that do not use the top K.
_OTHERS = ("rec.items", "rec.meanrank", "rec.score", "data.label")
#: Rows that are counted together on a CPU, few enough for its cache.
ROWS_AT_ONCE = 32


class NonFiniteScores(TrainingError):
    """A model gave scores that cannot be ranked: NaN or infinite ones."""


@contextlib.contextmanager
def dated_failure(epoch_log: Sequence[dict[str, Any]], is_validation: bool) -> Iterator[None]:
    """Say in an error about non-finite scores which epoch it follows, and which epoch was the last without it.

    Args:
        epoch_log: The finished epochs.
        is_validation: The last of them is validated; otherwise the training is over, and its best epoch is evaluated.

    Raises:
        TrainingError: Instead of ``NonFiniteScores``.
    """
    try:
        yield
    except NonFiniteScores as error:
        validated = [entry["epoch"] for entry in epoch_log if "valid" in entry]
        if not epoch_log:
            when = ""
        elif not is_validation:
            when = " at the best epoch"
        else:
            when = f" after epoch {epoch_log[-1]['epoch']}"
            when += f", and were finite after epoch {validated[-1]}" if validated else ", the first that is evaluated"
        raise TrainingError(f"{error}{when}: lower learning_rate or set clip_grad_norm") from None


class MetricRegister(Register):
    """RecBole's list of the inputs that the metrics of a run need, including the user's own metrics."""

    def _build_register(self) -> None:
        for name in self.config["metrics"]:
            for need in getattr(resolve_metric(name), "metric_need", ()):
                setattr(self, need, True)


class PassEntries(DataStruct):
    """RecBole's entries, those of a pass batch by batch; RecBole copies all that was collected with every batch.

    Attributes:
        batches: The batches of each entry since the last :meth:`join`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.batches: dict[str, list[Tensor]] = {}

    def update_tensor(self, name: str, value: Tensor) -> None:
        """Add a batch to an entry."""
        self.batches.setdefault(name, []).append(value.clone().detach())

    def join(self) -> None:
        """Make an entry of the batches of each name."""
        for name, batches in self.batches.items():
            self.set(name, torch.cat(batches))
        self.batches = {}


class RankCollector(Collector):
    """Finds the rank of a row's target by counting the scores above its own, without sorting.

    RecBole's own method decides ties with the target's score, and serves metrics that need more than the place of one
    target.

    A masked item has the score -inf. It is never a hit and never recommended, even for large K: if a row has fewer than
    K items left, ``rec.items`` ends in the padding item, 0.
    """

    data_struct: PassEntries

    def __init__(self, config: Config, role: str = "self"):
        # Not RecBole's constructor: its register knows only the needs of RecBole's own metrics.
        compat.with_globals(Collector.__init__, Register=MetricRegister, DataStruct=PassEntries)(self, config)
        self.role = role
        self.shares = RowShares(Group())
        self._row_num = self._empty_num = 0

    def begin(self) -> None:
        """Begin a pass: what was collected of a pass that broke off is forgotten."""
        self.data_struct.batches.clear()
        self._row_num = self._empty_num = 0

    def for_role(self, role: str) -> RankCollector:
        """Return an empty collector for another model, with the same knowledge of the training data."""
        other = RankCollector(self.config, role)
        other.shares = self.shares
        for name, value in self.data_struct._data_dict.items():
            if not _is_of_a_pass(name):
                other.data_struct.set(name, value)
        return other

    def eval_batch_collect(
        self, scores_tensor: Tensor | None, interaction: Interaction, positive_u: Tensor, positive_i: Tensor
    ) -> None:
        """Collect a batch: scores [B, V + 1], and the one target of each row as two index tensors [B].

        Without scores nothing is collected: another process ranks the batch.

        Raises:
            NonFiniteScores: A score is NaN or +inf.
        """
        if scores_tensor is None:
            return
        rows, target = (index.to(scores_tensor.device) for index in (positive_u, positive_i))
        is_masked = scores_tensor[rows, target] == -torch.inf  # [B]
        in_order = torch.equal(positive_u.cpu(), torch.arange(len(scores_tensor)))
        if any(map(self.register.need, _OTHERS)) or not in_order:
            self._count_rows(scores_tensor.amax(1))
            super().eval_batch_collect(scores_tensor, interaction, positive_u, positive_i)
            self._leave_masked_out(scores_tensor, is_masked)
            return
        highest, above, equal = _compared(scores_tensor, scores_tensor.gather(1, target[:, None]))
        self._count_rows(highest)
        hits = torch.zeros(len(rows), max(self.topk) + 1, dtype=torch.int64, device=scores_tensor.device)
        hits.scatter_(1, above.clamp(max=max(self.topk))[:, None], 1)
        tied = equal != 1
        if tied.any():
            order = scores_tensor[tied].topk(max(self.topk), dim=1).indices
            hits[tied, :-1] = (order == target[tied, None]).long()
        hits[is_masked] = 0
        hits[:, -1] = 1  # number of targets
        self.data_struct.update_tensor("rec.topk", hits)

    def get_data_struct(self) -> DataStruct:
        """Return the collected values; RecBole's own method expects tensors, and some entries are numbers.

        Raises:
            NonFiniteScores: Every score of every row is -inf.
        """
        if 0 < self.shares.group.total(self._row_num) == self.shares.group.total(self._empty_num):
            self._fail("-inf in all of them")
        self._row_num = self._empty_num = 0
        self.data_struct.join()
        numbers = {name: value for name, value in self.data_struct._data_dict.items() if not isinstance(value, Tensor)}
        for name in numbers:
            del self.data_struct[name]
        of_pass = {name: value for name, value in self.data_struct._data_dict.items() if _is_of_a_pass(name)}
        for name, value in self.shares.joined(of_pass, self.config["device"]).items():
            self.data_struct.set(name, value)
        collected = super().get_data_struct()
        for name, value in numbers.items():
            self.data_struct.set(name, value)
            collected.set(name, value)
        return collected

    def _count_rows(self, highest: Tensor) -> None:
        self.check(highest)
        self._row_num += len(highest)
        self._empty_num += int((highest == -torch.inf).sum())

    def check(self, highest: Tensor) -> None:
        """Check rows by their highest score [B], which is NaN if one of their scores is.

        Raises:
            NonFiniteScores: One is NaN or +inf.
        """
        bad = ~(highest < torch.inf)
        if bad.any():
            self._fail(f"{'nan' if highest.isnan().any() else 'inf'} in {int(bad.sum())} of {len(bad)} rows of a batch")

    def _fail(self, fault: str) -> None:
        self.begin()
        raise NonFiniteScores(f"the scores of the {self.role} model are not finite ({fault})")

    def _leave_masked_out(self, scores: Tensor, is_masked: Tensor) -> None:
        """Correct what RecBole has just collected: it ranks masked items last, and they have no rank."""
        left = (scores > -torch.inf).sum(1, keepdim=True)  # [B, 1]
        beyond = torch.arange(max(self.topk), device=scores.device) >= left  # [B, K]
        collected = {name: batches[-1] for name, batches in self.data_struct.batches.items()}
        if "rec.items" in collected:
            collected["rec.items"][beyond] = 0
        if "rec.topk" in collected:
            collected["rec.topk"][:, :-1][beyond] = 0
        if "rec.meanrank" in collected and len(is_masked) == len(scores):
            # Rank of the target and number of ranked items: a masked target comes after all others.
            last = (left[is_masked] + 1).to(collected["rec.meanrank"].dtype)
            collected["rec.meanrank"][:, :2][is_masked] = last.expand(-1, 2)


def _is_of_a_pass(name: str) -> bool:
    """Tell whether an entry comes from ranked rows, not from the training data."""
    return name.startswith("rec.") or name == "data.label"


def _compared(scores: Tensor, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return each row's highest score in [B, V + 1], and the numbers above and equal to its own [B, 1]; [B] each.

    The counts are in floating point, which is exact up to 2^24 items. Counts of booleans take three times as long,
    because torch first makes a matrix of 64-bit integers; on a CPU without blocks of rows they take twenty times as
    long.
    """
    rows_at_once = ROWS_AT_ONCE if scores.device.type == "cpu" else len(scores)
    buffer = scores.new_empty(min(rows_at_once, len(scores)), scores.size(1), dtype=torch.float32)
    counted = []
    for block, of_target in zip(scores.split(rows_at_once), own.split(rows_at_once)):
        counts = (compare(block, of_target, out=buffer[: len(block)]).sum(1) for compare in (torch.gt, torch.eq))
        counted.append((block.amax(1), *counts))
    highest, above, equal = map(torch.cat, zip(*counted))
    return highest, above.long(), equal.long()
