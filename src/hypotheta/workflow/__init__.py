"""The shared Snakemake workflow; an analysis' own Snakefile only configures and includes it."""

from pathlib import Path

__all__ = ["SNAKEFILE"]

SNAKEFILE = str(Path(__file__).with_name("Snakefile"))
