"""A guess of a profile, from the names of branches and a few hundred rows, for a person to look through.

It is never used by itself: a name says what somebody meant by it, not what a branch holds.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import awkward as ak
import numpy as np
import yaml

from hypotheta.catalogue import Location
from hypotheta.errors import HypothetaError
from hypotheta.events import flat
from hypotheta.ntuples.files import Tree, opened, tree_keys
from hypotheta.ntuples.matching import Match, matches
from hypotheta.ntuples.naming import Family, Look, Shape, families, joined

__all__ = ["guessed_profile"]

_ROWS = 500
_MEV = 2000.0
_NEAR = 0.5
_SHOWN = 30
_MASSES = {"electrons": 0.000511, "muons": 0.105658}
_TARGETS = ("label", "target", "issignal", "signal", "class", "y")
_PARAMETERS = ("mass", "mx", "massx", "mh", "mzp", "mzprime", "mres", "signalmass", "truemass", "theta")
_WEIGHTS = ("genweight", "mcweight", "eventweight", "evtweight", "weight", "totalweight", "weights", "wgt", "wt", "w")
_EVENT_IDS = (
    ("run", "runnumber", "runno"),
    ("luminosityblock", "lumiblock", "lumisection", "lumi", "ls"),
    ("eventnumber", "event", "eventno", "eventnum", "evtnum", "evtnumber", "evt"),
)
#: what of a profile a guess may take the place of in one that it extends: the rest is merged key by key
_WHOLE = {"tree", "leptons", "met", "weight", "event_id"}


def guessed_profile(path: Location) -> str | None:
    """Return a profile in YAML that may read a file, with remarks; None where nothing looks like events.

    Raises:
        InputFileError: the file is missing or damaged.
    """
    nearest = matches(path)[0]
    head = f"# A guess from the names in {str(path).rpartition('/')[2]}, no more: look through every line."
    if nearest.nearness[0] == 1 and not nearest.has_tree and nearest.tree_there is not None:
        return f"{head}\nextends: {nearest.name}\ntree: {nearest.tree_there}\n"
    with opened(path) as file:
        trees = [Tree.find(file, path, name) for name in tree_keys(file, path)]
        trees = sorted(trees, key=lambda tree: (len(tree) > 0, len(tree.branches)), reverse=True)
        for tree in trees:
            rows = _rows(tree)
            lines = _features(tree, rows) if _first(rows, _TARGETS) else _events(tree, rows, nearest)
            lines = lines or _features(tree, rows)
            if lines:
                return "\n".join([head, *lines, *_unused(rows, lines)]) + "\n"
    return None


def _rows(tree: Tree) -> dict[str, ak.Array]:
    """Return the first rows of all branches that hold numbers, one or a list a row."""
    found = {}
    for name in tree.source.keys(full_paths=False):
        try:
            values = tree.read([name], 0, _ROWS)[name]
        except HypothetaError:
            continue  # of a class that only its experiment reads
        if values.ndim <= 2 and not ak.fields(values) and not np.issubdtype(_dtype(values), np.character):
            found[str(name)] = values
    return found


def _unused(rows: Mapping[str, ak.Array], lines: Sequence[str]) -> list[str]:
    """Return a remark on the branches that no line speaks of; none where a known format says what is read."""
    text = "\n".join(lines)
    known = {name for family in families(_looks(rows)) for name in family.branches}
    names = [name for name in rows if name not in known and name not in text]
    if not names or text.startswith("extends"):
        return []
    return [f"# not used: {', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''}"]


def _dtype(values: ak.Array) -> np.dtype[Any]:
    try:
        return np.asarray(ak.to_numpy(ak.flatten(values, axis=None))).dtype
    except (TypeError, ValueError):  # text
        return np.dtype("S1")


def _shape(values: ak.Array) -> Shape:
    if values.ndim == 1:
        return "scalar"
    return "fixed" if isinstance(ak.type(values).content, ak.types.RegularType) else "jagged"


def _looks(rows: Mapping[str, ak.Array]) -> list[Look]:
    return [Look(name, _shape(values)) for name, values in rows.items()]


def _first(names: Collection[str], known: Sequence[str]) -> str | None:
    """Return the branch whose name is the first of some known ones."""
    by_word = {joined(name): name for name in reversed(list(names))}
    return next((by_word[word] for word in known if word in by_word), None)


def _weight(rows: Mapping[str, ak.Array]) -> list[str]:
    name = _first(rows, _WEIGHTS)
    if name is None:
        return ["# no branch looks like a weight; write 'weight: NAME' if there is one"]
    if rows[name].ndim == 1:
        return [f"weight: {_text(name)}"]
    return [f"weight: {_text(f'{name}[0]')} # the first element: is it the nominal one?"]


def _features(tree: Tree, rows: Mapping[str, ak.Array]) -> list[str]:
    """Return the lines of a profile of features."""
    scalars = {name: values for name, values in rows.items() if values.ndim == 1}
    target, weight = _first(scalars, _TARGETS), _first(scalars, _WEIGHTS)
    parameter = _first(scalars, _PARAMETERS)
    numbers = [n for known in _EVENT_IDS if (n := _first(scalars, known)) is not None]
    features = [n for n in scalars if n not in {target, weight, parameter, *numbers}]
    if not features:
        return []
    lines = ["level: features", f"tree: {_text(tree.name)}", "features: # remove what a classifier should not see"]
    lines += [f"  {_text(_name(n))}: {_text(n)}" for n in features]
    if parameter is not None:
        lines.append(f"parameters: {_text({'mass': parameter})} # θ of a signal row; remove it if it is a feature")
    if target is not None:
        lines.append(f"target: {_text(target)} # 1 signal, 0 background")
    else:
        lines.append("# no branch looks like a class: all rows of a file are what --signal, --background, --data say")
    lines += _weight(scalars)
    if numbers:
        lines.append(f"event_id: {_text(numbers)}")
    return lines


def _name(branch: str) -> str:
    """Return the name of a feature: letters, digits and underscores."""
    return "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in branch)


def _events(tree: Tree, rows: Mapping[str, ak.Array], nearest: Match) -> list[str]:
    """Return the lines of a profile of objects; none where there are no jets."""
    found = families(_looks(rows))
    jets = next((family for family in found if family.kind == "jets"), None)
    if jets is None:
        return []
    leptons = [f for kind in ("electrons", "muons") if (f := _of_kind(found, kind)) is not None]
    leptons = leptons or [f for f in [_of_kind(found, "leptons")] if f is not None]
    met = _of_kind(found, "met")
    unit, median = _unit(jets, rows)
    scale = 1000.0 if unit == "MeV" else 1.0
    sections: dict[str, list[str]] = {
        "level": ["level: events"],
        "tree": [f"tree: {_text(tree.name)}"],
        "unit": [f"unit: {unit} # the median pt of jets is {median:.4g} in the file"],
        "jets": _collection(jets, rows, scale, head="jets:"),
        "leptons": ["leptons:", *(line for f in leptons for line in _collection(f, rows, scale, head="  -"))],
        "met": _met(met, rows),
        "weight": _weight(rows),
        "event_id": _numbers(rows),
        "sentinels": _sentinels([jets, *leptons], rows),
    }
    if not leptons:
        sections["leptons"] = ["leptons: [] # no branches look like leptons"]
    lacking = {role.partition(".")[0] for role in nearest.missing}
    near = nearest.tree_there == tree.name and nearest.level == "events" and nearest.nearness[0] >= _NEAR
    if near and lacking <= _WHOLE:
        return [f"extends: {nearest.name}", *(line for key in sections if key in lacking for line in sections[key])]
    return [line for lines in sections.values() for line in lines]


def _of_kind(found: Sequence[Family], kind: str) -> Family | None:
    return next((family for family in found if family.kind == kind), None)


def _unit(jets: Family, rows: Mapping[str, ak.Array]) -> tuple[str, float]:
    lead = jets.parts[jets.momentum[0]]
    names = [lead.replace("{}", slot) for slot in jets.slots or [""]]
    values = np.concatenate([_values(rows[name]) for name in names if name in rows])
    values = np.abs(values[np.isfinite(values) & (np.abs(values) > 0) & ~np.isin(values, (-999, -99, -9, -1))])
    median = float(np.median(values)) if len(values) else 0.0
    return ("MeV" if median > _MEV else "GeV"), median


def _values(values: ak.Array) -> Any:
    return (ak.to_numpy(values) if values.ndim == 1 else flat(values)).astype(np.float64)


def _collection(family: Family, rows: Mapping[str, ak.Array], scale: float, *, head: str) -> list[str]:
    """Return the lines of jets or of one lepton collection."""
    indent = " " * (len(head) - len(head.lstrip()) + 2)
    lines = []
    if family.kind != "jets":
        lines.append(_flavour(family))
    if family.slots:
        lines.append(f"slots: {_text(family.slots)}")
    count = _counter(family, rows) if family.shape == "fixed" else None
    if count is not None:
        lines.append(f"count: {_text(count)} # so many of the places are filled")
    lines += [f"{part}: {_text(family.parts[part])}" for part in family.momentum]
    last = next((part for part in ("mass", "energy") if part in family.parts), None)
    if "px" in family.momentum or (last == "energy" and "mass" not in family.parts):
        lines.append(f"energy: {_text(family.parts.get('energy', 'E'))}")
    elif last is not None:
        lines.append(f"mass: {_text(family.parts['mass'])}")
    else:
        lines.append(f"mass: {_MASSES.get(family.kind, 0.0) * scale:g} # no branch looks like it")
    if family.kind != "jets":
        charge = family.parts.get("charge")
        lines.append(f"charge: {_text(charge)}" if charge else "charge: 0 # no branch looks like it")
    elif "btag" in family.parts:
        tagger = [{"branch": family.parts["btag"], "above": 0.5}]
        lines.append(f"btag: {_text(tagger)} # write the working point of your tagger")
    else:
        lines.append("btag: [] # no branch looks like a b-tag")
    if head.endswith(":"):
        return [head, *(indent + line for line in lines)]
    return [f"{head} {lines[0]}", *(indent + line for line in lines[1:])]


def _flavour(family: Family) -> str:
    if family.kind != "leptons":
        return f"flavour: {11 if family.kind == 'electrons' else 13}"
    if "flavour" in family.parts:
        return f"flavour: {_text(family.parts['flavour'])} # ±11 or ±13"
    for part, codes in (("is muon", {0: 11, 1: 13}), ("is electron", {0: 13, 1: 11})):
        if part in family.parts:
            return f"flavour: {_text({'branch': family.parts[part], 'codes': codes})}"
    return "flavour: 11 # no branch tells electrons from muons; 11 or 13 for all"


def _counter(family: Family, rows: Mapping[str, ak.Array]) -> str | None:
    """Return the branch that counts the filled places of arrays."""
    word = "".join(family.prefix)
    known = [text for w in (word, f"{word}s", word.removesuffix("s")) for text in (f"n{w}", f"{w}n", f"num{w}")]
    return _first([name for name, values in rows.items() if values.ndim == 1], known)


def _met(family: Family | None, rows: Mapping[str, ak.Array]) -> list[str]:
    if family is None:
        return ["met:", "  - {pt: MET_pt, phi: MET_phi} # no branches look like it: write yours"]
    names = {part: family.parts[part] for part in family.momentum}
    chosen = {part: name if rows[name].ndim == 1 else f"{name}[0]" for part, name in names.items()}
    return ["met:", f"  - {_text(chosen)}"]


def _numbers(rows: Mapping[str, ak.Array]) -> list[str]:
    scalars = [name for name, values in rows.items() if values.ndim == 1]
    names = [name for known in _EVENT_IDS if (name := _first(scalars, known)) is not None]
    return [f"event_id: {_text(names)}"] if names else ["# no branch looks like an event number: event_id: [NAME]"]


def _sentinels(found: Sequence[Family], rows: Mapping[str, ak.Array]) -> list[str]:
    """Return what stands for an object that is not there, where there are places for it."""
    places = [f for f in found if f.shape != "jagged" and "pt" in f.parts and not (_counter(f, rows) and not f.slots)]
    if not places:
        return []
    names = [name for f in places for slot in f.slots or [""] if (name := f.parts["pt"].replace("{}", slot)) in rows]
    low = np.unique(np.concatenate([v[v <= 0] for name in names for v in [_values(rows[name])]]))
    seen = [int(value) if value == int(value) else float(value) for value in low[:3]]
    note = "# pt of an object that is not there" if seen else "# none was seen in the first rows"
    return [f"sentinels: {_text(seen or [-999])} {note}"]


def _text(value: Any) -> str:
    """Return YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1_000_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
