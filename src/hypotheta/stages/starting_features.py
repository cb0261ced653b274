"""A first analysis of flat ntuples: samples out of rows, the code, and the best feature of any analysis."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.errors import ConfigurationError
from hypotheta.ntuples import FeatureProfile
from hypotheta.stages.flat_inspection import incomplete, values_of
from hypotheta.stages.inspection import Inspection
from hypotheta.stages.roles import FilesOf

__all__ = ["BINS", "best_feature", "best_of_rows", "flat_code", "flat_roles"]

#: of the histogram that stands for an analysis without classifiers
BINS = 12
_FLAT_CODE = '''\
"""Flat ntuples: their columns are the features, nothing is selected or reconstructed here."""

from pydantic import BaseModel, ConfigDict

from hypotheta.errors import ConfigurationError
from hypotheta.features import FeatureSpec

# a label, a unit and a range make better plots: FeatureSpec("mjj", "$m_{{jj}}$", "GeV", level="high", range=(0, 500))
FEATURES = (
{features}
)


class Cuts(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def jet_threshold(cuts):
    """Return the lowest jet p_T that the selection asks for: there is no selection."""
    return 0.0


def select(events, cuts):
    """Refuse: flat ntuples hold no objects."""
    raise ConfigurationError("these ntuples hold features; there is nothing to select")


def features(events):
    """Refuse: flat ntuples hold the features already."""
    raise ConfigurationError("these ntuples hold features; there is nothing to reconstruct")


def weight_variations(events, cuts):
    """Return no variations."""
    return {{}}
'''


def flat_roles(
    roles: Sequence[FilesOf], inspections: Mapping[Location, Inspection], profile: FeatureProfile
) -> tuple[list[FilesOf], dict[str, list[float]]]:
    """Give each hypothesis in flat signal files a sample of its own; find the shifts in all files."""

    def seen(role: FilesOf, name: str, kind: str | None) -> set[float]:
        return {v for p in role.files for v in values_of(p, profile, inspections[p].n_events, name, kind)}

    made: list[FilesOf] = []
    signal_parameters = [n for n in profile.parameters if n != "jes"]
    for role in roles:
        if role.kind != "signal" or role.theta or not signal_parameters:
            for name in role.theta.keys() & set(signal_parameters):
                _check_value(role, name, seen(role, name, "signal"))
            made.append(role)
            continue
        if len(signal_parameters) > 1:
            raise ConfigurationError(
                f"--signal {role.files[0]}: its rows have several parameters; give the hypothesis, as in --signal "
                f"{role.files[0]}:" + ",".join(f"{name}=1" for name in signal_parameters)
            )
        name = signal_parameters[0]
        made += [
            replace(role, name=f"{role.name}_{re.sub(r'[^0-9A-Za-z]+', 'p', f'{v:g}')}", theta={name: float(v)})
            for v in sorted(seen(role, name, "signal"))
        ]
    shifts: dict[str, list[float]] = {}
    if "jes" in profile.parameters:
        values = sorted(set().union(*(seen(role, "jes", None) for role in roles if role.kind != "data")))
        shifts = {"jes": values} if len(values) > 1 else {}
    return made, shifts


def _check_value(role: FilesOf, name: str, known: set[float]) -> None:
    if role.theta[name] not in known:
        shown = ", ".join(f"{value:g}" for value in sorted(known)[:8]) or "none"
        raise ConfigurationError(
            f"--signal {role.files[0]}: no signal row has {name}={role.theta[name]:g}; its values are: {shown}"
        )


def best_of_rows(roles: Sequence[FilesOf], inspections: Mapping[Location, Inspection]) -> tuple[str, list[float]]:
    """Return the single feature that no event lacks and that separates best, with bins."""
    tables, labels = [], []
    for role in (role for role in roles if role.kind != "data"):
        for rows in (inspections[path].rows for path in role.files):
            if rows is not None:
                tables.append(rows.select(rows.of_class(role.kind)))
                labels.append(np.full(len(tables[-1]), role.kind == "signal"))
    columns = {name: np.concatenate([t.features[name] for t in tables]) for name in tables[0].features}
    whole = {name: values for name, values in columns.items() if not np.isnan(values).any()}
    if not whole:
        raise ConfigurationError("every feature is missing in some rows; none can be the observable to compare with")
    return best_feature(whole, np.concatenate(labels))


def flat_code(inspections: Mapping[Location, Inspection], profile: FeatureProfile) -> str:
    """Return the code of an analysis of features: those that some rows lack are optional."""
    optional = {name for one in inspections.values() if one.rows is not None for name in incomplete(one.rows)}
    specs = [f'    FeatureSpec("{n}", "{n}"{", optional=True" if n in optional else ""}),' for n in profile.features]
    return _FLAT_CODE.format(features="\n".join(specs))


def best_feature(columns: Mapping[str, NDArray[Any]], is_signal: NDArray[np.bool_]) -> tuple[str, list[float]]:
    """Return the feature that alone separates best, and bins of about equal numbers of events."""

    def auc(values: NDArray[Any]) -> float:
        signal, rest = values[is_signal], np.sort(values[~is_signal])
        if len(signal) == 0 or len(rest) == 0:
            return 0.5
        below = (np.searchsorted(rest, signal, "left") + np.searchsorted(rest, signal, "right")) / 2
        return float(np.mean(below) / len(rest))

    name = max(columns, key=lambda n: abs(auc(columns[n]) - 0.5))
    values = columns[name]
    inner = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]) if len(values) else np.array([])
    span = max(float(np.ptp(values)) if len(values) else 0.0, 1.0)
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    edges = [low - 0.01 * span, *inner.tolist(), high + 0.01 * span]
    return name, sorted({float(f"{edge:.4g}") for edge in edges})
