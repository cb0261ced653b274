"""`hypotheta train`: features → cross-fitted classifiers."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hypotheta.classifiers import AnyClassifierConfig
from hypotheta.classifiers.checkpoint import Checkpoint
from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.dataset import Dataset
from hypotheta.diagnostics.interpolation import refuse_seen
from hypotheta.diagnostics.leakage import ThetaSample, theta_leakage
from hypotheta.diagnostics.verdicts import Verdict
from hypotheta.errors import ConfigurationError, EmptySelectionError, closest
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.features import feature_path
from hypotheta.stages.files import Provenance, file_digest
from hypotheta.stages.progress import Advance, progress
from hypotheta.stages.record import add_training, measured, record_of, training_row
from hypotheta.stages.repeated import tell_repeated
from hypotheta.stages.store import Store, model_path
from hypotheta.stages.thinning import thinned

__all__ = ["input_digests", "named_features", "train", "training_dataset"]

_LOG = logging.getLogger(__name__)


def training_dataset(analysis: Analysis, store: Store) -> Dataset:
    """Collect the training region's events at every grid point of the event-kind parameters, thinned where asked for.

    Signal carries its true θ; background has NaN in the signal-kind columns, to be drawn from the prior.
    """
    region = analysis.config.training.region
    entries = []
    for name in [*analysis.catalogue.names("signal"), *analysis.catalogue.names("background")]:
        signal = analysis.catalogue[name].kind == "signal"
        true = analysis.signal_point(name).values if signal else {}
        for point in analysis.event_points():
            table = thinned(store, store.read(name, analysis.variation_of(point), region=region))
            if len(table):
                entries.append((table, ThetaPoint({**true, **point.values}), int(signal)))
    if {y for _, _, y in entries} != {0, 1}:
        raise EmptySelectionError(
            f"region '{region}' holds no {'signal' if not any(y for _, _, y in entries) else 'background'} events to "
            "train on; loosen the selection or bring more events"
        )
    return Dataset.from_tables(entries, analysis.space)


def train(analysis: Analysis, classifier: str, *, hold_out: ThetaPoint | None = None, threads: int = 1) -> Path:
    """Train one classifier on all folds, save it, and add a row to the record of trainings.

    An interrupted training of networks goes on from its last epoch, and becomes one row. The card of the model holds,
    besides its provenance, the verdict on what θ alone told in the training, and the row.

    Args:
        analysis: the analysis.
        classifier: its name under ``classifiers`` in the analysis.
        hold_out: train without the events at this (partial) point.
        threads: recorded in the provenance.

    Returns:
        The folder of the model.

    Raises:
        ConfigurationError: when there is no such classifier.
        OutputError: when the record of trainings cannot be opened; told before the training starts.
    """
    config = analysis.config
    if classifier not in config.classifiers:
        raise ConfigurationError(f"there is no classifier '{classifier}'{closest(classifier, config.classifiers)}")
    record, store = record_of(analysis), Store(analysis)
    if hold_out is None and classifier == next(iter(config.classifiers)):  # once: all of them see the same events
        tell_repeated(store.simulated())
    dataset = training_dataset(analysis, store)
    record.prepare()
    started = time.monotonic()
    if hold_out is not None:
        dataset = dataset.without(hold_out)
    path, own = model_path(analysis, classifier, hold_out), config.classifiers[classifier]
    checkpoint = Checkpoint(path.parent / f".{path.name}.checkpoint")
    folds = config.training.folds
    title = f"train {classifier}" + (f" without {hold_out}" if hold_out else "")
    with progress(f"{title} ({folds} folds, {len(dataset)} rows)", 1000) as advance:
        model = CrossFitted.fit(
            named_features(analysis, own),
            dataset,
            folds=folds,
            rng=analysis.generator("train", classifier),
            progress=_steps(advance),
            checkpoint=checkpoint,
            base=store.classifier(own.of, hold_out) if own.type == "merged" else None,
        )
    _LOG.info("%s: %s", classifier, model.describe())
    if hold_out is not None:
        for trained in model.models:
            refuse_seen(trained.signature.trained_at, hold_out, analysis.space)
    seconds = time.monotonic() - started
    inputs = input_digests(analysis)
    provenance = Provenance(
        "train", config.seed, threads, analysis.digest("parameters", "training", "classifiers"), inputs
    )
    units = {spec.name: spec.unit for spec in analysis.code.FEATURES if spec.name in model.feature_names}
    leakage = [verdict.to_dict() for verdict in _leakage(model)]
    row = training_row(
        *(analysis, classifier, own),
        features=len(model.feature_names),
        found=measured(store, model),
        inputs=inputs,
        seconds=seconds,
        hold_out=hold_out,
    )
    kept = {"feature_units": units, "leakage": leakage, "trial": row.to_dict()}
    model.save(path, provenance={**provenance.to_dict(), **kept})
    shutil.rmtree(checkpoint.folder, ignore_errors=True)
    add_training(record, row, classifier)
    return path


def input_digests(analysis: Analysis) -> dict[str, str]:
    """Return the digests of the feature files that trainings read, by sample."""
    samples = [*analysis.catalogue.names("signal"), *analysis.catalogue.names("background")]
    return {name: file_digest(feature_path(analysis, name)) for name in samples}


def named_features(analysis: Analysis, config: AnyClassifierConfig) -> AnyClassifierConfig:
    """Replace a level of features by the names of those that have it."""
    if config.features not in ("low", "high"):
        return config
    names = tuple(spec.name for spec in analysis.code.FEATURES if spec.level == config.features)
    return config.model_copy(update={"features": names})


def _leakage(model: CrossFitted) -> Iterator[Verdict]:
    """Judge what θ alone told in the last epoch of each fold's training."""
    for fold, trained in enumerate(model.models):
        shown = trained.exposure
        if shown is not None:
            kinds = [trained.space[name].kind for name in trained.signature.seen]
            columns = tuple(j for j, kind in enumerate(kinds) if kind == "event")
            yield theta_leakage(ThetaSample(*shown, event_columns=columns), name=f"theta_only_auc_fold_{fold}")


def _steps(advance: Advance) -> Callable[[float, str], None]:
    """Turn the fraction done, which classifiers report, into steps of a thousandth, which `progress` takes."""
    done = 0

    def report(fraction: float, losses: str) -> None:
        nonlocal done
        advance(int(1000 * fraction) - done, losses)
        done = int(1000 * fraction)

    return report
