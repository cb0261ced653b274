"""Deterministic randomness that belongs to an event, not to a run.

Folds, detector smearing and resolution variations must not depend on row order, chunk size or the number of
jobs. They are therefore functions of (seed, event, object): a counter-based generator after SplitMix64
(Steele, Lea, Flood, OOPSLA 2014), not a stream.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

__all__ = ["digest", "folds", "halves", "hash64", "normal", "seed_of", "uniform", "whole_or_bits"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    return z ^ (z >> np.uint64(31))


def hash64(*keys: ArrayLike) -> NDArray[np.uint64]:
    """Hash tuples of integers to 64 bits.

    Args:
        *keys: integer arrays that broadcast against each other; the order matters.

    Returns:
        The hashes, ``uint64``, in the broadcast shape (at least one-dimensional).

    Example:
        >>> int(hash64(1, 2)[0]) == int(hash64(1, 2)[0]) != int(hash64(2, 1)[0])
        True
    """
    state = np.zeros(1, dtype=np.uint64)
    for key in keys:
        values = np.atleast_1d(np.asarray(key)).astype(np.uint64)
        state = _mix(state + values + _GOLDEN)
    return state


def whole_or_bits(values: ArrayLike) -> NDArray[Any]:
    """Return numbers as integers to hash: whole ones as they are, decimals by the bits of their single precision.

    So an event number is the same in a branch of integers or of decimals, and no decimal is cut off.

    Args:
        values: finite numbers of any type, shape (n,).

    Example:
        >>> whole_or_bits([16777217.0, -1.0, 0.5])
        array([  16777217,         -1, 1056964608])
    """
    numbers = np.asarray(values)
    if numbers.dtype.kind != "f":
        return numbers
    whole = (numbers == np.trunc(numbers)) & (np.abs(numbers) < 2.0**63)
    bits = numbers.astype(np.float32).view(np.uint32).astype(np.int64)
    return np.where(whole, np.where(whole, numbers, 0).astype(np.int64), bits)


def uniform(*keys: ArrayLike) -> NDArray[np.float64]:
    """Return numbers in (0, 1) that are a function of the keys only; see `hash64`."""
    return ((hash64(*keys) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(*keys: ArrayLike) -> NDArray[np.float64]:
    """Return standard normal numbers that are a function of the keys only; see `hash64`."""
    values: NDArray[np.float64] = ndtri(uniform(*keys))
    return values


def folds(event_id: ArrayLike, n_folds: int) -> NDArray[np.int64]:
    """Assign each event to one of ``n_folds`` folds by a hash of its number, never by row order.

    Args:
        event_id: event numbers, shape (n,), unsigned integers.
        n_folds: number of folds.

    Returns:
        The fold of each event, shape (n,), in 0 … n_folds − 1.
    """
    return (hash64(0xF01D, event_id) % np.uint64(n_folds)).astype(np.int64)


def halves(event_id: ArrayLike) -> NDArray[np.bool_]:
    """Tell the events of one half from those of the other, independently of `folds`, shape (n,)."""
    half: NDArray[np.bool_] = (hash64(0xCD7, event_id) & np.uint64(1)).astype(np.bool_)
    return half


def seed_of(*parts: Any) -> int:
    """Derive a 63-bit seed from names and numbers, the same on every machine.

    Example:
        >>> seed_of(1, "ttbar") == seed_of(1, "ttbar") != seed_of(2, "ttbar")
        True
    """
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
