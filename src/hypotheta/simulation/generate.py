"""Generate a sample: its decays, one Pythia stream each, through the detector to the columns of an ntuple."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import awkward as ak
import numpy as np
from numpy.typing import NDArray

import hypotheta
from hypotheta.catalogue import Generation
from hypotheta.errors import ConfigurationError, InputFileError, NonFiniteError
from hypotheta.hashing import digest, seed_of
from hypotheta.simulation.backends import require
from hypotheta.simulation.detector import DetectorConfig
from hypotheta.simulation.leshouches import LesHouchesFile
from hypotheta.simulation.pythia import PythiaStream, Setting, inline_settings, read_card
from hypotheta.simulation.response import detect

__all__ = ["GeneratedSample", "decay_weights", "generate", "split_events"]

_LOG = logging.getLogger(__name__)

Column: TypeAlias = NDArray[Any] | ak.Array


@dataclass(frozen=True)
class GeneratedSample:
    """What `generate` makes; `ntuples.writing` puts it into a file.

    Args:
        columns: branches of the tree ``Events``, one entry an event.
        runs: branches of the tree ``Runs``, arrays of length 1: ``genEventSumw``, ``genEventCount``,
            ``cross_section_pb``, ``cross_section_error_pb``, ``jet_threshold_GeV``, ``seed``.
        metadata: the settings and their digest, versions, threshold.
    """

    columns: Mapping[str, Column]
    runs: Mapping[str, NDArray[Any]]
    metadata: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.columns["event"])


@dataclass(frozen=True)
class _DecayRun:
    """The events of one decay and the cross section of its stream."""

    columns: Mapping[str, Column]
    generator_weight: NDArray[np.float64]
    cross_section_pb: float
    cross_section_error_pb: float


@dataclass(frozen=True)
class _Job:
    """What all decays of a sample share."""

    sample_name: str
    seed: int
    n_decays: int
    chunk: int
    progress: Callable[[int], None] | None
    detector: DetectorConfig
    lhe: LesHouchesFile | None

    def run_decay(self, decay: int, settings: list[Setting], n: int) -> _DecayRun:
        stream = PythiaStream(
            settings,
            seed=seed_of(self.seed, self.sample_name, decay),
            where=self.sample_name,
            lhe=self.lhe.path if self.lhe else None,
        )
        smearing_seed = seed_of(self.seed, self.sample_name)
        chunks: list[Mapping[str, Column]] = []
        weights: list[NDArray[np.float64]] = []
        first = 0
        for batch in stream.batches(n, self.chunk):
            index = np.arange(first, first + len(batch), dtype=np.uint64)
            event = index * np.uint64(self.n_decays) + np.uint64(decay)
            chunks.append(
                {
                    "run": np.ones(len(batch), dtype=np.uint32),
                    "luminosityBlock": np.full(len(batch), decay + 1, dtype=np.uint32),
                    "event": event,
                    **detect(batch, event, seed=smearing_seed, config=self.detector),
                }
            )
            weights.append(ak.to_numpy(batch.info.weights[:, 0]))
            first += len(batch)
            if self.progress is not None:
                self.progress(len(batch))
        self._check_yield(first, n)
        return _DecayRun(_joined(chunks), np.concatenate(weights), *self._cross_section(stream))

    def _check_yield(self, made: int, wanted: int) -> None:
        """Tell of events of a Les Houches file that did not come out."""
        if made == wanted or self.lhe is None:
            return
        if not made:
            raise InputFileError(
                f"{self.lhe.path}: Pythia can use none of its {self.lhe.events} events; check the file"
            )
        reason = "unweighted by Pythia" if self.lhe.loses_events else "Pythia could not shower the others"
        _LOG.warning("%s: %d of %d events came out: %s", self.lhe.path, made, wanted, reason)

    def _cross_section(self, stream: PythiaStream) -> tuple[float, float]:
        """Return the cross section in pb and its error: a Les Houches file's own where its weights do not make it.

        Events that are vetoed, as by matching, take their part of it away.
        """
        if self.lhe is not None and self.lhe.cross_section_pb is not None and not self.lhe.loses_events:
            return (
                self.lhe.cross_section_pb * stream.acceptance,
                self.lhe.cross_section_error_pb * stream.acceptance,
            )
        return stream.cross_section()

    def runs_tree(self, runs: Sequence[_DecayRun], weight: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        return {
            # the sum of what is stored, float32 rounding included: Σw must be that of the branch
            "genEventSumw": np.array([weight.astype(np.float64).sum()]),
            "genEventCount": np.array([len(weight)], dtype=np.int64),
            "cross_section_pb": np.array([sum(r.cross_section_pb for r in runs)]),
            "cross_section_error_pb": np.array([np.hypot.reduce([r.cross_section_error_pb for r in runs])]),
            "jet_threshold_GeV": np.array([self.detector.jet_pt_min]),
            "seed": np.array([self.seed], dtype=np.uint64),
        }

    def metadata(self, settings: list[list[Setting]]) -> dict[str, str]:
        text = "\n\n".join("\n".join(setting.text for setting in lines) for lines in settings)
        return {
            "sample": self.sample_name,
            "settings": text,
            "card_sha256": digest(text.encode()),
            "pythia": version("pythia8mc"),
            "fastjet": version("fastjet"),
            "hypotheta": hypotheta.__version__,
            "detector": repr(self.detector),
            "jet_threshold_GeV": repr(self.detector.jet_pt_min),
            **({"lhe": self.lhe.path.name, "lhe_events": str(self.lhe.events)} if self.lhe else {}),
        }


def generate(
    sample_name: str,
    generation: Generation,
    *,
    sqrt_s_TeV: float,
    seed: int,
    events: int,
    chunk: int = 1000,
    progress: Callable[[int], None] | None = None,
    detector: DetectorConfig | None = None,
    base: Path = Path(),
) -> GeneratedSample:
    """Generate a sample with Pythia 8, FastJet and the parametric detector.

    The same seed gives the same events whatever the chunk size, and fewer events are the first ones of each decay
    (their weights differ, as the cross section of each decay is then less well known). An event's number is
    ``index in its decay · number of decays + decay``: unique in the sample, and it does not depend on ``events``.

    Args:
        sample_name: its name in the catalogue; part of every seed, so that no two samples share events.
        generation: card, settings and decays; settings win over the card, those of a decay over both.
        sqrt_s_TeV: centre-of-mass energy, TeV.
        seed: the run's seed, ≥ 0.
        events: number of events in the sample, split over the decays by their shares.
        chunk: events in memory at a time; about 150 kB each without multiparton interactions.
        progress: called with the number of new events after each chunk.
        detector: acceptance and resolutions; None for the default.
        base: folder that a relative card is relative to: the catalogue's.

    Returns:
        The sample. Σ genWeight = number of events: within it, decays have the mixture of their
        cross sections. ``cross_section_pb`` is their sum and contains the branching ratios of forced decays.

    Raises:
        ConfigurationError: for a setting that Pythia does not accept, or fewer events than decays.
        InputFileError: when the card or the Les Houches file cannot be read, or holds fewer events.
        NonFiniteError: when an event weight of that file is not finite, or they do not add up to a positive number.
        MissingExtraError: when pythia8mc or fastjet is not installed.
    """
    if seed < 0 or chunk < 1:
        raise ConfigurationError(f"the seed ({seed}) must be at least 0 and the chunk ({chunk}) at least 1")
    for package in ("pythia8mc", "fastjet"):
        require(package)
    settings = _settings(sample_name, generation, sqrt_s_TeV, base)
    counts = split_events(events, [decay.share for decay in generation.decays], sample_name)
    lhe = None if generation.lhe is None else LesHouchesFile.inspect(base / generation.lhe)
    if lhe is not None:
        lhe.check_energy(sqrt_s_TeV)
        if events > lhe.events:
            raise InputFileError(f"{lhe.path}: it holds {lhe.events} events, not {events}; lower 'generate.events'")
    job = _Job(sample_name, seed, len(counts), chunk, progress, detector or DetectorConfig(), lhe)
    runs = [job.run_decay(i, lines, n) for i, (lines, n) in enumerate(zip(settings, counts, strict=True))]
    for run in runs:
        if not (np.isfinite(run.generator_weight).all() and run.generator_weight.sum() > 0):
            total = run.generator_weight.sum()
            raise NonFiniteError(f"sample '{sample_name}': the event weights add up to {total:g}; correct its events")
    weights = decay_weights([r.generator_weight for r in runs], [r.cross_section_pb for r in runs])
    columns = _joined([r.columns for r in runs])
    columns["genWeight"] = np.concatenate(weights).astype(np.float32)
    return GeneratedSample(columns, job.runs_tree(runs, columns["genWeight"]), job.metadata(settings))


def split_events(events: int, shares: Sequence[float], sample_name: str) -> list[int]:
    """Split a number of events by shares (largest remainder), at least one each.

    Raises:
        ConfigurationError: when there are fewer events than shares.
    """
    if events < len(shares):
        raise ConfigurationError(
            f"sample '{sample_name}': {events} events cannot cover its {len(shares)} decays; ask for more events"
        )
    exact = np.array(shares) / sum(shares) * events
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: events - counts.sum()]] += 1
    while counts.min() == 0:
        counts[counts.argmax()] -= 1
        counts[counts.argmin()] += 1
    return [int(n) for n in counts]


def decay_weights(
    generator_weights: Sequence[NDArray[np.float64]], cross_sections_pb: Sequence[float]
) -> list[NDArray[np.float64]]:
    """Weight the events of several decays so that together they are the physical mixture.

    ``w = w_gen · σ_i/Σσ · n/Σ_i w_gen``: for unit generator weights ``σ_i·n / (n_i·Σσ)``. The weights sum to n.

    Args:
        generator_weights: the generator's own weights of the n_i events of each decay.
        cross_sections_pb: σ_i of each decay.
    """
    n = sum(len(w) for w in generator_weights)
    total = sum(cross_sections_pb)
    return [w * (s / total * n / w.sum()) for w, s in zip(generator_weights, cross_sections_pb, strict=True)]


def _settings(sample_name: str, generation: Generation, sqrt_s_TeV: float, base: Path) -> list[list[Setting]]:
    """Return the complete settings of each decay, but the seed."""
    where = f"sample '{sample_name}', generate"
    switch = "on" if generation.multiparton_interactions else "off"
    common = [
        *(read_card(base / generation.card) if generation.card else ()),
        *(Setting(text, where) for text in (f"Beams:eCM = {1000 * sqrt_s_TeV!r}", f"PartonLevel:MPI = {switch}")),
        *inline_settings(generation.settings, f"{where}.settings"),
    ]
    return [
        common + inline_settings(decay.settings, f"{where}.decays, number {i + 1}")
        for i, decay in enumerate(generation.decays)
    ]


def _joined(chunks: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
    """Concatenate columns, which are flat (numpy) or lists (awkward)."""

    def join(parts: list[Column]) -> Column:
        if isinstance(parts[0], ak.Array):
            return ak.to_packed(ak.concatenate(parts))
        return np.concatenate(parts)

    return {name: join([chunk[name] for chunk in chunks]) for name in chunks[0]}
