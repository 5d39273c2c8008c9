"""What table ``[variation]`` of a study file may say."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["BandOptions", "VariationOptions"]


class BandOptions(BaseModel):
    """Elevation bands over which series are averaged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(default=5, ge=2, le=20, description="Number of bands.")
    method: Literal["equal", "quantile"] = Field(
        default="equal", description="Bands of equal height, or of equal area (quantile)."
    )
    edges: tuple[float, ...] | None = Field(
        default=None, description="Given edges [m], in place of count and method."
    )


class VariationOptions(BaseModel):
    """Table ``[variation]`` of the study file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: tuple[str, ...] | None = Field(
        None, description="Variables to describe; default: all that change in time."
    )
    min_coverage: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Least share of a period, and of the area for its mean, that must have data.",
    )
    bands: BandOptions | None = Field(
        BandOptions(), description="Elevation bands; needs an elevation."
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="False discovery rate of maps of tests.")
    neighbours: int = Field(
        0,
        ge=0,
        le=10,
        description="Test each cell's trend together with its neighbours up to so many cells away "
        "(contextual Mann-Kendall); 0: by itself.",
    )
    rain: str | None = Field(
        None,
        description="A variable, rain say, for which yearly trends and breaks are adjusted; "
        "default: none.",
    )
    max_breaks: int = Field(
        2, ge=0, le=8, description="Most breaks of the yearly area mean to look for; 0: none."
    )
