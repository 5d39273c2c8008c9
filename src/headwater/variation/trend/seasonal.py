"""Mann-Kendall over several series at once: the months of the year, stations, or variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import DataError, TimeAxisError
from headwater.variation._maps import Values, as_cube, as_maps, refuse_classes, whole_series, words
from headwater.variation.calendar import cadence, check_time
from headwater.variation.trend._tiles import (
    by_tile,
    finite,
    midranks,
    normal_level,
    per_year,
    standardised,
)

if TYPE_CHECKING:
    pass

__all__ = [
    "multivariate_mann_kendall",
    "score_covariance",
    "seasonal_mann_kendall",
]

_SEASONAL = {
    "slope": "trend (seasonal Sen)",
    "slope_low": "lower limit of the trend",
    "slope_high": "upper limit of the trend",
    "s": "sum of Kendall's S over months",
    "var_s": "variance of that sum",
    "z": "Z of the seasonal Mann-Kendall test",
    "p": "p-value of the trend",
    "plain_p": "p-value by the normal distribution",
    "smallest_p": "smallest p that the test can give",
    "n": "values",
}
_FEWEST_YEARS, _LONG = 10, 15
_SMALLEST = (1e-4, 1e-5)
_FEWEST_MONTHS = 2.0
_MOST_PERSISTENT = 0.8
_INDEPENDENT_YEARS = (
    "p takes years as independent: where they remember, far more trends are found than there are"
)


def score_covariance(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kendall's S of several series over the same times, and the covariance of those S.

    Parameters
    ----------
    values : array, shape (time, series, ...)
        NaN is missing.

    Returns
    -------
    score : array, shape (series, ...)
        S of each [1].
    covariance : array, shape (series, series, ...)
        Under no trend, whatever the correlation between series [1].

    Notes
    -----
    ``cov(S_g, S_h) = [K_gh + 4 Σ_i R_ig R_ih - n (n_g + 1)(n_h + 1)] / 3`` with
    ``K_gh = Σ_{i<j} sgn[(x_jg - x_ig)(x_jh - x_ih)]``, ranks R with ties averaged and (n_g + 1)/2
    for a missing value, n times and n_g values.

    References
    ----------
    Dietz, E. J., Killeen, T. J. (1981). A nonparametric multivariate test for monotone trend with
    pharmaceutical applications. Journal of the American Statistical Association 76, 169-174.
    Hirsch, R. M., Slack, J. R. (1984). A nonparametric trend test for seasonal data with serial
    dependence. Water Resources Research 20, 727-732. doi:10.1029/WR020i006p00727

    Examples
    --------
    >>> score, covariance = score_covariance(np.arange(10.0)[:, None])
    >>> float(score[0]), float(covariance[0, 0])
    (45.0, 125.0)
    """
    steps, series = values.shape[:2]
    count = (~np.isnan(values)).sum(axis=0)
    score = np.zeros(values.shape[1:])
    common = np.zeros((series, *values.shape[1:]))
    rank = np.broadcast_to(0.5 * (count + 1.0), values.shape).copy()
    for i in range(steps):
        sign = np.nan_to_num(np.sign(values - values[i]))
        rank[i] -= 0.5 * sign.sum(axis=0)
        later = sign[i + 1 :]
        score += later.sum(axis=0)
        common += np.einsum("tg...,th...->gh...", later, later)
    products = np.einsum("tg...,th...->gh...", rank, rank)
    free = steps * (count[:, None] + 1.0) * (count[None] + 1.0)
    return score, (common + 4.0 * products - free) / 3.0


def seasonal_mann_kendall(
    data: Values,
    *,
    correlated: bool = True,
    level: float = 0.95,
    continuity: bool = True,
) -> xr.Dataset:
    """Test monthly values month by month, and the months together.

    Parameters
    ----------
    data : DataArray (time, ...)
        At most one value per month; the mean year needs not be removed. Gaps keep their place.
    correlated : bool
        Whether months may be correlated (Hirsch & Slack 1984), which needs about ten years;
        otherwise they count as independent (Hirsch, Slack & Smith 1982).
    level : float
        Of the slope's interval [1].
    continuity : bool
        Whether Z uses the continuity correction.

    Returns
    -------
    Dataset (...)
        ``slope``, ``slope_low``, ``slope_high`` [units per year], ``s``, ``var_s``, ``z``, ``p``,
        ``plain_p`` (by the normal distribution, as other software has it), ``smallest_p``, ``n``
        [1].

    Raises
    ------
    TimeAxisError
        If times cannot be trusted or are not monthly.
    DataError
        For angles, classes and infinite values.

    Notes
    -----
    ``S = Σ S_g``, ``var S = Σ var S_g (+ 2 Σ cov(S_g, S_h))``, plain p = ``2 Φ(-|Z|)``, NaN where
    no month has two values. Slope: median over the slopes within each month, its interval as in
    :func:`headwater.variation.sen_mann_kendall`.

    With correlated months, p and interval allow for two things more. Z is divided by the square
    root of ``(1 + r) / (1 - r)``, r the correlation of the sums of neighbouring years in an AR(1)
    series whose φ is that of neighbouring months (of their ranks, without trend). And from ten
    years on the tail is that of a correlation coefficient: among n years Z cannot exceed a limit,
    ``Z² < v (ν + 1)`` with ``ν = 1.1 n``, ``v = 1 - 0.6 / n``, found by simulation; where the
    months are worth fewer than two independent ones, it is normal. No p is below ``smallest_p``.
    Sizes: docs/simulations/trend.md.

    References
    ----------
    Hirsch, R. M., Slack, J. R., Smith, R. A. (1982). Techniques of trend analysis for monthly water
    quality data. Water Resources Research 18, 107-121. doi:10.1029/WR018i001p00107.
    Hirsch, R. M., Slack, J. R. (1984). A nonparametric trend test for seasonal data with serial
    dependence. Water Resources Research 20, 727-732. doi:10.1029/WR020i006p00727

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.date_range("2017-01-01", periods=36, freq="MS")
    >>> rising = xr.DataArray(np.repeat([1.0, 2.0, 3.0], 12), {"time": months}, "time")
    >>> found = seasonal_mann_kendall(rising, correlated=False)
    >>> float(found["s"]), float(found["slope"])
    (36.0, 1.0)
    """
    data = as_cube(data)
    index = check_time(data)
    refuse_classes(data, "given a trend")
    if len(index) > 1 and cadence(index).name != "monthly":
        raise TimeAxisError(
            "seasons need monthly values",
            found=f"{cadence(index)} values",
            do="Aggregate to months",
        )
    year, month = np.asarray(index.year), np.asarray(index.month)
    packed = xr.apply_ufunc(
        _seasonal_block,
        whole_series(data),
        input_core_dims=[["time"]],
        output_core_dims=[["part"]],
        kwargs={
            "place": (year - year[:1], month - 1),
            "correlated": correlated,
            "level": normal_level(level),
            "continuity": continuity,
        },
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"part": len(_SEASONAL)}},
    )
    units = per_year(str(data.attrs.get("units", "")))
    maps = {
        name: (packed.data[..., i], units if "slope" in name else "1", f"{words(data)}, {label}")
        for i, (name, label) in enumerate(_SEASONAL.items())
    }
    months = "correlated" if correlated else "independent"
    method = f"seasonal Sen's slope and Mann-Kendall test, months {months}"
    return as_maps(data.transpose("time", ...), maps, method=method)


def _seasonal_block(values: np.ndarray, *, place: Any, **options: Any) -> np.ndarray:
    def of_tile(tile: np.ndarray) -> np.ndarray:
        by_month = np.full((int(place[0].max(initial=0)) + 1, 12, tile.shape[1]), np.nan)
        by_month[place] = tile
        return _seasonal_tile(by_month, **options)

    return by_tile(values, of_tile, len(_SEASONAL))


def _seasonal_tile(
    x: np.ndarray, *, correlated: bool, level: float, continuity: bool
) -> np.ndarray:
    score, covariance = score_covariance(x)
    total = score.sum(axis=0)
    own = np.einsum("gg...->...", covariance)
    variance = covariance.sum(axis=(0, 1)) if correlated else own
    z, plain = standardised(total, np.maximum(variance, 0.0), continuity)
    n = (~np.isnan(x)).sum(axis=(0, 1)).astype(float)
    wider = _turn_of_year(x) if correlated else np.ones(n.shape)
    p, least = plain, np.zeros(n.shape)
    if correlated:
        months = np.einsum("gg...->g...", covariance > 0).sum(axis=0)
        worth = months * own / np.where(variance > 0, variance, np.inf)
        p, least = _tail(z / np.sqrt(wider), (~np.isnan(x)).sum(axis=0).max(axis=0), worth)
    constant = (n >= 2) & ~(own > 0)
    reach = level * np.sqrt(np.maximum(variance, 0.0) * wider)
    slope, low, high = _seasonal_slopes(x, reach)
    tested = ~np.isnan(slope)
    p, plain = (np.where(constant, 1.0, each) for each in (p, plain))
    blank = [np.where(tested, each, np.nan) for each in (z, p, plain, least)]
    return np.stack([slope, low, high, total, variance, *blank, n])


def _turn_of_year(x: np.ndarray) -> np.ndarray:
    """Factor of the variance for persistence from year to year; x is (year, month, cell)."""
    years, months, cells = x.shape
    rank = midranks(x.reshape(years, -1)).reshape(x.shape)
    valid = ~np.isnan(rank)
    count = np.maximum(valid.sum(axis=0), 1)
    time = np.where(valid, np.arange(years)[:, None, None], 0.0)
    time = np.where(valid, time - time.sum(axis=0) / count, 0.0)
    rest = np.where(valid, rank - np.nansum(rank, axis=0) / count, 0.0)
    square = np.square(time).sum(axis=0)
    rest -= time * (time * rest).sum(axis=0) / np.where(square > 0, square, 1.0)
    line, there = rest.reshape(-1, cells), valid.reshape(-1, cells)
    pairs = (there[1:] & there[:-1]).sum(axis=0)
    mean = (line[1:] * line[:-1]).sum(axis=0) / np.maximum(pairs, 1)
    spread = np.square(line).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    r = mean / np.where(spread > 0, spread, 1.0) * (1.0 + 1.0 / np.maximum(count.max(axis=0), 1))
    phi = np.clip(2.0 * np.sin(np.pi / 6.0 * r), 0.0, _MOST_PERSISTENT)  # ranks to values
    whole = 1.0 - phi**months
    both = phi / (1.0 - phi) ** 2 * whole**2
    own = months * (1.0 + phi) / (1.0 - phi) - 2.0 * phi * whole / (1.0 - phi) ** 2
    year = both / own
    factor: np.ndarray = (1.0 + year) / (1.0 - year)
    return factor


def _tail(z: np.ndarray, years: np.ndarray, worth: np.ndarray) -> tuple[np.ndarray, ...]:
    """Give p of a Z among a number of years, and the smallest there can be."""
    from scipy.special import ndtr, stdtr

    n = np.maximum(years, _FEWEST_YEARS).astype(float)
    free = 1.1 * n
    limit = (1.0 - 0.6 / n) * (free + 1.0)
    room = np.maximum(limit - np.square(z), 1e-12)
    short = 2.0 * stdtr(free, -np.abs(z) * np.sqrt(free / room))
    normal = 2.0 * ndtr(-np.abs(z))
    p = np.where((years >= _FEWEST_YEARS) & (worth >= _FEWEST_MONTHS), short, normal)
    least = np.where(years >= _LONG, _SMALLEST[1], _SMALLEST[0])
    return np.maximum(p, least), least


def _seasonal_slopes(x: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, ...]:
    """Median, and limits, of slopes within months; x is (year, month, cell)."""
    early, late = np.triu_indices(len(x), 1)
    slopes = (x[late] - x[early]) / (late - early)[:, None, None]
    slopes = np.sort(slopes.reshape(-1, x.shape[2]), axis=0)
    pairs = (~np.isnan(slopes)).sum(axis=0)

    def of_rank(rank: np.ndarray) -> np.ndarray:
        held = (rank >= 1) & (rank <= pairs)
        if not len(slopes):
            return np.full(pairs.shape, np.nan)
        place = np.where(held, rank - 1, 0)[None]
        found: np.ndarray = np.where(held, np.take_along_axis(slopes, place, 0)[0], np.nan)
        return found

    slope = 0.5 * (of_rank((pairs + 1) // 2) + of_rank(pairs // 2 + 1))
    low = of_rank(np.rint(0.5 * (pairs - reach)).astype(int))
    high = of_rank(np.rint(0.5 * (pairs + reach) + 1.0).astype(int))
    both = ~np.isnan(low + high)
    return slope, np.where(both, low, np.nan), np.where(both, high, np.nan)


def multivariate_mann_kendall(data: xr.DataArray, *, dim: str = "variable") -> xr.Dataset:
    """Test whether several series, correlated or not, share a trend.

    Parameters
    ----------
    data : DataArray (time, dim, ...)
        Series as stations or variables along `dim`; only the sign of changes counts.
    dim : str
        The dimension of the series.

    Returns
    -------
    Dataset (...)
        ``s``, ``var_s``, ``z``, ``p``, ``n`` (values) [1].

    Raises
    ------
    TimeAxisError, DataError
        If times cannot be trusted; if `dim` is missing; for angles and infinite values.

    Notes
    -----
    ``Z = Σ S_g / √(Σ Σ cov(S_g, S_h))``, covariance as in :func:`score_covariance`. Years are taken
    as independent: with an AR(1) memory of 0.3 or 0.6 some 11 to 15 or 22 to 31 % of trends are
    false at 5 % (docs/simulations/others.md), which the attribute ``caution`` says; use
    :func:`headwater.variation.persistent_mann_kendall` for the mean of the series then.

    References
    ----------
    Lettenmaier, D. P. (1988). Multivariate nonparametric tests for trend in water quality. Water
    Resources Bulletin 24, 505-512.

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2001-01-01", periods=12, freq="YS")
    >>> both = np.stack([np.arange(12.0), -np.arange(12.0)], axis=1)
    >>> pair = xr.DataArray(both, {"time": years}, ("time", "variable"))
    >>> float(multivariate_mann_kendall(pair)["z"])
    0.0
    """
    check_time(data)
    refuse_classes(data, "given a trend")
    if dim not in data.dims:
        raise DataError(
            "no dimension of series",
            found=f"dimensions {', '.join(map(str, data.dims))}",
            do="Name the dimension with dim=...",
        )
    ordered = data.transpose("time", dim, ...).load()
    values = finite(ordered.values)
    score, covariance = score_covariance(values)
    variance = np.maximum(covariance.sum(axis=(0, 1)), 0.0)
    z, p = standardised(score.sum(axis=0), variance, continuity=False)
    n = (~np.isnan(values)).sum(axis=(0, 1))
    maps = {"s": score.sum(axis=0), "var_s": variance, "z": z, "p": p, "n": n}
    labelled = {name: (part, "1", f"{words(data)}, {name}") for name, part in maps.items()}
    like = ordered.isel({dim: 0}, drop=True)
    found: xr.Dataset = as_maps(like, labelled, method="multivariate Mann-Kendall")
    return found.assign_attrs(caution=_INDEPENDENT_YEARS)
