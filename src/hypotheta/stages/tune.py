"""`hypotheta tune`: a search for the settings of a classifier, on events that judge nothing later.

With the k folds of the analysis, fold 0 is reserved: no training of the search sees it. The others take turns as the
one that tunes (early stopping) and gives the objective, with as many training folds as in ``hypotheta train``. Of many
trainings the best objective is too good by chance; how much shows on the reserved fold, where every complete training
is measured as well, though the search never looks: quote ``reserved_…`` and not the objective. Of the numbers that
``hypotheta train`` gives afterwards, those of fold 0 are free of the choice; those of the other folds share events with
it, each through models that were trained anew.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from hypotheta.classifiers import AnyClassifierConfig, registry
from hypotheta.classifiers.protocol import Classifier
from hypotheta.dataset import Dataset
from hypotheta.errors import ConfigurationError, FitError, closest
from hypotheta.hashing import folds as folds_of
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.parallel import run_each
from hypotheta.stages.record import Metrics, described, mean_of, measured_columns, metrics, record_of
from hypotheta.stages.store import Store
from hypotheta.stages.train import input_digests, named_features, training_dataset
from hypotheta.trials import Record, SearchSpace, Study, StudyResult, run_study

__all__ = ["OBJECTIVES", "TuneOptions", "tune", "tune_text", "tuning_record"]

_LOG = logging.getLogger(__name__)
Scalar = str | int | float | bool
Goal = Literal["auc", "significance", "limit"]

#: objective → the metric of `Metrics`, and which way is better
OBJECTIVES: dict[str, tuple[str, Literal["maximize", "minimize"]]] = {
    "auc": ("auc", "maximize"),
    "significance": ("significance", "maximize"),
    "limit": ("quick_limit_pb", "minimize"),
}
_RESERVED = 0


@dataclass(frozen=True)
class TuneOptions:
    """How a search goes.

    Args:
        classifier: its name under ``tune`` in the analysis.
        trials: finished trainings in the study, those of earlier runs among them.
        objective: ``auc``, ``significance`` (largest Z of a cut) or ``limit`` (quick expected limit).
        storage: database URL; None: the analysis' own.
        study: name of the study; None: ``ANALYSIS/tune/CLASSIFIER/OBJECTIVE``.
        timeout: seconds after which no further training is begun.
        keep: keep the models of all trainings under ``tuned`` among the results, a folder for each choice of settings.
    """

    classifier: str
    trials: int
    objective: str = "auc"
    storage: str | None = None
    study: str | None = None
    timeout: float | None = None
    keep: bool = False


def tuning_record(analysis: Analysis, options: TuneOptions) -> Record:
    """Return the record in which the trainings of a search are rows."""
    name = options.study or f"{analysis.config.name}/tune/{options.classifier}/{options.objective}"
    return record_of(analysis, storage=options.storage, study=name)


def tune(analysis: Analysis, options: TuneOptions, *, jobs: int = 1) -> StudyResult:
    """Search for the best settings of one classifier.

    Args:
        analysis: the analysis.
        options: what is searched for.
        jobs: processes; any number of them, on other machines as well, may work on the same study.

    Returns:
        The best training of the study.

    Raises:
        ConfigurationError: no such classifier or objective, or nothing that may be chosen.
        FitError: when no training was complete.
    """
    config = analysis.config
    if options.classifier not in config.classifiers:
        known = closest(options.classifier, config.classifiers)
        raise ConfigurationError(f"there is no classifier '{options.classifier}'{known}")
    if options.classifier not in config.tune:
        raise ConfigurationError(
            f"{analysis.path}: tune: say what may be chosen, as 'tune: {{{options.classifier}: {{learning_rate: "
            "{low: 0.001, high: 0.1, log: true}}}'"
        )
    if config.classifiers[options.classifier].type == "merged":
        raise ConfigurationError(f"'{options.classifier}' is made of another classifier; tune that one")
    if options.objective not in OBJECTIVES:
        known = closest(options.objective, OBJECTIVES)
        raise ConfigurationError(f"there is no objective '{options.objective}'{known}")
    if options.objective == "limit" and config.binning is None:
        raise ConfigurationError(f"{analysis.path}: the objective 'limit' needs the bins of a section 'binning'")
    Store(analysis).metadata(analysis.catalogue.names()[0])  # features are made first
    found: list[StudyResult | None] = list(
        run_each(work, [(analysis.path, analysis.results, options, i) for i in range(jobs)], jobs=jobs)
    )
    results = [result for result in found if result is not None]
    if not results:
        raise FitError(f"study '{tuning_record(analysis, options).study}': no training was complete; see its rows")
    return max(results, key=lambda result: sum(result.states.values()))  # who looked last


def work(path: Any, results: Any, options: TuneOptions, worker: int) -> StudyResult | None:
    """Do the part of one process."""
    analysis = Analysis.load(path, out=results)
    record, objective = tuning_record(analysis, options), _Objective(analysis, options)
    study = Study(
        record.url,
        record.study,
        SearchSpace(analysis.config.tune[options.classifier]),
        OBJECTIVES[options.objective][1],
        analysis.config.seed,
    )
    return run_study(study, objective, trials=options.trials, worker=worker, timeout=options.timeout)


@dataclass
class _Objective:
    """Trains with given settings on all folds but the reserved one."""

    analysis: Analysis
    options: TuneOptions
    store: Store = field(init=False)
    dataset: Dataset = field(init=False)
    fold: NDArray[np.int64] = field(init=False)
    inputs: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.analysis)
        self.inputs = input_digests(self.analysis)
        self.dataset = training_dataset(self.analysis, self.store)
        self.fold = folds_of(self.dataset.event_id, self.analysis.config.training.folds)

    def __call__(
        self, settings: Mapping[str, Any], report: Callable[[int, float], None]
    ) -> tuple[float, dict[str, Scalar | None]]:
        analysis, name, started = self.analysis, self.options.classifier, time.monotonic()
        base = analysis.config.classifiers[name]
        own = type(base).model_validate({**base.model_dump(), **settings})
        metric = OBJECTIVES[self.options.objective][0]
        folds = analysis.config.training.folds
        chosen, reserved, values = [], [], []
        rngs = analysis.generator("tune", name).spawn(folds)
        for step, tuned in enumerate(i for i in range(folds) if i != _RESERVED):
            model = self._trained(own, tuned, rngs[tuned])
            chosen.append(self._measured(model, tuned))
            reserved.append(self._measured(model, _RESERVED))
            value = mean_of(chosen[-1], metric)
            if value is None:
                raise FitError(f"too few events in fold {tuned} for the objective '{self.options.objective}'")
            values.append(value)
            report(step, float(np.mean(values)))
            if self.options.keep:
                model.save(analysis.results / "tuned" / name / _slug(settings) / f"without_{_RESERVED}_{tuned}")
        columns: dict[str, Scalar | None] = {
            **described(analysis, name, own, features=len(model.feature_names), inputs=self.inputs),
            "seconds": time.monotonic() - started,
            "id": uuid.uuid4().hex,
            **measured_columns(_mean(chosen)),
            **{f"reserved_{n}": v for n, v in measured_columns(_mean(reserved)).items() if "_at_" not in n},
        }
        return float(np.mean(values)), columns

    def _trained(self, config: AnyClassifierConfig, tuned: int, rng: np.random.Generator) -> Classifier:
        rows = (self.fold != _RESERVED) & (self.fold != tuned)
        model = registry.create(named_features(self.analysis, config))
        return model.fit(self.dataset.select(rows), self.dataset.select(self.fold == tuned), rng=rng)

    def _measured(self, model: Classifier, fold: int) -> dict[str, Metrics]:
        """Return the metrics of one fold's events, which stand for all, by hypothesis."""
        analysis, found = self.analysis, {}
        for theta in analysis.checked_hypotheses:
            point = analysis.space.point(theta)
            if not model.covers(point):
                continue
            data = self.store.dataset(theta, analysis.space.nominal)
            part = data.select(folds_of(data.event_id, analysis.config.training.folds) == fold)
            classes = ((part.is_signal, data.is_signal), (~part.is_signal, ~data.is_signal))
            sums = [(part.weight[rows].sum(), data.weight[all_rows].sum()) for rows, all_rows in classes]
            factors = tuple(float(every / some) if some > 0 else 1.0 for some, every in sums)
            score = model.logit(part.with_features(model.feature_names).x, point)
            signal_pb = self.store.signal_cross_section(theta)
            found[theta.slug] = metrics(
                *(analysis, score, part.y, part.weight, part.event_id, signal_pb), factors=(factors[0], factors[1])
            )
        return found


def _mean(parts: list[dict[str, Metrics]]) -> dict[str, Metrics]:
    """Return the means over folds of each metric at each hypothesis."""
    found = {}
    for slug in parts[0]:
        at = {str(i): part[slug] for i, part in enumerate(parts)}
        found[slug] = Metrics(**{n: mean_of(at, n) for n in Metrics.__dataclass_fields__})  # type: ignore[arg-type]
    return found


def _slug(settings: Mapping[str, Any]) -> str:
    words = "_".join(f"{name}_{value}" for name, value in settings.items())
    return "".join(c if c.isalnum() or c in "_.-" else "-" for c in words)


def tune_text(analysis: Analysis, options: TuneOptions, result: StudyResult) -> str:
    """Return the best settings as YAML to paste into the analysis, with what was found as comments."""
    metric = OBJECTIVES[options.objective][0]
    own = type(analysis.config.classifiers[options.classifier]).model_validate(
        {**analysis.config.classifiers[options.classifier].model_dump(), **result.settings}
    )
    dumped = own.model_dump(mode="json")
    chosen = {"type": own.type, **{name: dumped[name] for name in result.settings}}
    states = ", ".join(f"{n} {state}" for state, n in result.states.items())
    record = tuning_record(analysis, options)
    lines = [
        f"# study '{record.study}': {states}",
        f"# training {result.number}: {metric} {result.value:.5g}, the best of all, and so too good by chance",
    ]
    honest = result.columns.get(f"reserved_{metric}")
    if honest is not None:
        lines.append(f"# on the reserved fold, which chose nothing: {float(honest):.5g}")
    return "\n".join(lines) + "\n" + yaml.safe_dump({"classifiers": {options.classifier: chosen}}, sort_keys=False)
