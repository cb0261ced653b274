"""95 % CLs upper limits on σ·B.

Which one do I use? `points` makes the limits of many workspaces, `results` is what they are kept in. Below them:
`asymptotic` formulas of the pyhf engine, `toys` in their place (`sparse` says when), `bootstrap` for the error from
limited simulation; `theory` compares with a prediction.
"""

__all__ = ["asymptotic", "bootstrap", "points", "results", "sparse", "theory", "toys"]
