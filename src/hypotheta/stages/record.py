"""The record of trainings: what becomes a row, and where the rows are.

All numbers come from scores of events that the model has not seen, of the nominal simulation, at the hypotheses that
the analysis checks; a row's own number is their mean over these.
"""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from hypotheta import __version__
from hypotheta.classifiers import AnyClassifierConfig
from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.diagnostics.precision import average_precision
from hypotheta.diagnostics.roc import auc
from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.errors import EmptySelectionError, HypothetaError, InputFileError, InvalidEventsError
from hypotheta.hashing import digest, halves
from hypotheta.parameters import ThetaPoint
from hypotheta.significance import split_best_cut
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.config import SignificanceConfig
from hypotheta.stages.files import git_commit, read_json
from hypotheta.stages.store import Store
from hypotheta.statistics import LimitScan
from hypotheta.statistics.templates.optimise import Counts, expected_sigma
from hypotheta.trials import Record, Training

__all__ = [
    "Metrics",
    "add_missing",
    "add_training",
    "described",
    "mean_of",
    "measured",
    "measured_columns",
    "metrics",
    "note_limits",
    "record_of",
    "settings_of",
    "training_row",
]

_LOG = logging.getLogger(__name__)
Array = NDArray[np.float64]
Scalar = str | int | float | bool

#: what does not change a training
_NOT_SETTINGS = ("type", "device", "threads")


def record_of(analysis: Analysis, *, storage: str | None = None, study: str | None = None) -> Record:
    """Return the record that an analysis names, or ``trials.db`` among its results."""
    options = analysis.config.trials
    default = f"sqlite:///{(analysis.results / 'trials.db').resolve()}"
    return Record(storage or options.storage or default, study or options.study or analysis.config.name)


@dataclass(frozen=True)
class Metrics:
    """How well scores tell signal from background at one hypothesis; None where there is no number.

    Args:
        auc: weighted area under the ROC curve.
        average_precision: weighted, at the yields of the analysis.
        significance: Asimov Z of the best cut, chosen on one half of the events and quoted on the other.
        threshold: of that cut.
        n_sig: signal events that pass it.
        n_bkg: background events that pass it.
        signal_rejected: signal events that do not pass it.
        background_rejected: background events that do not pass it.
        quick_limit_pb: expected 95 % limit on σ·B in the Gaussian approximation, with the uncertainties of the
            background's yield and of its simulation only.
    """

    auc: float
    average_precision: float
    significance: float | None
    threshold: float | None
    n_sig: float | None
    n_bkg: float | None
    signal_rejected: float | None
    background_rejected: float | None
    quick_limit_pb: float | None


def metrics(
    analysis: Analysis,
    score: Array,
    y: NDArray[np.int8],
    weight: Array,
    event_id: NDArray[np.uint64],
    signal_pb: float,
    *,
    factors: tuple[float, float] = (1.0, 1.0),
) -> Metrics:
    """Measure scores at one hypothesis.

    Args:
        analysis: for the options of cuts and bins.
        score: larger is more like signal, shape (n,).
        y: 1 for signal, shape (n,).
        weight: physics weights, shape (n,).
        event_id: event numbers, shape (n,).
        signal_pb: cross section to which the signal's weights belong, in pb.
        factors: how many times the events of signal and background stand for, where they are a part of all.
    """
    s, b = y == 1, y == 0
    options = analysis.config.significance or SignificanceConfig()
    half = halves(event_id)
    k_s, k_b = factors
    total_s, total_b = k_s * float(weight[s].sum()), k_b * float(weight[b].sum())
    try:
        cut = split_best_cut(
            *(score[s], weight[s], half[s], score[b], weight[b], half[b]),
            background_uncertainty=options.background_uncertainty,
            min_effective_background=options.min_effective_background,
            factors=factors,
        )
    except (EmptySelectionError, InvalidEventsError):  # too few events for a cut; the other numbers stand
        cut = None
    return Metrics(
        auc=auc(score[s], weight[s], score[b], weight[b]),
        average_precision=average_precision(RocTable.of(score[s], k_s * weight[s], score[b], k_b * weight[b])).value,
        significance=cut.z if cut else None,
        threshold=cut.threshold if cut else None,
        n_sig=cut.signal if cut else None,
        n_bkg=cut.background if cut else None,
        signal_rejected=total_s - cut.signal if cut else None,
        background_rejected=total_b - cut.background if cut else None,
        quick_limit_pb=_quick_limit(analysis, score[s], weight[s], score[b], weight[b], signal_pb, factors),
    )


def _quick_limit(
    analysis: Analysis, s: Array, w_s: Array, b: Array, w_b: Array, signal_pb: float, factors: tuple[float, float]
) -> float | None:
    """Return the expected limit in pb from bins of equal background efficiency each, None where there are none."""
    binning = analysis.config.binning
    if binning is None or not w_b.sum() > 0:
        return None
    order = np.argsort(-b, kind="stable")
    passed = np.cumsum(w_b[order]) / w_b.sum()
    rows = np.searchsorted(passed, binning.background_efficiencies).clip(max=len(b) - 1)
    inner = np.unique(b[order][rows])
    bins = len(inner) + 1
    in_s, in_b = np.searchsorted(inner, s, side="right"), np.searchsorted(inner, b, side="right")
    k_s, k_b = factors
    background = k_b * np.bincount(in_b, w_b, bins).astype(np.float64)
    variances = k_b * np.bincount(in_b, w_b**2, bins).astype(np.float64)
    signal = k_s * np.bincount(in_s, w_s, bins).astype(np.float64) / signal_pb
    options = analysis.config.significance or SignificanceConfig()
    uncertainty = np.hypot(options.background_uncertainty, analysis.config.luminosity_uncertainty)
    floor = (background >= binning.min_expected_events) & (
        background**2 >= binning.min_effective_events * np.maximum(variances, 0.0)
    )
    signal, background, variances = signal[floor], background[floor], variances[floor]
    sigma = expected_sigma(Counts(signal, background, variances, uncertainty * background[None]))
    median = norm.ppf(1 - (1 - analysis.config.limits.confidence_level) / 2)
    return float(median * sigma) if np.isfinite(sigma) else None


def measured(store: Store, model: CrossFitted) -> dict[str, Metrics]:
    """Return the metrics by slug of the hypothesis, from the events' own models; of those that the model covers."""
    analysis, nominal = store.analysis, store.analysis.space.nominal
    found = {}
    for theta in analysis.checked_hypotheses:
        point = analysis.space.point(theta)
        if model.covers(point):
            data = store.dataset(theta, nominal)
            score = model.logit(data.with_features(model.feature_names).x, point, data.event_id)
            signal_pb = store.signal_cross_section(theta)
            found[theta.slug] = metrics(analysis, score, data.y, data.weight, data.event_id, signal_pb)
    return found


def mean_of(found: Mapping[str, Metrics], name: str) -> float | None:
    """Return the mean of a metric over the hypotheses, None where one of them has none."""
    values = [getattr(one, name) for one in found.values()]
    return float(np.mean(values)) if values and None not in values else None


def settings_of(config: AnyClassifierConfig) -> dict[str, Scalar]:
    """Return a classifier's settings as numbers and words: ``hidden`` is 64-64-64."""
    return {name: _flat(value) for name, value in config.model_dump(mode="json").items() if name not in _NOT_SETTINGS}


def training_row(
    analysis: Analysis,
    name: str,
    config: AnyClassifierConfig,
    *,
    features: int,
    found: Mapping[str, Metrics],
    inputs: Mapping[str, str],
    seconds: float,
    hold_out: ThetaPoint | None = None,
) -> Training:
    """Make the row of a training.

    Args:
        analysis: the analysis.
        name: of the classifier.
        config: its settings.
        features: how many it sees.
        found: metrics by hypothesis, see `measured`.
        inputs: digests of the feature files by sample.
        seconds: run time.
        hold_out: the point that was left out.
    """
    columns: dict[str, Scalar | None] = {
        **described(analysis, name, config, features=features, inputs=inputs),
        "held_out": None if hold_out is None else hold_out.slug,
        "seconds": seconds,
        **measured_columns(found),
    }
    value = mean_of(found, "auc")
    started = datetime.now() - timedelta(seconds=seconds)
    chosen = tuple(n for n in settings_of(config) if n != "features")
    return Training(uuid.uuid4().hex, 0.5 if value is None else value, columns, started, chosen)


def described(
    analysis: Analysis, name: str, config: AnyClassifierConfig, *, features: int, inputs: Mapping[str, str]
) -> dict[str, Scalar | None]:
    """Return the columns that are known before a training; arguments as `training_row`."""
    settings = settings_of(config)
    return {
        "classifier": name,
        "type": config.type,
        **settings,
        "features": features,
        "inputs": settings["features"],
        "folds": analysis.config.training.folds,
        "seed": analysis.config.seed,
        "data_digest": digest(json.dumps(dict(inputs), sort_keys=True).encode())[:16],
        "git_commit": git_commit(),
        "version": __version__,
    }


def measured_columns(found: Mapping[str, Metrics]) -> dict[str, Scalar | None]:
    """Return the means of all metrics, and after them each at its hypothesis: ``auc_at_mass_1000``."""
    names = list(Metrics.__dataclass_fields__)
    columns: dict[str, Scalar | None] = {name: mean_of(found, name) for name in names}
    for slug, one in found.items():
        columns |= {f"{name}_at_{slug}": getattr(one, name) for name in names}
    return columns


def add_training(record: Record, training: Training, name: str) -> None:
    """Add the row of a model that is saved; where that fails the model is what counts, and the row is in its card."""
    try:
        number = record.add(training)
    except HypothetaError as err:
        _LOG.warning("%s: %s; its row is kept with the model, add it with 'hypotheta trials ANALYSIS --add'", name, err)
        return
    _LOG.info("%s: training %d of study '%s'", name, number, record.study)


def add_missing(analysis: Analysis, record: Record) -> dict[str, int]:
    """Add the rows that are kept with the models and not in the record yet; return model → number of what was added."""
    trainings = {}
    for card in sorted(
        [*analysis.results.glob("models/*/card.json"), *analysis.results.glob("held_out/*/*/card.json")]
    ):
        training = _in_card(card)
        if training is not None:
            trainings[card.parent.relative_to(analysis.results).as_posix()] = training
    if not trainings:
        raise InputFileError(f"{analysis.results}: no model here keeps a row; run 'hypotheta train' first")
    return record.add_missing(trainings)


def note_limits(analysis: Analysis, scans: Sequence[LimitScan]) -> None:
    """Write the expected limits to the rows of the classifiers that they come from."""
    record = record_of(analysis)
    checked = analysis.checked_hypotheses
    for scan in scans:
        training = _in_card(analysis.results / "models" / scan.discriminant / "card.json")
        found = {p.theta.slug: p.expected_pb for p in scan.points if p.theta in checked}
        if training is None or not found:
            continue
        values = list(found.values())
        known = [value for value in values if value is not None]
        mean = float(np.mean(known)) if len(known) == len(values) else None
        columns = {"expected_limit_pb": mean, **{f"expected_limit_pb_at_{k}": v for k, v in found.items()}}
        try:
            record.note(training.id, columns)
        except HypothetaError as err:
            _LOG.warning("%s: the expected limit is not in the record of trainings: %s", scan.discriminant, err)
            return


def _in_card(path: Path) -> Training | None:
    content = read_json(path).get("provenance", {}).get("trial") if path.is_file() else None
    return None if content is None else Training.from_dict(content)


def _flat(value: object) -> Scalar:
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list):
        return "-".join(str(v) for v in value) or "none"
    return "none" if value is None or value == {} else json.dumps(value, sort_keys=True)
