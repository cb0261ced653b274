"""Switches on finished pyhf workspaces; each takes a specification and returns a changed copy."""

import copy
from collections.abc import Callable, Collection
from typing import Any

from hypotheta.errors import ConfigurationError, closest
from hypotheta.statistics.model import POI

__all__ = ["nuisance_names", "scale_luminosity", "without", "without_mc_statistics", "without_nuisances"]

Spec = dict[str, Any]


def nuisance_names(spec: Spec) -> list[str]:
    """Return the names of a workspace's nuisance parameters in alphabetical order, MC statistics among them."""
    return sorted({m["name"] for sample in _samples(spec) for m in sample["modifiers"]} - {POI})


def without(spec: Spec, names: Collection[str]) -> Spec:
    """Return a workspace in which some nuisances are known: fixed at their nominal values, all modifiers gone.

    Args:
        spec: a workspace.
        names: nuisance parameters; all modifiers of that name are left out, in every sample and channel.

    Raises:
        ConfigurationError: a nuisance is not there.

    Example:
        >>> jes = {"name": "jes", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
        >>> spec = {"channels": [{"name": "sr", "samples": [{"name": "ttbar", "data": [5.0], "modifiers": [jes]}]}]}
        >>> without(spec, ["jes"])["channels"][0]["samples"][0]["modifiers"]
        []
    """
    known = nuisance_names(spec)
    for name in names:
        if name not in known:
            raise ConfigurationError(f"there is no nuisance '{name}' to be left out{closest(name, known)}")
    return _filter_modifiers(spec, lambda modifier: modifier["name"] not in names)


def without_mc_statistics(spec: Spec) -> Spec:
    """Return a workspace without its ``staterror`` modifiers, as if simulation were unlimited."""
    return _filter_modifiers(spec, lambda modifier: modifier["type"] != "staterror")


def without_nuisances(spec: Spec) -> Spec:
    """Return a workspace with the parameter of interest as its only parameter."""
    return _filter_modifiers(spec, lambda modifier: modifier["type"] == "normfactor")


def scale_luminosity(spec: Spec, factor: float) -> Spec:
    """Return a workspace for another luminosity: all templates and the observation × factor.

    Relative MC errors stay, as if the simulation grew with the data. Known modifiers with absolute numbers (histosys,
    staterror) are scaled with their template.

    Args:
        spec: a workspace as `build_workspace` makes it.
        factor: new over old luminosity, > 0.
    """

    def times(values: list[float]) -> list[float]:
        return [factor * v for v in values]

    scaled = copy.deepcopy(spec)
    for observation in scaled["observations"]:
        observation["data"] = times(observation["data"])
    for sample in _samples(scaled):
        sample["data"] = times(sample["data"])
        for modifier in sample["modifiers"]:
            if modifier["type"] == "histosys":
                modifier["data"] = {side: times(values) for side, values in modifier["data"].items()}
            elif modifier["type"] == "staterror":
                modifier["data"] = times(modifier["data"])
    for parameter in scaled["measurements"][0]["config"]["parameters"]:
        if parameter["name"] == POI and factor < 1:
            parameter["bounds"] = [[low, high / factor] for low, high in parameter["bounds"]]
    return scaled


def _samples(spec: Spec) -> list[dict[str, Any]]:
    return [sample for channel in spec["channels"] for sample in channel["samples"]]


def _filter_modifiers(spec: Spec, keep: Callable[[dict[str, Any]], bool]) -> Spec:
    changed = copy.deepcopy(spec)
    for sample in _samples(changed):
        sample["modifiers"] = [modifier for modifier in sample["modifiers"] if keep(modifier)]
    return changed
