"""With what a quantity varies from year to year, in each month of the year."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from headwater.errors import DataError
from headwater.variation._maps import words
from headwater.variation.calendar import check_time
from headwater.variation.correlation import common_times, correlate

__all__ = ["monthly_correlation"]


def monthly_correlation(
    first: xr.DataArray,
    second: xr.DataArray,
    months: Sequence[int] = range(1, 13),
    *,
    method: str = "pearson",
    min_years: int = 4,
) -> xr.Dataset:
    """Correlate two monthly cubes over the years, for each month of the year by itself.

    Parameters
    ----------
    first, second : DataArray (time, ...)
        One value per month; their common months are used.
    months : sequence of int
        Months of the year, 1 to 12.
    method : {"pearson", "spearman"}
        As in :func:`headwater.variation.correlate`.
    min_years : int
        Least number of years, at least 3; cells with fewer are NaN. With n years a correlation has
        n - 2 degrees of freedom: from 4 years, the absolute r must exceed 0.95 for p below 0.05.

    Returns
    -------
    Dataset (month, ...)
        ``r``, ``p`` and ``n`` (years) [1]. The same month of successive years counts as
        independent: so few years say nothing about their persistence.

    Raises
    ------
    DataError
        For months that do not exist or `min_years` below 3, and as
        :func:`headwater.variation.correlate`.
    TimeAxisError, GridError
        As :func:`headwater.variation.correlate`.

    Examples
    --------
    >>> import pandas as pd
    >>> times = {"time": pd.date_range("2017-01-01", periods=60, freq="MS")}
    >>> wet = xr.DataArray(np.random.default_rng(0).normal(size=60), times, "time", "wet")
    >>> monthly_correlation(wet, -wet, [6, 8])["r"].values
    array([-1., -1.])
    """
    months = [int(month) for month in months]
    if not months or not set(months) <= set(range(1, 13)) or min_years < 3:
        raise DataError(
            "months go from 1 to 12, and a correlation needs three years",
            found=f"months={months}, min_years={min_years}",
            do="Give months of the year and at least min_years=3",
        )
    a, b = common_times(first, second)
    own = np.asarray(check_time(a).month)
    parts = []
    for month in months:
        here = np.flatnonzero(own == month)
        if not here.size:
            raise DataError(
                f"{words(first)} and {words(second)} share no month {month}",
                found=f"months {sorted(set(own.tolist()))}",
                do="Ask for the months that both have",
            )
        pair = (data.isel(time=here) for data in (a, b))
        found = correlate(*pair, method=method, persistence=False)
        enough = found["n"] >= min_years
        parts.append(found.assign({k: found[k].where(enough) for k in ("r", "p")}))
    axis = xr.DataArray(months, dims="month", name="month", attrs={"long_name": "Month"})
    joined = xr.concat(parts, axis, coords="minimal")
    joined["n"].attrs["long_name"] = "Years"
    return joined.assign_attrs(method=f"{method} correlation over years, by month")
