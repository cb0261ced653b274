"""From a stranger's ntuples to a first training in two commands, and on to limits."""

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml

from hypotheta.cli import main
from hypotheta.ntuples import load_profile, write_root
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.files import read_csv
from hypotheta.stages.inspection import inspect
from hypotheta.stages.roles import parse_role

SMALL = Path(__file__).parents[2] / "samples/small"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def foreign(path, sample, n, **changes):
    """Write a small sample as somebody else's tree, with units, names and shapes of their own."""
    with uproot.open(SMALL / f"{sample}.root") as file:
        tree = file["Events"]
        names = tree.keys()
        columns = {name: tree[name].array(entry_stop=n) for name in names if not name.startswith("n")}
    for name in [name for name in columns if name.endswith(("_pt", "_mass"))]:
        columns[name] = columns[name] * np.float32(1000)
    columns = {name: values for name, values in columns.items() if name not in changes.get("without", ())}
    write_root(path, {"Events": {k: v if v.ndim > 1 else ak.to_numpy(v) for k, v in columns.items()}})


def small_flat(path):
    """Write one flat file with signal of two masses and background, at three energy scales."""
    rng = np.random.default_rng(5)
    profile = load_profile("xtt")
    parts = []
    for target, mass in ((1, 500.0), (1, 1000.0), (0, 500.0)):
        n = 500 if target else 1500
        base = {name: rng.exponential(50, n) for name in profile.features}
        centre = rng.normal(mass, 60, n) if target else 250 + rng.exponential(350, n)
        for jes in (0.975, 1.0, 1.025):
            parts.append({**base, "mwwbb": centre * jes, "mx": np.full(n, mass), "jes": np.full(n, jes)})
            parts[-1]["target"] = np.full(n, target)
    columns = {name: np.concatenate([p[name] for p in parts]).astype(np.float32) for name in parts[0]}
    write_root(path, {"xtt": columns})


@pytest.mark.parametrize(
    ("weight", "told"),
    [
        (None, "not in the file (weight): each event counts 1, as the profile allows"),
        ("weight: w", "not in the file (w): right for data, refused for simulation"),
        ("weight: 1", "the profile names none: each event counts 1"),
        ("weight: mjj", ""),
    ],
)
def test_a_weight_that_is_not_there_is_shown(here, weight, told):
    small_flat(here / "flat.root")
    (here / "mine.yaml").write_text(f"extends: xtt\n{weight}\n")
    found = inspect(here / "flat.root", "xtt" if weight is None else str(here / "mine.yaml"))
    assert "".join(fact.value for fact in found.facts if fact.what == "weight") == told
    assert found.sound


def only_a_small_bdt(folder, name="parameterized_bdt"):
    path = folder / "analysis.yaml"
    config = yaml.safe_load(path.read_text())
    config["classifiers"] = {name: {"type": "bdt", "trees": 20}}
    config["limits"] = {"brazil": name}
    config["binning"]["min_effective_events"] = 5
    path.write_text(yaml.safe_dump(config))


def test_from_a_strangers_ntuples_to_a_training(here, capsys):
    for new, old in (("low", "xtt_m500"), ("high", "xtt_m1000"), ("top", "ttbar_mtt_0_500")):
        foreign(here / f"{new}.root", old, 1500)
    (here / "mev.yaml").write_text("extends: nanoaod\nunit: MeV\n")
    assert main(["inspect", "low.root"]) == 0
    assert "write 'unit: MeV' into the profile" in " ".join(capsys.readouterr().out.replace("│", " ").split())
    roles = ["--signal", "low.root:mass=500,sumw=file", "--signal", "high.root:mass=1000,sumw=file"]
    roles += ["--background", "t*p.root:xsec=500,sumw=1500"]
    assert main(["inspect", *roles, "--write", "mine"]) == 2
    assert "low.root: mend what is marked above, then write" in capsys.readouterr().err
    assert not (here / "mine").exists()
    assert main(["inspect", *roles, "--profile", "mev.yaml", "--write", "mine"]) == 0
    assert "Next: hypotheta train mine" in capsys.readouterr().out
    analysis = Analysis.load(here / "mine")
    assert analysis.catalogue.profile == "../mev.yaml"
    assert analysis.catalogue["top"].cross_section_pb == 500
    assert analysis.catalogue["low"].sum_of_weights == pytest.approx(1500, rel=0.02)
    only_a_small_bdt(here / "mine")
    assert main(["--plain", "train", "mine"]) == 0
    assert (here / "mine/results/models/parameterized_bdt").is_dir()
    assert main(["inspect", *roles, "--profile", "mev.yaml", "--write", "mine"]) == 2
    assert "mine: there is an analysis already; choose another folder" in capsys.readouterr().err


def test_from_one_flat_file_to_limits(here, capsys):
    small_flat(here / "all.root")
    roles = ["--signal", "all.root:sumw=file", "--background", "all.root:name=top,xsec=20,sumw=file"]
    assert main(["inspect", *roles, "--write", "mine"]) == 0
    assert "values of mass" in capsys.readouterr().out
    analysis = Analysis.load(here / "mine")
    assert list(analysis.catalogue.samples) == ["all_500", "all_1000", "top"]
    assert analysis.catalogue["top"].sum_of_weights == 1500
    assert analysis.config.parameters["jes"].grid == (0.975, 1.0, 1.025)
    assert analysis.config.observable.feature == "mwwbb"
    only_a_small_bdt(here / "mine")
    for verb in ("features", "train", "score", "templates", "limits"):
        assert main(["--plain", verb, "mine"]) == 0, capsys.readouterr().err
    rows = read_csv(here / "mine/results/tables/limits.csv")
    assert len(rows) == 4
    assert all(row["status"] == "ok" and float(row["expected_pb"]) > 0 for row in rows)


def test_what_is_not_known_is_said_and_not_made_up(here, capsys):
    foreign(here / "low.root", "xtt_m500", 400)
    foreign(here / "top.root", "ttbar_mtt_0_500", 400)
    (here / "mev.yaml").write_text("extends: nanoaod\nunit: MeV\n")
    command = ["inspect", "--signal", "low.root:mass=500", "--background", "top.root", "--profile", "mev.yaml"]
    assert main([*command, "--write", "mine"]) == 0
    out = capsys.readouterr().out
    assert "fill in  top: its cross section in pb" in out
    assert "fill in  top: Σw of all generated events" in out
    assert main(["--plain", "features", "mine"]) == 2
    assert "sum of weights of all generated events" in capsys.readouterr().err


def test_near_misses_and_duplicates_are_told(here, capsys):
    foreign(here / "a.root", "xtt_m500", 200, without=("Jet_mass",))
    assert main(["inspect", "a.root"]) == 2
    assert "no profile fits; the nearest is 'nanoaod', which lacks jets.mass: Jet_mass" in capsys.readouterr().err
    for name in ("b", "c"):
        (here / f"{name}.root").write_bytes((SMALL / "xtt_m500.root").read_bytes())
    assert main(["inspect", "b.root", "c.root"]) == 0
    assert "1,800 events appear in more than one of b.root, c.root" in " ".join(capsys.readouterr().out.split())


def test_a_file_without_events_is_told(here, capsys):
    foreign(here / "a.root", "xtt_m500", 0)
    assert main(["inspect", "a.root"]) == 0
    assert "✗ 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a file to look into"),
        (["nothing.root"], "nothing.root: there is no such file; check the path"),
        (["--signal", "x*.root:mass=5"], "x*.root: no file matches; check the path"),
        (["--signal", "b.root:mass=heavy"], "mass=heavy is no number"),
        (["--signal", "b.root:mass=5,"], "there is no background; say which file it is, --background FILE"),
        (["--background", "b.root:mass=5"], "only a signal has mass"),
        (["--background", "b.root:xsec="], "'xsec=' is no key=value"),
        (["--background", "b.root:xsec=5"], "there is no signal; say which file it is, --signal FILE"),
        (["--signal", "b.root", "--background", "b.root"], "two samples are called 'b'"),
        (["--signal", "b.root:mass=5", "--background", "b.root"], "two samples are called 'b'"),
        (
            ["--signal", "b.root:mass=5", "--signal", "b.root:width=5", "--background", "b.root"],
            "signals have different parameters",
        ),
        (["memory://nowhere/b.root"], "memory://nowhere/b.root: there is no such file; check the path"),
        (["memory://b*.root"], "memory://b*.root: no file matches; check the address"),
        (["b.root", "--profile", "nanoad"], "there is no profile 'nanoad'; did you mean 'nanoaod'?"),
    ],
)
def test_mistakes_are_one_line(here, capsys, arguments, message):
    (here / "b.root").write_bytes((SMALL / "xtt_m500.root").read_bytes())
    assert main(["inspect", *arguments, "--write", "mine"]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (here / "mine").exists()


def test_files_behind_urls(here, capsys):
    memory = pytest.importorskip("fsspec").filesystem("memory")
    for name in ("xtt_m500", "ttbar_mtt_0_500"):
        memory.pipe(f"/far/{name}.root", (SMALL / f"{name}.root").read_bytes())
    roles = ["--signal", "memory://far/x*.root:mass=500", "--background", "memory://far/ttbar_mtt_0_500.root:xsec=8"]
    assert main(["inspect", "memory://far/*.root", *roles, "--write", "mine"]) == 0
    assert "1,800" in capsys.readouterr().out
    catalogue = Analysis.load(here / "mine").catalogue
    assert catalogue.files("xtt_m500") == ["memory://far/xtt_m500.root"]
    assert catalogue.files("ttbar_mtt_0_500") == ["memory://far/ttbar_mtt_0_500.root"]


@pytest.mark.parametrize("url", ["root://h:1094//x_500.root", "https://h:80/d/x_500.root?key=a=b"])
def test_a_url_is_told_from_what_is_said_of_it(url):
    plain, said = parse_role("data", url), parse_role("signal", f"{url}:mass=500")
    assert plain.files == said.files == (url,)
    assert (plain.name, said.name, said.theta) == ("x_500", "x_500", {"mass": 500.0})


def test_roles_with_names_and_several_files():
    role = parse_role("background", f"{SMALL}/ttbar_mtt_0_500.root,{SMALL}/single_top_s.root:name=14 TeV,process=top")
    assert (role.name, role.process, len(role.files)) == ("s_14_TeV", "top", 2)


def test_init_writes_an_analysis_that_loads(here, capsys):
    assert main(["init", "new"]) == 0
    assert [p.slug for p in Analysis.load(here / "new").hypotheses] == ["mass_500", "mass_1000"]
    assert main(["features", "new"]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert main(["init", "new"]) == 2
    assert "there is an analysis already" in capsys.readouterr().err


def table(path, kind, n, *, names=("x", "z"), tree="t", seed=1, **more):
    """Write a table of features as a stranger would: one file a sample."""
    rng = np.random.default_rng(seed)
    shift = {"signal": 1.0, "background": 0.0}[kind]
    columns = {name: rng.normal(shift, 1, n).astype(np.float32) for name in names}
    write_root(path, {tree: {**columns, **{k: np.broadcast_to(v, n) for k, v in more.items()}}})


def words_of(capsys):
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_a_stranger_is_given_a_profile_to_correct(here, capsys):
    for name, mass in (("low", 500.0), ("high", 800.0), ("top", None)):
        table(here / f"{name}.root", "signal" if mass else "background", 900, seed=len(name), w=np.float32(0.5))
    command = ["inspect", "--signal", "low.root:mass=500,sumw=file", "--signal", "high.root:mass=800,sumw=file"]
    command += ["--background", "top.root:xsec=5,sumw=file"]
    assert main(["inspect", "low.root"]) == 2
    printed = capsys.readouterr()
    assert "features: # remove what a classifier should not see\n  x: x\n  z: z\n" in printed.out
    assert "above is a guess of one: correct it, write it to a file, and go on with --profile mine.yaml" in printed.err
    assert main([*command, "--write", "mine"]) == 2
    assert "a guess of one was written to mine.yaml: correct it, and go on with --profile mine.yaml" in (
        capsys.readouterr().err
    )
    assert not (here / "mine").exists()
    guess = (here / "mine.yaml").read_text()
    (here / "mine.yaml").write_text(guess + "# mine now\n")
    assert main([*command, "--write", "mine"]) == 2  # what was corrected is not written over
    assert "go on with --profile mine.yaml" in capsys.readouterr().err
    assert (here / "mine.yaml").read_text().endswith("# mine now\n")
    assert main([*command, "--write", "mine", "--profile", "mine.yaml"]) == 0
    analysis = Analysis.load(here / "mine")
    assert analysis.catalogue["top"].sum_of_weights == 450  # without a class all rows are the sample's
    only_a_small_bdt(here / "mine")
    assert main(["--plain", "train", "mine"]) == 0, capsys.readouterr().err


def test_no_guess_where_there_is_nothing_to_guess_from(here, capsys):
    write_root(here / "a.root", {"t": {"event": np.arange(5)}})
    assert main(["inspect", "a.root"]) == 2
    assert "no profile fits, and none comes near: its names are its own; write a profile" in capsys.readouterr().err


def test_signals_without_a_parameter_go_to_one_limit(here, capsys):
    (here / "flat.yaml").write_text("level: features\ntree: t\nfeatures: {x: x, z: z}\n")
    table(here / "s.root", "signal", 1500, seed=2)
    table(here / "b.root", "background", 3000)
    command = ["inspect", "--signal", "s.root:sumw=file", "--background", "b.root:xsec=5,sumw=file"]
    assert main([*command, "--write", "mine", "--profile", "flat.yaml"]) == 0
    config = yaml.safe_load((here / "mine/analysis.yaml").read_text())
    assert list(config["classifiers"]) == ["network", "bdt"]
    assert config["parameters"] == {}
    only_a_small_bdt(here / "mine", "bdt")
    for verb in ("features", "train", "score", "templates", "limits"):
        assert main(["--plain", verb, "mine"]) == 0, capsys.readouterr().err
    rows = read_csv(here / "mine/results/tables/limits.csv")
    assert [row["status"] for row in rows] == ["ok", "ok"]
    assert main([*command, "--signal", "s.root:name=s2,sumw=file", "--write", "one", "--profile", "flat.yaml"]) == 0
    assert "fill in  s and s2: nothing, if they are one signal together; else" in capsys.readouterr().out
    command[2:2] = ["s.root:mass=5,name=other", "--signal"]
    assert main([*command, "--write", "two", "--profile", "flat.yaml"]) == 2
    assert "signals have different parameters; give all the same, as mass=500 and mass=750 (s has none" in (
        capsys.readouterr().err
    )


def test_rows_with_several_parameters_need_their_hypothesis(here, capsys):
    (here / "flat.yaml").write_text("level: features\ntree: t\nfeatures: {x: x}\nparameters: {mass: m, width: g}\n")
    for name in ("s", "b"):
        table(here / f"{name}.root", "signal", 30, m=1.0, g=2.0)
    command = ["inspect", "--signal", "s.root", "--background", "b.root", "--profile", "flat.yaml", "--write", "mine"]
    assert main(command) == 2
    assert "its rows have several parameters; give the hypothesis, as in --signal s.root:mass=1,width=1" in (
        capsys.readouterr().err
    )


def test_data_need_no_class(here, capsys):
    (here / "flat.yaml").write_text("level: features\ntree: t\nfeatures: {x: x, z: z}\ntarget: label\n")
    table(here / "s.root", "signal", 60, label=1)
    table(here / "b.root", "background", 60, label=0)
    table(here / "d.root", "background", 60)
    command = ["inspect", "--signal", "s.root:sumw=file", "--background", "b.root:xsec=5,sumw=file"]
    assert main([*command, "--data", "d.root", "--profile", "flat.yaml", "--write", "mine"]) == 0
    capsys.readouterr()
    assert main(["--plain", "features", "mine"]) == 0, capsys.readouterr().err
    with uproot.open(here / "mine/results/features/d.root") as file:
        assert file["events"].num_entries == 60
    assert main(["inspect", "--signal", "d.root", "--background", "b.root", "--profile", "flat.yaml"]) == 0
    assert "missing target ✗ label" in words_of(capsys)


def test_a_hypothesis_that_no_row_has_is_refused(here, capsys):
    (here / "flat.yaml").write_text("level: features\ntree: t\nfeatures: {x: x}\nparameters: {mass: m}\n")
    for name, kind in (("s", "signal"), ("b", "background")):
        table(here / f"{name}.root", kind, 60, m=np.repeat([500.0, 750.0], 30))
    command = ["inspect", "--background", "b.root", "--profile", "flat.yaml", "--write", "mine", "--signal"]
    assert main([*command, "s.root:mass=505"]) == 2
    assert "s.root: no signal row has mass=505; its values are: 500, 750" in capsys.readouterr().err
    assert main([*command, "s.root:mass=500"]) == 0


def test_flat_files_say_how_many_rows_were_read_what_is_missing_and_what_is_double(here, capsys):
    (here / "flat.yaml").write_text("level: features\ntree: t\nfeatures: {x: x, z: z}\nsentinels: [-9]\n")
    rng = np.random.default_rng(1)
    columns = {name: rng.normal(size=4000) for name in ("x", "z")}
    columns["x"][::2] = np.nan
    columns["x"][1] = -9
    write_root(here / "a.root", {"t": columns})
    write_root(here / "b.root", {"t": {k: np.concatenate([v[:50], v[:10]]) for k, v in columns.items()}})
    assert main(["inspect", "a.root", "--profile", "flat.yaml", "--events", "400"]) == 0
    out = words_of(capsys)
    assert "events read 400 of 4,000" in out
    assert "x is missing in 201 of 400 rows (NaN or a sentinel): it is optional" in out
    assert main(["inspect", "a.root", "b.root", "--profile", "flat.yaml"]) == 0
    out = words_of(capsys)
    assert "rows that appear twice 10: are they the same events?" in out
    assert "50 events appear in more than one of a.root, b.root" in out
    table(here / "s.root", "signal", 500, seed=3)
    command = ["inspect", "--signal", "s.root:mass=1,sumw=file", "--background", "a.root:xsec=5,sumw=file"]
    assert main([*command, "--profile", "flat.yaml", "--write", "mine"]) == 0
    code = Analysis.load(here / "mine").code
    assert [(spec.name, spec.optional) for spec in code.FEATURES] == [("x", True), ("z", False)]
    assert Analysis.load(here / "mine").config.observable.feature == "z"


def test_nan_in_objects_is_counted_by_branch(here, capsys):
    foreign(here / "a.root", "xtt_m500", 300)
    with uproot.open(here / "a.root") as file:
        columns = {name: file["Events"][name].array() for name in file["Events"].keys() if name[0] != "n"}  # noqa: SIM118
    columns["MET_pt"] = np.where(np.arange(300) % 100 == 0, np.nan, ak.to_numpy(columns["MET_pt"])).astype("f4")
    columns["Jet_eta"] = columns["Jet_eta"] * np.float32("nan")
    write_root(here / "b.root", {"Events": {k: v if v.ndim > 1 else ak.to_numpy(v) for k, v in columns.items()}})
    (here / "mev.yaml").write_text("extends: nanoaod\nunit: MeV\n")
    assert main(["inspect", "b.root", "--profile", "mev.yaml"]) == 0
    out = words_of(capsys)
    assert "NaN or infinite: MET_pt ✗ 3 of 300 values" in out
    assert "NaN or infinite: Jet_eta" in out


def test_one_file_of_many_may_be_empty_but_not_all_of_a_sample(here, capsys):
    foreign(here / "low.root", "xtt_m500", 300)
    for i, n in enumerate((0, 300, 0, 200)):
        foreign(here / f"top_{i}.root", "ttbar_mtt_0_500", n)
    (here / "mev.yaml").write_text("extends: nanoaod\nunit: MeV\n")
    command = ["inspect", "--signal", "low.root:mass=500,sumw=file", "--profile", "mev.yaml", "--background"]
    assert main([*command, "top_*.root:name=top,xsec=5,sumw=file", "--write", "mine"]) == 0
    out = capsys.readouterr().out
    assert "top_2.root  [mev.yaml]  ✗ events: 0" in out
    assert main(["--plain", "features", "mine"]) == 0, capsys.readouterr().err
    assert main([*command, "top_0.root,top_2.root:xsec=5,sumw=file", "--write", "other"]) == 2
    assert "--background top_0.root: there are no events in it; leave it out" in capsys.readouterr().err


def test_without_event_numbers_duplicates_are_not_known(here, capsys):
    foreign(here / "a.root", "xtt_m500", 50)
    (here / "mev.yaml").write_text("extends: nanoaod\nunit: MeV\nevent_id: []\n")
    assert main(["inspect", "a.root", "a.root", "--profile", "mev.yaml"]) == 0
    assert "events that appear twice not known: the profile names no event_id" in words_of(capsys)
