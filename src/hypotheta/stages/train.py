"""`hypotheta train`: features → cross-fitted classifiers."""

from collections.abc import Callable
from pathlib import Path

from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.dataset import Dataset
from hypotheta.errors import ConfigurationError, EmptySelectionError, closest
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.features import feature_path
from hypotheta.stages.files import Provenance, file_digest
from hypotheta.stages.progress import progress
from hypotheta.stages.store import Store, model_path

__all__ = ["train", "training_dataset"]


def training_dataset(analysis: Analysis, store: Store) -> Dataset:
    """Collect the training region's events at every grid point of the event-kind parameters.

    Signal carries its true θ; background has NaN in the signal-kind columns, to be drawn from the prior.
    """
    region = analysis.config.training.region
    entries = []
    for name in [*analysis.catalogue.names("signal"), *analysis.catalogue.names("background")]:
        signal = analysis.catalogue[name].kind == "signal"
        true = analysis.signal_point(name).values if signal else {}
        for point in analysis.event_points():
            table = store.table(name, analysis.variation_of(point)).in_region(region)
            if len(table):
                entries.append((table, ThetaPoint({**true, **point.values}), int(signal)))
    if {y for _, _, y in entries} != {0, 1}:
        raise EmptySelectionError(
            f"region '{region}' holds no {'signal' if not any(y for _, _, y in entries) else 'background'} events to "
            "train on; loosen the selection or bring more events"
        )
    return Dataset.from_tables(entries, analysis.space)


def train(analysis: Analysis, classifier: str, *, threads: int = 1) -> Path:
    """Train one classifier on all folds and save it.

    Args:
        analysis: the analysis.
        classifier: its name under ``classifiers`` in the analysis.
        threads: recorded in the provenance.

    Returns:
        The folder of the model.

    Raises:
        ConfigurationError: when there is no such classifier.
    """
    config = analysis.config
    if classifier not in config.classifiers:
        raise ConfigurationError(f"there is no classifier '{classifier}'{closest(classifier, config.classifiers)}")
    dataset = training_dataset(analysis, Store(analysis))
    folds = config.training.folds
    with progress(f"train {classifier} ({folds} folds, {len(dataset)} rows)", 1000) as advance:
        model = CrossFitted.fit(
            config.classifiers[classifier],
            dataset,
            folds=folds,
            rng=analysis.generator("train", classifier),
            progress=_steps(advance),
        )
    samples = [*analysis.catalogue.names("signal"), *analysis.catalogue.names("background")]
    inputs = {name: file_digest(feature_path(analysis, name)) for name in samples}
    provenance = Provenance(
        "train", config.seed, threads, analysis.digest("parameters", "training", "classifiers"), inputs
    )
    path = model_path(analysis, classifier)
    model.save(path, provenance=provenance.to_dict())
    return path


def _steps(advance: Callable[[int], None]) -> Callable[[float, str], None]:
    """Turn the fraction done, which classifiers report, into steps of a thousandth, which `progress` takes."""
    done = 0

    def report(fraction: float, _losses: str) -> None:
        nonlocal done
        advance(int(1000 * fraction) - done)
        done = int(1000 * fraction)

    return report
