"""The table ``[report]`` of the study file: how figures look, and in which formats."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from headwater.study.paths import RelativePath

__all__ = ["ReportOptions"]


class ReportOptions(BaseModel):
    """How the report and its figures look; none of it changes a result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Literal["en", "zh"] = Field(
        "en", description="Language of headings, captions and table heads: English or Chinese."
    )
    format: tuple[Literal["png", "svg", "pdf"], ...] = Field(
        ("svg",),
        min_length=1,
        description="Formats of the figures next to the report: svg, png, pdf. Each costs time.",
    )
    dpi: int | None = Field(
        None,
        ge=30,
        le=1200,
        description="Resolution of figures, in dots per inch; default: that of [settings].",
    )
    width: Literal["page", "single", "double"] = Field(
        "page",
        description="Width of figures: as the page has room; or for a journal, small figures in a "
        "single column of 90 mm and wide ones in a double one of 180 mm, or all in a double one.",
    )
    font: str | None = Field(
        None, description="Family of the letters in figures, which must be installed."
    )
    truth: RelativePath | None = Field(
        None,
        description="Folder with the truth of a virtual headwater, which the report then ends "
        "with: what was recovered.",
    )
    editable_text: bool = Field(
        False,
        description="Whether letters of SVG figures stay text that a drawing program can change; "
        "they then look right only where the font is installed.",
    )
