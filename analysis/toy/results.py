"""What the evaluations of one problem say: medians over seeds, rows of tables, verdicts."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from study import Evaluation, Point, Problem

from hypotheta.diagnostics.verdicts import Verdict
from hypotheta.parameters import ThetaPoint

__all__ = ["Results", "words"]

_SYMBOLS = {"theta": "θ", "nu": "ν"}
_NUMBERS = ("auc", "optimum", "shortfall", "rms", "seconds")
#: name of a limit → the number it judges, and what it is called
_JUDGED = {"auc": ("shortfall", "optimum − AUC"), "rms": ("rms", "rms distance"), "seconds": ("seconds", "training")}


class Results:
    """One problem and its evaluations.

    Args:
        name: of the problem.
        problem: its settings.
        evaluations: of every classifier, seed and point.
    """

    def __init__(self, name: str, problem: Problem, evaluations: Sequence[Evaluation]) -> None:
        self.name, self.problem, self.evaluations = name, problem, evaluations
        self.by_point: dict[tuple[str, Point], list[Evaluation]] = {}
        for one in evaluations:
            self.by_point.setdefault((one.classifier, one.point), []).append(one)

    def median(self, classifier: str, point: Point, number: str) -> float:
        """Return the median over seeds."""
        return float(np.median([getattr(one, number) for one in self.by_point[classifier, point]]))

    def first(self, classifier: str, point: Point) -> Evaluation:
        """Return the evaluation of the first seed, whose curves are drawn."""
        return self.by_point[classifier, point][0]

    def text(self, point: Point) -> str:
        """Return a point, or its first components, as text."""
        text = ", ".join(f"{_SYMBOLS[n]} = {v:g}" for n, v in zip(self.problem.parameters, point, strict=False))
        return text.replace("-", "−")

    def slug(self, point: Point) -> str:
        """Return a point, or its first components, as a part of a file or column name."""
        return ThetaPoint(dict(zip(self.problem.parameters, point, strict=False))).slug

    def symbol(self) -> str:
        """Return the symbol of the last parameter."""
        return _SYMBOLS[self.problem.parameters[-1]]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row a classifier and point: the median of every number."""
        for (classifier, point), found in self.by_point.items():
            medians = {number: self.median(classifier, point, number) for number in _NUMBERS}
            yield {"classifier": classifier, **self._place(found[0]), "seeds": len(found), **medians}

    def rows_by_seed(self) -> Iterator[dict[str, Any]]:
        """Yield a row a classifier, seed and point: every number."""
        for one in self.evaluations:
            numbers = {number: getattr(one, number) for number in _NUMBERS}
            yield {"classifier": one.classifier, "seed": one.seed, **self._place(one), **numbers}

    def _place(self, one: Evaluation) -> dict[str, Any]:
        return {**dict(zip(self.problem.parameters, one.point, strict=True)), "trained": one.trained}

    def verdicts(self) -> Iterator[Verdict]:
        """Judge the largest median over all tested points against each limit that is set."""
        for classifier, settings in self.problem.classifiers.items():
            for key, limit in settings.limits:
                if limit is None:
                    continue
                number, what = _JUDGED[key]
                points = self.problem.tested(classifier)
                worst = max(points, key=lambda p: self.median(classifier, p, number))
                values = [getattr(one, number) for one in self.by_point[classifier, worst]]
                value, where = float(np.median(values)), f"largest at {self.text(worst)}"
                if key == "seconds":
                    where = "s of one core"
                yield Verdict(
                    name=f"{self.name}, {words(classifier)}: {what}",
                    status="pass" if value <= limit else "fail",
                    value=value,
                    error=float(np.ptp(values)) / 2,
                    limit=limit,
                    message=where if value <= limit else f"{where}; change epochs, events or the training grid",
                )

    def comparisons(self) -> Iterator[str]:
        """Say where a classifier is farther from the posterior than the one it is compared with."""
        for name, settings in self.problem.classifiers.items():
            other = settings.compared_with
            if other is None:
                continue
            points = [p for p in self.problem.tested(name) if (other, p) in self.by_point]
            ratios = {p: self.median(name, p, "rms") / self.median(other, p, "rms") for p in points}
            worst = max(points, key=lambda p: ratios[p])
            yield (
                f"{words(name).capitalize()}: farther from the exact posterior than {words(other)} at "
                f"{sum(r > 1 for r in ratios.values())} of {len(points)} hypotheses, at most {ratios[worst]:.3g} times "
                f"as far ({self.text(worst)})."
            )


def words(name: str) -> str:
    """Return a name as it reads in a sentence."""
    return name.replace("_", " ")
