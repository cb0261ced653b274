"""What a cut leaves of each sample, as a table for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypotheta.report.tables import new_table, rendered

__all__ = ["surviving_text"]


def surviving_text(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """Return yields before and after a cut, a row a sample.

    Args:
        rows: rows of ``surviving.csv`` of one cut.
        title: the line above.
    """
    table = new_table()
    table.add_column("sample")
    for name in ("raw", "effective", "yield before", "yield after", "efficiency"):
        table.add_column(name, justify="right")
    for row in rows:
        yields = [f"{row[f'yield_{when}']:.4g} ± {row[f'mc_error_{when}']:.2g}" for when in ("before", "after")]
        counts = [f"{row['raw_after']}", f"{row['effective_after']:.1f}"]
        table.add_row(str(row["sample"]), *counts, *yields, f"{row['efficiency']:.3g}")
    return "\n".join([title, rendered(table)])
