"""Series made of series: means of periods, storage of the root zone, and what the network says.

Every mean carries its coverage, the share of its period that was observed, and is missing below a
least coverage; every mean over stations carries how many spoke.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, StudyError

__all__ = [
    "NetworkMean",
    "PeriodMeans",
    "Stability",
    "Storage",
    "network_mean",
    "period_means",
    "root_zone_storage",
    "temporal_stability",
]

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR


@dataclass(frozen=True, slots=True, eq=False)
class PeriodMeans:
    """Means of hours, days or pentads.

    Attributes
    ----------
    start : ndarray of int64, shape (periods,)
        Start of each period [µs since 1970, UTC].
    mean : ndarray, shape (periods,)
        Mean of the observations, in their unit; NaN below the least coverage.
    n : ndarray of int64, shape (periods,)
        Observations in the period.
    coverage : ndarray, shape (periods,)
        Share of the expected observations that were there, 0 to 1.
    """

    start: Times
    mean: Floats
    n: NDArray[np.int64]
    coverage: Floats


def period_means(
    time: ArrayLike,
    value: ArrayLike,
    period: Literal["hour", "day", "pentad"],
    *,
    cadence: float,
    min_coverage: float = 0.75,
    offset: float = 0.0,
) -> PeriodMeans:
    """Average a series over hours, days or pentads.

    Parameters
    ----------
    time : array_like of int, shape (n,)
        [µs since 1970, UTC].
    value : array_like, shape (n,)
        Values; NaN where missing or doubted.
    period : {"hour", "day", "pentad"}
        Six pentads a month: days 1-5, 6-10, 11-15, 16-20, 21-25 and 26 to the end.
    cadence : float
        Usual time between observations [h], from which the expected number follows.
    min_coverage : float
        A mean of less than this share of the period is missing.
    offset : float
        Hours by which the station's day begins before that of UTC, 8 for China Standard Time.

    Returns
    -------
    PeriodMeans
        Of all periods from the first to the last observation, empty ones included.

    Raises
    ------
    StudyError
        If the period is unknown, or shorter than the cadence.

    Examples
    --------
    >>> time = np.arange(36) * 3_600_000_000
    >>> found = period_means(time, np.arange(36.0), "day", cadence=1.0)
    >>> found.mean, found.coverage
    (array([11.5,  nan]), array([1. , 0.5]))
    """
    times, values = np.asarray(time, dtype=np.int64), np.asarray(value, dtype=float)
    if times.size == 0:
        return PeriodMeans(times, values, times, values)
    shift = round(offset * _HOUR)
    edges = _edges(int(times.min()) + shift, int(times.max()) + shift, period) - shift
    lengths = np.diff(edges) / _HOUR
    if cadence > lengths.min():
        raise StudyError(
            "observations further apart than the period",
            found=f"one in {cadence:g} h for a mean of a {period}",
            do="Ask for a longer period",
        )
    seen = np.isfinite(values)
    index = np.searchsorted(edges, times[seen], side="right") - 1
    n = np.bincount(index, minlength=lengths.size)
    total = np.bincount(index, values[seen], minlength=lengths.size)
    coverage = np.minimum(1.0, n * cadence / lengths)
    enough = (coverage >= min_coverage - 1e-9) & (n > 0)
    mean = np.where(enough, total / np.maximum(n, 1), np.nan)
    return PeriodMeans(edges[:-1], mean, n.astype(np.int64), coverage)


def _edges(first: int, last: int, period: str) -> Times:
    """Edges of the periods that hold both times, one more than periods."""
    if period in ("hour", "day"):
        length = _HOUR if period == "hour" else _DAY
        return np.arange(first // length, last // length + 2, dtype=np.int64) * length
    if period != "pentad":
        raise StudyError("an unknown period", found=f"'{period}'", do="Use hour, day or pentad")
    start = np.datetime64(first, "us").astype("datetime64[M]")
    stop = np.datetime64(last, "us").astype("datetime64[M]") + 1
    months = np.arange(start, stop + 1).astype("datetime64[D]")
    days = (months[:, None] + np.arange(0, 30, 5)).ravel()
    edges: Times = days.astype("datetime64[us]").astype(np.int64)
    begin = np.searchsorted(edges, first, side="right") - 1
    return edges[begin : np.searchsorted(edges, last, side="right") + 1]


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """Water stored in the root zone.

    Attributes
    ----------
    water : ndarray, shape (times,)
        [mm]; NaN where less than the least share of the root zone is observed.
    share : ndarray, shape (times,)
        Share of the root zone that observed depths stand for, 0 to 1.
    weights : ndarray, shape (depths,)
        Thickness that each depth stands for when all are there [mm].
    """

    water: Floats
    share: Floats
    weights: Floats


def root_zone_storage(
    values: Floats, depths: ArrayLike, *, bottom: float, min_share: float = 0.8
) -> Storage:
    """Add up the water above `bottom` from sensors at several depths.

        S = Σ_k θ_k Δz_k ,   layers bounded half-way between sensors, by the surface and by `bottom`

    Parameters
    ----------
    values : ndarray, shape (times, depths)
        Soil moisture [m3 m-3]; NaN where missing.
    depths : array_like, shape (depths,)
        Depths of the sensors [m], rising.
    bottom : float
        Depth of the root zone [m].
    min_share : float
        Where sensors are missing, the others stand for them if they still stand for this share of
        the root zone by their own layers.

    Returns
    -------
    Storage

    Raises
    ------
    DataError
        If depths do not rise, differ in number from the values, or all lie below the root zone.

    Examples
    --------
    >>> found = root_zone_storage(np.array([[0.2, 0.3]]), [0.1, 0.3], bottom=0.4)
    >>> found.water, found.weights
    (array([100.]), array([200., 200.]))
    """
    deep = np.asarray(depths, dtype=float)
    if deep.ndim != 1 or values.ndim != 2 or values.shape[1] != deep.size:
        raise DataError(
            "a profile whose depths and values differ in number",
            found=f"{deep.size} depths for values of shape {values.shape}",
            do="Give one column per depth",
        )
    if np.any(np.diff(deep) <= 0) or deep[0] >= bottom or deep[0] < 0:
        raise DataError(
            "depths that do not make a profile",
            found=f"{deep.tolist()} m above {bottom} m",
            do="Give rising depths of which at least one lies in the root zone",
        )
    between = np.concatenate([[0.0], 0.5 * (deep[1:] + deep[:-1]), [max(bottom, deep[-1])]])
    weights = np.diff(np.minimum(between, bottom)) * 1000.0
    seen = np.isfinite(values)
    share = seen @ weights / weights.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        water = np.where(seen, values, 0.0) @ weights / share
    return Storage(np.where(share >= min_share - 1e-9, water, np.nan), share, weights)


@dataclass(frozen=True, slots=True, eq=False)
class NetworkMean:
    """Mean over stations, of which some are missing now and then.

    Attributes
    ----------
    mean : ndarray, shape (times,)
        As if all stations spoke, in the unit of the values.
    sd : ndarray, shape (times,)
        Standard error of that mean over stations.
    n : ndarray of int64, shape (times,)
        Stations that spoke.
    """

    mean: Floats
    sd: Floats
    n: NDArray[np.int64]


def network_mean(values: Floats, *, min_stations: int = 2) -> NetworkMean:
    """Average stations without letting the mean leap when one falls silent.

    Each value is taken as station effect + time effect; the time effects plus the mean of the
    station effects are the mean of a complete network (two-way additive fit by alternating means).

    Parameters
    ----------
    values : ndarray, shape (times, stations)
        NaN where missing.
    min_stations : int
        Fewer stations than this give no mean.

    Returns
    -------
    NetworkMean

    Examples
    --------
    >>> values = np.array([[0.1, 0.3], [0.1, 0.3], [np.nan, 0.3]])
    >>> network_mean(values, min_stations=1).mean.round(3)
    array([0.2, 0.2, 0.2])
    """
    seen = np.isfinite(values)
    n = seen.sum(axis=1)
    filled = np.where(seen, values, 0.0)
    station = np.zeros(values.shape[1])
    heard = seen.any(axis=0)
    for _ in range(200):
        time = _mean_of(filled - np.where(seen, station, 0.0), seen, axis=1)
        new = _mean_of(filled - np.where(seen, np.nan_to_num(time)[:, None], 0.0), seen, axis=0)
        new = np.where(heard, np.nan_to_num(new), 0.0)
        new -= new[heard].mean() if heard.any() else 0.0
        if np.max(np.abs(new - station), initial=0.0) < 1e-12:
            break
        station = new
    rest = np.where(seen, values - station - time[:, None], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        sd = np.sqrt((rest**2).sum(axis=1) / (n - 1) / n)
    enough = n >= min_stations
    return NetworkMean(np.where(enough, time, np.nan), np.where(n > 1, sd, np.nan), n)


def _mean_of(total: Floats, seen: NDArray[np.bool_], axis: int) -> Floats:
    n = seen.sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(n > 0, total.sum(axis=axis) / n, np.nan)
    return mean


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """How well each station stands for the network.

    Attributes
    ----------
    table : DataFrame
        By station: ``mean_relative_difference``, ``sd_relative_difference``, ``index`` =
        √(mean² + sd²), ``rank`` (1 = stands best for the network), ``spearman`` (persistence of
        ranks between the halves of the record, same for all), ``n`` times.
    """

    table: pd.DataFrame


def temporal_stability(values: Floats, stations: list[str]) -> Stability:
    """Rank stations by how steadily they stand for the mean of the network.

        δ_ij = (θ_ij − θ̄_j) / θ̄_j ,   index_i = √( mean_j(δ_ij)² + sd_j(δ_ij)² )

    Parameters
    ----------
    values : ndarray, shape (times, stations)
        Soil moisture [m3 m-3]; only times at which at least two stations speak count.
    stations : list of str
        Their names.

    Returns
    -------
    Stability

    Raises
    ------
    DataError
        If there are fewer than two stations or names differ in number.

    References
    ----------
    Vachaud, G., Passerat de Silans, A., Balabanis, P., & Vauclin, M. (1985). Temporal stability of
    spatially measured soil water probability density function. Soil Science Society of America
    Journal, 49(4), 822-828. https://doi.org/10.2136/sssaj1985.03615995004900040006x
    Jacobs, J. M., Mohanty, B. P., Hsu, E.-C., & Miller, D. (2004). SMEX02: Field scale variability,
    time stability and similarity of soil moisture. Remote Sensing of Environment, 92(4), 436-446.
    https://doi.org/10.1016/j.rse.2004.02.017 (the index; recalled, unchecked)

    Examples
    --------
    >>> values = np.array([[0.1, 0.2, 0.3], [0.2, 0.3, 0.4]])
    >>> temporal_stability(values, ["a", "b", "c"]).table["rank"].to_dict()
    {'a': 2, 'b': 1, 'c': 3}
    """
    if values.ndim != 2 or values.shape[1] != len(stations) or len(stations) < 2:
        raise DataError(
            "a network of fewer than two named stations",
            found=f"values of shape {values.shape} and {len(stations)} names",
            do="Give one column and one name per station",
        )
    mean = network_mean(values).mean[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(mean > 0, (values - mean) / mean, np.nan)
    frame = pd.DataFrame(relative, columns=stations)
    table = pd.DataFrame(
        {
            "mean_relative_difference": frame.mean(),
            "sd_relative_difference": frame.std(),
            "n": frame.count(),
        }
    )
    table["index"] = np.hypot(table.mean_relative_difference, table.sd_relative_difference)
    table["rank"] = table["index"].rank(method="first").astype("Int64")
    half = len(frame) // 2
    first, second = frame[:half].mean().rank(), frame[half:].mean().rank()
    table["spearman"] = first.corr(second) if half > 0 else np.nan
    return Stability(table)
