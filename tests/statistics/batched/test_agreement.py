"""Two engines, one answer: random models, and ROOT's numbers.

At every limit of the batched engine pyhf's model is fitted on its own. Either pyhf's CLs is 0.05 there, to what 1e-4 in
μ makes, or the batched fit has the lower NLL in pyhf's own likelihood, or the result says that there are two minima;
what converged nowhere is no number.
"""

import json
import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pyhf
import pytest
from scipy.stats import norm

from hypotheta.errors import FitError
from hypotheta.statistics import batched
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.limits.asymptotic import BAND

# models with no more parameters are fitted by pyhf's own optimizer as well, which takes seconds for larger ones
_FEW = 10


def twice_nll(likelihood, data, x):
    return -2.0 * float(likelihood.model.logpdf(x, data)[0])


class Judge:
    """The limits of one model, seen by pyhf."""

    def __init__(self, spec):
        self.models = batched.compile_models([spec])
        self.likelihood, self.data = Likelihood.from_spec(spec)
        self.observation = batched.observe(self.models)
        self.verdicts = Counter()
        config = self.likelihood.model.config
        self.aux = [n for name in config.auxdata_order for n in self.likelihood.names[config.par_slice(name)]]

    def vector(self, values, gamma, names):
        return batched.to_pyhf(self.models, 0, values, gamma, names)

    def pyhf_data(self, data):
        parts = np.split(data.main[0, 0], np.cumsum([n for _, n in self.models.channels[0]]))
        main = {name: part for (name, _), part in zip(self.models.channels[0], parts, strict=False)}
        aux = self.vector(data.aux[0, 0], data.gamma[0, 0], self.aux)
        return np.concatenate([*(main[c] for c in self.likelihood.model.config.channels), aux])

    def theirs(self, data, mu):
        """Return 2 NLL where the fits of pyhf's model end: this project's, and pyhf's own of small models."""
        all_data, first = self.pyhf_data(data), self.likelihood.nominal
        if mu is None:
            first = self.likelihood.fit(all_data, first, mu=0.0).x
        ends = [self.likelihood.fit(all_data, first, mu=mu).x]
        if mu is not None and len(first) <= _FEW:
            bounds = [list(b) for b in zip(self.likelihood.low, np.minimum(self.likelihood.high, 1e10), strict=True)]
            ends.append(pyhf.infer.mle.fixed_poi_fit(mu, all_data, self.likelihood.model, first.tolist(), bounds))
        return [twice_nll(self.likelihood, all_data, x) for x in ends]

    def ours(self, data, point, r=0):
        """Return 2 NLL of a batched fit in pyhf's likelihood."""
        x = self.vector(point.x[0, r], point.gamma[0, r], self.likelihood.names)
        return twice_nll(self.likelihood, self.pyhf_data(data), x)

    def record(self, exact, ours, theirs, flags):
        """Judge a root: ``exact`` says whether 2 NLL of the fits behind it make it one; those are ours and pyhf's."""
        noise = 1e-6 + 1e-11 * abs(ours[0])
        if any(o > t + noise for o, t in zip(ours, theirs, strict=True)) and not flags:
            self.verdicts["higher"] += 1
        elif not exact(*ours):
            self.verdicts["no root"] += 1
        elif exact(*theirs):
            self.verdicts["agree"] += 1
        elif any(o < t - noise for o, t in zip(ours, theirs, strict=True)):
            self.verdicts["pyhf is higher"] += 1
        else:
            self.verdicts["named" if flags else "differ"] += 1

    def expected(self, n_sigma):
        roots = batched.expected_limits(self.models, n_sigma=n_sigma)
        x = self.models.start[:, None].copy()
        x[..., 0] = 0.0
        data = batched.asimov(self.models, x)
        zero = twice_nll(self.likelihood, self.pyhf_data(data), self.likelihood.nominal)
        for r, (n, mu, flags) in enumerate(zip(n_sigma, roots.mu[0], roots.flags[0], strict=True)):
            if flags & batched.FAILED:
                assert np.isnan(mu)
                self.verdicts["withheld"] += 1
                continue
            ours = self.ours(data, roots.point, r)
            target = norm.isf(0.05 * norm.cdf(n)) + n

            def exact(value, target=target):  # √q is nearly proportional to μ
                return abs(np.sqrt(max(value - zero, 0.0)) - target) < 1e-4 * target + 1e-11 * abs(zero)

            for theirs in self.theirs(data, mu):
                self.record(exact, [ours], [theirs], flags)

    def observed(self):
        root = batched.observed_limits(self.models, self.observation)
        mu = root.mu[0, 0]
        if root.flags[0, 0] & batched.FAILED:
            assert np.isnan(mu)
            self.verdicts["withheld"] += 1
            return
        background = self.observation.background.point
        on_data, on_asimov = self.observation.data, batched.asimov(self.models, background.x, background.gamma)
        free = self.observation.free.point
        ours = [self.ours(on_data, free), self.ours(on_data, root.point), self.ours(on_asimov, root.point, 1)]
        theirs = [self.theirs(*fit)[0] for fit in ((on_data, None), (on_data, mu), (on_asimov, mu))]
        zero = self.ours(on_asimov, background)
        best = self.observation.free.point.x[0, 0, 0]

        def exact(free, fixed, asimov):
            root, a = np.sqrt(max(fixed - free, 0.0)), np.sqrt(asimov - zero)
            shifted = root - a if root <= a else (root**2 - a**2) / (2 * a)
            # near the limit √q̃ grows like μ − μ̂ and √q_A like μ
            slope = np.exp(norm.logpdf(shifted + a) - norm.logsf(shifted + a)) * (root * mu / (mu - best) + a)
            cls = np.exp(norm.logsf(shifted + a) - norm.logsf(shifted))
            return abs(np.log(cls / 0.05)) < 1e-4 * slope + 1e-10 * abs(zero)

        self.record(exact, ours, theirs, root.flags[0, 0])


def agreement(specs, n_sigma):
    total = Counter()
    with numpy_backend():
        for seed, spec in specs:
            judge = Judge(spec)
            try:
                judge.expected(n_sigma)
                judge.observed()
            except FitError:  # of the pyhf engine; the batched one had its numbers
                judge.verdicts["pyhf failed"] += 1
            bad = {v: n for v, n in judge.verdicts.items() if v in ("differ", "higher", "no root")}
            assert not bad, f"random model {seed}: {dict(judge.verdicts)}"
            total += judge.verdicts
    return total


def test_random_models_agree(random_workspace):
    total = agreement([(seed, random_workspace(seed)) for seed in range(40)], (0,))
    assert total["agree"] > 0.9 * total.total()


def test_cls_of_root():
    """Frozen numbers of HistFactory and RooStats, made by root_reference.py; Minuit's tolerance sets the agreement."""
    folder = Path(__file__).parents[1]
    specification = runpy.run_path(str(folder / "root_reference.py"))["specification"]
    reference = json.loads((folder / "root_reference.json").read_text())
    for name, numbers in reference["cls"].items():
        models = batched.compile_models([specification(name)])
        mu = np.array([[float(m) for m in numbers]])
        observed, band, flags = batched.cls_curves(models, batched.observe(models), mu, postfit=True)
        assert not flags.any()
        theirs = np.array(list(numbers.values()))
        assert observed[0] == pytest.approx(theirs[:, 0], abs=1e-3)
        assert band[0] == pytest.approx(theirs[:, 1:], abs=1e-3)


@pytest.mark.slow
def test_many_random_models_agree(random_workspace):
    total = agreement([(seed, random_workspace(seed)) for seed in range(300)], BAND)
    print(dict(total))
    assert total["withheld"] <= 2
    assert total["agree"] > 0.95 * total.total()


def test_the_judge_sees_a_wrong_limit(random_workspace, monkeypatch):
    """A limit that is 1 % off must not pass."""
    honest = batched.expected_limits

    def shifted(*arguments, **options):
        roots = honest(*arguments, **options)
        models, zero = arguments[0], batched.asimov(arguments[0], roots.point.x[:, :1] * 0.0)
        mu = 1.01 * roots.mu
        return batched.Roots(mu, roots.flags, batched.fit(models, zero, roots.point.x, mu=mu).point)

    monkeypatch.setattr(batched, "expected_limits", shifted)
    with pytest.raises(AssertionError, match="random model 3: .*no root"):
        agreement([(3, random_workspace(3))], (0,))
