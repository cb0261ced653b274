"""Switches on finished pyhf workspaces; each takes a specification and returns a changed copy."""

import copy
from collections.abc import Callable
from typing import Any

from hypotheta.statistics.model import POI

__all__ = ["scale_luminosity", "without_mc_statistics", "without_nuisances"]

Spec = dict[str, Any]


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
