"""What table ``[correlation]`` of a study file may say."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["CorrelationOptions"]


class CorrelationOptions(BaseModel):
    """Table ``[correlation]`` of the study file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    of: str | None = Field(None, description="The target variable; default: the first input.")
    with_: tuple[str, ...] | None = Field(
        None, alias="with", description="Factors; default: all other variables, but classes."
    )
    min_coverage: float = Field(
        0.8, gt=0, le=1, description="Least share of a month or year that must have data."
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="False discovery rate of maps of tests.")
    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] | None = Field(
        None,
        description="Months of the year with maps of their own, over the years; default: those of "
        "the growing season.",
    )
    longest_lag: int = Field(
        6, ge=0, le=24, description="Longest lag of factors before the target [month]; 0: none."
    )
