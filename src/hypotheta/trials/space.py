"""What a study may choose, as it stands in an analysis' YAML."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Choices", "Range", "SearchSpace"]


class Range(BaseModel):
    """Numbers between two ends, both included: ``{low: 0.001, high: 0.1, log: true}``.

    Args:
        low: lower end; with a whole number at both ends whole numbers are drawn.
        high: upper end.
        log: whether the logarithm is drawn evenly.
        step: distance of the values, or None; not with ``log``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low: {self.low:g} must be below high: {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low: {self.low:g} must be positive with log: true")
        if self.step is not None and (self.log or not self.step > 0):
            raise ValueError(f"step: {self.step:g} must be positive, and goes without log: true")
        if self.is_whole and self.step is not None and not isinstance(self.step, int):
            raise ValueError(f"step: {self.step:g} must be whole where low and high are")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def examples(self) -> tuple[Any, ...]:
        """The values that show whether a setting may be drawn from here."""
        return self.low, self.high


#: values to choose of: numbers, words or lists of them
Choices = Annotated[tuple[Any, ...], Field(min_length=2)]


@dataclass(frozen=True)
class SearchSpace:
    """Settings and what they may be.

    Args:
        settings: setting → numbers between two ends, or values to choose of.
    """

    settings: Mapping[str, Range | tuple[Any, ...]]

    def suggest(self, trial: Any) -> dict[str, Any]:
        """Let Optuna's trial choose a value of every setting."""
        return {name: _suggest(trial, name, allowed) for name, allowed in self.settings.items()}


def _suggest(trial: Any, name: str, allowed: Range | tuple[Any, ...]) -> Any:
    if not isinstance(allowed, Range):
        # a database keeps choices that are numbers or words; lists become words
        return json.loads(trial.suggest_categorical(name, [json.dumps(value) for value in allowed]))
    if allowed.is_whole:
        return trial.suggest_int(name, allowed.low, allowed.high, log=allowed.log, step=allowed.step or 1)
    return trial.suggest_float(name, float(allowed.low), float(allowed.high), log=allowed.log, step=allowed.step)
