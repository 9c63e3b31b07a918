"""Saving what a picture shows: as PNG, or its numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QBuffer, QPoint, QStandardPaths
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QFileDialog, QWidget

from studio.atomic import write_bytes

_SCALE = 3.0
"""Pixels of the saved picture per pixel of the layout: sharp in print, whatever the screen."""


def export_figure(parent: QWidget, name: str, figure: QWidget, table: Callable[[], list[list[str]]]) -> None:
    """Ask for a file and save ``figure`` as PNG, or ``table()`` as CSV, by the file's ending.

    Raises StudioError when the file cannot be written.
    """
    folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation) or str(Path.home())
    chosen, kind = QFileDialog.getSaveFileName(
        parent, "Export", str(Path(folder) / f"{name}.png"), "Picture (*.png);;Numbers (*.csv)"
    )
    if not chosen:
        return
    path = Path(chosen)
    if path.suffix.lower() not in (".png", ".csv"):
        path = path.with_name(path.name + (".csv" if "csv" in kind else ".png"))
    write_bytes(path, as_csv(table()) if path.suffix.lower() == ".csv" else as_png(figure))


def as_png(figure: QWidget) -> bytes:
    """A widget drawn anew at three times its size."""
    image = QPixmap(figure.size() * _SCALE)
    image.setDevicePixelRatio(_SCALE)
    figure.render(image, QPoint())
    buffer = QBuffer()
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data().data())


def as_csv(table: list[list[str]]) -> bytes:
    """Rows as UTF-8 text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue().encode()
