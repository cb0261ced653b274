"""The optional packages behind the simulation, imported on first use."""

import importlib
from types import ModuleType

from hypotheta.errors import MissingExtraError

__all__ = ["require"]


def require(name: str) -> ModuleType:
    """Import ``pythia8mc`` or ``fastjet``.

    Raises:
        MissingExtraError: when it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as err:
        raise MissingExtraError(
            f"generating events needs {name}, which is not installed here; pip install 'hypotheta[simulation]'"
        ) from err
