"""Logits of many events, at one hypothesis each or at many: in chunks, so that memory stays flat.

A product of matrices rounds the last bits of a row differently with the number of rows, and oneDNN keeps compiled
code for every number that it meets. All products here have one of a few numbers of rows (`padded`): memory does not
grow with the calls, and the logit of a network does not depend on the other events, unless its layers are narrow.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hypotheta.classifiers.architecture import Activation, Condition, ConditionedNetworks

__all__ = ["padded", "predict", "predict_grid"]

#: rows scored at once: the activations of a small network then stay in a core's cache
_CHUNK = 1024
#: the same where each product serves one hypothesis, and starting it counts
_GRID_CHUNK = 4096
#: numbers of rows are multiples of it: of the widest vectors, and of the blocks in which matrices are multiplied
_ROWS = 128


def padded(rows: Tensor) -> Tensor:
    """Return rows (n, d) with the last one repeated until their number is a multiple of 128; none stay none."""
    missing = -len(rows) % _ROWS
    return torch.cat([rows, rows[-1:].expand(missing, -1)]) if missing else rows


@torch.inference_mode()
def predict(networks: ConditionedNetworks, x: Tensor, theta: Tensor) -> Tensor:
    """Return the members' logits (M, n) of x (n, d) at θ (n, q), a chunk at a time so that memory stays flat."""
    if not len(x):
        return x.new_zeros((networks.members, 0))
    chunks = zip(torch.split(x, _CHUNK), torch.split(theta, _CHUNK), strict=True)
    return torch.cat([networks(padded(own), padded(at))[:, : len(own)] for own, at in chunks], dim=1)


@torch.inference_mode()
def predict_grid(networks: ConditionedNetworks, x: NDArray[np.float32], thetas: Tensor) -> NDArray[np.float64]:
    """Return the mean logit over the members, (n, m), of x (n, d) at each of m hypotheses (m, q).

    What does not depend on θ is computed once for each chunk of events; memory beyond the result stays flat.
    """
    logits = np.zeros((len(x), len(thetas)))
    nothing = torch.empty((0, x.shape[1]), device=thetas.device)
    conditions = [networks.condition(networks.standardised(nothing, theta[None])[1]) for theta in thetas]
    # a product wants its weights as (out, in), in order
    stacks = [
        [(weight[m].T.contiguous(), bias[m, 0]) for weight, bias in zip(networks.weight, networks.bias, strict=True)]
        for m in range(networks.members)
    ]
    dense = _dense_layer(networks.activation, thetas.device)
    for start in range(0, len(x), _GRID_CHUNK):
        rows = slice(start, min(start + _GRID_CHUNK, len(x)))
        own = padded(torch.tensor(x[rows], device=thetas.device))
        trunk = networks.trunk(networks.standardised(own, thetas)[0])
        room = torch.empty_like(trunk[0])
        for member, stack in enumerate(stacks):
            found = trunk.new_empty((len(thetas), trunk.shape[1]))
            for j, condition in enumerate(conditions):
                parts = [(_of(scale, member), _of(shift, member)) for scale, shift in condition]
                hidden = _conditioned(trunk[member], parts[0], room)
                hidden = networks.activation(hidden, True)
                for (weight, bias), (scale, shift) in zip(stack[1:-1], parts[1:], strict=True):
                    hidden = dense(hidden, *_folded(weight, bias, scale, shift))
                torch.addmm(stack[-1][1], hidden, stack[-1][0].T, out=found[j, :, None])
            logits[rows] += found[:, : rows.stop - rows.start].double().cpu().numpy().T
    logits /= networks.members
    return logits


def _of(part: Tensor | None, member: int) -> Tensor | None:
    return None if part is None else part[member]


def _conditioned(trunk: Tensor, condition: Condition, room: Tensor) -> Tensor:
    """Return scale ⊙ trunk + shift in ``room``: the trunk serves other hypotheses too."""
    scale, shift = condition
    source = trunk if scale is None else torch.mul(trunk, scale, out=room)
    return room.copy_(source) if shift is None else torch.add(source, shift, out=room)


def _folded(weight: Tensor, bias: Tensor, scale: Tensor | None, shift: Tensor | None) -> tuple[Tensor, Tensor]:
    """Take a condition (1, width) into the layer before it: scale ⊙ (W h + b) + shift is another W h + b."""
    if scale is not None:
        weight, bias = scale[0, :, None] * weight, scale[0] * bias
    return weight, bias if shift is None else bias + shift[0]


def _dense_layer(activation: Activation, device: torch.device) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return activation(h Wᵀ + b) as a function of h (n, in), W (out, in) and b (out,).

    On a CPU it is oneDNN's product with the activation fused into it, which torch.compile emits too: one pass less
    over the largest tensors, and on some processors twice as fast a product as torch's own.
    """
    name = {"silu": "swish", "relu": "relu"}.get(getattr(activation, "__name__", ""))
    fused = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if name is None or fused is None or device.type != "cpu":
        return lambda hidden, weight, bias: activation(torch.addmm(bias, hidden, weight.T), True)
    return lambda hidden, weight, bias: fused(hidden, weight, bias, name, [], "")
