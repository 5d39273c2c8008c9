"""What table ``[detector]`` of a study file may say."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from headwater.errors import StudyError

__all__ = ["DetectorOptions", "StrataOptions"]

Method = Literal[
    "equal", "quantile", "natural", "geometric", "standard_deviation", "head_tail", "optimal"
]


Further = Literal[
    "gozh", "lesh", "shegd", "shares", "rgd", "spade", "idsa", "srsgd", "scale", "local", "shift"
]


Season = Literal["growing_season", "year"]


Series = Literal["year", "season", "month", "none"]


_DEFAULT: tuple[Method, ...] = ("equal", "quantile", "natural", "geometric", "standard_deviation")


class StrataOptions(BaseModel):
    """How one factor is parted, in place of the search."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Method | Literal["sectors", "given"] = Field(
        "quantile", description="Rule that parts the factor; sectors are for directions."
    )
    count: int = Field(5, ge=2, le=50, description="Number of classes.")
    breaks: tuple[float, ...] | None = Field(
        None, description="Limits from lowest to highest, both ends included; inf is allowed."
    )

    @model_validator(mode="after")
    def _check_breaks(self) -> Self:
        if (self.method == "given") != (self.breaks is not None):
            raise StudyError(
                'breaks and method = "given" belong together',
                found=f'method = "{self.method}", breaks = {self.breaks}',
                do="Give both, or give method and count",
            )
        return self


class DetectorOptions(BaseModel):
    """Table ``[detector]`` of the study file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    response: str | None = Field(
        None, description="The variable to be explained; default: the first input."
    )
    response_season: Season = Field(
        "growing_season", description="Months over which it is averaged."
    )
    factors: tuple[str, ...] | None = Field(
        None, description="Factors; default: all other variables, slope and aspect included."
    )
    factor_season: Season = Field("year", description="Months over which factors are averaged.")
    methods: tuple[Method, ...] = Field(
        _DEFAULT, min_length=1, description="Rules that the search tries on continuous factors."
    )
    style: Literal["headwater", "gd", "sdsfun"] = Field(
        "headwater",
        description="Whose class rules: ours, or those of the R packages GD or sdsfun (gdverse).",
    )
    classes: tuple[int, int] = Field((3, 8), description="Fewest and most classes that it tries.")
    by: Literal["q_cv", "q_adjusted", "q"] = Field(
        "q_cv",
        description="What the search maximises: q of leave-one-out prediction, q adjusted for the "
        "number of classes, or the plain q as published (which favours many classes).",
    )
    strata: dict[str, StrataOptions] = Field(
        {}, description="Factors that are parted as written here, without a search."
    )
    also: tuple[Further, ...] = Field(
        (),
        description="Further detectors, each with its tables and figure: zones of a regression "
        "tree (gozh), shares of the factors in its q (lesh, shegd) or in that of all strata "
        "crossed (shares), robust strata (rgd), variance between neighbours (spade, idsa), a "
        "response of classes (srsgd), the size of the cells (scale), where on the map (local), "
        "all shifts of the map (shift).",
    )
    weights: Literal["none", "area"] = Field(
        "none", description="Whether cells count the same, as published, or by their area."
    )
    min_coverage: float = Field(
        0.8, gt=0, le=1, description="Least share of a year's season that must have data."
    )
    series: Series = Field(
        "year",
        description="q through time: anew in each year (over the seasons above), season or month; "
        '"none" leaves it out.',
    )
    draws: int = Field(
        999,
        ge=99,
        le=99_999,
        description="Responses made by chance, and resamples, behind p-values and intervals; "
        "a fifth of it for pairs and for each period.",
    )

    @field_validator("classes")
    @classmethod
    def _check_classes(cls, classes: tuple[int, int]) -> tuple[int, int]:
        if not 2 <= classes[0] <= classes[1] <= 50:
            raise StudyError(
                "impossible numbers of classes",
                found=f"classes = {list(classes)}",
                do="Write the fewest and the most, within 2 to 50",
            )
        return classes
