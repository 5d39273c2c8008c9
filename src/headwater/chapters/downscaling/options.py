"""What table ``[downscaling]`` of a study file may say."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from headwater.errors import StudyError
from headwater.study.options import RelativePath
from headwater.tables import ReadingOptions

__all__ = ["DownscalingOptions"]


class DownscalingOptions(BaseModel):
    """Table ``[downscaling]`` of the study file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: str = Field("soil_moisture", description="Input to be made finer; daily, coarser.")
    predictors: tuple[str, ...] | None = Field(
        None, description="Variables to predict from; default: all others but classes."
    )
    noisy: tuple[str, ...] | None = Field(
        None,
        description="Predictors with an error of their own in every cell; default: all that change "
        "in time but precipitation and temperature.",
    )
    learners: tuple[Literal["forest", "boosting"], ...] = Field(
        ("forest", "boosting"), min_length=1, description="Learners; several are averaged."
    )
    coupling: Literal["none", "smooth", "bands"] = Field(
        "bands",
        description="Wavelets in time: none, the slow part of noisy predictors alone, or a model "
        "for each band (the study's).",
    )
    wavelet: str = Field("db4", description="Mother wavelet, by PyWavelets' name.")
    level: int = Field(3, ge=1, le=8, description="Halvings: slower than about 2^level days.")
    noise: Literal["matched", "none"] = Field(
        "matched", description="Whether training sees the noise that fine predictors have."
    )
    residual: Literal["soft", "exact", "bilinear", "none"] = Field(
        "soft", description="How what the learner left over is spread; exact keeps coarse means."
    )
    trees: int = Field(100, ge=10, le=2000, description="Trees of a forest.")
    rows: int = Field(15_000, ge=100, description="Most days and cells to train on.")
    folds: Literal["space", "time", "space-time", "random"] = Field(
        "space", description="What is held back for honest residuals; random is not honest."
    )
    fold_count: int = Field(
        5, ge=2, le=20, description="Number of folds; fewer where the area has too few squares."
    )
    min_covered: float = Field(
        0.5, gt=0, le=1, description="Least share of a coarse cell that the study grid covers."
    )
    longest_gap: int = Field(
        16, ge=0, description="Days from the nearest observation beyond which no value is given."
    )
    interval: float = Field(0.90, gt=0.5, lt=1, description="Share that intervals should hold.")
    twins: int = Field(
        2,
        ge=0,
        le=20,
        description="Synthetic truths, two or more, that give the error at the fine scale; 0: none "
        "and no intervals.",
    )
    fallback: Literal["auto", "never"] = Field(
        "auto",
        description="Where the predictors add nothing: write the better of nearest cell and "
        "bilinear (auto), or the downscaling all the same (never).",
    )
    edges: Literal["fill", "leave"] = Field(
        "fill",
        description="Pixels in no coarse cell that takes part: filled from the nearest, if no "
        "further than a cell, or left without a value.",
    )
    product_bias: tuple[float, float] | None = Field(
        None,
        description="Range in which the mean of the product minus that of the truth lies [m3 m-3]; "
        "default: from stations, else none.",
    )
    product_gain: tuple[float, float] | None = Field(
        None,
        description="Range of what the product makes of a departure of the truth from its mean; "
        "default: from stations, else 1.",
    )
    unseen_sd: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Lasting differences within a coarse cell that no predictor shows (standard "
        "deviation) [m3 m-3]; default: from stations, else as between cells.",
    )
    water: str | None = Field(
        None,
        description="Variable with the share of open water in each cell of the study grid; coarse "
        "cells with more than max_water of it are flagged.",
    )
    max_water: float = Field(0.05, gt=0, lt=1, description="Share of water that is no matter.")
    stations: RelativePath | None = Field(
        None,
        description="Measurements that take part as points: a table of station, longitude, "
        "latitude, time, soil_moisture; a folder of the ISMN; or the store of a network (.db, or "
        "postgresql://user@host/database).",
    )
    station_depth: tuple[float, float] | None = Field(
        None, description="Layer of the stations' sensors [m]; default: all, one at each place."
    )
    reading: ReadingOptions | None = Field(
        None,
        description="What the table of stations leaves open: dates, zone, encoding, units; see "
        "tables.md.",
    )
    memory_mb: float = Field(
        1500.0, gt=0, description="Refuse before starting if more would be needed [MB]."
    )

    @field_validator("product_bias", "product_gain")
    @classmethod
    def _check_range(
        cls, ends: tuple[float, float] | None, info: ValidationInfo
    ) -> tuple[float, float] | None:
        low, high = (-1.0, 1.0) if info.field_name == "product_bias" else (0.1, 10.0)
        if ends is not None and not low <= ends[0] <= ends[1] <= high:
            raise StudyError(
                f"{info.field_name} is a range",
                found=f"{list(ends)}",
                do=f"Write [low, high], between {low:g} and {high:g}",
            )
        return ends

    @field_validator("twins")
    @classmethod
    def _check_twins(cls, twins: int) -> int:
        if twins == 1:
            raise StudyError(
                "one twin does not show how sure its skill is",
                found="twins = 1",
                do="Give 2 or more, or 0 for none",
            )
        return twins
