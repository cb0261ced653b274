"""A study in a database: one row a training, which several processes and machines may add at the same time."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from hypotheta.errors import ConfigurationError, OutputError, closest
from hypotheta.trials.database import connect, patiently, shown

__all__ = ["Record", "Row", "Scalar", "Training"]

Scalar = str | int | float | bool
T = TypeVar("T")

_ID = "id"
_LATER = "later/"


@dataclass(frozen=True)
class Training:
    """A finished training, to become a row.

    Args:
        id: tells it from every other, see `Record.add_missing`.
        value: the number by which trainings are ranked, larger is better.
        columns: all that is known of it, by name; None and numbers that are not finite are left out.
        started: when it began.
        settings: which columns were chosen; numbers among them are what Optuna calls parameters.
    """

    id: str
    value: float
    columns: Mapping[str, Scalar | None]
    started: datetime
    settings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        columns = {name: value for name, value in self.columns.items() if _is_known(value)}
        return {
            "id": self.id,
            "value": self.value,
            "columns": columns,
            "started": self.started.isoformat(),
            "settings": list(self.settings),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Training":
        """Read what `to_dict` returned."""
        return cls(
            str(content["id"]),
            float(content["value"]),
            dict(content["columns"]),
            datetime.fromisoformat(content["started"]),
            tuple(content["settings"]),
        )


@dataclass(frozen=True)
class Row:
    """A training as it is in the record.

    Args:
        number: counts the rows of a study from 0, in the order in which they were added or begun.
        state: ``complete``, ``pruned``, ``fail``, ``running`` or ``waiting``.
        columns: what is known of it, by name.
    """

    number: int
    state: str
    columns: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def cells(self) -> dict[str, Scalar]:
        """All columns, number and state first."""
        return {"number": self.number, "state": self.state, **self.columns}


@dataclass(frozen=True)
class Record:
    """The rows of one study in a database.

    Args:
        url: of the database.
        study: name of the study.
    """

    url: str
    study: str

    def prepare(self) -> None:
        """Make the database and the study where they are not there yet.

        Raises:
            OutputError: it cannot be reached or written to; see `hypotheta.trials.database.connect` for others.
        """
        self._do(lambda: self._study_id(create=True))

    def add(self, training: Training) -> int:
        """Add a row, whatever other processes do meanwhile, and return its number.

        Raises:
            OutputError: as `prepare`.
        """
        attempts = 0

        def insert() -> int:
            nonlocal attempts
            attempts += 1
            study = self._study_id(create=True)
            if attempts > 1:  # the connection may have been lost after the row was written
                known = self._ids(study)
                if training.id in known:
                    return known[training.id]
            added = self._storage.create_new_trial(study, template_trial=_frozen(training))
            return int(self._storage.get_trial(added).number)

        return self._do(insert)

    def add_missing(self, trainings: Mapping[str, Training]) -> dict[str, int]:
        """Add those that are not in the record, and return the numbers of what was added, by the names given."""
        known = self._do(lambda: self._ids(self._study_id(create=True)))
        return {name: self.add(training) for name, training in trainings.items() if training.id not in known}

    def note(self, training_id: str, columns: Mapping[str, Scalar | None]) -> None:
        """Write what became known of a training after it was finished; it replaces an earlier note.

        A finished row does not change in the database, so that notes belong to the study there, under the row's id.
        """
        content = {name: value for name, value in columns.items() if _is_known(value)}
        self._do(lambda: self._storage.set_study_user_attr(self._study_id(create=True), _LATER + training_id, content))

    def rows(self) -> list[Row]:
        """Return all rows, in the order of their numbers.

        Raises:
            ConfigurationError: there is no such study; the message names those that are there.
        """
        study = self._study_id(create=False)
        later = self._storage.get_study_user_attrs(study)
        trials = self._storage.get_all_trials(study, deepcopy=False)
        return [_row(t, later.get(_LATER + str(t.user_attrs.get(_ID)), {})) for t in trials]

    @cached_property
    def studies(self) -> list[str]:
        """Names of the studies in the database."""
        return sorted(study.study_name for study in self._reading.get_all_studies())

    @cached_property
    def _storage(self) -> Any:
        return connect(self.url, create=True)

    @cached_property
    def _reading(self) -> Any:
        return connect(self.url, create=False)

    def _study_id(self, *, create: bool) -> int:
        import optuna

        storage = self._storage if create else self._reading
        try:
            return int(storage.get_study_id_from_name(self.study))
        except KeyError as err:
            if not create:
                message = f"{shown(self.url)}: there is no study '{self.study}'{closest(self.study, self.studies)}"
                raise ConfigurationError(message) from err
        try:
            return int(storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], self.study))
        except optuna.exceptions.DuplicatedStudyError:  # another process was quicker
            return int(storage.get_study_id_from_name(self.study))

    def _ids(self, study: int) -> dict[str, int]:
        trials = self._storage.get_all_trials(study, deepcopy=False)
        return {str(t.user_attrs[_ID]): int(t.number) for t in trials if _ID in t.user_attrs}

    def _do(self, action: Callable[[], T]) -> T:
        import optuna
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return patiently(action)
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as err:
            reason = type(err.__cause__ or err).__name__
            raise OutputError(f"{shown(self.url)}: the record of trials cannot be written ({reason})") from err


def _is_known(value: object) -> bool:
    return value is not None and (not isinstance(value, float) or math.isfinite(value))


def _frozen(training: Training) -> Any:
    """Return Optuna's finished trial; numbers that were chosen are parameters there, so that it can plot them."""
    from optuna.distributions import FloatDistribution
    from optuna.trial import create_trial

    columns = training.to_dict()["columns"]
    # one kind of distribution for all: a study allows no other for a parameter of the same name
    chosen = {n: float(columns[n]) for n in training.settings if type(columns.get(n)) in (int, float)}
    trial = create_trial(
        value=training.value,
        params=chosen,
        distributions={name: FloatDistribution(value, value) for name, value in chosen.items()},
        user_attrs={_ID: training.id, **columns},
    )
    trial.datetime_start = training.started
    return trial


def _row(trial: Any, later: Mapping[str, Scalar]) -> Row:
    columns: dict[str, Scalar] = {}
    if trial.datetime_start is not None:
        columns["started"] = trial.datetime_start.isoformat(sep=" ", timespec="seconds")
    if trial.values:
        columns["value"] = trial.values[0]
    columns |= {name: value for name, value in trial.params.items() if name not in trial.user_attrs}
    columns |= {name: value for name, value in trial.user_attrs.items() if name != _ID}
    return Row(int(trial.number), trial.state.name.lower(), columns | dict(later))
