"""The statistical model for software and archives that know nothing of this package; functions return contents.

Which one do I use? `combine_card` for CMS' combine; `patch_set` for one file with all hypotheses that pyhf reads;
`hepdata_files` for a HEPData submission. Single workspaces need no export: they are pyhf's JSON already.
"""

from hypotheta.statistics.exchange.combine import CombineCard, combine_card
from hypotheta.statistics.exchange.hepdata import Record, hepdata_files
from hypotheta.statistics.exchange.patchset import NO_RECORD, PatchedModel, patch_set

__all__ = ["NO_RECORD", "CombineCard", "PatchedModel", "Record", "combine_card", "hepdata_files", "patch_set"]
