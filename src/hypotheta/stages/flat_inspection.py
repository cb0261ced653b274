"""What flat ntuples hold: some rows of any number, and what has to be known of all, a chunk in memory at a time."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.hashing import hash64, whole_or_bits
from hypotheta.ntuples import CHUNK, FeatureColumns, FeatureProfile, read_features
from hypotheta.ntuples.flat import concatenated

__all__ = ["incomplete", "row_numbers", "sampled_rows", "sum_of_rows", "values_of"]

#: a file is read at so many places: its rows may be sorted by class or hypothesis
_PLACES = 10


def sampled_rows(path: Location, profile: FeatureProfile, n_rows: int, most: int) -> FeatureColumns:
    """Read rows of a file, all or at most ``most``, then in blocks spread evenly over it.

    What is missing is NaN in every feature, declared optional or not, unless the profile leaves such rows out.

    Raises:
        InputFileError: the file is damaged, or the class is neither 0 nor 1.
        NonFiniteError: a leaf holds infinity, or a number that cannot be missing is NaN.
    """
    optional = () if profile.missing == "drop" else tuple(profile.features)
    places = 1 if n_rows <= most else min(_PLACES, most)
    size = min(n_rows, most) // places
    starts = np.linspace(0, n_rows - size, places).astype(np.int64).tolist()
    return concatenated([read_features(path, profile, optional=optional, start=a, stop=a + size) for a in starts])


def row_numbers(rows: FeatureColumns, profile: FeatureProfile) -> NDArray[np.uint64]:
    """Return a number for each row, shape (n,), that two rows share only where one is the other again.

    It is made of the event's number, θ and the class; without a number in the file, of all features.
    """
    keys = [whole_or_bits(values) for values in rows.theta.values()]
    keys += [] if rows.is_signal is None else [rows.is_signal.astype(np.int64)]
    if profile.event_id:
        return hash64(rows.event_id, *keys)
    return hash64(*(whole_or_bits(values) for values in rows.features.values()), *keys)


def incomplete(rows: FeatureColumns) -> dict[str, int]:
    """Return feature → rows in which it is missing, for those with any."""
    counts = {name: int(np.isnan(values).sum()) for name, values in rows.features.items()}
    return {name: count for name, count in counts.items() if count}


def values_of(path: Location, profile: FeatureProfile, n_rows: int, parameter: str, kind: str | None) -> list[float]:
    """Return the values of a parameter in all rows of samples of a kind (None: in all rows), rising."""
    found = [np.empty(0)]
    for rows in _slim(path, profile, n_rows):
        theta = rows.theta[parameter]
        found.append(np.unique(theta if kind is None else theta[rows.of_class(kind)]))
    values: list[float] = np.unique(np.concatenate(found)).tolist()
    return values


def sum_of_rows(path: Location, profile: FeatureProfile, n_rows: int, kind: str, theta: Mapping[str, float]) -> float:
    """Return Σw over all rows of one sample, in its nominal variation."""
    total = 0.0
    for rows in _slim(path, profile, n_rows, weighted=True):
        chosen = rows.of_class(kind)
        for name, value in {**theta, "jes": 1.0}.items():
            if name in rows.theta:
                chosen &= rows.theta[name] == value
        total += float(rows.weight[chosen].sum())
    return total


def _slim(path: Location, profile: FeatureProfile, n_rows: int, *, weighted: bool = False) -> Iterator[FeatureColumns]:
    """Yield all rows with no more than one feature."""
    first: Sequence[str] = list(profile.features)[:1]
    slim = profile.model_copy(update={"features": {n: profile.features[n] for n in first}, "sentinels": ()})
    for start in range(0, n_rows, CHUNK):
        yield read_features(path, slim, optional=first, start=start, stop=min(start + CHUNK, n_rows), weighted=weighted)
