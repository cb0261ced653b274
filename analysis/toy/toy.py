"""The exactly solvable toy: how near each classifier comes to the exact posterior, also where it was never trained.

``python analysis/toy/toy.py [toy.yaml] [--out DIR] [--jobs N]`` trains every classifier of the YAML file, measures it
by quadrature, and writes tables, plots and report.html. All numbers are in the YAML file.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measured import Measurements
from report import write_report
from results import Results
from study import Settings, run, run_measurements

from hypotheta.errors import HypothetaError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; 0, or 2 with one line for anything the user can mend."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description="Train classifiers on exactly solvable problems and measure them.")
    parser.add_argument("settings", nargs="?", type=Path, default=here / "toy.yaml", help="YAML file with all numbers")
    parser.add_argument("--out", type=Path, help="folder for results; default: results beside the YAML file")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    options: Any = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("pyhf").setLevel(logging.WARNING)
    try:
        settings = Settings.load(options.settings)
        folder = options.out or options.settings.parent / "results"
        found = run(settings, jobs=options.jobs)
        results = [Results(name, problem, found[name]) for name, problem in settings.problems.items()]
        measured = run_measurements(settings, jobs=options.jobs)
        measurements = [Measurements(name, one, measured[name]) for name, one in settings.measurements.items()]
        summary = write_report(settings, results, measurements, folder, options.settings)
    except HypothetaError as err:
        print(f"toy: {err}", file=sys.stderr)
        return 2
    print(summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
