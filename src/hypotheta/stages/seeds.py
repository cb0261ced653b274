"""How much a limit depends on the seed of a training: the classifier trained again with others.

Which one do I use? `seed_spread`, for a discriminant that is cheap to train; `seed_verdict` for what it means.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hypotheta.diagnostics.verdicts import Verdict, judge
from hypotheta.outputs import temporary_folder
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.builder import TemplateBuilder
from hypotheta.stages.score import score
from hypotheta.stages.train import train
from hypotheta.statistics import Workspace
from hypotheta.statistics.validity.toys import compiled, median_limits

__all__ = ["SeedSpread", "seed_spread", "seed_verdict"]


@dataclass(frozen=True)
class SeedSpread:
    """Median expected limits of one hypothesis from classifiers that differ by their seed.

    Args:
        theta: the hypothesis.
        limits: in pb, a limit a seed; the first is that of the analysis' own training.
    """

    theta: ThetaPoint
    limits: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Standard deviation over mean."""
        return float(np.std(self.limits, ddof=1) / np.mean(self.limits))

    @property
    def error(self) -> float:
        """Statistical error of the spread."""
        return self.spread / float(np.sqrt(2.0 * (len(self.limits) - 1)))


def seed_spread(analysis: Analysis, workspaces: Sequence[Workspace], *, n: int, threads: int = 1) -> list[SeedSpread]:
    """Train a classifier n times more, and find its limits anew; nothing of it is kept.

    Args:
        analysis: the analysis, with its features.
        workspaces: those of the classifier, at the hypotheses of interest; the observable has no seed, so its list is
            empty.
        n: other seeds; with 0 the list is empty.
        threads: threads of each training.

    Raises:
        FitError: when there is no limit at a hypothesis.
    """
    discriminant = workspaces[0].discriminant
    if discriminant == "observable" or n == 0:
        return []
    found = [_limits(workspaces)]
    with temporary_folder(analysis.results / "seeds") as scratch:
        for i in range(n):
            results = scratch / str(i)
            results.mkdir()
            (results / "features").symlink_to((analysis.results / "features").resolve())
            config = analysis.config.model_copy(update={"seed": analysis.config.seed + 1 + i})
            other = replace(analysis, results=results, config=config)
            own = config.classifiers[discriminant]
            if own.type == "merged":  # it cuts the score of another classifier, which comes from the same seed
                train(other, own.of, threads=threads)
            train(other, discriminant, threads=threads)
            score(other, discriminant, threads=threads)
            builder = TemplateBuilder(other)
            found.append(_limits([builder.build(discriminant, w.theta).workspace for w in workspaces]))
    return [SeedSpread(w.theta, tuple(column)) for w, column in zip(workspaces, zip(*found, strict=True), strict=True)]


def _limits(workspaces: Sequence[Workspace]) -> list[float]:
    limits: list[float] = median_limits(compiled(workspaces), workspaces).tolist()
    return limits


def seed_verdict(result: SeedSpread, *, tolerance: float = 0.05) -> Verdict:
    """Judge the relative spread.

    Args:
        result: limits of several seeds.
        tolerance: harmless spread.
    """
    status = judge(result.spread, result.error, tolerance, sigmas=1.0)  # the error of a few seeds is large
    own, *others = (f"{limit:.3g}" for limit in result.limits)
    message = (
        f"the limit is {own} pb, with other seeds of the training {', '.join(others)} pb: they spread by "
        f"{100 * result.spread:.1f} ± {100 * result.error:.1f} %"
    )
    if status != "pass":
        message += "; train an ensemble"
    return Verdict("seeds", status, result.spread, result.error, tolerance, message)
