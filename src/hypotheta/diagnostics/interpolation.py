"""Leave one θ out: does one classifier for all θ hold where it has seen no signal?

For each hypothesis three classifiers score the same events, signal generated there and all background: the *fixed*
one, trained there only; the *parameterized* one, trained on all hypotheses; and the *held-out* one, parameterized and
trained without this hypothesis. Interior points are interpolation and are judged; the ends of the range are
extrapolation and are only reported.

Which one do I use? `refuse_seen` before scoring, `interpolation_point` at each hypothesis, `interpolation_verdicts` for
the answer. `point_kind` tells ends from interior points.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from hypotheta.diagnostics.folded import FoldedEvents
from hypotheta.diagnostics.verdicts import Status, Verdict, judge
from hypotheta.errors import ConfigurationError
from hypotheta.parameters import ParameterSpace, ThetaPoint

__all__ = [
    "InterpolationPoint",
    "InterpolationResult",
    "PointKind",
    "interpolation_point",
    "interpolation_verdicts",
    "point_kind",
    "refuse_seen",
]

PointKind = Literal["interior", "end"]


@dataclass(frozen=True)
class InterpolationPoint:
    """One hypothesis, left out.

    Args:
        theta: the hypothesis.
        kind: ``interior`` (interpolation) or ``end`` (extrapolation).
        auc_fixed: AUC of the classifier trained here only.
        auc_parameterized: AUC of the one trained on all hypotheses.
        auc_held_out: AUC of the one trained on all but this.
        difference: held-out − fixed.
        difference_error: its error by paired bootstrap of the events.
        seed_error: its error from the seeds of both trainings; 0 where unknown.
        difference_to_full: held-out − parameterized.
        difference_to_full_error: its error by paired bootstrap.
    """

    theta: ThetaPoint
    kind: PointKind
    auc_fixed: float
    auc_parameterized: float
    auc_held_out: float
    difference: float
    difference_error: float
    seed_error: float
    difference_to_full: float
    difference_to_full_error: float

    def __post_init__(self) -> None:
        if self.kind not in get_args(PointKind):
            raise ConfigurationError(f"hypothesis {self.theta}: kind is '{self.kind}'; use 'interior' or 'end'")

    @property
    def error(self) -> float:
        """Error of the difference: events and seeds in quadrature; what these events make of the seeds is in both."""
        return float(np.hypot(self.difference_error, self.seed_error))


@dataclass(frozen=True)
class InterpolationResult:
    """All hypotheses that were left out, one at a time, in the order of the scan."""

    points: tuple[InterpolationPoint, ...]

    def of_kind(self, kind: PointKind) -> tuple[InterpolationPoint, ...]:
        """Return the points of one kind."""
        return tuple(point for point in self.points if point.kind == kind)

    @property
    def worst(self) -> InterpolationPoint | None:
        """The interior point where the held-out classifier loses most; None when there is no interior point."""
        return min(self.of_kind("interior"), key=lambda point: point.difference, default=None)


def point_kind(theta: ThetaPoint, space: ParameterSpace) -> PointKind:
    """Return ``end`` when some coordinate of θ is an end of its grid, or beyond it, else ``interior``.

    Args:
        theta: the hypothesis that is left out; parameters it does not name are not left out.
        space: the parameters with all simulated values; a grid of one value has no ends.

    Raises:
        ConfigurationError: for an unknown parameter.
    """
    named = [(space[name], value) for name, value in theta.values.items()]
    inside = (p.low < value < p.high for p, value in named if len(p.grid) > 1)
    return "interior" if all(inside) else "end"


def refuse_seen(trained_points: ArrayLike, held_out: ThetaPoint, space: ParameterSpace) -> None:
    """Refuse a hold-out that contains what it holds out.

    Args:
        trained_points: θ on which a model was trained, shape (m, p), in the order of the space; repeated rows are
            fine, so is NaN (no value).
        held_out: the hypothesis left out; it may name some of the parameters only, then every trained point with
            these values counts.
        space: the parameters.

    Raises:
        ConfigurationError: the model was trained there (or the shape, or a name, is wrong).
    """
    points = np.asarray(trained_points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != len(space):
        raise ConfigurationError(
            f"trained points have shape {points.shape}; give one row a point with {len(space)} columns "
            f"({', '.join(space.names)})"
        )
    if not held_out.values:
        raise ConfigurationError("the hypothesis to hold out names no parameter; write it as in mass=750")
    seen = np.ones(len(points), dtype=np.bool_)
    for name, value in held_out.values.items():
        # a float32 copy of a grid value is that value
        seen &= np.isclose(points[:, space.index(name)], value, rtol=1e-6, atol=0.0)
    if seen.any():
        raise ConfigurationError(
            f"the model that holds out {held_out} was trained on it ({int(seen.sum())} of {len(points)} training "
            "points); drop this hypothesis from its training, signal and prior, and train it again"
        )


def interpolation_point(
    theta: ThetaPoint | Mapping[str, float],
    kind: PointKind,
    *,
    fixed: ArrayLike,
    parameterized: ArrayLike,
    held_out: ArrayLike,
    y: ArrayLike,
    weight: ArrayLike,
    rng: np.random.Generator,
    event_id: ArrayLike | None = None,
    fold: ArrayLike | None = None,
    replicas: int = 200,
) -> InterpolationPoint:
    """Compare the three classifiers at one hypothesis, on the same events.

    The quoted score is the mean logit of the members. Its AUC counts pairs inside a fold only, so that the models of
    different folds need no common scale; its seed error is a jackknife over the members: see `FoldedEvents`. Held-out
    and fixed networks have no seed in common, so their seed errors add in quadrature.

    Args:
        theta: the hypothesis: signal is generated there, and all events are scored there.
        kind: ``interior`` or ``end``, see `point_kind`.
        fixed: logits of the classifier trained here only, shape (n,), or (M, n) for M networks that differ by their
            seed; M need not be the same for all three.
        parameterized: logits of the one trained on all hypotheses, likewise.
        held_out: logits of the one trained on all but this, likewise.
        y: 1 for signal, 0 for background, shape (n,).
        weight: physics weights, shape (n,).
        rng: source of randomness.
        event_id: event numbers, shape (n,), unique within a class; rows of one event are drawn together. None: every
            row is an event.
        fold: the fold that quotes each row, shape (n,). None: one model scored all.
        replicas: bootstrap replicas, at least 2.

    Raises:
        InvalidEventsError: when shapes differ, a label is neither 0 nor 1, or a class has no positive weight.
        EmptySelectionError: when no fold has signal and background.
        NonFiniteError: when a score is NaN.
        ConfigurationError: when there are fewer than 2 replicas, or for an unknown kind.
    """
    events = FoldedEvents.of(y, weight, event_id=event_id, fold=fold)
    members = [events.members(scores) for scores in (fixed, parameterized, held_out)]
    rankings = [events.ranking(m.mean(axis=0)) for m in members]
    areas = [ranking.area(*events.weights) for ranking in rankings]
    sampled = np.array([[r.area(*weights) for r in rankings] for weights in events.replicas(rng, replicas)])
    to_fixed, to_full = (float(np.std(sampled[:, 2] - sampled[:, i], ddof=1)) for i in (0, 1))
    return InterpolationPoint(
        theta=theta if isinstance(theta, ThetaPoint) else ThetaPoint(theta),
        kind=kind,
        auc_fixed=areas[0],
        auc_parameterized=areas[1],
        auc_held_out=areas[2],
        difference=areas[2] - areas[0],
        difference_error=to_fixed,
        seed_error=float(np.hypot(events.seed_error(members[0]), events.seed_error(members[2]))),
        difference_to_full=areas[2] - areas[1],
        difference_to_full_error=to_full,
    )


def interpolation_verdicts(result: InterpolationResult, *, tolerance: float = 0.003) -> list[Verdict]:
    """Judge every interior point, and report the ends.

    ``interpolation_{θ}`` passes when held-out − fixed ≥ −tolerance or ≥ −2 errors, error = paired bootstrap ⊕ seeds; it
    fails when it is below −tolerance by more than 2 errors, and warns between. It also warns when the held-out
    classifier is worse than the full one (which shares its seeds) by more than the tolerance and 2 errors.
    ``extrapolation_{θ}`` of an end never fails: it warns where an interior point would not pass.
    """
    return [_verdict(point, tolerance) for point in result.points]


def _verdict(point: InterpolationPoint, tolerance: float) -> Verdict:
    status: Status = judge(-point.difference, point.error, tolerance, sigmas=2.0)
    # a weak fixed classifier is easily matched: the full one says what leaving out really costs
    lost = -point.difference_to_full - 2 * point.difference_to_full_error > tolerance
    if status == "pass" and lost:
        status = "warn"
    word = "interpolation" if point.kind == "interior" else "extrapolation"
    if point.kind == "end" and status == "fail":
        status = "warn"
    message = f"{word} to {point.theta}: AUC held out − fixed = {point.difference:+.4f} ± {point.error:.4f}"
    if status != "pass":
        message += f" ({point.difference_to_full:+.4f} ± {point.difference_to_full_error:.4f} from the full network); "
        message += "simulate hypotheses nearer to it" if point.kind == "interior" else "do not extrapolate so far"
    elif point.difference < -tolerance:
        message += "; within 2 errors, which more events or seeds would reduce"
    return Verdict(f"{word}_{point.theta.slug}", status, point.difference, point.error, -tolerance, message)
