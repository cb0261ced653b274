"""The settings of each classifier, as they stand in an analysis' YAML: one small class each, checked, with defaults.

What a classifier sees is a setting too, so that the usual baselines are no classes of their own: a mixture network
has ``parameters: []``; an augmented one leaves the event-kind parameter out of ``parameters``; one trained at a single
hypothesis and used everywhere has ``train_on: {mass: [1000]}, parameters: []``; a mass-balanced one has
``parameters: [], flat_in: <the reconstructed mass>``.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hypotheta.dataset import NegativeWeights
from hypotheta.information import Cut

__all__ = [
    "AnyClassifierConfig",
    "BDTConfig",
    "ClassifierConfig",
    "InputConfig",
    "MergedConfig",
    "NetworkConfig",
    "OptimisationConfig",
    "PerHypothesisConfig",
    "TrainingConfig",
]

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Names = tuple[str, ...]


class InputConfig(BaseModel):
    """What a classifier is shown.

    Args:
        features: ``all``, the ``low``- or ``high``-level ones of the analysis, or a list of names.
        train_on: parameter → the values whose events are trained on; a parameter that is left out is not restricted.
        negative_weights: what becomes of them, see `hypotheta.dataset.training_weights`.
        flat_in: a feature in which both classes are made flat by weights, or None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: Literal["all", "low", "high"] | Names = "all"
    train_on: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    negative_weights: NegativeWeights = "keep"
    flat_in: str | None = None


class OptimisationConfig(BaseModel):
    """How a network is built and trained.

    Args:
        hidden: width of each hidden layer.
        activation: function after each hidden layer; a smooth one gives a logit that is smooth in θ.
        ensemble: networks that differ by their seed only, trained in one pass; the logit is their mean, and their
            spread is the error of the training.
        epochs: passes over the training events, at most.
        patience: stop after so many epochs without a better tuning loss; the best epoch's weights are kept anyway.
            A one-cycle training gets best at its end, so stopping early saves little and may cost much.
        batch_size: events a step.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: AdamW's decoupled decay.
        device: ``auto`` (an accelerator when there is one), or a torch device such as ``cpu`` or ``cuda:0``.
        precision: ``full`` is float32; ``mixed`` multiplies matrices in bfloat16 on an accelerator, which pays for
            wide layers only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64, 64, 64)
    activation: Literal["silu", "relu", "tanh"] = "silu"
    ensemble: PositiveInt = 1
    epochs: PositiveInt = 10
    patience: PositiveInt = 10
    batch_size: PositiveInt = 1000
    learning_rate: PositiveFloat = 5e-3
    weight_decay: NonNegativeFloat = 0.1
    device: str = "auto"
    precision: Literal["full", "mixed"] = "full"


class TrainingConfig(InputConfig, OptimisationConfig):
    """What a network is shown and how it is trained: `InputConfig` and `OptimisationConfig`."""


class NetworkConfig(TrainingConfig):
    """A network with θ among its inputs.

    Args:
        parameters: the parameters that it sees: ``all``, or a list of names; an empty list is the mixture network.
        conditioning: how θ enters: ``concatenated`` to the features, or ``affine``, as a scale and a shift of every
            hidden layer (Anzalone et al., arXiv:2202.00424).
    """

    type: Literal["network"] = "network"
    parameters: Literal["all"] | Names = "all"
    conditioning: Literal["concatenated", "affine"] = "concatenated"


class BDTConfig(InputConfig):
    """Boosted decision trees with θ among the features.

    Args:
        parameters: the parameters that they see: ``all``, or a list of names.
        trees: number of trees, at most.
        patience: stop after so many trees without a better tuning loss; the best number is kept.
        depth: largest depth of a tree.
        learning_rate: shrinkage of each tree.
        bins: histogram bins a feature.
        min_child_weight: least sum of second derivatives in a leaf, in units of average events.
        feature_fraction: part of the features that each tree may use.
        draws: times that background is repeated, each with other draws of θ and 1/draws of the weight.
        threads: threads of xgboost.
        negative_weights: trees cannot keep them, so they are refused unless told otherwise.
    """

    type: Literal["bdt"] = "bdt"
    parameters: Literal["all"] | Names = "all"
    trees: PositiveInt = 150
    patience: PositiveInt = 10
    depth: PositiveInt = 6
    learning_rate: PositiveFloat = 0.15
    bins: Annotated[int, Field(gt=1)] = 64
    min_child_weight: NonNegativeFloat = 20.0
    feature_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    draws: PositiveInt = 2
    threads: PositiveInt = 1
    negative_weights: Literal["refuse", "drop", "absolute"] = "refuse"


class PerHypothesisConfig(TrainingConfig):
    """One network a hypothesis, without θ; settings are of each network.

    The default batch is smaller, because each network sees only one hypothesis' signal.

    Args:
        hypotheses: the parameters at each of whose trained points there is a network of its own; ``signal`` for those
            of signal kind. Event-kind parameters that are not among them are nominal in training.
    """

    type: Literal["per_hypothesis"] = "per_hypothesis"
    hypotheses: Literal["signal"] | Names = "signal"
    batch_size: PositiveInt = 300


class MergedConfig(InputConfig):
    """Bins that keep what a nuisance-parameterized classifier knows, see `hypotheta.classifiers.merged`.

    What is seen of an event is what the other classifier sees, so that the settings of `InputConfig` stay as they are.

    Args:
        of: the classifier whose score is cut, under the same ``classifiers``; trained before.
        axes: what is known of an event beside the score s at nominal. ``score``: t = ∂ logit s/∂ν of every event-kind
            parameter that the classifier sees; ``background``: t_b, the same of the background alone, from a network
            of its own: needed where signal moves with ν too (the JES), as t then carries its derivative as noise; or a
            list of features.
        cells: how many parts s is cut into, and each of these along each further axis.
        bins: how many bins the cells are merged into; None leaves the cells, in order.
        cut: where the sorted cells are cut, see `hypotheta.information.cut_scores`.
        share: part of the nuisances' projection in the efficient score, see `hypotheta.information.merge_cells`.
        constraints: event-kind parameter → width of its prior, in its own unit; one that is not named is free.
        steps: event-kind parameter → distance to the nominal value of the shifted events from which derivatives are
            taken; None: the next values in the grid.
        normalisation: relative uncertainty of the background's yield, one more nuisance; None: it is known.
        pool_signal: take the signal's share in a cell from all cells of its part of s. If s is the likelihood ratio the
            further axes say nothing about it, and the signal of one cell is few events: without this, 15 × 7 cells
            filled with 3,500 background and 250 signal events gave limits 17 to 28 % worse than the score alone.
        strength: signal strength at which the bins are best; 0 for limits.
        min_expected: least expected background of a bin.
        min_effective: least effective MC events of the background in a bin.
        ratio: how the network behind t_b is trained.
    """

    type: Literal["merged"] = "merged"
    of: str
    axes: Literal["score", "background"] | Names = "background"
    cells: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (24, 4)
    bins: Annotated[int, Field(gt=1)] | None = 20
    cut: Cut = "information"
    share: Annotated[float, Field(ge=0, le=1)] = 0.7
    constraints: Mapping[str, PositiveFloat] = Field(default_factory=dict)
    steps: Mapping[str, PositiveFloat] = Field(default_factory=dict)
    normalisation: PositiveFloat | None = None
    pool_signal: bool = True
    strength: NonNegativeFloat = 0.0
    min_expected: NonNegativeFloat = 5.0
    min_effective: NonNegativeFloat = 20.0
    ratio: OptimisationConfig = OptimisationConfig()

    @model_validator(mode="after")
    def _inputs_of_another(self) -> "MergedConfig":
        set_here = sorted(set(InputConfig.model_fields) & self.model_fields_set)
        if set_here and any(
            getattr(self, name) != InputConfig.model_fields[name].get_default(call_default_factory=True)
            for name in set_here
        ):
            raise ValueError(f"{', '.join(set_here)}: what is seen is what '{self.of}' sees; set it there")
        return self


AnyClassifierConfig = NetworkConfig | BDTConfig | PerHypothesisConfig | MergedConfig
#: what stands under ``classifiers: {name: {type: …}}``; ``type`` tells the classes apart
ClassifierConfig = Annotated[AnyClassifierConfig, Field(discriminator="type")]
