"""What the weather of a year did to its peak of season, so that losses can be told from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.vegetation.cover import EndValues, fractional_cover
from headwater.vegetation.degradation import place_of_types

__all__ = ["in_usual_weather"]

Floats = NDArray[np.float64]

FEWEST_STEPS = 9
"""Pairs of neighbouring years with values that a cell needs."""
_LEAST_COVER = 0.02
_MOST = float(np.log(2.0))


def in_usual_weather(
    peak: xr.DataArray,
    weather: Sequence[xr.DataArray],
    *,
    baseline: tuple[int, int],
    recent: tuple[int, int],
    ends: EndValues | None = None,
    types: xr.DataArray | None = None,
) -> xr.DataArray:
    """Bring the cover of each year to the mean weather of the baseline.

    Parameters
    ----------
    peak : DataArray (year, ...)
        Cover at peak season of each year [1]; or NDVI, where `ends` is given.
    weather : sequence of DataArray (year, ...)
        What drives it, such as temperature and soil water of the months before the peak.
    baseline, recent : tuple of int
        First and last year of either.
    ends : EndValues, optional
        Of bare ground and full cover.
    types : DataArray, optional
        Type of each cell, for `ends`.

    Returns
    -------
    DataArray (year, ...)
        Like `peak`, with coordinates of each cell: ``weather_error``, the standard deviation of the
        logarithm of recent over baseline that the estimated effects add [1], and ``adjusted``,
        whether it has enough years; where not, it is as seen and the error 0.

    Raises
    ------
    DataError
        If weather has other cells than cover, or there is none.

    Notes
    -----
    The logarithm of cover is regressed on weather in steps from one year to the next, in each cell.
    A loss that lasts enters one step, or a little of several; a model of the values themselves
    would take a loss in warm years for what warmth does. Factors lie between 1/2 and 2.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> years = {"year": np.arange(2001, 2021)}
    >>> warmth = xr.DataArray(np.append(rng.normal(8, 1, 17), [11.0, 11.0, 11.0]), years, "year")
    >>> cover = 0.3 * np.exp(0.1 * warmth - 0.8)
    >>> spans = {"baseline": (2001, 2008), "recent": (2018, 2020)}
    >>> found = in_usual_weather(cover, [warmth], **spans)
    >>> old, new = (found.sel(year=slice(*span)).mean() for span in spans.values())
    >>> bool(abs(new / old - 1) < 0.01)
    True
    """
    ordered = peak.transpose("year", ...)
    cover = ordered if ends is None else fractional_cover(ordered, ends, types=types)
    aligned = [one.transpose("year", ...).sel(year=ordered["year"]) for one in weather]
    if not aligned or any(one.shape != ordered.shape for one in aligned):
        raise DataError(
            "weather and cover have different cells",
            found=f"cover {ordered.shape}, weather {[one.shape for one in aligned]}",
            do="Give a yearly map of each on the cells of cover",
        )
    x = np.stack([one.values.reshape(len(ordered), -1) for one in aligned], axis=-1)
    y = np.log(np.maximum(cover.values.reshape(len(ordered), -1), _LEAST_COVER))
    slope, spread, enough = _effects(np.diff(x, axis=0), np.diff(y, axis=0))
    years = ordered["year"].values
    before, after = ((years >= first) & (years <= last) for first, last in (baseline, recent))
    usual = _mean(x[before])
    moved = np.einsum("ycv,cv->yc", np.where(np.isfinite(x), x - usual, 0.0), slope)
    change = _mean(x[after]) - usual
    error = np.sqrt(np.maximum(np.einsum("cv,cvw,cw->c", change, spread, change), 0.0))
    factor = np.exp(-np.clip(moved, -_MOST, _MOST)).reshape(ordered.shape)
    bare = 0.0 if ends is None else _bare(ends, types, ordered.shape[1:])
    cells = [dim for dim in ordered.dims if dim != "year"]
    return ordered.copy(data=bare + (ordered.values - bare) * factor).assign_coords(
        weather_error=(cells, error.reshape(ordered.shape[1:])),
        adjusted=(cells, enough.reshape(ordered.shape[1:])),
    )


def _bare(ends: EndValues, types: xr.DataArray | None, shape: tuple[int, ...]) -> Floats:
    """NDVI of bare ground in each cell."""
    values = ends.table["bare"].to_numpy(dtype=np.float64)
    return np.asarray(np.append(values, np.nan)[place_of_types(ends, types, shape)])


def _effects(dx: Floats, dy: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Fit steps (years - 1, cells) on steps of weather; effects, their covariance, and which."""
    count = dx.shape[-1]
    seen = np.isfinite(dy) & np.isfinite(dx).all(axis=-1)
    x, y = np.where(seen[..., None], dx, 0.0), np.where(seen, dy, 0.0)
    square = np.einsum("tcv,tcw->cvw", x, x)
    scale = np.sqrt(np.maximum(np.einsum("cvv->cv", square), 1e-30))
    # scaled, so that degrees and shares of water are alike in size
    unit = square / scale[:, :, None] / scale[:, None, :] + 1e-9 * np.eye(count)
    enough = seen.sum(axis=0) >= FEWEST_STEPS
    enough &= np.linalg.cond(unit) < 1e3
    inverse = np.linalg.inv(np.where(enough[:, None, None], unit, np.eye(count)))
    inverse = inverse / scale[:, :, None] / scale[:, None, :]
    slope = np.einsum("cvw,tcw,tc->cv", inverse, x, y)
    left = np.where(seen, y - np.einsum("tcv,cv->tc", x, slope), 0.0)
    freedom = np.maximum(seen.sum(axis=0) - count, 1)
    # a year's own deviation enters two steps with opposite signs
    variance = (left**2).sum(axis=0) / freedom / 2.0
    cross = np.einsum("tcv,tcw->cvw", x[1:], x[:-1])
    meat = 2.0 * square - cross - np.swapaxes(cross, 1, 2)
    spread = variance[:, None, None] * (inverse @ meat @ inverse)
    enough &= np.isfinite(slope).all(axis=1)
    return (
        np.where(enough[:, None], slope, 0.0),
        np.where(enough[:, None, None], spread, 0.0),
        enough,
    )


def _mean(values: Floats) -> Floats:
    """Average over the first axis what is there, 0 where nothing is."""
    seen = np.isfinite(values)
    return np.asarray(np.where(seen, values, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1))
