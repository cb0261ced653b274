"""Les Houches files: a small one of Pythia goes through the whole simulation; broken ones are told in words."""

import gzip
import logging
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from hypotheta.catalogue import Catalogue, Generation
from hypotheta.errors import ConfigurationError, InputFileError, NonFiniteError
from hypotheta.ntuples import file_info, load_profile, read_events, read_metadata
from hypotheta.simulation import LesHouchesFile
from hypotheta.simulation import generate as simulate
from hypotheta.simulation.pythia import inline_settings
from hypotheta.stages.generate import generate, generation_digest

CARD = Path(__file__).parents[2] / "samples/cards/leshouches.cmnd"
EVENTS = 40
SIGMA = 0.5  # pb, written into the file by hand
INIT = "  2212  2212  7.000000e+03  7.000000e+03  0  0  0  0  {strategy}  1\n  {sigma}  1.0e-02  1.0  9999\n"


def text(events, *, strategy=3, sigma=SIGMA):
    init = INIT.format(strategy=strategy, sigma=sigma)
    return f'<LesHouchesEvents version="1.0">\n<init>\n{init}</init>\n{events}</LesHouchesEvents>\n'


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Return the event blocks of gg → tt̄H, decays left to whoever reads them, as Pythia writes them."""
    pythia8mc = pytest.importorskip("pythia8mc", reason="pythia8mc has no wheel here")
    pytest.importorskip("fastjet", reason="fastjet has no wheel here")
    pythia = pythia8mc.Pythia("", False)
    off = ("ProcessLevel:resonanceDecays=off", "PartonLevel:all=off", "HadronLevel:all=off", "Print:quiet=on")
    for line in ("HiggsSM:gg2Httbar=on", "Beams:eCM=14000", "Random:setSeed=on", "Random:seed=7", *off):
        assert pythia.readString(line)
    assert pythia.init()
    path = tmp_path_factory.mktemp("lhe") / "written.lhe"
    writer = pythia8mc.LHAupFromPYTHIA8(pythia.process, pythia.infoPython())
    writer.openLHEF(str(path))
    writer.setInit()
    writer.initLHEF()
    for _ in range(EVENTS):
        assert pythia.next()
        writer.setEvent()
        writer.eventLHEF()
    writer.closeLHEF(False)
    whole = path.read_text()
    return whole[whole.index("<event>") : whole.index("</LesHouchesEvents>")]


@pytest.fixture
def lhe(tmp_path, events):
    def write(name="my events.lhe", **init):
        path = tmp_path / name
        path.write_text(text(events, **init))
        return path

    return write


def run(path, **options):
    generation = {"lhe": path, "card": CARD, "settings": ("25:onMode = off", "25:onIfMatch = 5 -5")}
    generation |= options.pop("generation", {})
    options = {"sqrt_s_TeV": 14.0, "seed": 1, "events": EVENTS} | options
    return simulate("tth", Generation(**generation), **options)


def test_what_a_file_says_of_itself(lhe):
    found = LesHouchesFile.inspect(lhe())
    assert (found.events, found.sqrt_s_TeV, found.strategy, found.loses_events) == (EVENTS, 14.0, 3, False)
    assert (found.cross_section_pb, found.cross_section_error_pb) == (SIGMA, 0.01)
    assert LesHouchesFile.inspect(lhe(sigma=0.0)).cross_section_pb is None
    assert LesHouchesFile.inspect(lhe(strategy=-1)).loses_events


def test_events_of_a_file_go_through_the_detector(lhe):
    sample = run(lhe())
    assert len(sample) == EVENTS
    assert sample.columns["event"].tolist() == list(range(EVENTS))
    assert sample.columns["genWeight"] == pytest.approx(np.ones(EVENTS))
    # forced decays do not change the cross section of the file
    assert sample.runs["cross_section_pb"].item() == SIGMA
    assert sample.metadata["lhe"] == "my events.lhe"
    assert str(lhe().parent) not in "".join(sample.metadata.values())
    # four b quarks an event: most leave a b jet
    b_jets = ak.sum((sample.columns["Jet_hadronFlavour"] == 5) & (abs(sample.columns["Jet_eta"]) < 2.5), axis=1)
    assert 2.8 < ak.mean(b_jets) < 4.2


def test_its_events_do_not_depend_on_chunks_or_compression(lhe, events, tmp_path):
    one = run(lhe(), events=23)
    compressed = tmp_path / "x.lhe.gz"
    compressed.write_bytes(gzip.compress(text(events).encode()))
    two = run(compressed, events=23, chunk=7)
    for name in one.columns:
        assert ak.array_equal(one.columns[name], two.columns[name]), name


def test_weighted_events_keep_their_weights(events, tmp_path):
    weights = [0.9, 0.5, -0.2, 0.8]
    blocks = events.split("<event>\n")[1:]
    lines = [block.split(maxsplit=3) for block in blocks]
    weighted = "".join(f"<event>\n{n} {p} {weights[i % 4]} {rest}" for i, (n, p, _, rest) in enumerate(lines))
    path = tmp_path / "weighted.lhe"
    path.write_text(text(weighted, strategy=-4))
    sample = run(path)
    expected = np.resize(weights, EVENTS) / 0.5  # they sum to the number of events
    assert sample.columns["genWeight"] == pytest.approx(expected, rel=1e-5)
    assert sample.runs["cross_section_pb"].item() == SIGMA
    path.write_text(text(weighted, strategy=-4, sigma=0.0))  # then it is the mean weight
    assert run(path).runs["cross_section_pb"].item() == pytest.approx(0.5)
    path.write_text(text(weighted.replace("0.9", "-9.9"), strategy=-4))
    with pytest.raises(NonFiniteError, match=r"sample 'tth': the event weights add up to -[0-9.]+; correct its events"):
        run(path)


def test_events_that_pythia_cannot_use_are_told(events, tmp_path, caplog):
    blocks = events.split("<event>\n")[1:]
    spoilt = blocks[3].replace("1.000000e+00", "nan", 1)  # its weight
    path = tmp_path / "x.lhe"
    path.write_text(text("".join(f"<event>\n{block}" for block in [*blocks[:3], spoilt, *blocks[4:]])))
    with caplog.at_level(logging.WARNING):
        sample = run(path)
    assert len(sample) == EVENTS - 1
    assert f"{EVENTS - 1} of {EVENTS} events came out: Pythia could not shower the others" in caplog.text
    path.write_text(text(f"<event>\n{spoilt}"))
    with pytest.raises(InputFileError, match=r"x\.lhe: Pythia can use none of its 1 events; check the file"):
        run(path, events=1)


def test_more_events_than_there_are(lhe):
    with pytest.raises(InputFileError, match=rf"it holds {EVENTS} events, not 41; lower 'generate.events'"):
        run(lhe(), events=41)


def test_another_energy(lhe):
    with pytest.raises(InputFileError, match=r"have 14 TeV, the catalogue says sqrt_s_TeV: 13\.6; correct the catalog"):
        run(lhe(), sqrt_s_TeV=13.6)


def test_no_cross_section_and_unit_weights(lhe):
    path = lhe(sigma=0.0)
    with pytest.raises(ConfigurationError, match=r"Pythia cannot start .* has a cross section in its <init>"):
        run(path)


def test_processes_of_pythias_own_are_not_mixed_in(lhe):
    with pytest.raises(
        ConfigurationError, match=r"sample 'tth': its card .*own \(code 601\), .*my events\.lhe; remove"
    ):
        run(lhe(), generation={"settings": ("Top:gg2ttbar = on",)})


BLOCK = "<event>\n</event>\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no Les Houches event file"),
        ("root\x00\xff", "no Les Houches event file"),
        ("<LesHouchesEvents>\n", "its <init> block cannot be understood"),
        (text(BLOCK).replace("7.000000e+03", "nan", 1), "its <init> block cannot be understood"),
        (text(BLOCK).replace("7.000000e+03", "-7e3", 1), "its <init> block cannot be understood"),
        (text(BLOCK).replace("  3  1\n", "  3  2\n"), "its <init> block cannot be understood"),
        (text(BLOCK).replace("2212  2212", "2212"), "its <init> block cannot be understood"),
        (text(""), "it holds no event; take another"),
        (text(BLOCK).removesuffix("</LesHouchesEvents>\n"), "it ends after 1 events without </LesHouchesEvents>"),
    ],
)
def test_broken_files(tmp_path, content, words):
    path = tmp_path / "broken.lhe"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(InputFileError, match=rf"broken\.lhe: .*{words}"):
        LesHouchesFile.inspect(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputFileError, match=r"no\.lhe: there is no such file; check 'generate\.lhe'"):
        LesHouchesFile.inspect(tmp_path / "no.lhe")
    broken = tmp_path / "broken.lhe.gz"
    for content in (b"no gzip", gzip.compress(text(BLOCK).encode())[:-12], b"\x1f\x8b\x08\x00" + 40 * b"\xff"):
        broken.write_bytes(content)
        with pytest.raises(InputFileError, match=r"broken\.lhe\.gz: cannot be read .*; copy it again"):
            LesHouchesFile.inspect(broken)


def test_what_a_catalogue_may_say():
    assert Generation(lhe="x.lhe").events is None
    with pytest.raises(ValueError, match="give a card and the number of events, or an lhe file"):
        Generation(card="x.cmnd")
    with pytest.raises(ValueError, match="with an lhe file a decay has no cross section of its own"):
        Generation(lhe="x.lhe", decays=({"settings": ()}, {"settings": ()}))
    for setting in ("Beams:LHEF = x.lhe", "Beams:frameType = 4"):
        with pytest.raises(ConfigurationError, match=r"decided by 'generate\.lhe' in the catalogue"):
            inline_settings([setting], "here")


def test_from_the_catalogue_to_an_ntuple(lhe, tmp_path):
    lhe()
    (tmp_path / "samples.yaml").write_text(
        "sqrt_s_TeV: 14\n"
        "processes: {tth: {label: ttH}}\n"
        "samples:\n"
        "  tth:\n"
        "    {process: tth, kind: signal, cross_section_pb: generator, generate: {lhe: my events.lhe}}\n"
    )
    catalogue = Catalogue.load(tmp_path / "samples.yaml")
    path = generate(catalogue, "tth", events_scale=0.25)
    profile = load_profile("nanoaod")
    info = file_info(path, profile)
    assert (info.n_events, info.cross_section_pb, info.sum_of_weights) == (10, SIGMA, 10.0)
    assert sum(len(chunk) for chunk in read_events(path, profile)) == 10
    assert read_metadata(path)["lhe_events"] == str(EVENTS)
    # more than there is cannot be had; another file is another sample
    assert file_info(generate(catalogue, "tth", events_scale=3), profile).n_events == EVENTS
    before = generation_digest(catalogue, "tth", 1.0)
    lhe(sigma=0.6)
    assert generation_digest(catalogue, "tth", 1.0) != before
