"""What is learnt of flat files without holding them in memory."""

import numpy as np
import pytest

from hypotheta.ntuples import FeatureProfile, write_root
from hypotheta.stages import flat_inspection
from hypotheta.stages.flat_inspection import incomplete, row_numbers, sampled_rows, sum_of_rows, values_of

PROFILE = FeatureProfile(
    level="features", tree="t", features={"x": "x", "y": "y"}, parameters={"mass": "m"}, target="label", weight="w"
)


@pytest.fixture
def path(tmp_path):
    """A file sorted by class and hypothesis, as hadd of samples makes it."""
    n = 1000
    rng = np.random.default_rng(3)
    table = {"x": rng.normal(size=n), "y": rng.normal(size=n), "w": np.linspace(0, 1, n)}
    table |= {"label": np.arange(n) < 600, "m": np.repeat([500.0, 750.0, 0.0, 1000.0], [300, 297, 400, 3])}
    table["y"][700:710] = np.nan
    write_root(tmp_path / "a.root", {"t": {k: v.astype(np.float32) for k, v in table.items()}})
    return tmp_path / "a.root"


@pytest.mark.parametrize(("most", "rows"), [(1000, 1000), (5000, 1000), (100, 100), (55, 50), (3, 3), (1, 1)])
def test_at_most_so_many_rows_are_read_from_all_over_the_file(path, most, rows):
    read = sampled_rows(path, PROFILE, 1000, most)
    assert len(read) == rows
    if rows >= 50:
        assert 0.4 < read.is_signal.mean() < 0.8
        assert read.weight[-1] == 1


def test_what_must_be_known_of_all_rows_is_read_in_chunks(path, monkeypatch):
    whole = (
        values_of(path, PROFILE, 1000, "mass", "background"),
        sum_of_rows(path, PROFILE, 1000, "signal", {"mass": 750.0}),
    )
    monkeypatch.setattr(flat_inspection, "CHUNK", 64)
    assert whole == (
        values_of(path, PROFILE, 1000, "mass", "background"),
        pytest.approx(sum_of_rows(path, PROFILE, 1000, "signal", {"mass": 750.0})),
    )
    assert whole[0] == [0.0, 1000.0]
    assert values_of(path, PROFILE, 1000, "mass", "signal") == [0.0, 500.0, 750.0]
    assert values_of(path, PROFILE, 1000, "mass", None) == [0.0, 500.0, 750.0, 1000.0]
    assert whole[1] == pytest.approx(np.linspace(0, 1, 1000)[300:597].sum(), rel=1e-5)


def test_missing_values_are_counted(path):
    assert incomplete(sampled_rows(path, PROFILE, 1000, 1000)) == {"y": 10}


def test_the_same_row_has_the_same_number(path):
    rows = sampled_rows(path, PROFILE, 1000, 1000)
    assert len(np.unique(row_numbers(rows, PROFILE))) == 1000
    twice = np.concatenate([np.arange(1000), [4, 705]])
    assert len(np.unique(row_numbers(rows.select(twice), PROFILE))) == 1000
    by_x = PROFILE.model_copy(update={"event_id": ("label",)})  # an event may stand at two masses, once at each
    assert len(np.unique(row_numbers(sampled_rows(path, by_x, 1000, 1000), by_x))) == 5
