"""From settings or a saved card to the class; each class is imported only when it is asked for."""

from importlib import import_module
from pathlib import Path
from typing import cast

from hypotheta.classifiers.config import AnyClassifierConfig
from hypotheta.classifiers.protocol import Classifier
from hypotheta.classifiers.storage import ModelState, interpreted, read_model
from hypotheta.errors import ConfigurationError, ModelFileError, closest

__all__ = ["create", "from_state", "load"]

_CLASSES = {
    "network": ("hypotheta.classifiers.networks", "ParameterizedNetwork"),
    "bdt": ("hypotheta.classifiers.bdt", "ParameterizedBDT"),
    "merged": ("hypotheta.classifiers.merged", "Merged"),
    "per_hypothesis": ("hypotheta.classifiers.per_hypothesis", "PerHypothesis"),
}


def _class(name: str) -> type[Classifier]:
    module, attribute = _CLASSES[name]
    return cast(type[Classifier], getattr(import_module(module), attribute))


def create(config: AnyClassifierConfig, *, base: Classifier | None = None) -> Classifier:
    """Return an untrained classifier of the settings' type.

    Args:
        config: settings.
        base: the trained classifier that a ``merged`` one is made of; others need none.

    Raises:
        ConfigurationError: a ``merged`` one without its base.
    """
    constructor = cast("type", _class(config.type))
    if config.type != "merged":
        return cast(Classifier, constructor(config))
    if base is None:
        raise ConfigurationError(f"a merged classifier is made of a trained one; train '{config.of}' first and pass it")
    return cast(Classifier, constructor(config, base))


def from_state(state: ModelState) -> Classifier:
    """Rebuild a classifier of any type.

    Raises:
        ModelFileError: of a type that is not known.
    """
    name = str(state.card["type"])
    if name not in _CLASSES:
        raise ModelFileError(f"there is no classifier of type '{name}'{closest(name, _CLASSES)}")
    return _class(name).from_state(state)


def load(directory: Path) -> Classifier:
    """Read a saved classifier of any type.

    Raises:
        ModelFileError: missing, incomplete, corrupted, of another format version, or of an unknown type.
    """
    with interpreted(directory):
        return from_state(read_model(directory))
