"""What table ``[vegetation]`` of a study file may say."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from headwater.chapters.warning.options import Day
from headwater.errors import StudyError

__all__ = ["CapacityOptions", "VegetationOptions"]


class CapacityOptions(BaseModel):
    """Carrying capacity: the densest cover that the water of a place carries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    risk: float = Field(
        0.05, gt=0, lt=1, description="Share of years that may exhaust the root zone."
    )
    reserve: float = Field(
        0.10,
        gt=0,
        lt=1,
        description="Share of the water between wilting point and field capacity that must last.",
    )
    field_capacity: float = Field(
        0.28, gt=0, lt=1, description="Where the fit of the soil begins [m3 m-3]."
    )
    wilting_point: float = Field(0.10, gt=0, lt=1, description="Likewise [m3 m-3].")
    root_depth: float = Field(400.0, gt=0, description="Depth of the root zone [mm].")
    most_blocks: int = Field(
        150,
        ge=1,
        description="Capacity is computed on blocks of cells, at most so many; larger is finer "
        "and slower.",
    )
    rain: float = Field(1.0, gt=0, description="Factor on precipitation, for another climate.")
    demand: float = Field(1.0, gt=0, description="Factor on evaporative demand, likewise.")
    warming: float = Field(0.0, description="Added to air temperature, likewise [degC].")


class VegetationOptions(BaseModel):
    """Table ``[vegetation]`` of the study file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ndvi: str = Field("ndvi", description="Variable with NDVI.")
    water: str | None = Field(
        None, description="Variable with soil water that plants answer; default: soil_moisture."
    )
    demand: str | None = Field(
        None,
        description="Variable with potential evapotranspiration; default: "
        'potential_evapotranspiration where there is one, else by the method "oudin" from '
        "temperature.",
    )
    types: str | None = Field(
        None, description="Variable with vegetation types; default: vegetation where there is one."
    )
    end_values: dict[str, tuple[float, float]] = Field(
        {},
        description="NDVI of bare ground and of full cover by number of the type (0: all); "
        "default: quantiles of the study's own NDVI.",
    )
    power: float = Field(
        1.0, gt=0, description="Of the dimidiate pixel model; 2 comes nearer to plots on steppe."
    )
    threshold: float = Field(
        0.25, gt=0, lt=1, description="Share of the amplitude at which a season starts and ends."
    )
    peak_months: tuple[int, ...] | None = Field(
        None, description="Months of the peak of season; default: the greenest two."
    )
    months: tuple[int, ...] | None = Field(
        None, description="Months whose response to water is fitted; default: the growing season."
    )
    bands: int = Field(5, ge=2, le=20, description="Elevation bands; needs an elevation.")
    profile: str = Field(
        "gb19377-cover", description="Degradation grades: a profile's name, or your YAML file."
    )
    baseline: tuple[int, int] | None = Field(
        None,
        description="First and last year of the baseline; default: the first half of the record.",
    )
    recent: tuple[int, int] | None = Field(
        None, description="First and last year that are graded; default: the last two or three."
    )
    field_plot: str | None = Field(
        None, description="Variable that is 1 where a plot on the ground confirms the cell."
    )
    capacity: CapacityOptions | None = Field(
        default_factory=lambda: CapacityOptions.model_validate({}),
        description="Carrying capacity; needs soil water, precipitation and temperature.",
    )

    forecast: bool = Field(
        True, description="Forecast cover and root-zone water; needs what the capacity needs."
    )
    forecast_from: Day | None = Field(
        None,
        description="Last day that the forecast knows; default: the first of the middle month of "
        "the last growing season.",
    )

    @field_validator("peak_months", "months")
    @classmethod
    def _check_months(cls, months: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if months is not None and not (months and all(1 <= month <= 12 for month in months)):
            raise StudyError(
                "a month that does not exist", found=f"{list(months)}", do="Use months 1 to 12"
            )
        return months

    @field_validator("baseline", "recent")
    @classmethod
    def _check_years(cls, years: tuple[int, int] | None) -> tuple[int, int] | None:
        if years is not None and years[0] > years[1]:
            raise StudyError("years run backwards", found=f"{list(years)}", do="Exchange them")
        return years

    @field_validator("end_values")
    @classmethod
    def _check_ends(cls, values: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for kind, (bare, full) in values.items():
            if not kind.lstrip("-").isdigit() or not -1.0 <= bare < full <= 1.0:
                raise StudyError(
                    "end values are (bare, full) by number of the type",
                    found=f"{kind} = [{bare:g}, {full:g}]",
                    do='Write them as { "3" = [0.08, 0.82] }',
                )
        return values
