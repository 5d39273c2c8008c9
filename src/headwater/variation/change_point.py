"""When a series changed its level: Pettitt's test."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from headwater.inference import pettitt_p
from headwater.inference.pettitt import PETTITT_EXACT_LIMIT, pettitt_exact_p
from headwater.variation._maps import Values, as_cube, as_maps, refuse_classes, whole_series, words
from headwater.variation.calendar import check_time, decimal_years
from headwater.variation.trend._tiles import by_tile, midranks

__all__ = ["pettitt"]

_PARTS = ("statistic", "last", "p", "before", "after", "n")


def pettitt(data: Values, *, exact: bool = True) -> xr.Dataset:
    """Find the most likely time of a change of level, in every cell, and test it.

    Parameters
    ----------
    data : DataArray (time, ...)
        Times need not be even; a missing value is left out. Ranks need whole series, so a cube
        chunked in time is rechunked.
    exact : bool
        Whether p is exact for up to 16 values; otherwise the usual approximation, as in R.

    Returns
    -------
    Dataset (...)
        ``statistic`` K [1], ``last`` (decimal year of the last value before the change) [year],
        ``place`` (number of values up to it) [1], ``p`` [1], ``before``, ``after`` (means) and
        ``shift`` (their difference) [units], ``n`` [1]. All but n NaN where n < 2; a constant
        series has K 0 and p 1, and no time of change.

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
    hard to find. Assumes independent values: persistence, and a trend, look like a change.

    References
    ----------
    Pettitt, A. N. (1979). A non-parametric approach to the change-point problem. Journal of the
    Royal Statistical Society C (Applied Statistics) 28, 126-135. doi:10.2307/2346729

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2001-01-01", periods=12, freq="YS")
    >>> found = pettitt(xr.DataArray(np.repeat([1.0, 2.0], 6), {"time": years}, "time"))
    >>> float(found["last"]), float(found["shift"]), round(float(found["p"]), 4)
    (2006.0, 1.0, 0.0022)
    """
    data = as_cube(data)
    years = decimal_years(check_time(data))
    refuse_classes(data, "searched for a change")
    packed = xr.apply_ufunc(
        _block,
        whole_series(data),
        input_core_dims=[["time"]],
        output_core_dims=[["part"]],
        kwargs={"years": years, "exact": exact},
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"part": len(_PARTS) + 1}},
    ).data
    units, text = str(data.attrs.get("units", "")), words(data)
    statistic, place, p, before, after, n, last = (packed[..., i] for i in range(7))
    return as_maps(
        data.transpose("time", ...),
        {
            "statistic": (statistic, "1", f"{text}, Pettitt's K"),
            "last": (last, "year", f"{text}, last time before the change"),
            "place": (place, "1", f"{text}, values before the change"),
            "p": (p, "1", f"{text}, p-value of the change"),
            "before": (before, units, f"{text}, mean before the change"),
            "after": (after, units, f"{text}, mean after the change"),
            "shift": (after - before, units, f"{text}, change of the mean"),
            "n": (n, "1", "Values"),
        },
        method="Pettitt's test",
    )


def _block(values: np.ndarray, *, years: np.ndarray, exact: bool) -> np.ndarray:
    return by_tile(values, lambda tile: _tile(tile, years, exact), len(_PARTS) + 1)


def _tile(x: np.ndarray, years: np.ndarray, exact: bool) -> np.ndarray:
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
    place = np.where(changed, count[at, cell], np.nan)
    early = np.arange(len(x))[:, None] <= at
    total = np.where(valid, x, 0.0)
    before, after = (
        np.where(side, total, 0.0).sum(axis=0) / np.maximum((valid & side).sum(axis=0), 1)
        for side in (early, ~early)
    )
    p = pettitt_p(statistic, n)
    if exact:
        p = _exact_p(p, statistic, ranks, n)
    before, after, last = (np.where(changed, v, np.nan) for v in (before, after, years[at]))
    return np.stack([statistic, place, p, before, after, n, last])


def _exact_p(p: Any, statistic: np.ndarray, ranks: np.ndarray, n: np.ndarray) -> np.ndarray:
    found = np.array(p)
    for j in np.flatnonzero((n >= 2) & (n <= PETTITT_EXACT_LIMIT)):
        own = ranks[:, j]
        found[j] = pettitt_exact_p(float(statistic[j]), own[~np.isnan(own)])
    return found
