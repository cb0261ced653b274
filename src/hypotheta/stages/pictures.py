"""The pictures of a report: results read from the analysis' files, handed to `hypotheta.plots`."""

from collections.abc import Iterator

from hypotheta.plots.closure import plot_template_closure
from hypotheta.plots.confusion import plot_confusion
from hypotheta.plots.limits import brazil_band, compare_limits, limit_rows
from hypotheta.plots.scans import Series, plot_scan
from hypotheta.plots.significance import SmoothThreshold, plot_cut_scan, plot_significance, plot_smooth_cut
from hypotheta.significance import BestCut, SignificanceScan
from hypotheta.stages.classifier_pictures import ClassifierPictures
from hypotheta.stages.closure import read_closures
from hypotheta.stages.confusion import read_confusion
from hypotheta.stages.cuts import cuts
from hypotheta.stages.drawing import Picture, values_along, words
from hypotheta.stages.feature_pictures import FeaturePictures
from hypotheta.stages.files import read_csv
from hypotheta.stages.limits import read_limits, theory_curve
from hypotheta.stages.workspaces import read_manifest

__all__ = ["Pictures"]


class Pictures(FeaturePictures, ClassifierPictures):
    """Draws the pictures of one analysis."""

    def cuts(self) -> Iterator[Picture]:
        """Draw the best cuts along the first signal-kind parameter, and the scan at one hypothesis."""
        rows = read_csv(self.analysis.results / "tables" / "significance.csv")
        scans = []
        for name in self.analysis.config.discriminants:
            own = [row for row in rows if row["classifier"] == name]
            found = tuple(BestCut(**{f: float(row[f] or "nan") for f in BestCut.__dataclass_fields__}) for row in own)
            scans.append(SignificanceScan(words(name), tuple(values_along(own, self.parameter)), found))
        title = "signal of the catalogue's cross section"
        figure = plot_significance(scans, xlabel=self.along, title=title, label=self.label)
        yield "significance", "Asimov significance of the best cut, chosen and quoted on different halves.", figure
        yield from self._further_cuts()
        middle = self.shown[len(self.shown) // 2]
        chosen = cuts(self.store, self.focus, middle)
        yield (
            "cut_scan",
            f"Every cut on {words(self.focus)}{middle.at}, on all events; the line is the quoted cut.",
            plot_cut_scan(
                chosen.scan,
                best=chosen.best,
                xlabel="Logit threshold",
                title=self.name(middle),
                label=self.label,
            ),
        )

    def _further_cuts(self) -> Iterator[Picture]:
        """Draw the smooth thresholds, and cut-and-count limits beside those of the shape, where there are any."""
        tables = self.analysis.results / "tables"
        smooth = read_csv(tables / "smooth_cuts.csv") if (tables / "smooth_cuts.csv").exists() else []
        found = []
        for name in dict.fromkeys(row["classifier"] for row in smooth):
            own = [row for row in smooth if row["classifier"] == name]
            columns = ("background_efficiency", "background_efficiency_log_error", "smooth_background_efficiency")
            numbers = [values_along(own, self.parameter), *([float(row[c] or "nan") for row in own] for c in columns)]
            found.append(SmoothThreshold(words(name), *numbers))
        if found:
            figure = plot_smooth_cut(found, xlabel=self.along, label=self.label)
            yield "smooth_cuts", "The best cut as a smooth function of θ, usable between the hypotheses.", figure
        counted = read_csv(tables / "counting_limits.csv") if (tables / "counting_limits.csv").exists() else []
        shapes = read_csv(tables / "limits.csv") if counted else []
        series = []
        for label, rows in (("shape", shapes), ("cut and count", counted)):
            own = [row for row in rows if row["discriminant"] == self.focus and row["expected_pb"]]
            if own:
                series.append(
                    Series(label, values_along(own, self.parameter), [float(row["expected_pb"]) for row in own])
                )
        if len(series) == 2:
            figure = plot_scan(
                series,
                xlabel=self.along,
                ylabel=r"95 % CL limit on $\sigma \times B$ [pb]",
                logy=self.several,
                from_zero=not self.several,
                title=words(self.focus),
                label=self.label,
            )
            caption = f"Median expected limits of {words(self.focus)}: its shape, and the best cut."
            yield "counting_limits", caption, figure

    def confusion(self) -> Iterator[Picture]:
        """Draw what the quoted cut of the classifier in focus makes of both classes."""
        middle = self.shown[len(self.shown) // 2]
        matrix = read_confusion(self.analysis, self.focus, middle)
        xlabel = f"{words(self.focus)} ≥ {matrix.threshold:.3g}" + (f" at {self.name(middle)}" if middle.values else "")
        caption = f"What the quoted cut on {words(self.focus)}{middle.at} makes of all events."
        yield "confusion", caption, plot_confusion(matrix, xlabel=xlabel, label=self.label)

    def limits(self) -> Iterator[Picture]:
        """Draw the limits of all discriminants, and the band of one; of one hypothesis all bands are in one picture."""
        scans, theory = read_limits(self.analysis), theory_curve(self.analysis)
        if not self.several or self.parameter is None:
            figure = limit_rows(scans, theory=theory, label=self.label)
            yield "limits", "Median expected 95 % CLs limits on σ·B, and their bands.", figure
            return
        yield (
            "limits",
            "Median expected 95 % CLs limits on σ·B; bars are MC-statistics errors.",
            compare_limits(scans, self.parameter, label=self.label),
        )
        for scan in scans:
            if scan.discriminant == self.focus:
                figure = brazil_band(scan, self.parameter, label=self.label, theory=theory)
                yield f"limits_{scan.discriminant}", f"Expected limit and band of {words(scan.discriminant)}.", figure

    def template_closure(self) -> Iterator[Picture]:
        """Draw how interpolated signal templates change the limit, where that was tested."""
        tested = read_closures(self.analysis, read_manifest(self.analysis))
        if tested and self.parameter is not None:
            figure = plot_template_closure(list(tested.values()), self.parameter, label=self.label)
            yield "interpolated_limits", "Limits with interpolated signal templates over simulated ones.", figure
