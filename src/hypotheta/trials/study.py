"""A search for the best settings, by any number of processes and machines on one database."""

import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hypotheta.errors import ConfigurationError, FitError, HypothetaError
from hypotheta.hashing import seed_of
from hypotheta.trials.database import connect, patiently
from hypotheta.trials.record import Scalar
from hypotheta.trials.space import SearchSpace

__all__ = ["Objective", "Report", "Study", "StudyResult", "run_study"]

#: told the objective so far after each step, 0, 1, …; it ends a hopeless training by an exception of its own
Report = Callable[[int, float], None]
#: trains with the settings; returns the objective and the columns of the row
Objective = Callable[[Mapping[str, Any], Report], tuple[float, Mapping[str, Scalar | None]]]

_RETRIES = 3
_PAUSE_SECONDS = 0.5
_STARTUP = 10  # trainings with settings drawn at random before the sampler learns, and half of them before pruning


@dataclass(frozen=True)
class Study:
    """A search.

    Args:
        url: of the database.
        name: of the study in it; one that is there is continued.
        space: what may be chosen.
        direction: whether the largest or the smallest objective is best.
        seed: of the sampler.
        heartbeat: seconds between signs of life; a training without one for three times as long counts as killed, and
            is begun again.
    """

    url: str
    name: str
    space: SearchSpace
    direction: Literal["maximize", "minimize"] = "maximize"
    seed: int = 0
    heartbeat: int = 20


@dataclass(frozen=True)
class StudyResult:
    """What a study found.

    Args:
        number: of the best training.
        value: its objective.
        settings: its settings.
        columns: all that is known of it.
        states: how many trainings there are in each state.
    """

    number: int
    value: float
    settings: Mapping[str, Any]
    columns: Mapping[str, Scalar]
    states: Mapping[str, int]


def run_study(
    study: Study, objective: Objective, *, trials: int, worker: int = 0, timeout: float | None = None
) -> StudyResult | None:
    """Train until the study holds so many finished trainings, whoever made them; killed ones are begun again.

    Settings are chosen by a tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), and a training whose
    objective after a step is worse than the median of the others there is ended. A training that fails (`FitError`)
    counts, with its error. Workers that look at the same moment may begin a training too many.

    Args:
        study: the search.
        objective: trains, and returns the objective.
        trials: finished trainings in the study, those of earlier runs among them.
        worker: number of this process; its sampler draws from a sequence of its own.
        timeout: seconds after which no further training is begun.

    Returns:
        The best training; None where none is complete.

    Raises:
        ConfigurationError: the study in the database searches another space.
        OutputError: as `hypotheta.trials.database.connect`.
    """
    with warnings.catch_warnings():
        import optuna

        # heartbeats and the constant liar are called experimental since 2021
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage, opened = _open(study, worker)
        end = None if timeout is None else time.monotonic() + timeout
        seen: dict[int, float] = {}
        while end is None or time.monotonic() < end:
            optuna.storages.fail_stale_trials(opened)
            _fail_unheard(opened, storage, seen, patience=3 * study.heartbeat)
            counts = _counts(opened)
            if counts["done"] >= trials and not counts["waiting"]:
                break
            if counts["done"] + counts["running"] >= trials and not counts["waiting"]:
                time.sleep(_PAUSE_SECONDS)  # others are at the last ones; a killed one has to be begun again
                continue
            opened.optimize(_Once(study.space, objective), n_trials=1, catch=(FitError,))
        return _best(opened, study)


@dataclass
class _Once:
    """One training, as Optuna calls it."""

    space: SearchSpace
    objective: Objective

    def __call__(self, trial: Any) -> float:
        import optuna

        try:
            settings = self.space.suggest(trial)
        except ValueError as err:
            raise ConfigurationError(
                f"study '{trial.study.study_name}' searches another space ({err}); choose another name with --study"
            ) from err

        def report(step: int, value: float) -> None:
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            value, columns = self.objective(settings, report)
        except HypothetaError as err:
            trial.set_user_attr("error", str(err))
            raise
        for name, column in columns.items():
            if column is not None:
                trial.set_user_attr(name, column)
        return value


def _open(study: Study, worker: int) -> tuple[Any, Any]:
    import optuna

    callback = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=_RETRIES)
    storage = connect(study.url, create=True, heartbeat=study.heartbeat, heartbeat_stale_trial_callback=callback)
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # a failed training is told by its row
    opened = patiently(
        lambda: optuna.create_study(
            storage=storage,
            study_name=study.name,
            direction=study.direction,
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP // 2),
        )
    )
    # a study that goes on must not draw again what it began with
    seed = seed_of(study.seed, study.name, worker, len(opened.get_trials(deepcopy=False))) % 2**32
    opened.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP, constant_liar=True)
    return storage, opened


def _fail_unheard(opened: Any, storage: Any, seen: dict[int, float], *, patience: float) -> None:
    """Begin again what was killed before its first sign of life, which Optuna would take for running for ever.

    Args:
        opened: the study.
        storage: where it is.
        seen: when this process saw a running training first, by number; clocks of machines may differ.
        patience: seconds.
    """
    import optuna
    from sqlalchemy import text

    now = time.monotonic()
    for trial in opened.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        if now - seen.setdefault(trial.number, now) <= patience:
            continue
        with storage.engine.connect() as connection:
            query = text("SELECT COUNT(*) FROM trial_heartbeats WHERE trial_id = :id")
            heard = connection.execute(query, {"id": trial._trial_id}).scalar()
        if not heard:
            opened.tell(trial.number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)
            optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=_RETRIES)(opened, trial)


def _counts(opened: Any) -> dict[str, int]:
    trials = opened.get_trials(deepcopy=False)
    states = [t.state.name for t in trials]
    failed = sum("error" in t.user_attrs for t in trials if t.state.name == "FAIL")
    return {
        "done": states.count("COMPLETE") + states.count("PRUNED") + failed,
        "running": states.count("RUNNING"),
        "waiting": states.count("WAITING"),
    }


def _best(opened: Any, study: Study) -> StudyResult | None:
    trials = opened.get_trials(deepcopy=False)
    complete = [t for t in trials if t.state.name == "COMPLETE"]
    if not complete:
        return None
    choose = max if study.direction == "maximize" else min
    best = choose(complete, key=lambda t: t.value)
    names = [t.state.name.lower() for t in trials]
    settings = {n: _decoded(study.space, n, v) for n, v in best.params.items()}
    return StudyResult(
        best.number, best.value, settings, dict(best.user_attrs), {n: names.count(n) for n in sorted(set(names))}
    )


def _decoded(space: SearchSpace, name: str, value: Any) -> Any:
    return json.loads(value) if isinstance(space.settings.get(name), tuple) else value
