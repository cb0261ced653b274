"""The schema of ``analysis.yaml``: the numbers of an analysis.

Unknown keys are forbidden; every complaint names the file and the path to the key. ``extends: other.yaml`` takes
everything from another file and changes what is written.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from hypotheta.classifiers import ClassifierConfig
from hypotheta.corrections import CorrectionConfig
from hypotheta.errors import closest
from hypotheta.parameters import Kind
from hypotheta.significance import Direction
from hypotheta.statistics.templates.members import Combination
from hypotheta.statistics.templates.shaping import Treatment
from hypotheta.trials.space import Choices, Range

__all__ = [
    "AnalysisConfig",
    "BinningConfig",
    "DataConfig",
    "DiagnosticsConfig",
    "FitConfig",
    "InterpolationConfig",
    "LimitsConfig",
    "MatrixConfig",
    "NuisanceStudyConfig",
    "ObservableConfig",
    "ParameterConfig",
    "SignificanceConfig",
    "SystematicConfig",
    "TheoryConfig",
    "TrainingConfig",
    "TrialsConfig",
    "ValidityConfig",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
_GRID = r"^[A-Za-z][A-Za-z0-9_]*=[^:]+:[^:]+:[^:]+$"  # NAME=FIRST:LAST:STEP


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ParameterConfig(_Strict):
    """One parameter of θ; ``object`` names the object variation that an event-kind parameter applies."""

    kind: Kind
    grid: tuple[float, ...]
    unit: str = ""
    label: str = ""
    nominal: float | None = None
    object: str | None = None


class SystematicConfig(_Strict):
    """One source of uncertainty on the templates.

    It is an event-kind ``parameter``, an ``object`` variation (of this package, or one under ``corrections``), a
    ``weight`` variation (of the analysis' code, of ``corrections``, or of the ntuples), a variation whose events or
    branches the ``ntuple`` holds (named in the profile), or other ``samples`` in place of the nominal ones, as
    ``{ttbar: ttbar_herwig}``: a two-point variation, mirrored.

    A weight variation with members says how they are combined, bin by bin: as a ``hessian`` set of parton densities,
    one of ``hessian_pairs``, as ``replicas``, or by their ``envelope``. With ``eigenvectors`` so many nuisances,
    ``NAME_1`` and so on, take the place of one: those eigenvectors of the covariance of the sum of all processes, over
    the bins of all regions, that cost most precision on μ. Each moves all processes. ``size`` is a factor on the shifts
    of a weight variation, as 1/1.645 for a set at 90 % confidence level.

    Without ``down`` an object variation is one-sided and mirrored around the nominal template. With
    ``normalisation_only`` only the yield moves: a shape below the noise of the simulation would fake a constraint.
    ``shaping`` symmetrises, smooths or prunes its templates, see `hypotheta.statistics.Treatment`; what was done stands
    in the workspaces' manifest. ``group`` names the group in which its impact on μ is quoted, its own where None. It
    acts on the ``processes`` of the catalogue that are named, on all where None.
    """

    parameter: str | None = None
    object: str | None = None
    weight: str | None = None
    ntuple: str | None = None
    samples: Annotated[Mapping[str, str], Field(min_length=1)] | None = None
    combine: Combination | None = None
    eigenvectors: Annotated[int, Field(gt=0, le=50)] | None = None
    size: Positive = 1.0
    up: float | None = None
    down: float | None = None
    normalisation_only: bool = False
    shaping: Treatment = Treatment()
    group: str | None = None
    processes: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "SystematicConfig":
        given = [s for s in ("parameter", "object", "weight", "ntuple", "samples") if getattr(self, s) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of parameter, object, weight, ntuple, samples")
        shifted = given[0] in ("parameter", "object")
        if shifted and self.up is None:
            raise ValueError("give the value of the upward variation, up: NUMBER")
        if not shifted and (self.up is not None or self.down is not None):
            raise ValueError(f"up, down: they belong to a parameter or an object variation, not to {given[0]}")
        if self.combine is not None and self.weight is None:
            raise ValueError("combine: it belongs to a weight variation with members")
        if self.size != 1 and self.weight is None:
            raise ValueError("size: it belongs to a weight variation; give others another up and down")
        if self.eigenvectors is not None and self.combine in (None, "envelope"):
            raise ValueError("eigenvectors: give combine as well, hessian, hessian_pairs or replicas")
        if self.parameter is not None and self.down is None:
            raise ValueError("give the value of the downward variation, down: NUMBER")
        return self

    def nuisances(self, name: str) -> tuple[str, ...]:
        """Return the nuisance parameters of the systematic of this name."""
        if self.eigenvectors is None:
            return (name,)
        return tuple(f"{name}_{i}" for i in range(1, self.eigenvectors + 1))


class TrainingConfig(_Strict):
    """Where and how classifiers are trained: the region whose events they see, and the number of folds.

    ``max_events``: about so many events of each sample are trained on, the same ones in every variation, and weigh the
    more; all by default. Everything but the training (scores, templates, diagnostics) takes all events.
    """

    region: str
    folds: Annotated[int, Field(ge=3)] = 4
    max_events: Annotated[int, Field(gt=0)] | None = None


class ObservableConfig(_Strict):
    """The analysis' own variable, the baseline without learning; ``edges`` are its bins, in its unit."""

    feature: str
    edges: Annotated[tuple[float, ...], Field(min_length=2)]


class BinningConfig(_Strict):
    """Bins of a discriminant: a ladder of background efficiencies, merged up to the floors, or chosen for the limit.

    ``optimised``: ``fine_bins`` of equal steps in the logit of the background efficiency, from the ladder's first down
    to the floor on expected events, are merged to at most ``most_bins`` for the smallest expected limit, with the
    signal of the other hypotheses, see `hypotheta.statistics.templates.optimise`; the observable keeps its edges.
    """

    region: str
    method: Literal["ladder", "optimised"] = "ladder"
    most_bins: Annotated[int, Field(gt=0)] = 15
    fine_bins: Annotated[int, Field(gt=1)] = 60
    background_efficiencies: Annotated[tuple[float, ...], Field(min_length=1)]
    min_effective_events: Annotated[float, Field(ge=0)] = 10.0
    min_expected_events: Annotated[float, Field(ge=0)] = 1.0

    @model_validator(mode="after")
    def _falling(self) -> "BinningConfig":
        e = self.background_efficiencies
        if any(not 0 < v < 1 for v in e) or any(a <= b for a, b in pairwise(e)):
            raise ValueError("background_efficiencies must fall and lie between 0 and 1")
        unused = {"most_bins", "fine_bins"} & self.model_fields_set
        if self.method == "ladder" and unused:
            raise ValueError(f"{', '.join(sorted(unused))}: they belong to method: optimised")
        return self


class SignificanceConfig(_Strict):
    """The score cut: relative background uncertainty, and the floor on effective background events.

    Errors of thresholds and significances come from so many ``replicas``. With ``also`` the score is cut together with
    features, ``{njet: ">=", met: ">="}``. ``counting_limits`` are set with the events that pass the best cut, beside
    those of the shape. With ``apply`` a workflow writes and draws the events that survive the cut of the discriminant
    whose limits are drawn.
    """

    background_uncertainty: Fraction = 0.1
    min_effective_background: Annotated[float, Field(ge=0)] = 10.0
    replicas: Annotated[int, Field(ge=2)] = 100
    also: Mapping[Name, Direction] = Field(default_factory=dict)
    counting_limits: bool = True
    apply: bool = False


class InterpolationConfig(_Strict):
    """Leave-one-out: ``classifiers`` are trained again without each simulated value of the parameter ``along``.

    What comes out is compared with the full classifier and with a reference that was trained at that value:
    ``classifiers: {parameterized_network: fixed_networks}``.
    """

    along: Name
    classifiers: Annotated[Mapping[Name, Name], Field(min_length=1)]
    tolerance: Annotated[float, Field(ge=0)] = 0.003


class MatrixConfig(_Strict):
    """Events at each value of an event-kind parameter, evaluated at each value: AUC, Z, background efficiency."""

    along: Name
    classifiers: Annotated[tuple[Name, ...], Field(min_length=1)]
    signal_efficiency: Annotated[float, Field(gt=0, lt=1)] = 0.5
    background_uncertainty: Fraction = 0.1
    min_effective_background: Annotated[float, Field(ge=0)] = 10.0


class DiagnosticsConfig(_Strict):
    """Event-kind points (``{jes: [0.95, 1.0, 1.05]}``) at which AUCs are quoted; bootstrap replicas.

    Classifiers are compared with ``reference``; an AUC lower by more than ``tolerance`` is no pass. Overtraining,
    calibration and sculpting are checked at ``hypotheses``, simulated ones, or so many spread over the grid; sculpting
    after a cut that leaves ``cut_efficiency`` of background. Verdicts are passed on the classifiers that are ``judged``
    (None: on all); a baseline that is there to be beaten need not be. Pictures that compare classifiers are drawn once
    for each of ``groups`` (one of all where there is none).
    """

    at: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    replicas: Annotated[int, Field(gt=1)] = 200
    reference: str | None = None
    tolerance: Annotated[float, Field(ge=0)] = 0.01
    hypotheses: Annotated[int, Field(gt=0)] | tuple[Mapping[str, float], ...] = 3
    cut_efficiency: Annotated[float, Field(gt=0, lt=1)] = 0.1
    judged: tuple[Name, ...] | None = None
    groups: Mapping[Name, tuple[Name, ...]] = Field(default_factory=dict)
    interpolation: InterpolationConfig | None = None
    matrix: MatrixConfig | None = None


class DataConfig(_Strict):
    """What stands in for data: nothing, the background Asimov set, or pseudo-data, with an injected signal or not.

    ``inject`` is a hypothesis, ``{}`` where the signal has no parameter.
    """

    source: Literal["files", "pseudo", "asimov"] = "asimov"
    inject: Mapping[str, float] | None = None
    inject_cross_section_pb: Annotated[float, Field(ge=0)] = 0.0


class TheoryConfig(_Strict):
    """A predicted σ·B in pb at values of the signal's first parameter: ``cross_section_pb: {500: 3.2, 1000: 0.2}``.

    It is a number where there is one hypothesis.
    """

    cross_section_pb: Annotated[
        Annotated[Mapping[float, Positive], Field(min_length=2), Tag("mapping")] | Annotated[Positive, Tag("number")],
        # a complaint is then about what was written, not about the other form
        Discriminator(lambda value: "mapping" if isinstance(value, Mapping) else "number"),
    ]
    label: str = "theory"


class LimitsConfig(_Strict):
    """Upper limits: confidence level, expected band, the discriminant whose band is drawn, and how they are computed.

    ``grid`` adds hypotheses without simulation, as ``mass=400:1500:10``: their signal is interpolated. ``toys`` of each
    hypothesis at each of 12 values of μ replace asymptotic formulas; with 0 there are none. With a ``theory`` the
    excluded range is quoted and drawn, and so are the limits over it.
    """

    confidence_level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    band: Literal["prefit", "postfit"] = "prefit"
    brazil: str | None = None
    grid: Annotated[str, Field(pattern=_GRID)] | None = None
    engine: Literal["batched", "pyhf"] = "batched"
    toys: Annotated[int, Field(ge=0)] = 0
    theory: TheoryConfig | None = None


class FitConfig(_Strict):
    """Fits of single workspaces: which, and what is made from them besides pulls, ranking and templates.

    Without ``discriminants`` that of ``limits.brazil`` is fitted, without ``hypotheses`` the middle one of those that
    are checked. ``planes`` are scanned together with μ: systematics, those that shift a parameter where None. μ stays
    within ``mu_range``, in pb. While blinded the Asimov set with a signal of ``asimov_cross_section_pb`` is fitted;
    ``toys`` judge the goodness of fit of data.
    """

    discriminants: tuple[Name, ...] | None = None
    hypotheses: tuple[Mapping[str, float], ...] | None = None
    planes: tuple[Name, ...] | None = None
    scan_points: Annotated[int, Field(ge=3)] = 25
    mu_range: tuple[float, float] | None = None
    asimov_cross_section_pb: Annotated[float, Field(ge=0)] = 0.0
    toys: Annotated[int, Field(ge=0)] = 0


class ValidityConfig(_Strict):
    """Studies of the limits' validity with toys: ``hypotheta limits --validate``.

    They are made for one ``discriminant`` (the brazil plot's where None) at the hypotheses of ``diagnostics``: ``toys``
    of each for injection, coverage and asymptotics, ``scan_toys`` of the whole scan for its global significance.
    Templates are filled again where a systematic of an event-kind parameter is ``shifts`` σ. With ``seeds``, a
    classifier is trained so many times more: at least 3, fewer know no spread.
    """

    discriminant: Name | None = None
    toys: Annotated[int, Field(ge=100)] = 4000
    scan_toys: Annotated[int, Field(ge=100)] = 2000
    shifts: tuple[float, ...] = (-2.0, -1.5, -0.5, 0.5, 1.5, 2.0)
    seeds: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _enough_seeds(self) -> "ValidityConfig":
        if 0 < self.seeds < 3:
            raise ValueError(
                f"seeds: {self.seeds} cannot tell a large spread from a small one; give 3 or more, or 0 for no study"
            )
        return self


class NuisanceStudyConfig(_Strict):
    """What a nuisance costs: limits of all discriminants with it and with it known, over those of a ``reference``.

    ``nuisance`` and ``other`` name systematics; with an ``other`` one all is done with and without that as well.
    Errors come from so many ``replicas`` of the simulated events.
    """

    nuisance: Name
    reference: Name
    other: Name | None = None
    replicas: Annotated[int, Field(gt=1)] = 100


class TrialsConfig(_Strict):
    """Where trainings are recorded: any database URL, and the study in it.

    Without ``storage`` it is ``trials.db`` (SQLite) among the results, without ``study`` the one with the analysis'
    name. A password is better kept in ``~/.pgpass`` than here.
    """

    storage: str | None = None
    study: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class AnalysisConfig(_Strict):
    """Everything that is a number or a name in an analysis.

    ``samples`` chooses samples of the catalogue by name or pattern. Without ``significance`` no cuts are scanned,
    without ``binning`` there are no templates and no limits: a study of classifiers needs neither. Without ``validity``
    the limits are not tried with toys. ``tune`` says which settings of which classifier ``hypotheta tune`` may choose.
    """

    name: Name
    title: str
    question: str = ""
    notes: tuple[str, ...] = ()
    code: Path
    catalogue: Path
    samples: tuple[str, ...] = ("*",)
    results: Path = Path("results")
    seed: int
    luminosity_fb: Positive
    luminosity_uncertainty: Fraction
    luminosity_reason: str = ""
    unblind: bool = False
    parameters: Mapping[Name, ParameterConfig]
    selection: Mapping[str, Any]
    corrections: Mapping[Name, CorrectionConfig] = Field(default_factory=dict)
    systematics: Mapping[Name, SystematicConfig] = Field(default_factory=dict)
    training: TrainingConfig
    classifiers: Mapping[Name, ClassifierConfig]
    observable: ObservableConfig
    binning: BinningConfig | None = None
    significance: SignificanceConfig | None = None
    diagnostics: DiagnosticsConfig = DiagnosticsConfig()
    data: DataConfig = DataConfig()
    limits: LimitsConfig = LimitsConfig()
    fit: FitConfig = FitConfig()
    validity: ValidityConfig | None = None
    nuisance_study: NuisanceStudyConfig | None = None
    trials: TrialsConfig = TrialsConfig()
    tune: Mapping[Name, Annotated[Mapping[Name, Range | Choices], Field(min_length=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _references(self) -> "AnalysisConfig":
        for name, parameter in self.parameters.items():
            if parameter.kind == "event" and parameter.object is None:
                raise ValueError(f"parameters.{name}: an event-kind parameter needs the object variation it applies")
        for name, systematic in self.systematics.items():
            if systematic.parameter is not None and systematic.parameter not in self.parameters:
                raise ValueError(
                    f"systematics.{name}.parameter: there is no parameter '{systematic.parameter}'"
                    + closest(systematic.parameter, self.parameters)
                )
        chosen = {"limits.brazil": self.limits.brazil, "diagnostics.reference": self.diagnostics.reference}
        if self.validity is not None:
            chosen["validity.discriminant"] = self.validity.discriminant
        for key, wanted in chosen.items():
            if wanted is not None and wanted not in self.discriminants:
                raise ValueError(f"{key}: there is no discriminant '{wanted}'{closest(wanted, self.discriminants)}")
        for name in self.fit.discriminants or ():
            if name not in self.discriminants:
                raise ValueError(
                    f"fit.discriminants: there is no discriminant '{name}'{closest(name, self.discriminants)}"
                )
        for name, classifier in self.classifiers.items():
            if classifier.type == "merged":
                others = [n for n, other in self.classifiers.items() if other.type != "merged"]
                if classifier.of not in others:
                    raise ValueError(
                        f"classifiers.{name}.of: there is no classifier '{classifier.of}' to be merged"
                        + closest(classifier.of, others)
                    )
        _check_diagnostics(self)
        _check_nuisance_study(self)
        _check_tune(self)
        if "observable" in self.classifiers:
            raise ValueError("classifiers.observable: this name is kept for the analysis' own variable")
        return self

    @property
    def discriminants(self) -> tuple[str, ...]:
        """The observable and every classifier: one limit curve each."""
        return ("observable", *self.classifiers)


def _check_nuisance_study(config: AnalysisConfig) -> None:
    """Check that the study names systematics and a discriminant that are there."""
    options = config.nuisance_study
    if options is None:
        return
    for key, name in (("nuisance", options.nuisance), ("other", options.other)):
        if name is not None and name not in config.systematics:
            known = closest(name, config.systematics)
            raise ValueError(f"nuisance_study.{key}: there is no systematic '{name}'{known}")
        if name is not None and config.systematics[name].eigenvectors is not None:
            raise ValueError(f"nuisance_study.{key}: '{name}' is several nuisances; leave its eigenvectors out")
    if options.nuisance == options.other:
        raise ValueError(f"nuisance_study.other: '{options.other}' is the nuisance itself; name another, or none")
    if options.reference not in config.discriminants:
        known = closest(options.reference, config.discriminants)
        raise ValueError(f"nuisance_study.reference: there is no discriminant '{options.reference}'{known}")


def _check_tune(config: AnalysisConfig) -> None:
    """Check that every setting that may be chosen is one of its classifier, and may be what it is drawn from."""
    for name, settings in config.tune.items():
        if name not in config.classifiers:
            raise ValueError(f"tune: there is no classifier '{name}'{closest(name, config.classifiers)}")
        own = config.classifiers[name]
        for setting, allowed in settings.items():
            if setting not in type(own).model_fields or setting == "type":
                known = closest(setting, set(type(own).model_fields) - {"type"})
                raise ValueError(f"tune.{name}: there is no setting '{setting}'{known}")
            for value in allowed.examples if isinstance(allowed, Range) else allowed:
                try:
                    type(own).model_validate({**own.model_dump(), setting: value})
                except ValidationError as err:
                    reason = str(err.errors()[0]["msg"])
                    raise ValueError(f"tune.{name}.{setting}: it cannot be {value!r} ({reason})") from err


def _check_diagnostics(config: AnalysisConfig) -> None:
    """Check that the diagnostics name things that are there, before anything is trained."""
    options = config.diagnostics

    def known(where: str, names: Iterable[str], among: Collection[str], what: str) -> None:
        for name in names:
            if name not in among:
                raise ValueError(f"diagnostics.{where}: there is no {what} '{name}'{closest(name, among)}")

    event = {name: p for name, p in config.parameters.items() if p.kind == "event"}
    known("at", options.at, event, "event-kind parameter")
    for name, values in options.at.items():
        if event[name].nominal not in values:
            raise ValueError(f"diagnostics.at.{name}: add the nominal value {event[name].nominal}")
    known("judged", options.judged or (), config.classifiers, "classifier")
    for group, names in options.groups.items():
        known(f"groups.{group}", names, config.discriminants, "discriminant")
    if options.matrix is not None:
        known("matrix.along", [options.matrix.along], event, "event-kind parameter")
        known("matrix.classifiers", options.matrix.classifiers, config.classifiers, "classifier")
    if options.interpolation is not None:
        pairs = options.interpolation.classifiers
        known("interpolation.along", [options.interpolation.along], config.parameters, "parameter")
        known("interpolation.classifiers", [*pairs, *pairs.values()], config.classifiers, "classifier")
        for name in pairs:
            held_out = config.classifiers[name]
            if held_out.type == "per_hypothesis" or held_out.type == "merged" or held_out.parameters == ():
                raise ValueError(
                    f"diagnostics.interpolation.classifiers: '{name}' does not see '{options.interpolation.along}', so "
                    "nothing can be held out; choose a parameterized classifier"
                )
