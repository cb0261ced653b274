"""What the measurements say: medians over seeds, rows of tables, verdicts, the picture."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from measure import SHIFTS, Measured, Measurement, Shift
from pictures import LABEL, Picture

from hypotheta.diagnostics.verdicts import Verdict
from hypotheta.plots.scans import Series, plot_scan

__all__ = ["Measurements", "shift_text"]


class Measurements:
    """One problem and what was measured in it.

    Args:
        name: of the problem.
        problem: its settings.
        found: of every observable and seed.
    """

    def __init__(self, name: str, problem: Measurement, found: Sequence[Measured]) -> None:
        self.name, self.problem, self.found = name, problem, found
        self.optimum = [problem.exact.optimal_sigma(widths) for widths in problem.exact.benchmarks.values()]

    def seeds(self, observable: str) -> list[Measured]:
        """Return what was measured with one observable."""
        return [one for one in self.found if one.observable == observable]

    def sigmas(self, observable: str) -> list[float]:
        """Return the median σ(s) in the five columns."""
        return [float(v) for v in np.median([one.sigmas for one in self.seeds(observable)], axis=0)]

    def pull(self, observable: str, shift: Shift) -> float:
        """Return the median bias in units of the uncertainty."""
        return float(np.median([one.pull(shift) for one in self.seeds(observable)]))

    def lines(self) -> Iterator[tuple[str, Sequence[float | None]]]:
        """Yield the title and the five σ(s) of everything that is compared, published or learned."""
        yield from self.problem.published.items()
        for name, observable in self.problem.observables.items():
            yield observable.title, self.sigmas(name)
        yield "unbinned optimum", self.optimum

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row an observable: five σ(s), each with half the range of the seeds where it was learned."""
        ranges = {
            one.title: np.ptp([m.sigmas for m in self.seeds(name)], axis=0) / 2
            for name, one in self.problem.observables.items()
        }
        for title, sigmas in self.lines():
            cells: dict[str, Any] = {"observable": title}
            for j, (column, sigma) in enumerate(zip(self.problem.columns, sigmas, strict=True)):
                cells[f"sigma_{_slug(column)}"] = sigma
                cells[f"sigma_{_slug(column)}_error"] = float(ranges[title][j]) if title in ranges else None
            yield cells

    def rows_by_seed(self) -> Iterator[dict[str, Any]]:
        """Yield a row an observable and seed."""
        for one in self.found:
            sigmas = {f"sigma_{_slug(c)}": s for c, s in zip(self.problem.columns, one.sigmas, strict=True)}
            biases = {f"bias_{_shift_slug(shift)}": bias for shift, bias in one.biases.items()}
            yield {"observable": one.observable, "seed": one.seed, **sigmas, **biases, "seconds": one.seconds}

    def bias_rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row an observable: the median bias of s at every shift, in units of its uncertainty."""
        for name, observable in self.problem.observables.items():
            pulls = {f"pull_{_shift_slug(shift)}": self.pull(name, shift) for shift in SHIFTS}
            yield {"observable": observable.title, **pulls}

    def verdicts(self) -> Iterator[Verdict]:
        """Judge every observable by the limits that it has."""
        for name, observable in self.problem.observables.items():
            sigmas, where = self.sigmas(name), f"{self.name}, {observable.title}"
            for column, sigma, limit in zip(self.problem.columns, sigmas, observable.limits or (), strict=False):
                if limit is not None:
                    yield _verdict(f"{where}: σ(s), {column}", sigma, limit, self._spread(name, column))
            if observable.bias is not None:
                single = [shift for shift in SHIFTS if 0 in shift]
                worst = max(single, key=lambda shift: abs(self.pull(name, shift)))
                spread = float(np.ptp([one.pull(worst) for one in self.seeds(name)])) / 2
                yield _verdict(
                    f"{where}: |bias|/σ at {shift_text(worst)}", abs(self.pull(name, worst)), observable.bias, spread
                )
            if observable.never_worse_than is not None:
                other = self.sigmas(observable.never_worse_than)
                ratios = {c: a / b for c, a, b in zip(self.problem.columns, sigmas, other, strict=True)}
                column = max(ratios, key=lambda c: ratios[c])
                yield _verdict(f"{where}: σ(s) to the score's, {column}", ratios[column], 1 + observable.tolerance, 0.0)

    def _spread(self, name: str, column: str) -> float:
        j = self.problem.columns.index(column)
        return float(np.ptp([one.sigmas[j] for one in self.seeds(name)])) / 2

    def picture(self) -> Picture:
        """Draw σ(s) against the nuisances, and below how far each is from the optimum."""
        x = np.arange(5.0)
        series, differences = [], []
        for title, sigmas in self.lines():
            values = np.array([np.nan if sigma is None else sigma for sigma in sigmas])
            published = title in self.problem.published
            series.append(Series(title, x, values, hollow=np.full(5, published)))
            if title != "unbinned optimum":
                excess = 100 * (values / self.optimum - 1)
                differences.append(Series(title, x, excess, hollow=np.full(5, published)))
        figure = plot_scan(
            series,
            xlabel="Nuisances",
            ylabel=r"$\sigma(s)$, asymptotic [events]",
            differences=differences,
            difference_label="Over optimum [%]",
            hollow_label="published",
            cases=[column.replace(" constrained", "\nconstrained") for column in self.problem.columns],
            dodge=0.06,
            label=LABEL,
        )
        caption = (
            f"{self.problem.title}: uncertainty of s = 50 signal events on b = 1000 with more and more nuisances, "
            "median over seeds; below, how far above the unbinned optimum."
        )
        return Picture("sigma", caption, figure)


def _slug(column: str) -> str:
    """Return a column's name as it reads in a table."""
    return "_".join(column.replace("λ", "rate").replace("+", "and").replace(",", "").split())


def _shift_slug(shift: Shift) -> str:
    return "_".join(f"{n}_{'m' if s < 0 else 'p'}{abs(s)}" for n, s in zip(("r", "rate"), shift, strict=True) if s)


def shift_text(shift: Shift) -> str:
    """Return a shift in words."""
    parts = [f"{name} {size:+d}σ" for name, size in zip(("r", "λ"), shift, strict=True) if size]
    return ", ".join(parts).replace("-", "−")


def _verdict(name: str, value: float, limit: float, error: float) -> Verdict:
    passed = value <= limit
    message = "median over seeds" if passed else "median over seeds; change events, epochs, cells or bins"
    return Verdict(name, "pass" if passed else "fail", value, error, limit, message)
