"""From pyhf specifications to dense arrays: W models side by side, padded to one size.

Which one do I use? `Models`, made by `compile_models`, is what all fits take; `specification` reads one workspace.

A *row* is a sample in a channel. Rows without a γ come first, then those whose bins a γ scales. Of the parameters the
one of interest comes first, then those that change shapes, then the rest. Padding is an empty bin or row, and a fixed
parameter that nothing depends on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError
from hypotheta.statistics.batched.specification import Spec, Specification

__all__ = ["Models", "compile_models"]

Floats = NDArray[np.float64]

# code 4 inside |α| < 1: coefficients of α … α⁶, times 16, from values, slopes and curvatures at ±1 less those of 1
_CODE4 = np.array(
    [
        [15, -15, -7, -7, 1, -1],
        [24, 24, -9, 9, 1, 1],
        [-10, 10, 10, 10, -2, 2],
        [-24, -24, 14, -14, -2, -2],
        [3, -3, -3, -3, 1, -1],
        [8, 8, -5, 5, 1, 1],
    ]
)


@dataclass(frozen=True, eq=False)
class Models:
    """W models of up to P scalar parameters, H of them with shapes, K = A + C rows and M bins.

    Args:
        specs: the specifications, W of them.
        names: names of the scalar parameters, in the order of the arrays.
        gammas: pyhf's name of each bin's γ; empty without one.
        channels: (name, number of bins) of the channels, in the order of the bins.
        nominal: expected events of each row, (W, K, M).
        slopes: code 4p in the form α·slope + e(α)·bend, (W, 2 H, K M).
        plain_by_row, carried_by_row: the same numbers of the A rows without and the C rows with γ, (W, A, 2 H M).
        plain_by_bin, carried_by_bin: once more, (W, M, 2 H A).
        log_up, log_down: ln of the normsys factors, (W, P, K).
        code4: their polynomial inside ±1, (W, 6, P, K).
        linear: which parameters are themselves the factor, (W, P, K).
        centre, precision: auxiliary measurement of each parameter and its 1/σ², 0 without one, (W, P).
        start, low, high: initial values and bounds, (W, P); the parameter of interest is bounded from below only.
        fixed: parameters that never move, (W, P).
        variance: δ² of a Gaussian γ, 0 without one, (W, M).
        rate: τ of a Poisson γ, 0 without one, (W, M).
        data: observed events, (W, M).
        range: upper bound of the parameter of interest in the specification, (W,).
        constant: −2 ln of the normalisation of all Gaussian constraints and of what pyhf keeps of fixed γ, (W,).
    """

    specs: tuple[Spec, ...]
    names: tuple[tuple[str, ...], ...]
    gammas: tuple[tuple[str, ...], ...]
    channels: tuple[tuple[tuple[str, int], ...], ...]
    nominal: Floats
    slopes: Floats
    plain_by_row: Floats
    carried_by_row: Floats
    plain_by_bin: Floats
    carried_by_bin: Floats
    log_up: Floats
    log_down: Floats
    code4: Floats
    linear: NDArray[np.bool_]
    centre: Floats
    precision: Floats
    start: Floats
    low: Floats
    high: Floats
    fixed: NDArray[np.bool_]
    variance: Floats
    rate: Floats
    data: Floats
    range: Floats
    constant: Floats

    def __len__(self) -> int:
        return len(self.specs)

    def take(self, chosen: Sequence[int] | NDArray[np.intp]) -> "Models":
        """Return some of the models, with the same padding."""
        changes: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            changes[field.name] = value[chosen] if isinstance(value, np.ndarray) else tuple(value[i] for i in chosen)
        return Models(**changes)


def compile_models(specs: Sequence[Spec]) -> Models:
    """Return the models of pyhf workspaces, each with its first measurement and its observation.

    Args:
        specs: pyhf workspaces with the modifiers normfactor, normsys (code 4), histosys (code 4p), lumi, and at most
            one γ of a staterror or shapesys in a bin.

    Raises:
        ConfigurationError: for none, for another modifier, or for numbers that no likelihood has.
    """
    if not specs:
        raise ConfigurationError("there is no workspace to fit; give at least one")
    parsed = [Specification(spec) for spec in specs]
    n_plain, n_carried = (max(sum(r.carried is c for r in p.rows) for p in parsed) for c in (False, True))
    h = max(sum(q.shape for q in p.parameters) for p in parsed)
    size = (max(len(p.parameters) for p in parsed), n_plain + n_carried, max(p.n_bins for p in parsed))
    packed = [_pack(p, max(h, 1), size, n_plain) for p in parsed]
    arrays = {name: np.array([one[name] for one in packed]) for name in packed[0]}
    return Models(
        tuple(specs),
        tuple(tuple(q.name for q in p.parameters) for p in parsed),
        tuple(tuple(p.gammas) for p in parsed),
        tuple(tuple(p.channels) for p in parsed),
        **arrays,
    )


def _pack(parsed: Specification, h: int, size: tuple[int, int, int], n_plain: int) -> dict[str, Any]:
    """Return the arrays of one model in the common size (P, K, M)."""
    p, k, m = max(size[0], h + 1), *size[1:]
    nominal, shapes = np.zeros((k, m)), np.zeros((2, h, k, m))
    log_up, log_down, linear = np.zeros((p, k)), np.zeros((p, k)), np.zeros((p, k), dtype=bool)
    index = {q.name: i for i, q in enumerate(parsed.parameters)}
    plain = [r for r in parsed.rows if not r.carried]
    carried = [r for r in parsed.rows if r.carried]
    for i, row in [*enumerate(plain), *enumerate(carried, start=n_plain)]:
        nominal[i, row.bins] = row.nominal
        for name, (up, down) in row.factors.items():
            log_up[index[name], i], log_down[index[name], i] = np.log(up), np.log(down)
        for name, (up, down) in row.shapes.items():
            above, below = up - row.nominal, row.nominal - down
            shapes[:, index[name] - 1, i, row.bins] = 0.5 * (above + below), 0.0625 * (above - below)
        for name in row.linear:
            linear[index[name], i] = True
    up, down = np.exp(log_up), np.exp(log_down)
    ends = np.array([up - 1, down - 1, log_up * up, -log_down * down, log_up**2 * up, log_down**2 * down])
    split = {"plain": shapes[:, :, :n_plain], "carried": shapes[:, :, n_plain:]}
    scalars = np.array([(q.centre, q.precision, q.start, q.low, q.high, q.fixed) for q in parsed.parameters]).T
    padded = np.zeros((6, p))
    padded[5, len(index) :] = True
    padded[:, : len(index)] = scalars
    bins = np.zeros((3, m))
    bins[:, : parsed.n_bins] = parsed.variance, parsed.rate, parsed.data
    return {
        "nominal": nominal,
        "slopes": shapes.reshape(2 * h, k * m),
        **{f"{name}_by_row": np.moveaxis(s, 2, 0).reshape(s.shape[2], 2 * h * m) for name, s in split.items()},
        **{f"{name}_by_bin": np.moveaxis(s, 3, 0).reshape(m, 2 * h * s.shape[2]) for name, s in split.items()},
        "log_up": log_up,
        "log_down": log_down,
        "code4": np.einsum("ij,jpk->ipk", _CODE4 / 16, ends),
        "linear": linear,
        **dict(zip(("centre", "precision", "start", "low", "high"), padded, strict=False)),
        "fixed": padded[5] > 0,
        **dict(zip(("variance", "rate", "data"), bins, strict=True)),
        "range": parsed.range,
        "constant": parsed.constant,
    }
