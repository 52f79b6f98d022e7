"""The record of a run: its command, data and results; one form for single runs and trials of sweeps."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Union

from recbole.evaluator import smaller_metrics

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.evaluation.best_role import best_role
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.entries import Entry
from recbole_mdcns.records.parts import Data, Environment, Epoch, Metrics, TestRows, TrialId
from recbole_mdcns.records.single_run import trial_of_run
from recbole_mdcns.version import __version__

#: The form of a record. 1 held every key of every strategy, called a method a sampler, and had two kinds of records.
SCHEMA_VERSION = 2
FINISHED, STOPPED, FAILED = "finished", "stopped", "failed"


@dataclass(frozen=True)
class Record:
    """The record of a run.

    Attributes:
        package_version: Version of this package; it is not part of the identity.
        trial: The identity of the trial; for a single run it follows from the configuration.
        command: The command line.
        dataset: Name of the dataset.
        model: Class of the self model.
        peer_model: Classes of the peers, separated by commas; None without peers.
        config: The keys that the run read, plain.
        batching: How targets shared a pass.
        data: The data of the run.
        epochs: All epochs, in order.
        best_epoch: The epoch with the best score, from 0; None without validation.
        valid_metric: The metric that chose it.
        best_valid_score: Its score.
        valid: Metrics on validation at the best epoch, by role.
        test: Metrics on test; None if test was not evaluated.
        test_rows: The rank of each test target; None if test was not evaluated.
        seconds_per_epoch: The median over epochs, without validation.
        environment: The environment of the run.
        status: ``finished``, or ``stopped`` before its end.
        stopped: Who or what stopped it.
        study: Further values from a study.
        valid_metric_bigger: Whether more of ``valid_metric`` is better; None in records of versions that did not say
            so, which could not know a metric of the user's own.
    """

    package_version: str
    trial: TrialId
    command: list[str]
    dataset: str
    model: str
    peer_model: str | None
    config: dict[str, Any]
    batching: str
    data: Data
    epochs: list[Epoch]
    best_epoch: int | None
    valid_metric: str
    best_valid_score: float | None
    valid: dict[str, Metrics]
    test: dict[str, Metrics] | None
    test_rows: TestRows | None
    seconds_per_epoch: float
    environment: Environment
    status: str = FINISHED
    stopped: str | None = None
    study: dict[str, Any] = field(default_factory=dict)
    valid_metric_bigger: bool | None = None

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.trial.seed

    @property
    def cell(self) -> Cell:
        """The cell of a table that it belongs to."""
        return self.trial.cell

    @property
    def best_role(self) -> str | None:
        """Which of self, peers and teacher is best on validation by ``valid_metric``; None where none was measured."""
        return best_role(self.valid, self.valid_metric, not self.is_smaller_better(self.valid_metric))

    def is_smaller_better(self, metric: str) -> bool:
        """Tell whether less of a metric is better: what the run says of its ``valid_metric``, else what RecBole lists.

        A class that a record names is not imported.
        """
        if metric.lower() == self.valid_metric.lower() and self.valid_metric_bigger is not None:
            return not self.valid_metric_bigger
        return metric.lower().split("@")[0] in smaller_metrics

    def score(self, metrics: Metrics) -> float:
        """Return ``valid_metric`` of some metrics, negative where less of it is better."""
        value = metrics[self.valid_metric.lower()]
        return -value if self.is_smaller_better(self.valid_metric) else value

    def curve(self, metric: str) -> dict[int, float]:
        """Return a validation metric of the self model by epoch, from 1."""
        return {entry.epoch + 1: entry.valid[metric] for entry in self.epochs if entry.valid is not None}

    def to_json(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        parts = ("trial", "data", "environment", "test_rows")
        values.update({name: values[name].to_json() for name in parts if values[name] is not None})
        values["epochs"] = [entry.to_json() for entry in self.epochs]
        if self.valid_metric_bigger is None:
            del values["valid_metric_bigger"]  # a record of an older version comes back as it was
        return {"schema": SCHEMA_VERSION, **values}

    @classmethod
    def from_json(cls, values: Any, where: str) -> Record:
        """Read a record, and check every field.

        Args:
            values: What its JSON holds. Without ``trial`` it is a single run, whose trial follows from its
                configuration.
            where: The file, and the line where it is one of several; for errors.

        Raises:
            ConfigError: It is of another schema, incomplete or damaged; names file, line and field.
        """
        entry = Entry(values, where)
        check_schema(entry)
        entry.allow_only("schema", *(each.name for each in dataclasses.fields(cls)))
        record = cls(
            package_version=entry["package_version"].text(),
            trial=entry.get("trial").optional(TrialId.from_entry) or trial_of_run(entry),
            command=entry["command"].listed(Entry.text),
            dataset=entry["dataset"].file_name(),
            model=entry["model"].text(),
            peer_model=entry["peer_model"].optional(Entry.text),
            config=_config(entry["config"]),
            batching=entry["batching"].text(),
            data=Data.from_entry(entry["data"]),
            epochs=entry["epochs"].listed(Epoch.from_entry),
            best_epoch=entry["best_epoch"].optional(Entry.whole),
            valid_metric=entry["valid_metric"].text(),
            best_valid_score=entry["best_valid_score"].optional(Entry.number),
            valid=entry["valid"].results(),
            test=entry["test"].optional(Entry.results),
            test_rows=entry["test_rows"].optional(
                lambda rows: TestRows.from_entry(rows, entry["data"]["rows"]["test"].whole())
            ),
            seconds_per_epoch=entry["seconds_per_epoch"].number(),
            environment=Environment.from_entry(entry["environment"]),
            status=entry["status"].one_of(FINISHED, STOPPED),
            stopped=entry["stopped"].optional(Entry.text),
            study=entry.get("study").optional(Entry.mapping) or {},
            valid_metric_bigger=entry.get("valid_metric_bigger").optional(Entry.flag),
        )
        record._check_choice(where)
        return record

    def _check_choice(self, where: str) -> None:
        """Check that there is a best epoch with its metric wherever it is needed, or none at all."""
        metric = self.valid_metric.lower()
        if (self.best_epoch is None) != (self.best_valid_score is None):
            raise ConfigError(f"record {where}: only one of best_epoch and best_valid_score is null")
        if self.best_epoch is None:
            return
        held = {"valid.self": self.valid["self"], **({} if self.test is None else {"test.self": self.test["self"]})}
        held.update({f"epochs[{at}].valid": e.valid for at, e in enumerate(self.epochs) if e.valid is not None})
        for name, metrics in held.items():
            if metric not in metrics:
                raise ConfigError(f"record {where}: {name} lacks {metric}, the metric that its epoch was chosen by")


@dataclass(frozen=True)
class Failure:
    """The record of a trial that failed for good.

    Attributes:
        package_version: Version of this package.
        trial: The identity of the trial.
        error: The error that made it fail.
        attempts: How often it has begun.
        status: ``failed``.
    """

    package_version: str
    trial: TrialId
    error: str
    attempts: int
    status: str = FAILED

    @property
    def reason(self) -> str:
        """The last line of the error."""
        return self.error.strip().splitlines()[-1]

    def to_json(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"schema": SCHEMA_VERSION, **vars(self), "trial": self.trial.to_json()}

    @classmethod
    def from_json(cls, values: Any, where: str) -> Failure:
        """Read it, and check every field; see :meth:`Record.from_json`."""
        entry = Entry(values, where)
        check_schema(entry)
        entry.allow_only("schema", *(each.name for each in dataclasses.fields(cls)))
        if not entry["error"].text().strip():
            raise entry["error"].refuse("what made the trial fail")
        return cls(
            package_version=entry["package_version"].text(),
            trial=TrialId.from_entry(entry["trial"]),
            error=entry["error"].text(),
            attempts=entry["attempts"].whole(),
            status=entry["status"].one_of(FAILED),
        )


AnyRecord = Union[Record, Failure]


def read_record(text: str, where: str) -> AnyRecord:
    """Return the record that a text holds, checked.

    Args:
        text: JSON.
        where: The file, and the line where it is one of several; for errors.

    Raises:
        ConfigError: It is damaged, incomplete, or of another schema; names file, line and field.
    """
    values = read_json(text, f"record {where}")
    return (Failure if values.get("status") == FAILED else Record).from_json(values, where)


def read_json(text: str, what: str) -> dict[str, Any]:
    """Return the names and values that a text of JSON holds.

    Raises:
        ConfigError: It is no JSON, or holds something else.
    """
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
        if not isinstance(values, dict):
            raise ValueError(f"it holds {text[:20]!r}")
    except (ValueError, RecursionError) as error:
        reason = f"line {error.lineno} is not JSON" if isinstance(error, json.JSONDecodeError) else error
        raise ConfigError(f"{what} is damaged ({reason}): remove it, and the trial runs again") from None
    return values


def check_schema(entry: Entry) -> None:
    """Refuse a record of another schema.

    Raises:
        ConfigError: Names the versions of schema and package, and the command that migrates the record.
    """
    schema = entry["schema"].value
    if schema == SCHEMA_VERSION:
        return
    known = isinstance(schema, int) and schema < SCHEMA_VERSION
    way = "recbole-mdcns export --migrate FOLDER makes it readable" if known else "a newer version wrote it"
    raise ConfigError(
        f"record {entry.where} has schema {schema!r}, and recbole-mdcns {__version__} reads schema "
        f"{SCHEMA_VERSION}: {way}"
    )


def _config(entry: Entry) -> dict[str, Any]:
    for key in ("epochs", "stopping_step"):
        entry[key].whole()
    return entry.mapping()


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
