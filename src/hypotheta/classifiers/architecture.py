"""The networks themselves: M fully connected networks side by side, with θ as a condition.

All M members are one set of tensors with the member as first axis, so that an ensemble is trained and evaluated by
the same batched matrix products as one network; M = 1 is no special case.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hypotheta.classifiers.config import OptimisationConfig

__all__ = ["Activation", "Condition", "ConditionedNetworks"]

#: function of a tensor, and of whether it may be overwritten
Activation = Callable[[Tensor, bool], Tensor]
#: scale and shift of a hidden layer, (M, n, width) or (M, 1, width); None where there is none
Condition = tuple[Tensor | None, Tensor | None]


def tanh(z: Tensor, inplace: bool = False) -> Tensor:
    """Return tanh z, as torch's other activations do."""
    return z.tanh_() if inplace else z.tanh()


_ACTIVATIONS: dict[str, Activation] = {
    "silu": nn.functional.silu,
    "relu": nn.functional.relu,
    "tanh": tanh,
}


class ConditionedNetworks(nn.Module):
    """M networks on (x, θ), both standardised inside, so that the saved network takes GeV.

    Each hidden layer is ``h = activation(scale(θ) ⊙ (W h + b) + shift(θ))``. Concatenating θ to the features is the
    same as a shift of the first layer, linear in θ; affine conditioning has a scale 1 + A θ and a shift C θ in every
    hidden layer (Anzalone et al., arXiv:2202.00424, with the condition before the activation).

    Args:
        features: number of features d.
        parameters: number of parameters q; there may be none.
        config: widths, activation, number of members.
        conditioning: how θ enters.
        generator: draws the initial weights (on the CPU); None leaves them at zero, to be loaded.
        outputs: numbers that come out for each event; 1 is the logit.
        optional: columns of the k features that an event may not have, NaN then. A missing value enters as 0, the mean
            once standardised, and whether it is there (1 or 0) as one more input.
    """

    x_offset: Tensor
    x_scale: Tensor
    theta_offset: Tensor
    theta_scale: Tensor
    optional: Tensor
    presence: Tensor

    def __init__(
        self,
        features: int,
        parameters: int,
        config: OptimisationConfig,
        conditioning: Literal["concatenated", "affine"],
        generator: torch.Generator | None,
        *,
        outputs: int = 1,
        optional: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        for name, size in (("x", features), ("theta", parameters)):
            self.register_buffer(f"{name}_offset", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))
        if optional:
            self.register_buffer("optional", torch.tensor(optional))
            self.register_buffer("presence", torch.full((len(optional),), 0.5))
        self.features, inputs = features, features + len(optional)
        self.members = config.ensemble
        self.activation = _ACTIVATIONS[config.activation]
        widths = [inputs, *config.hidden, outputs]
        conditioned = config.hidden if conditioning == "affine" else config.hidden[:1]
        if not parameters:
            conditioned = ()

        def drawn(*shape: int, fan_in: int) -> nn.Parameter:
            values = torch.zeros(self.members, *shape)
            if generator is not None:
                values.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=generator)
            return nn.Parameter(values)

        fan_in = [inputs + (parameters if conditioned else 0), *config.hidden]
        self.weight = nn.ParameterList(
            drawn(*shape, fan_in=n) for shape, n in zip(pairwise(widths), fan_in, strict=True)
        )
        self.bias = nn.ParameterList(drawn(1, n, fan_in=m) for n, m in zip(widths[1:], fan_in, strict=True))
        self.shift = nn.ParameterList(
            drawn(parameters, width, fan_in=n) for width, n in zip(conditioned, fan_in, strict=False)
        )
        # all scales start at 1: an affine network starts without interference of θ and x
        scaled = conditioned if conditioning == "affine" else ()
        self.scale = nn.ParameterList(nn.Parameter(torch.zeros(self.members, parameters, width)) for width in scaled)

    def set_scale(self, name: str, offset: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        """Set the standardisation (value − offset) / scale of ``x`` or ``theta``."""
        for kind, values in (("offset", offset), ("scale", scale)):
            self.get_buffer(f"{name}_{kind}").copy_(torch.from_numpy(values))

    def set_presence(self, share: NDArray[np.float64]) -> None:
        """Set the share of the training events that have each optional feature, shape (k,).

        What training could not learn from says nothing afterwards: a feature that no event had counts as missing, and
        one that every event had counts as its mean where it is missing.
        """
        self.presence.copy_(torch.from_numpy(share))

    def forward(self, x: Tensor, theta: Tensor) -> Tensor:
        """Return the members' logits, (M, n), of x (n, d) at θ (n, q), or of own events for each member, (M, n, …)."""
        return self.from_standardised(*self.standardised(x, theta))

    def standardised(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and θ as the layers take them; x (…, d) becomes (…, d + k) with k optional features."""
        z, t = (x - self.x_offset) / self.x_scale, (theta - self.theta_offset) / self.theta_scale
        return (z, t) if self.features == self.weight[0].shape[1] else (self._masked(z), t)

    def _masked(self, z: Tensor) -> Tensor:
        """Return standardised features with 0 for what is missing, and what is there (1 or 0) beside them."""
        values = z[..., self.optional]
        there = ~values.isnan() & (self.presence > 0)
        z = z.index_copy(-1, self.optional, torch.where(there, values, 0.0))
        return torch.cat([z, (there & (self.presence < 1)).to(z.dtype)], dim=-1)

    def from_standardised(self, x: Tensor, theta: Tensor) -> Tensor:
        """Return the members' logits as `forward`, from standardised x and θ."""
        if len(self.shift) == 1 and not len(self.scale):
            # concatenated: the product adds the shift, which saves a pass over the largest tensor
            shown = theta if theta.dim() == 3 else theta.expand(self.members, -1, -1)
            unconditioned: list[Condition] = [(None, None)] * (len(self.weight) - 1)
            return self.at(torch.baddbmm(self.trunk(x), shown, self.shift[0]), unconditioned)
        return self.at(self.trunk(x), self.condition(theta))

    def trunk(self, standardised: Tensor) -> Tensor:
        """Return what does not depend on θ: the first layer before its condition, (M, n, width)."""
        if standardised.dim() == 2:
            standardised = standardised.expand(self.members, -1, -1)
        return torch.baddbmm(self.bias[0], standardised, self.weight[0])

    def condition(self, standardised: Tensor) -> list[Condition]:
        """Return scale and shift of each hidden layer at a standardised θ, (n, q) or (1, q); None where is none."""
        shifts: list[Tensor | None] = [torch.matmul(standardised, weight) for weight in self.shift]
        scales: list[Tensor | None] = [1 + torch.matmul(standardised, weight) for weight in self.scale]
        layers = len(self.weight) - 1
        return list(
            zip(scales + [None] * (layers - len(scales)), shifts + [None] * (layers - len(shifts)), strict=True)
        )

    def at(self, trunk: Tensor, condition: list[Condition]) -> Tensor:
        """Return the members' logits, (M, n), from `trunk` and `condition`."""
        z = trunk
        recorded = torch.is_grad_enabled()
        for (scale, shift), weight, bias in zip(condition, list(self.weight)[1:], list(self.bias)[1:], strict=True):
            if scale is not None:
                z = z * scale
            if shift is not None:
                z = z + shift
            # the trunk serves other hypotheses too, and a gradient needs what the activation was given
            z = torch.baddbmm(bias, self.activation(z, z is not trunk and not recorded), weight)
        return z.squeeze(2)

    def describe(self) -> str:
        """Return the list of layers and the number of weights of one member."""
        widths = [str(w.shape[2]) for w in self.weight]
        optional = self.weight[0].shape[1] - self.features
        inputs = f"{self.features} features" + (f" ({optional} optional)" if optional else "")
        if len(self.shift):
            kind = "affine in" if len(self.scale) else "with"
            inputs += f" {kind} {self.shift[0].shape[1]} parameters"
        weights = sum(p.numel() for p in self.parameters()) // self.members
        name = getattr(self.activation, "__name__", "")
        return f"{inputs} → {' → '.join(widths)} ({name}), {weights:,} weights × {self.members} members"
