"""Which months are the peak of a season, and which years are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

if TYPE_CHECKING:
    from headwater.chapters.vegetation.options import VegetationOptions

__all__ = [
    "FEWEST_VALUES",
    "LAGGED_DAYS",
    "RESPONSE_DAYS",
    "compared_years",
    "greenest_months",
    "whole_seasons",
]

FEWEST_VALUES = 20
"""Values that an estimate of end values needs."""
RESPONSE_DAYS, LAGGED_DAYS = 16, 60
"""Step of cover, and how far back soil water counts, in a response [d]."""


def greenest_months(sample: xr.DataArray, season: tuple[int, int]) -> tuple[int, ...]:
    """Find the two neighbouring months of the season that are greenest.

    Parameters
    ----------
    sample : DataArray (time, cell)
        NDVI or cover.
    season : tuple of int
        First and last month of the growing season.

    Returns
    -------
    tuple of int
        One month or none where the season has no more.
    """
    monthly = sample.mean("cell").groupby("time.month").mean()
    inside = monthly.sel(month=slice(*season))
    if inside.sizes["month"] < 2:
        return tuple(int(month) for month in inside["month"].values)
    pairs = inside.values[1:] + inside.values[:-1]
    first = int(np.nanargmax(pairs))
    return tuple(int(month) for month in inside["month"].values[first : first + 2])


def whole_seasons(times: pd.DatetimeIndex, months: tuple[int, ...]) -> list[int]:
    """List the years whose peak months all have steps."""
    by_year = pd.Series(times.month, index=times.year).groupby(level=0).agg(set)
    return [int(year) for year, seen in by_year.items() if set(months) <= seen]  # type: ignore[call-overload]


def compared_years(
    options: VegetationOptions, years: list[int]
) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Choose baseline and recent years where the options do not, None where there are too few."""
    n = len(years)
    recent_count = 0 if n < 4 else (1 if n == 4 else 2 if n < 8 else 3)
    recent = options.recent or ((years[-recent_count], years[-1]) if recent_count else None)
    if recent is None:
        return options.baseline, None
    before = [year for year in years if year < recent[0]]
    count = max(3, (n + 1) // 2)
    usual = (before[0], before[: min(count, len(before))][-1]) if len(before) >= 3 else None
    return options.baseline or usual, recent
