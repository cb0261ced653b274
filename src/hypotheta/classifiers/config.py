"""The settings of each classifier, as they stand in an analysis' YAML: one small class each, checked, with defaults."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["BDTConfig", "ClassifierConfig", "NetworkConfig", "PerHypothesisConfig", "TrainingConfig"]

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingConfig(_Strict):
    """How a network is built and trained.

    Args:
        hidden: width of each hidden layer.
        activation: function after each hidden layer; a smooth one gives a logit that is smooth in θ.
        epochs: passes over the training events, at most.
        patience: stop after so many epochs without a better tuning loss; the best epoch's weights are kept anyway.
        batch_size: events a step.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: AdamW's decoupled decay.
        device: ``auto`` (an accelerator when there is one), or a torch device such as ``cpu`` or ``cuda:0``.
    """

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64, 64, 64)
    activation: Literal["silu", "relu", "tanh"] = "silu"
    epochs: PositiveInt = 10
    patience: PositiveInt = 5
    batch_size: PositiveInt = 1000
    learning_rate: PositiveFloat = 5e-3
    weight_decay: NonNegativeFloat = 0.1
    device: str = "auto"


class NetworkConfig(TrainingConfig):
    """A network with θ concatenated to the features.

    Args:
        parameters: the parameters that it sees: ``all``, or a list of names; an empty list is the mixture network.
    """

    type: Literal["network"] = "network"
    parameters: Literal["all"] | tuple[str, ...] = "all"


class BDTConfig(_Strict):
    """Boosted decision trees with θ among the features.

    Args:
        trees: number of trees, at most.
        patience: stop after so many trees without a better tuning loss; the best number is kept.
        depth: largest depth of a tree.
        learning_rate: shrinkage of each tree.
        bins: histogram bins a feature.
        min_child_weight: least sum of second derivatives in a leaf, in units of average events.
        feature_fraction: part of the features that each tree may use.
        draws: times that background is repeated, each with other draws of θ and 1/draws of the weight.
        threads: threads of xgboost.
    """

    type: Literal["bdt"] = "bdt"
    trees: PositiveInt = 150
    patience: PositiveInt = 10
    depth: PositiveInt = 6
    learning_rate: PositiveFloat = 0.15
    bins: Annotated[int, Field(gt=1)] = 64
    min_child_weight: NonNegativeFloat = 20.0
    feature_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    draws: PositiveInt = 2
    threads: PositiveInt = 1


class PerHypothesisConfig(TrainingConfig):
    """One network a hypothesis, without θ, trained at the nominal event-kind point; settings are of each network.

    The default batch is smaller, because each network sees only one hypothesis' signal.
    """

    type: Literal["per_hypothesis"] = "per_hypothesis"
    batch_size: PositiveInt = 300


#: what stands under ``classifiers: {name: {type: …}}``; ``type`` tells the classes apart
ClassifierConfig = Annotated[NetworkConfig | BDTConfig | PerHypothesisConfig, Field(discriminator="type")]
