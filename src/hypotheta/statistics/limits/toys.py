"""Upper limits from toys: CLs at a ladder of μ, and where it falls through the level; p₀ from toys.

Which one do I use? `limit_points` with ``toys``. CLs(μ) is exact but for the number of toys and the nuisances,
which stand at their conditional fits to the observation (of an expected band before the fit: to its Asimov set).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from hypotheta.errors import FitError
from hypotheta.statistics.batched import (
    FAILED,
    Models,
    Observation,
    ToyCls,
    compile_models,
    observe,
    toy_cls,
    toy_discovery,
)
from hypotheta.statistics.limits.blinding import background_only
from hypotheta.statistics.limits.results import NUMBERS

__all__ = ["crossing", "toy_limits", "toy_p0"]

Floats = NDArray[np.float64]

_RUNGS = 12
# points whose CLs is within this factor of the level say where it is reached
_WINDOW = 8.0
_WORDS = {"observation": "observation", "asimov": "background's Asimov set"}


def toy_limits(
    spec: dict[str, Any],
    *,
    around: tuple[float, float],
    observed: bool,
    expected: bool,
    postfit: bool,
    n: int,
    level: float,
    rng: np.random.Generator,
) -> tuple[dict[str, float], list[str]]:
    """Return limits by the names of `LimitPoint`, and notes.

    Args:
        spec: a pyhf workspace.
        around: the lowest and the highest asymptotic limit, > 0.
        observed: compute the observed limit.
        expected: compute the expected band.
        postfit: nuisances of the band stand at the fit to the observation.
        n: toys of each hypothesis at each of the 12 values of μ.
        level: 1 − confidence level.
        rng: random numbers.

    Raises:
        FitError: when a fit to the observation or to the Asimov set failed, or CLs does not fall through the level
            within the ladder.
    """
    models = compile_models([spec])
    ladder = np.geomspace(0.5 * around[0], 1.8 * around[1], _RUNGS)
    sets: dict[str, Observation] = {}
    if observed or postfit:
        sets["observation"] = observe(models)
    if expected and not postfit:
        sets["asimov"] = background_only(models)
    curves: dict[str, Floats] = {}
    failed = 0.0
    for name, observation in sets.items():
        rungs = _rungs(models, name, observation, ladder, n, rng)
        failed = max(failed, *(float(r.failed[0]) for r in rungs))
        if name == "observation" and observed:
            curves["observed_pb"] = np.array([r.observed[0] for r in rungs])
        if expected and (name == "asimov" or postfit):
            for i, number in enumerate(NUMBERS[1:6]):
                curves[number] = np.array([r.band[0, i] for r in rungs])
    notes = [] if failed == 0 else [f"fits of up to {100 * failed:.2g} % of the toys failed and were left out"]
    return {name: crossing(ladder, values, level) for name, values in curves.items()}, notes


def toy_p0(spec: dict[str, Any], *, n: int, rng: np.random.Generator) -> tuple[dict[str, float], list[str]]:
    """Return p₀ and Z of the observation from toys by the names of `LimitPoint`, and notes.

    Args:
        spec: a pyhf workspace.
        n: background-only toys.
        rng: random numbers.

    Raises:
        FitError: when a fit to the observation failed.
    """
    models = compile_models([spec])
    observation = observe(models)
    _check("observation", observation)
    p0 = float(toy_discovery(models, observation, n=n, rng=rng)[0][0])
    if not np.isfinite(p0):
        raise FitError("the fits to the observation or to all toys converged with neither engine; look for thin bins")
    notes = []
    if p0 * (n + 1) < 1.5:
        notes.append(f"none of {n} toys has so large an excess: p₀ is an upper and Z a lower bound; ask for more toys")
    return {"p0": p0, "z": max(0.0, float(norm.isf(p0)))}, notes


def _rungs(
    models: Models, name: str, observation: Observation, ladder: Floats, n: int, rng: np.random.Generator
) -> list[ToyCls]:
    """Return CLs at each μ of the ladder; its band is there wherever toys could be drawn."""
    _check(name, observation)
    rungs = []
    for mu in ladder:
        rungs.append(toy_cls(models, observation, np.array([mu]), n=n, rng=rng))
        if np.isnan(rungs[-1].band).any():
            raise FitError(
                f"the fit to the {_WORDS[name]} at μ = {mu:.4g}, or those to all of its toys, converged with neither "
                "engine; look for thin bins or wild variations in its templates"
            )
    return rungs


def _check(name: str, observation: Observation) -> None:
    for words, fits in (("background-only", observation.background), ("best", observation.free)):
        if np.any(fits.flags & FAILED):
            raise FitError(
                f"the {words} fit to the {_WORDS[name]} converged with neither engine; look for thin bins or wild "
                "variations in its templates"
            )


def crossing(mu: Floats, cls: Floats, level: float) -> float:
    """Return where CLs, known with statistical errors, falls through a level.

    ln CLs is a parabola in μ near the level, to a good approximation; it is fitted to the points around.

    Args:
        mu: hypotheses, rising, (n,).
        cls: CLs at each.
        level: the level.

    Raises:
        FitError: when the points do not enclose the level.

    Example:
        >>> mu = np.linspace(0.5, 6, 12)
        >>> round(crossing(mu, np.exp(-0.5 * mu**2 - 0.2 * mu), 0.05), 6)
        2.255904
    """
    near = np.isfinite(cls) & (cls > level / _WINDOW) & (cls < min(level * _WINDOW, 0.9))
    if near.sum() < 3 or not cls[near][0] > level > cls[near][-1]:
        raise FitError(
            f"CLs of the toys does not fall through {level:g} between μ = {mu[0]:.4g} and {mu[-1]:.4g}; ask for more "
            "toys"
        )
    x, y = mu[near], np.log(cls[near] / level)
    centre = float(x.mean())
    a, b, c = np.polyfit(x - centre, y, 2)
    roots = np.roots([a, b, c])
    falling = [float(r.real) for r in roots if abs(r.imag) < 1e-9 and 2 * a * r.real + b < 0]
    inside = [r + centre for r in falling if x[0] <= r + centre <= x[-1]]
    if not inside:
        raise FitError(f"CLs of the toys does not fall steadily through {level:g}; ask for more toys")
    return inside[0]
