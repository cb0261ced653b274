"""Does the classifier separate, and for the right reason?

Which one do I use?

- `roc` for curves, areas and their errors, `roc_table` for the yields behind them, to be passed on without the events;
  `precision` for precision, recall and their average; `confusion` for what one cut makes of both classes;
- `bootstrap` to compare two classifiers on the same events;
- `folded` for areas of cross-fitted scores without a common scale;
- `interpolation` to see whether one network for all θ holds where it was not trained;
- `leakage` to see whether θ alone gives the label away in what a fit drew;
- `overtraining` to see whether a model knows its own events better than others;
- `calibration` to see whether the score is a probability, and whether its odds turn background into signal;
- `sculpting` to see how much of an observable's shape a cut on the score leaves;
- `weighted` for the sums over weighted events behind them; `verdicts` for the answer that a report shows.
"""

__all__ = [
    "bootstrap",
    "calibration",
    "confusion",
    "folded",
    "interpolation",
    "leakage",
    "overtraining",
    "precision",
    "roc",
    "roc_table",
    "sculpting",
    "thinning",
    "verdicts",
    "weighted",
]
