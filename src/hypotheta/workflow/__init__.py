"""The shared Snakemake workflow and its profiles; an analysis' own Snakefile only configures and includes it."""

from pathlib import Path

from hypotheta.errors import ConfigurationError, closest

__all__ = ["SNAKEFILE", "profile"]

SNAKEFILE = str(Path(__file__).with_name("Snakefile"))


def profile(name: str) -> str:
    """Return the folder of a profile, for ``snakemake --profile``.

    Args:
        name: ``slurm`` or ``htcondor``.

    Raises:
        ConfigurationError: when there is no such profile.

    Example:
        >>> Path(profile("slurm"), "config.yaml").is_file()
        True
    """
    folder = Path(__file__).with_name("profiles")
    known = sorted(path.name for path in folder.iterdir())
    if name not in known:
        raise ConfigurationError(f"there is no workflow profile '{name}'{closest(name, known)}")
    return str(folder / name)
