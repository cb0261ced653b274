"""Are there enough events for asymptotic formulas?

Which one do I use? `few_events`; `limit_points` asks it of every workspace.
"""

from typing import Any

import numpy as np

__all__ = ["effective_background", "few_events"]

# asymptotic CLs of a counting experiment is off by more than a few per cent below about this many events
_ENOUGH = 5.0


def effective_background(spec: dict[str, Any]) -> float:
    """Return the expected background of the bins that set the limit, Σs² / Σ(s²/b).

    It is the mean of b, each bin weighted with its share s²/b of the squared sensitivity.

    Args:
        spec: a pyhf workspace whose signal carries the parameter of interest.
    """
    poi = spec["measurements"][0]["config"]["poi"]
    numerator = denominator = 0.0
    for channel in spec["channels"]:
        signal = np.zeros(len(channel["samples"][0]["data"]))
        background = np.zeros_like(signal)
        for sample in channel["samples"]:
            carries = any(m["name"] == poi for m in sample["modifiers"])
            (signal if carries else background)[:] += sample["data"]
        bins = (signal > 0) & (background > 0)
        if np.any((signal > 0) & (background <= 0)):
            return 0.0
        numerator += float(np.sum(signal[bins] ** 2))
        denominator += float(np.sum(signal[bins] ** 2 / background[bins]))
    return numerator / denominator if denominator else np.inf


def few_events(spec: dict[str, Any]) -> str | None:
    """Return what to say where asymptotic formulas are in doubt; None where they are not.

    Args:
        spec: a pyhf workspace.
    """
    background = effective_background(spec)
    if background >= _ENOUGH:
        return None
    return f"the bins that set the limit expect {background:.2g} background events, too few for asymptotics; use toys"
