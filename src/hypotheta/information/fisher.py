"""Fisher information of Poisson counts: the asymptotic uncertainty that a set of bins allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, NonFiniteError, closest

__all__ = ["ExpectedCounts"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ExpectedCounts:
    """Expected counts of bins and their derivatives at one point: all that the asymptotic uncertainty depends on.

    The information matrix of independent Poisson counts n_c is I_kl = Σ_c (∂n_c/∂k)(∂n_c/∂l) / n_c; a Gaussian
    constraint of width w adds 1/w² to the diagonal. Bins without expectation say nothing.

    Args:
        counts: expected events n_c, shape (c,), not negative.
        derivatives: ∂n_c/∂k, shape (c, p); the parameter of interest is the first.
        names: the p parameters.

    Raises:
        ConfigurationError: shapes or names do not fit, or a count is negative.
        NonFiniteError: a count or derivative is NaN or infinite.

    Example:
        A counting experiment of b = 100 with 10 signal events at μ = 1 and a background uncertain by 5 events:

        >>> one_bin = ExpectedCounts([100.0], [[10.0, 1.0]], ("mu", "b"))
        >>> one_bin.sigma()
        1.0
        >>> round(one_bin.sigma({"b": 5.0}), 4)
        1.118
    """

    counts: Array
    derivatives: Array
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("counts", "derivatives"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
            getattr(self, name).setflags(write=False)
        shape = (len(self.counts), len(self.names))
        if self.counts.ndim != 1 or self.derivatives.shape != shape or len(set(self.names)) != len(self.names):
            raise ConfigurationError(
                f"expected counts of shape {self.counts.shape} need derivatives of shape {shape} for the parameters "
                f"{self.names}, each once; they are of shape {self.derivatives.shape}"
            )
        if not (np.isfinite(self.counts).all() and np.isfinite(self.derivatives).all()):
            raise NonFiniteError("expected counts or their derivatives are NaN or infinite; correct the event weights")
        if (self.counts < 0).any():
            i = int(np.argmin(self.counts))
            raise ConfigurationError(f"bin {i} expects {self.counts[i]:g} events; merge it, or drop negative weights")

    @classmethod
    def from_shifts(
        cls,
        counts: ArrayLike,
        interest: ArrayLike,
        shifted: Mapping[str, tuple[ArrayLike, ArrayLike, float]],
        *,
        rates: Mapping[str, ArrayLike] | None = None,
        name: str = "s",
    ) -> "ExpectedCounts":
        """Take central differences of counts that were filled with shifted events.

        Args:
            counts: expected events, shape (c,).
            interest: derivative by the parameter of interest, shape (c,): the signal's template.
            shifted: nuisance → counts with it shifted up, counts with it shifted down, both (c,), and the
                difference of its two values; fill them with the same events shifted, else noise fakes a constraint.
            rates: further parameters whose derivative is known, as that of a normalisation: shape (c,) each.
            name: of the parameter of interest.

        Raises:
            ConfigurationError: the two values of a nuisance are equal.
        """
        columns = {name: np.asarray(interest, dtype=np.float64)}
        for nuisance, (up, down, difference) in shifted.items():
            if difference == 0:
                raise ConfigurationError(f"'{nuisance}' is shifted up and down by the same value; give two values")
            columns[nuisance] = np.subtract(up, down) / difference
        columns |= {key: np.asarray(value, dtype=np.float64) for key, value in (rates or {}).items()}
        return cls(np.asarray(counts, dtype=np.float64), np.stack(list(columns.values()), axis=1), tuple(columns))

    @property
    def information(self) -> Array:
        """The information matrix of all parameters without constraints, shape (p, p)."""
        filled = self.counts > 0
        pulls = self.derivatives[filled] / np.sqrt(self.counts[filled])[:, None]
        matrix: Array = pulls.T @ pulls
        return matrix

    def sigma(self, nuisances: Mapping[str, float] | None = None) -> float:
        """Return the asymptotic uncertainty of the parameter of interest.

        Args:
            nuisances: parameter → width of its Gaussian constraint, ``inf`` for a free one; those that are not
                named are known.

        Returns:
            √(I⁻¹)₀₀ with the constraints, in the unit of the parameter of interest; ``inf`` where nothing is learnt.

        Raises:
            ConfigurationError: an unknown nuisance, or a width that is not positive.
        """
        left = float(self.efficient_information(nuisances))
        return float(left**-0.5) if left > 0 else np.inf

    def efficient_information(self, nuisances: Mapping[str, float] | None = None) -> float:
        """Return the information about the parameter of interest that is left with these nuisances; see `sigma`."""
        chosen, weights = self._projection(nuisances)
        information = self.information
        return float(information[0, 0] - information[0, chosen] @ weights)

    def efficient_scores(self, nuisances: Mapping[str, float] | None = None, *, share: float = 1.0) -> Array:
        """Return the efficient score of each bin, u_c = [G_s − share · G_ν (I_νν + 1/w²)⁻¹ I_νs] / n_c, shape (c,).

        It is what one event in the bin says about the parameter of interest after the nuisances took their share;
        Σ n u² is the information that is left when there is no constraint. Zero where nothing is expected.

        Args:
            nuisances: as in `sigma`.
            share: part of the projection that is taken away; 0 is the score that ignores all nuisances.
        """
        chosen, weights = self._projection(nuisances)
        numerator = self.derivatives[:, 0] - share * (self.derivatives[:, chosen] @ weights)
        scores: Array = np.divide(numerator, self.counts, out=np.zeros(len(self.counts)), where=self.counts > 0)
        return scores

    def merged(self, labels: ArrayLike, bins: int | None = None) -> "ExpectedCounts":
        """Return the counts of merged bins.

        Args:
            labels: the new bin of each bin, shape (c,), from 0.
            bins: how many there are; None: up to the largest label.
        """
        index = np.asarray(labels, dtype=np.intp)
        size = int(index.max()) + 1 if bins is None else bins
        columns = [np.bincount(index, column, size).astype(np.float64) for column in (self.counts, *self.derivatives.T)]
        return ExpectedCounts(columns[0], np.stack(columns[1:], axis=1), self.names)

    def _projection(self, nuisances: Mapping[str, float] | None) -> tuple[list[int], Array]:
        """Return the columns of the nuisances and (I_νν + 1/w²)⁻¹ I_νs."""
        widths = dict(nuisances or {})
        chosen = [self._column(name) for name in widths]
        constraint = np.array([_constraint(name, width) for name, width in widths.items()])
        information = self.information
        matrix = information[np.ix_(chosen, chosen)] + np.diag(constraint)
        # a free nuisance that nothing depends on takes nothing away
        return chosen, np.linalg.pinv(matrix, hermitian=True) @ information[chosen, 0]

    def _column(self, name: str) -> int:
        others: Sequence[str] = self.names[1:]
        if name not in others:
            raise ConfigurationError(f"there is no nuisance '{name}'{closest(name, others)}")
        return self.names.index(name)


def _constraint(name: str, width: float) -> float:
    if not width > 0:
        raise ConfigurationError(f"nuisance '{name}' is constrained to {width}; give a positive width, or inf")
    return float(width) ** -2
