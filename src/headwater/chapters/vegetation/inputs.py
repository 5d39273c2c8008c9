"""What the chapter on vegetation takes from the study: parts, steps, peak months and years."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import StudyError

if TYPE_CHECKING:
    from headwater.chapters.vegetation.options import VegetationOptions
    from headwater.study.model import Study
    from headwater.study.step import Context

__all__ = [
    "CELLS_AT_ONCE",
    "DIMIDIATE",
    "FEWEST_VALUES",
    "LAGGED_DAYS",
    "QUOTED",
    "RESPONSE_DAYS",
    "Roles",
    "compared_years",
    "greenest_months",
    "on_grid",
    "parts_of",
    "roles_of",
    "still_map",
    "typical_step",
    "whole_seasons",
]

DIMIDIATE = (
    "Gutman, G., Ignatov, A. (1998). The derivation of the green vegetation fraction from "
    "NOAA/AVHRR data for use in numerical weather prediction models. International Journal of "
    "Remote Sensing 19, 1533-1543. doi:10.1080/014311698215333"
)
QUOTED = (
    "Lu et al. (2020), quoted by Li, Z., et al. (2024). Hydrology and Earth System Sciences 28, "
    "719-736. doi:10.5194/hess-28-719-2024"
)
"""References of more than one result."""
NDVI_DAYS, WATER_DAYS = 8, 5
"""Steps to which greenness and soil water are averaged [d]."""
CELLS_AT_ONCE = 16384
"""Cells that are computed at once."""
FEWEST_VALUES = 20
"""Values that an estimate of end values needs."""
RESPONSE_DAYS, LAGGED_DAYS = 16, 60
"""Step of cover, and how far back soil water counts, in a response [d]."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of the variables of a study that play a part, None where there is none."""

    ndvi: str
    water: str | None
    temperature: str | None
    rain: str | None
    demand: str | None
    types: str | None
    elevation: str | None
    field_plot: str | None


def roles_of(study: Study) -> Roles:
    """Find who plays which part.

    Parameters
    ----------
    study : Study
        With a table [vegetation].

    Returns
    -------
    Roles

    Raises
    ------
    StudyError
        If there is no NDVI, or a named variable is none of the study.
    """
    options = study.vegetation
    assert options is not None
    named = (options.water, options.demand, options.types, options.field_plot)
    if options.ndvi not in study.variables and options.ndvi == "ndvi":
        raise StudyError(
            "[vegetation] needs NDVI",
            found=f"inputs {', '.join(study.inputs) or 'none'}",
            do="Add [inputs.ndvi], name another by ndvi = …, or remove [vegetation]",
        )
    study.require("vegetation", (options.ndvi, *(name for name in named if name)))

    def known(given: str | None, usual: str) -> str | None:
        return given or (usual if usual in study.variables else None)

    return Roles(
        ndvi=options.ndvi,
        water=known(options.water, "soil_moisture"),
        temperature=known(None, "temperature"),
        rain=known(None, "precipitation"),
        demand=known(options.demand, "potential_evapotranspiration"),
        types=known(options.types, "vegetation"),
        elevation=known(None, "elevation"),
        field_plot=options.field_plot,
    )


def parts_of(cells: NDArray[np.int64], count: int = CELLS_AT_ONCE) -> Iterator[NDArray[np.int64]]:
    """Divide cells into parts that are computed at once."""
    for first in range(0, cells.size, count):
        yield cells[first : first + count]


def on_grid(found: xr.Dataset, cells: NDArray[np.int64], like: xr.DataArray) -> xr.Dataset:
    """Put results of cells in a row back on the map, NaN (grades: -1) elsewhere.

    Parameters
    ----------
    found : Dataset (..., cell)
        Results.
    cells : ndarray of int
        Position of each cell in the map.
    like : DataArray (y, x)
        A map of the study grid.

    Returns
    -------
    Dataset (..., y, x)
    """
    fields: Mapping[str, Any] = {str(name): values for name, values in found.data_vars.items()}
    maps = {}
    for key, values in fields.items():
        ordered = values.transpose(..., "cell")
        whole = ordered.dtype == np.int8
        empty = np.full(
            (*ordered.shape[:-1], like.size), -1 if whole else np.nan, np.int8 if whole else float
        )
        empty[..., cells] = ordered.values
        shape = (*ordered.shape[:-1], *like.shape)
        maps[key] = ((*ordered.dims[:-1], "y", "x"), empty.reshape(shape), dict(values.attrs))
    coords = {name: c for name, c in found.coords.items() if "cell" not in c.dims}
    at = {name: like.coords[name] for name in ("y", "x", "spatial_ref") if name in like.coords}
    data = xr.Dataset(maps, {**coords, **at}, dict(found.attrs))
    if "spatial_ref" in data.coords:
        for name in data.data_vars:
            data[name].encoding["grid_mapping"] = "spatial_ref"
    return data


def still_map(context: Context, name: str | None) -> xr.DataArray | None:
    """Load a variable as one map, or None."""
    if name is None:
        return None
    data = context.variable(name)
    found: xr.DataArray = data.isel(time=0, drop=True) if "time" in data.dims else data
    return found.load()


def typical_step(data: xr.DataArray) -> float:
    """Median step of a cube [d]."""
    if data.sizes.get("time", 1) < 2:
        return float("inf")
    gaps = np.diff(data["time"].to_index().to_numpy()) / np.timedelta64(1, "D")
    return float(np.median(gaps))


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
