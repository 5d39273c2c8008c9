"""What table ``[restoration]`` of a study file may say."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headwater.errors import StudyError
from headwater.restoration.measures import AMOUNTS, check_amounts
from headwater.study.options import RelativePath

__all__ = ["RestorationOptions", "amounts_of"]


class RestorationOptions(BaseModel):
    """Table ``[restoration]`` of the study file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    units: RelativePath = Field(
        description="Management units: GeoPackage, GeoJSON or shapefile of polygons with names."
    )
    name: str = Field("name", description="Attribute that names the units.")
    crs: str | None = Field(None, description="Reference system of a file that does not say its.")
    encoding: str | None = Field(None, description='Encoding of a shapefile\'s attributes: "GBK".')
    measures: RelativePath | None = Field(
        None, description="Profile of measures (YAML); default: the one that comes with Headwater."
    )
    year: int | None = Field(
        None, description="Season that the plan is for; default: the year after the record ends."
    )
    temperature: str = Field(
        "temperature", description="Variable with the daily temperature of the air."
    )
    thaw: str | None = Field(
        None,
        description='Variable with the daily soil temperature at about 10 cm; or "air": the ground '
        "follows the air of the last 15 days. Default: soil_temperature, where the study has it.",
    )
    water: str = Field(
        "soil_moisture", description="Variable with the daily liquid water of the topsoil."
    )
    rain: str | None = Field(
        None,
        description="Variable with the rain that makes a year dry; default: precipitation, "
        "where the study has it, else the water of the topsoil.",
    )
    germination: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Topsoil water that seed needs [m3 m-3]; default: what the driest fifth of "
        "days of the growing season at the place has less than.",
    )
    bands: tuple[float, ...] = Field(
        (), description="Edges of the altitude bands of the calendar [m]; default: every 500 m."
    )
    durations: dict[str, float] = Field(
        {}, description="Days that your crews take for a measure, by its name; default: 0."
    )
    share: float = Field(
        0.1, gt=0, lt=0.5, description="Share of years in which the season may overtake a deadline."
    )
    storm: float = Field(54.0, gt=0, description="Design storm of pits and ditches [mm].")
    curve_number: float | None = Field(
        None,
        ge=30,
        le=100,
        description="Of the slopes; default: as calibrated, or by infiltration.",
    )
    infiltration: float | None = Field(
        None, ge=0, description="Final infiltration rate of the soil [mm h-1]."
    )
    seed_rate: dict[str, float] = Field(
        {}, description='Yours [kg ha-1], by altitude: { "3000-3500" = 20 }; no default.'
    )
    sowing_date: dict[str, str] = Field(
        {}, description='Yours, by altitude: { "3000-3500" = "05-15" }; no default.'
    )
    fertiliser_rate: dict[str, float] = Field(
        {}, description="Yours [kg ha-1], by altitude; no default."
    )
    fencing_years: dict[str, float] = Field(
        {}, description="Yours [years], by altitude; no default."
    )
    language: Literal["en", "zh"] | None = Field(
        None, description="Of the names of measures; default: that of the report."
    )

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        rising = all(low < high for low, high in zip(self.bands, self.bands[1:], strict=False))
        if self.bands and (len(self.bands) < 2 or not rising):
            raise StudyError(
                "bands are edges that rise",
                found=f"bands = {list(self.bands)}",
                do="Write at least two edges, as [3000, 3500, 4000]",
            )
        negative = [name for name, days in self.durations.items() if not days >= 0]
        if negative:
            raise StudyError(
                "a duration below 0",
                found=f"{negative[0]} = {self.durations[negative[0]]:g}",
                do="Give days from 0",
            )
        check_amounts(amounts_of(self))
        return self


def amounts_of(options: RestorationOptions | None) -> dict[str, dict[str, float | str]]:
    """Give the user's amounts by field and band of altitude.

    Parameters
    ----------
    options : RestorationOptions or None

    Returns
    -------
    dict
        As :func:`headwater.restoration.measures.amounts_at` takes it.
    """
    return {name: dict(getattr(options, name)) for name in AMOUNTS if options is not None}
