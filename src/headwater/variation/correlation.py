"""With what a quantity varies: correlation per cell over time, and between maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import DataError, GridError, TimeAxisError
from headwater.inference import correlation_p, effective_n_pair, lag1, moments
from headwater.variation._maps import as_maps, cellwise, count, refuse_classes, whole_series, words
from headwater.variation.calendar import check_time

__all__ = ["Association", "associate", "circular_linear", "common_times", "correlate", "matrix"]


@dataclass(frozen=True, slots=True)
class Association:
    """How closely two variables go together.

    Attributes
    ----------
    statistic : {"r", "R"}
        Pearson's r, or the circular-linear R, which has no sign.
    value : float
        Of the statistic [1].
    p : float
        Two-sided, as if the pairs were independent [1].
    n : int
        Pairs [1].
    """

    statistic: str
    value: float
    p: float
    n: int


def common_times(first: xr.DataArray, second: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Select the times that two cubes share.

    Parameters
    ----------
    first, second : DataArray (time, ...)
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
    >>> a = xr.DataArray([1.0, 2.0], {"time": pd.date_range("2017-01-01", periods=2)}, "time")
    >>> b = xr.DataArray([3.0, 4.0], {"time": pd.date_range("2017-01-02", periods=2)}, "time")
    >>> [float(part.item()) for part in common_times(a, b)]
    [2.0, 3.0]
    """
    calendars = [check_time(data).dtype == object for data in (first, second)]
    if calendars[0] != calendars[1]:
        raise TimeAxisError(
            "two calendars", found="one standard, one not", do="Convert one calendar first"
        )
    if first.transpose("time", ...).shape[1:] != second.transpose("time", ...).shape[1:]:
        raise GridError(
            "cubes of different cells", found=f"{first.shape} and {second.shape}",
            do="Align both onto one grid first",
        )  # fmt: skip
    shared = first.indexes["time"].intersection(second.indexes["time"])
    if not len(shared):
        raise TimeAxisError(
            f"{words(first)} and {words(second)} share no time",
            found=f"{first['time'].values[0]} to {first['time'].values[-1]} and "
            f"{second['time'].values[0]} to {second['time'].values[-1]}",
            do="Aggregate both to the same period, or use data of a common period",
        )
    first, second = (
        data if data.sizes["time"] == len(shared) else data.sel(time=shared)
        for data in (first, second)
    )
    return first, second


def correlate(first: xr.DataArray, second: xr.DataArray, *, persistence: bool = True) -> xr.Dataset:
    """Correlate two cubes over time, cell by cell.

    Parameters
    ----------
    first, second : DataArray (time, ...)
        Their common times are used; NumPy or Dask. A time missing in either is left out.
    persistence : bool
        Whether to add the p-value of the effective number of pairs. It needs evenly spaced times
        and whole series, so cubes chunked in time are rechunked.

    Returns
    -------
    Dataset (...)
        ``r`` [1]; ``p``, as if times were independent [1]; ``n`` [1]; with `persistence` also
        ``n_effective`` and ``p_effective`` [1].

    Raises
    ------
    TimeAxisError, GridError
        As :func:`common_times`.
    DataError
        For angles, classes and infinite values.

    Notes
    -----
    ``t = r √((n-2)/(1-r²))`` with n - 2 degrees of freedom, or with
    ``n (1 - r1 r1')/(1 + r1 r1')`` in place of n. NaN where n < 3 (r: n < 2) or a series is
    constant. Two seasonal cycles always correlate: use anomalies to ask what drives a departure.

    References
    ----------
    Bretherton, C. S. et al. (1999). The effective number of spatial degrees of freedom of a
    time-varying field. Journal of Climate 12, 1990-2009.
    doi:10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2

    Examples
    --------
    >>> times = {"time": pd.date_range("2017-01-01", periods=4)}
    >>> a = xr.DataArray([1.0, 2.0, 3.0, 4.0], times, "time")
    >>> b = xr.DataArray([1.0, 3.0, 2.0, 4.0], times, "time")
    >>> round(float(correlate(a, b)["r"]), 6)
    0.8
    """
    for data in (first, second):
        refuse_classes(data, "correlated over time as a number")
    a, b = (each.transpose("time", ...) for each in common_times(first, second))
    found = moments.of(a.data, b.data)
    r, n = found.correlation(), found.n
    pair = f"{words(first)} and {words(second)}"
    maps = {
        "r": (r, "1", f"Correlation of {pair}"),
        "p": (cellwise(correlation_p, r, n), "1", f"p-value, {pair}, times independent"),
        "n": (count(n), "1", "Pairs of values"),
    }
    if persistence:
        enough = cellwise(effective_n_pair, n, _lag1(a, b), _lag1(b, a))
        maps["n_effective"] = (enough, "1", "Effective number of pairs")
        maps["p_effective"] = (
            cellwise(correlation_p, r, enough),
            "1",
            f"p-value, {pair}, persistence",
        )
    return as_maps(a, maps, method="Pearson correlation over time")


def _lag1(data: xr.DataArray, other: xr.DataArray) -> Any:
    """Lag-1 autocorrelation of the values that have a partner."""
    return xr.apply_ufunc(
        lambda own, partner: lag1(np.moveaxis(np.where(np.isnan(partner), np.nan, own), -1, 0)),
        whole_series(data), whole_series(other), input_core_dims=[["time"], ["time"]],
        dask="parallelized", output_dtypes=[float],
    ).data  # fmt: skip


def circular_linear(angle: Any, values: Any) -> Association:
    """Associate an angle with a number.

    Parameters
    ----------
    angle : array-like
        Direction [degree].
    values : array-like, same shape
        Any unit. Pairs with a NaN (flat cells have no aspect) are left out.

    Returns
    -------
    Association
        ``R`` between 0 and 1, without sign; NaN for fewer than 4 pairs or constant values.

    Notes
    -----
    ``R² = (rc² + rs² - 2 rc rs rcs) / (1 - rcs²)`` with rc, rs the correlations of the values with
    cosine and sine of the angle and rcs that of cosine with sine; the R² of a regression on both.
    ``F = (n - 3) R² / (2 (1 - R²))`` with 2 and n - 3 degrees of freedom.

    References
    ----------
    Mardia, K. V., Jupp, P. E. (2000). Directional Statistics, Wiley, eq. 11.2.1.
    doi:10.1002/9780470316979

    Examples
    --------
    >>> angles = np.array([0.0, 90.0, 180.0, 270.0, 45.0])
    >>> round(circular_linear(angles, np.cos(np.radians(angles - 30.0))).value, 6)
    1.0
    """
    from scipy.special import fdtrc

    angle, values = np.asarray(angle, dtype=float), np.asarray(values, dtype=float)
    valid = ~(np.isnan(angle) | np.isnan(values))
    turn = np.radians(angle[valid])
    n = int(valid.sum())
    table = [values[valid], np.cos(turn), np.sin(turn)]
    if n < 4 or any(np.ptp(column) == 0 for column in table):
        return Association("R", float("nan"), float("nan"), n)
    r = np.corrcoef(np.stack(table))
    rc, rs, rcs = r[0, 1], r[0, 2], r[1, 2]
    if 1.0 - rcs * rcs <= 1e-12:
        return Association("R", float("nan"), float("nan"), n)
    square = float(np.clip((rc * rc + rs * rs - 2 * rc * rs * rcs) / (1 - rcs * rcs), 0.0, 1.0))
    f = (n - 3) * square / (2.0 * (1.0 - square)) if square < 1.0 else np.inf
    return Association("R", float(np.sqrt(square)), float(fdtrc(2.0, n - 3.0, f)), n)


def associate(first: xr.DataArray, second: xr.DataArray) -> Association:
    """Associate two maps over their cells, by what kind of quantity they are.

    Parameters
    ----------
    first, second : DataArray, same shape
        ``attrs["kind"]`` tells a number (``continuous``) from an angle (``circular``).

    Returns
    -------
    Association
        Pearson's r, or the circular-linear R where one of the two is an angle. Cells count as
        independent, which neighbours are not: p is too small.

    Raises
    ------
    GridError
        If the shapes differ.
    DataError
        For classes, two angles, or infinite values.

    Examples
    --------
    >>> a = xr.DataArray([[1.0, 2.0], [3.0, np.nan]], dims=("y", "x"))
    >>> associate(a, 2 * a).n
    3
    """
    if first.shape != second.shape:
        raise GridError(
            "maps of different cells", found=f"{first.shape} and {second.shape}",
            do="Align both onto one grid first",
        )  # fmt: skip
    kinds = [data.attrs.get("kind", "continuous") for data in (first, second)]
    if "categorical" in kinds or kinds == ["circular", "circular"]:
        raise DataError(
            f"{words(first)} and {words(second)} have no correlation",
            found=f"{kinds[0]} and {kinds[1]} quantities",
            do="Leave one out; for classes use the geographical detector",
        )
    if "circular" in kinds:
        angle, values = (first, second) if kinds[0] == "circular" else (second, first)
        return circular_linear(angle.values, values.values)
    found = moments.of(*(np.asarray(data.values, dtype=float).ravel() for data in (first, second)))
    r, n = float(found.correlation()), int(found.n)
    return Association("r", r, float(correlation_p(r, n)), n)


def matrix(maps: Mapping[str, xr.DataArray]) -> pd.DataFrame:
    """Associate every pair of maps.

    Parameters
    ----------
    maps : mapping of str to DataArray (y, x)
        On one grid. Classes are left out.

    Returns
    -------
    DataFrame
        One row per pair: ``first``, ``second``, ``statistic`` (r or R), ``value``, ``p`` (cells
        independent) and ``n`` [all 1].

    Raises
    ------
    GridError
        If the shapes differ.
    DataError
        For infinite values, or fewer than two maps.

    Examples
    --------
    >>> a = xr.DataArray([[1.0, 2.0, 4.0]], dims=("y", "x"))
    >>> round(float(matrix({"theta": a, "rain": 2 * a}).loc[0, "value"]), 6)
    1.0
    """
    usable = {name: data for name, data in maps.items() if data.attrs.get("kind") != "categorical"}
    if len(usable) < 2:
        raise DataError(
            "nothing to correlate", found=f"{len(usable)} maps of numbers or angles",
            do="Give at least two variables",
        )  # fmt: skip
    rows = []
    for (first, a), (second, b) in combinations(usable.items(), 2):
        if a.attrs.get("kind") == b.attrs.get("kind") == "circular":
            continue
        found = associate(a, b)
        rows.append((first, second, found.statistic, found.value, found.p, found.n))
    table = pd.DataFrame(rows, columns=["first", "second", "statistic", "value", "p", "n"])
    table.attrs["units"] = {"value": "1", "p": "1", "n": "1"}
    return table
