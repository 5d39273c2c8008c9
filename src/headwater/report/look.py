"""What a study asks of its figures: formats, resolution, width and letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwater.figures import known_font

if TYPE_CHECKING:
    from headwater.study import Study

__all__ = ["Look", "look_of"]

_MM = 1 / 25.4
_COLUMN = {"single": 90 * _MM, "double": 180 * _MM}
"""Widths of a figure in a journal [inch]."""


@dataclass(frozen=True, slots=True)
class Look:
    """How figures are rendered.

    Attributes
    ----------
    dpi : int
        Resolution of PNG figures, and of images inside the others [dots per inch].
    formats : tuple of str
        Of the files: png, svg, pdf.
    width : {"page", "single", "double"}
        Of the figures; a journal's single column is for those that are not wide.
    font : str
        Family of letters; empty: the house's.
    editable_text : bool
        Whether letters of an SVG stay text.
    language : str
        Of their words: en, zh.
    """

    dpi: int = 150
    formats: tuple[str, ...] = ("svg",)
    width: str = "page"
    font: str = ""
    editable_text: bool = False
    language: str = "en"

    def inches(self, *, wide: bool) -> float | None:
        """Width that a figure must have [inch]; None where the page decides."""
        if self.width == "page":
            return None
        return _COLUMN["double" if wide else self.width]


def look_of(study: Study, dpi: int) -> Look:
    """Read how a study wants its figures.

    Parameters
    ----------
    study : Study
        With its table ``[report]``.
    dpi : int
        Resolution where the table gives none [dots per inch].

    Returns
    -------
    Look

    Raises
    ------
    StudyError
        If the font is not installed.
    """
    wanted = study.report
    font = known_font(wanted.font) if wanted.font else ""
    return Look(
        wanted.dpi or dpi,
        wanted.format,
        wanted.width,
        font,
        wanted.editable_text,
        wanted.language,
    )
