"""What a workspace expects of each sample in each channel, at 0 and at ±1σ of each nuisance parameter.

Which one do I use? `processes`: formats that list varied templates (combine, HEPData) are made from it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError

__all__ = ["Process", "poi_name", "processes"]

Floats = NDArray[np.float64]
Spec = dict[str, Any]

_KNOWN = ("normsys", "histosys", "staterror")


@dataclass(frozen=True, eq=False)
class Process:
    """One sample in one channel.

    Args:
        channel: the channel.
        name: the sample.
        signal: whether the parameter of interest scales it.
        nominal: expected events of each bin at the nominal parameters, at POI = 1 for the signal, shape (b,).
        errors: MC errors of its ``staterror``, shape (b,); 0 where it has none.
        varied: nuisance → events at +1σ and at −1σ, yield and shape changed together, shape (b,) each.
        shapes: the nuisances that change more than its yield.
    """

    channel: str
    name: str
    signal: bool
    nominal: Floats
    errors: Floats
    varied: Mapping[str, tuple[Floats, Floats]]
    shapes: frozenset[str]


def poi_name(spec: Spec) -> str:
    """Return the parameter of interest of the first measurement."""
    return str(spec["measurements"][0]["config"]["poi"])


def processes(spec: Spec) -> Iterator[Process]:
    """Yield every sample of every channel of a pyhf workspace.

    Args:
        spec: a workspace with normsys, histosys and staterror modifiers, as `build_workspace` makes it.

    Raises:
        ConfigurationError: for another modifier, or one scale factor more than the parameter of interest.
    """
    for channel in spec["channels"]:
        for sample in channel["samples"]:
            yield _process(channel["name"], sample, poi_name(spec))


def _process(channel: str, sample: Mapping[str, Any], poi: str) -> Process:
    nominal = np.asarray(sample["data"], dtype=np.float64)
    signal, errors, shapes = False, np.zeros_like(nominal), set()
    factors: dict[str, tuple[float, float]] = {}
    templates: dict[str, tuple[Floats, Floats]] = {}
    for modifier in sample["modifiers"]:
        name, kind, data = modifier["name"], modifier["type"], modifier["data"]
        if kind == "normfactor" and name == poi:
            signal = True
        elif kind == "normsys":
            factors[name] = (data["hi"], data["lo"])
        elif kind == "histosys":
            shapes.add(name)
            templates[name] = (np.asarray(data["hi_data"]), np.asarray(data["lo_data"]))
        elif kind == "staterror":
            errors = np.asarray(data, dtype=np.float64)
        else:
            raise ConfigurationError(
                f"sample '{sample['name']}' in channel '{channel}': modifier '{name}' of type '{kind}' cannot be "
                f"exported; write it as {', '.join(_KNOWN)}, or pass the pyhf workspace on as it is"
            )
    varied = {}
    for name in dict.fromkeys([*factors, *templates]):
        high, low = templates.get(name, (nominal, nominal))
        up, down = factors.get(name, (1.0, 1.0))
        varied[name] = (high * up, low * down)
    return Process(channel, sample["name"], signal, nominal, errors, varied, frozenset(shapes))
