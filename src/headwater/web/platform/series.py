"""The series of a cell or of a polygon, with what is usual at each time of the year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.network.sensorthings.errors import WrongRequest
from headwater.warning.standardised import day_of_year
from headwater.web.platform.grid import Grid
from headwater.web.platform.layers import Layer, open_values, reading

__all__ = ["Climatology", "Place", "Series", "cells_of", "climatology", "read_series"]

Floats = NDArray[np.float64]
_MOST_CORNERS = 500
_MOST_VALUES = 40_000_000
"""Values of a cube that are read for one polygon."""
_YEAR = 365
_WINDOW = 15


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Some cells.

    Attributes
    ----------
    rows, columns : ndarray of int
    weights : ndarray
        By their areas; they add up to one.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: Floats

    @property
    def size(self) -> int:
        """How many cells."""
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Values of a place in time.

    Attributes
    ----------
    time : ndarray of datetime64
    value : ndarray
        Mean over the valid cells by area; NaN where fewer than half of the area is valid.
    share : ndarray
        Share of the area that is valid.
    """

    time: NDArray[np.datetime64]
    value: Floats
    share: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Climatology:
    """What is usual by day of a year of 365 days.

    Attributes
    ----------
    low, middle, high : ndarray, shape (365,)
        Quantiles 0.1, 0.5 and 0.9 of the values within 15 days, of all years.
    n : ndarray of int, shape (365,)
        Values that they are of.
    """

    low: Floats
    middle: Floats
    high: Floats
    n: NDArray[np.int64]


def cells_of(grid: Grid, corners: Sequence[Sequence[float]]) -> Place:
    """Find the cells of a place.

    Parameters
    ----------
    grid : Grid
    corners : sequence of (column, row)
        One for a cell; three or more for a polygon, in cells from the corner of the first one.

    Returns
    -------
    Place
        Cells whose centres lie inside or on the edge.

    Raises
    ------
    WrongRequest
        If the place is no polygon, has too many corners, or holds no cell of the study.
    """
    if len(corners) == 1:
        column, row = (int(np.floor(v)) for v in corners[0])
        inside = 0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]
        if not inside:
            raise WrongRequest("a cell outside the grid", found=f"row {row}, column {column}")
        one = np.ones(1)
        return Place(np.array([row]), np.array([column]), one)
    rows, columns = _within(grid, corners)
    weights = grid.weights()[rows]
    return Place(rows, columns, weights / weights.sum())


def _within(grid: Grid, corners: Sequence[Sequence[float]]) -> tuple[Any, Any]:
    from shapely import Polygon, intersects_xy

    if not 3 <= len(corners) <= _MOST_CORNERS:
        raise WrongRequest(
            "a polygon with too few or too many corners",
            found=str(len(corners)),
            do=f"Draw one with 3 to {_MOST_CORNERS} corners",
        )
    shape = Polygon([(float(x), float(y)) for x, y in corners])
    if not shape.is_valid or shape.area <= 0:
        raise WrongRequest("a polygon that crosses itself", do="Draw it without crossing lines")
    west, north, east, south = shape.bounds
    top, left = max(0, int(north)), max(0, int(west))
    down = np.arange(top, min(grid.shape[0], int(south) + 1))
    across = np.arange(left, min(grid.shape[1], int(east) + 1))
    x, y = np.meshgrid(across + 0.5, down + 0.5)
    held = intersects_xy(shape, x, y) & grid.inside[np.ix_(down, across)]
    rows, columns = np.nonzero(held)
    if not len(rows):
        raise WrongRequest(
            "a polygon without a cell of the study", do="Draw it over the study area"
        )
    return down[rows], across[columns]


def read_series(layer: Layer, place: Place) -> Series:
    """Read the series of a place.

    Parameters
    ----------
    layer : Layer
        With times.
    place : Place

    Returns
    -------
    Series

    Raises
    ------
    WrongRequest
        If the layer has no times, or the place is larger than can be read at once.
    """
    if not layer.cube:
        raise WrongRequest("this map has no times", found=layer.id, do="Choose a daily layer")
    values = open_values(layer)
    rows = slice(int(place.rows.min()), int(place.rows.max()) + 1)
    columns = slice(int(place.columns.min()), int(place.columns.max()) + 1)
    part = values.isel(y=rows, x=columns)
    if part.size > _MOST_VALUES:
        raise WrongRequest(
            "a polygon larger than can be read at once",
            found=f"{part.size:.2g} values",
            do=f"Draw a smaller one, of at most {_MOST_VALUES:.1g} values in its rectangle",
        )
    with reading(layer.path):
        held = part.values[:, place.rows - rows.start, place.columns - columns.start]
    valid = np.isfinite(held)
    share = valid @ place.weights
    total = np.where(valid, held, 0.0) @ place.weights
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(share >= 0.5, total / share, np.nan)
    times = np.asarray(values["time"].values, dtype="datetime64[s]")
    return Series(times, mean, share)


def climatology(series: Series, *, min_n: int = 20) -> Climatology:
    """Say what is usual at each day of the year.

    Parameters
    ----------
    series : Series
    min_n : int
        Fewest values; with fewer the band is NaN.

    Returns
    -------
    Climatology
    """
    known = np.isfinite(series.value)
    day, value = day_of_year(series.time)[known], series.value[known]
    order = np.argsort(day, kind="stable")
    # the year thrice, so that the days around each one stand side by side
    days = np.concatenate([day[order] - _YEAR, day[order], day[order] + _YEAR])
    values = np.append(np.tile(value[order], 3), np.nan)
    first = np.searchsorted(days, np.arange(_YEAR) - _WINDOW)
    n = np.searchsorted(days, np.arange(_YEAR) + _WINDOW, "right") - first
    place = np.arange(int(n.max(initial=0)))
    around = np.sort(values[np.where(place < n[:, None], first[:, None] + place, -1)], axis=1)
    band = np.full((3, _YEAR), np.nan)
    rows = np.flatnonzero(n >= max(min_n, 1))
    for part, share in zip(band, (0.1, 0.5, 0.9), strict=True):
        at = share * (n[rows] - 1)
        low = np.floor(at).astype(np.int64)
        lower, upper = around[rows, low], around[rows, np.minimum(low + 1, n[rows] - 1)]
        part[rows] = lower + (upper - lower) * (at - low)
    return Climatology(band[0], band[1], band[2], n)
