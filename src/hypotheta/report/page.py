"""The HTML page: plain, self-contained (pictures inside), readable without a script."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment

__all__ = ["Figure", "Section", "Table", "page"]


@dataclass(frozen=True)
class Figure:
    """A picture, the sentence under it, and its kind: ``png``, or ``gif`` where it moves."""

    image: bytes
    caption: str
    kind: str = "png"

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return f"data:image/{self.kind};base64," + base64.b64encode(self.image).decode()


@dataclass(frozen=True)
class Table:
    """A table of text cells; ``caption`` stands above it."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, tables and pictures."""

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()

    @property
    def anchor(self) -> str:
        """The section's address within the page."""
        return "".join(c if c.isalnum() else "-" for c in self.title.lower())


def page(title: str, sections: Sequence[Section], *, footer: str = "") -> str:
    """Return the page.

    Args:
        title: its title.
        sections: in order; all text is escaped.
        footer: the last line.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8"))
    return template.render(title=title, sections=sections, footer=footer)
