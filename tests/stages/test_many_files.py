"""Samples of many files: chunks, parts, patterns, addresses, and files that cannot be read."""

import errno
import functools
import http.server
import io
import itertools
import json
import shutil
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from hypotheta.cli import main
from hypotheta.errors import ConfigurationError, InputFileError, MissingExtraError, UnreachableFileError
from hypotheta.hashing import digest
from hypotheta.ntuples import read_metadata, read_tree, write_root
from hypotheta.ntuples.files import opened, readable
from hypotheta.stages import features as stage
from hypotheta.stages import inputs, tabulating
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.features import feature_path, features, features_of_file, join_features, part_path, tabulated
from hypotheta.stages.repeated import repeated, repeated_sections, tell_repeated
from hypotheta.stages.skipped import skipped_sections
from hypotheta.stages.store import Store
from hypotheta.stages.unchanged import forget

ROOT = Path(__file__).parents[2]
SAMPLE = "ttbar_mtt_500_700"


def split(folder, n=3):
    """Write the events of a small sample as several files, each with its own part of Σw."""
    with opened(ROOT / "samples/small" / f"{SAMPLE}.root") as file:
        events = {
            k: file["Events"][k].array()
            for k in file["Events"].keys()  # noqa: SIM118  a tree is no dict
            if not k.startswith("n")
        }
        runs = {k: file["Runs"][k].array(library="np") for k in file["Runs"].keys()}  # noqa: SIM118
    edges = np.linspace(0, len(events["event"]), n + 1).astype(int)
    for i, (a, b) in enumerate(itertools.pairwise(edges)):
        part = {k: v[a:b] for k, v in events.items()}
        weights = np.asarray(part["genWeight"], dtype=np.float64)
        own = runs | {"genEventSumw": np.array([weights.sum()]), "genEventCount": np.array([b - a])}
        write_root(folder / f"top_{i}.root", {"Events": part, "Runs": own})


@pytest.fixture
def make(tmp_path):
    """Return a maker of analyses of one signal and one background of the given files."""
    split(tmp_path)

    def make(files=("top_*.root",), kind="background", **further):
        processes = {"xtt": {"label": "X"}, "ttbar": {"label": "t", "cross_section_uncertainty": 0.05}}
        signal = dict(process="xtt", kind="signal", theta={"mass": 1000}, cross_section_pb=1.0)
        sample = {"process": "ttbar", "kind": kind, "files": list(files), **further}
        if kind == "background":
            sample["cross_section_pb"] = 8.0
        samples = {"xtt_m1000": {**signal, "files": [str(ROOT / "samples/small/xtt_m1000.root")]}, SAMPLE: sample}
        catalogue = {"sqrt_s_TeV": 14, "processes": processes, "samples": samples}
        (tmp_path / "samples.yaml").write_text(yaml.safe_dump(catalogue))
        changes = {
            "extends": str(ROOT / "analysis/ttbar/quick.yaml"),
            "code": str(ROOT / "analysis/ttbar/analysis.py"),
            "catalogue": "samples.yaml",
            "results": "results",
        }
        (tmp_path / "analysis.yaml").write_text(yaml.safe_dump(changes))
        return Analysis.load(tmp_path)

    return make


def same_tables(one, other):
    for variation in one.metadata(SAMPLE)["variations"]:
        a, b = one.table(SAMPLE, variation), other.table(SAMPLE, variation)
        assert np.array_equal(a.event_id, b.event_id)
        assert np.array_equal(a.x, b.x)
        assert a.weight == pytest.approx(b.weight, rel=1e-12)
    for name, pair in one.factors(SAMPLE).items():
        assert np.array_equal(pair, other.factors(SAMPLE)[name])
    assert len(one.table(SAMPLE)) > 100


@pytest.fixture
def whole(tmp_path_factory):
    """Return the store of the same events as one file."""
    out = tmp_path_factory.mktemp("whole")
    analysis = Analysis.load(ROOT / "analysis/ttbar/quick.yaml", out=out)
    features(analysis, SAMPLE)
    return Store(analysis)


def test_files_and_chunks_change_nothing(make, whole, monkeypatch):
    analysis = make()
    monkeypatch.setattr(tabulating.pieces, "__kwdefaults__", {**tabulating.pieces.__kwdefaults__, "chunk": 400})
    features(analysis, SAMPLE)
    store = Store(analysis)
    variation = read_tree(feature_path(analysis, SAMPLE), "events")["variation"]
    assert (np.diff(variation) < 0).sum() > 3  # several chunks
    meta = store.metadata(SAMPLE)
    assert [Path(f["name"]).name for f in meta["files"]] == ["top_0.root", "top_1.root", "top_2.root"]
    assert meta["sum_of_weights"] == pytest.approx(sum(f["sum_of_weights"] for f in meta["files"]))
    assert all(f["bytes"] == Path(f["name"]).stat().st_size for f in meta["files"])
    store.expected_events = lambda _: 1.0
    whole.expected_events = lambda _: 1.0
    same_tables(store, whole)
    for row, other in zip(meta["cutflow"]["nominal"], whole.metadata(SAMPLE)["cutflow"]["nominal"], strict=True):
        assert row["raw"] == other["raw"]
        assert row["weighted"] == pytest.approx(other["weighted"], rel=1e-9)


def test_parts_join_to_the_same_bytes_of_events(make):
    analysis = make()
    features(analysis, SAMPLE)
    at_once = read_tree(feature_path(analysis, SAMPLE), "events")
    for i in range(3):
        features_of_file(analysis, SAMPLE, i)
    join_features(analysis, SAMPLE)
    joined = read_tree(feature_path(analysis, SAMPLE), "events")
    assert list(at_once) == list(joined)
    assert all(np.array_equal(at_once[k], joined[k]) for k in at_once)
    with pytest.raises(ConfigurationError, match=r"has files 0 … 2, there is no file 3"):
        features_of_file(analysis, SAMPLE, 3)
    shutil.copy(part_path(analysis, SAMPLE, 0), part_path(analysis, SAMPLE, 1))
    with pytest.raises(InputFileError, match=r"1\.root: these are not the features of .*top_1\.root; run .*--file"):
        join_features(analysis, SAMPLE)
    write_root(part_path(analysis, SAMPLE, 1), {"events": {"x": np.ones(1)}})
    with pytest.raises(InputFileError, match=r"1\.root: not a file of features; run 'hypotheta features' again"):
        join_features(analysis, SAMPLE)


def test_features_of_another_version_are_refused(make):
    analysis = make()
    content = {"hypotheta": json.dumps({"sum_of_weights": 1.0})}
    write_root(feature_path(analysis, SAMPLE), {"events": {"weight": np.ones(1)}}, content)
    with pytest.raises(InputFileError, match=r"another version wrote these features; run 'hypotheta features' again"):
        Store(analysis).table(SAMPLE)


def test_a_bad_file_stops_the_run_or_is_left_out_with_its_weight(make, tmp_path, caplog):
    analysis = make()
    path = tmp_path / "top_1.root"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputFileError, match=r"top_1\.root: truncated") as caught:
        features(analysis, SAMPLE)
    assert "an unknown number of events" in caught.value.__notes__[0]
    assert "--skip-bad-files" in caught.value.__notes__[0]
    assert list((tmp_path / "results").rglob("*")) == [tmp_path / "results" / "features"]
    features(analysis, SAMPLE, skip_bad_files=True)
    meta = Store(analysis).metadata(SAMPLE)
    assert [Path(f["name"]).name for f in meta["files"]] == ["top_0.root", "top_2.root"]
    (bad,) = meta["skipped"]
    assert (Path(bad["name"]).name, bad["events"]) == ("top_1.root", None)
    assert "truncated" in bad["reason"]
    assert meta["sum_of_weights"] == pytest.approx(sum(f["sum_of_weights"] for f in meta["files"]))
    # the yield is unbiased: the cutflow before any cut is still all of Σw
    assert meta["cutflow"]["nominal"][0]["weighted"] == pytest.approx(1.0)
    (varied,) = tabulated(analysis, SAMPLE, [analysis.variations[0]]).values()
    assert varied.weight.sum() == pytest.approx(Store(analysis).table(SAMPLE).weight.sum() / expected(analysis))
    features(analysis, "xtt_m1000")
    caplog.clear()
    (section,) = skipped_sections(Store(analysis))
    assert section.tables[0].rows[0][:4] == [SAMPLE, "top_1.root", "unknown", "Σw is lowered"]
    assert "could not be read" in caplog.text


def expected(analysis):
    return Store(analysis).expected_events(SAMPLE)


def test_damage_in_the_middle_of_a_file_says_how_many_events_are_lost(make, tmp_path):
    analysis = make()
    path = tmp_path / "top_1.root"
    with opened(path) as file:
        basket = file["Events"]["Jet_pt"].basket_key(0)
        at = basket.data_cursor.index
    content = bytearray(path.read_bytes())
    content[at : at + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=r"top_1\.root: truncated or not a ROOT file") as caught:
        features(analysis, SAMPLE)
    assert "1500 events" in caught.value.__notes__[0]
    features_of_file(analysis, SAMPLE, 1, skip_bad_files=True)
    assert Store(analysis)  # the part holds no events, and says why
    content = json.loads(read_metadata(part_path(analysis, SAMPLE, 1))["hypotheta"])
    assert content["skipped"][0]["events"] == 1500


def spoil(path):
    """Change a number inside of a basket, as a bad disk does: the file can still be read."""
    with opened(path) as file:
        at = file["Events"]["MET_phi"].basket_key(0).data_cursor.index + 42
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def adler32(path):
    return f"adler32:{zlib.adler32(path.read_bytes()):08x}"


def test_a_changed_number_is_found_by_the_checksum_of_the_catalogue(make, tmp_path, monkeypatch, as_foreign):
    monkeypatch.setattr(inputs, "DELAYS", (1e9,))  # never tried again
    paths = [tmp_path / f"top_{i}.root" for i in range(3)]
    for path in paths:
        as_foreign(path)
    sums = {path.name: adler32(path) for path in paths}
    features(make(checksums=sums), SAMPLE)
    spoil(paths[1])
    features(make(), SAMPLE)  # nothing tells: other programs leave no checksums
    analysis = make(checksums=sums)
    with pytest.raises(
        InputFileError,
        match=rf"top_1\.root: it is not the file that checksums of sample '{SAMPLE}' tells of \(its checksum is "
        r"adler32:\w{8}, not adler32:\w{8}\): bytes were lost or changed; copy it again, or correct",
    ):
        features(analysis, SAMPLE)
    features(analysis, SAMPLE, skip_bad_files=True)
    meta = Store(analysis).metadata(SAMPLE)
    assert [Path(f["name"]).name for f in meta["files"]] == ["top_0.root", "top_2.root"]
    assert "checksum" in meta["skipped"][0]["reason"]
    assert meta["sum_of_weights"] == pytest.approx(sum(f["sum_of_weights"] for f in meta["files"]))


def test_a_file_without_a_checksum_where_there_should_be_one(make, tmp_path):
    (tmp_path / "sums.yaml").write_text(yaml.safe_dump({"top_0.root": adler32(tmp_path / "top_0.root")}))
    with pytest.raises(ConfigurationError, match=r"checksums: there is none of '.*top_1\.root'; add it \(as adler32:1"):
        features(make(checksums="sums.yaml"), SAMPLE)
    features(make(files=["top_0.root"], checksums="sums.yaml"), SAMPLE)


def test_files_of_a_manifest_are_compared_with_it(make, tmp_path):
    entries = {f"top_{i}.root": {"sha256": digest((tmp_path / f"top_{i}.root").read_bytes())} for i in range(2)}
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"sqrt_s_TeV": 14, "files": entries}))
    analysis = make()
    assert [one.promise is not None for one in inputs.input_files(analysis, SAMPLE)] == [True, True, False]
    features(analysis, SAMPLE)
    spoil(tmp_path / "top_1.root")
    with pytest.raises(InputFileError, match=r"top_1\.root: it is not the file that .*manifest\.json tells of"):
        features(analysis, SAMPLE)
    forget(tmp_path / "top_1.root")
    assert json.loads(manifest.read_text())["files"].keys() == {"top_0.root"}
    features_of_file(make(), SAMPLE, 0)
    manifest.write_text('{"files": {"top_0.root": {"sha256": "12"}}}')
    with pytest.raises(InputFileError, match=r"manifest\.json: top_0\.root: 'sha256:12' is no checksum"):
        features(make(), SAMPLE)
    manifest.write_text("[1, 2]")  # of somebody else
    features_of_file(make(), SAMPLE, 0)


def test_many_files_are_forgotten_at_once(tmp_path):
    names = [f"{i}.root" for i in range(40)]
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {name: {} for name in [*names, "left.root"]}}))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(forget, [tmp_path / name for name in names]))
    assert json.loads((tmp_path / "manifest.json").read_text())["files"].keys() == {"left.root"}


def test_copies_of_a_file_are_refused(make, tmp_path):
    shutil.copy(tmp_path / "top_1.root", tmp_path / "copy.root")
    analysis = make(files=["top_*.root", "copy.root"])
    match = (
        rf"sample '{SAMPLE}': '.*top_1\.root' and '.*copy\.root' are copies of one file \(both have the UUID .*; take"
    )
    with pytest.raises(ConfigurationError, match=match):
        features(analysis, SAMPLE)
    for i in range(4):
        features_of_file(analysis, SAMPLE, i)
    with pytest.raises(ConfigurationError, match=match):
        join_features(analysis, SAMPLE)


def repeat(tmp_path, change):
    """Write a file with events of another, of which a column is changed."""
    with opened(tmp_path / "top_1.root") as file:
        events, runs = (
            {k: file[tree][k].array() for k in file[tree].keys() if not k.startswith("n")}  # noqa: SIM118
            for tree in ("Events", "Runs")
        )
    write_root(tmp_path / "again.root", {"Events": events | change(events), "Runs": runs})


def test_events_that_are_read_twice_are_told(make, tmp_path, caplog):
    repeat(tmp_path, lambda _: {})
    store = Store(own := make(files=["top_*.root", "again.root"]))
    features(own, SAMPLE)
    features(own, "xtt_m1000")
    tell_repeated(store.simulated())
    n = len(store.table(SAMPLE))
    (message,) = caplog.messages
    assert f"sample '{SAMPLE}': " in message
    assert f" of {n} selected events have the number (event_id in the profile) of another (first: row " in message
    assert "of them its features, too: they are read twice; look for files that overlap" in message
    (section,) = repeated_sections(store.simulated())
    found = repeated(store.table(SAMPLE))
    assert section.tables[0].rows == [[SAMPLE, str(n), str(found.repeated), str(found.alike)]]
    assert found.repeated == found.alike > 100
    ids = store.table(SAMPLE).event_id
    assert found.repeated == n - len(np.unique(ids))
    assert found.first == next(i for i in range(n) if ids[i] in ids[:i])


def test_a_production_that_numbers_its_jobs_alike_is_told_as_such(make, tmp_path, caplog):
    repeat(tmp_path, lambda events: {"MET_phi": -events["MET_phi"], "MET_pt": 1.2 * events["MET_pt"]})
    store = Store(own := make(files=["top_*.root", "again.root"]))
    features(own, SAMPLE)
    features(own, "xtt_m1000")
    tell_repeated(store.simulated())
    assert "but other features: a production that numbers its jobs alike" in caplog.text
    assert repeated(store.table(SAMPLE)).alike == 0
    caplog.clear()
    only = make()
    features(only, SAMPLE)
    tell_repeated(Store(only).simulated())
    assert not list(repeated_sections(Store(only).simulated()))
    assert not caplog.records


def changed(analysis, **changes):
    """Return the analysis with another catalogue."""
    return replace(analysis, catalogue=analysis.catalogue.model_copy(update=changes))


def with_data(analysis, name, file):
    """Add a sample of data."""
    more = analysis.catalogue[SAMPLE].model_copy(update={"files": (file,)})
    return changed(analysis, samples={**analysis.catalogue.samples, name: more})


def test_data_that_count_twice_are_refused(make, tmp_path):
    repeat(tmp_path, lambda _: {})
    twice = make(files=["top_*.root", "again.root"], kind="data")
    features(twice, SAMPLE)
    with pytest.raises(InputFileError, match=r"\d+ selected events of data have the number .* count twice; remove"):
        Store(twice).table(SAMPLE)
    both = with_data(make(kind="data"), "muons", "again.root")
    features(both, SAMPLE)
    features(both, "muons")
    Store(both).table("muons")
    store = Store(both)
    store.table(SAMPLE)
    match = rf"samples '{SAMPLE}' and 'muons' share the number \(event_id .*\) of \d+ selected events of data, and"
    with pytest.raises(InputFileError, match=match):
        store.table("muons")
    with pytest.raises(InputFileError, match=match):
        store.events("muons")  # the observable only
    (tmp_path / "rows.yaml").write_text("extends: nanoaod\nevent_id: []\n")
    rows = changed(twice, profile="rows.yaml")
    features(rows, SAMPLE)
    assert len(Store(rows).table(SAMPLE)) > 100
    assert not list(Store(rows).simulated())


def test_data_of_two_runs_with_the_same_numbers_are_told(make, tmp_path, caplog):
    (tmp_path / "number.yaml").write_text("extends: nanoaod\nevent_id: [event]\n")
    repeat(tmp_path, lambda events: {"run": events["run"] + 1, "Jet_pt": 1.1 * events["Jet_pt"]})
    one = changed(make(files=["top_*.root", "again.root"], kind="data"), profile="number.yaml")
    features(one, SAMPLE)
    table = Store(one).table(SAMPLE)
    number = len(table) - len(np.unique(table.event_id))
    assert number > 100
    own, but = "number (event_id in the profile)", "but not the features: runs or jobs that are numbered alike"
    told = f"sample '{SAMPLE}': {number} selected events of data have the {own} of another"
    assert caplog.messages == [f"{told}, {but}"]
    caplog.clear()
    two = with_data(changed(make(kind="data"), profile="number.yaml"), "muons", "again.root")
    store = Store(two)
    for name in (SAMPLE, "muons"):
        features(two, name)
        assert len(store.table(name)) > 100
    told = f"samples '{SAMPLE}' and 'muons' share the {own} of {number} selected events of data"
    assert caplog.messages == [f"{told}, {but}"]


def test_data_left_out_is_said_loudly(make, tmp_path, caplog):
    analysis = make(kind="data")
    (tmp_path / "top_2.root").write_bytes(b"")
    features(analysis, SAMPLE, skip_bad_files=True)
    assert "DATA LOST" in caplog.text
    meta = Store(analysis).metadata(SAMPLE)
    assert (meta["variations"], meta["sum_of_weights"]) == (["nominal"], 1.0)
    assert not Store(analysis).factors(SAMPLE)
    features(analysis, "xtt_m1000")
    (section,) = skipped_sections(Store(analysis))
    assert "luminosity is NOT corrected" in section.text[0]


def test_what_cannot_be_left_out(make, tmp_path):
    analysis = make(sum_of_weights=4500.0)
    (tmp_path / "top_0.root").write_bytes(b"nothing")
    with pytest.raises(InputFileError, match=r"cannot be left out, as sum_of_weights .* take it off files"):
        features(analysis, SAMPLE, skip_bad_files=True)
    analysis = make()
    for i in range(3):
        (tmp_path / f"top_{i}.root").write_bytes(b"nothing")
    with pytest.raises(InputFileError, match=rf"sample '{SAMPLE}': none of its files could be read \(.*top_0"):
        features(analysis, SAMPLE, skip_bad_files=True)


def test_a_skim_without_its_weights_is_refused_and_never_skipped(make, tmp_path):
    analysis = make()
    path = tmp_path / "top_1.root"
    with opened(path) as file:
        events = {k: file["Events"][k].array() for k in file["Events"].keys() if not k.startswith("n")}  # noqa: SIM118
    write_root(path, {"Events": {k: v[:500] for k, v in events.items()}})
    for skip in (False, True):
        with pytest.raises(InputFileError, match=r"top_1\.root: it does not carry the sum of weights .* write sum_of"):
            features(analysis, SAMPLE, skip_bad_files=skip)


def test_a_disk_that_recovers_is_waited_for(make, monkeypatch, caplog):
    analysis, calls = make(), []
    monkeypatch.setattr(inputs, "DELAYS", (0.0, 0.0))
    real = inputs.file_info

    def shaky(path, profile):
        calls.append(path)
        if len(calls) < 3:
            with readable(path):
                raise OSError(errno.EIO, "Input/output error")
        return real(path, profile)

    monkeypatch.setattr(inputs, "file_info", shaky)  # the outside world: a disk
    features(analysis, SAMPLE)
    assert len(calls) == 5
    assert "cannot be read now (Input/output error); try again later; trying again" in caplog.text
    calls.clear()
    monkeypatch.setattr(inputs, "DELAYS", (0.0,))
    with pytest.raises(UnreachableFileError, match=r"top_0\.root: cannot be read now"):
        features(analysis, SAMPLE)


class Quiet(http.server.SimpleHTTPRequestHandler):
    failures = 0

    def log_message(self, *arguments):
        pass

    def send_head(self):
        if type(self).failures > 0:
            type(self).failures -= 1
            self.send_error(503)
            return None
        found = super().send_head()
        asked = self.headers.get("Range")
        if found is None or not asked:
            return found
        first, last = (int(part) for part in asked.removeprefix("bytes=").split("-"))
        with found:
            found.seek(first)
            return io.BytesIO(found.read(last + 1 - first))

    def send_response(self, code, message=None):
        super().send_response(206 if code == 200 and self.headers.get("Range") else code, message)

    def send_header(self, keyword, value):
        asked = self.headers.get("Range")
        if keyword == "Content-Length" and asked:
            first, last = (int(part) for part in asked.removeprefix("bytes=").split("-"))
            super().send_header("Content-Range", f"bytes {first}-{last}/{value}")
            value = str(min(last + 1, int(value)) - first)
        super().send_header(keyword, value)


class Plain(http.server.SimpleHTTPRequestHandler):
    """The server of ``python -m http.server``, which knows no ranges and sends whole files."""

    def log_message(self, *arguments):
        pass


@pytest.fixture(params=[Quiet, Plain])
def server(tmp_path, request):
    """Serve a folder over HTTP; yields its address."""
    handler = functools.partial(request.param, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def test_files_over_http(make, server, monkeypatch, tmp_path):
    pytest.importorskip("aiohttp", reason="extra 'remote'")
    monkeypatch.setattr(inputs, "DELAYS", (0.0, 0.0, 0.0))
    local = make()
    features(local, SAMPLE)
    here = read_tree(feature_path(local, SAMPLE), "events")
    remote = make(files=[f"{server}/top_*.root"])
    assert remote.catalogue.files(SAMPLE) == [f"{server}/top_{i}.root" for i in range(3)]
    Quiet.failures = 2
    features(remote, SAMPLE)
    there = read_tree(feature_path(remote, SAMPLE), "events")
    assert all(here[k].tobytes() == there[k].tobytes() for k in here)
    assert Store(remote).metadata(SAMPLE)["files"][0]["bytes"] == Store(local).metadata(SAMPLE)["files"][0]["bytes"]
    sums = {f"{server}/top_{i}.root": adler32(tmp_path / f"top_{i}.root") for i in range(3)}
    features(make(files=list(sums), checksums=sums), SAMPLE)
    with pytest.raises(InputFileError, match=r"http://.*top_0\.root: it is not the file .* \(its checksum is adler32"):
        features(make(files=list(sums), checksums=dict.fromkeys(sums, "adler32:00000000")), SAMPLE)
    with pytest.raises(InputFileError, match=r"http://.*/none\.root: there is no such file; check the path"):
        features(make(files=[f"{server}/none.root"]), SAMPLE)


def test_compressions_without_their_package():
    with (
        pytest.raises(MissingExtraError, match=r"a\.root: to read it another package is needed \(xxhash\); pip"),
        readable(Path("a.root")),
    ):
        raise ImportError("xxhash")


def test_the_command_line(make, tmp_path, capfd):
    make()
    (tmp_path / "top_0.root").write_bytes(b"nothing")
    command = ["--quiet", "features", str(tmp_path), "--sample", SAMPLE]
    assert main(command) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "--skip-bad-files goes on without" in error
    for i in range(3):
        assert main([*command, "--file", str(i), "--skip-bad-files"]) == 0
    assert main([*command, "--join"]) == 0
    capfd.readouterr()
    assert main([*command, "--join", "--file", "1"]) == 2
    assert "give one of them" in capfd.readouterr().err
    assert main(["features", str(tmp_path), "--join"]) == 2
    assert "name it with --sample" in capfd.readouterr().err
    assert len(Store(Analysis.load(tmp_path)).metadata(SAMPLE)["files"]) == 2
    assert stage.TREE == "events"
