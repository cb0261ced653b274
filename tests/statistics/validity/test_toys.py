import numpy as np
import pytest

from hypotheta.errors import FitError
from hypotheta.statistics.batched import expected_limits
from hypotheta.statistics.validity import coverage, injection, toy_medians
from hypotheta.statistics.validity.toys import compiled, median_limits


@pytest.mark.parametrize("study", [injection, coverage, toy_medians])
def test_a_hypothesis_without_a_limit_is_named(counting, study):
    workspaces = [counting(50.0, 2.0), counting(50.0, 0.0, mass=750.0)]  # no signal, no limit
    with pytest.raises(FitError, match="no expected limit at mass = 750: its fits converged with neither engine; look"):
        study(workspaces, rng=np.random.default_rng(1), n=100)


def test_the_limits_are_medians(counting):
    workspaces = [counting(50.0, 2.0), counting(1e4, 10.0)]
    models = compiled(workspaces)
    found = median_limits(models, workspaces, level=0.1)
    assert np.array_equal(found, expected_limits(models, level=0.1).mu[:, 2])
    assert found[1] == pytest.approx(1.645 * 10.0, rel=0.01)
