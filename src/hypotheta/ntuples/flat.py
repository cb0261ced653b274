"""Read flat ntuples: one row an event, columns that are features, θ and the class."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.errors import InputFileError, MissingBranchError, NonFiniteError, closest
from hypotheta.hashing import hash64, seed_of, whole_or_bits
from hypotheta.ntuples.files import Tree, one_a_row, opened
from hypotheta.ntuples.schema import FeatureProfile

__all__ = ["FeatureColumns", "concatenated", "read_features"]


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    """Rows of a flat ntuple.

    Args:
        features: feature → values, shape (n,), float32, finite, no sentinels; NaN where an optional one is missing.
        theta: parameter → its value in each row, shape (n,). In a background row, that of a signal-kind parameter is
            a mere hypothesis.
        is_signal: the class, shape (n,); None where the profile names no leaf for it.
        weight: shape (n,), finite.
        event_id: shape (n,), uint64.
    """

    features: Mapping[str, NDArray[np.float32]]
    theta: Mapping[str, NDArray[np.float64]]
    is_signal: NDArray[np.bool_] | None
    weight: NDArray[np.float64]
    event_id: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.weight)

    def select(self, mask: NDArray[np.bool_]) -> "FeatureColumns":
        """Return the rows of a mask, shape (n,)."""
        return FeatureColumns(
            {name: values[mask] for name, values in self.features.items()},
            {name: values[mask] for name, values in self.theta.items()},
            None if self.is_signal is None else self.is_signal[mask],
            self.weight[mask],
            self.event_id[mask],
        )

    def of_class(self, kind: str) -> NDArray[np.bool_]:
        """Return which rows belong to samples of a kind, shape (n,); all where the rows do not say it, or of data."""
        if self.is_signal is None or kind == "data":
            return np.ones(len(self), dtype=np.bool_)
        return np.asarray(self.is_signal == (kind == "signal"))

    def split(self, parameter: str) -> dict[float, "FeatureColumns"]:
        """Return the rows at each value of a parameter, by rising value.

        Args:
            parameter: one of ``theta``, as a rule of kind ``event`` (the jet energy scale).

        Raises:
            MissingBranchError: when there is no such parameter.
        """
        if parameter not in self.theta:
            raise MissingBranchError(f"the rows have no parameter '{parameter}'{closest(parameter, self.theta)}")
        values, row = np.unique(self.theta[parameter], return_inverse=True)
        return {float(value): self.select(row == i) for i, value in enumerate(values)}


def read_features(
    path: Location,
    profile: FeatureProfile,
    *,
    optional: Collection[str] = (),
    start: int = 0,
    stop: int | None = None,
    weighted: bool = False,
) -> FeatureColumns:
    """Read a flat ntuple, whose columns are features already.

    The event number is a hash of the leaves that the profile names for it; they must be those that no variation moves,
    so that an event keeps its number (and its fold) in all files. Where it names none, of the file's name and the row.

    Args:
        path: the file.
        profile: its format.
        optional: features that an event may not have: a declared sentinel is NaN there.
        start: first row to read.
        stop: row before which to stop; the end of the file by default.
        weighted: whether these are simulated events: a weight that the profile names must be there, unless the profile
            says otherwise.

    Returns:
        The rows; those with a declared sentinel of another feature are left out where the profile says ``missing:
        drop``. Parameters
        are rounded to six digits, as files hold them in single precision (0.95 reads as 0.949999988).

    Raises:
        InputFileError: when the file is missing or damaged, or the class is neither 0 nor 1.
        MissingBranchError: when a tree or branch is not there.
        NonFiniteError: when a leaf holds infinity, or NaN or a declared sentinel where it may not.
    """
    with opened(path) as file:
        tree = Tree.find(file, path, profile.tree)
        features = {name: str(tree.first_of(leaves)) for name, leaves in profile.features.items()}
        theta = {name: str(tree.first_of(leaves)) for name, leaves in profile.parameters.items()}
        target = None if profile.target is None else str(tree.first_of(profile.target))
        weight = tree.weight_of(profile.weight, weighted=weighted)
        event_id = [str(tree.first_of([name])) for name in profile.event_id]
        others = [name for name in (*theta.values(), target, weight) if name is not None]
        wanted = [*features.values(), *others, *event_id]
        leaves = {name: one_a_row(tree, name, values) for name, values in tree.read(wanted, start, stop).items()}
    n = len(next(iter(leaves.values())))
    values, kept = _present(path, profile, {name: leaves[leaf] for name, leaf in features.items()}, optional, features)
    for name in others:
        _check_finite(path, name, leaves[name])
    label = None if target is None else leaves[target]
    if label is not None and not np.all((label == 0) | (label == 1)):
        wrong = label[(label != 0) & (label != 1)][0]
        raise InputFileError(
            f"{path}: leaf '{target}' must be 1 (signal) or 0 (background), it is also {wrong:g}; name another leaf, "
            "or leave 'target' out where each file holds one sample"
        )
    if event_id:
        number = hash64(*(whole_or_bits(leaves[name]) for name in event_id))
    else:
        number = hash64(seed_of(str(path).rpartition("/")[2]), np.arange(start, start + n))
    return FeatureColumns(
        features=values,
        theta={name: _six_digits(leaves[leaf]) for name, leaf in theta.items()},
        is_signal=None if label is None else label == 1,
        weight=leaves[weight].astype(np.float64) if weight is not None else np.ones(n),
        event_id=number,
    ).select(kept)


def _present(
    path: Location,
    profile: FeatureProfile,
    columns: Mapping[str, NDArray[Any]],
    optional: Collection[str],
    leaves: Mapping[str, str],
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_]]:
    """Return the features with NaN for what is missing, and the rows that lack only what they may, shape (n,)."""
    found, kept = {}, np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
    for name, values in columns.items():
        missing = np.isin(values, np.asarray(profile.sentinels_of(name), dtype=values.dtype))
        if name in optional:
            missing |= np.isnan(values)
            _check_finite(path, leaves[name], np.where(missing, 0, values))
            found[name] = np.where(missing, np.nan, values).astype(np.float32)
            continue
        _check_finite(path, leaves[name], values, remedy=f", or declare the feature '{name}' optional in FEATURES")
        if missing.any() and profile.missing == "error":
            raise NonFiniteError(
                f"{path}: leaf '{leaves[name]}' holds the sentinel {values[missing][0]:g} of a missing value in "
                f"{int(missing.sum())} of {len(values)} rows; declare the feature '{name}' optional in FEATURES, or "
                "write 'missing: drop' into the profile to leave these rows out"
            )
        found[name] = values.astype(np.float32)
        kept &= ~missing
    return found, kept


def _check_finite(path: Location, name: str, values: NDArray[Any], *, remedy: str = "") -> None:
    finite = np.isfinite(values)
    if not finite.all():
        raise NonFiniteError(
            f"{path}: leaf '{name}' is {values[~finite][0]} in {int((~finite).sum())} of {len(values)} rows "
            f"(first: row {int(np.argmin(finite))}); correct the ntuple"
            + (remedy if np.isnan(values[~finite]).all() else "")
        )


def concatenated(parts: Sequence[FeatureColumns]) -> FeatureColumns:
    """Join rows in order; there is at least one part, and all are of one file or profile."""
    classes = [part.is_signal for part in parts if part.is_signal is not None]
    return FeatureColumns(
        {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features},
        {name: np.concatenate([part.theta[name] for part in parts]) for name in parts[0].theta},
        np.concatenate(classes) if classes else None,
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.event_id for part in parts]),
    )


def _six_digits(values: NDArray[Any]) -> NDArray[np.float64]:
    unique, row = np.unique(values, return_inverse=True)
    return np.array([float(f"{v:.6g}") for v in unique], dtype=np.float64)[row]
