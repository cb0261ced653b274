"""Discovery significance of a counting experiment, and the score cut that makes it largest.

Which one do I use? `asimov` for a significance with a background uncertainty; `simple` and `simple_total` only to
compare with older studies. `scan_cuts` for every threshold at once, `best_cut` for the best of them on the same
events (biased: good for exploring), `split_best_cut` for a number to quote; `split_best_cuts` for cuts on several
variables together, `smooth_cut` for the threshold of a parameterized score as a function of θ.
"""

from hypotheta.significance.asymptotics import asimov, simple, simple_total
from hypotheta.significance.cuts import BestCut, CutScan, SignificanceScan, best_cut, scan_cuts
from hypotheta.significance.quoting import split_best_cut
from hypotheta.significance.several import CutSet, Direction, split_best_cuts
from hypotheta.significance.smooth import SmoothCut, smooth_cut

__all__ = [
    "BestCut",
    "CutScan",
    "CutSet",
    "Direction",
    "SignificanceScan",
    "SmoothCut",
    "asimov",
    "best_cut",
    "scan_cuts",
    "simple",
    "simple_total",
    "smooth_cut",
    "split_best_cut",
    "split_best_cuts",
]
