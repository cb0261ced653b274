"""Cards and streams: what is read, what is refused, and with which words."""

import sys

import pytest

from hypotheta.errors import ConfigurationError, InputFileError, MissingExtraError
from hypotheta.simulation.backends import require
from hypotheta.simulation.pythia import PythiaStream, Setting, inline_settings, read_card


def card(tmp_path, text):
    path = tmp_path / "a.cmnd"
    path.write_text(text)
    return path


def test_cards_are_read_as_pythia_reads_them(tmp_path):
    path = card(tmp_path, "! comment\n\nTop:gg2ttbar = on  ! why\n/*\n6:m0 = 1\n*/\n24:onIfAny = 11 13 # e, mu\n")
    assert read_card(path) == [
        Setting("Top:gg2ttbar = on", f"{path}, line 3"),
        Setting("24:onIfAny = 11 13", f"{path}, line 7"),
    ]


def test_missing_and_unreadable_cards(tmp_path):
    with pytest.raises(InputFileError, match=r"nowhere\.cmnd: there is no such card; check 'generate\.card'"):
        read_card(tmp_path / "nowhere.cmnd")
    (tmp_path / "binary.cmnd").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputFileError, match="cannot be read as text"):
        read_card(tmp_path / "binary.cmnd")


@pytest.mark.parametrize(
    ("text", "home"),
    [
        ("Beams:eCM = 13000.", "sqrt_s_TeV"),
        ("random:SEED=3", "the run's seed"),
        ("PartonLevel:MPI off", "multiparton_interactions"),
    ],
)
def test_settings_that_are_decided_elsewhere_are_refused(tmp_path, text, home):
    with pytest.raises(ConfigurationError, match=rf"a\.cmnd, line 1: .* decided by .*{home}.*; remove it here"):
        read_card(card(tmp_path, text))
    with pytest.raises(ConfigurationError, match=r"generate: .*; remove it here"):
        inline_settings([text], "sample 'x', generate")


def test_a_missing_extra_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pythia8mc", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r"pip install 'hypotheta\[simulation\]'"):
        require("pythia8mc")


class TestWithPythia:
    @pytest.fixture(autouse=True)
    def _needs_pythia(self):
        pytest.importorskip("pythia8mc", reason="pythia8mc has no wheel here")

    @pytest.mark.parametrize("text", ["Top:gg2tbar = on", "Beams:idA = proton"])
    def test_an_unknown_setting_is_named_with_its_line(self, text, capfd):
        with pytest.raises(ConfigurationError, match=rf"b\.cmnd, line 7: Pythia does not accept the setting '{text}'"):
            PythiaStream([Setting(text, "b.cmnd, line 7")], seed=1, where="x")
        assert capfd.readouterr() == ("", "")

    def test_settings_that_do_not_go_together(self, capfd):
        with pytest.raises(ConfigurationError, match="sample 'x': Pythia cannot start with these settings"):
            PythiaStream([Setting("Top:gg2ttbar = on", ""), Setting("PhaseSpace:mHatMin = 1e6", "")], seed=1, where="x")
        assert capfd.readouterr().out.count("\n") <= 2

    def test_pythia_that_always_fails_is_an_error(self):
        settings = [
            Setting(text, "")
            for text in ("Top:gg2ttbar = on", "PartonLevel:MPI = off", "HadronLevel:all = off", "Check:epTolErr = 0.")
        ]
        stream = PythiaStream(settings, seed=1, where="x")
        with pytest.raises(ConfigurationError, match="sample 'x': Pythia fails on every event"):
            list(stream.batches(120, 120))
