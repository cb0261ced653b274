"""Logits of many events, at one hypothesis each or at many: in chunks, so that memory stays flat."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hypotheta.classifiers.architecture import Activation, ConditionedNetworks

__all__ = ["predict", "predict_grid"]

#: rows scored at once: the activations of a small network then stay in a core's cache
_CHUNK = 1024


@torch.inference_mode()
def predict(networks: ConditionedNetworks, x: Tensor, theta: Tensor) -> Tensor:
    """Return the members' logits (M, n) of x (n, d) at θ (n, q), a chunk at a time so that memory stays flat."""
    if not len(x):
        return x.new_zeros((networks.members, 0))
    chunks = zip(torch.split(x, _CHUNK), torch.split(theta, _CHUNK), strict=True)
    return torch.cat([networks(*chunk) for chunk in chunks], dim=1)


@torch.inference_mode()
def predict_grid(networks: ConditionedNetworks, x: NDArray[np.float32], thetas: Tensor) -> NDArray[np.float64]:
    """Return the mean logit over the members, (n, m), of x (n, d) at each of m hypotheses (m, q).

    What does not depend on θ is computed once for each chunk of events, and what does not depend on the events once
    for each hypothesis; nothing is allocated in between, and memory beyond the result stays flat.
    """
    logits = np.zeros((len(x), len(thetas)))
    nothing = torch.empty((0, x.shape[1]), device=thetas.device)
    conditions = [networks.condition(networks.standardised(nothing, theta[None])[1]) for theta in thetas]
    stacks = [
        [(weight[m], bias[m, 0]) for weight, bias in zip(networks.weight, networks.bias, strict=True)]
        for m in range(networks.members)
    ]
    for start in range(0, len(x), _CHUNK):
        rows = slice(start, start + _CHUNK)
        events = torch.tensor(x[rows], device=thetas.device)
        trunk = networks.trunk(networks.standardised(events, thetas)[0])
        layers = [trunk.new_empty((len(events), weight.shape[2])) for weight in networks.weight]
        for member, stack in enumerate(stacks):
            found = trunk.new_empty((len(thetas), len(events)))
            for j, condition in enumerate(conditions):
                own = [tuple(None if part is None else part[member] for part in layer) for layer in condition]
                found[j] = _at(trunk[member], own, stack[1:], layers, networks.activation)
            logits[rows] += found.double().cpu().numpy().T
    logits /= networks.members
    return logits


def _at(
    trunk: Tensor,
    condition: Sequence[tuple[Tensor | None, ...]],
    stack: Sequence[tuple[Tensor, Tensor]],
    layers: list[Tensor],
    activation: Activation,
) -> Tensor:
    """Do what `ConditionedNetworks.at` does, for one member, into the given tensors; return its logits, (n,)."""
    source = trunk
    for (scale, shift), (weight, bias), z, after in zip(condition, stack, layers, layers[1:], strict=False):
        if scale is not None:
            source = torch.mul(source, scale, out=z)
        if shift is not None:
            source = torch.add(source, shift, out=z)
        if source is trunk:  # it serves other hypotheses too
            source = z.copy_(trunk)
        source = torch.addmm(bias, activation(source, True), weight, out=after)
    return source[:, 0]
