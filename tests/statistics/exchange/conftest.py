"""Workspaces at three hypotheses; the background moves with θ, and one hypothesis has a bin less."""

import numpy as np
import pytest

from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint
from hypotheta.statistics import LimitPoint, LimitScan, TemplateSet, build_workspace

MASSES = (750.0, 1000.0, 1250.0)


@pytest.fixture(scope="session")
def space():
    mass = Parameter("mass", "signal", MASSES, unit="GeV")
    return ParameterSpace((mass, Parameter("jes", "event", (0.9, 1.0, 1.1), nominal=1.0)))


@pytest.fixture(scope="session")
def workspaces(templates, config):
    """Return the workspaces of one discriminant."""
    made = []
    for i, mass in enumerate(MASSES):
        point = ThetaPoint({"mass": mass})
        moved = {}
        for key, template in templates.templates.items():
            scaled = template.scaled(1.0 + 0.3 * i)
            narrower = i == 2 and key.region == "sr"
            moved[key._replace(theta=point)] = scaled.rebinned([0.0, 0.25, 0.5, 1.0]) if narrower else scaled
        made.append(build_workspace(TemplateSet(moved), point, config, discriminant="some_network"))
    return made


@pytest.fixture(scope="session")
def scan():
    """Return limits whose last point did not converge."""
    band = ("expected_minus2_pb", "expected_minus1_pb", "expected_pb", "expected_plus1_pb", "expected_plus2_pb")
    points = []
    for i, mass in enumerate(MASSES[:2]):
        numbers = dict(zip(band, np.array([0.5, 0.7, 1.0, 1.4, 2.0]) / (i + 1), strict=True))
        points.append(LimitPoint(ThetaPoint({"mass": mass}), **numbers, expected_no_mcstat_pb=0.9 / (i + 1)))
    points.append(LimitPoint(ThetaPoint({"mass": MASSES[2]}), status="expected: the fit did not converge"))
    return LimitScan("some_network", tuple(points))
