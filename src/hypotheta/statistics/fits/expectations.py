"""Expected events before and after a fit, bin by bin and as yields, with errors.

Which one do I use? `fit_templates` for the `FitTemplates` of a fit: what its pictures and the yield table show. Before
the fit nuisances are nominal, uncorrelated, and μ is 1; after it they are fitted and correlated. Errors are linear in
the parameters, √(J V Jᵀ) with J the derivatives of the expectation and V the covariance: exact for small errors only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypotheta.statistics.fits.fitted import FittedModel
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.fits.pulls import prefit_errors

__all__ = ["BACKGROUND", "TOTAL", "FitTemplates", "RegionTemplates", "Yield", "fit_templates"]

Floats = NDArray[np.float64]
Row = tuple[float, ...]

#: what the sums over all backgrounds and over everything are called among the samples
BACKGROUND, TOTAL = "background", "total"


@dataclass(frozen=True)
class Yield:
    """The expected events of one sample in one region.

    Args:
        region: its name.
        sample: its name, `BACKGROUND` or `TOTAL`.
        prefit: events before the fit.
        prefit_error: error of that.
        postfit: events after the fit.
        postfit_error: error of that, correlations used.
    """

    region: str
    sample: str
    prefit: float
    prefit_error: float
    postfit: float
    postfit_error: float


@dataclass(frozen=True)
class RegionTemplates:
    """The expected events of one region, bin by bin.

    Args:
        region: its name.
        samples: backgrounds in the workspace's order, then signals.
        prefit: events of each sample before the fit, shape (samples, bins).
        postfit: likewise after it.
        prefit_background_error: error of the summed background before the fit, shape (bins,).
        postfit_total_error: error of everything after the fit, shape (bins,).
        data: what was fitted, shape (bins,); None while blinded.
    """

    region: str
    samples: tuple[str, ...]
    prefit: tuple[Row, ...]
    postfit: tuple[Row, ...]
    prefit_background_error: Row
    postfit_total_error: Row
    data: Row | None = None


@dataclass(frozen=True)
class FitTemplates:
    """All regions of a fit.

    Args:
        signals: the samples that μ scales; their templates before the fit are those of μ = 1.
        regions: bin by bin.
        yields: summed over bins; a row a region and sample, then `BACKGROUND` and `TOTAL`.
    """

    signals: tuple[str, ...]
    regions: tuple[RegionTemplates, ...]
    yields: tuple[Yield, ...]


@dataclass(frozen=True)
class _Expectation:
    """Events by sample and their derivatives: (s, m) and (p, s, m), with the covariance of the parameters, (p, p)."""

    events: Floats
    jacobian: Floats
    covariance: Floats

    def bin_errors(self, samples: Sequence[int], part: slice) -> Floats:
        derivatives = self.jacobian[:, samples, part].sum(axis=1)
        errors: Floats = np.sqrt(np.einsum("pm,pq,qm->m", derivatives, self.covariance, derivatives))
        return errors

    def summed(self, samples: Sequence[int], part: slice) -> tuple[float, float]:
        derivatives = self.jacobian[:, samples, part].sum(axis=(1, 2))
        error = float(np.sqrt(derivatives @ self.covariance @ derivatives))
        return float(self.events[samples, part].sum()), error


def fit_templates(fitted: FittedModel, *, blinded: bool = False) -> FitTemplates:
    """Return the expected events before and after a fit.

    Args:
        fitted: the best fit.
        blinded: leave out what was fitted.
    """
    config, likelihood = fitted.likelihood.model.config, fitted.likelihood
    with numpy_backend():
        before = _expectation(likelihood, _prefit(likelihood), np.diag(prefit_errors(likelihood) ** 2))
        after = _expectation(likelihood, fitted.fit.x, fitted.covariance)
    backgrounds, signals = _samples(fitted)
    order = (*backgrounds, *signals)
    rows = [config.samples.index(name) for name in order]
    of_background = rows[: len(backgrounds)]
    regions, yields = [], []
    for region in (channel["name"] for channel in fitted.spec["channels"]):
        part = config.channel_slices[region]
        data = None if blinded else tuple(fitted.data[part].tolist())
        regions.append(
            RegionTemplates(
                region,
                order,
                _rows(before.events[rows, part]),
                _rows(after.events[rows, part]),
                tuple(before.bin_errors(of_background, part).tolist()),
                tuple(after.bin_errors(rows, part).tolist()),
                data,
            )
        )
        sums = {**{name: [row] for name, row in zip(order, rows, strict=True)}, BACKGROUND: of_background, TOTAL: rows}
        yields += [Yield(region, name, *before.summed(s, part), *after.summed(s, part)) for name, s in sums.items()]
    return FitTemplates(signals, tuple(regions), tuple(yields))


def _prefit(likelihood: Likelihood) -> Floats:
    x = likelihood.nominal
    x[likelihood.poi] = 1.0
    return x


def _expectation(likelihood: Likelihood, x: Floats, covariance: Floats) -> _Expectation:
    return _Expectation(*likelihood.expected_and_jacobian(x, by_sample=True), covariance)


def _samples(fitted: FittedModel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the backgrounds and the signals, which μ scales, each in the workspace's order."""
    samples = [sample for channel in fitted.spec["channels"] for sample in channel["samples"]]
    mu = fitted.likelihood.names[fitted.poi]
    signals = {s["name"] for s in samples if any(m["name"] == mu for m in s["modifiers"])}
    names = dict.fromkeys(s["name"] for s in samples)
    return tuple(n for n in names if n not in signals), tuple(n for n in names if n in signals)


def _rows(values: Floats) -> tuple[Row, ...]:
    return tuple(tuple(row) for row in values.tolist())
