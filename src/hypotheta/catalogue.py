"""The sample catalogue: which ntuples there are and how they are normalised.

A catalogue is a YAML file, validated by pydantic with unknown keys forbidden. The physics weight of an event is
``luminosity · σ · k · ε · w / Σw`` with Σw over all generated events, before any cut. A missing cross section is an
error, never 1.
"""

import fnmatch
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from hypotheta.checksums import Checksum
from hypotheta.errors import ConfigurationError, InputFileError, MissingCrossSectionError, closest
from hypotheta.remote import is_pattern, listed
from hypotheta.units import inv_fb

__all__ = [
    "Catalogue",
    "Decay",
    "Generation",
    "Location",
    "Normalisation",
    "Process",
    "Sample",
    "load_yaml",
    "merged",
    "validated",
]

#: a local file, or the URL of a remote one (a Path would swallow one of its slashes)
Location: TypeAlias = Path | str
M = TypeVar("M", bound=BaseModel)
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Files: TypeAlias = tuple[Annotated[str, Field(min_length=1)], ...]


#: what a sample of data does not have
_OF_SIMULATION = {
    *("cross_section_pb", "k_factor", "branching_ratio", "filter_efficiency", "normalisation", "sum_of_weights"),
    *("theta", "generate"),
}


def _checked_sums(value: Any) -> Any:
    if not isinstance(value, str | Mapping):
        message = "write PATH: adler32:1a2b3c4d for each file, or the name of a file that lists them so"
        raise ValueError(message)  # noqa: TRY004  pydantic makes one line of this only
    return value if isinstance(value, str) else {str(path): str(Checksum.parse(text)) for path, text in value.items()}


#: path → checksum, or a file that holds this
Checksums: TypeAlias = Annotated[str | Mapping[str, str], BeforeValidator(_checked_sums)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Decay(_Strict):
    """One way in which the generator forces the decays; a sample may mix several.

    ``share`` is the part of the events spent on it; event weights undo any imbalance.
    """

    settings: tuple[str, ...]
    share: Positive = 1.0


class Generation(_Strict):
    """How `hypotheta generate` makes a sample: a card, further settings, decays and the number of events.

    With ``lhe`` the hard processes come from a Les Houches event file, plain or ``.gz``; the card then holds what
    concerns shower and hadrons, and may be left out. Without ``events`` all of the file is taken. Its cross section
    does not know of decays that settings force: such a sample needs a ``branching_ratio``.
    """

    card: Path | None = None
    lhe: Path | None = None
    settings: tuple[str, ...] = ()
    decays: Annotated[tuple[Decay, ...], Field(min_length=1)] = (Decay(settings=()),)
    events: Annotated[int, Field(gt=0)] | None = None
    multiparton_interactions: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> "Generation":
        if self.lhe is None and (self.card is None or self.events is None):
            raise ValueError("give a card and the number of events, or an lhe file")
        if self.lhe is not None and len(self.decays) > 1:
            raise ValueError(
                "decays: with an lhe file a decay has no cross section of its own; force decays with settings, and "
                "give the sample a branching_ratio"
            )
        return self

    def at(self, base: Path) -> "Generation":
        """Return the same with its files relative to the working folder instead of to ``base``."""
        files = {"card": self.card, "lhe": self.lhe}
        return self.model_copy(update={k: base / v for k, v in files.items() if v is not None})


class Normalisation(_Strict):
    """One total cross section shared by slices: k = total · branching ratio / Σ_slices σ, the same for all slices."""

    total_cross_section_pb: Positive
    branching_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0


class Process(_Strict):
    """Samples that are drawn and fitted together."""

    label: str
    colour: str | None = None
    cross_section_uncertainty: Annotated[float, Field(ge=0)] = 0.0


class Sample(_Strict):
    """One sample: a process, its kind, θ, normalisation and files.

    ``cross_section_pb`` is a number, or ``generator`` for the one that the generator left in the ntuple.
    ``sum_of_weights`` is needed only for ntuples that do not carry the Σw of all generated events. ``files`` are local
    ones or URLs (``https://…``, ``root://…``), and patterns of them (``data/top_*.root``). An ``alternative`` sample is
    no part of the expectation; a two-point systematic puts it in place of another. ``variations`` are files in which
    the events were varied beforehand, by name with ``_up`` and ``_down``. ``checksums`` are those of all these files,
    each ``adler32:…`` (as Rucio tells them), ``crc32:…``, ``md5:…`` or ``sha256:…`` by its path, or the name of a YAML
    or JSON file that holds them so, with paths that start from where it stands.
    """

    process: str
    kind: Literal["signal", "background", "data", "alternative"]
    theta: Mapping[str, float] = Field(default_factory=dict)
    cross_section_pb: Positive | Literal["generator"] | None = None
    k_factor: Positive = 1.0
    branching_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0
    filter_efficiency: Annotated[float, Field(gt=0, le=1)] = 1.0
    normalisation: str | None = None
    sum_of_weights: float | None = None
    files: Files = ()
    variations: Mapping[str, Annotated[Files, Field(min_length=1)]] = Field(default_factory=dict)
    checksums: Checksums | None = None
    generate: Generation | None = None


class Catalogue(_Strict):
    """All samples of an analysis; relative paths are relative to the catalogue's own folder.

    Generated ntuples lie in the folder ``generated``. With ``ready`` they are there already (they came with the
    repository), and a workflow does not make them again.
    """

    profile: str = "nanoaod"
    sqrt_s_TeV: Positive
    seed: int = 1
    generated: Path = Path("generated")
    ready: bool = False
    processes: Mapping[str, Process]
    normalisations: Mapping[str, Normalisation] = Field(default_factory=dict)
    samples: Mapping[str, Sample]
    base: Path = Path()

    @classmethod
    def load(cls, path: Path) -> "Catalogue":
        """Read a catalogue; a sample with a ``for`` block stands for one sample a grid point.

        Raises:
            InputFileError: when the file is missing.
            ConfigurationError: naming the file and the path to the key, for anything that does not fit.
        """
        raw = load_yaml(path)
        if not isinstance(raw.get("samples"), dict):
            raise ConfigurationError(f"{path}: samples: list the samples here, by name")
        raw["samples"] = _expand(raw["samples"], path)
        return validated(cls, {**raw, "base": path.parent}, path)

    @model_validator(mode="after")
    def _references(self) -> "Catalogue":
        for name, sample in self.samples.items():
            if sample.process not in self.processes:
                raise ValueError(
                    f"samples.{name}.process: '{sample.process}' is not under processes"
                    + closest(sample.process, self.processes)
                )
            if sample.normalisation is not None and sample.normalisation not in self.normalisations:
                raise ValueError(
                    f"samples.{name}.normalisation: '{sample.normalisation}' is not under normalisations"
                    + closest(sample.normalisation, self.normalisations)
                )
            if sample.kind == "data" and sample.model_fields_set & _OF_SIMULATION:
                given = ", ".join(sorted(sample.model_fields_set & _OF_SIMULATION))
                raise ValueError(f"samples.{name}: data has no cross section and no θ; remove {given}")
            if sample.kind == "data" and sample.variations:
                raise ValueError(f"samples.{name}: data has no variations")
            if sample.kind not in ("signal", "alternative") and sample.theta:
                raise ValueError(f"samples.{name}.theta: only a signal has a true θ; remove it")
            if not sample.files and sample.generate is None:
                raise ValueError(f"samples.{name}: give its files, or how to generate it")
        return self

    def __getitem__(self, name: str) -> Sample:
        if name not in self.samples:
            raise ConfigurationError(f"there is no sample '{name}'{closest(name, self.samples)}")
        return self.samples[name]

    def restricted(self, patterns: Sequence[str]) -> "Catalogue":
        """Return the catalogue with the samples whose names match a pattern, as ``ttbar_*``.

        Raises:
            ConfigurationError: a pattern matches nothing, or slices that share a normalisation are torn apart.
        """
        for pattern in patterns:
            if not fnmatch.filter(self.samples, pattern):
                raise ConfigurationError(f"no sample matches '{pattern}'{closest(pattern, self.samples)}")
        kept = {n: s for n, s in self.samples.items() if any(fnmatch.fnmatchcase(n, p) for p in patterns)}
        for name, sample in self.samples.items():
            shared = [n for n in self.sharing(name) if n in kept and n != name]
            if name not in kept and shared:
                raise ConfigurationError(
                    f"samples '{name}' and '{shared[0]}' share the normalisation '{sample.normalisation}'; take all of "
                    "its samples, or none"
                )
        return self.model_copy(update={"samples": kept})

    def files(self, name: str, variation: str | None = None) -> list[Location]:
        """Return the ntuples of a sample: paths, absolute or relative to the working folder, and URLs.

        The files of a pattern come in the order of their names.

        Args:
            name: the sample.
            variation: a variation that may have files of its own; the nominal ones where it has none.

        Raises:
            InputFileError: when a pattern matches nothing.
            UnreachableFileError: when the server of a pattern failed, which may pass.
            ConfigurationError: when a file is there twice: its events would count twice.
        """
        sample, key = self[name], "files"
        texts = sample.files
        if variation is not None and variation in sample.variations:
            texts, key = sample.variations[variation], f"variations.{variation}"
        if not texts:
            return [self.ntuple(name)]
        found = [location for text in texts for location in _located(text, self.base, name)]
        places = Counter(f.resolve() if isinstance(f, Path) else f for f in found)
        twice = next((place for place, n in places.items() if n > 1), None)
        if twice is not None:
            raise ConfigurationError(f"samples.{name}.{key}: '{twice}' is there twice; its events would count twice")
        return found

    def checksums(self, name: str) -> dict[Location, Checksum] | None:
        """Return the checksums that a sample names, by resolved path or URL; None where it names none.

        Raises:
            InputFileError: the file that lists them is missing.
            ConfigurationError: the file that lists them holds something else.
        """
        given, base = self[name].checksums, self.base
        if given is None:
            return None
        if isinstance(given, str):
            path = self.base / given
            given, base = load_yaml(path), path.parent
            try:
                given = _checked_sums(given)
            except ValueError as err:
                raise ConfigurationError(f"{path}: {err}") from err
        return {
            path if "://" in path else (base / path).resolve(): Checksum.parse(text)
            for path, text in dict(given).items()
        }

    def ntuple(self, name: str) -> Path:
        """Return the place of a sample's generated ntuple."""
        return self.base / self.generated / f"{name}.root"

    def sharing(self, name: str) -> list[str]:
        """Return the samples that share the normalisation of one, itself included; alternatives among themselves."""
        own = self[name]
        if own.normalisation is None:
            return [name]
        return [
            n
            for n, s in self.samples.items()
            if s.normalisation == own.normalisation and (s.kind == "alternative") == (own.kind == "alternative")
        ]

    def names(self, kind: str | None = None) -> list[str]:
        """Return the names of the samples, of one kind or all."""
        return [n for n, s in self.samples.items() if kind is None or s.kind == kind]

    def expected_events(self, name: str, generator_pb: Mapping[str, float | None], luminosity_fb: float) -> float:
        """Return the expected events of a sample before any cut: luminosity · σ · k · B · ε.

        Args:
            name: the sample.
            generator_pb: cross section that the generator left in each sample's ntuple, pb, None where it left none;
                needed for the sample itself, and for every slice of its normalisation.
            luminosity_fb: integrated luminosity in fb⁻¹.

        Raises:
            MissingCrossSectionError: when no cross section is known.
        """
        sample = self[name]
        sigma = self.cross_section(name, generator_pb)
        return luminosity_fb * inv_fb * sigma * sample.branching_ratio * sample.filter_efficiency

    def cross_section(self, name: str, generator_pb: Mapping[str, float | None]) -> float:
        """Return σ · k of a sample in pb, k from its normalisation too; arguments and errors as `expected_events`."""
        sample = self[name]
        k = sample.k_factor
        if sample.normalisation is not None:
            rule = self.normalisations[sample.normalisation]
            slices = self.sharing(name)
            total = sum(self._bare_cross_section(n, generator_pb) for n in slices)
            k *= rule.total_cross_section_pb * rule.branching_ratio / total
        return k * self._bare_cross_section(name, generator_pb)

    def _bare_cross_section(self, name: str, generator_pb: Mapping[str, float | None]) -> float:
        value = self[name].cross_section_pb
        if value == "generator":
            value = generator_pb.get(name)
            if value is None:
                raise MissingCrossSectionError(
                    f"sample '{name}': cross_section_pb is 'generator', but its ntuple carries none; "
                    "write the number in pb into the catalogue"
                )
        if value is None:
            raise MissingCrossSectionError(
                f"sample '{name}' has no cross section; write cross_section_pb (in pb) into the catalogue"
            )
        return float(value)


def _located(text: str, base: Path, sample: str) -> list[Location]:
    """Return the file or files that an entry of ``files`` or ``variations`` stands for."""
    if "://" in text:
        urls = listed(text) if is_pattern(text) else [text]
        if not urls:
            raise InputFileError(f"{text}: no file matches this pattern of sample '{sample}'; check it, or the folder")
        return list(urls)
    path = base / text
    if not any(c in text for c in "*?[") or path.exists():
        return [path]
    start = Path(path.anchor) if Path(text).is_absolute() else base
    found = sorted(start.glob(str(path.relative_to(start))))
    if not found:
        raise InputFileError(f"{path}: no file matches this pattern of sample '{sample}'; check it, or the folder")
    return list(found)


def _expand(samples: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Replace each sample with a ``for: {name: [values]}`` block by one sample a combination."""
    expanded: dict[str, Any] = {}
    for name, body in samples.items():
        if not isinstance(body, dict):
            raise ConfigurationError(f"{path}: samples.{name}: write the sample as a mapping")
        body = dict(body)
        grid = body.pop("for", {})
        if not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in grid.values()):
            raise ConfigurationError(f"{path}: samples.{name}.for: write NAME: [value, value, …]")
        for values in itertools.product(*grid.values()):
            substitution = dict(zip(grid, values, strict=True))
            new = _substitute(name, substitution)
            if new in expanded:
                raise ConfigurationError(f"{path}: samples.{name}: the name '{new}' appears twice")
            expanded[new] = _substitute(body, substitution)
    return expanded


def _substitute(node: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        return {_substitute(k, values): _substitute(v, values) for k, v in node.items()}
    if isinstance(node, list):
        return [_substitute(v, values) for v in node]
    if isinstance(node, str):
        for key, value in values.items():
            if node == f"{{{key}}}":
                return value
            node = node.replace(f"{{{key}}}", str(value))
    return node


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping safely (no code is executed; a key written twice is an error).

    Raises:
        InputFileError: when the file is missing or unreadable.
        ConfigurationError: when it is not YAML or not a mapping, with the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as err:
        raise InputFileError(f"{path}: there is no such file; check the path") from err
    except (OSError, UnicodeDecodeError) as err:
        raise InputFileError(f"{path}: cannot be read as text ({err})") from err
    try:
        raw = yaml.load(text, Loader=_UniqueKeyLoader)  # a SafeLoader
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(err, "problem", None) or "it cannot be parsed"
        raise ConfigurationError(f"{path}{line}: not valid YAML ({problem})") from err
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{path}: expected a mapping of keys to values")
    return raw


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Overlay changes on a mapping, mapping by mapping; a key set to null is removed.

    Example:
        >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
        {'a': {'b': 1, 'c': 3}}
    """
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            if key not in result:
                raise ConfigurationError(f"'{key}: null' removes a key that is not there{closest(key, result)}")
            del result[key]
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


class _UniqueKeyLoader(yaml.SafeLoader):
    """A SafeLoader that refuses a key written twice, which YAML would silently let win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # <<: *anchor
                continue
            key = self.construct_object(key_node, deep=True)
            if str(key) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' stands here twice", key_node.start_mark
                )
            seen.add(str(key))
        return super().construct_mapping(node, deep)


def validated(model: type[M], raw: Mapping[str, Any], path: Path) -> M:
    """Validate raw YAML; every complaint becomes one line with the file and the path to the key.

    Raises:
        ConfigurationError: the first complaint.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = _fields_at(model, first["loc"][:-1])
            message = f"unknown key{closest(str(first['loc'][-1]), known)}"
        elif first["type"] == "missing":
            message = "this key is needed"
        else:
            message = str(first["msg"]).removeprefix("Value error, ")
            if first["type"] != "value_error":
                message += f"; it is {first['input']!r}"
        raise ConfigurationError(f"{path}: {where}: {message}" if where else f"{path}: {message}") from err


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that a model allows at a location, as far as its types tell."""
    schema = model.model_json_schema()
    node: Any = schema
    for part in location:
        node = _resolve(node, schema)
        node = node.get("properties", {}).get(str(part)) or node.get("additionalProperties") or node.get("items")
        if not isinstance(node, dict):
            return []
    return list(_resolve(node, schema).get("properties", {}))


def _resolve(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for option in [node, *node.get("anyOf", []), *node.get("allOf", [])]:
        if "$ref" in option:
            found: dict[str, Any] = schema["$defs"][option["$ref"].rsplit("/", 1)[-1]]
            return found
    return node
