"""What table ``[validation]`` of a study file may say."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from headwater.errors import StudyError
from headwater.study.options import RelativePath
from headwater.tables import ReadingOptions

__all__ = ["ValidationOptions"]


class ValidationOptions(BaseModel):
    """Table ``[validation]`` of the study file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reference: RelativePath = Field(
        description="Measurements: a table of station, longitude, latitude, time, soil_moisture; a "
        "folder or ZIP of the International Soil Moisture Network; or the store of a network "
        "(.db, or postgresql://user@host/database with its password in ~/.pgpass)."
    )
    of: str = Field("soil_moisture", description="Variable of the study that is compared.")
    products: dict[str, RelativePath] = Field(
        {}, description="Other products by name, compared and collocated with it."
    )
    correlated: tuple[tuple[str, str], ...] = Field(
        (),
        description="Pairs of products that may err together: extended collocation, of four or "
        "more with the stations.",
    )
    depth: tuple[float, float] | None = Field(
        None, description="Layer of the sensors [m]; default: all, each a series of its own."
    )
    flags: tuple[str, ...] = Field(
        ("G",),
        description="Flags of ISMN whose values are kept; G is good, U unknown. A store's doubted "
        "values are always left out.",
    )
    overpass: tuple[float, ...] = Field(
        (),
        description="Local solar hours of the satellite, such as [6.0] or [6.0, 18.0]; default: "
        "daily means.",
    )
    window_hours: float = Field(
        1.0, gt=0, le=12, description="How far from the overpass a measurement may be [h]."
    )
    anomalies: Literal["none", "full", "pairs"] = Field(
        "full",
        description="Anomalies from each full series, as pytesmo; from the matched pairs alone; or "
        "none.",
    )
    scaling: Literal["mean_std", "min_max", "linreg", "cdf_match"] | None = Field(
        None,
        description="Way to scale, fitted on the first half of each station's days and scored on "
        "the second.",
    )
    strata: str | None = Field(
        None, description="Variable of classes whose value at each station makes a stratum."
    )
    reading: ReadingOptions | None = Field(
        None,
        description="What a table of measurements leaves open: dates, zone, encoding, units; see "
        "tables.md.",
    )
    level: float = Field(0.95, gt=0.5, lt=1, description="Coverage of the intervals.")
    min_pairs: int = Field(30, ge=8, description="Fewest pairs for a station to count.")

    @field_validator("depth")
    @classmethod
    def _check_depth(cls, depth: tuple[float, float] | None) -> tuple[float, float] | None:
        if depth is not None and not 0.0 <= depth[0] <= depth[1]:
            raise StudyError(
                "depth is a layer", found=f"{list(depth)}", do="Write [top, bottom] in m"
            )
        return depth

    @field_validator("overpass")
    @classmethod
    def _check_hours(cls, hours: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0.0 <= hour < 24.0 for hour in hours):
            raise StudyError(
                "an overpass is an hour of the day",
                found=f"{list(hours)}",
                do="Write hours from 0 to below 24",
            )
        return hours
