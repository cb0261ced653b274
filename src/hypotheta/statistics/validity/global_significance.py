"""How surprising is the largest excess of a scan? Toys that share their events across all hypotheses.

Which one do I use? `global_significance` draws the toys, `GlobalSignificance` turns a local Z into a global one.

An event of a toy is one event of the simulation, drawn Poisson(w) times, and it stands in the histograms of *all*
hypotheses, each of which scores it anew: neighbouring hypotheses fluctuate together as they do in data. So do the
auxiliary measurements: one draw of each nuisance for all hypotheses, and for MC statistics one bootstrap of the events.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import norm

from hypotheta.diagnostics.verdicts import Verdict, judge
from hypotheta.errors import ConfigurationError, FitError, TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.batched import Data, Models, q_tilde
from hypotheta.statistics.validity.toys import compiled, yields
from hypotheta.statistics.workspace import Workspace

__all__ = ["BackgroundEvents", "GlobalSignificance", "global_significance", "global_verdict"]

Floats = NDArray[np.float64]
#: a sparse matrix of scipy, which publishes no types
Matrix = Any

_CHUNK = 200
_TOO_FAR = "the hypotheses are too far apart to count crossings"


@dataclass(frozen=True, eq=False)
class BackgroundEvents:
    """All background of a scan, event by event.

    Args:
        weight: physics weights, ≥ 0, shape (n,).
        channel: name of each event's channel, shape (n,).
        bins: for each hypothesis the bin of each event within its channel, shape (n,) each.
    """

    weight: Floats
    channel: NDArray[np.str_]
    bins: Sequence[NDArray[np.intp]]


@dataclass(frozen=True)
class GlobalSignificance:
    """The largest local Z of background-only toys.

    Args:
        thetas: the hypotheses, in rising order.
        largest: largest local Z of each toy, rising.
        level: a low Z at which up-crossings are counted.
        crossings, crossings_error: mean number of up-crossings of it along the hypotheses, and its error.
        failed: share of toys with a fit that did not converge; they are left out.
    """

    thetas: tuple[ThetaPoint, ...]
    largest: tuple[float, ...]
    level: float
    crossings: float
    crossings_error: float
    failed: float

    def p_value(self, z: float) -> tuple[float, float]:
        """Return the p-value of a local Z of at least z somewhere, and its binomial error.

        Of n toys, k of which reach z, it is (k + 1)/(n + 1), never 0: the observation is one more data set.
        """
        n = len(self.largest)
        p = (float(np.sum(np.array(self.largest) >= z)) + 1.0) / (n + 1.0)
        return p, float(np.sqrt(max(p * (1.0 - p), 1.0 / n) / n))

    def p_value_from_crossings(self, z: float) -> float:
        """Return p ≈ Φ(−z) + ⟨N(level)⟩ exp(−(z² − level²)/2) (Gross, Vitells, EPJC 70 (2010) 525, equation 3).

        It needs hypotheses closer together than the discriminant's resolution; else crossings are missed.
        """
        return float(min(1.0, norm.sf(z) + self.crossings * np.exp(-0.5 * (z**2 - self.level**2))))


def global_significance(
    workspaces: Sequence[Workspace],
    events: BackgroundEvents,
    *,
    rng: np.random.Generator,
    n: int = 2000,
    level: float = 1.0,
) -> GlobalSignificance:
    """Draw background-only toys event by event, and find the largest local Z of each.

    Args:
        workspaces: one a hypothesis, of one discriminant.
        events: the events that filled their background templates, bins in the order of ``workspaces``.
        rng: random numbers.
        n: toys.
        level: the Z at which up-crossings are counted.

    Raises:
        ConfigurationError: without a hypothesis, or with more than one parameter of θ.
        TemplateError: when the events do not make up the background templates, or weigh less than 0.
        FitError: when the fits of all toys failed, or of all but one.
    """
    order = sorted(range(len(workspaces)), key=lambda i: tuple(workspaces[i].theta.values.values()))
    if not order or any(len(w.theta.values) > 1 for w in workspaces):
        raise ConfigurationError("a global significance is that of a scan of one parameter, or of one hypothesis")
    chosen = [workspaces[i] for i in order]
    models = compiled(chosen)
    bins = [_matrix(models, w, events, events.bins[i]) for w, i in enumerate(order)]
    _check(chosen, models, events, bins)
    z = np.concatenate([_local(models, data) for data in _toys(models, events, bins, n, rng)], axis=1)
    good = np.isfinite(z).all(axis=0)
    if good.sum() < 2:
        raise FitError(f"the fits of {n - good.sum()} of {n} toys of the scan failed; look for thin bins, or draw more")
    z = z[:, good]
    crossings = np.sum((z[:-1] < level) & (z[1:] >= level), axis=0)
    return GlobalSignificance(
        tuple(w.theta for w in chosen),
        tuple(np.sort(z.max(axis=0)).tolist()),
        level,
        float(crossings.mean()),
        float(crossings.std(ddof=1) / np.sqrt(len(crossings))),
        float(1.0 - good.mean()),
    )


def global_verdict(result: GlobalSignificance, *, local: float = 2.0, tolerance: float = 0.2) -> Verdict:
    """Compare what toys and up-crossings make of a local Z.

    Args:
        result: the toys.
        local: the local Z.
        tolerance: harmless difference of the global Z.
    """
    p, error = result.p_value(local)
    # n toys tell no p-value from 0 or from 1 that is closer to it than one of them, and Z is infinite there
    end = 1.0 / (len(result.largest) + 1.0)
    z, other = (float(norm.isf(np.clip(v, end, 1.0 - end))) for v in (p, result.p_value_from_crossings(local)))
    # dZ/dp = −1/φ(Z)
    z_error = error / float(norm.pdf(z))
    scan = f"that share events among {len(result.thetas)} hypotheses"
    theory = f"from {result.crossings:.2f} up-crossings of Z = {result.level:g}"
    if len(result.thetas) == 1:
        scan, theory = "of the one hypothesis", "by definition"
    message = (
        f"a local Z of {local:g} is a global one of {z:.2f} ± {z_error:.2f} from {len(result.largest)} toys {scan}, "
        f"{other:.2f} {theory}"
    )
    status = judge(abs(z - other), z_error, tolerance)
    if status != "pass":
        message += "; trust the toys, "
        message += "asymptotic formulas are off" if len(result.thetas) == 1 else _TOO_FAR
    return Verdict("global_significance", status, z, z_error, tolerance, message, other)


def _matrix(models: Models, w: int, events: BackgroundEvents, bins: NDArray[np.intp]) -> Matrix:
    """Return which bin of a model each event is in, (n, M)."""
    sizes = dict(models.channels[w])
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
    missing = sorted(set(np.unique(events.channel).tolist()) - set(sizes))
    if missing:
        raise TemplateError(f"events lie in {', '.join(missing)}, which is no channel of the workspace; leave them out")
    first = np.array([starts[name] for name in events.channel.tolist()])
    shape = (len(bins), models.data.shape[1])
    return csr_array((np.ones(len(bins)), (np.arange(len(bins)), first + bins)), shape=shape)


def _check(workspaces: Sequence[Workspace], models: Models, events: BackgroundEvents, bins: Sequence[Matrix]) -> None:
    if np.any(events.weight < 0):
        raise TemplateError("toys cannot be drawn from events with negative weights; merge them into positive ones")
    for w, (workspace, matrix) in enumerate(zip(workspaces, bins, strict=True)):
        expected = yields(workspace)
        wanted = np.concatenate([expected[name][0] for name, _ in models.channels[w]])
        found = (events.weight @ matrix)[: len(wanted)]
        if not np.allclose(found, wanted, rtol=1e-6):
            i = int(np.argmax(np.abs(found - wanted)))
            raise TemplateError(
                f"the events{workspace.theta.at} make {found[i]:g} events in bin {i}, its template has {wanted[i]:g}; "
                "give the events that filled it"
            )


def _toys(
    models: Models, events: BackgroundEvents, bins: Sequence[Matrix], n: int, rng: np.random.Generator
) -> Iterator[Data]:
    """Yield toys some at a time: one draw of events, of their MC statistics and of each nuisance for all models."""
    names = sorted({name for model in models.names for name in model})
    filled = np.stack([events.weight @ matrix for matrix in bins])[:, None]
    width = np.sqrt(np.where(models.precision > 0, 1.0 / np.where(models.precision > 0, models.precision, 1.0), 0.0))
    for start in range(0, n, _CHUNK):
        size = min(_CHUNK, n - start)
        counts = rng.poisson(events.weight, (size, len(events.weight))).astype(np.float64)
        resampled = rng.poisson(1.0, counts.shape) * events.weight
        main, again = (np.stack([draw @ matrix for matrix in bins]) for draw in (counts, resampled))
        gamma = np.where(models.variance[:, None] > 0, again / np.where(filled > 0, filled, 1.0), 1.0)
        normal = dict(zip(names, rng.standard_normal((len(names), size)), strict=True))
        drawn = np.zeros((len(models), size, models.centre.shape[1]))
        for w, model in enumerate(models.names):
            drawn[w, :, : len(model)] = np.stack([normal[name] for name in model], axis=-1)
        yield Data(main, models.centre[:, None] + width[:, None] * drawn, gamma)


def _local(models: Models, data: Data) -> Floats:
    """Return the local Z of toys, (W, R); NaN where a fit failed."""
    x = models.start[:, None].copy()
    x[..., 0] = 0.0
    q, _ = q_tilde(models, data, x, np.zeros(len(models)))
    return np.sqrt(q)
