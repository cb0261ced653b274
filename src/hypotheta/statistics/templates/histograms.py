"""Templates: the histograms of a discriminant from which a likelihood is built.

Which one do I use? `fill` makes one `Template` from scores and weights, edges from `binning`; a `TemplateSet` keeps
all of them by (θ, region, sample, variation). **Background templates depend on θ as well**, because all background is
scored at that θ. `yields_table` is what ``yields.csv`` holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import NonFiniteError, TemplateError, closest
from hypotheta.parameters import ThetaPoint

__all__ = ["NOMINAL", "Template", "TemplateKey", "TemplateSet", "effective_events", "fill", "yields_table"]

#: the variation of unvaried events
NOMINAL = "nominal"

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Template:
    """One histogram with its MC statistics.

    Args:
        edges: bin edges, shape (b + 1,), rising and finite.
        values: Σw of each bin, shape (b,).
        variances: Σw² of each bin, shape (b,).
        counts: MC events in each bin, shape (b,).
    """

    edges: Floats
    values: Floats
    variances: Floats
    counts: Floats

    def __post_init__(self) -> None:
        for name in ("edges", "values", "variances", "counts"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
            getattr(self, name).setflags(write=False)
        _check_edges(self.edges)
        shapes = {self.values.shape, self.variances.shape, self.counts.shape}
        if shapes != {(len(self.edges) - 1,)}:
            raise TemplateError(f"a template with {len(self.edges) - 1} bins has arrays of shapes {sorted(shapes)}")

    def __len__(self) -> int:
        return len(self.values)

    def __add__(self, other: "Template") -> "Template":
        if not np.array_equal(self.edges, other.edges):
            raise TemplateError(f"templates with different edges cannot be added: {self.edges} and {other.edges}")
        return Template(
            self.edges,
            self.values + other.values,
            self.variances + other.variances,
            self.counts + other.counts,
        )

    @property
    def mc_errors(self) -> Floats:
        """MC statistical error √Σw² of each bin, shape (b,)."""
        return np.sqrt(self.variances)

    @property
    def effective(self) -> Floats:
        """Effective MC events (Σw)²/Σw² of each bin, shape (b,); 0 for an empty one."""
        return effective_events(self.values, self.variances)

    @property
    def hist(self) -> Any:
        """The template as a `hist.Hist` with Weight storage."""
        histogram = hist.Hist(_axis(self.edges), storage=hist.storage.Weight())
        histogram[...] = np.stack([self.values, self.variances], axis=-1)
        return histogram

    def scaled(self, factor: float) -> "Template":
        """Return the template with all weights multiplied by a factor; relative MC errors stay."""
        return Template(self.edges, self.values * factor, self.variances * factor**2, self.counts)

    def rebinned(self, edges: ArrayLike) -> "Template":
        """Return the template in wider bins.

        Args:
            edges: the new edges, a subset of the old ones with the same first and last.

        Raises:
            TemplateError: when an edge is not one of the old ones.
        """
        wanted = np.asarray(edges, dtype=np.float64)
        old = np.searchsorted(self.edges, wanted)
        inside = (old < len(self.edges)) & (self.edges[np.minimum(old, len(self.edges) - 1)] == wanted)
        if not inside.all() or old[0] != 0 or old[-1] != len(self):
            raise TemplateError(f"edges {wanted} are no merging of {self.edges}; fill again with the new edges")
        return Template(wanted, *(np.add.reduceat(a, old[:-1]) for a in (self.values, self.variances, self.counts)))


def fill(values: ArrayLike, weights: ArrayLike, edges: ArrayLike) -> Template:
    """Fill a template; events below the first or above the last edge go into the outermost bins.

    Args:
        values: the discriminant of each event, shape (n,), finite.
        weights: physics weight of each event, shape (n,), finite.
        edges: bin edges, shape (b + 1,), rising.

    Raises:
        NonFiniteError: when a value or weight is NaN or infinite.
        TemplateError: when the edges do not rise.

    Example:
        >>> fill([0.1, 0.4, 7.0], [1.0, 1.0, 0.5], [0.0, 0.5, 1.0]).values
        array([2. , 0.5])
    """
    x, w = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    bounds = np.asarray(edges, dtype=np.float64)
    _check_edges(bounds)
    bad = ~(np.isfinite(x) & np.isfinite(w))
    if bad.any():
        row = int(np.argmax(bad))
        raise NonFiniteError(
            f"{int(bad.sum())} of {len(x)} events cannot be filled, the first is event {row} with discriminant "
            f"{x[row]} and weight {w[row]}; remove such events in the selection"
        )
    inside = np.clip(x, bounds[0], bounds[-1])
    weighted = hist.Hist(_axis(bounds), storage=hist.storage.Weight()).fill(inside, weight=w)
    counted = hist.Hist(_axis(bounds), storage=hist.storage.Double()).fill(inside)
    return Template(bounds, weighted.values(), weighted.variances(), counted.values())


def effective_events(values: ArrayLike, variances: ArrayLike) -> Floats:
    """Return (Σw)²/Σw², the number of unweighted events with the same relative error; 0 where there are none."""
    w, w2 = np.asarray(values, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    return np.divide(w**2, w2, out=np.zeros_like(w), where=w2 > 0)


class TemplateKey(NamedTuple):
    """Where a template belongs."""

    theta: ThetaPoint
    region: str
    sample: str
    variation: str = NOMINAL

    def __str__(self) -> str:
        return f"{str(self.theta) or 'no θ'}, region '{self.region}', sample '{self.sample}', {self.variation}"


@dataclass(frozen=True, eq=False)
class TemplateSet:
    """All templates of one discriminant by (θ, region, sample, variation).

    Args:
        templates: key → template; within one θ and region all templates have the same edges.
    """

    templates: Mapping[TemplateKey, Template] = field(default_factory=dict)

    def __post_init__(self) -> None:
        templates = {TemplateKey(*key): template for key, template in self.templates.items()}
        object.__setattr__(self, "templates", templates)
        edges: dict[tuple[ThetaPoint, str], Floats] = {}
        for key, template in templates.items():
            first = edges.setdefault((key.theta, key.region), template.edges)
            if not np.array_equal(first, template.edges):
                raise TemplateError(
                    f"template at {key}: its edges differ from those of its region; fill all with one set"
                )

    def __len__(self) -> int:
        return len(self.templates)

    def __or__(self, other: "TemplateSet") -> "TemplateSet":
        """Join two sets; where both hold a key, the right one counts."""
        return TemplateSet({**self.templates, **other.templates})

    @property
    def thetas(self) -> tuple[ThetaPoint, ...]:
        """The hypotheses in the order in which they were added."""
        return tuple(dict.fromkeys(key.theta for key in self.templates))

    def get(self, theta: ThetaPoint, region: str, sample: str, variation: str = NOMINAL) -> Template:
        """Return one template.

        Raises:
            TemplateError: when there is none; the message names those that exist.
        """
        key = TemplateKey(theta, region, sample, variation)
        if key in self.templates:
            return self.templates[key]
        for part, wanted in (("theta", theta), ("region", region), ("sample", sample), ("variation", variation)):
            known = {str(getattr(k, part)) for k in self.templates}
            if str(wanted) not in known:
                raise TemplateError(f"no template at {key}: there is no {part} '{wanted}'{closest(str(wanted), known)}")
        raise TemplateError(f"no template at {key}: fill it, or take the sample out of this region or variation")

    def total(self, theta: ThetaPoint, region: str, samples: Iterable[str], variation: str = NOMINAL) -> Template:
        """Return the sum of some samples; a sample without that variation counts with its nominal template."""
        parts = [
            self.get(theta, region, s, variation if (theta, region, s, variation) in self.templates else NOMINAL)
            for s in samples
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def check(self, theta: ThetaPoint, *, backgrounds: Iterable[str]) -> None:
        """Refuse templates of one θ that no likelihood can be built from.

        Args:
            theta: the hypothesis.
            backgrounds: samples whose sum must not be empty in any bin of any variation.

        Raises:
            TemplateError: for a NaN, infinite or negative bin of any sample, or an empty bin of the total background;
                the message names θ, region, sample, variation and bin.
        """
        background = tuple(backgrounds)
        keys = [key for key in self.templates if key.theta == theta]
        for key in keys:
            _refuse(key, self.templates[key], ~np.isfinite(self.templates[key].values), "correct the event weights")
            _refuse(key, self.templates[key], self.templates[key].values < 0, "merge bins or drop negative weights")
        for region, variation in dict.fromkeys((key.region, key.variation) for key in keys):
            total = self.total(theta, region, background, variation)
            key = TemplateKey(theta, region, "total background", variation)
            _refuse(key, total, total.values <= 0, "merge it into its neighbour (see merge_edges)")

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the set as plain lists and numbers, for JSON."""
        return [
            {
                "theta": dict(key.theta.values),
                "region": key.region,
                "sample": key.sample,
                "variation": key.variation,
                **{name: getattr(t, name).tolist() for name in ("edges", "values", "variances", "counts")},
            }
            for key, t in self.templates.items()
        ]

    @classmethod
    def from_dict(cls, rows: Iterable[Mapping[str, Any]]) -> "TemplateSet":
        """Return the set that `to_dict` wrote."""
        return cls(
            {
                TemplateKey(ThetaPoint(row["theta"]), row["region"], row["sample"], row["variation"]): Template(
                    row["edges"], row["values"], row["variances"], row["counts"]
                )
                for row in rows
            }
        )


def yields_table(templates: TemplateSet, theta: ThetaPoint) -> list[dict[str, str | float]]:
    """Return the yields of one θ, a row a (region, sample, variation).

    Args:
        templates: the templates.
        theta: the hypothesis; yields are the same at every θ unless a selection depends on it.

    Returns:
        Rows with region, sample, variation, raw (MC events), effective ((Σw)²/Σw²), yield (expected events) and
        mc_error (√Σw², events).
    """
    rows: list[dict[str, str | float]] = []
    for key, template in templates.templates.items():
        if key.theta != theta:
            continue
        total, variance = template.values.sum(), template.variances.sum()
        rows.append(
            {
                "region": key.region,
                "sample": key.sample,
                "variation": key.variation,
                "raw": float(template.counts.sum()),
                "effective": float(effective_events(total, variance)),
                "yield": float(total),
                "mc_error": float(np.sqrt(variance)),
            }
        )
    return rows


def _axis(edges: Floats) -> Any:
    return hist.axis.Variable(edges, underflow=False, overflow=False)


def _check_edges(edges: Floats) -> None:
    if edges.ndim != 1 or len(edges) < 2 or not np.all(np.isfinite(edges)) or not np.all(np.diff(edges) > 0):
        raise TemplateError(f"bin edges must be finite and rise, at least two of them; they are {edges}")


def _refuse(key: TemplateKey, template: Template, bad: NDArray[np.bool_], remedy: str) -> None:
    if bad.any():
        i = int(np.argmax(bad))
        raise TemplateError(
            f"template at {key}: bin {i} [{template.edges[i]:g}, {template.edges[i + 1]:g}] holds "
            f"{template.values[i]:g} events; {remedy}"
        )
