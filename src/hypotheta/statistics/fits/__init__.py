"""Fits of one workspace.

Which one do I use? `summary` for all about one fit. Its parts: `best_fit` with errors from `minos`, `pulls`, `impacts`,
`goodness`, `scans` and `expectations`, all from a model that `fitted` has fitted; `likelihood` is the fit itself.
"""

__all__ = [
    "best_fit",
    "expectations",
    "fitted",
    "goodness",
    "impacts",
    "likelihood",
    "minos",
    "pulls",
    "scans",
    "summary",
]
