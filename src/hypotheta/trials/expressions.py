"""Conditions on rows, as ``auc > 0.9 and type == 'network'``: a small language of its own, nothing is evaluated."""

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from hypotheta.errors import ConfigurationError, closest
from hypotheta.trials.record import Scalar

__all__ = ["Condition"]

Test = Callable[[Mapping[str, Scalar]], bool]

_COMPARISONS: dict[str, Callable[[Scalar, Scalar], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
        |(?P<text>'[^']*'|"[^"]*")
        |(?P<name>[A-Za-z_][A-Za-z0-9_./]*)
        |(?P<sign>==|!=|<=|>=|<|>|\(|\)))""",
    re.VERBOSE,
)
_DEPTH = 50
_HELP = "write it as \"auc > 0.9 and (type == 'network' or not epochs < 5)\""


class _Token(NamedTuple):
    kind: str
    text: str


@dataclass(frozen=True)
class Condition:
    """A condition on the columns of a row; made by `parse`. A row without the column does not fulfil a comparison.

    Args:
        text: as it was written.
        columns: the columns that it names.
    """

    text: str
    columns: frozenset[str]
    _test: Test

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read a condition: comparisons of a column with a number or a quoted word, joined by and, or, not.

        Raises:
            ConfigurationError: it cannot be read.

        Example:
            >>> Condition.parse("auc > 0.9 and type == 'bdt'").holds({"auc": 0.93, "type": "bdt"})
            True
        """
        parser = _Parser(text)
        test = parser.whole()
        return cls(text, frozenset(parser.columns), test)

    def holds(self, cells: Mapping[str, Scalar]) -> bool:
        """Tell whether a row fulfils it.

        Raises:
            ConfigurationError: a number is compared with a word.
        """
        try:
            return self._test(cells)
        except TypeError as err:
            raise ConfigurationError(f"'{self.text}': a number is compared with a word ({err})") from err

    def check(self, known: Collection[str]) -> None:
        """Check that all columns are there.

        Raises:
            ConfigurationError: naming the closest one.
        """
        for name in sorted(self.columns):
            if name not in known:
                raise ConfigurationError(f"'{self.text}': there is no column '{name}'{closest(name, known)}")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.columns: set[str] = set()
        self.tokens = [*_tokens(text), _Token("end", "its end")]
        self.depth = 0

    def whole(self) -> Test:
        test = self.either()
        if self.tokens[0].kind != "end":
            raise self.wrong()
        return test

    def either(self) -> Test:
        tests = [self.both()]
        while self.take("or"):
            tests.append(self.both())
        return lambda cells: any(test(cells) for test in tests)

    def both(self) -> Test:
        tests = [self.single()]
        while self.take("and"):
            tests.append(self.single())
        return lambda cells: all(test(cells) for test in tests)

    def single(self) -> Test:
        self.depth += 1
        if self.depth > _DEPTH:
            raise ConfigurationError(f"'{self.text[:40]}…': too many parentheses; {_HELP}")
        if self.take("not"):
            inner = self.single()
            test: Test = lambda cells: not inner(cells)  # noqa: E731 - one of three ways to make a test
        elif self.take("("):
            test = self.either()
            if not self.take(")"):
                raise self.wrong()
        else:
            test = self.comparison()
        self.depth -= 1
        return test

    def comparison(self) -> Test:
        column, sign, value = self.next("name"), self.next("sign"), self.next("number", "text")
        if sign not in _COMPARISONS:
            raise self.wrong()
        compare = _COMPARISONS[sign]
        wanted: Scalar = value[1:-1] if value[0] in "'\"" else float(value)
        self.columns.add(column)
        return lambda cells: column in cells and compare(cells[column], wanted)

    def take(self, text: str) -> bool:
        if self.tokens[0].text == text and self.tokens[0].kind in ("name", "sign"):
            self.tokens.pop(0)
            return True
        return False

    def next(self, *kinds: str) -> str:
        if self.tokens[0].kind not in kinds:
            raise self.wrong()
        return self.tokens.pop(0).text

    def wrong(self) -> ConfigurationError:
        return ConfigurationError(f"'{self.text}' cannot be read from {self.tokens[0].text} on; {_HELP}")


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise ConfigurationError(f"'{text}' cannot be read from {text[position:].strip()} on; {_HELP}")
        kind = str(match.lastgroup)
        yield _Token(kind, match.group(kind))
        position = match.end()
