"""Newton fits of many problems at once, within bounds.

Which one do I use? `minimise`; `engine.Engine.fit` adds the second engine for what does not converge.

A step solves the quadratic model; where it is not convex, with the absolute eigenvalues of the Hessian. A step that
crosses a bound is solved again with that variable on the bound. Only a step that lowers the NLL is taken, else it is
damped (Levenberg, Marquardt). A fit has converged when no parameter, γ included, that is not held by a bound wants to
move.
"""

import numpy as np
from numpy.typing import NDArray

from hypotheta.statistics.batched.arrays import Data, Point
from hypotheta.statistics.batched.likelihood import evaluate
from hypotheta.statistics.batched.models import Models

__all__ = ["KKT_GATE", "kkt", "minimise", "tangent"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: a fit is accepted when no parameter wants to move by more than this many of its standard errors
KKT_GATE = 1e-5
# Newton goes on, as long as it can, until here: the NLL is then exact to 1e-12
_GOAL = 1e-6
_MAX_STEPS = 200
# a fit this close to a known minimum, in standard errors with all else fixed, ends there
_SAME = 0.01
_FAR = 1e200
_FIRST_DAMPING, _MOST_DAMPED = 1e-4, 1e9


def minimise(
    models: Models,
    data: Data,
    start: Floats,
    fixed: Flags,
    *,
    low: Floats | None = None,
    known: Floats | None = None,
) -> tuple[Point, Floats]:
    """Return where the fits end, and how far that is from a stationary point: accept below `KKT_GATE`.

    Args:
        models: W models.
        data: their data, (W, R).
        start: where to start, (W, R, P); fixed parameters stay there.
        fixed: parameters that do not move, (W, R, P).
        low: lower bounds, (W, P); the models' when None.
        known: minima that are known, (W, R, P): a fit that comes to one is given up there, with ∞.

    Returns:
        The points and, (W, R), the larger of the residual `kkt` and √(gᵀ H⁻¹ g), the distance to the minimum in
        standard errors; ∞ where the NLL is not finite.
    """
    bounds = models.low if low is None else low, models.high
    start = np.where(fixed, start, np.clip(start, bounds[0][:, None], bounds[1][:, None]))
    point = evaluate(models, data, start)
    residual = np.full(point.nll.shape, np.inf)
    known = np.full(start.shape, _FAR) if known is None else known
    _descend(models, data, (point, residual), (fixed, known), bounds, _MAX_STEPS)
    return point, residual


def tangent(models: Models, point: Point) -> Floats:
    """Return ∂x/∂μ of conditional fits, to first order: where to start at the next μ, (W, R, P)."""
    fixed = np.broadcast_to(models.fixed[:, None], point.x.shape) | (np.arange(point.x.shape[-1]) == 0)
    free = ~(fixed | _held(point, models.low, models.high)).reshape(-1, fixed.shape[-1])
    unit = np.where(point.scale > 0, point.scale, 1.0).reshape(free.shape)
    square = unit[:, :, None] * unit[:, None, :]
    hessian, bent = (h.reshape(*free.shape, -1) / square for h in (point.hessian, point.bent))
    slope = np.where(free, hessian[:, :, 0] * unit[:, :1], 0.0)
    direction = _solve(_convex(hessian, bent, free), slope, free, np.zeros_like(slope)) / unit
    direction[:, 0] = 1.0
    return direction.reshape(point.x.shape)


def kkt(models: Models, point: Point, fixed: Flags, *, low: Floats | None = None) -> Floats:
    """Return the largest residual of the stationarity condition, in standard errors, (W, R); ∞ without a finite NLL."""
    free = ~(fixed | _held(point, models.low if low is None else low, models.high))
    residual = np.where(free, np.abs(point.gradient) / np.where(point.scale > 0, point.scale, 1.0), 0.0).max(-1)
    return np.where(np.isfinite(point.nll), np.maximum(residual, point.gamma_kkt), np.inf)


def _held(point: Point, low: Floats, high: Floats) -> Flags:
    at_low, at_high = point.x <= low[:, None], point.x >= high[:, None]
    return np.asarray((at_low & (point.gradient >= 0)) | (at_high & (point.gradient <= 0)))


def _descend(
    models: Models,
    data: Data,
    state: tuple[Point, Floats],
    limits: tuple[Flags, Floats],
    bounds: tuple[Floats, Floats],
    steps: int,
) -> None:
    """Improve points and residuals in place; when most have arrived, go on with the rest alone."""
    point, residual = state
    fixed, known = limits
    slope = kkt(models, point, fixed, low=bounds[0])
    active = np.ones(slope.shape, dtype=bool)
    damping = np.zeros(slope.shape)
    while True:
        step, promise, distance = _step(point, fixed, bounds, damping, active)
        residual[active] = np.maximum(slope, distance)[active]
        there = active & (np.abs(point.x - known) * point.scale < _SAME).all(-1)
        residual[there] = np.inf
        active = active & ~there & (residual > _GOAL) & (damping < _MOST_DAMPED)
        if not active.any() or steps == 0:
            return
        rows, columns = np.flatnonzero(active.any(1)), np.flatnonzero(active.any(0))
        if rows.size * columns.size < 0.6 * active.size:
            index = np.ix_(rows, columns)
            part = point.take(*index), residual[index]
            few = models.take(rows), data.take(*index)
            _descend(*few, part, (fixed[index], known[index]), (bounds[0][rows], bounds[1][rows]), steps)
            point.put(index, part[0])
            residual[index] = part[1]
            return
        steps -= 1
        trial = evaluate(models, data, np.clip(point.x + step, bounds[0][:, None], bounds[1][:, None]))
        reached = kkt(models, trial, fixed, low=bounds[0])
        # close to the minimum the NLL no longer resolves the step: the gradient decides
        noise = 1e-9 * (1.0 + np.abs(point.nll))
        flat = (np.abs(promise) < noise) & (trial.nll <= point.nll + noise) & (reached < slope)
        change = np.where(np.isfinite(trial.nll), trial.nll, 0.0) - point.nll
        gain = np.where((promise < 0) & np.isfinite(trial.nll), change / np.where(promise < 0, promise, -1.0), -1.0)
        better = active & (flat | (gain > 1e-4))
        point.put(better, trial.take(better))
        slope = np.where(better, reached, slope)
        eased = np.where(flat | (gain > 0.4), 0.1 * damping, damping)
        damping = np.where(better, eased, np.maximum(10.0 * damping, _FIRST_DAMPING))
        damping = np.where(damping < 0.1 * _FIRST_DAMPING, 0.0, damping)


def _step(
    point: Point, fixed: Flags, bounds: tuple[Floats, Floats], damping: Floats, wanted: Flags
) -> tuple[Floats, Floats, Floats]:
    """Return the step of the wanted problems, the change of the NLL that it promises, and √(gᵀ H⁻¹ g)."""
    step, promise, distance = np.zeros_like(point.x), np.zeros(wanted.shape), np.zeros(wanted.shape)
    which = np.nonzero(wanted)
    free = ~(fixed | _held(point, *bounds))[which]
    unit = np.where(point.scale[which] > 0, point.scale[which], 1.0)
    low, high = (np.where(free, (b[which[0]] - point.x[which]) * unit, 0.0) for b in bounds)
    slope = np.where(free, point.gradient[which] / unit, 0.0)
    square = unit[:, :, None] * unit[:, None, :]
    matrix = _convex(point.hessian[which] / square, point.bent[which] / square, free)
    pinned = np.zeros_like(slope)  # steps of the variables that go to a bound
    moved = _solve(matrix, slope, free, pinned)
    distance[which] = np.sqrt(np.abs(np.sum(slope * moved, -1)))
    todo = np.flatnonzero(damping[which])
    matrix[todo] += damping[which][todo, None, None] * np.eye(free.shape[-1])
    for _ in range(8):
        if todo.size:
            moved[todo] = _solve(matrix[todo], slope[todo], free[todo], pinned[todo])
        below, above = free & (moved < low), free & (moved > high)
        pinned = np.where(below, low, np.where(above, high, pinned))
        free &= ~(below | above)
        todo = np.flatnonzero((below | above).any(-1))
        if not todo.size:
            break
    total = np.where(free, moved, pinned)
    step[which], promise[which] = total / unit, np.sum(slope * total, -1)
    return step, promise, distance


def _convex(hessian: Floats, bent: Floats, free: Flags) -> Floats:
    """Return the Hessian of the free variables, or something positive definite like it, (n, P, P).

    Where it is not convex its bent part is left out (Gauss, Newton), which follows curved valleys well; where that does
    not help its eigenvalues are made positive.
    """
    identity = np.eye(free.shape[-1])
    both = free[:, :, None] & free[:, None, :]
    matrix = np.where(both, hessian, identity)
    concave = np.flatnonzero(~_definite(matrix - 1e-9 * identity))
    if concave.size:
        matrix[concave] = np.where(both[concave], (hessian - bent)[concave], identity)
        concave = concave[~_definite(matrix[concave] - 1e-9 * identity)]
    if concave.size:
        values, vectors = np.linalg.eigh(matrix[concave])
        values = np.maximum(np.abs(values), 1e-4 * np.abs(values).max(-1, keepdims=True))
        matrix[concave] = (vectors * values[:, None, :]) @ vectors.swapaxes(-1, -2)
    return matrix


def _solve(matrix: Floats, slope: Floats, free: Flags, pinned: Floats) -> Floats:
    """Return the step of the free variables when the others go where they are pinned, (n, P)."""
    right = np.where(free, -slope - (matrix @ pinned[..., None])[..., 0], 0.0)
    masked = np.where(free[:, :, None] & free[:, None, :], matrix, np.eye(free.shape[-1]))
    return np.asarray(np.linalg.solve(masked, right[..., None])[..., 0])


def _definite(matrices: Floats) -> Flags:
    """Return which matrices are positive definite; where a Cholesky factorisation fails, their pivots say which."""
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        rest, definite = matrices.copy(), np.ones(len(matrices), dtype=bool)
        for _ in range(matrices.shape[-1]):
            pivot = rest[:, :1, :1]
            definite &= pivot[:, 0, 0] > 0
            with np.errstate(over="ignore", invalid="ignore"):  # of a matrix that was found out before
                rest = rest[:, 1:, 1:] - rest[:, 1:, :1] * (rest[:, :1, 1:] / np.where(pivot > 0, pivot, 1.0))
        return definite
    return np.ones(len(matrices), dtype=bool)
