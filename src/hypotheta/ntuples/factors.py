"""Weight variations that came with the events: scales, parton densities, showers."""

from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.errors import InputFileError
from hypotheta.ntuples.files import Tree, one_a_row, opened, tree_keys
from hypotheta.ntuples.schema import EventProfile, WeightVariation

__all__ = ["factor_branches", "mean_factors", "read_factors"]

Float = NDArray[np.float64]
#: up and down; a member of many is both
Pair = tuple[Float, Float]
Rules = Mapping[str, WeightVariation]


def factor_branches(tree: Tree, rules: Rules) -> list[str]:
    """Return the branches that weight variations need.

    Raises:
        MissingBranchError: the tree has not one of them.
    """
    wanted = [branch for rule in rules.values() for branch in _branches(rule)]
    return [str(tree.first_of([branch])) for branch in dict.fromkeys(wanted)]


def read_factors(tree: Tree, rules: Rules, columns: Mapping[str, ak.Array], weight: Float) -> dict[str, Pair]:
    """Return name → (up, down) factors on the weights of n events, shape (n,) each; ``NAME__0``, … for members.

    Raises:
        InputFileError: a vector is too short, or its length differs between events.
    """
    return dict(pair for name, rule in rules.items() for pair in _pairs(tree, name, rule, columns, weight))


def mean_factors(
    path: Location, profile: EventProfile, name: str
) -> tuple[dict[str, tuple[float, float]], float] | None:
    """Return what a file says of the means of a variation's factors over all generated events.

    Returns:
        Means by name, as `read_factors` names them, and the Σw of these events; None where the file does not tell.
    """
    rule, runs = profile.weights[name], profile.runs
    if rule.sums is None or runs is None:
        return None
    with opened(path) as file:
        if runs.tree not in tree_keys(file, path):
            return None
        tree = Tree.find(file, path, runs.tree)
        if not {rule.sums, runs.sum_of_weights} <= tree.branches:
            return None
        columns = tree.read([rule.sums, runs.sum_of_weights])
    total = one_a_row(tree, runs.sum_of_weights, columns[runs.sum_of_weights]).astype(np.float64)
    if total.sum() == 0 or not ak.all(ak.num(columns[rule.sums], axis=1) > 0):
        return None
    means = read_factors(tree, {name: rule.model_copy(update={"branch": rule.sums, "relative": True})}, columns, total)
    average = {k: (_average(up, total), _average(down, total)) for k, (up, down) in means.items()}
    return average, float(total.sum())


def _average(values: Float, weight: Float) -> float:
    return float(np.average(values, weights=weight))


def _branches(rule: WeightVariation) -> list[str]:
    sides = [side for side in (rule.up, rule.down) if isinstance(side, str)]
    return sides if rule.branch is None else [rule.branch, *sides]


def _pairs(
    tree: Tree, name: str, rule: WeightVariation, columns: Mapping[str, ak.Array], weight: Float
) -> Iterator[tuple[str, Pair]]:
    if rule.length is not None:
        _check_length(tree, rule, columns)
    if rule.members is None:
        yield name, (_factor(tree, rule, rule.up, columns, weight), _factor(tree, rule, rule.down, columns, weight))
        return
    members = range(_width(tree, str(rule.branch), columns)) if rule.members == "all" else rule.members
    for i, member in enumerate(members):
        factor = _factor(tree, rule, member, columns, weight)
        yield f"{name}__{i}", (factor, factor)


def _check_length(tree: Tree, rule: WeightVariation, columns: Mapping[str, ak.Array]) -> None:
    """Refuse vectors in which a member would be another one than the profile means."""
    lengths = ak.to_numpy(ak.num(columns[str(rule.branch)], axis=1))
    other = lengths[lengths != rule.length]
    if len(other):
        raise InputFileError(
            f"{tree.path}: branch '{rule.branch}' has {other[0]} members, the profile knows the order of "
            f"{rule.length}; correct the profile's weights"
        )


def _width(tree: Tree, branch: str, columns: Mapping[str, ak.Array]) -> int:
    """Return the length of the vectors, which all events share."""
    lengths = ak.to_numpy(ak.num(columns[branch], axis=1))
    if len(lengths) and lengths.min() != lengths.max():
        raise InputFileError(
            f"{tree.path}: branch '{branch}' has {lengths.min()} to {lengths.max()} members; without a fixed number "
            "they are no variations; correct the profile's weights"
        )
    if len(lengths) and lengths[0] == 0:
        raise InputFileError(
            f"{tree.path}: branch '{branch}' is empty, these weights were not filled; restrict the processes of the "
            "systematic that takes them"
        )
    return int(lengths[0]) if len(lengths) else 0


def _factor(tree: Tree, rule: WeightVariation, side: Any, columns: Mapping[str, ak.Array], weight: Float) -> Float:
    if isinstance(side, str):
        values = one_a_row(tree, side, columns[side]).astype(np.float64)
    else:
        vector = columns[str(rule.branch)]
        shortest = int(ak.min(ak.num(vector, axis=1), initial=2**31))
        if side >= shortest:
            raise InputFileError(
                f"{tree.path}: branch '{rule.branch}' has {shortest} members, but the profile asks for number {side}; "
                "correct the profile's weights"
            )
        values = ak.to_numpy(vector[:, side]).astype(np.float64)
    if rule.relative:
        return values
    lost = (weight == 0) & (values != 0)
    if lost.any():
        raise InputFileError(
            f"{tree.path}: variation '{side}' gives weight to {int(lost.sum())} events whose nominal weight is 0, "
            "which no factor can; bring it as events varied beforehand (variations of the profile), or remove them"
        )
    return np.divide(values, weight, out=np.ones_like(values), where=weight != 0)
