import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.trials import Condition

CELLS = {"auc": 0.93, "epochs": 10, "type": "bdt", "held_out": "mass_1000"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auc > 0.9", True),
        ("auc>0.93", False),
        ("auc >= 9.3e-1", True),
        ("epochs != 10", False),
        ("type == 'bdt'", True),
        ('type == "network"', False),
        ("not type == 'bdt'", False),
        ("auc < 0.5 or type == 'bdt' and epochs == 10", True),
        ("(auc < 0.5 or type == 'bdt') and epochs == 11", False),
        ("auc > -1", True),
        ("depth > 3", False),
        ("not depth > 3", True),
    ],
)
def test_conditions_hold_as_they_read(text, expected):
    assert Condition.parse(text).holds(CELLS) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auc",
        "auc >",
        "auc > 0.9 and",
        "(auc > 0.9",
        "auc > 0.9)",
        "auc = 0.9",
        "0.9 < auc",
        "auc > other",
        "auc > 0.9 epochs > 1",
        "__import__('os').system('true')",
        "auc.__class__ == (1)",
        "auc > 0.9; type == 'x'",
        "auc ( 1",
    ],
)
def test_what_is_no_condition_is_refused_with_an_example(text):
    with pytest.raises(ConfigurationError, match=r"cannot be read from .* on; write it as"):
        Condition.parse(text)


def test_deep_nesting_is_refused_before_the_stack_ends():
    with pytest.raises(ConfigurationError, match="too many parentheses"):
        Condition.parse("(" * 10_000 + "auc > 1" + ")" * 10_000)
    with pytest.raises(ConfigurationError, match="too many parentheses"):
        Condition.parse("not " * 10_000 + "auc > 1")


def test_a_word_is_not_compared_with_a_number():
    with pytest.raises(ConfigurationError, match="'type > 3': a number is compared with a word"):
        Condition.parse("type > 3").holds(CELLS)


def test_unknown_columns_are_named():
    with pytest.raises(ConfigurationError, match="there is no column 'epoch'; did you mean 'epochs'"):
        Condition.parse("epoch > 3").check(CELLS)
