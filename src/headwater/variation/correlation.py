"""With what a quantity varies over time, cell by cell: at once, with a lag, and month by month."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import DataError, GridError, TimeAxisError
from headwater.inference import moments
from headwater.inference.effective import serial_pair
from headwater.inference.significance import correlation_p
from headwater.variation._maps import (
    Values,
    as_cube,
    as_maps,
    cellwise,
    count,
    refuse_classes,
    whole_series,
    words,
)
from headwater.variation.calendar import cadence, check_time
from headwater.variation.mean_year import anomalies

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "common_times",
    "correlate",
    "follows",
    "lagged_correlation",
    "monthly_correlation",
]

_NOTHING_LEFT = 1e-12
# Values that are ranked at a time.
_SLAB = 1 << 20


def common_times(*cubes: xr.DataArray) -> tuple[xr.DataArray, ...]:
    """Select the times that cubes share.

    Parameters
    ----------
    *cubes : DataArray (time, ...)
        On one calendar and the same cells; aggregate to the same period first.

    Returns
    -------
    tuple of DataArray

    Raises
    ------
    TimeAxisError
        If the calendars differ, or no time is shared.
    GridError
        If the cells differ.

    Examples
    --------
    >>> import pandas as pd
    >>> a = xr.DataArray([1.0, 2.0], {"time": pd.date_range("2017-01-01", periods=2)}, "time")
    >>> b = xr.DataArray([3.0, 4.0], {"time": pd.date_range("2017-01-02", periods=2)}, "time")
    >>> [float(part.item()) for part in common_times(a, b)]
    [2.0, 3.0]
    """
    first = cubes[0]
    shared, other_kind = check_time(first), [check_time(data).dtype == object for data in cubes]
    if any(other_kind) and not all(other_kind):
        raise TimeAxisError(
            "two calendars", found="one standard, one not", do="Convert one calendar first"
        )
    for data in cubes[1:]:
        if first.transpose("time", ...).shape[1:] != data.transpose("time", ...).shape[1:]:
            raise GridError(
                "cubes of different cells",
                found=f"{first.shape} and {data.shape}",
                do="Align both onto one grid first",
            )
        shared = shared.intersection(data.indexes["time"])
        if not len(shared):
            raise TimeAxisError(
                f"{words(first)} and {words(data)} share no time",
                found=f"{first['time'].values[0]} to {first['time'].values[-1]} and "
                f"{data['time'].values[0]} to {data['time'].values[-1]}",
                do="Aggregate both to the same period, or use data of a common period",
            )
    return tuple(
        data if data.sizes["time"] == len(shared) else data.sel(time=shared) for data in cubes
    )


def correlate(
    first: Values,
    second: Values,
    *,
    method: str = "pearson",
    controls: Sequence[xr.DataArray] = (),
    deseasonalised: bool = False,
    persistence: bool = True,
) -> xr.Dataset:
    """Correlate two cubes over time, cell by cell.

    Parameters
    ----------
    first, second : DataArray (time, ...)
        Their common times are used; NumPy or Dask, chunked in any way. A time missing in either is
        left out of that cell.
    method : {"pearson", "spearman"}
        Of the values or of their ranks. Ranks need whole series, so cubes chunked in time are then
        rechunked.
    controls : sequence of DataArray (time, ...)
        Cubes that are held fixed: the correlation is then partial, of what least squares on the
        controls leaves of both.
    deseasonalised : bool
        Whether to subtract the mean of each calendar month first (over the times that all share).
    persistence : bool
        Whether to add the p-value of the effective number of pairs.

    Returns
    -------
    Dataset (...)
        ``r`` [1]; ``p``, as if times were independent [1]; ``n`` pairs [1]; with `persistence` also
        ``n_effective`` and ``p_effective`` [1]. Lazy if any cube is.

    Raises
    ------
    TimeAxisError, GridError
        As :func:`common_times`.
    DataError
        For angles, classes and infinite values, or an unknown method.

    Notes
    -----
    ``t = r √((m-2)/(1-r²))`` with m - 2 degrees of freedom. m is the number of pairs, less one for
    each control and, deseasonalised, less one for each calendar month but the first; or this
    times ``(1 - r1 r1')/(1 + r1 r1')`` with the lag-1 autocorrelations r1 and r1' of what is
    correlated, over neighbouring times only. All are NaN where a series is constant (also: has
    nothing left apart from its season or the controls), r where n < 2, p where m < 3, and what
    rests on r1 where fewer than three pairs of neighbours are valid or times are irregular. p of
    ranks is that of the same t, an approximation that wants about ten pairs.

    Two seasonal cycles always correlate: deseasonalise to ask what goes with a departure.

    References
    ----------
    Bretherton, C. S. et al. (1999). The effective number of spatial degrees of freedom of a
    time-varying field. Journal of Climate 12, 1990-2009.
    doi:10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2

    Examples
    --------
    >>> import pandas as pd
    >>> times = {"time": pd.date_range("2017-01-01", periods=4)}
    >>> a = xr.DataArray([1.0, 2.0, 3.0, 4.0], times, "time")
    >>> b = xr.DataArray([1.0, 3.0, 2.0, 4.0], times, "time")
    >>> round(float(correlate(a, b)["r"]), 6)
    0.8
    """
    first, second = as_cube(first), as_cube(second)
    if method not in {"pearson", "spearman"}:
        raise DataError("unknown method", found=f"'{method}'", do="Use 'pearson' or 'spearman'")
    for data in (first, second, *controls):
        refuse_classes(data, "correlated over time as a number")
    series = [each.transpose("time", ...) for each in common_times(first, second, *controls)]
    changed = deseasonalised or method == "spearman" or len(controls) > 0
    a, b, n = (*series[:2], None)
    if changed:
        there = _all_there(series)
        a, b = _prepared(series, there, method, deseasonalised)
        # a series of which nothing is left has no r, but it had its pairs
        n = there.sum(axis=0)
    index = check_time(a)
    months = np.unique(np.asarray(index.month)).size - 1 if deseasonalised else 0
    maps = _pair_maps(a, b, lost=months + len(controls), persistence=persistence)
    maps["n"] = maps["n"] if n is None else n
    kind = f"{'partial ' if controls else ''}{method}"
    return as_maps(series[0], _named(maps, series), method=f"{kind} correlation over time")


def follows(index: Any) -> np.ndarray:
    """Find which times come one native step after the time before.

    Parameters
    ----------
    index : DatetimeIndex or CFTimeIndex
        Times, ascending.

    Returns
    -------
    array of bool, shape (time,)
        False for the first time and after gaps; of irregular times all False.

    Examples
    --------
    >>> import pandas as pd
    >>> follows(pd.DatetimeIndex(["2017-01-01", "2017-02-01", "2017-04-01"]))
    array([False,  True, False])
    """
    if len(index) < 2:
        return np.zeros(len(index), dtype=bool)
    step = cadence(index)
    months = np.asarray(index.year) * 12 + np.asarray(index.month)
    number, unit = {"monthly": (months, 1.0), "yearly": (np.asarray(index.year), 1.0)}.get(
        step.name, (_days_since_first(index), step.days)
    )
    even = np.abs(np.diff(number, prepend=np.nan) - unit) < 1e-6
    regular: np.ndarray = even & (step.name != "irregular")
    return regular


def _days_since_first(index: Any) -> np.ndarray:
    since = np.asarray(index - index[0])
    if since.dtype == object:
        return np.array([each.total_seconds() / 86400.0 for each in since])
    days: np.ndarray = since / np.timedelta64(1, "D").astype(since.dtype)
    return days


def _all_there(series: list[xr.DataArray]) -> Any:
    there = ~np.isnan(series[0].data)
    for other in series[1:]:
        there = there & ~np.isnan(other.data)
    return there


def _prepared(
    series: list[xr.DataArray], there: ArrayLike, method: str, deseasonalised: bool
) -> tuple[xr.DataArray, xr.DataArray]:
    """Leave of the first two series what is to be correlated: departures, ranks, residuals."""
    # without coordinates, so that cells are paired by their place
    kept = [data.where(xr.DataArray(there, dims=data.dims)) for data in series]
    left = [anomalies(data) for data in kept] if deseasonalised else kept
    left = [_something(new, old) for new, old in zip(left, kept, strict=True)]
    ranked = [_ranks(data) for data in left] if method == "spearman" else left
    if len(series) == 2:
        return ranked[0], ranked[1]
    controls = ranked[2:]
    a, b = (_something(_residual(data, controls), data) for data in ranked[:2])
    return a, b


def _something(left: xr.DataArray, data: xr.DataArray) -> xr.DataArray:
    """Make a series missing where nothing but rounding is left of it."""
    if left is data:
        return left
    spread, whole = (moments.of(each.data).variance(ddof=0) for each in (left, data))
    return left.where(xr.DataArray(spread > _NOTHING_LEFT * whole, dims=left.dims[1:]))


def _ranks(data: xr.DataArray) -> xr.DataArray:
    ranked: xr.DataArray = xr.apply_ufunc(
        _ranks_of_block,
        whole_series(data),
        input_core_dims=[["time"]],
        output_core_dims=[["time"]],
        dask="parallelized",
        output_dtypes=[float],
    )
    return ranked.transpose("time", ...)


def _ranks_of_block(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    if np.isinf(values).any():
        raise DataError(
            "infinite values are not ranked",
            found="at least one infinite value",
            do="Set them to NaN (missing) or correct the input",
        )
    series = values.reshape(-1, values.shape[-1])
    ranks = np.empty(series.shape)
    cells = max(1, _SLAB // series.shape[1])
    for first in range(0, len(series), cells):
        slab = slice(first, first + cells)
        ranks[slab] = rankdata(series[slab], axis=-1, nan_policy="omit")
    return ranks.reshape(values.shape)


def _residual(data: xr.DataArray, controls: list[xr.DataArray]) -> xr.DataArray:
    """Return what least squares on the controls leaves; all are missing at the same times."""
    found = moments.of(data.data, *(each.data for each in controls))
    slopes = _solve(found.comoment[1:, 1:], found.comoment[1:, 0], len(controls))
    left = data.data - found.mean[0]
    for i, control in enumerate(controls):
        left = left - slopes[i] * (control.data - found.mean[i + 1])
    return data.copy(data=left)


def _solve(matrix: NDArray[Any], right: NDArray[Any], size: int) -> list[Any]:
    """Solve the normal equations of every cell by elimination; NaN where a control is redundant."""
    rows = [[matrix[i, j] for j in range(size)] + [right[i]] for i in range(size)]
    for k in range(size):
        pivot = rows[k][k]
        pivot = np.where(pivot > _NOTHING_LEFT * matrix[k, k], pivot, np.nan)
        rows[k] = [entry / pivot for entry in rows[k]]
        for i in range(size):
            if i != k:
                factor = rows[i][k]
                rows[i] = [own - factor * top for own, top in zip(rows[i], rows[k], strict=True)]
    return [row[size] for row in rows]


def _pair_maps(a: xr.DataArray, b: xr.DataArray, *, lost: int, persistence: bool) -> dict[str, Any]:
    """Correlate two cubes of which `lost` degrees of freedom are spent."""
    if not persistence:
        found = moments.of(a.data, b.data)
        r, n = found.correlation(), found.n
        return {"r": r, "p": cellwise(correlation_p, r, n - lost), "n": n}
    pair = serial_pair(a.data, b.data, follows(check_time(a)))
    r, n = pair.moments.correlation(), pair.moments.n
    enough = pair.effective_n() * (n - lost) / np.where(n > 0, n, 1.0)
    return {
        "r": r,
        "p": cellwise(correlation_p, r, n - lost),
        "n": n,
        "n_effective": enough,
        "p_effective": cellwise(correlation_p, r, enough),
    }


def _named(maps: dict[str, Any], series: Sequence[xr.DataArray]) -> dict[str, tuple[Any, str, str]]:
    pair = " and ".join(words(data) for data in series[:2])
    fixed = f", {', '.join(words(data) for data in series[2:])} held fixed" if series[2:] else ""
    text = {
        "r": f"Correlation of {pair}{fixed}",
        "p": f"p-value, {pair}, times independent",
        "n": "Pairs of values",
        "n_effective": "Effective number of pairs",
        "p_effective": f"p-value, {pair}, persistence",
    }
    return {
        name: (count(values) if name == "n" else values, "1", text[name])
        for name, values in maps.items()
    }


def lagged_correlation(
    first: Values,
    second: Values,
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
    MapCorrelation 56, 52-64. doi:10.1080/01621459.1961.10482090

    Examples
    --------
    >>> import pandas as pd
    >>> times = {"time": pd.date_range("2017-01-01", periods=40, freq="MS")}
    >>> rain = xr.DataArray(np.random.default_rng(0).normal(size=40), times, "time", "rain")
    >>> float(lagged_correlation(rain.shift(time=2), rain, range(4))["best_lag"])
    2.0
    """
    first, second = as_cube(first), as_cube(second)
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
    reported: dict[str, Any] = {
        "best_lag": (lag, "1", "Lag of the largest correlation [step]"),
        "best_r": (r, "1", "Largest correlation of all lags"),
        "best_p": (np.minimum(p * found.sizes["lag"], 1.0), "1", "p-value of the largest of all"),
    }
    return {
        name: values.where(any_known).assign_attrs(units=units, long_name=text)
        for name, (values, units, text) in reported.items()
    }


def monthly_correlation(
    first: Values,
    second: Values,
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
    first, second = as_cube(first), as_cube(second)
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
