"""Training weights: classes and hypotheses balanced, so that θ alone says nothing about the class."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hypotheta.dataset.events import Dataset, describe, theta_points
from hypotheta.errors import ConfigurationError, EmptySelectionError, InvalidEventsError

__all__ = ["NegativeWeights", "training_weights"]

#: what training does with events of negative weight, see `training_weights`
NegativeWeights = Literal["keep", "refuse", "drop", "absolute"]

_FLAT_BINS = 20


def training_weights(
    dataset: Dataset, *, negative: NegativeWeights = "keep", flat_in: str | None = None
) -> NDArray[np.float64]:
    """Balance classes and hypotheses for training.

    At every point of the event-kind parameters that occurs, the total weights of signal and background are one
    and the same constant, and within signal every signal-kind point has an equal part of it. Inside such a group
    the weights are proportional to the physics weights. Without this, a class whose acceptance moves more with an
    event-kind parameter could be told by that parameter alone.

    Args:
        dataset: the events.
        negative: what becomes of negative weights. ``keep``: they keep their sign, which is unbiased; ``refuse``: an
            error; ``drop``: they count as zero, and ``absolute``: without their sign. The last two change what is
            learnt wherever the fraction of negative weights depends on the features; the totals are balanced anyway.
        flat_in: a feature in which both classes are made flat (in 20 quantiles of the balanced sample, at each
            event-kind point), so that it alone tells no class from the other; hypotheses are then no longer balanced
            (after Aguilar-Saavedra, arXiv:2503.20926). None: no.

    Returns:
        Training weights, shape (n,), with mean 1.

    Raises:
        EmptySelectionError: there is no event.
        ConfigurationError: events may lack the feature to be flat in, or there is none of its name.
        InvalidEventsError: a class is missing at an event-kind point, a group's total weight is not positive, or
            there are negative weights and they are refused.
    """
    if not len(dataset):
        raise EmptySelectionError("training weights: the dataset is empty; loosen the selection or simulate more")
    if flat_in in dataset.optional:
        raise ConfigurationError(
            f"flat_in: '{flat_in}' is optional, and what is balanced in needs a value in every event; choose another"
        )
    signed = _with_policy(dataset.weight, negative)
    event_points, event = theta_points(dataset.theta[:, dataset.space.columns("event")])
    balanced = _balanced(dataset, signed, event_points, event)
    return balanced if flat_in is None else _flat(dataset, balanced, event, flat_in)


def _with_policy(weight: NDArray[np.float64], negative: NegativeWeights) -> NDArray[np.float64]:
    if negative == "refuse" and (weight < 0).any():
        raise InvalidEventsError(
            f"{int((weight < 0).sum())} of {len(weight)} training events have a negative weight and negative_weights "
            "is 'refuse'; choose another policy (boosted trees cannot keep them), or a sample without them"
        )
    if negative == "drop":
        return np.maximum(weight, 0.0)
    return np.abs(weight) if negative == "absolute" else weight


def _balanced(
    dataset: Dataset, weight: NDArray[np.float64], event_points: NDArray[np.float64], event: NDArray[np.intp]
) -> NDArray[np.float64]:
    space, signal = dataset.space, dataset.is_signal
    hypothesis = np.zeros(len(dataset), dtype=np.intp)
    hypotheses, index = theta_points(dataset.theta[signal][:, space.columns("signal")])
    hypothesis[signal] = 1 + index
    shape = (len(event_points), 1 + len(hypotheses))
    group = event * shape[1] + hypothesis
    count = np.bincount(group, minlength=shape[0] * shape[1]).reshape(shape)
    total = np.bincount(group, weights=weight, minlength=shape[0] * shape[1]).reshape(shape)
    for mask, name in ((count[:, 0] == 0, "background"), (~count[:, 1:].any(axis=1), "signal")):
        if mask.any():
            where = describe(event_points[mask][0], space.of_kind("event"))
            raise InvalidEventsError(f"training weights: no {name} event{where}; simulate more, or drop this point")
    if (total[count > 0] <= 0).any():
        raise InvalidEventsError(
            "training weights: the total weight of a sample at one θ is not positive; simulate more events there"
        )
    target = np.zeros(shape)
    target[:, 0] = 1.0
    target[:, 1:] = (count[:, 1:] > 0) / (count[:, 1:] > 0).sum(axis=1, keepdims=True)
    target *= len(dataset) / (2 * len(event_points))
    ratio = np.divide(target, total, out=np.zeros(shape), where=count > 0)
    weights: NDArray[np.float64] = weight * ratio.ravel()[group]
    return weights


def _flat(dataset: Dataset, weight: NDArray[np.float64], event: NDArray[np.intp], feature: str) -> NDArray[np.float64]:
    """Give each bin of a feature the same weight of signal and of background; a bin that lacks one class gets none."""
    values = dataset.with_features([feature]).x[:, 0]
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(np.maximum(weight[order], 0.0))
    inner = np.searchsorted(cumulative, np.arange(1, _FLAT_BINS) / _FLAT_BINS * cumulative[-1])
    cell = event * _FLAT_BINS + np.searchsorted(values[order][inner], values, side="right")
    n_cells = (int(event.max()) + 1) * _FLAT_BINS
    totals = np.stack([np.bincount(cell, weight * (dataset.y == y), n_cells) for y in (0, 1)])
    usable = (totals > 0).all(axis=0)
    if not usable.any():
        raise InvalidEventsError(
            f"training weights: no bin of '{feature}' holds both classes; balance in another feature"
        )
    ratio = np.divide(1.0, totals, out=np.zeros_like(totals), where=usable)
    flat = weight * ratio[dataset.y, cell]
    scaled: NDArray[np.float64] = flat * (len(flat) / flat.sum())
    return scaled
