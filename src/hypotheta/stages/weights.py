"""Weight variations of the analysis' code, of its corrections and of the ntuples, brought together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.events import Events
from hypotheta.ntuples import EventProfile, mean_factors
from hypotheta.stages.analysis import Analysis

__all__ = ["MeanFactors", "corrected_weights", "ntuple_weights"]

Float = NDArray[np.float64]
Pair = tuple[Float, Float]

#: Σw of the events read, relative to all, within which none is missing
_COMPLETE = 1e-4


def ntuple_weights(analysis: Analysis, profile: EventProfile, sample: str) -> tuple[str, ...]:
    """Return the weight variations that systematics of a sample take from its ntuples."""
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


@dataclass
class MeanFactors:
    """Means of the factors of the ntuples' weight variations over all generated events of a sample."""

    profile: EventProfile
    names: tuple[str, ...]
    _sums: dict[str, Float] = field(default_factory=dict)
    _weight: float = 0.0

    def add(self, events: Events) -> None:
        """Count events as they are read, before any cut."""
        self._weight += float(events.weight.sum())
        for name, (up, down) in events.factors.items():
            sums = np.array([events.weight @ up, events.weight @ down])
            self._sums[name] = self._sums.get(name, np.zeros(2)) + sums

    def result(self, files: list[Path], total: float) -> dict[str, tuple[float, float]]:
        """Return name → mean (up, down): what the files say, else that of the events read; 1 where none is wanted.

        Args:
            files: the files of the sample.
            total: Σw of all generated events.

        Raises:
            InputFileError: the files do not tell, and hold only a part of the events.
        """
        found: dict[str, tuple[float, float]] = {}
        for base in self.names:
            own = [name for name in self._sums if name == base or name.startswith(f"{base}__")]
            if not self.profile.weights[base].normalise:
                found |= dict.fromkeys(own, (1.0, 1.0))
                continue
            told = [mean_factors(path, self.profile, base) for path in files]
            stated = [one for one in told if one is not None]
            if len(stated) == len(files):
                found |= {name: _averaged(name, stated) for name in own}
            elif abs(self._weight / total - 1) < _COMPLETE:
                found |= {name: (self._mean(name, 0), self._mean(name, 1)) for name in own}
            else:
                raise InputFileError(
                    f"{files[0]}: events are missing (Σw is {self._weight:g} of {total:g}), and it does not tell the "
                    f"mean of the weight variation '{base}' over all of them; name the branch in the profile "
                    f"(weights.{base}.sums), or write normalise: false there"
                )
        return found

    def _mean(self, name: str, side: int) -> float:
        return float(self._sums[name][side] / self._weight)


def _averaged(name: str, stated: list[tuple[dict[str, tuple[float, float]], float]]) -> tuple[float, float]:
    weights = [weight for _, weight in stated]
    up, down = np.average([means[name] for means, _ in stated], axis=0, weights=weights)
    return float(up), float(down)
