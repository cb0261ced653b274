"""Histograms of a discriminant, and all that is done to them before a likelihood is built.

Which one do I use? `histograms` to fill and keep templates; `binning` for edges up to floors, `optimise` for the best
expected limit; `validation` to check templates, with `noise`; `members` for many variations of one source; `shaping` to
symmetrise, smooth and prune; `morphing` for signals between simulated hypotheses, `closure` to test them.
"""

__all__ = ["binning", "closure", "histograms", "members", "morphing", "noise", "optimise", "shaping", "validation"]
