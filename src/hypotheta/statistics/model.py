"""What a likelihood consists of: regions, samples and systematics, the same for every θ and discriminant.

Which one do I use? A `ModelConfig` with one `Normalisation` or `Shape` for each nuisance parameter.
"""

from dataclasses import dataclass

import numpy as np

from hypotheta.errors import ConfigurationError

__all__ = ["MODIFIER_SETTINGS", "POI", "ModelConfig", "Normalisation", "Shape", "Systematic"]

#: interpolation of nuisances, given to pyhf explicitly wherever a model is made
MODIFIER_SETTINGS = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
#: name of the parameter of interest: σ·B in pb
POI = "mu"


@dataclass(frozen=True)
class Normalisation:
    """An uncertainty of the yield alone: yield × (1 + size) at +1σ and / (1 + size) at −1σ (log-normal).

    Args:
        name: name of the nuisance parameter.
        size: relative uncertainty, > 0.
        samples: the samples it acts on; all when empty.
    """

    name: str
    size: float
    samples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (np.isfinite(self.size) and self.size > 0):
            raise ConfigurationError(f"systematic '{self.name}': its size must be positive, it is {self.size}")


@dataclass(frozen=True)
class Shape:
    """An uncertainty with templates of its own: yield and shape move together under one nuisance parameter.

    Args:
        name: name of the nuisance parameter.
        up: variation of the templates at +1σ.
        down: variation at −1σ; None for a one-sided one: its yield is then 1 / the upward factor, its shape
            2 · nominal − up bin by bin (at least 0.001 · nominal), both normalised to the nominal yield.
        samples: the samples it acts on; all when empty.
        normalisation_only: leave out the shape, where it is smaller than the noise of the simulation.
    """

    name: str
    up: str
    down: str | None = None
    samples: tuple[str, ...] = ()
    normalisation_only: bool = False


Systematic = Normalisation | Shape


@dataclass(frozen=True)
class ModelConfig:
    """What the likelihood of every θ consists of.

    Args:
        regions: a channel each, in this order.
        signal: the sample filled for σ·B = 1 pb.
        backgrounds: the other samples.
        systematics: the nuisance parameters, MC statistics aside.
    """

    regions: tuple[str, ...]
    signal: str
    backgrounds: tuple[str, ...]
    systematics: tuple[Systematic, ...] = ()

    def __post_init__(self) -> None:
        names = [s.name for s in self.systematics]
        repeated = any(len(set(items)) < len(items) for items in (self.regions, self.samples))
        if not self.regions or not self.backgrounds or repeated:
            raise ConfigurationError(
                f"a model needs regions, backgrounds and a signal that is none of them, each once; it has regions "
                f"{self.regions}, backgrounds {self.backgrounds}, signal '{self.signal}'"
            )
        if len(set(names)) < len(names) or POI in names or any(n.startswith("staterror_") for n in names):
            raise ConfigurationError(f"names of systematics must differ, also from '{POI}' and 'staterror_…': {names}")
        for systematic in self.systematics:
            unknown = set(systematic.samples) - set(self.samples)
            if unknown:
                raise ConfigurationError(
                    f"systematic '{systematic.name}' acts on {sorted(unknown)}, which is none of {self.samples}"
                )

    @property
    def samples(self) -> tuple[str, ...]:
        """All samples, the signal first."""
        return (self.signal, *self.backgrounds)
