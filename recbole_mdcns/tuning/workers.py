"""What a sweep asks of Ray: trials on ``ray.tune.Tuner``, single jobs, datasets in the object store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from recbole_mdcns import compat
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import load_dataset
from recbole_mdcns.errors import ConfigError, UserError
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.record import Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.support.ray_cluster import start_ray
from recbole_mdcns.tuning.engine import Lost, LostWorkers, Timed, data_key
from recbole_mdcns.tuning.grid import Trial, make_trial, space_of, used
from recbole_mdcns.tuning.process_worker import last_line
from recbole_mdcns.tuning.ray_parts import METRIC, distribution, scheduler_of, searcher
from recbole_mdcns.tuning.space import ends
from recbole_mdcns.tuning.sweep import Sweep
from recbole_mdcns.tuning.trial import final_score, run_trial

#: From what Ray hands to a worker to a trial.
_TrialOf = Callable[[dict[str, Any]], Trial]


class Workers(Timed):
    """Ray, started when it is first needed; a Ray that was started here ends with :meth:`close`.

    Args:
        sweep: What the trials ask for.
        store: Where they leave their records; a folder that every node sees.
        address: Address of a running cluster, or ``auto``; None starts Ray here.
        dashboard: Start Ray's dashboard.
    """

    def __init__(self, sweep: Sweep, store: Store, address: str | None = None, dashboard: bool = False):
        self.sweep, self.store, self.address, self.dashboard = sweep, store, address, dashboard
        self.references: dict[str, Any] = {}
        self._is_mine = False
        super().__init__(sweep.sweep_hours)

    def start(self) -> None:
        """Start Ray or join a cluster, unless this has been done.

        Raises:
            ConfigError: Ray is not installed, no cluster answers, or a trial asks for more than any node has.
        """
        missing = "a sweep needs Ray: pip install 'ray[tune]' ({}), or run it with --engine=processes"
        self._is_mine = start_ray(missing, self.address, dashboard=self.dashboard) or self._is_mine
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        for name, asked in (("CPU", self.sweep.cpus), ("GPU", self.sweep.gpus)):
            most = max((node.get(name, 0) for node in nodes), default=0)
            if asked > most:
                raise ConfigError(f"{name.lower()}s = {asked} is not allowed: no node has more than {most:g} {name}s")

    def close(self) -> None:
        """Stop Ray where it was started here, leave a cluster that was joined."""
        if self._is_mine:
            import ray

            ray.shutdown()

    def load(self, trial: Trial) -> None:
        """See :class:`Engine`."""
        self.dataset(trial)

    def dataset(self, trial: Trial) -> Any:
        """Return the reference of a trial's dataset, which is loaded and put into the object store once."""
        import ray

        key = data_key(trial.values)
        if key not in self.references:
            config = MDCNSConfig.from_plain(trial.values, **trial.paths)
            self.references[key] = ray.put(load_dataset(config))
        return self.references[key]

    def each(self, job: Callable[..., Any], plan: Sequence[Trial], *arguments: Any) -> None:
        """See :class:`Engine`."""
        import ray

        remote = ray.remote(num_cpus=self.sweep.cpus, num_gpus=self.sweep.gpus, max_retries=2)(job)
        try:
            ray.get([remote.remote(trial, self.store, self.dataset(trial), *arguments) for trial in plan])
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, UserError):  # without Ray's traceback of the worker
                raise error.cause from None
            raise
        except ray.exceptions.RayError as error:  # its worker crashed, or the memory of its node was full
            raise LostWorkers(f"{job.__name__} of a trial failed 3 times: {error}") from None

    def tune(self, plan: Sequence[Trial], scheduler: str) -> Lost:
        """See :class:`Engine`."""
        from ray import tune

        for trial in plan:
            self.dataset(trial)
        by_key = {trial.id.key: trial for trial in plan}
        space = {"key": tune.grid_search(list(by_key))}
        return self._fit(lambda asked: by_key[asked["key"]], space, len(by_key), scheduler)

    def search(self, sweep: Sweep, cell: Cell, seed: int, tried: Sequence[dict[str, Any]]) -> Lost:
        """See :class:`Engine`."""
        plain = make_trial(sweep, cell, {}, seed)
        self.dataset(plain)
        space = space_of(sweep, cell)
        whole = [{**{key: ends(choices)[0] for key, choices in space.items()}, **setting} for setting in tried]
        number = max(sweep.samples, len(tried))  # what has begun is finished, also where fewer are asked for now
        options = {"num_samples": number, "search_alg": searcher(sweep.search, seed, whole)}
        drawn = {key: distribution(choices) for key, choices in space.items()}

        def trial_of(asked: dict[str, Any]) -> Trial:
            trial = make_trial(sweep, cell, used(sweep, cell, asked), seed)
            return replace(trial, paths=plain.paths)  # a worker is elsewhere

        return self._fit(trial_of, drawn, number, sweep.scheduler, **options)

    def _fit(self, trial_of: _TrialOf, space: dict[str, Any], number: int, scheduler: str, **options: Any) -> Lost:
        from ray import tune

        sweep, names = self.sweep, compat.ray_tune()
        ended: set[str] = set()
        lost: Lost = []

        class Watch(tune.Callback):
            def on_trial_complete(self, iteration, trials, trial, **info):
                ended.add(trial.trial_id)

            def on_trial_error(self, iteration, trials, trial, **info):
                lost.append((trial_of(trial.config), last_line(trial.error_file)))
                ended.add(trial.trial_id)

        trainable = tune.with_parameters(
            _trainable, sweep=sweep, store=self.store, references=self.references, trial_of=trial_of
        )
        resources = {"cpu": sweep.cpus, **({"gpu": sweep.gpus} if sweep.gpus else {})}
        tuner = tune.Tuner(
            tune.with_resources(trainable, resources),
            param_space=space,
            tune_config=tune.TuneConfig(
                metric=METRIC,
                mode="max",
                max_concurrent_trials=sweep.max_concurrent,
                reuse_actors=True,  # a process is started once, not for every trial
                scheduler=scheduler_of(scheduler),
                time_budget_s=max(self.seconds_left, 1) if sweep.sweep_hours is not None else None,
                **options,
            ),
            run_config=names.RunConfig(
                name="ray",
                storage_path=str(self.store.folder),
                failure_config=names.FailureConfig(max_failures=sweep.retries),
                callbacks=[Watch()],
                verbose=1,
            ),
        )
        tuner.fit()
        if len(ended) < number and self.seconds_left > 0:
            raise KeyboardInterrupt  # Ray catches the signal, stops its trials and returns
        return lost


def _trainable(
    asked: dict[str, Any], sweep: Sweep, store: Store, references: dict[str, Any], trial_of: _TrialOf
) -> None:
    """Run in a worker: one trial."""
    import ray

    names, trial = compat.ray_tune(), trial_of(asked)
    reference = references.get(data_key(trial.values))  # a search may draw a key of the data, which are loaded then
    record = run_trial(
        trial,
        store,
        None if reference is None else ray.get(reference),
        lambda epoch, score: names.report({"epoch": epoch, METRIC: score}),
        sweep.trial_hours,
        sweep.retries,
        threads=max(1, int(sweep.cpus)),
    )
    epochs = record.epochs if isinstance(record, Record) else []
    names.report({"epoch": len(epochs), METRIC: final_score(record), "status": record.status})
