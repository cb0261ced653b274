from dataclasses import replace

from hypotheta.report import fit_text, goodness_words, mu_words
from hypotheta.statistics import FitResult, FitSummary, GoodnessOfFit, GroupImpact, Impact, MinosError, Ranking

RESULT = FitResult(("mu", "jes"), (1.5, 0.2), (0.4, 0.9), ((1.0, -0.3), (-0.3, 1.0)), 0.0, 0.0, {})
SUMMARY = FitSummary(
    "parameterized_network",
    {"mass": 1000.0},
    "pseudo-data",
    False,
    result=replace(RESULT, minos={"mu": MinosError(-0.375, 0.5)}),
    ranking=Ranking((Impact("jes", "jets", 0.25, -0.125, 0.5, None),), (GroupImpact("jets", 1, 0.2),), 0.4, 0.35),
    goodness=GoodnessOfFit(12.0, 10, 0.285),
)


def test_a_fit_is_told_with_its_errors_and_impacts():
    text = fit_text([SUMMARY, SUMMARY])
    assert "parameterized network at mass=1000, fit to pseudo-data: σ·B = 1.500 −0.375 +0.500 pb" in text
    assert "q = 12.00 for 10 degrees of freedom, p = 0.285 (χ²)" in text
    assert "+0.250" in text
    assert "-0.125" in text
    assert "jets 0.200, data statistics 0.350, total 0.400" in text
    assert "Withheld" not in text
    assert text.count("σ·B = 1.500") == 2


def test_a_missing_side_is_not_a_number():
    one_sided = replace(SUMMARY, result=replace(RESULT, minos={"mu": MinosError(None, 0.5, "down: bound")}))
    assert mu_words(one_sided) == "1.500 (down none) +0.500 pb (± 0.400)"


def test_what_failed_is_told():
    failed = replace(SUMMARY, result=None, ranking=None, goodness=None, status="best fit: it did not converge")
    text = fit_text([failed])
    assert "σ·B = failed" in text
    assert "Withheld: best fit: it did not converge" in text


def test_goodness_of_fit_in_words():
    toys = GoodnessOfFit(12.0, 10, 0.285, 0.31, 0.02, 500, 3)
    assert goodness_words(toys, asimov=False).endswith("p = 0.285 (χ²), 0.310 ± 0.020 (500 toys, 3 more failed)")
    assert goodness_words(replace(toys, failed_toys=0), asimov=False).endswith("(500 toys)")
    assert "by construction of an Asimov set" in goodness_words(toys, asimov=True)
