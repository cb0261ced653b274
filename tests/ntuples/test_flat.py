import numpy as np
import pytest

from hypotheta.errors import InputFileError, MissingBranchError, NonFiniteError
from hypotheta.ntuples import file_info, load_profile, read_features, write_root

XTT = load_profile("xtt")


def xtt_columns(n=60, seed=1):
    rng = np.random.default_rng(seed)
    columns = {leaf: rng.normal(100, 10, n).astype(np.float32) for (leaf,) in XTT.features.values()}
    columns["mx"] = rng.choice([500.0, 1000.0], n).astype(np.float32)
    columns["jes"] = rng.choice([0.95, 1.0, 1.025], n).astype(np.float32)
    columns["target"] = rng.choice([0.0, 1.0], n).astype(np.float32)
    return columns


def write(path, columns):
    write_root(path, {"xtt": columns})
    return path


def test_the_flat_schema_reads_straight_into_features(tmp_path):
    columns = xtt_columns()
    path = write(tmp_path / "xttbar_14tev_mx500_jes0.950.root", columns)
    rows = read_features(path, XTT)
    assert len(XTT.features) == 27
    assert file_info(path, XTT).n_events == len(rows) == 60
    assert np.array_equal(rows.features["mwwbb"], columns["mwwbb"])
    assert np.array_equal(rows.is_signal, columns["target"] == 1)
    assert set(rows.theta["mass"]) == {500.0, 1000.0}
    assert np.all(rows.weight == 1)
    assert len(np.unique(rows.event_id)) == 60
    other = read_features(write(tmp_path / "other.root", columns), XTT)
    assert np.array_equal(other.event_id, rows.event_id)  # the same lepton is the same event in any file
    by_row = XTT.model_copy(update={"event_id": ()})
    assert not np.isin(
        read_features(tmp_path / "other.root", by_row).event_id, read_features(path, by_row).event_id
    ).any()


def test_a_weight_that_a_profile_names_is_never_silently_one(tmp_path):
    path = write(tmp_path / "a.root", xtt_columns())
    mine = XTT.model_copy(update={"weight": ("w",)})
    with pytest.raises(
        MissingBranchError,
        match=r"a\.root: tree 'xtt' has no branch 'w', but the profile says that its events are weighted; correct the "
        r"profile's weight \(null where all weigh the same, \[w, 1\] where some files have none\), or the ntuple",
    ):
        read_features(path, mine, weighted=True)
    assert np.all(read_features(path, mine).weight == 1)  # data
    assert XTT.weight == ("weight", 1)
    for weight in (("weight", 1), (1,), None):
        rows = read_features(path, XTT.model_copy(update={"weight": weight}), weighted=True)
        assert np.all(rows.weight == 1)
    path = write(tmp_path / "b.root", xtt_columns() | {"weight": np.full(60, 2.0)})
    assert np.all(read_features(path, XTT, weighted=True).weight == 2)


def test_rows_split_by_the_values_of_a_parameter(tmp_path):
    columns = xtt_columns()
    rows = read_features(write(tmp_path / "a.root", columns), XTT)
    parts = rows.split("jes")
    assert list(parts) == [0.95, 1.0, 1.025]  # not 0.949999988
    assert sum(len(part) for part in parts.values()) == 60
    assert np.array_equal(parts[0.95].features["mjj"], columns["mjj"][columns["jes"] < 0.97])
    with pytest.raises(MissingBranchError, match="no parameter 'jess'; did you mean 'jes'"):
        rows.split("jess")


def test_weights_and_event_numbers_of_the_file(tmp_path):
    columns = xtt_columns() | {"weight": np.linspace(-1, 2, 60), "number": np.arange(60)}
    profile = XTT.model_copy(update={"event_id": ("number",)})
    first = read_features(write(tmp_path / "a.root", columns), profile)
    assert np.array_equal(first.weight, columns["weight"])
    assert np.array_equal(first.event_id, read_features(write(tmp_path / "b.root", columns), profile).event_id)


def test_sentinels_are_an_error_or_dropped(tmp_path):
    columns = xtt_columns()
    columns["j4_pt"][[3, 8]] = -999
    path = write(tmp_path / "a.root", columns)
    with pytest.raises(NonFiniteError, match=r"leaf 'j4_pt' holds the sentinel -999 .* 2 of 60 rows; .*missing: drop"):
        read_features(path, XTT)
    rows = read_features(path, XTT.model_copy(update={"missing": "drop"}))
    assert len(rows) == 58
    assert rows.features["j4_pt"].min() > 0
    # the other rows keep their event numbers
    whole = read_features(path, XTT.model_copy(update={"sentinels": ()}))
    assert np.isin(rows.event_id, whole.event_id).all()


@pytest.mark.parametrize("leaf", ["mjj", "mx"])
def test_nan_is_named_with_its_leaf(tmp_path, leaf):
    columns = xtt_columns()
    columns[leaf][5] = np.nan
    with pytest.raises(NonFiniteError, match=rf"a\.root: leaf '{leaf}' is nan in 1 of 60 rows \(first: row 5\)"):
        read_features(write(tmp_path / "a.root", columns), XTT)


def test_missing_leaves_and_strange_classes(tmp_path):
    columns = xtt_columns()
    columns["target"][0] = 2
    with pytest.raises(InputFileError, match=r"leaf 'target' must be 1 .* or 0 .*, it is also 2"):
        read_features(write(tmp_path / "a.root", columns), XTT)
    del columns["mjj"]
    with pytest.raises(MissingBranchError, match="tree 'xtt' has no branch 'mjj'; did you mean 'mjjj'"):
        read_features(write(tmp_path / "b.root", columns), XTT)


def test_a_sentinel_in_an_optional_feature_is_nan(tmp_path):
    columns = xtt_columns()
    columns["j4_pt"][[3, 8]] = [-999, np.nan]
    path = write(tmp_path / "a.root", columns)
    rows = read_features(path, XTT, optional=["j4_pt"])
    assert len(rows) == 60
    assert np.flatnonzero(np.isnan(rows.features["j4_pt"])).tolist() == [3, 8]
    assert np.isfinite(rows.features["j4_eta"]).all()
    # an optional feature may lack a value, but not be infinite
    columns["j4_pt"][4] = np.inf
    with pytest.raises(NonFiniteError, match=r"leaf 'j4_pt' is inf in 1 of 60 rows \(first: row 4\); correct the ntup"):
        read_features(write(tmp_path / "b.root", columns), XTT, optional=["j4_pt"])


def test_both_remedies_are_told_for_a_sentinel_that_may_not_be(tmp_path):
    columns = xtt_columns()
    columns["j4_pt"][3] = -999
    path = write(tmp_path / "a.root", columns)
    message = r"'j4_pt' holds .* declare the feature 'j4_pt' optional in FEATURES, or write 'missing: drop' into"
    with pytest.raises(NonFiniteError, match=message):
        read_features(path, XTT, optional=["j4_eta"])
    columns["j4_pt"][3] = np.nan
    with pytest.raises(NonFiniteError, match=r"is nan .* correct the ntuple, or declare the feature 'j4_pt' optional"):
        read_features(write(tmp_path / "b.root", columns), XTT)


def test_sentinels_by_feature(tmp_path):
    columns = xtt_columns()
    columns["j4_pt"][3], columns["j4_eta"][[3, 5]] = -9, -9
    path = write(tmp_path / "a.root", columns)
    profile = XTT.model_copy(update={"sentinels": {"j4_pt": (-9.0,)}})
    rows = read_features(path, profile, optional=["j4_pt", "j4_eta"])
    assert np.flatnonzero(np.isnan(rows.features["j4_pt"])).tolist() == [3]
    assert rows.features["j4_eta"][5] == -9  # there it is a value as any other
    assert profile.sentinels_of("mjj") == ()
