"""Verdicts are data."""

import json

import pytest

from hypotheta.diagnostics.verdicts import Verdict, severity, worst
from hypotheta.errors import ConfigurationError


def test_to_dict_is_json():
    verdict = Verdict("check", "warn", 0.51, None, 0.005, "close")
    assert json.loads(json.dumps(verdict.to_dict())) == {
        "name": "check",
        "status": "warn",
        "value": 0.51,
        "error": None,
        "limit": 0.005,
        "message": "close",
        "expected": 0.0,
    }


def test_severity_is_the_distance_from_what_is_perfect():
    low, high = (Verdict("odds", "fail", value, 0.1, 0.1, "", expected=1.0) for value in (0.4, 1.2))
    assert severity(low) > severity(high)
    assert severity(high) > severity(Verdict("odds", "warn", 0.1, 0.1, 0.1, "", expected=1.0))


def test_worst():
    verdicts = [Verdict("v", status, 0.0, 0.1, 1.0, "") for status in ("warn", "fail", "pass")]
    assert worst(verdicts) == "fail"
    assert worst([]) == "pass"


def test_an_unknown_status_is_refused():
    with pytest.raises(ConfigurationError, match=r"'good'.*pass, warn, fail"):
        Verdict("v", "good", 0.0, None, 1.0, "")
