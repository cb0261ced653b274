"""Ntuples: read ROOT files by format profile, and write them whole or not at all.

Which one do I use? `read_events` for ntuples with objects, `read_features` for flat ones that hold features already
(`load_profile` says which a format is), `read_tree` for files that this package made, `write_root` to make one,
`writing_root` to make one piece by piece.
"""

from hypotheta.ntuples.factors import mean_factors
from hypotheta.ntuples.files import (
    branches_of,
    checksums_of,
    file_pieces,
    file_size,
    read_metadata,
    read_pieces,
    read_rows,
    read_tree,
    read_trees,
    tree_names,
)
from hypotheta.ntuples.flat import FeatureColumns, read_features
from hypotheta.ntuples.profiles import load_profile, profile_names
from hypotheta.ntuples.reading import CHUNK, FileInfo, file_info, non_finite, read_events
from hypotheta.ntuples.schema import EventProfile, FeatureProfile, Profile
from hypotheta.ntuples.writing import RootWriter, write_root, writing_root

__all__ = [
    "CHUNK",
    "EventProfile",
    "FeatureColumns",
    "FeatureProfile",
    "FileInfo",
    "Profile",
    "RootWriter",
    "branches_of",
    "checksums_of",
    "file_info",
    "file_pieces",
    "file_size",
    "load_profile",
    "mean_factors",
    "non_finite",
    "profile_names",
    "read_events",
    "read_features",
    "read_metadata",
    "read_pieces",
    "read_rows",
    "read_tree",
    "read_trees",
    "tree_names",
    "write_root",
    "writing_root",
]
