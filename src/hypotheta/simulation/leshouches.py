"""Les Houches event files: what a matrix-element generator wrote, checked before Pythia showers it.

Pythia reads the events themselves; here a file is looked at once, so that a broken one is refused in words, and for
what a sample needs to know beforehand: how many events there are, at which energy, with which cross section.
"""

import contextlib
import gzip
import itertools
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite, sqrt
from pathlib import Path

from hypotheta.errors import InputFileError

__all__ = ["LesHouchesFile"]

_SAME_ENERGY = 1e-4  # relative


@dataclass(frozen=True)
class LesHouchesFile:
    """What a Les Houches event file says of itself.

    Args:
        path: the file, plain or compressed (``.gz``).
        events: number of its events.
        sqrt_s_TeV: energy of its collisions.
        strategy: IDWTUP, the meaning of its weights: ±3 unit weights, ±4 weights whose mean is the cross section, ±1
            and ±2 weights that Pythia unweights, so that fewer events come out.
        cross_section_pb: the sum of XSECUP over its processes, None where it tells none.
        cross_section_error_pb: the error of that, XERRUP.

    References:
        J. Alwall et al., Comput. Phys. Commun. 176 (2007) 300, hep-ph/0609017; E. Boos et al., hep-ph/0109068.
    """

    path: Path
    events: int
    sqrt_s_TeV: float
    strategy: int
    cross_section_pb: float | None
    cross_section_error_pb: float

    @classmethod
    def inspect(cls, path: Path) -> "LesHouchesFile":
        """Look at a file.

        Raises:
            InputFileError: it is missing, is no Les Houches file, holds no event, or ends before its end.
        """
        try:
            with gzip.open(path, "rt", errors="replace") if path.suffix == ".gz" else path.open(errors="replace") as f:
                lines = (line.strip() for line in f)
                energy, strategy, sigma, error = _header(lines, path)
                events, complete = _count(lines)
        except FileNotFoundError as err:
            raise InputFileError(f"{path}: there is no such file; check 'generate.lhe' in the catalogue") from err
        except (OSError, EOFError, zlib.error) as err:
            if isinstance(err, InputFileError):
                raise
            raise InputFileError(f"{path}: cannot be read ({err}); copy it again") from err
        if not complete:
            raise InputFileError(f"{path}: it ends after {events} events without </LesHouchesEvents>; copy it again")
        if not events:
            raise InputFileError(f"{path}: it holds no event; take another file")
        return cls(path, events, energy / 1000, strategy, sigma if sigma > 0 else None, error)

    def check_energy(self, sqrt_s_TeV: float) -> None:
        """Refuse collisions of another energy than the catalogue's.

        Raises:
            InputFileError: with both energies.
        """
        if abs(self.sqrt_s_TeV - sqrt_s_TeV) > _SAME_ENERGY * sqrt_s_TeV:
            raise InputFileError(
                f"{self.path}: its collisions have {self.sqrt_s_TeV:g} TeV, the catalogue says sqrt_s_TeV: "
                f"{sqrt_s_TeV:g}; correct the catalogue, or take another file"
            )

    @property
    def loses_events(self) -> bool:
        """Whether Pythia unweights its events, so that fewer come out than it holds."""
        return abs(self.strategy) < 3


def _header(lines: Iterator[str], path: Path) -> tuple[float, int, float, float]:
    """Read up to the end of <init>; return energy in GeV, strategy, cross section and its error in pb."""
    first = next((line for line in lines if line), "")
    if "<LesHouchesEvents" not in first and not first.startswith("<?xml"):
        raise InputFileError(f"{path}: it is no Les Houches event file (no <LesHouchesEvents>); give one, or its .gz")
    for line in lines:
        if line.startswith("<init"):
            break
    block = [line.split() for line in itertools.takewhile(lambda line: not line.startswith("</init"), lines)]
    with contextlib.suppress(IndexError, ValueError, OverflowError):
        beams = block[0]
        energies, strategy, processes = [float(v) for v in beams[2:4]], int(beams[8]), int(beams[9])
        rows = [[float(v) for v in row[:2]] for row in block[1 : 1 + processes]]
        sigma, error = sum(row[0] for row in rows), sqrt(sum(row[1] ** 2 for row in rows))
        whole = len(rows) == processes > 0 and all(len(row) == 2 for row in rows)
        if whole and min(energies) > 0 and all(map(isfinite, (*energies, sigma, error))):
            return sqrt(4 * energies[0] * energies[1]), strategy, sigma, error
    raise InputFileError(f"{path}: its <init> block cannot be understood; write or copy the file again")


def _count(lines: Iterable[str]) -> tuple[int, bool]:
    """Return the number of whole events, and whether the file goes on to its end."""
    events = 0
    for line in lines:
        if line.startswith("</event>"):
            events += 1
        elif line.startswith("</LesHouchesEvents"):
            return events, True
    return events, False
