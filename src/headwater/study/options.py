"""What tables of a study file share, paths relative to it; and the table ``[report]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from headwater.errors import StudyError

__all__ = [
    "RelativePath",
    "ReportOptions",
]

# What TOML makes of the backslashes in "C:\temp\new", "\rain", "\field" and "\basin".
_ESCAPED = {"\t": "/t", "\n": "/n", "\r": "/r", "\f": "/f", "\b": "/b"}


def _beside_the_file(path: str, info: ValidationInfo) -> str:
    if any(sign in path for sign in _ESCAPED):
        meant = "".join(_ESCAPED.get(sign, sign) for sign in path).replace("\\", "/")
        raise StudyError(
            "a path with backslashes, which TOML takes for signs of its own",
            found=ascii(path),
            do=f'Write paths with forward slashes: "{meant}"',
        )
    folder = (info.context or {}).get("folder")
    if path.startswith("file://"):
        path = url2pathname(urlsplit(path).path)
    return path if folder is None or "://" in path else str(Path(folder, path).expanduser())


RelativePath = Annotated[str, AfterValidator(_beside_the_file)]
"""A path of the study file, made absolute where the file's folder is known."""


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
