"""The bins of every discriminant, hypothesis and region, as the analysis' ``binning`` asks for."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.config import BinningConfig
from hypotheta.stages.continuous import Interpolator
from hypotheta.stages.store import Store
from hypotheta.statistics import Bins, ModelConfig, TemplateSet, choose_edges, fill, merge_edges

__all__ = ["Binner"]

Array = NDArray[np.float64]
#: discriminant, hypothesis, region and its edges → templates with the signal of other hypotheses, and the model
Unmerged = Callable[[str, ThetaPoint, str, Array], tuple[TemplateSet, ModelConfig]]


class Binner:
    """Chooses the bins of each discriminant, hypothesis and region; all samples and variations share them.

    Args:
        store: features and scores.
        config: the analysis' ``binning``.
        interpolator: gives the background, and says whether there are other hypotheses.
        unmerged: fills fine bins.
    """

    def __init__(self, store: Store, config: BinningConfig, interpolator: Interpolator, unmerged: Unmerged) -> None:
        self.store = store
        self.analysis = store.analysis
        self.config = config
        self.interpolator = interpolator
        self.unmerged = unmerged
        self._kept: dict[tuple[str, str], tuple[float, ...]] = {}

    def bins(self, discriminant: str, theta: ThetaPoint, region: str) -> Bins:
        """Return the bins of a region: one bin, but for the region that the binning names."""
        values, weights = self.interpolator.background(discriminant, theta, region)
        ladder = self._ladder(discriminant, theta, values, self.config.background_efficiencies)
        if region != self.config.region:
            return Bins(ladder[[0, -1]], "one bin")
        if not self._optimised(discriminant, theta):
            total = fill(values, weights, ladder)
            edges = merge_edges(
                ladder,
                total.values,
                total.variances,
                min_effective=self.config.min_effective_events,
                min_expected=self.config.min_expected_events,
            )
            own = self._has_bins(discriminant, theta)
            return Bins(edges, f"{'its own' if own else 'ladder of background efficiencies'}, merged up to the floors")
        nearest = self._nearest_simulated(theta)
        edges = self._ladder(discriminant, theta, values, self._chosen(discriminant, nearest))
        return Bins(edges, f"smallest expected limit{nearest.at} with the signal of the other hypotheses")

    def _optimised(self, discriminant: str, theta: ThetaPoint) -> bool:
        """Tell whether bins are chosen for the limit.

        Not those of the observable: the efficiencies of fine cuts on a score are known from the tuning folds, but what
        the observable's bins hold only from the events that quote the limit.
        """
        ladder = self.config.method == "ladder" or discriminant == "observable"
        return not ladder and not self._has_bins(discriminant, theta)

    def _has_bins(self, discriminant: str, theta: ThetaPoint) -> bool:
        """Tell whether a classifier's output is the number of a bin, chosen when it was trained."""
        if discriminant == "observable":
            return False
        return self.store.classifier(discriminant).bins(self.analysis.space.point(theta)) is not None

    def _ladder(self, discriminant: str, theta: ThetaPoint, values: Array, efficiencies: tuple[float, ...]) -> Array:
        """Return the edges of the observable, or a classifier's at background efficiencies from the tuning folds.

        A classifier whose output is the number of a bin keeps its bins.
        """
        if discriminant == "observable":
            return np.asarray(self.analysis.config.observable.edges, dtype=np.float64)
        model, point = self.store.classifier(discriminant), self.analysis.space.point(theta)
        own = model.bins(point)
        if own is not None:
            return np.arange(own + 1, dtype=np.float64) - 0.5
        resolved = model.scale.smallest_efficiency(point)
        inner = model.background_quantile(point, [e for e in efficiencies if e >= resolved])
        span = max(float(np.ptp(inner)), 1.0)
        return np.array([min(values.min(), inner[0] - span), *inner, max(values.max(), inner[-1] + span)])

    def _chosen(self, discriminant: str, theta: ThetaPoint) -> tuple[float, ...]:
        """Return the background efficiencies of the cuts between the bins chosen at a simulated hypothesis.

        Fine bins are equal steps in the logit of the efficiency, down to the floor on events.
        """
        key = (discriminant, theta.slug)
        if key not in self._kept:
            if not self.interpolator.possible:
                raise ConfigurationError(
                    f"{self.analysis.path}: binning.method: optimised bins are chosen with the signal of other "
                    "hypotheses, of which there are too few here; write method: ladder"
                )
            region = self.config.region
            values, weights = self.interpolator.background(discriminant, theta, region)
            first = self.config.background_efficiencies[0]
            last = min(self.config.min_expected_events / weights.sum(), first / 2)
            steps = expit(np.linspace(logit(first), logit(last), self.config.fine_bins - 1)).tolist()
            fine = self._ladder(discriminant, theta, values, tuple(steps))
            templates, model = self.unmerged(discriminant, theta, region, fine)
            edges = choose_edges(
                templates,
                theta,
                model,
                region=region,
                most_bins=self.config.most_bins,
                min_effective=self.config.min_effective_events,
                min_expected=self.config.min_expected_events,
            )
            # the first edge lies below all efficiencies; those that θ cannot resolve are the last ones
            self._kept[key] = tuple(steps[i - 1] for i in np.searchsorted(fine, edges)[1:-1])
        return self._kept[key]

    def _nearest_simulated(self, theta: ThetaPoint) -> ThetaPoint:
        """Return the simulated hypothesis whose choice is used: θ itself, else the nearest."""

        def distance(other: ThetaPoint) -> float:
            return sum(abs(other[name] - value) for name, value in theta.values.items())

        return min(self.analysis.hypotheses, key=distance)
