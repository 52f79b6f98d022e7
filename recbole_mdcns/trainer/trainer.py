"""RecBole's trainer for one or several models; every finished epoch is saved and can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from recbole.data.dataloader import AbstractDataLoader, FullSortEvalDataLoader
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.trainer import Trainer
from recbole.utils import calculate_valid_score, set_color
from torch import Tensor
from torch.optim import Optimizer

from recbole_mdcns import compat, run_log
from recbole_mdcns.checkpoints.checkpoint import RunFiles
from recbole_mdcns.config.checks import check_cutoffs
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.load import dataset_of
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.errors import ConfigError, TrainingError
from recbole_mdcns.evaluation.collector import RankCollector, dated_failure
from recbole_mdcns.evaluation.evaluator import PlainEvaluator
from recbole_mdcns.evaluation.ranking import Evaluation, FullRanking
from recbole_mdcns.kernels.optimizer import fuse, make_capturable, make_lazy
from recbole_mdcns.negatives import NegativeStrategy
from recbole_mdcns.trainer.early_stopping import kept_epoch
from recbole_mdcns.trainer.loop import Batches, TrainingLoop
from recbole_mdcns.trainer.models import measure_models
from recbole_mdcns.trainer.run_checkpoints import RunCheckpoints
from recbole_mdcns.trainer.training_state import Progress, TrainingState


class NegativeSamplingTrainer(Trainer):
    """Trains one model, or a self model and its peers at once.

    RecBole's ``fit`` is unchanged: its log, TensorBoard, W&B, validation and early stopping. This class replaces one
    epoch (:class:`TrainingLoop`), the history mask of the full ranking (:class:`FullRanking`), and the content of
    checkpoints (:class:`RunCheckpoints`). RecBole's train loader gives the training part and the random order; its
    batches are never made.

    Args:
        config: The run.
        model: The self model, on ``config["device"]``.
        *peers: The peers, other models on the same device.
        peer_configs: The peers' configurations; the default is to make them from ``config``.

    Raises:
        ConfigError: Two of the models share parameters, the number of peers or of their configurations is not that of
            the run, the loss cannot train one of them, or a cut-off of ``topk`` is beyond the catalogue.

    Attributes:
        scoring_models: The trained models, the self model first.
        optimizers: One per model.
        loop: The training steps.
        checkpoints: The files of the run.
        epoch_log: One entry per finished epoch: losses, seconds, validation metrics.
    """

    eval_collector: RankCollector
    evaluator: PlainEvaluator
    # Attributes of RecBole's trainer that a resumed run restores.
    start_epoch: int
    cur_step: int
    best_valid_score: float
    best_valid_result: dict[str, float] | None

    def __init__(
        self,
        config: MDCNSConfig,
        model: SequentialRecommender,
        *peers: SequentialRecommender,
        peer_configs: Sequence[Any] = (),
    ):
        check_cutoffs(config["topk"], model.n_items - 1)
        self.scoring_models: list[ScoringModel] = measure_models(config, model, peers, peer_configs)
        # RecBole's constructor without its folders: a trainer that only evaluates writes nothing.
        replaced = {"get_tensorboard": lambda _: None, "ensure_dir": lambda _: None}
        classes = {"Collector": RankCollector, "Evaluator": PlainEvaluator}
        compat.with_globals(Trainer.__init__, **replaced, **classes)(self, config, model)
        self.gpu_available = self.device.type == "cuda"  # RecBole's is true for --gpu_id= on a machine with a GPU
        self.optimizers: list[Optimizer] = [self.optimizer]
        for peer in self.scoring_models[1:]:
            settings = {key: peer.config[key] for key in ("learner", "learning_rate", "weight_decay")}
            self.optimizers.append(self._build_optimizer(params=peer.model.parameters(), **settings))
        self.loop = TrainingLoop(config, self.scoring_models, self.optimizers)
        self.checkpoints = RunCheckpoints(config, TrainingState(config, self.loop))
        self.use_files(self.checkpoints.files)
        self.tensorboard = run_log.tensorboard(config, self.files.best.stem)
        self.epoch_log: list[dict[str, Any]] = []
        self._is_broken_off = False  # a training began and did not end
        self._ranking: FullRanking | None = None  # of the pass in which RecBole asks for the ranking of a batch
        self._validates = False

    def _build_optimizer(self, **kwargs) -> Optimizer:
        optimizer = fuse(super()._build_optimizer(**kwargs))
        if self.config["lazy_items"]:
            return make_lazy(optimizer)
        return make_capturable(optimizer) if self.device.type == "cuda" else optimizer

    @property
    def strategy(self) -> NegativeStrategy | None:
        """The strategy that chooses the negatives; None if the loss takes none."""
        return self.loop.objective.strategy

    @property
    def batches(self) -> Batches:
        """The training batches; call :meth:`prepare` first."""
        return self.loop.batches

    @property
    def files(self) -> RunFiles:
        """The files of the run."""
        return self.checkpoints.files

    def use_files(self, files: RunFiles) -> None:
        """Set the files to save to and to load the best models from."""
        self.checkpoints.files = files
        self.saved_model_file = str(files.best)

    def use_data(self, dataset: HistoryDataset) -> None:
        """Set the training part that the models are built for; checkpoints of other data are then refused."""
        self.checkpoints.use_data(dataset)

    def data_fingerprints(self) -> dict[str, str]:
        """Return fingerprints of the sequences, of the split and, once it is prepared, of what the sampler reads.

        They have the names of fields of a record's data. Call :meth:`use_data` first.
        """
        assert self.checkpoints.identity is not None
        known = self.checkpoints.identity.fingerprints
        of_sampler = None if self.strategy is None else self.strategy.data_fingerprint
        further = {} if of_sampler is None else {"sampler_fingerprint": of_sampler}
        return {"fingerprint": known["sequences"], "split_fingerprint": known["split"], **further}

    # -- training -----------------------------------------------------------------------------------------------------

    def prepare(self, train_data: AbstractDataLoader) -> None:
        """Make the draws and the batches of a training part; ``fit`` calls it, an evaluation without ``fit`` must.

        Raises:
            ConfigError: See :meth:`TrainingLoop.prepare`.
        """
        self.loop.prepare(dataset_of(train_data), train_data.generator)
        self.use_data(dataset_of(train_data))
        self.eval_collector.data_collect(train_data)

    def fit(
        self,
        train_data: AbstractDataLoader,
        valid_data: AbstractDataLoader | None = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
    ) -> tuple[float, dict[str, float] | None]:
        """Train as RecBole's ``Trainer.fit`` does, from the first unfinished epoch.

        With ``saved=False`` nothing is written, and the best models are kept in memory.

        Raises:
            CheckpointError: See :meth:`RunCheckpoints.training`.
            ConfigError: A training by this trainer broke off before; otherwise see :meth:`prepare` and
                :meth:`RunCheckpoints.training`.
            TrainingError: The loss is no longer finite.
            WriteError: A checkpoint cannot be written.
        """
        self._check_not_broken_off()
        self.prepare(train_data)
        self._validates = valid_data is not None and self.eval_step > 0

        def after_validation(epoch_idx: int, valid_score: float) -> None:
            if self.cur_step == 0:
                self.checkpoints.keep_best(self._progress(epoch_idx))
            self.checkpoints.finish_epoch(self._progress(epoch_idx))
            if callback_fn:
                callback_fn(epoch_idx, valid_score)

        saved = saved and self.loop.group.is_first  # the others keep the best models in memory, which are the same
        with self.checkpoints.training(train_data.generator, saved):
            if self.epochs == 0:
                self.checkpoints.keep_best(self._progress(-1))
            if self.start_epoch > 0 and (self.start_epoch >= self.epochs or self.cur_step > self.stopping_step):
                self.logger.info(f"Nothing left to train: {self.start_epoch} epochs are done")
                if not self._lacks_validation():
                    return float(self.best_valid_score), self.best_valid_result
                self.start_epoch -= 1  # RecBole then comes to the end of this epoch, which is not trained again
            self._is_broken_off = True
            try:
                with compat.no_anomaly_mode():
                    score, result = super().fit(train_data, valid_data, verbose, saved, show_progress, after_validation)
            finally:
                self.tensorboard.close()
        self.start_epoch, self._is_broken_off = len(self.epoch_log), False
        return float(score), result

    def _check_not_broken_off(self) -> None:
        """Refuse to train on from models that may be in the middle of an epoch.

        Raises:
            ConfigError: The last ``fit`` did not end, and nothing was resumed since.
        """
        if self._is_broken_off:
            last = self.files.last
            resume = f", and continue with its resume_checkpoint({str(last)!r})" if last.is_file() else ""
            raise ConfigError(
                "the last training of this trainer broke off, and its models may be in the middle of an epoch: make a "
                f"new trainer{resume}"
            )

    def _lacks_validation(self) -> bool:
        """Tell whether the last epoch is trained, and an uninterrupted training would have validated it."""
        ends_here = self._validates and len(self.epoch_log) == self.epochs
        return ends_here and self.epochs % self.eval_step == 0 and "valid" not in self.epoch_log[-1]

    def train_step(self, batch: TargetBatch) -> dict[str, Tensor]:
        """Take one optimiser step per model on a batch; return the loss and its parts."""
        return self.loop.train_step(batch)

    def _train_epoch(self, train_data, epoch_idx, loss_func=None, show_progress=False) -> float:
        """Train one epoch; replaces RecBole's loop, which has one model and reads the loss at every step."""
        if epoch_idx < len(self.epoch_log):  # only its validation is missing
            return self.epoch_log[epoch_idx]["loss"]
        started = perf_counter()
        try:
            entry = self.loop.train_epoch(epoch_idx, show_progress)
        except TrainingError as error:
            kept = self.checkpoints.is_saved and self.epoch_log
            raise TrainingError(f"{error}; the epochs before are in {self.files.last}" if kept else error) from None
        self.epoch_log.append({**entry, "train_seconds": perf_counter() - started})
        if not self._validates:
            self.checkpoints.keep_best(self._progress(epoch_idx))
            if self.checkpoints.is_saved:  # before the epoch counts as done
                self.checkpoints.save_best(self._progress(epoch_idx))
        if not (self._validates and (epoch_idx + 1) % self.eval_step == 0):  # otherwise it is done once it is validated
            self.checkpoints.finish_epoch(self._progress(epoch_idx))
        return entry["loss"]

    def _generate_train_loss_output(self, epoch_idx, s_time, e_time, losses) -> str:
        decimals = self.config["loss_decimal_place"] or 4
        parts = ", ".join(f"{name}: {value:.{decimals}f}" for name, value in self.epoch_log[-1]["parts"].items())
        return f"{super()._generate_train_loss_output(epoch_idx, s_time, e_time, losses)} [{parts}]"

    def _add_train_loss_to_tensorboard(self, epoch_idx, losses, tag="Loss/Train") -> None:
        super()._add_train_loss_to_tensorboard(epoch_idx, losses, tag)
        parts = self.epoch_log[-1]["parts"]
        for name, value in parts.items():
            self.tensorboard.add_scalar(f"{tag}/{name}", value, epoch_idx)
        self.wandblogger.log_metrics({**parts, "train_step": epoch_idx}, head="train", commit=False)

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def _progress(self, epoch: int) -> Progress:
        return Progress(epoch, self.cur_step, self.best_valid_score, self.best_valid_result, self.epoch_log)

    def _save_checkpoint(self, epoch, verbose=True, **kwargs) -> None:
        """Save the best models as plain tensors and a plain config, one file per model; replaces RecBole's pickle."""
        is_saved = not self._validates and bool(self.epoch_log) and self.epoch_log[-1]["epoch"] == epoch
        if not is_saved:  # by _train_epoch; RecBole asks for it once more after the epoch
            self.checkpoints.save_best(self._progress(epoch))
        if verbose:
            self.logger.info(set_color("Saving current", "blue") + f": {self.saved_model_file}")

    def load_best(self, model_file: str | Path | None = None, evaluated: HistoryDataset | None = None) -> None:
        """Load the best epoch's weights into the models; see :meth:`RunCheckpoints.load_best`."""
        epoch = kept_epoch(self.epoch_log, self.config) if self.epoch_log else None
        self.checkpoints.load_best(model_file, epoch, evaluated)

    def resume_checkpoint(self, resume_file: str | Path | bool) -> None:
        """Restore a stopped training; see :meth:`RunCheckpoints.resume`.

        The next ``fit`` continues to the same numbers as an uninterrupted training.
        """
        progress = self.checkpoints.resume(resume_file)
        if progress is not None:
            if len(progress.epoch_log) % max(self.eval_step, 1):  # an uninterrupted training would not validate here
                progress = progress.without_last_validation(self.valid_metric_bigger)
            self.use_files(self.files)
            self.start_epoch, self.cur_step, self.epoch_log = progress.epoch + 1, progress.cur_step, progress.epoch_log
            self.best_valid_score, self.best_valid_result = float(progress.best_valid_score), progress.best_valid_result
            self._is_broken_off = False
            self.train_loss_dict = {entry["epoch"]: entry["loss"] for entry in self.epoch_log}

    # -- evaluation ---------------------------------------------------------------------------------------------------

    def evaluate(self, eval_data, load_best_model=True, model_file=None, show_progress=False) -> dict[str, float]:
        """Rank all items for every row of ``eval_data`` and return the self model's metrics.

        Args:
            eval_data: Full-ranking loader of RecBole.
            load_best_model: Load the weights of the best epoch first.
            model_file: Load this file into the self model instead.
            show_progress: Show a progress bar.

        Raises:
            TrainingError: The model gives scores that rank nothing, such as NaN.
        """
        if load_best_model or model_file:
            self.load_best(model_file, dataset_of(eval_data))
        return self._evaluate(eval_data, self.scoring_models[:1], show_progress).metrics["self"]

    def evaluate_all(self, eval_data, show_progress=False) -> Evaluation:
        """Evaluate self, peers and teacher in one pass, with the current weights, or with their averages over steps.

        Raises:
            TrainingError: A model gives scores that rank nothing, such as NaN.
        """
        return self._evaluate(eval_data, self.scoring_models, show_progress)

    def _evaluate(
        self, eval_data, scoring_models: Sequence[ScoringModel], show_progress: bool, is_validation: bool = False
    ) -> Evaluation:
        if not isinstance(eval_data, FullSortEvalDataLoader):
            raise ConfigError(f"a {type(eval_data).__name__} cannot be evaluated: give the loader of valid or test")
        for each in scoring_models:
            each.model.eval()
        history = dataset_of(eval_data).history.to(self.device)
        teacher = self.loop.objective.teacher
        self._ranking = ranking = FullRanking(self.config, scoring_models, history, self.eval_collector, teacher)
        with dated_failure(self.epoch_log, is_validation), self.loop.average.in_place():
            own = super().evaluate(eval_data, load_best_model=False, show_progress=show_progress)
            return ranking.evaluation(own, self.evaluator)

    def _full_sort_batch_eval(self, batched_data):
        """Let RecBole rank a batch without the rows' histories; the other models rank it in the same pass."""
        assert self._ranking is not None
        return self._ranking.rank(batched_data, super()._full_sort_batch_eval)

    def _valid_epoch(self, valid_data, show_progress=False):
        """Validate the self model, and the peers with ``evaluate_peers``; RecBole validates only one model."""
        with_peers = len(self.scoring_models) > 1 and self.config["evaluate_peers"]
        scoring_models = self.scoring_models if with_peers else self.scoring_models[:1]
        evaluation = self._evaluate(valid_data, scoring_models, show_progress, is_validation=True)
        by_role = evaluation.chosen_by(self.valid_metric)
        own = self.epoch_log[-1]["valid"] = by_role.pop("self")
        if by_role:
            self.epoch_log[-1]["valid_peers"] = by_role
            for role in by_role:
                self.logger.info(f"{role} valid result: {evaluation.metrics[role]}")
        return calculate_valid_score(own, self.valid_metric), evaluation.metrics["self"]
