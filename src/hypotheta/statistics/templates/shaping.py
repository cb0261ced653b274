"""Symmetrise, smooth and prune variations of templates: separate steps, each recorded.

Which one do I use? `shape_templates` does what a `Treatment` asks for, systematic by systematic, on the templates of
one θ; `symmetrise`, `smooth` and `prune` are its steps for one sample. Nothing is changed unless it is asked for.
A varied template keeps the MC errors it was filled with: the likelihood does not use them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.model import ModelConfig, Shape
from hypotheta.statistics.templates.histograms import Template, TemplateKey, TemplateSet

__all__ = ["Shaped", "Step", "Treatment", "prune", "shape_templates", "smooth", "symmetrise"]

Floats = NDArray[np.float64]

# a mirrored template keeps at least this fraction of the nominal bin, as in `build_workspace`
_FLOOR = 1e-3
# with fewer bins there is nothing to smooth
_SMOOTHED_BINS = 4


@dataclass(frozen=True)
class Step:
    """What one step did to one variation, for the provenance.

    Args:
        name: ``symmetrise``, ``smooth`` or ``prune``.
        method: how, e.g. ``half difference``.
        amounts: numbers that say how much; relative to nominal.
        bins: bins in which the step did something of note, from 0.
        systematic: the nuisance parameter.
        region: the region.
        sample: the sample.
    """

    name: str
    method: str
    amounts: Mapping[str, float]
    bins: tuple[int, ...] = ()
    systematic: str = ""
    region: str = ""
    sample: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain strings, numbers and lists, for JSON and YAML."""
        return {
            **{key: getattr(self, key) for key in ("systematic", "region", "sample", "name", "method")},
            "amounts": {key: float(value) for key, value in self.amounts.items()},
            "bins": list(self.bins),
        }


class Shaped(NamedTuple):
    """Varied templates after a step, and the step."""

    up: Template
    down: Template
    step: Step


@dataclass(frozen=True)
class Treatment:
    """Which steps a systematic goes through, in this order.

    Args:
        symmetrise: make up and down opposite, see `symmetrise`; needed for a one-sided systematic's other steps.
        smooth: smooth the shape, see `smooth`.
        span: its reach in fractions of all bins.
        shape_threshold: drop a shape that changes no bin by more, relative to nominal; 0 keeps all.
        norm_threshold: drop a change of the yield that is no larger; 0 keeps all.
    """

    symmetrise: bool = False
    smooth: bool = False
    span: float = 0.1
    shape_threshold: float = 0.0
    norm_threshold: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.span) and self.span > 0):
            raise ConfigurationError(f"treatment: span must be a positive fraction of the bins, it is {self.span}")
        for name in ("shape_threshold", "norm_threshold"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigurationError(f"treatment: {name} must be in [0, 1), it is {getattr(self, name)}")


def symmetrise(nominal: Template, up: Template, down: Template | None = None) -> Shaped:
    """Make the two sides of a variation opposite, in yield and shape apart.

    The yields become κ and 1/κ times nominal, κ = √(up / down); the shapes, at the nominal yield, n ± (u − d)/2. One
    side alone is mirrored: κ = up / nominal, shapes u and 2n − u. So no bin falls below 0.001 n, at unchanged yield.

    Args:
        nominal: the nominal template, not empty.
        up: the template at +1σ, not empty.
        down: the template at −1σ; None mirrors the upward one.

    Returns:
        The templates and the step: ``removed``, the largest common change (u + d)/2 − n of a bin that is gone, and
        ``removed_norm``, that of the yield; bins where the floor acted.

    Raises:
        TemplateError: when a template is empty, or the edges differ.
    """
    n, total = nominal.values, _total(nominal, nominal)
    u = up.values * (total / _total(nominal, up))
    d = 2.0 * n - u if down is None else down.values * (total / _total(nominal, down))
    high = _total(nominal, up) / total
    low = 1.0 / high if down is None else _total(nominal, down) / total
    kappa, half = float(np.sqrt(high / low)), (u - d) / 2.0
    floored = (np.abs(half) > (1.0 - _FLOOR) * n) & (half != 0)
    sides = [np.maximum(n + sign * half, _FLOOR * n) for sign in (1.0, -1.0)]
    amounts = {
        "removed": _largest((u + d) / 2.0 - n, n),
        "removed_norm": float(abs(np.sqrt(high * low) - 1.0)),
    }
    step = Step("symmetrise", "mirror" if down is None else "half difference", amounts, _where(floored))
    ups, downs = (x * (total * k / x.sum()) for x, k in zip(sides, (kappa, 1.0 / kappa), strict=True))
    return Shaped(_with(up, ups), _with(down or up, downs), step)


def smooth(nominal: Template, up: Template, down: Template, *, span: float = 0.1) -> Shaped:
    """Smooth the ratio of each side to nominal over the bin index; the yields stay exactly.

    The ratio, at the nominal yield, is fitted by a local straight line in each bin, with tricube weights times 1/σ² of
    the ratio, see W. S. Cleveland, J. Am. Stat. Assoc. 74 (1979) 829. σ² = (Σw² of both)/n² is that of independent
    events; those of a variation are not, but relative weights are all that counts. Leave-one-out error chooses no
    good span: an event that changes bins is missing in one and too much in the next.

    Args:
        nominal: the nominal template, not empty.
        up: the template at +1σ, not empty.
        down: the template at −1σ, not empty.
        span: reach of the local fit to each side in fractions of all bins, > 0; at least two neighbours count.

    Returns:
        The templates and the step: ``span``, ``removed`` and ``rms`` (largest and rms change of a bin), ``pull`` (the
        largest change in σ); its bins are those changed by more than 2σ: there the effect is sharper than the span.
        Bins without nominal events, and fewer than 4 bins, stay as they are.

    Raises:
        TemplateError: when a template is empty, or the edges differ.
    """
    scales = [nominal.values.sum() / _total(nominal, side) for side in (up, down)]
    used = (nominal.values > 0) & (nominal.variances > 0)
    n, b = nominal.values[used, None], int(used.sum())
    if b < _SMOOTHED_BINS:
        return Shaped(up, down, Step("smooth", "none: too few bins", {"removed": 0.0, "rms": 0.0}))
    varied = np.stack([side.values[used] * k for side, k in zip((up, down), scales, strict=True)], axis=1)
    variances = np.stack([side.variances[used] * k**2 for side, k in zip((up, down), scales, strict=True)], axis=1)
    errors = np.sqrt(nominal.variances[used, None] + variances) / n
    matrix = _smoother(b, max(span * b, 2.5), 1.0 / np.mean(errors**2, axis=1))
    fitted = np.maximum(matrix @ (varied / n), _FLOOR) * n
    fitted *= varied.sum(axis=0) / fitted.sum(axis=0)
    change = np.abs(fitted - varied) / n
    amounts = {
        "span": span,
        "removed": float(np.max(change)),
        "rms": float(np.sqrt(np.mean(change**2))),
        "pull": float(np.max(change / errors)),
    }
    sharp = np.zeros(len(nominal), dtype=bool)
    sharp[used] = np.any(change > 2.0 * errors, axis=1)
    sides = []
    for side, scale, values in zip((up, down), scales, fitted.T, strict=True):
        smoothed = side.values.copy()
        smoothed[used] = values / scale
        sides.append(_with(side, smoothed))
    return Shaped(sides[0], sides[1], Step("smooth", "local linear", amounts, _where(sharp)))


def prune(
    nominal: Template, up: Template, down: Template, *, shape_threshold: float = 0.0, norm_threshold: float = 0.0
) -> Shaped:
    """Drop the shape, the change of the yield, or both, where neither side exceeds a threshold.

    Args:
        nominal: the nominal template, not empty.
        up: the template at +1σ, not empty.
        down: the template at −1σ, not empty.
        shape_threshold: least relative change of a bin at the nominal yield that is kept; smooth first, or the noise
            of a thin bin keeps the shape.
        norm_threshold: least relative change of the yield that is kept.

    Returns:
        The templates and the step: its method names what was dropped; ``shape`` and ``norm`` are the largest changes
        found, bins the one of the shape.

    Raises:
        TemplateError: when a template is empty, or the edges differ.
    """
    n, total, sides = nominal.values, _total(nominal, nominal), (up, down)
    norms = [_total(nominal, side) / total for side in sides]
    shapes = [side.values / norm for side, norm in zip(sides, norms, strict=True)]
    changes = [np.divide(np.abs(x - n), n, out=np.zeros(len(n)), where=n > 0) for x in shapes]
    shape, norm = float(np.max(changes)), max(abs(k - 1.0) for k in norms)
    dropped = [name for name, gone in (("shape", shape < shape_threshold), ("norm", norm < norm_threshold)) if gone]
    if dropped:
        shapes = [n if "shape" in dropped else x for x in shapes]
        norms = [1.0 if "norm" in dropped else k for k in norms]
        sides = (_with(up, shapes[0] * norms[0]), _with(down, shapes[1] * norms[1]))
    largest = int(np.argmax(np.max(changes, axis=0)))
    step = Step("prune", " and ".join(dropped) or "none", {"shape": shape, "norm": norm}, (largest,))
    return Shaped(*sides, step)


def shape_templates(
    templates: TemplateSet, theta: ThetaPoint, config: ModelConfig, treatments: Mapping[str, Treatment]
) -> tuple[TemplateSet, ModelConfig, tuple[Step, ...]]:
    """Treat the systematics of one θ.

    Args:
        templates: all templates of a discriminant at θ, checked before (see `check_templates`).
        theta: the hypothesis.
        config: the model.
        treatments: systematic → what is done to it; the others stay as they are.

    Returns:
        The templates with the varied ones replaced; the model, in which a mirrored systematic has a downward side
        ``<up>_mirrored``; and all steps.

    Raises:
        ConfigurationError: for a name that is no systematic with templates, or a one-sided one that is not symmetrised.
        TemplateError: for a missing or empty template.
    """
    shapes = {s.name: s for s in config.systematics if isinstance(s, Shape)}
    for name, treatment in treatments.items():
        if name not in shapes:
            raise ConfigurationError(f"treatment of '{name}': it has no templates; those that have: {list(shapes)}")
        if shapes[name].down is None and treatment != Treatment() and not treatment.symmetrise:
            raise ConfigurationError(f"treatment of '{name}': it is one-sided; set symmetrise: true")
    new: dict[TemplateKey, Template] = {}
    steps: list[Step] = []
    model = config
    for name, treatment in treatments.items():
        old = shapes[name]
        mirrored = replace(old, down=f"{old.up}_mirrored") if old.down is None and treatment.symmetrise else old
        model = replace(model, systematics=tuple(mirrored if s == old else s for s in model.systematics))
        for region in config.regions:
            for sample in old.samples or config.samples:
                nominal = templates.get(theta, region, sample)
                up = templates.get(theta, region, sample, old.up)
                down = None if old.down is None else templates.get(theta, region, sample, old.down)
                if nominal.values.sum() <= 0:
                    new[TemplateKey(theta, region, sample, mirrored.down or old.up)] = down or up
                    continue
                for shaped in _steps(nominal, up, down, treatment):
                    new[TemplateKey(theta, region, sample, old.up)] = shaped.up
                    new[TemplateKey(theta, region, sample, str(mirrored.down))] = shaped.down
                    steps.append(replace(shaped.step, systematic=name, region=region, sample=sample))
    return templates | TemplateSet(new), model, tuple(steps)


def _steps(nominal: Template, up: Template, down: Template | None, treatment: Treatment) -> Iterator[Shaped]:
    if treatment.symmetrise:
        yield (shaped := symmetrise(nominal, up, down))
        up, down = shaped.up, shaped.down
    if down is None:
        return
    if treatment.smooth:
        yield (shaped := smooth(nominal, up, down, span=treatment.span))
        up, down = shaped.up, shaped.down
    if treatment.shape_threshold > 0 or treatment.norm_threshold > 0:
        thresholds = {"shape_threshold": treatment.shape_threshold, "norm_threshold": treatment.norm_threshold}
        yield prune(nominal, up, down, **thresholds)


def _smoother(b: int, reach: float, weights: Floats) -> Floats:
    """Return the matrix of a local linear regression over the index of b bins, shape (b, b)."""
    distance = np.arange(b)[None, :] - np.arange(b)[:, None]
    kernel = np.clip(1.0 - np.abs(distance / reach) ** 3, 0.0, None) ** 3 * weights
    s0, s1, s2 = (np.sum(kernel * distance**k, axis=1, keepdims=True) for k in range(3))
    matrix: Floats = kernel * (s2 - s1 * distance) / (s0 * s2 - s1**2)
    return matrix


def _total(nominal: Template, template: Template) -> float:
    total = float(template.values.sum())
    if not np.array_equal(nominal.edges, template.edges):
        raise TemplateError(f"a variation has the edges {template.edges}, nominal {nominal.edges}; fill with one set")
    if not total > 0:
        raise TemplateError(f"a template with {total:g} events cannot be shaped; take the systematic out there")
    return total


def _with(template: Template, values: Floats) -> Template:
    return Template(template.edges, values, template.variances, template.counts)


def _largest(change: Floats, nominal: Floats) -> float:
    """Return the largest change relative to nominal, over bins that hold events."""
    return float(np.max(np.abs(change[nominal > 0]) / nominal[nominal > 0]))


def _where(chosen: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(chosen))
