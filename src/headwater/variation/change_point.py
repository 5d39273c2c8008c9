"""When a series changed its level: Pettitt's test."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from headwater.errors import TimeAxisError
from headwater.inference.persistence import SHORTEST_PERSISTENCE, persistent_p
from headwater.inference.pettitt import PETTITT_EXACT_LIMIT, pettitt_exact_p, pettitt_p
from headwater.variation._maps import Values, as_cube, as_maps, refuse_classes, whole_series, words
from headwater.variation.calendar import check_time, decimal_years
from headwater.variation.trend._tiles import by_tile, midranks, regular_axis, residual_lag1

__all__ = ["pettitt"]

_PARTS = ("statistic", "place", "plain_p", "before", "after", "n", "last", "p", "r1")


def pettitt(data: Values, *, exact: bool = True) -> xr.Dataset:
    """Find the most likely time of a change of level, in every cell, and test it.

    Parameters
    ----------
    data : DataArray (time, ...)
        Times need not be even; a missing value is left out. Ranks need whole series, so a cube
        chunked in time is rechunked.
    exact : bool
        Whether ``plain_p`` is exact for up to 16 values; else the usual approximation, as in R.

    Returns
    -------
    Dataset (...)
        ``statistic`` K [1], ``last`` (decimal year of the last value before the change) [year],
        ``place`` (number of values up to it) [1], ``p`` (values may persist), ``plain_p`` (values
        independent) [1], ``before``, ``after`` (means) and ``shift`` (their difference) [units],
        ``r1`` (of residuals from the step, as estimated) [1], ``n`` [1]. All but n NaN where n < 2;
        a constant series has K 0 and p 1, and no time of change.

    Raises
    ------
    TimeAxisError
        If times cannot be trusted.
    DataError
        For angles, classes and infinite values.

    Notes
    -----
    ``U_t = 2 Σ_{i ≤ t} r_i - t(n + 1)`` with ranks r, tied ones averaged; ``K = max |U_t|``, at the
    earliest t that has it; ``p ≈ 2 exp(-6 K²/(n³ + n²))``, too small a change near either end being
    hard to find. That p, ``plain_p``, assumes independent values: 23 to 34 % of persistent series
    without a change have one below 0.05. ``p`` comes from a table
    (:mod:`headwater.inference.persistence`): of AR(1) series, φ from 0 to 0.6, the share p has so
    large a K, given the lag-1 autocorrelation of the residuals from the step. It needs even steps
    and ten values; without them it is ``plain_p`` and ``r1`` is NaN. A trend, too, looks like a
    change. Sizes: docs/simulations/trend.md.

    References
    ----------
    Pettitt, A. N. (1979). A non-parametric approach to the change-point problem. Journal of the
    Royal Statistical Society C (Applied Statistics) 28, 126-135. doi:10.2307/2346729

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2001-01-01", periods=12, freq="YS")
    >>> found = pettitt(xr.DataArray(np.repeat([1.0, 2.0], 6), {"time": years}, "time"))
    >>> float(found["last"]), float(found["shift"]), round(float(found["plain_p"]), 4)
    (2006.0, 1.0, 0.0022)
    """
    data = as_cube(data)
    index = check_time(data)
    refuse_classes(data, "searched for a change")
    place, years, even = _axis(index)
    packed = xr.apply_ufunc(
        _block,
        whole_series(data),
        input_core_dims=[["time"]],
        output_core_dims=[["part"]],
        kwargs={"place": place, "years": years, "exact": exact, "even": even},
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"part": len(_PARTS)}},
    ).data
    units, text = str(data.attrs.get("units", "")), words(data)
    part = {name: packed[..., i] for i, name in enumerate(_PARTS)}
    before, after = part["before"], part["after"]
    return as_maps(
        data.transpose("time", ...),
        {
            "statistic": (part["statistic"], "1", f"{text}, Pettitt's K"),
            "last": (part["last"], "year", f"{text}, last time before the change"),
            "place": (part["place"], "1", f"{text}, values before the change"),
            "p": (part["p"], "1", f"{text}, p-value of the change, values may persist"),
            "plain_p": (part["plain_p"], "1", f"{text}, p-value of the change, values independent"),
            "before": (before, units, f"{text}, mean before the change"),
            "after": (after, units, f"{text}, mean after the change"),
            "shift": (after - before, units, f"{text}, change of the mean"),
            "r1": (part["r1"], "1", f"{text}, lag-1 autocorrelation about the step"),
            "n": (part["n"], "1", "Values"),
        },
        method="Pettitt's test",
    )


def _axis(index: Any) -> tuple[np.ndarray, np.ndarray, bool]:
    """Place of each time among even steps, the years of these, and whether times are even."""
    years = decimal_years(index)
    try:
        place, axis = regular_axis(index, years)
    except TimeAxisError:
        return np.arange(len(years)), years, False
    return place, axis, True


def _block(
    values: np.ndarray, *, place: np.ndarray, years: np.ndarray, exact: bool, even: bool
) -> np.ndarray:
    def of_tile(tile: np.ndarray) -> np.ndarray:
        x = np.full((len(years), tile.shape[1]), np.nan)
        x[place] = tile
        return _tile(x, years, exact, even)

    return by_tile(values, of_tile, len(_PARTS))


def _tile(x: np.ndarray, years: np.ndarray, exact: bool, even: bool) -> np.ndarray:
    valid = ~np.isnan(x)
    count = valid.cumsum(axis=0)
    n = count[-1]
    ranks = midranks(x)
    u = np.abs(2.0 * np.where(valid, ranks, 0.0).cumsum(axis=0) - count * (n + 1.0))
    u = np.where(valid, u, -1.0)
    at = u.argmax(axis=0)
    cell = np.arange(x.shape[1])
    statistic = np.where(n >= 2, u[at, cell], np.nan)
    changed = statistic > 0
    early = np.arange(len(x))[:, None] <= at
    total = np.where(valid, x, 0.0)
    before, after = (
        np.where(side, total, 0.0).sum(axis=0) / np.maximum((valid & side).sum(axis=0), 1)
        for side in (early, ~early)
    )
    plain = pettitt_p(statistic, n)
    if exact:
        plain = _exact_p(plain, statistic, ranks, n)
    r1 = np.where(even, residual_lag1(x, x - np.where(early, before, after)), np.nan)
    scaled = statistic * np.sqrt(6.0 / np.maximum(n**3.0 + n**2.0, 1.0))
    p = persistent_p("pettitt", scaled, r1, n)
    found = {
        "statistic": statistic,
        "place": np.where(changed, count[at, cell], np.nan),
        "plain_p": plain,
        "before": np.where(changed, before, np.nan),
        "after": np.where(changed, after, np.nan),
        "n": n,
        "last": np.where(changed, years[at], np.nan),
        "p": np.where(np.isnan(p), plain, p),
        "r1": np.where(n >= SHORTEST_PERSISTENCE, r1, np.nan),
    }
    return np.stack([found[name] for name in _PARTS])


def _exact_p(p: ArrayLike, statistic: np.ndarray, ranks: np.ndarray, n: np.ndarray) -> np.ndarray:
    found = np.array(p)
    for j in np.flatnonzero((n >= 2) & (n <= PETTITT_EXACT_LIMIT)):
        own = ranks[:, j]
        found[j] = pettitt_exact_p(float(statistic[j]), own[~np.isnan(own)])
    return found
