"""Discovery significance of a counting experiment, and the score cut that makes it largest.

Which one do I use? `asimov` for a significance with a background uncertainty; `simple` and `simple_total` only to
compare with older studies. `scan_cuts` for every threshold at once, `best_cut` for the best of them on the same
events (biased: good for exploring), `split_best_cut` for a number to quote.
"""

from hypotheta.significance.asymptotics import asimov, simple, simple_total
from hypotheta.significance.cuts import BestCut, CutScan, SignificanceScan, best_cut, scan_cuts, split_best_cut

__all__ = [
    "BestCut",
    "CutScan",
    "SignificanceScan",
    "asimov",
    "best_cut",
    "scan_cuts",
    "simple",
    "simple_total",
    "split_best_cut",
]
