"""What table ``[warning]`` of a study file may say."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from headwater.errors import StudyError

__all__ = ["StationWarningOptions", "WarningOptions"]


def _day(value: object) -> Any:
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()[:10]
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value[:10]).isoformat()
        except ValueError as error:
            raise StudyError(
                "a day that the calendar does not know",
                found=f"'{value}'",
                do='Write it as "2019-01-01"',
            ) from error
    return value


Day = Annotated[str, BeforeValidator(_day)]


class WarningOptions(BaseModel):
    """Table ``[warning]`` of the study file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: str | None = Field(
        None,
        description="The greenness that is watched: an input; default: ndvi, else the first of "
        "evi, fractional_cover and lai that the study has.",
    )
    water: str | None = Field(
        None,
        description="Soil water whose shortage explains a loss and is a drought by itself; "
        "default: soil_moisture where the study has it.",
    )
    rain: str | None = Field(
        None,
        description="Rain whose shortage makes a growing season dry, however green it is; default: "
        "precipitation where the study has it. It takes ten years.",
    )
    demand: str | None = Field(
        None,
        description="Potential evapotranspiration that the rain of a dry season is less than: an "
        "input of the study, or a property that stations observe, such as "
        "potential_evapotranspiration. With it seasons are ranked by rain less demand (SPEI) "
        "instead of rain alone (SPI); stations that do not observe both keep to rain.",
    )
    watch_from: Day | None = Field(
        None,
        description="First day watched; what lies before is the history. Default: the last third "
        "of the years, with at least three before it.",
    )
    step: int = Field(
        16,
        ge=1,
        le=31,
        description="Days that are averaged, where the input has shorter steps [d].",
    )
    detector: Literal["cusum", "ewma", "slow"] = Field(
        "cusum",
        description="How losses are summed up: `cusum`, the quickest for a loss at once; `ewma`, "
        "which forgets by itself; `slow`, an EWMA of long memory, the most sensitive to a slow "
        "trend. Each keeps the rate of false alarms.",
    )
    false_alarms: float = Field(
        0.01,
        gt=0,
        lt=0.3,
        description="Tolerated false alarms per cell and season.",
    )
    map_share: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Tolerated share of false alarms among the cells that the map shows.",
    )
    min_n: int = Field(
        24, ge=8, description="Fewest observations in a cell's history; with fewer, no model."
    )
    harmonics: int = Field(2, ge=1, le=4, description="Harmonics of the mean year.")
    min_cells: int = Field(2, ge=1, description="Fewest neighbouring cells that make an alert.")
    drought_at: float = Field(
        20.0,
        gt=0,
        lt=50,
        description="Percentile of soil water at which a drought begins (20: D1 of the US Drought "
        "Monitor) [%].",
    )
    drought_ends: float = Field(
        30.0,
        gt=0,
        lt=80,
        validate_default=True,
        description="Percentile above which it ends [%].",
    )
    drought_steps: int = Field(
        3, ge=1, description="Pentads in a row at or below it before it is one."
    )
    drought_share: float = Field(
        0.25,
        gt=0,
        le=1,
        description="headwater watch: share of the cells in drought that makes an alert; it ends "
        "below half of that [1].",
    )
    rain_months: int = Field(
        3, ge=1, le=24, description="Months of rain that are added up for its index (SPI, SPEI)."
    )
    dry_seasons: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="Share of seasons that are called dry by their rain: those whose least index "
        "is among the least of all seasons [1].",
    )
    watch_seasons: int = Field(
        5,
        ge=1,
        le=20,
        description="headwater watch: seasons for which thresholds hold, before watch_from is to "
        "be moved on.",
    )
    channels: tuple[str, ...] = Field(
        ("inbox",),
        description="headwater watch: channels of the rules file that alerts go to.",
    )
    rehearsals: int = Field(
        400,
        ge=0,
        description="Cells on whose resampled history losses are planted, to say how often and how "
        "soon they would be found; 0: none.",
    )

    @field_validator("drought_ends")
    @classmethod
    def _check_hysteresis(cls, ends: float, info: Any) -> float:
        begins = info.data.get("drought_at")
        if begins is not None and ends < begins:
            raise StudyError(
                "a drought that ends before it begins",
                found=f"drought_at = {begins:g}, drought_ends = {ends:g}",
                do="Let drought_ends be no lower than drought_at",
            )
        return ends


class StationWarningOptions(WarningOptions):
    """Table ``[warning]`` of a network's mapping: the same watch over stations."""

    growing_season: tuple[int, int] = Field(
        (5, 10), description="First and last month; over New Year: [11, 3]."
    )
    depth: float | None = Field(
        None,
        ge=0,
        description="Of the soil water [m]; default: the shallowest sensor of each station.",
    )
    cells: bool = Field(
        False,
        description="Watch virtual stations, too: cells of a study that headwater network pixels "
        "--every has put into the store.",
    )
    min_years: int = Field(
        3, ge=2, description="Years of soil water that a station needs for percentiles."
    )

    @field_validator("growing_season")
    @classmethod
    def _check_months(cls, months: tuple[int, int]) -> tuple[int, int]:
        if not all(1 <= one <= 12 for one in months):
            raise StudyError(
                "months that the calendar does not have",
                found=f"growing_season = {list(months)}",
                do="Give first and last month, 1 to 12",
            )
        return months

    @model_validator(mode="after")
    def _check_demand(self) -> Self:
        rain = self.rain or "precipitation"
        if self.demand == rain:
            raise StudyError(
                "[warning] names the rain as the demand that is taken from it",
                found=f"demand = '{self.demand}', rain = '{rain}'",
                do="Write demand = 'potential_evapotranspiration', or leave demand out",
            )
        return self
