"""Does the classifier separate, and for the right reason?

Which one do I use? `roc` for curves, areas and their errors; `bootstrap` to compare two classifiers on the same
events; `leakage` to see whether θ alone gives the label away; `verdicts` for the answer that a report shows.
"""

__all__ = ["bootstrap", "leakage", "roc", "verdicts"]
