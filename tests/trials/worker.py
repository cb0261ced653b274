"""One of several processes on one database of trials; `test_processes` starts, kills and judges them.

``worker.py record URL STUDY WORKER FIRST LAST [STOP]`` adds the rows FIRST … LAST − 1, and prints each that it was told
is written; ``worker.py tune URL STUDY WORKER TRIALS [STOP]`` takes part in a search. With STOP it waits inside its
STOP-th training, to be killed there.
"""

import sys
import time
from datetime import datetime

import numpy as np

from hypotheta.classifiers import BDTConfig, registry
from hypotheta.exact import GaussianOnFlat
from hypotheta.trials import Range, Record, SearchSpace, Study, Training, run_study

TOY = GaussianOnFlat(sigma=0.5, low=-3.0, high=3.0)
DATA, TUNING = (TOY.sample([-1.0, 0.0, 1.0], 300, np.random.default_rng(i)) for i in (1, 2))


def trained(learning_rate, depth):
    """Train three trees, and return their AUC in the middle."""
    config = BDTConfig(trees=3, learning_rate=learning_rate, depth=depth, min_child_weight=1)
    model = registry.create(config).fit(DATA, TUNING, rng=np.random.default_rng(3))
    return TOY.auc(lambda x: model.logit(np.asarray(x, dtype=np.float32).reshape(-1, 1), (0.0,)), 0.0)


def say(text):
    print(text, flush=True)


def wait_to_be_killed():
    say("stopped")
    time.sleep(600)


def record(url, study, worker, first, last, stop=None):
    rows = Record(url, study)
    rows.prepare()
    for n, k in enumerate(range(int(first), int(last))):
        if stop is not None and n == int(stop):
            wait_to_be_killed()
        auc = trained(0.1 + 0.01 * (k % 30), 2 + k % 3)
        columns = {"classifier": "bdt", "auc": auc, "depth": 2 + k % 3, "worker": int(worker)}
        training = Training(f"training-{k}", auc, columns, datetime.now(), ("depth",))
        began = time.perf_counter()
        rows.add(training)
        say(f"{training.id} {time.perf_counter() - began:.4f}")


def tune(url, study, worker, trials, stop=None):
    seen = 0

    def objective(settings, report):
        nonlocal seen
        seen += 1
        if stop is not None and seen == int(stop):
            wait_to_be_killed()
        auc = trained(settings["learning_rate"], settings["depth"])
        report(0, auc)
        return auc, {"classifier": "bdt", "auc": auc, "worker": int(worker)}

    space = SearchSpace({"learning_rate": Range(low=0.01, high=0.5, log=True), "depth": Range(low=1, high=5)})
    own = Study(url, study, space, heartbeat=1)
    result = run_study(own, objective, trials=int(trials), worker=int(worker))
    say(f"finished {result.states}")


if __name__ == "__main__":
    {"record": record, "tune": tune}[sys.argv[1]](*sys.argv[2:])
