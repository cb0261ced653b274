"""Pictures as files: PNG and PDF, GIF where they move."""

import io
from collections.abc import Iterable
from pathlib import Path

from hypotheta.report import Figure
from hypotheta.stages.drawing import Picture
from hypotheta.stages.files import write_bytes

__all__ = ["save_figures", "saved_figures"]


def save_figures(folder: Path, pictures: Iterable[Picture]) -> list[Figure]:
    """Save each picture as PNG and PDF into a folder and return it for the page."""
    figures = []
    for name, caption, figure in pictures:
        if isinstance(figure, bytes):
            write_bytes(folder / f"{name}.gif", figure)
            figures.append(Figure(figure, caption, kind="gif"))
            continue
        for kind in ("pdf", "png"):
            buffer = io.BytesIO()
            # without a date, equal pictures are equal files
            figure.savefig(buffer, format=kind, metadata={"CreationDate": None} if kind == "pdf" else None)
            write_bytes(folder / f"{name}.{kind}", buffer.getvalue())
        figures.append(Figure(buffer.getvalue(), caption))
    return figures


def saved_figures(folder: Path, caption: str) -> list[Figure]:
    """Return the PNG files of a folder, in the order of their names, for the page; each name follows the caption."""
    return [
        Figure(path.read_bytes(), f"{caption}: {path.stem.replace('_', ' ')}.") for path in sorted(folder.glob("*.png"))
    ]
