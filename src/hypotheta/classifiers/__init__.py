"""Classifiers that take the hypothesis θ as an input. Which one do I use?

- ``network`` (`networks.ParameterizedNetwork`): the default; smooth in θ, so it also serves hypotheses between the
  simulated ones. With ``parameters: []`` it does not see θ (the mixture network).
- ``bdt`` (`bdt.ParameterizedBDT`): boosted trees on the same inputs; a strong cross-check, a step function of θ.
- ``per_hypothesis`` (`per_hypothesis.PerHypothesis`): one network a hypothesis; the yardstick at simulated
  hypotheses, useless between them.
- ``merged`` (`merged.Merged`): not another score but bins of one, cut so that a fit with the event-kind parameters as
  nuisances loses as little as possible; its output is the number of the bin.

An analysis hardly uses these directly: `crossfit.CrossFitted` trains k of them, so that every event is scored by one
that has not seen it. This module and `config` stay light; torch and xgboost are imported with the classes.
"""

from hypotheta.classifiers.config import (
    AnyClassifierConfig,
    BDTConfig,
    ClassifierConfig,
    MergedConfig,
    NetworkConfig,
    PerHypothesisConfig,
)

__all__ = [
    "AnyClassifierConfig",
    "BDTConfig",
    "ClassifierConfig",
    "MergedConfig",
    "NetworkConfig",
    "PerHypothesisConfig",
]
