"""How long one quantity takes to follow another: correlation at several lags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from headwater.errors import DataError, TimeAxisError
from headwater.variation._maps import words
from headwater.variation.calendar import check_time
from headwater.variation.correlation import correlate, follows

__all__ = ["lagged"]


def lagged(
    first: xr.DataArray,
    second: xr.DataArray,
    lags: Sequence[int] = range(7),
    *,
    method: str = "pearson",
    deseasonalised: bool = False,
) -> xr.Dataset:
    """Correlate a cube with another one some steps before, and find the best lag of each cell.

    Parameters
    ----------
    first, second : DataArray (time, ...)
        Evenly spaced times without gaps in the calendar (missing values are NaN).
    lags : sequence of int
        Steps by which `second` goes before `first`: at lag 2, ``first(t)`` meets ``second(t - 2)``.
        Negative lags let `first` go before.
    method, deseasonalised
        As in :func:`headwater.variation.correlate`.

    Returns
    -------
    Dataset
        ``r``, ``n``, ``p``, ``n_effective``, ``p_effective`` (lag, ...) [1], and of each cell
        ``best_lag`` [step], where the absolute r is largest, ``best_r`` and ``best_p`` [1]; NaN
        where no lag has a correlation.

    Raises
    ------
    TimeAxisError
        For gaps in the time axis, and as :func:`headwater.variation.correlate`.
    DataError
        For no lags, lags that occur twice or are longer than the series, and as
        :func:`headwater.variation.correlate`.

    Notes
    -----
    The best of k lags is picked because it is large, so its p is multiplied by k (Bonferroni, on
    the effective number of pairs): ``best_p = min(1, k p_effective)``. Lags of persistent series
    resemble each other, which makes this cautious. Over many cells control the false discovery
    rate of ``best_p`` (:func:`headwater.inference.fdr`).

    References
    ----------
    Dunn, O. J. (1961). Multiple comparisons among means. Journal of the American Statistical
    Association 56, 52-64. doi:10.1080/01621459.1961.10482090

    Examples
    --------
    >>> import pandas as pd
    >>> times = {"time": pd.date_range("2017-01-01", periods=40, freq="MS")}
    >>> rain = xr.DataArray(np.random.default_rng(0).normal(size=40), times, "time", "rain")
    >>> float(lagged(rain.shift(time=2), rain, range(4))["best_lag"])
    2.0
    """
    lags = [int(lag) for lag in lags]
    for data in (first, second):
        steps = data.sizes.get("time", 0)
        if not lags or len(set(lags)) < len(lags) or max(map(abs, lags)) >= steps:
            raise DataError(
                "lags must be different steps within the series",
                found=f"{lags} of {steps} steps",
                do="Give whole numbers, each once and shorter than the series",
            )
        if not follows(check_time(data))[1:].all():
            raise TimeAxisError(
                f"{words(data)}: a lag needs evenly spaced times",
                found="a gap or irregular steps",
                do="Aggregate to a period, which keeps empty periods as NaN",
            )
    options: Any = {"method": method, "deseasonalised": deseasonalised}
    parts = [correlate(first, second.shift(time=lag), **options) for lag in lags]
    found = xr.concat(parts, xr.DataArray(lags, dims="lag", name="lag"), coords="minimal")
    found["lag"].attrs = {"units": "1", "long_name": f"Steps that {words(second)} goes before"}
    return found.assign(_best(found)).assign_attrs(method=f"lagged {method} correlation over time")


def _best(found: xr.Dataset) -> dict[str, xr.DataArray]:
    size: xr.DataArray = abs(found["r"])
    known = size.notnull()
    # where no lag is known, the first stands in and is masked
    place = size.where(known, -1.0).argmax("lag")
    r, p, lag = (
        sum((each.isel(lag=i).where(place == i, 0.0) for i in range(found.sizes["lag"])), 0.0)
        for each in (found["r"], found["p_effective"], found["lag"].astype(float))
    )
    any_known = known.any("lag")
    told: dict[str, Any] = {
        "best_lag": (lag, "1", "Lag of the largest correlation [step]"),
        "best_r": (r, "1", "Largest correlation of all lags"),
        "best_p": (np.minimum(p * found.sizes["lag"], 1.0), "1", "p-value of the largest of all"),
    }
    return {
        name: values.where(any_known).assign_attrs(units=units, long_name=text)
        for name, (values, units, text) in told.items()
    }
