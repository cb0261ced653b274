"""`hypotheta generate`: cards → ntuples."""

import json
from collections.abc import Iterable
from pathlib import Path

from hypotheta.catalogue import Catalogue, Generation
from hypotheta.errors import ConfigurationError
from hypotheta.hashing import digest
from hypotheta.ntuples import file_info, load_profile, read_metadata, write_root
from hypotheta.simulation import LesHouchesFile
from hypotheta.simulation import generate as simulate
from hypotheta.stages.files import Provenance, file_digest, make_folder, write_json
from hypotheta.stages.progress import progress
from hypotheta.stages.unchanged import MANIFEST, forget

__all__ = ["generate", "generate_named", "generation_digest", "write_manifest"]


def generate(
    catalogue: Catalogue,
    name: str,
    *,
    events_scale: float = 1.0,
    seed: int | None = None,
    out: Path | None = None,
    chunk: int = 1000,
    threads: int = 1,
) -> Path:
    """Generate one sample: Pythia 8 → FastJet → parametric detector → NanoAOD-named ntuple.

    Args:
        catalogue: the sample catalogue.
        name: the sample.
        events_scale: factor on its number of events.
        seed: instead of the catalogue's.
        out: folder for the ntuple instead of the catalogue's.
        chunk: events handled at a time; the ntuple does not depend on it.
        threads: recorded in the provenance.

    Returns:
        The path of the ntuple.

    Raises:
        ConfigurationError: when the catalogue does not say how to generate the sample.
    """
    generation = _generation(catalogue, name)
    seed = catalogue.seed if seed is None else seed
    events = _events(generation, events_scale)
    path = (out / f"{name}.root") if out is not None else catalogue.ntuple(name)
    make_folder(path.parent)
    with progress(f"generate {name} ({events} events)", events) as advance:
        result = simulate(
            name, generation, sqrt_s_TeV=catalogue.sqrt_s_TeV, seed=seed, events=events, chunk=chunk, progress=advance
        )
    provenance = Provenance("generate", seed, threads, generation_digest(catalogue, name, events_scale))
    metadata = {**result.metadata, "provenance": json.dumps(provenance.to_dict())}
    forget(path)
    write_root(path, {"Events": result.columns, "Runs": result.runs}, metadata)
    return path


def generation_digest(catalogue: Catalogue, name: str, events_scale: float) -> str:
    """Return a digest of everything that decides what a generated ntuple holds."""
    generation = _generation(catalogue, name)
    content = [name, generation.model_dump(mode="json"), catalogue.sqrt_s_TeV, catalogue.seed, events_scale]
    files = [path for path in (generation.card, generation.lhe) if path is not None and path.is_file()]
    return digest(json.dumps(content, sort_keys=True).encode() + "".join(map(file_digest, files)).encode())[:16]


def _generation(catalogue: Catalogue, name: str) -> Generation:
    sample = catalogue[name]
    if sample.generate is None or sample.files:
        raise ConfigurationError(f"sample '{name}' is read from files; it has no 'generate' block to make it from")
    return sample.generate.at(catalogue.base)


def _events(generation: Generation, events_scale: float) -> int:
    """Return the number of events to make; a Les Houches file cannot give more than it holds."""
    if generation.lhe is None:
        return max(len(generation.decays), round((generation.events or 0) * events_scale))
    held = LesHouchesFile.inspect(generation.lhe).events
    wanted = round((generation.events or held) * events_scale)
    return max(1, wanted if events_scale <= 1 else min(wanted, max(held, generation.events or 0)))


def generate_named(
    catalogue: Path, name: str, events_scale: float, seed: int | None, out: Path | None, *, threads: int
) -> Path:
    """Generate one sample of a catalogue file; see `generate`."""
    return generate(Catalogue.load(catalogue), name, events_scale=events_scale, seed=seed, out=out, threads=threads)


def write_manifest(catalogue: Catalogue, paths: Iterable[Path]) -> Path:
    """Write ``manifest.json`` beside generated ntuples: SHA-256, events, seed and versions of each.

    Returns:
        The path of the manifest.
    """
    entries = {}
    for path in paths:
        metadata = read_metadata(path)
        entries[path.name] = {
            "sha256": digest(path.read_bytes()),
            "events": file_info(path, load_profile("nanoaod")).n_events,
            "seed": json.loads(metadata["provenance"])["seed"],
            **{key: metadata[key] for key in ("card_sha256", "pythia", "fastjet", "hypotheta")},
        }
    target = path.parent / MANIFEST
    write_json(target, {"sqrt_s_TeV": catalogue.sqrt_s_TeV, "files": entries})
    return target
