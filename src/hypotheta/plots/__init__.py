"""Pictures: result objects in, `matplotlib.figure.Figure` out; nothing is computed and nothing saved here.

Which one do I use? `distributions` for stacked expectations with data and for shapes of features, `panels` for many of
them in one figure; `scores` for a classifier's output, `responses` for its output against features, `animation` to let
pictures move along a parameter; `roc` for curves and the AUC, `confusion` for what a cut makes of both classes, `scans`
for any number along a parameter, `matrices` for a number at each pair of two; `interpolation`, `calibration`,
`overtraining` and `sculpting` for the diagnostics; `significance` for best cuts, `surviving` for what they leave;
`limits` for limits, `closure` for those between simulated hypotheses; `fits` for pulls, ranking and correlations,
`likelihoods` for scans of the likelihood, `postfit` for expectations before and after a fit; `trials` for what a
setting does to a metric.
All share `style`, `grids` and `components`.
"""

__all__ = [
    "animation",
    "calibration",
    "closure",
    "components",
    "confusion",
    "distributions",
    "fits",
    "grids",
    "interpolation",
    "likelihoods",
    "limits",
    "matrices",
    "overtraining",
    "panels",
    "postfit",
    "responses",
    "roc",
    "scans",
    "scores",
    "sculpting",
    "significance",
    "style",
    "surviving",
    "trials",
]
