"""Weight variations of the analysis' code, of its corrections and of the ntuples, brought together."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.events import Events
from hypotheta.ntuples import EventProfile, mean_factors
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.inputs import UnnormalisedError
from hypotheta.stages.normalisation import WeightsRead

__all__ = ["FactorSums", "MeanFactors", "combined_means", "corrected_weights", "ntuple_weights"]

Float = NDArray[np.float64]
Pair = tuple[Float, Float]

#: Σw of the events read, relative to all, within which none is missing
_COMPLETE = 1e-4


def ntuple_weights(analysis: Analysis, profile: EventProfile, sample: str) -> tuple[str, ...]:
    """Return the weight variations that systematics of a sample take from its ntuples.

    Data have none, and an alternative sample is never varied: another generator need not have the same weights.
    """
    if analysis.catalogue[sample].kind not in ("signal", "background"):
        return ()
    process = analysis.catalogue[sample].process
    wanted = [
        systematic.weight
        for systematic in analysis.config.systematics.values()
        if systematic.weight in profile.weights and (not systematic.processes or process in systematic.processes)
    ]
    return tuple(dict.fromkeys(str(name) for name in wanted))


def corrected_weights(analysis: Analysis, events: Events, brought: Mapping[str, Pair]) -> tuple[Float, dict[str, Pair]]:
    """Return the weights of simulated events with selected objects, corrected, and the variations on them.

    Args:
        analysis: the analysis.
        events: selected events, n of them.
        brought: variations that came with them.

    Returns:
        Weights, shape (n,), and name → (up, down) factors on them.

    Raises:
        ConfigurationError: two variations have one name, or a correction cannot be evaluated.
    """
    weight, found = events.weight, dict(analysis.code.weight_variations(events, analysis.cuts))
    for name, factors in analysis.weight_corrections(events).items():
        weight = weight * factors.nominal
        _add(found, name, (factors.up, factors.down))
    for name, pair in brought.items():
        _add(found, name, pair)
    return weight, found


def _add(found: dict[str, Pair], name: str, pair: Pair) -> None:
    if name in found:
        raise ConfigurationError(
            f"there are two weight variations called '{name}'; rename the correction, or the code's"
        )
    found[name] = pair


@dataclass(frozen=True)
class FactorSums:
    """What a file tells of the factors of its weight variations.

    Args:
        weight: Σw of its events as they are read, before any cut.
        sums: name → Σw·f of these, up and down.
        told: variation → means over all generated events by name, and their Σw; None where the file does not tell.
    """

    weight: float
    sums: Mapping[str, Sequence[float]]
    told: Mapping[str, tuple[Mapping[str, Sequence[float]], float] | None]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return asdict(self)


@dataclass
class MeanFactors:
    """Sums of the factors of the ntuples' weight variations over all events of a file, as they are read."""

    names: tuple[str, ...]
    _sums: dict[str, Float] = field(default_factory=dict)
    _weight: float = 0.0
    _absolute: float = 0.0

    @property
    def weights(self) -> WeightsRead:
        """Sums over the events that were added."""
        return WeightsRead(self._weight, self._absolute)

    def count(self, weight: Float) -> None:
        """Count the weights of events without factors, shape (n,)."""
        self._weight += float(weight.sum())
        self._absolute += float(np.abs(weight).sum())

    def add(self, events: Events) -> None:
        """Count events as they are read, before any cut."""
        self.count(events.weight)
        for name, (up, down) in events.factors.items():
            sums = np.array([events.weight @ up, events.weight @ down])
            self._sums[name] = self._sums.get(name, np.zeros(2)) + sums

    def of_file(self, path: Location, profile: EventProfile) -> FactorSums:
        """Return the sums of the events that were added, and what their file says itself."""
        told = {base: mean_factors(path, profile, base) for base in self.names if profile.weights[base].normalise}
        return FactorSums(self._weight, {name: sums.tolist() for name, sums in self._sums.items()}, told)


def combined_means(
    profile: EventProfile, names: Sequence[str], files: Mapping[str, FactorSums], total: float
) -> dict[str, tuple[float, float]]:
    """Return name → mean (up, down) over a sample: what its files say, else that of the events read.

    Args:
        profile: the format of the ntuples.
        names: its weight variations that are wanted; where one is not to be normalised its means are 1.
        files: name of a file → what it tells.
        total: Σw of all generated events.

    Raises:
        UnnormalisedError: the files do not tell, and hold only a part of the events.
        InputFileError: a mean is not positive.
    """
    found: dict[str, tuple[float, float]] = {}
    weight = sum(one.weight for one in files.values())
    for base in names:
        known = dict.fromkeys(name for one in files.values() for name in one.sums)
        own = [name for name in known if name == base or name.startswith(f"{base}__")]
        if not profile.weights[base].normalise:
            found |= dict.fromkeys(own, (1.0, 1.0))
            continue
        stated = [one.told[base] for one in files.values()]
        if all(one is not None for one in stated):
            found |= {name: _averaged(name, [one for one in stated if one is not None]) for name in own}
        elif abs(weight / total - 1) < _COMPLETE:
            found |= {
                name: _mean([one.sums[name] for one in files.values() if name in one.sums], weight) for name in own
            }
        else:
            raise UnnormalisedError(
                f"{next(iter(files))}: events are missing (Σw is {weight:g} of {total:g}), and it does not tell the "
                f"mean of the weight variation '{base}' over all of them; name the branch in the profile "
                f"(weights.{base}.sums), or write normalise: false there"
            )
    for name, (up, down) in found.items():
        if not (up > 0 and down > 0):
            raise InputFileError(
                f"{next(iter(files))}: the mean of the weight variation '{name}' over all events is {min(up, down):g}; "
                "these weights were not filled, restrict the processes of the systematic that takes them"
            )
    return found


def _mean(sums: Sequence[Sequence[float]], weight: float) -> tuple[float, float]:
    up, down = np.sum(sums, axis=0) / weight
    return float(up), float(down)


def _averaged(name: str, stated: Sequence[tuple[Mapping[str, Sequence[float]], float]]) -> tuple[float, float]:
    own = [(means[name], weight) for means, weight in stated if name in means]
    up, down = np.average([pair for pair, _ in own], axis=0, weights=[weight for _, weight in own])
    return float(up), float(down)
