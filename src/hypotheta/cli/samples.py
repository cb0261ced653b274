"""Verbs from generator cards to features."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hypotheta.cli.application import AnalysisPath, Jobs, Out, SampleName, app, each, load, on_analysis
from hypotheta.errors import ConfigurationError

__all__ = ["features", "generate"]


@app.command()
def generate(
    catalogue: Annotated[Path, typer.Argument(help="The sample catalogue, a YAML file.")],
    sample: SampleName = None,
    events_scale: Annotated[float, typer.Option(help="Factor on the number of events of every sample.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Seed instead of the catalogue's.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for ntuples instead of the catalogue's.")] = None,
    jobs: Jobs = 1,
) -> None:
    """Generate ntuples: Pythia 8, FastJet, parametric detector.

    Example: `hypotheta generate samples/ttbar.yaml --sample xtt_m1000 --events-scale 0.1`
    """
    from hypotheta.catalogue import Catalogue
    from hypotheta.stages.generate import generate_named, write_manifest

    loaded = Catalogue.load(catalogue)
    names = [sample] if sample else [n for n, s in loaded.samples.items() if s.generate]
    if not names:
        raise ConfigurationError(f"{catalogue}: there is nothing to generate: every sample names its files")
    if not events_scale > 0:
        raise ConfigurationError(f"--events-scale must be positive, it is {events_scale:g}")
    made = each(generate_named, [(catalogue, name, events_scale, seed, out) for name in names], jobs)
    if not sample:
        print(write_manifest(loaded, made))


@app.command()
def features(
    analysis: AnalysisPath,
    sample: SampleName = None,
    out: Out = None,
    jobs: Jobs = 1,
    skip_bad_files: Annotated[
        bool, typer.Option("--skip-bad-files", help="Go on without files that cannot be read; the report lists them.")
    ] = False,
    file: Annotated[int | None, typer.Option(min=0, help="Only this file of the sample, counted from 0.")] = None,
    join: Annotated[bool, typer.Option("--join", help="Put together what --file made of each file.")] = False,
) -> None:
    """Select events, reconstruct, and tabulate features under every variation.

    Example: `hypotheta features analysis/ttbar --sample xtt_m1000`
    """
    from hypotheta.stages import features as stages

    loaded = load(analysis, out)
    if (file is not None or join) and sample is None:
        raise ConfigurationError(f"{'--join' if join else '--file'} is for one sample; name it with --sample")
    if file is not None and join:
        raise ConfigurationError("--file makes one part, --join puts all together; give one of them")
    stage: Callable[..., Path] = partial(stages.features, skip_bad_files=skip_bad_files)
    if file is not None:
        stage = partial(stages.features_of_file, index=file, skip_bad_files=skip_bad_files)
    elif join:
        stage = stages.join_features
    names = [sample] if sample else loaded.catalogue.names()
    each(on_analysis, [(stage, analysis, out, name) for name in names], jobs)
