"""Training and evaluation of one RecBole model with the negatives of a strategy."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import get_gpu_usage, set_color
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from recbole_mdcns.config.checks import check_cutoffs
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.data.history import HISTORY_END, HISTORY_START, HistoryIndex
from recbole_mdcns.encoder.selftest import fastest_mode
from recbole_mdcns.equations import multi_view
from recbole_mdcns.errors import ConfigError, TrainingError
from recbole_mdcns.evaluation.collector import RankCollector, dated_failure
from recbole_mdcns.evaluation.metrics import PlainEvaluator
from recbole_mdcns.kernels.pool_scores import item_order
from recbole_mdcns.losses.objective import NegativesLoss, check_encoder, make_catalogue_loss
from recbole_mdcns.negatives import NegativeStrategy, ScoredPool
from recbole_mdcns.negatives.draws.pool import CandidateSampler
from recbole_mdcns.negatives.returned import check_candidates, check_negatives
from recbole_mdcns.support.declared import is_known
from recbole_mdcns.trainer.resumable import ResumableTrainer


class _NoNegatives(NegativeStrategy):
    views: tuple[str, ...] = ()

    def choose(self, pool):
        raise NotImplementedError


class NegativeSamplingTrainer(ResumableTrainer):
    """Draws a candidate pool per target, lets a strategy choose the negatives, and takes one step per batch.

    RecBole's ``fit`` runs as it is: its log, TensorBoard, W&B, validation and early stopping. Replaced are one
    epoch, and the history mask of the full ranking.

    Args:
        config: The run.
        model: The self model, on ``config["device"]``.

    Raises:
        ConfigError: A cut-off of ``topk`` is beyond the catalogue.

    Attributes:
        places: Of the rows evaluated last, by role; see :class:`PlainEvaluator`.
    """

    def __init__(self, config: MDCNSConfig, model: SequentialRecommender):
        check_cutoffs(config["topk"], model.n_items - 1)
        super().__init__(config, model)
        check_encoder(config, self.encoders[0])
        self.strategy = (config.parts.strategy or _NoNegatives)(config, self.device)
        self._checks_strategy = not is_known(type(self.strategy))  # at the first step
        self.objective = NegativesLoss(config, model.n_items - 1)
        self.catalogue_loss = make_catalogue_loss(config, self.strategy.generator)
        self.eval_collector = RankCollector(config)
        self.evaluator = PlainEvaluator(config)
        self.places: dict[str, list[int]] = {}
        self.sampler: CandidateSampler | None = None
        self.batches: TargetLoader
        self._eval_history: HistoryIndex | None = None

    def extra_state(self) -> dict[str, Any]:
        """Return the states of the candidate sampler and of the strategy."""
        assert self.sampler is not None
        return {"sampler": self.sampler.generator.get_state(), "strategy": self.strategy.state_dict()}

    def fixed_extra_state(self) -> dict[str, Any]:
        """See :meth:`ResumableTrainer.fixed_extra_state`; a strategy of the user's own may hold what it likes."""
        state = self.extra_state()
        return state if is_known(type(self.strategy)) else {"sampler": state["sampler"]}

    def load_extra_state(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`extra_state` gave."""
        assert self.sampler is not None
        self.sampler.generator.set_state(state["sampler"].cpu())
        self.strategy.load_state_dict(state["strategy"])

    def prepare(self, train_data) -> None:
        """Make the candidate sampler and the batches of a training set; ``fit`` does it, evaluating alone needs it.

        Args:
            train_data: RecBole's loader of the training part.

        Raises:
            ConfigError: A row leaves fewer than N candidates, or another training set was prepared before.
        """
        dataset = train_data._dataset
        if self.sampler is not None:
            if dataset is not self.sampler.dataset:
                raise ConfigError("this trainer was prepared for another training set: make a new one")
            return
        self.eval_collector.data_collect(train_data)
        sampler = CandidateSampler(dataset, self.strategy.candidate_num, self.config["seed"], self.device)
        sampler.check(dataset, self.strategy.candidate_key)
        self.strategy.prepare(dataset, sampler)
        if self.config["lazy_items"]:
            self._make_lazy()
        mode = self.config["batching"]
        if mode == "auto":
            mode = fastest_mode(self.encoders)
        abilities = "; ".join(f"{e.role}: {e.abilities()}" for e in self.encoders)
        self.logger.info(f"batching {mode} ({abilities})")
        self.batches = TargetLoader(
            dataset,
            self.config["train_batch_size"],
            mode,
            with_rows=not all(encoder.causal for encoder in self.encoders),
            generator=train_data.generator if self.config["shuffle"] else None,
            device=self.device,
        )
        self.sampler = sampler

    def _make_lazy(self) -> None:
        for encoder in self.encoders:
            if not encoder.make_lazy():
                self.logger.warning(
                    f"lazy_items does nothing for the {encoder.role} model: {type(encoder.model).__name__} scores all "
                    "items, so all their rows have a gradient"
                )

    def fit(self, train_data, *args, **kwargs):
        """Check the data, then train; see :meth:`prepare` and :meth:`ResumableTrainer.fit`.

        Raises:
            ConfigError: Some row leaves fewer than N candidates.
            TrainingError: The loss is no longer finite.
        """
        self.prepare(train_data)
        return super().fit(train_data, *args, **kwargs)

    def train_step(self, batch: TargetBatch) -> dict[str, Tensor]:
        """Take one optimiser step on a batch; return the loss and its parts."""
        loss, parts = self.training_loss(batch)
        self._step(loss)
        return {"loss": loss.detach(), **parts}

    # -- training -----------------------------------------------------------------------------------------------------

    def training_loss(self, batch: TargetBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Draw candidates, encode every history once per model, and return the loss of a step and its parts."""
        if self.catalogue_loss:
            losses = [self.catalogue_loss(e, h, batch.target) for e, h in zip(self.encoders, self._encode(batch))]
            return torch.stack(losses).sum(), {f"{e.role}/all": x.detach() for e, x in zip(self.encoders, losses)}
        candidates = self.strategy.propose(batch)  # [T, N]
        return self.target_loss(batch, self._encode(batch), candidates)

    def _encode(self, batch: TargetBatch) -> list[Tensor]:
        with torch.autocast(device_type=self.device.type, enabled=self.enable_amp):
            return [encoder.encode(batch) for encoder in self.encoders]  # [T, .] each

    def target_loss(
        self, batch: TargetBatch, encodings: list[Tensor], candidates: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of T encoded targets, Eqs. (3) to (13), however their histories were encoded.

        Args:
            batch: The targets.
            encodings: Per model, what its encoder gave, shape [T, .].
            candidates: Item ids, shape [T, N].

        Returns:
            The loss to minimise, summed over the models, and its weighted parts, named ``role/part``.
        """
        if self._checks_strategy:
            check_candidates(self.config["neg_sampler"], candidates, len(batch), self.encoders[0].model.n_items)
        items = torch.cat([batch.target[:, None], candidates], dim=1)  # [T, 1 + N], the positive in column 0
        order = item_order(items)
        scores = [encoder.score(encoding, items, order) for encoder, encoding in zip(self.encoders, encodings)]
        pool = ScoredPool(batch, candidates, encodings, [s[:, 0] for s in scores], [s[:, 1:] for s in scores])
        chosen = self.strategy.choose(pool)
        if self._checks_strategy:
            check_negatives(self.config["neg_sampler"], chosen, pool)
            self._checks_strategy = False
        parts: dict[str, Tensor] = {}
        objectives = []
        for index, encoder in enumerate(self.encoders):
            view_losses, weights = self.objective(pool.positive[index], chosen, index)  # [K] each
            total = multi_view(view_losses, weights)
            extra = chosen.extra[index] if chosen.extra else {}
            objectives.append(total + sum(extra.values()))  # Eq. (13)
            views = self.strategy.views
            one_each = len(views) == len(view_losses)
            named = dict(zip(views, view_losses * weights)) if one_each else {views[0]: total}
            parts.update({f"{encoder.role}/{name}": value.detach() for name, value in {**named, **extra}.items()})
        return torch.stack(objectives).sum(), parts

    def _step(self, loss: Tensor) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        for encoder, optimizer in zip(self.encoders, self.optimizers):
            if self.clip_grad_norm:
                self.scaler.unscale_(optimizer)
                clip_grad_norm_(encoder.model.parameters(), **self.clip_grad_norm)
            self.scaler.step(optimizer)
        self.scaler.update()

    def _train_epoch(self, train_data, epoch_idx, loss_func=None, show_progress=False) -> float:
        """Train one epoch; replaces RecBole's loop, which knows one model and reads every loss back at every step.

        Returns:
            The mean loss per target.
        """
        for encoder in self.encoders:
            encoder.model.train()
        self.strategy.start_epoch(epoch_idx)
        started = perf_counter()
        label = set_color(f"Train {epoch_idx:>5}", "pink")
        batches: Any = tqdm(self.batches, ncols=100, desc=label) if show_progress else self.batches
        sums: dict[str, Tensor] = {}
        target_num = 0
        for batch in batches:
            parts = self.train_step(batch)
            target_num += len(batch)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0) + value.double() * len(batch)
            if self.gpu_available and show_progress:
                batches.set_postfix_str(set_color("GPU RAM: " + get_gpu_usage(self.device), "yellow"))
        means = dict(zip(sums, (torch.stack(list(sums.values())) / target_num).tolist()))
        if not all(map(math.isfinite, means.values())):
            before = f"; the epochs before are in {self.files.last}" if self._saved and self.history else ""
            raise TrainingError(
                f"the loss became {means['loss']} in epoch {epoch_idx}: "
                f"lower learning_rate or set clip_grad_norm{before}"
            )
        total = means.pop("loss")
        seconds = perf_counter() - started
        self.history.append(
            {"epoch": epoch_idx, "loss": total, "parts": means, "targets": target_num, "train_seconds": seconds}
        )
        self._epoch_trained(epoch_idx)
        return total

    def _generate_train_loss_output(self, epoch_idx, s_time, e_time, losses) -> str:
        places = self.config["loss_decimal_place"] or 4
        parts = ", ".join(f"{name}: {value:.{places}f}" for name, value in self.history[-1]["parts"].items())
        return f"{super()._generate_train_loss_output(epoch_idx, s_time, e_time, losses)} [{parts}]"

    def _add_train_loss_to_tensorboard(self, epoch_idx, losses, tag="Loss/Train") -> None:
        super()._add_train_loss_to_tensorboard(epoch_idx, losses, tag)
        parts = self.history[-1]["parts"]
        for name, value in parts.items():
            self.tensorboard.add_scalar(f"{tag}/{name}", value, epoch_idx)
        self.wandblogger.log_metrics({**parts, "train_step": epoch_idx}, head="train", commit=False)

    # -- evaluation ---------------------------------------------------------------------------------------------------

    def evaluate(self, eval_data, load_best_model=True, model_file=None, show_progress=False) -> dict[str, float]:
        """Rank all items for every row of ``eval_data`` and return the self model's metrics.

        Args:
            eval_data: Full-ranking loader of RecBole.
            load_best_model: Take the weights of the best epoch first.
            model_file: Weights of the self model to take instead.
            show_progress: Show a progress bar.

        Raises:
            TrainingError: A model gives scores that rank nothing, such as NaN.
        """
        if load_best_model or model_file:
            if self.dataset is None:
                self.use_data(eval_data._dataset)
            self.load_best(model_file)
        self._eval_history = eval_data._dataset.history.to(self.device)
        with dated_failure(self.history):
            result = super().evaluate(eval_data, load_best_model=False, show_progress=show_progress)
        self.places = {"self": self.evaluator.places}
        return result

    def evaluate_all(self, eval_data, show_progress=False) -> dict[str, dict[str, float]]:
        """Return the metrics of every model by role, with the weights that the models hold now."""
        return {"self": self.evaluate(eval_data, load_best_model=False, show_progress=show_progress)}

    def _full_sort_batch_eval(self, batched_data):
        """Let RecBole rank a batch; what :meth:`_left_out` names is out of the ranking."""
        rows, _, positive_row, positive_item = batched_data
        mask = self._left_out(rows, positive_item)
        return super()._full_sort_batch_eval((self.encoders[0].trimmed(rows), mask, positive_row, positive_item))

    def _left_out(self, rows, targets: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the rows' full histories without their targets, as row numbers and items; None without a mask.

        Args:
            rows: The rows to evaluate.
            targets: Their targets, shape [B]; a target that the history holds too is ranked all the same.
        """
        if not self.config["mask_history"]:
            return None
        assert self._eval_history is not None
        start, end = (rows[field].to(self.device) for field in (HISTORY_START, HISTORY_END))
        row, item = self._eval_history.pairs(start, end)
        other = item != targets.to(self.device)[row]
        return row[other], item[other]
