"""Tables for the terminal."""

import io
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import ParameterSpace
from hypotheta.significance import asimov, simple, simple_total
from hypotheta.statistics import LimitScan
from hypotheta.statistics.limits.theory import TheoryCurve, strengths

__all__ = ["asimov_text", "limits_text", "new_table", "rendered", "significance_text", "strength_text", "words"]


def limits_text(scans: Sequence[LimitScan], space: ParameterSpace, luminosity_fb: float) -> str:
    """Return the median expected limits (and observed ones, where there are any), a column a discriminant.

    Args:
        scans: limits of each discriminant; where one has no limit its cell stays empty.
        space: the parameters, for units.
        luminosity_fb: integrated luminosity in fb⁻¹, for the title.
    """
    data = {point.data for scan in scans for point in scan.points if point.observed_pb is not None}
    title = f"95 % CLs upper limits on σ·B in pb, {luminosity_fb:g} fb⁻¹, median expected"
    if data:
        title += f" / observed ({', '.join(sorted(data))})"
    table = new_table()
    for name in scans[0].points[0].theta.values:
        parameter = space[name]
        table.add_column(f"{name} [{parameter.unit}]" if parameter.unit else name, justify="right")
    for scan in scans:
        table.add_column(words(scan.discriminant), justify="right")
    by_theta = [{point.theta: point for point in scan.points} for scan in scans]
    for theta in sorted({t for found in by_theta for t in found}, key=lambda t: tuple(t.values.values())):
        values = [f"{v:g}" for v in theta.values.values()]
        cells = []
        for point in (found.get(theta) for found in by_theta):
            if point is None:
                cells.append("")
                continue
            expected = "failed" if point.expected_pb is None else f"{point.expected_pb:.3f}"
            cells.append(expected if point.observed_pb is None else f"{expected} / {point.observed_pb:.3f}")
        table.add_row(*values, *cells)
    failed = [(s.discriminant, p) for s in scans for p in s.points if p.status != "ok"]
    notes = [f"{name}{point.theta.at}: {point.status}" for name, point in failed]
    return "\n".join([title, rendered(table), *notes])


def strength_text(scan: LimitScan, theory: TheoryCurve) -> str:
    """Return the limits of the one hypothesis over its prediction in a sentence.

    Args:
        scan: the limits of one discriminant.
        theory: the prediction.
    """
    (point,) = scan.points
    found = strengths(point, theory)
    median = found["expected_mu"]
    text = f"{words(scan.discriminant)}: μ = σ·B / {theory.at(point.theta):.4g} pb ({theory.label}) below "
    text += "failed" if median is None else f"{median:.3g} expected"
    band = [found[f"expected_{side}1_mu"] for side in ("minus", "plus")]
    if None not in band:
        text += f" ({band[0]:.3g} to {band[1]:.3g} within ±1σ)"
    observed = found["observed_mu"]
    return text if observed is None else f"{text}, {observed:.3g} observed ({point.data})"


def significance_text(rows: Sequence[Mapping[str, Any]], space: ParameterSpace, luminosity_fb: float) -> str:
    """Return the best cuts, a row each.

    Args:
        rows: rows of ``significance.csv``.
        space: the parameters, for their columns.
        luminosity_fb: integrated luminosity in fb⁻¹, for the title.
    """
    table = new_table()
    columns = [p.column for p in space.of_kind("signal")]
    for name in ("classifier", *columns, "threshold", "signal", "background", "Z", "same_events", "no_cut"):
        table.add_column(words(name), justify="left" if name == "classifier" else "right")
    for row in rows:
        table.add_row(
            words(row["classifier"]),
            *(f"{row[c]:g}" for c in columns),
            f"{row['threshold']:.3f} ± {row['threshold_error']:.2f}",
            f"{row['signal']:.4g}",
            f"{row['background']:.4g} ± {row['background_error']:.2g}",
            f"{row['z']:.3f} ± {row['z_error']:.3f}",
            f"{row['z_same_events']:.3f}",
            f"{row['z_no_cut']:.3f}",
        )
    title = f"Best score cuts, {luminosity_fb:g} fb⁻¹, chosen and quoted on different halves"
    note = "same events: Z where the events that chose the threshold quote it, biased upwards; no cut: Z of all events."
    return f"{title}\n{rendered(table)}\n{note}"


def asimov_text(signal: Sequence[float], background: Sequence[float], uncertainty: Sequence[float]) -> str:
    """Return the significance of numbers of events, a row each combination.

    Args:
        signal: expected signal events.
        background: expected background events.
        uncertainty: relative uncertainties of the background.

    Raises:
        ConfigurationError: a number for which there is no significance.
    """
    table = new_table()
    for name in ("s", "b", "σ_b", "Z", "s/√b", "s/√(s+b)"):
        table.add_column(name, justify="right")
    for s, b, f in itertools.product(signal, background, uncertainty):
        z = float(asimov(s, b, f * b))
        if not math.isfinite(z):
            raise ConfigurationError(
                f"there is no significance of {s:g} on {b:g} ± {f * b:g} events; give finite numbers, signal and "
                "uncertainty not negative, background positive"
            )
        simple_forms = (float(simple(s, b)), float(simple_total(s, b)))
        table.add_row(*(f"{v:g}" for v in (s, b, f * b)), *(f"{v:.4f}" for v in (z, *simple_forms)))
    return rendered(table)


def new_table() -> Table:
    """Return an empty table in the terminal's style."""
    return Table(box=SIMPLE_HEAD, pad_edge=False)


def words(name: str) -> str:
    """Return a name as the reader sees it."""
    return name.replace("_", " ")


def rendered(table: Table) -> str:
    """Draw a table as plain text, wide enough for all of it."""
    buffer = io.StringIO()
    Console(file=buffer, width=240, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().rstrip().splitlines())
