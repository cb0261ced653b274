"""From templates of one θ to a pyhf workspace.

Which one do I use? `build_workspace` makes the `Workspace` of one θ and discriminant; `switches` changes one.

The model: one channel a region; the signal carries the normfactor ``mu``, which *is* σ·B in pb because its template is
filled for 1 pb. A `Normalisation` is a normsys. A `Shape` is one nuisance with one name for all samples: its change
of the yield is a normsys, its shape, normalised to the nominal yield, a histosys of the same name. MC statistics are
``staterror_<channel>``, on backgrounds only: with a 1 pb signal in it the relative error would be taken at μ = 1.
Interpolation is code 4 (normsys) and code 4p (histosys), see `MODIFIER_SETTINGS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyhf
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.model import MODIFIER_SETTINGS, POI, ModelConfig, Normalisation, Shape, Systematic
from hypotheta.statistics.templates.histograms import NOMINAL, Template, TemplateSet

__all__ = ["DataLabel", "SignalTemplate", "Workspace", "asimov", "build_workspace"]

#: what the observation is; ``asimov`` is the blinded default
DataLabel = Literal["asimov", "pseudo-data", "data"]
#: whether the signal was simulated at the hypothesis
SignalTemplate = Literal["simulated", "interpolated"]

Spec = dict[str, Any]
Floats = NDArray[np.float64]

# a symmetrised downward template keeps at least this fraction of the nominal bin
_FLOOR = 1e-3


@dataclass(frozen=True)
class Workspace:
    """A pyhf workspace of one θ and what pyhf's schema has no place for.

    Args:
        spec: the workspace as JSON-like dict, valid under pyhf's schema; its measurement is named after ``data``.
        theta: the hypothesis.
        discriminant: which discriminant was filled.
        data: what the observation is.
        mc_errors: channel → sample → relative MC error of each bin (0 in empty ones), the signal among them.
        signal_template: whether the signal was simulated at this θ or interpolated.
    """

    spec: Spec
    theta: ThetaPoint
    discriminant: str = ""
    data: DataLabel = "asimov"
    mc_errors: Mapping[str, Mapping[str, list[float]]] = field(default_factory=dict)
    signal_template: SignalTemplate = "simulated"

    @property
    def poi_range(self) -> float:
        """Upper bound of μ in the specification; pyhf's own default where it has none."""
        for parameter in self.spec["measurements"][0]["config"].get("parameters", []):
            if parameter["name"] == POI and "bounds" in parameter:
                return float(parameter["bounds"][0][1])
        return 10.0

    @property
    def metadata(self) -> dict[str, Any]:
        """Everything but the specification, as plain JSON to be kept beside it."""
        return {
            "theta": dict(self.theta.values),
            "discriminant": self.discriminant,
            "data": self.data,
            "mc_errors": {channel: dict(errors) for channel, errors in self.mc_errors.items()},
            "signal_template": self.signal_template,
        }

    @classmethod
    def from_dict(cls, spec: Spec, metadata: Mapping[str, Any]) -> "Workspace":
        """Join a specification and its `metadata` again."""
        return cls(
            spec,
            ThetaPoint(metadata["theta"]),
            metadata["discriminant"],
            metadata["data"],
            metadata["mc_errors"],
            metadata.get("signal_template", "simulated"),
        )


def asimov(templates: TemplateSet, theta: ThetaPoint, config: ModelConfig, *, mu: float = 0.0) -> dict[str, Floats]:
    """Return the expected data of each region: nominal background + μ · signal.

    Args:
        templates: the templates.
        theta: the hypothesis.
        config: the model.
        mu: injected σ·B in pb.
    """
    return {
        region: templates.total(theta, region, config.backgrounds).values
        + mu * templates.get(theta, region, config.signal).values
        for region in config.regions
    }


def build_workspace(
    templates: TemplateSet,
    theta: ThetaPoint,
    config: ModelConfig,
    *,
    data: Mapping[str, ArrayLike] | None = None,
    data_label: DataLabel = "asimov",
    discriminant: str = "",
    signal_template: SignalTemplate = "simulated",
) -> Workspace:
    """Build and validate the workspace of one θ.

    Args:
        templates: all templates of the discriminant at this θ.
        theta: the hypothesis.
        config: the model.
        data: region → observed events of each bin; the background's Asimov set when None (blinded).
        data_label: what ``data`` is; an Asimov set with injected signal is still ``asimov``.
        discriminant: name of the discriminant.
        signal_template: whether the signal was simulated at this θ or interpolated.

    Returns:
        The workspace, accepted by pyhf's schema and model.

    Raises:
        TemplateError: for a missing template, a NaN or negative bin, a bin without background, a signal without events,
            or data that do not fit the bins.
        ConfigurationError: when data are labelled as something that they cannot be.
    """
    if data is None and data_label != "asimov":
        raise ConfigurationError(f"observations labelled '{data_label}' were not given; pass them as data")
    templates.check(theta, backgrounds=config.backgrounds)
    signal = [templates.get(theta, region, config.signal) for region in config.regions]
    if sum(t.values.sum() for t in signal) <= 0:
        raise TemplateError(
            f"templates{theta.at}: the signal '{config.signal}' is empty in {', '.join(config.regions)}"
        )
    observed = {**asimov(templates, theta, config), **(data or {})}
    channels, observations = [], []
    for region in config.regions:
        samples = [_sample(templates, theta, region, name, config) for name in config.samples]
        channels.append({"name": region, "samples": samples})
        observations.append({"name": region, "data": _observation(observed[region], region, len(samples[0]["data"]))})
    measurement = {
        "name": data_label,
        "config": {"poi": POI, "parameters": [_poi_range(templates, theta, config)]},
    }
    spec = {"channels": channels, "observations": observations, "measurements": [measurement], "version": "1.0.0"}
    pyhf.Workspace(spec).model(modifier_settings=MODIFIER_SETTINGS, validate=False)  # against pyhf's schema, and builds
    return Workspace(spec, theta, discriminant, data_label, _mc_errors(templates, theta, config), signal_template)


def _sample(templates: TemplateSet, theta: ThetaPoint, region: str, name: str, config: ModelConfig) -> dict[str, Any]:
    nominal = templates.get(theta, region, name)
    modifiers: list[dict[str, Any]] = []
    if name == config.signal:
        modifiers.append({"name": POI, "type": "normfactor", "data": None})
    else:
        modifiers.append({"name": f"staterror_{region}", "type": "staterror", "data": nominal.mc_errors.tolist()})
    for systematic in config.systematics:
        if systematic.samples and name not in systematic.samples:
            continue
        if isinstance(systematic, Normalisation):
            modifiers.append(_normsys(systematic.name, 1.0 + systematic.size, 1.0 / (1.0 + systematic.size)))
        else:
            modifiers.extend(_shape(templates, theta, region, name, systematic))
    return {"name": name, "data": nominal.values.tolist(), "modifiers": modifiers}


def _normsys(name: str, high: float, low: float) -> dict[str, Any]:
    return {"name": name, "type": "normsys", "data": {"hi": float(high), "lo": float(low)}}


def _shape(
    templates: TemplateSet, theta: ThetaPoint, region: str, sample: str, systematic: Shape
) -> list[dict[str, Any]]:
    """Split a variation into its change of the yield (normsys) and its shape at the nominal yield (histosys)."""
    nominal = templates.get(theta, region, sample).values
    total = nominal.sum()
    if total <= 0:
        return []  # a sample that is empty in this region stays empty
    ratios: list[float] = []
    shapes: list[Floats] = []
    for side in (systematic.up, systematic.down):
        if side is None:  # mirrored after the split: the floor on bins must not move the yield
            mirrored = np.maximum(2.0 * nominal - shapes[0], _FLOOR * nominal)
            ratios.append(1.0 / ratios[0])
            shapes.append(mirrored * total / mirrored.sum())
            continue
        varied = templates.get(theta, region, sample, side).values
        if varied.sum() <= 0:
            raise TemplateError(
                f"systematic '{systematic.name}' leaves nothing of '{sample}' ({total:g} events) in region '{region}'; "
                "take it out there"
            )
        ratios.append(varied.sum() / total)
        shapes.append(varied / ratios[-1])
    modifiers = [_normsys(systematic.name, *ratios)]
    if len(nominal) > 1 and not systematic.normalisation_only:
        data = {"hi_data": shapes[0].tolist(), "lo_data": shapes[1].tolist()}
        modifiers.append({"name": systematic.name, "type": "histosys", "data": data})
    return modifiers


def _observation(values: ArrayLike, region: str, n_bins: int) -> list[float]:
    data = np.asarray(values, dtype=np.float64)
    if data.shape != (n_bins,) or not np.all(np.isfinite(data)) or np.any(data < 0):
        raise TemplateError(f"observation in region '{region}': {n_bins} numbers ≥ 0 are needed, it is {data}")
    observed: list[float] = data.tolist()
    return observed


def _poi_range(templates: TemplateSet, theta: ThetaPoint, config: ModelConfig) -> dict[str, Any]:
    """Choose the range of μ from the Gaussian σ(μ) = (sᵀ V⁻¹ s)^−1/2, V = statistical + systematic covariance.

    The median expected limit is about 2σ; 10σ hold the observed limit of an excess of 5σ and more. With next to no
    background it is 3 events, whatever σ.
    """
    s = np.concatenate([templates.get(theta, region, config.signal).values for region in config.regions])
    totals = [templates.total(theta, region, config.backgrounds) for region in config.regions]
    covariance = np.diag(np.concatenate([t.values + t.variances for t in totals]))
    for systematic in config.systematics:
        shift = np.concatenate([_background_shift(templates, theta, r, config, systematic) for r in config.regions])
        covariance += np.outer(shift, shift)
    sigma = max(float(1.0 / np.sqrt(s @ np.linalg.solve(covariance, s))), 1.0 / float(s.sum()))
    return {"name": POI, "inits": [2.0 * sigma], "bounds": [[0.0, 10.0 * sigma]]}


def _background_shift(
    templates: TemplateSet, theta: ThetaPoint, region: str, config: ModelConfig, systematic: Systematic
) -> Floats:
    """Return the change of the total background at +1σ, shape (b,)."""
    names = [n for n in config.backgrounds if not systematic.samples or n in systematic.samples]
    shift = np.zeros(len(templates.get(theta, region, config.signal)))
    for name in names:
        nominal = templates.get(theta, region, name).values
        if isinstance(systematic, Normalisation):
            shift += systematic.size * nominal
        else:
            shift += templates.get(theta, region, name, systematic.up).values - nominal
    return shift


def _mc_errors(templates: TemplateSet, theta: ThetaPoint, config: ModelConfig) -> dict[str, dict[str, list[float]]]:
    def relative(t: Template) -> list[float]:
        errors: list[float] = np.divide(t.mc_errors, t.values, out=np.zeros(len(t)), where=t.values > 0).tolist()
        return errors

    return {
        region: {name: relative(templates.get(theta, region, name, NOMINAL)) for name in config.samples}
        for region in config.regions
    }
