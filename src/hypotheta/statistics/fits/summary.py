"""Everything that is made from one fit, in one object.

Which one do I use? `summarise_fit` for a workspace; what does not converge is withheld and named, the rest is there.
Blinded, nothing but the Asimov set of the model is ever fitted, whatever the workspace's observation is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from hypotheta.errors import FitError
from hypotheta.statistics.fits.best_fit import FitResult, fit_result
from hypotheta.statistics.fits.expectations import FitTemplates, fit_templates
from hypotheta.statistics.fits.fitted import EVERYWHERE, FittedModel, fit_model
from hypotheta.statistics.fits.goodness import GoodnessOfFit, goodness_of_fit
from hypotheta.statistics.fits.impacts import Ranking, rank_impacts
from hypotheta.statistics.fits.pulls import MC_STATISTICS, Pull, pulls
from hypotheta.statistics.fits.scans import LikelihoodPlane, LikelihoodScan, scan_likelihood, scan_plane
from hypotheta.statistics.workspace import DataLabel, Workspace

__all__ = ["FitOptions", "FitSummary", "summarise_fit"]

T = TypeVar("T")


@dataclass(frozen=True)
class FitOptions:
    """What is made from a fit.

    Args:
        mu_range: range of μ, see `fit_model`.
        groups: systematic → group, see `rank_impacts`.
        scans: nuisance parameters whose likelihood is scanned besides μ's; all but those of `MC_STATISTICS` when None.
        planes: nuisance parameters that are scanned together with μ.
        scan_points: points of a scan, along each axis of a plane two thirds of them.
        toys: toys of the goodness of fit, 0 for none; not while blinded.
        asimov_mu: μ of the Asimov set that is fitted while blinded.
    """

    mu_range: tuple[float, float] = EVERYWHERE
    groups: Mapping[str, str] = field(default_factory=dict)
    scans: tuple[str, ...] | None = None
    planes: tuple[str, ...] = ()
    scan_points: int = 25
    toys: int = 0
    asimov_mu: float = 0.0


@dataclass(frozen=True)
class FitSummary:
    """All about one fit; None and missing entries did not converge, the status says why.

    Args:
        discriminant: what was fitted.
        theta: the hypothesis, by parameter.
        data: what was fitted; ``asimov`` while blinded.
        blinded: whether observations are hidden.
        result: the best fit, with asymmetric errors on μ; None when it failed, and then nothing else is there.
        pulls: nuisance parameters before and after.
        ranking: impacts on μ.
        goodness: goodness of fit.
        scans: likelihood along μ and nuisances.
        planes: likelihood over μ and a nuisance.
        templates: expectations before and after.
        status: ``ok``, or what did not converge.
    """

    discriminant: str
    theta: Mapping[str, float]
    data: DataLabel
    blinded: bool
    result: FitResult | None = None
    pulls: tuple[Pull, ...] = ()
    ranking: Ranking | None = None
    goodness: GoodnessOfFit | None = None
    scans: tuple[LikelihoodScan, ...] = ()
    planes: tuple[LikelihoodPlane, ...] = ()
    templates: FitTemplates | None = None
    status: str = "ok"


def summarise_fit(
    workspace: Workspace,
    *,
    blinded: bool = True,
    options: FitOptions | None = None,
    rng: np.random.Generator | None = None,
) -> FitSummary:
    """Fit a workspace and make everything from it; what does not converge is withheld and named in the status.

    Args:
        workspace: the workspace.
        blinded: fit the Asimov set of the nominal model in place of the observation, and hide that.
        options: what is made.
        rng: random numbers of toys; a fixed seed when None.

    Raises:
        ConfigurationError: for options that name no parameter of the model.
    """
    options = options or FitOptions()
    label: DataLabel = "asimov" if blinded else workspace.data
    where = (workspace.discriminant, dict(workspace.theta.values), label, blinded)
    try:
        asimov_mu = options.asimov_mu if blinded else None
        fitted = fit_model(workspace.spec, asimov_mu=asimov_mu, mu_range=options.mu_range)
    except FitError as err:
        return FitSummary(*where, status=f"best fit: {err}")
    failures: list[str] = []
    made = _make(fitted, options, blinded, rng or np.random.default_rng(0), failures)
    return FitSummary(*where, **made, status="; ".join([*failures, *_withheld(made)]) or "ok")


def _make(
    fitted: FittedModel, options: FitOptions, blinded: bool, rng: np.random.Generator, failures: list[str]
) -> dict[str, Any]:
    def attempt(what: str, calculate: Callable[..., T], *args: Any, **options: Any) -> T | None:
        try:
            return calculate(fitted, *args, **options)
        except FitError as err:
            failures.append(f"{what}: {err}")
            return None

    mu = fitted.likelihood.names[fitted.poi]
    ranking = attempt("ranking", rank_impacts, groups=options.groups)
    found = pulls(fitted, groups=options.groups)
    along = [p.parameter for p in found if p.group != MC_STATISTICS] if options.scans is None else options.scans
    scans = [attempt(f"scan of {name}", scan_likelihood, name, points=options.scan_points) for name in (mu, *along)]
    coarser = max(3, 2 * options.scan_points // 3 | 1)  # odd: the best fit is among them
    planes = [attempt(f"scan of {mu} and {name}", scan_plane, (mu, name), points=coarser) for name in options.planes]
    toys = 0 if blinded else options.toys  # an Asimov set is described perfectly, whatever toys would say
    return {
        "result": fit_result(fitted, minos=(mu,)),
        "pulls": found,
        "ranking": ranking,
        "goodness": attempt("goodness of fit", goodness_of_fit, toys=toys, rng=rng),
        "scans": tuple(scan for scan in scans if scan is not None),
        "planes": tuple(plane for plane in planes if plane is not None),
        "templates": fit_templates(fitted, blinded=blinded),
    }


def _withheld(made: Mapping[str, Any]) -> list[str]:
    """Return what the parts of a summary say about failures of their own."""
    result: FitResult = made["result"]
    ranking: Ranking | None = made["ranking"]
    found = [f"error of {name}: {error.status}" for name, error in result.minos.items() if error.status != "ok"]
    if result.other_minimum is not None:
        found.append(f"best fit: a second minimum lies {result.other_minimum:.3g} higher in −ln L")
    impacts = () if ranking is None else ranking.impacts
    found += [f"impact of {i.parameter}: {i.status}" for i in impacts if i.status != "ok"]
    found += [f"scan of {scan.parameter}: {failure}" for scan in made["scans"] for failure in scan.failures]
    return found + [
        f"scan of {' and '.join(p.parameters)}: {failure}" for p in made["planes"] for failure in p.failures
    ]
