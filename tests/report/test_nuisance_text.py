import re

import pytest

from hypotheta.parameters import ThetaPoint
from hypotheta.report import nuisance_table, nuisance_text
from hypotheta.statistics import NuisanceStudy, StudyPoint

MASSES = (500.0, 1000.0, 1500.0)


def study(floors, others, *, other="spectrum", bare=None, known=None):
    """Return a study: ratios of the floor at each mass, of each discriminant, and without MC statistics."""
    points = []
    for setting in ((), (other,)) if other else ((),):
        for mc in (True, False):
            for i, mass in enumerate(MASSES):
                theta = ThetaPoint({"mass": mass})
                floor = floors[i] if mc or bare is None else bare
                points.append(StudyPoint("network", theta, setting, mc, 10.0, 0.5, 1.0, 0.0, 0.0))
                points.append(StudyPoint("network", theta, ("jes", *setting), mc, 10 * floor, 0.5, floor, 0.005, 0.0))
                for name, ratio in others.items():
                    points.append(StudyPoint(name, theta, setting, mc, 10 * ratio, 0.5, ratio, 0.01, -0.015))
                    alone = (known or ratio) * floor
                    points.append(StudyPoint(name, theta, ("jes", *setting), mc, 10 * alone, 0.5, alone, 0.01, 0.0))
    return NuisanceStudy("jes", "network", other, tuple(points))


def test_where_the_floor_is_within_three_percent_it_does_not_matter():
    with_spectrum, without = nuisance_text(study((0.99, 0.975, 1.0), {"network_t": 0.98}))
    assert with_spectrum.startswith("With spectrum: with the jes known the limits of network would be lower by ")
    assert "0.0 to 2.5 %, within 3 % everywhere: the jes does not matter here." in with_spectrum
    assert without.startswith("Without spectrum: ")
    assert "best other discriminant there" not in with_spectrum


def test_places_are_named_where_it_matters_and_where_not():
    (text,) = nuisance_text(study((0.90, 0.96, 0.98), {"network_t": 0.94, "observable": 2.0}, other=None, known=0.99))
    assert text.startswith(
        "with the jes known the limits of network would be lower by 4.0 to 10.0 % at mass = 500, 1000 "
    )
    assert "At mass = 1500 it is less than 3 %: the jes does not matter there." in text
    assert "The best other discriminant there is network t, -6.0 % in the median with an error of 1.0 % each" in text
    assert "lower by more than two errors at 2 of 2 hypotheses, higher at 0" in text
    assert "With the jes known for both it is -1.0 %, so that only the rest comes of the jes" in text
    assert "about -1.5 % is noise of the simulated templates" in text


@pytest.mark.parametrize(("known", "part"), [(0.99, "only the rest"), (0.93, "nothing of it"), (1.01, "all of it")])
def test_a_gain_that_stays_with_the_nuisance_known_does_not_come_of_it(known, part):
    (text,) = nuisance_text(study((0.9, 0.9, 0.9), {"network_t": 0.94}, other=None, known=known))
    assert f"With the jes known for both it is {100 * (known - 1):+.1f} %, so that {part} comes of the jes" in text


def test_nothing_is_praised_that_is_worse():
    (text,) = nuisance_text(study((0.90, 0.90, 0.90), {"merged": 1.05}, other=None))
    assert "everywhere (error 0.5 %)" in text
    assert "None is better there; the nearest is merged, +5.0 %" in text
    assert "The best" not in text


def test_without_mc_statistics_in_a_sentence_of_its_own():
    (text,) = nuisance_text(study((0.99, 0.99, 0.99), {"network_t": 0.98}, other=None, bare=0.8))
    assert re.search("Without MC statistics as nuisances the floor is lower by 20.0 to 20.0 %, and the best", text)


def test_nothing_converged_and_nothing_to_compare():
    empty = NuisanceStudy("jes", "network", None, (StudyPoint("network", ThetaPoint({"mass": 500.0})),))
    assert nuisance_text(empty) == ["no limit converged."]
    (alone,) = nuisance_text(study((0.9, 0.9, 0.9), {}, other=None))
    assert "discriminant" not in alone


def test_the_table_has_the_floor_and_every_discriminant_in_each_setting():
    table = nuisance_table(study((0.90, 0.96, 0.98), {"network_t": 0.94, "observable": 2.0}, known=0.99))
    assert [row[:2] for row in table.rows[:3]] == [
        ["with", "network, jes known"],
        ["with", "network t"],
        ["with", "observable"],
    ]
    assert table.columns[0] == "spectrum"
    assert len(table.rows) == 6
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert table.rows[0][2:] == ["0.960", "0.900 … 0.980", "0.005", "3 / 0 of 3", "+0.000", "", "0.960"]
    assert table.rows[1][2:] == ["0.940", "0.940 … 0.940", "0.010", "3 / 0 of 3", "-0.015", "0.990", "0.940"]
