"""Format profiles: which branch of a format holds what, declared in YAML.

``level: events`` describes ntuples with objects (NanoAOD and its like), ``level: features`` flat ones whose columns
are features already. Profiles in this package are known by name; any other is named by its file. Such a file may say
``extends: nanoaod``, or the file of another profile, and write only what differs; ``key: null`` removes a key.
"""

from importlib import resources
from pathlib import Path
from typing import Any

from hypotheta.catalogue import load_yaml, merged, validated
from hypotheta.errors import ConfigurationError, closest
from hypotheta.ntuples.schema import EventProfile, FeatureProfile, Profile

__all__ = ["load_profile", "profile_names"]

_DEPTH = 8


def profile_names() -> list[str]:
    """Return the names of the profiles of this package."""
    folder = resources.files(__package__) / "profiles"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_profile(name: str, base: Path = Path()) -> Profile:
    """Read a profile by name, or from a YAML file.

    Args:
        name: a profile of this package (``nanoaod``, ``delphes``, …), or a file ending in .yaml or .yml.
        base: folder that a relative file name starts from.

    Raises:
        InputFileError: when the file is missing.
        ConfigurationError: when there is no such profile, or it does not fit the schema.
    """
    path, raw = _read(name, base)
    if raw.get("level") not in ("events", "features"):
        raise ConfigurationError(f"{path}: level: write 'events' or 'features'; it is {raw.get('level')!r}")
    if raw["level"] == "events":
        return validated(EventProfile, raw, path)
    return validated(FeatureProfile, raw, path)


def _read(name: str, base: Path, depth: int = 0) -> tuple[Path, dict[str, Any]]:
    """Return where a profile stands, and its content with all that it extends."""
    path = base / name
    if name.endswith((".yaml", ".yml")):
        raw = load_yaml(path)
    else:
        known = profile_names()
        if name not in known:
            raise ConfigurationError(f"there is no profile '{name}'{closest(name, known)} (or name a .yaml file)")
        with resources.as_file(resources.files(__package__) / "profiles" / f"{name}.yaml") as path:
            raw = load_yaml(path)
    if "extends" not in raw:
        return path, raw
    if depth > _DEPTH:
        raise ConfigurationError(f"{path}: extends: the profiles extend each other in a circle")
    _, original = _read(str(raw.pop("extends")), path.parent, depth + 1)
    return path, merged(original, raw)
