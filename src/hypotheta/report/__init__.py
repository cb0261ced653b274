"""Results as a person reads them: tables on the terminal, and one self-contained HTML page.

Which one do I use? `limits_text`, `significance_text`, `surviving_text`, `roc_text` and `fit_text` for the terminal,
`page` for the HTML. They take results and compute nothing.
"""

from hypotheta.report.fit_text import fit_text, goodness_words, mu_words
from hypotheta.report.nuisance_text import nuisance_table, nuisance_text
from hypotheta.report.page import Figure, Section, Table, page
from hypotheta.report.roc_text import RocSummary, roc_text
from hypotheta.report.surviving_text import surviving_text
from hypotheta.report.tables import (
    asimov_text,
    limits_text,
    new_table,
    rendered,
    significance_text,
    strength_text,
    words,
)

__all__ = [
    "Figure",
    "RocSummary",
    "Section",
    "Table",
    "asimov_text",
    "fit_text",
    "goodness_words",
    "limits_text",
    "mu_words",
    "new_table",
    "nuisance_table",
    "nuisance_text",
    "page",
    "rendered",
    "roc_text",
    "significance_text",
    "strength_text",
    "surviving_text",
    "words",
]
