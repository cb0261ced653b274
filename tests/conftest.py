import awkward as ak
import pytest
import uproot

from hypotheta.ntuples.files import opened
from hypotheta.ntuples.writing import _collections


@pytest.fixture(scope="session")
def as_foreign():
    """Return what writes a file of events again as other programs do, without checksums of its columns."""

    def rewrite(path, compression=None):
        with opened(path) as file:
            trees = {
                tree: {k: file[tree][k].array() for k in file[tree].keys() if not k.startswith("n")}  # noqa: SIM118
                for tree in ("Events", "Runs")
            }
        with uproot.recreate(path, compression=compression) as file:
            for name, columns in trees.items():
                made = _collections(name, columns)
                types = {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in made.items()}
                file.mktree(name, types)
                file[name].extend(made)

    return rewrite
