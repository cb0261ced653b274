from pathlib import Path

import pytest

from hypotheta.catalogue import Catalogue
from hypotheta.errors import InputFileError
from hypotheta.stages.generate import generate, write_manifest
from hypotheta.stages.unchanged import check_unchanged, promises

pytest.importorskip("pythia8mc", reason="extra 'simulation'")
ROOT = Path(__file__).parents[2]


def test_a_manifest_knows_its_files_until_one_is_made_anew(tmp_path):
    catalogue = Catalogue.load(ROOT / "samples/small.yaml")
    path = generate(catalogue, "xtt_m500", events_scale=0.005, out=tmp_path)
    write_manifest(catalogue, [path])
    (promise,) = promises(catalogue, "xtt_m500", [path]).values()
    check_unchanged(path, promise)
    generate(catalogue, "xtt_m500", events_scale=0.005, seed=2, out=tmp_path)
    assert promises(catalogue, "xtt_m500", [path]) == {}
    with pytest.raises(InputFileError, match=r"xtt_m500\.root: it is not the file that .*manifest\.json tells of"):
        check_unchanged(path, promise)
