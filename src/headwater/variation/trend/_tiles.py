"""Maps of tests that take whole series, a few cells at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from headwater.errors import DataError, TimeAxisError
from headwater.grids.steps import days_between as _days_between
from headwater.inference.effective import autocorrelation
from headwater.inference.kendall import score_variance, z_score
from headwater.inference.persistence import SHORTEST_PERSISTENCE, persistent_limit
from headwater.variation._maps import Values, as_cube, as_maps, refuse_classes, whole_series, words
from headwater.variation.calendar import cadence, check_time, decimal_years

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Parts",
    "by_tile",
    "finite",
    "intervals_in_every_cell",
    "kendall_parts",
    "least_squares_tile",
    "mapped",
    "midranks",
    "normal_level",
    "per_year",
    "regular_axis",
    "residual_lag1",
    "sen_kendall_tile",
    "standardised",
]

_TILE = 256
_ROUNDING = 1e-12
_OFF = 0.3

Parts = Mapping[str, np.ndarray]
_LABELS = {
    "slope": "trend",
    "slope_low": "lower limit of the trend",
    "slope_high": "upper limit of the trend",
    "intercept": "in year 0",
    "s": "Kendall's S",
    "var_s": "variance of S",
    "z": "test statistic",
    "p": "p-value of the trend",
    "tau_a": "Kendall's tau-a",
    "n": "values in the test",
    "factor": "variance of S by that of independent values",
    "r1": "lag-1 autocorrelation",
    "floored": "whether the factor was raised to its floor",
    "smallest_p": "smallest p that the test can give",
    "least_squares_interval": "whether the limits are those of least squares",
}


def per_year(units: str) -> str:
    """Units of a trend, for those of a quantity."""
    return f"{units} year-1" if units not in {"", "1"} else "year-1"


def by_tile(
    values: np.ndarray, function: Callable[[np.ndarray], np.ndarray], parts: int
) -> np.ndarray:
    """Apply a function of (time, cell) to tiles of (..., time); return (..., parts)."""
    flat = np.moveaxis(values, -1, 0).reshape(values.shape[-1], -1)
    found = np.empty((flat.shape[1], parts))
    for first in range(0, flat.shape[1], _TILE):
        # whole series side by side in memory, so that each is read at once
        tile = np.ascontiguousarray(flat[:, first : first + _TILE].T, dtype=float).T
        found[first : first + _TILE] = function(finite(tile)).T
    return found.reshape(*values.shape[:-1], parts)


def finite(values: np.ndarray) -> np.ndarray:
    """Return values as float64, none of them infinite."""
    if np.isinf(values).any():
        raise DataError(
            "infinite values have no trend",
            found="at least one infinite value",
            do="Set them to NaN (missing) or correct the input",
        )
    return values.astype(float, copy=False)


def standardised(
    score: np.ndarray, variance: np.ndarray, continuity: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Z of a score, 0 where it has no variance, and its two-sided p."""
    from scipy.special import ndtr

    moved = score - np.sign(score) if continuity else score
    z = moved / np.sqrt(np.where(variance > 0, variance, np.inf))
    return z, 2.0 * ndtr(-np.abs(z))


def sen_kendall_tile(axis: np.ndarray, tile: np.ndarray, reach: ArrayLike) -> np.ndarray:
    """Return (8, cell) of a tile (time, cell): n, S, tie sum, tied pairs, slope, limits, intercept.

    Reach, by cell or for all: how far the limits lie, in units of √var S.
    """
    from headwater.variation import _kernels

    each = np.broadcast_to(np.asarray(reach, dtype=float), tile.shape[1:]).copy()
    found: np.ndarray = _kernels.sen_kendall(axis, np.ascontiguousarray(tile.T), each)
    return found


def midranks(tile: np.ndarray) -> np.ndarray:
    """Ranks along time, tied ones averaged, NaN where missing."""
    order = np.argsort(tile, axis=0, kind="stable")  # NaN last
    ordered = np.take_along_axis(tile, order, axis=0)
    new = np.ones(tile.shape, dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    place = np.broadcast_to(np.arange(1.0, len(tile) + 1)[:, None], tile.shape)
    first = np.maximum.accumulate(np.where(new, place, 0.0), axis=0)
    ends = np.ones(tile.shape, dtype=bool)
    ends[:-1] = new[1:]
    last = np.minimum.accumulate(np.where(ends, place, np.inf)[::-1], axis=0)[::-1]
    ranks = np.empty(tile.shape)
    np.put_along_axis(ranks, order, 0.5 * (first + last), axis=0)
    return np.where(np.isnan(tile), np.nan, ranks)


def regular_axis(index: pd.DatetimeIndex, years: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the step of each time among all steps of its cadence, and the years of all steps.

    Raises
    ------
    TimeAxisError
        If steps are not even, so that "one step before" means nothing.
    """
    if len(index) < 2:
        return np.arange(len(index)), years
    step = cadence(index)
    month = np.asarray(index.year) * 12 + np.asarray(index.month)
    place = {"yearly": np.asarray(index.year), "monthly": month}.get(step.name)
    if place is None:
        place = _even_places(index, years, step.days)
    if step.name == "irregular" or (np.diff(place) < 1).any():
        raise TimeAxisError(
            "autocorrelation needs even steps",
            found=f"{step} times",
            do="Aggregate to months or years, or use the plain tests",
        )
    place = place - place[0]
    return place, np.interp(np.arange(place[-1] + 1), place, years)


def _even_places(index: pd.DatetimeIndex, years: np.ndarray, days: float) -> np.ndarray:
    steps = _days_between(np.asarray(index)[:1], index) / days
    if np.abs(steps - np.rint(steps)).max() < _OFF:
        return np.rint(steps).astype(int)
    # composites start anew every year: their number within the year counts
    year = np.asarray(index.year)
    within = np.floor((years - year) * 366.0 / days + 0.01).astype(int)
    places: np.ndarray = year * int(np.ceil(365.0 / days)) + within
    return places


def kendall_parts(kendall: np.ndarray, **own: np.ndarray) -> Parts:
    """Name what the kernel found, with what a test of its own puts in its place."""
    n, score, ties, _, slope, low, high, intercept = kendall
    variance = np.where(n >= 2, score_variance(n, ties), np.nan)
    pairs = np.where(n >= 2, 0.5 * n * (n - 1.0), np.nan)
    return {
        "slope": slope,
        "slope_low": low,
        "slope_high": high,
        "intercept": intercept,
        "s": score,
        "var_s": variance,
        "z": z_score(score, variance),
        "tau_a": score / pairs,
        "n": n,
        "factor": np.ones(n.shape),
        "floored": np.zeros(n.shape),
        "smallest_p": np.zeros(n.shape),
        "least_squares_interval": np.zeros(n.shape),
        **own,
    }


def residual_lag1(x: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Lag-1 autocorrelation of residuals; 0 where nothing but rounding is left of x."""
    found: np.ndarray = np.nan_to_num(autocorrelation(left, 1)[0])
    valid = ~np.isnan(left)
    mean = np.where(valid, left, 0.0).sum(axis=0) / np.maximum(valid.sum(axis=0), 1)
    spread, size = (
        np.abs(np.where(valid, values, 0.0)).max(axis=0, initial=0.0) for values in (left - mean, x)
    )
    return np.where(spread > _ROUNDING * size, found, 0.0)


def intervals_in_every_cell(
    axis: np.ndarray, x: np.ndarray, kendall: np.ndarray, level: float
) -> Parts:
    """Limits of Sen's slope by rank, and by least squares where there is no such rank.

    From n < 3 values there are none.
    """
    from scipy.special import stdtrit

    n, slope, low, high = kendall[0], kendall[4], kendall[5], kendall[6]
    missing = (n >= 3) & (np.isnan(low) | np.isnan(high))
    if not missing.any():
        return {"slope_low": low, "slope_high": high}
    line = least_squares_tile(axis, x[:, missing])
    own_n = n[missing]
    reach = np.where(
        own_n >= SHORTEST_PERSISTENCE,
        persistent_limit("student", level, line["r1"], own_n),
        stdtrit(own_n - 2.0, 0.5 + 0.5 * level),
    )
    low, high = low.copy(), high.copy()
    low[missing] = np.minimum(line["slope"] - reach * line["se"], slope[missing])
    high[missing] = np.maximum(line["slope"] + reach * line["se"], slope[missing])
    marked = missing.astype(float)
    return {"slope_low": low, "slope_high": high, "least_squares_interval": marked}


def least_squares_tile(axis: np.ndarray, x: np.ndarray) -> Parts:
    """Slope of least squares, its standard error for independent residuals, and their r1."""
    valid = ~np.isnan(x)
    n = valid.sum(axis=0).astype(float)
    some = np.where(n > 2, n, np.nan)
    elapsed = (axis - axis[0])[:, None]
    middle, mean = (np.where(valid, v, 0.0).sum(axis=0) / some for v in (elapsed, x))
    time = np.where(valid, elapsed - middle, 0.0)
    stt = (time * time).sum(axis=0)
    slope = (time * np.where(valid, x - mean, 0.0)).sum(axis=0) / stt
    left = np.where(valid, x - mean - slope * time, np.nan)
    se = np.sqrt(np.nansum(left * left, axis=0) / (some - 2.0) / stt)
    return {"slope": slope, "se": se, "r1": residual_lag1(x, left)}


def normal_level(level: float) -> float:
    """Quantile of the normal distribution for a two-sided interval."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + 0.5 * level))


def mapped(
    data: Values, test: Callable[[np.ndarray, np.ndarray], Parts], method: str
) -> xr.Dataset:
    """Run a test of (axis, tile) on every cell, with absent steps put in as missing."""
    data = as_cube(data)
    index = check_time(data)
    refuse_classes(data, "given a trend")
    place, axis = regular_axis(index, decimal_years(index))
    packed = xr.apply_ufunc(
        _block,
        whole_series(data),
        input_core_dims=[["time"]],
        output_core_dims=[["part"]],
        kwargs={"place": place, "axis": axis, "test": test},
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"part": len(_LABELS)}},
    )
    units, text = str(data.attrs.get("units", "")), words(data)
    own = {"intercept": units} | dict.fromkeys(
        ("slope", "slope_low", "slope_high"), per_year(units)
    )
    parts = {
        name: (packed.data[..., i], own.get(name, "1"), f"{text}, {label}")
        for i, (name, label) in enumerate(_LABELS.items())
    }
    return as_maps(data.transpose("time", ...), parts, method=method)


def _block(
    values: np.ndarray,
    *,
    place: np.ndarray,
    axis: np.ndarray,
    test: Callable[[np.ndarray, np.ndarray], Parts],
) -> np.ndarray:
    def of_tile(tile: np.ndarray) -> np.ndarray:
        x = tile
        if len(place) != len(axis):
            x = np.full((len(axis), tile.shape[1]), np.nan)
            x[place] = tile
        found = test(axis, x)
        missing = np.full(tile.shape[1], np.nan)
        return np.stack([found.get(name, missing) for name in _LABELS])

    return by_tile(values, of_tile, len(_LABELS))
