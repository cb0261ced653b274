"""Write a first analysis: a catalogue, the numbers, the code and a Snakefile, to run as they are and to be changed."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import yaml
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.errors import ConfigurationError, OutputError
from hypotheta.events import Events
from hypotheta.ntuples import EventProfile, FeatureProfile, Profile, load_profile
from hypotheta.stages.files import write_folder
from hypotheta.stages.flat_inspection import sum_of_rows
from hypotheta.stages.inspection import Inspection, whole_sum_of_weights
from hypotheta.stages.roles import FilesOf
from hypotheta.stages.skeletons import objects as skeleton
from hypotheta.stages.starting_features import BINS, best_feature, best_of_rows, flat_code, flat_roles

__all__ = ["example_analysis", "starting_analysis"]

_SNAKEFILE = """\
config.setdefault("analysis", workflow.basedir + "/analysis.yaml")
workflow.include(__import__("hypotheta.workflow").workflow.SNAKEFILE, overwrite_default_target=True)
"""


def starting_analysis(
    folder: Path, roles: Sequence[FilesOf], inspections: Mapping[Location, Inspection], profile: str, *, sqrt_s: float
) -> list[str]:
    """Write a first analysis of inspected files.

    Args:
        folder: the folder to make; it may not hold an analysis yet.
        roles: what the files are.
        inspections: what the files hold.
        profile: the profile that reads them all.
        sqrt_s: centre-of-mass energy in TeV.

    Returns:
        What the user has to fill in before limits mean something.

    Raises:
        ConfigurationError: there is no signal, no background, no event in one of them, or some signals have a
            hypothesis and others have none.
        OutputError: the folder holds an analysis already.
    """
    if (folder / "analysis.yaml").exists():
        raise OutputError(f"{folder}: there is an analysis already; choose another folder")
    loaded = load_profile(profile)
    _check(roles, inspections)
    selection: dict[str, Any]
    if isinstance(loaded, FeatureProfile):
        roles, shifts = flat_roles(roles, inspections, loaded)
        code, selection = flat_code(inspections, loaded), {}
        best = best_of_rows(roles, inspections)
    else:
        shifts = {}
        code = resources.files("hypotheta.stages.skeletons").joinpath("objects.py").read_text(encoding="utf-8")
        selection = _selection(inspections, loaded)
        best = _best_of_events(roles, inspections, selection)
    _check_hypotheses(roles)
    roles = [_summed(role, inspections, loaded) for role in roles]
    files = {
        "analysis.yaml": _analysis_text(folder, roles, selection, best, shifts),
        "samples.yaml": _catalogue_text(folder, roles, profile, sqrt_s),
        "analysis.py": code,
        "Snakefile": _SNAKEFILE,
    }
    write_folder(folder, {name: text.encode() for name, text in files.items()})
    return [*_together(roles), *(entry for role in roles for entry in _open(role, inspections))]


def example_analysis(folder: Path) -> None:
    """Write an analysis of files that are not there yet, whose names are to be changed.

    Raises:
        OutputError: the folder holds an analysis already.
    """
    if (folder / "analysis.yaml").exists():
        raise OutputError(f"{folder}: there is an analysis already; choose another folder")
    roles = [
        FilesOf("signal", f"signal_m{m}", "signal", (folder / f"signal_m{m}.root",), {"mass": float(m)}, 1.0)
        for m in (500, 1000)
    ]
    roles.append(FilesOf("background", "background", "background", (folder / "background.root",), {}, 1.0))
    cuts = {"jet_pt": 25.0, "jet_eta": 2.5, "lepton_pt": 25.0, "lepton_eta": 2.5, "min_jets": 2}
    edges = np.linspace(0.0, 1200.0, BINS + 1)
    code = resources.files("hypotheta.stages.skeletons").joinpath("objects.py").read_text(encoding="utf-8")
    files = {
        "analysis.yaml": _analysis_text(folder, roles, cuts, ("m_visible", edges.tolist()), {}),
        "samples.yaml": _catalogue_text(folder, roles, "nanoaod", 13.6),
        "analysis.py": code,
        "Snakefile": _SNAKEFILE,
    }
    write_folder(folder, {name: text.encode() for name, text in files.items()})


def _check(roles: Sequence[FilesOf], inspections: Mapping[Location, Inspection]) -> None:
    for kind in ("signal", "background"):
        if not any(role.kind == kind for role in roles):
            raise ConfigurationError(f"there is no {kind}; say which file it is, --{kind} FILE")
    for role in roles:
        if not any(inspections[path].n_events for path in role.files):
            raise ConfigurationError(f"--{role.kind} {role.files[0]}: there are no events in it; leave it out")


def _check_hypotheses(roles: Sequence[FilesOf]) -> None:
    signals = [role for role in roles if role.kind == "signal"]
    if len({tuple(sorted(role.theta)) for role in signals}) > 1:
        bare = next((role for role in signals if not role.theta), None)
        raise ConfigurationError(
            "signals have different parameters; give all the same, as mass=500 and mass=750"
            + (f" ({bare.name} has none: --signal {bare.files[0]}:mass=500)" if bare is not None else "")
        )
    names = [role.name for role in roles]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"two samples are called '{twice}'; give one another name, as FILE:name=other")


def _selection(inspections: Mapping[Location, Inspection], profile: EventProfile) -> dict[str, Any]:
    """Choose loose cuts that most of the events pass."""
    parts = [one.events for one in inspections.values() if one.events is not None]
    low = max(25.0, profile.jets.threshold_GeV or 0.0)
    jets = np.concatenate([_count(e.jets, low) for e in parts])
    leptons = np.concatenate([_count(e.leptons, 20.0) for e in parts])
    return {
        "jet_pt": low,
        "jet_eta": 2.5,
        "lepton_pt": 20.0,
        "lepton_eta": 2.5,
        "min_jets": int(min(skeleton.JETS, np.quantile(jets, 0.3))),
        "min_leptons": int(min(1, np.quantile(leptons, 0.3))),
        "min_btags": 0,
    }


def _count(objects: Any, pt: float) -> NDArray[np.int64]:
    counts: NDArray[np.int64] = ak.to_numpy(ak.sum(objects.pt >= pt, axis=1))
    return counts


def _best_of_events(
    roles: Sequence[FilesOf], inspections: Mapping[Location, Inspection], selection: Mapping[str, Any]
) -> tuple[str, list[float]]:
    cuts = skeleton.Cuts(**selection)
    tables, labels = [], []
    for role in roles:
        for events in (inspections[path].events for path in role.files):
            if events is not None and role.kind != "data":
                tables.append(_features(events, cuts))
                labels.append(np.full(len(tables[-1]["met"]), role.kind == "signal"))
    always = [spec.name for spec in skeleton.FEATURES if not spec.optional]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in always}
    return best_feature(columns, np.concatenate(labels))


def _features(events: Events, cuts: skeleton.Cuts) -> dict[str, NDArray[Any]]:
    selected = skeleton.select(events, cuts)
    return skeleton.features(selected.events[selected.region_index >= 0])


def _summed(role: FilesOf, inspections: Mapping[Location, Inspection], profile: Profile) -> FilesOf:
    """Measure Σw where the user said that the files hold all generated events."""
    if role.sum_of_weights != "file":
        return role
    if isinstance(profile, EventProfile):
        return replace(role, sum_of_weights=whole_sum_of_weights(role.files, profile))
    parts = [sum_of_rows(p, profile, inspections[p].n_events, role.kind, role.theta) for p in role.files]
    return replace(role, sum_of_weights=float(sum(parts)))


def _together(roles: Sequence[FilesOf]) -> list[str]:
    """Say that signals without a parameter are one: it may be that a mass was forgotten."""
    bare = [role for role in roles if role.kind == "signal" and not role.theta]
    if len(bare) < 2:
        return []
    names = " and ".join(role.name for role in bare)
    return [f"{names}: nothing, if they are one signal together; else their hypotheses, as in FILE:mass=500"]


def _open(role: FilesOf, inspections: Mapping[Location, Inspection]) -> list[str]:
    """Say what is still unknown of a sample."""
    if role.kind == "data":
        return []
    found = []
    if role.kind == "background" and role.cross_section_pb is None and not _generator(role, inspections):
        found.append(f"{role.name}: its cross section in pb (cross_section_pb in samples.yaml, or xsec=)")
    known = all(inspections[path].sum_of_weights is not None for path in role.files)
    if role.sum_of_weights is None and not known:
        found.append(
            f"{role.name}: Σw of all generated events (sum_of_weights in samples.yaml, or sumw=; sumw=file where no "
            "event was removed from the files)"
        )
    return found


def _generator(role: FilesOf, inspections: Mapping[Location, Inspection]) -> bool:
    return all(any(fact.what.startswith("cross section") for fact in inspections[path].facts) for path in role.files)


def _plain(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


def _catalogue_text(folder: Path, roles: Sequence[FilesOf], profile: str, sqrt_s: float) -> str:
    target = folder.resolve()
    if profile.endswith((".yaml", ".yml")):
        profile = os.path.relpath(Path(profile).resolve(), target)
    processes = {role.process: {"label": role.process.replace("_", " ")} for role in roles if role.kind != "data"}
    processes |= {role.process: {"label": "data"} for role in roles if role.kind == "data"}
    lines = [
        "# Which ntuples there are and how they are normalised: luminosity · σ · B · w/Σw, Σw over all generated ones.",
        "# σ · B of a signal is what limits are set on: with 1 pb its strength is the limit in pb.",
        _plain({"profile": profile, "sqrt_s_TeV": sqrt_s, "processes": processes}),
        "samples:",
    ]
    for role in roles:
        body: dict[str, Any] = {"process": role.process, "kind": role.kind}
        if role.theta:
            body["theta"] = dict(role.theta)
        if role.kind != "data":
            sigma = role.cross_section_pb
            body["cross_section_pb"] = sigma if sigma is not None else 1.0 if role.kind == "signal" else "generator"
        if role.sum_of_weights is not None:
            body["sum_of_weights"] = role.sum_of_weights
        body["files"] = [f if isinstance(f, str) else os.path.relpath(f.resolve(), target) for f in role.files]
        lines += [f"  {role.name}:", *(f"    {line}" for line in _plain(body).splitlines())]
    return "\n".join(lines) + "\n"


def _analysis_text(
    folder: Path,
    roles: Sequence[FilesOf],
    selection: Mapping[str, Any],
    best: tuple[str, list[float]],
    shifts: Mapping[str, list[float]],
) -> str:
    signals = [role for role in roles if role.kind == "signal"]
    parameters: dict[str, Any] = {
        name: {"kind": "signal", "grid": sorted({role.theta[name] for role in signals})} for name in signals[0].theta
    }
    systematics: dict[str, Any] = {}
    for name, values in shifts.items():
        parameters[name] = {"kind": "event", "nominal": 1.0, "object": "jet_energy_scale", "grid": values}
        down, up = (max((v for v in values if v < 1), default=1.0), min((v for v in values if v > 1), default=1.0))
        systematics[name] = {"parameter": name, "up": up, "down": down}
    name = re.sub(r"\W+", "_", folder.resolve().name, flags=re.ASCII).strip("_") or "mine"
    kind = "parameterized_" if signals[0].theta else ""
    content = {
        "name": name if name[0].isalpha() else f"a_{name}",
        "title": f"A first look at {folder.resolve().name}",
        "code": "analysis.py",
        "catalogue": "samples.yaml",
        "seed": 1,
        "luminosity_fb": 1.0,
        "luminosity_uncertainty": 0.02,
        "luminosity_reason": "A placeholder; write the luminosity of your data.",
        "parameters": parameters,
        "selection": dict(selection),
        "systematics": systematics,
        "training": {"region": "sr", "folds": 4},
        "classifiers": {f"{kind}network": {"type": "network"}, f"{kind}bdt": {"type": "bdt"}},
        "observable": {"feature": best[0], "edges": best[1]},
        "binning": {"region": "sr", "background_efficiencies": [0.7, 0.4, 0.2, 0.1, 0.05, 0.02]},
        "significance": {"background_uncertainty": 0.1},
        "diagnostics": {"replicas": 100, "reference": f"{kind}bdt"},
        "data": {"source": "asimov"},
        "limits": {"brazil": f"{kind}network"},
    }
    head = "# A start, to be changed: every number of the analysis stands here, its code in analysis.py.\n"
    return head + _plain(content)
