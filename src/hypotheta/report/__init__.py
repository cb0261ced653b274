"""Results as a person reads them: tables on the terminal, and one self-contained HTML page.

Which one do I use? `limits_text` and `significance_text` for the terminal, `page` for the HTML. They take results and
compute nothing.
"""

from hypotheta.report.page import Figure, Section, Table, page
from hypotheta.report.tables import limits_text, significance_text

__all__ = ["Figure", "Section", "Table", "limits_text", "page", "significance_text"]
