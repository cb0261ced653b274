import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hypotheta.catalogue import Catalogue, load_yaml
from hypotheta.checksums import Checksum
from hypotheta.errors import ConfigurationError, InputFileError, MissingCrossSectionError

BASE = """
sqrt_s_TeV: 14
processes: {sig: {label: s}, bkg: {label: b}, obs: {label: d}}
normalisations: {tt: {total_cross_section_pb: 800.0, branching_ratio: 0.5}}
samples:
  "sig_m{mass}":
    for: {mass: [500, 1000]}
    process: sig
    kind: signal
    theta: {mass: "{mass}"}
    cross_section_pb: 1.0
    branching_ratio: 0.25
    files: ["sig_{mass}.root"]
  low: {process: bkg, kind: background, cross_section_pb: generator, normalisation: tt, files: [low.root]}
  high: {process: bkg, kind: background, cross_section_pb: generator, normalisation: tt, files: [high.root]}
  none: {process: bkg, kind: background, files: [none.root]}
  data: {process: obs, kind: data, files: [data.root]}
"""


@pytest.fixture
def write(tmp_path):
    def _write(text):
        path = tmp_path / "catalogue.yaml"
        path.write_text(text)
        return path

    return _write


def test_alternatives_share_a_normalisation_among_themselves(write):
    other = "  other: {process: bkg, kind: alternative, cross_section_pb: 7.0, normalisation: tt, files: [o.root]}\n"
    catalogue = Catalogue.load(write(BASE + other))
    sigmas = {"low": 300.0, "high": 100.0}
    assert catalogue.sharing("low") == ["low", "high"]
    assert catalogue.cross_section("low", sigmas) == pytest.approx(300.0)
    assert catalogue.cross_section("other", sigmas) == pytest.approx(400.0)


def test_a_for_block_is_one_sample_a_value(write):
    catalogue = Catalogue.load(write(BASE))
    assert catalogue.names("signal") == ["sig_m500", "sig_m1000"]
    assert catalogue["sig_m500"].theta == {"mass": 500.0}
    assert catalogue.files("sig_m1000")[0].name == "sig_1000.root"


def test_physics_normalisation(write):
    catalogue = Catalogue.load(write(BASE))
    assert catalogue.expected_events("sig_m500", {}, 2.0) == pytest.approx(2.0 * 1000 * 1.0 * 0.25)
    generator = {"low": 300.0, "high": 100.0}
    low, high = (catalogue.expected_events(name, generator, 1.0) for name in ("low", "high"))
    assert low + high == pytest.approx(1000 * 800.0 * 0.5)
    assert low / high == pytest.approx(3.0)  # one k-factor for all slices keeps their ratio


@given(st.floats(0.01, 1e3))
def test_expected_events_are_proportional_to_luminosity(tmp_path_factory, luminosity):
    path = tmp_path_factory.mktemp("c") / "c.yaml"
    path.write_text(BASE)
    catalogue = Catalogue.load(path)
    assert catalogue.expected_events("sig_m500", {}, luminosity) == pytest.approx(250 * luminosity)


@pytest.mark.parametrize("name", ["none", "low"])
def test_a_missing_cross_section_is_an_error_never_one(write, name):
    with pytest.raises(MissingCrossSectionError, match=f"sample '{name}'.*cross_section_pb|'{name}'.*carries none"):
        Catalogue.load(write(BASE)).expected_events(name, {"high": 1.0}, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("kind: data", "kind: dta", r"samples\.data\.kind: .*'dta'"),
        ("sqrt_s_TeV: 14", "sqrt_s_TeV: 14\nlumi: 3", r"catalogue\.yaml: lumi: unknown key"),
        ("kind: data,", "kind: data, file: x,", r"samples\.data\.file: unknown key; did you mean 'files'"),
        ("process: obs", "process: observed", r"samples\.data\.process: 'observed' is not under processes"),
        (
            "normalisation: tt",
            "normalisation: ttt",
            r"normalisation: 'ttt' is not under normalisations; did you mean 'tt'",
        ),
        ("kind: data", "kind: data, cross_section_pb: 1.0", "data has no cross section"),
        ("cross_section_pb: 1.0", "cross_section_pb: -1.0", "greater than 0; it is -1.0"),
        (", files: [data.root]", "", "give its files, or how to generate it"),
        ("obs, kind: data", "obs, kind: background, theta: {mass: 3}", "only a signal has a true θ"),
        ("sqrt_s_TeV: 14", "", "sqrt_s_TeV: this key is needed"),
        ("for: {mass: [500, 1000]}", "for: {mass: 500}", r"for: write NAME: \[value"),
        ('"sig_m{mass}":', '"sig":', "the name 'sig' appears twice"),
        ("  data: {", "  low: {", "line 17: not valid YAML .the key 'low' stands here twice"),
        ("sqrt_s_TeV: 14", "sqrt_s_TeV: [14", r"line \d+: not valid YAML"),
    ],
)
def test_mistakes_name_file_and_place(write, old, new, match):
    assert old in BASE
    with pytest.raises(ConfigurationError, match=match) as caught:
        Catalogue.load(write(BASE.replace(old, new)))
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(InputFileError, match="there is no such file"):
        load_yaml(tmp_path / "nothing.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputFileError, match="cannot be read as text"):
        load_yaml(tmp_path / "b.yaml")


def test_yaml_cannot_run_code(write):
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        load_yaml(write("a: !!python/object/apply:os.system ['true']"))


def test_unknown_sample_is_named(write):
    with pytest.raises(ConfigurationError, match="no sample 'dta'; did you mean 'data'"):
        Catalogue.load(write(BASE))["dta"]


def catalogue_of(tmp_path, **sample):
    path = tmp_path / "samples.yaml"
    entry = {"process": "p", "kind": "background", "cross_section_pb": 1.0, **sample}
    entry = {key: value for key, value in entry.items() if value is not None}
    path.write_text(yaml.safe_dump({"sqrt_s_TeV": 13, "processes": {"p": {"label": "p"}}, "samples": {"s": entry}}))
    return Catalogue.load(path)


def test_patterns_and_addresses_of_files(tmp_path):
    for name in ("b_2.root", "b_10.root", "a[1].root"):
        (tmp_path / name).touch()
    url = "https://host:80//store/x.root?a=[1]"
    catalogue = catalogue_of(tmp_path, files=["b_*.root", "a[1].root", "missing.root", url, "root://host//x.root"])
    paths = [tmp_path / n for n in ("b_10.root", "b_2.root", "a[1].root", "missing.root")]
    assert catalogue.files("s") == [*paths, url, "root://host//x.root"]
    assert catalogue_of(tmp_path, files=[str(tmp_path / "b_*.root")]).files("s") == paths[:2]


def test_patterns_in_addresses(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    for name in ("b.root", "a.root"):
        fsspec.filesystem("memory").pipe(f"/ntuples/{name}", b"")
    catalogue = catalogue_of(tmp_path, files=["memory://ntuples/*.root"])
    assert catalogue.files("s") == ["memory://ntuples/a.root", "memory://ntuples/b.root"]
    with pytest.raises(InputFileError, match=r"memory://ntuples/c\*\.root: no file matches this pattern of sample 's'"):
        catalogue_of(tmp_path, files=["memory://ntuples/c*.root"]).files("s")


@pytest.mark.parametrize(
    ("files", "error", "match"),
    [
        (["c_*.root"], InputFileError, r"c_\*\.root: no file matches this pattern of sample 's'; check it"),
        (["b.root", "b*.root"], ConfigurationError, r"samples\.s\.files: '.*b\.root' is there twice; .* count twice"),
        (["b.root", "link.root"], ConfigurationError, r"'.*b\.root' is there twice; its events would count twice"),
        (["x/../b.root", "b.root"], ConfigurationError, r"'.*b\.root' is there twice"),
    ],
)
def test_files_that_cannot_be_meant(tmp_path, files, error, match):
    (tmp_path / "b.root").touch()
    (tmp_path / "link.root").symlink_to("b.root")
    with pytest.raises(error, match=match):
        catalogue_of(tmp_path, files=files).files("s")


def test_checksums_stand_in_the_catalogue_or_in_a_file_of_their_own(tmp_path):
    assert catalogue_of(tmp_path, files=["a.root"]).checksums("s") is None
    within = {"data/a.root": "AD:1A2B3C4D", "https://x/b.root": "sha256:" + 64 * "0"}
    found = catalogue_of(tmp_path, files=["data/a.root"], checksums=within).checksums("s")
    assert found == {
        tmp_path / "data/a.root": Checksum("adler32", "1a2b3c4d"),
        "https://x/b.root": Checksum("sha256", 64 * "0"),
    }
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sums.json").write_text('{"a.root": "crc32:00000001"}')
    listed = catalogue_of(tmp_path, files=["data/a.root"], checksums="data/sums.json")
    assert listed.checksums("s") == {tmp_path / "data/a.root": Checksum("crc32", "00000001")}
    (tmp_path / "data" / "sums.json").write_text('{"a.root": 12}')
    with pytest.raises(ConfigurationError, match=r"data/sums\.json: '12' is no checksum; write adler32:1a2b3c4d"):
        listed.checksums("s")
    (tmp_path / "data" / "sums.json").unlink()
    with pytest.raises(InputFileError, match=r"data/sums\.json: there is no such file"):
        listed.checksums("s")


@pytest.mark.parametrize(
    ("checksums", "match"),
    [
        (["adler32:1a2b3c4d"], r"samples\.s\.checksums: write PATH: adler32:1a2b3c4d for each file"),
        (
            {"a.root": "1a2b3c4d"},
            r"samples\.s\.checksums: '1a2b3c4d' is no checksum; write adler32:1a2b3c4d \(8 digits\)",
        ),
        ({"a.root": "sha256:1a2b3c4d"}, "'sha256:1a2b3c4d' is no checksum"),
        ({"a.root": "adler32:1a2b3c4x"}, "is no checksum"),
        ({"a.root": 7}, "'7' is no checksum"),
    ],
)
def test_checksums_of_another_form(tmp_path, checksums, match):
    with pytest.raises(ConfigurationError, match=match) as caught:
        catalogue_of(tmp_path, files=["a.root"], checksums=checksums)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "extra", [{"cross_section_pb": 1.0}, {"k_factor": 2.0}, {"theta": {"m": 1}}, {"sum_of_weights": 5.0}]
)
def test_data_has_no_cross_section(tmp_path, extra):
    own = {"kind": "data", "files": ["d.root"], "cross_section_pb": None, **extra}
    with pytest.raises(ConfigurationError, match=f"data has no cross section and no θ; remove {next(iter(extra))}"):
        catalogue_of(tmp_path, **own)
