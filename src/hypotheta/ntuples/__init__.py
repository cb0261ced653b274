"""Ntuples: read ROOT files by format profile, and write them whole or not at all.

Which one do I use? `read_events` for ntuples with objects, `read_features` for flat ones that hold features already
(`load_profile` says which a format is), `read_tree` for files that this package made, `write_root` to make one.
"""

from hypotheta.ntuples.factors import mean_factors
from hypotheta.ntuples.files import read_metadata, read_tree, read_trees, tree_names
from hypotheta.ntuples.flat import FeatureColumns, read_features
from hypotheta.ntuples.profiles import load_profile, profile_names
from hypotheta.ntuples.reading import FileInfo, file_info, read_events
from hypotheta.ntuples.schema import EventProfile, FeatureProfile, Profile
from hypotheta.ntuples.writing import write_root

__all__ = [
    "EventProfile",
    "FeatureColumns",
    "FeatureProfile",
    "FileInfo",
    "Profile",
    "file_info",
    "load_profile",
    "mean_factors",
    "profile_names",
    "read_events",
    "read_features",
    "read_metadata",
    "read_tree",
    "read_trees",
    "tree_names",
    "write_root",
]
