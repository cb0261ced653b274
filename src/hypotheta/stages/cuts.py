"""The best cut on one discriminant at one hypothesis, with everything it was chosen from."""

from dataclasses import dataclass

from hypotheta.hashing import halves
from hypotheta.parameters import ThetaPoint
from hypotheta.significance import BestCut, CutScan, scan_cuts, split_best_cut
from hypotheta.stages.config import SignificanceConfig
from hypotheta.stages.diagnose import Scored, scored
from hypotheta.stages.store import Store

__all__ = ["Cuts", "cuts"]


@dataclass(frozen=True)
class Cuts:
    """The cuts on one discriminant at one hypothesis.

    Args:
        name: the discriminant.
        theta: the hypothesis.
        events: its events, scored there.
        best: the cut to quote.
        scan: every cut on all events.
    """

    name: str
    theta: ThetaPoint
    events: Scored
    best: BestCut
    scan: CutScan


def cuts(store: Store, name: str, theta: ThetaPoint, options: SignificanceConfig | None = None) -> Cuts:
    """Return the cut to quote, and every cut on all events, of one discriminant at one hypothesis."""
    options = options or store.analysis.config.significance or SignificanceConfig()
    events = scored(store, name, theta, store.analysis.space.nominal)
    half = halves(events.event_id)
    s, b = events.y == 1, events.y == 0
    f, floor = options.background_uncertainty, options.min_effective_background
    signal, background = (events.score[s], events.weight[s]), (events.score[b], events.weight[b])
    scan = scan_cuts(*signal, *background, background_uncertainty=f, min_effective_background=floor)
    best = split_best_cut(
        *signal,
        half[s],
        *background,
        half[b],
        background_uncertainty=f,
        min_effective_background=floor,
        replicas=options.replicas,
        rng=store.analysis.generator("significance", name, theta.slug),
    )
    return Cuts(name, theta, events, best, scan)
