"""What a set of bins is worth: Fisher information of counts, fine cells, and their merging by efficient score.

Which one do I use? `ExpectedCounts.sigma` says how well bins measure a parameter with some nuisances free or
constrained, without a fit. `NestedCells` cuts a score and what else is known of an event into fine cells, and
`merge_cells` makes a few bins of them that keep what the cells know: see `hypotheta.classifiers.merged` for the
discriminant made that way. Arrays in, frozen results out.
"""

from hypotheta.information.cells import NestedCells
from hypotheta.information.fisher import ExpectedCounts
from hypotheta.information.merging import Cut, Floors, cut_scores, merge_cells

__all__ = ["Cut", "ExpectedCounts", "Floors", "NestedCells", "cut_scores", "merge_cells"]
