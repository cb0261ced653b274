"""Pythia 8: cards and settings in, batches of events and a cross section out.

One `PythiaStream` is one sequential generator with its own seed: its n-th event is the same however the events are
batched. Its hard processes are Pythia's own, or those of a Les Houches event file.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import awkward as ak

from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.simulation.backends import require

__all__ = ["PythiaStream", "Setting", "inline_settings", "read_card"]

_MB_TO_PB = 1e9
_MAX_SEED = 900_000_000  # the range of Pythia's generator of random numbers
_LES_HOUCHES = 9999  # Pythia's code of any process that comes from a file
_MAX_FAILURES = 100  # without an event in between

#: settings that have another home, by lower-cased name → where that is
_ELSEWHERE = {
    "beams:ecm": "'sqrt_s_TeV' in the catalogue",
    "beams:frametype": "'generate.lhe' in the catalogue",
    "beams:lhef": "'generate.lhe' in the catalogue",
    "partonlevel:mpi": "'multiparton_interactions' in the catalogue",
    "random:seed": "the run's seed",
    "random:setseed": "the run's seed",
}


@dataclass(frozen=True)
class Setting:
    """One line for Pythia, and where the user wrote it (for messages)."""

    text: str
    where: str

    @property
    def key(self) -> str:
        """Its name as Pythia compares it, in lower case."""
        return re.split(r"[=\s]", self.text, maxsplit=1)[0].lower()


def _checked(setting: Setting) -> Setting:
    if setting.key in _ELSEWHERE:
        raise ConfigurationError(
            f"{setting.where}: '{setting.text}' is decided by {_ELSEWHERE[setting.key]}; remove it here"
        )
    return setting


def read_card(path: Path) -> list[Setting]:
    """Read the settings of a Pythia card (``.cmnd``).

    As in Pythia, a line that does not start with a letter or digit is a comment, ``/*`` … ``*/`` enclose lines of
    comment, and ``!`` or ``#`` end a setting.

    Raises:
        InputFileError: when the card cannot be read.
        ConfigurationError: for a setting that is decided elsewhere (energy, seed, multiparton interactions).
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as err:
        raise InputFileError(f"{path}: there is no such card; check 'generate.card' in the catalogue") from err
    except (OSError, UnicodeDecodeError) as err:
        raise InputFileError(f"{path}: the card cannot be read as text ({err})") from err
    settings, in_comment = [], False
    for number, line in enumerate(lines, start=1):
        text = re.split(r"[!#]", line, maxsplit=1)[0].strip()
        in_comment = (in_comment or text.startswith("/*")) and not text.startswith("*/")
        if not in_comment and text[:1].isalnum():
            settings.append(_checked(Setting(text, f"{path}, line {number}")))
    return settings


def inline_settings(texts: Iterable[str], where: str) -> list[Setting]:
    """Turn settings written in a catalogue into `Setting`s; raises as `read_card` does."""
    return [_checked(Setting(text.strip(), where)) for text in texts]


class PythiaStream:
    """One Pythia instance: a sequence of events that depends on its settings and seed only.

    Args:
        settings: what the cards and the catalogue say, in this order; a later one wins.
        seed: any integer ≥ 0; it is folded to Pythia's range.
        where: the name of the sample, for messages.
        lhe: a Les Houches event file with the hard processes; None for those of the settings.

    Raises:
        ConfigurationError: for a setting that Pythia does not know, or settings that do not go together.
        MissingExtraError: when pythia8mc is not installed.
    """

    def __init__(self, settings: Iterable[Setting], *, seed: int, where: str, lhe: Path | None = None) -> None:
        # Pythia("", False): no banner; warn=False: the message is ours
        self._pythia = require("pythia8mc").Pythia("", False)
        self._where, self._lhe = where, lhe
        own = ("Print:quiet = on", "Random:setSeed = on", f"Random:seed = {1 + seed % _MAX_SEED}")
        for setting in [*settings, *(Setting(text, "hypotheta") for text in own)]:
            if not self._pythia.readString(setting.text, False):
                raise ConfigurationError(
                    f"{setting.where}: Pythia does not accept the setting '{setting.text}'; correct its name or value"
                )
        if lhe is not None:
            self._pythia.settings.mode("Beams:frameType", 4)
            self._pythia.settings.word("Beams:LHEF", str(lhe))  # readString would stop at a blank in the path
        if not self._pythia.init():
            check = "the card switches a process on, that its decays are open, and that its mass range is allowed"
            if lhe is not None:
                check = f"{lhe} has a cross section in its <init>, and that its particles are known to Pythia"
            raise ConfigurationError(f"sample '{where}': Pythia cannot start with these settings; check that {check}")

    def batches(self, n: int, chunk: int) -> Iterator[ak.Array]:
        """Yield the next ``n`` events, at most ``chunk`` at a time, as `pythia8mc.nextBatch` gives them.

        Events that Pythia gives up are left out and replaced, so that there are exactly ``n``; fewer only where a Les
        Houches file ends before.

        Raises:
            ConfigurationError: when Pythia fails all the time.
        """
        failures = 0
        while n > 0:
            wanted = min(n, chunk)
            batch = self._pythia.nextBatch(wanted, "skip")
            self._refuse_own_processes()
            failures = 0 if len(batch) else failures + wanted
            if failures > _MAX_FAILURES and not self._pythia.infoPython().atEndOfFile():
                raise ConfigurationError(f"sample '{self._where}': Pythia fails on every event; check its settings")
            n -= len(batch)
            if len(batch):
                yield batch
            if self._pythia.infoPython().atEndOfFile():
                return

    def _refuse_own_processes(self) -> None:
        """Refuse to mix processes that the settings switch on into those of a Les Houches file, as Pythia would."""
        own = [code for code in self._pythia.infoPython().codesHard() if code != _LES_HOUCHES]
        if self._lhe is not None and own:
            raise ConfigurationError(
                f"sample '{self._where}': its card or settings switch on processes of Pythia's own (code {own[0]}), "
                f"which would be mixed with those of {self._lhe}; remove them"
            )

    @property
    def acceptance(self) -> float:
        """The fraction of the events tried that were not vetoed, as matching and merging do."""
        info = self._pythia.infoPython()
        return float(info.nAccepted() / info.nTried()) if info.nTried() else 1.0

    def cross_section(self) -> tuple[float, float]:
        """Return the cross section and its statistical error in pb, as known from the events so far.

        It contains the branching ratios of decays that were forced open or closed, but not with a Les Houches file:
        then it is the file's, less what was vetoed.
        """
        info = self._pythia.infoPython()
        return info.sigmaGen() * _MB_TO_PB, info.sigmaErr() * _MB_TO_PB
