"""Upper limits from toys: CLs at a ladder of μ, and where it falls through the level.

Which one do I use? `limit_points` with ``toys``. CLs(μ) is exact but for the number of toys and the nuisances,
which stand at their conditional fits to the observation (of an expected band before the fit: to its Asimov set).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import FitError
from hypotheta.statistics.batched import Observation, asimov, compile_models, observe, toy_cls
from hypotheta.statistics.limits.results import NUMBERS

__all__ = ["crossing", "toy_limits"]

Floats = NDArray[np.float64]

_RUNGS = 12
# points whose CLs is within this factor of the level say where it is reached
_WINDOW = 8.0


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
        FitError: when CLs does not fall through the level within the ladder.
    """
    models = compile_models([spec])
    ladder = np.geomspace(0.5 * around[0], 1.8 * around[1], _RUNGS)
    sets: dict[str, Observation] = {}
    if observed or postfit:
        sets["observation"] = observe(models)
    if expected and not postfit:
        start = models.start[:, None].copy()
        start[..., 0] = 0.0
        sets["asimov"] = observe(models, asimov(models, start))
    curves: dict[str, Floats] = {}
    failed = 0.0
    for name, observation in sets.items():
        rungs = [toy_cls(models, observation, np.array([mu]), n=n, rng=rng) for mu in ladder]
        failed = max(failed, *(float(r.failed[0]) for r in rungs))
        if name == "observation" and observed:
            curves["observed_pb"] = np.array([r.observed[0] for r in rungs])
        if expected and (name == "asimov" or postfit):
            for i, number in enumerate(NUMBERS[1:6]):
                curves[number] = np.array([r.band[0, i] for r in rungs])
    notes = [] if failed == 0 else [f"fits of up to {100 * failed:.2g} % of the toys failed and were left out"]
    return {name: crossing(ladder, values, level) for name, values in curves.items()}, notes


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
