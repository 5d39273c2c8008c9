"""When a series changed its level: once (Pettitt), or several times, also in what rain explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numba import njit
from numpy.typing import ArrayLike

from headwater.errors import DataError, TimeAxisError
from headwater.inference.persistence import SHORTEST_PERSISTENCE, persistent_p
from headwater.inference.significance import PETTITT_EXACT_LIMIT, pettitt_exact_p, pettitt_p
from headwater.variation._maps import (
    Values,
    as_cube,
    as_maps,
    refuse_classes,
    whole_series,
    words,
)
from headwater.variation.calendar import check_time, decimal_years
from headwater.variation.trend._tiles import by_tile, midranks, regular_axis, residual_lag1

__all__ = [
    "after_regression",
    "argmax_cdf",
    "pettitt",
    "structural_breaks",
]

_PARTS = ("statistic", "place", "plain_p", "before", "after", "n", "last", "p", "r1")


@dataclass(frozen=True, slots=True)
class _Search:
    """What is looked for: most breaks, fewest values of a segment, and how intervals are made."""

    most: int
    share: float
    level: float
    persistence: bool

    def room(self, n: int) -> int:
        """Fewest values of a segment, of ``n`` in all."""
        return int(np.floor(self.share * n))


def structural_breaks(
    data: Values,
    factor: Values | None = None,
    *,
    max_breaks: int = 5,
    min_share: float = 0.15,
    level: float = 0.95,
    persistence: bool = True,
) -> xr.Dataset:
    r"""Find the times at which the mean of a series, or its relation to a factor, changes.

    Parameters
    ----------
    data : DataArray (time, ...), Series or array
        Values in order of time; a missing value is left out. Of an array every cell is searched by
        itself.
    factor : like data, optional
        Rain, say: segments then differ in the regression of data on it, so that a change of rain
        is no break.
    max_breaks : int
        Most breaks that are looked for.
    min_share : float
        Least share of the values in a segment [1].
    level : float
        Of the intervals of the times [1].
    persistence : bool
        Whether residuals may be AR(1): the number of breaks then minimises the BIC of what the
        autoregression leaves, and intervals widen by (1 + r1)/(1 - r1).

    Returns
    -------
    Dataset (break, ...)
        ``time``, ``low``, ``high`` [year]: the last value before each break and its interval;
        ``shift``: change of the mean, or of the fitted value at the mean factor [units]; and
        without `break`: ``count`` of breaks, ``p`` (of Pettitt's test of what the factor leaves,
        values may persist), ``r1`` of residuals, ``n`` [1].

    Raises
    ------
    DataError
        For a least share that leaves no room, angles, classes or infinite values.
    TimeAxisError
        If times cannot be trusted or differ.

    Notes
    -----
    All segmentations with the least residual sum of squares come from dynamic programming (Bai &
    Perron 2003); their number minimises
    ``n (log(RSS/n) + 1 + log 2π) + (k + 1)(m + 1) log n`` with k regressors and m breaks, as R
    strucchange has it. That is no test: noise, too, has breaks (docs/limits.md), so that a break
    counts where ``p`` is small. Intervals (Bai 1997): with δ the difference of coefficients, Q_i
    the mean square of regressors and σ_i² of residuals on each side, :math:`\hat k - k_0` is
    distributed as :math:`\frac{φ_1^2}{δ' Q_1 δ} \arg\max V`, with ``ξ = δ'Q_2δ / δ'Q_1δ`` and
    ``φ_i = σ_i``.

    References
    ----------
    Bai, J., Perron, P. (2003). Computation and analysis of multiple structural change models.
    Journal of Applied Econometrics 18, 1-22. doi:10.1002/jae.659.
    Bai, J. (1997). Estimation of a change point in multiple regression models. Review of Economics
    and Statistics 79, 551-563. doi:10.1162/003465397557132

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> levels = np.repeat([0.0, 4.0, 1.0], 20) + rng.normal(size=60)
    >>> found = structural_breaks(levels)
    >>> int(found["count"]), found["time"].values[:2] - 1969
    (2, array([20., 40.]))
    """
    data = as_cube(data)
    years = decimal_years(check_time(data))
    refuse_classes(data, "searched for breaks")
    parts = [whole_series(data)]
    if factor is not None:
        given = as_cube(factor)
        if given.shape != data.shape or not given.indexes["time"].equals(data.indexes["time"]):
            raise TimeAxisError(
                "data and factor of different times or cells",
                found=f"{data.shape} and {given.shape}",
                do="Align them on the same times and cells first",
            )
        parts.append(whole_series(given))
    if not 0 < min_share <= 0.5 or max_breaks < 1:
        raise DataError(
            "no room for a break",
            found=f"min_share={min_share}, max_breaks={max_breaks}",
            do="Give a share up to 0.5 and at least one break",
        )
    packed = xr.apply_ufunc(
        _block,
        *parts,
        input_core_dims=[["time"]] * len(parts),
        output_core_dims=[["part"]],
        kwargs={"years": years, "search": _Search(max_breaks, min_share, level, persistence)},
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"part": 4 * max_breaks + 3}},
    )
    found = _labelled(data, packed.data, max_breaks, factor is not None)
    left = data if len(parts) == 1 else after_regression(*parts)
    return found.assign(p=pettitt(left)["p"])


def _labelled(data: xr.DataArray, packed: Any, most: int, adjusted: bool) -> xr.Dataset:
    units, text = str(data.attrs.get("units", "")), words(data)
    named = {
        "time": ("year", "last time before the break"),
        "low": ("year", "lower limit of that time"),
        "high": ("year", "upper limit of that time"),
        "shift": (units, "change at the break"),
    }
    ordered = data.transpose("time", ...)
    by_break = [
        as_maps(
            ordered,
            {
                name: (packed[..., 4 * k + i], unit, f"{text}, {label}")
                for i, (name, (unit, label)) in enumerate(named.items())
            },
        )
        for k in range(most)
    ]
    axis = xr.DataArray(np.arange(1, most + 1), dims="break", name="break")
    found = xr.concat(by_break, axis, coords="minimal")
    rest = as_maps(
        ordered,
        {
            "count": (packed[..., -3], "1", f"{text}, number of breaks"),
            "r1": (packed[..., -2], "1", f"{text}, lag-1 autocorrelation of residuals"),
            "n": (packed[..., -1], "1", "Values"),
        },
    )
    how = "of the regression on a factor" if adjusted else "of the mean"
    return found.assign(dict(rest.items())).assign_attrs(method=f"structural breaks {how}")


def after_regression(data: xr.DataArray, factor: xr.DataArray) -> xr.DataArray:
    """Subtract from each series its least-squares fit on a factor.

    Parameters
    ----------
    data, factor : DataArray (time, ...)
        On the same times and cells.

    Returns
    -------
    DataArray
        What is left, with the mean of the data [units of data]; NaN where either is missing.
    """
    both = factor.where(data.notnull())
    rain, own = both - both.mean("time"), data.where(both.notnull())
    slope = (rain * (own - own.mean("time"))).sum("time") / (rain**2).sum("time")
    return (own - slope * rain).assign_attrs(data.attrs)


def _block(
    values: np.ndarray,
    factor: np.ndarray | None = None,
    *,
    years: np.ndarray,
    search: _Search,
) -> np.ndarray:
    series = values.reshape(-1, values.shape[-1]).astype(float)
    rain = None if factor is None else factor.reshape(series.shape).astype(float)
    found = np.full((len(series), 4 * search.most + 3), np.nan)
    for i, y in enumerate(series):
        valid = ~np.isnan(y) if rain is None else ~(np.isnan(y) | np.isnan(rain[i]))
        design = np.ones((int(valid.sum()), 1 if rain is None else 2))
        if rain is not None:
            design[:, 1] = rain[i, valid]
        if np.isinf(y[valid]).any() or np.isinf(design).any():
            raise DataError("infinite values", found="inf", do="Set them to NaN if missing")
        found[i, -1] = len(design)
        if search.room(len(design)) <= design.shape[1] or np.ptp(y[valid]) == 0:
            continue
        found[i, :-1] = _of_series(y[valid], design, years[valid], search)
    return found.reshape(*values.shape[:-1], found.shape[1])


def _of_series(y: np.ndarray, design: np.ndarray, years: np.ndarray, search: _Search) -> np.ndarray:
    n = len(y)
    ends, r1 = _chosen_breaks(y, design, search)
    found = np.full(4 * search.most + 2, np.nan)
    found[-2], found[-1] = ends.size, r1
    widen = (1.0 + max(r1, 0.0)) / (1.0 - min(r1, 0.95)) if search.persistence else 1.0
    bounds = [0, *(int(end) for end in ends), n]
    for j in range(ends.size):
        low, high, shift = _interval(y, design, bounds[j : j + 3], search.level, widen)
        found[4 * j : 4 * j + 3] = [_year_of(years, at) for at in (bounds[j + 1], low, high)]
        found[4 * j + 3] = shift
    return found


def _chosen_breaks(y: np.ndarray, design: np.ndarray, search: _Search) -> tuple[np.ndarray, float]:
    """Find the breaks that minimise the BIC, as numbers of values before them, and r1."""
    n, k = design.shape
    room = search.room(n)
    cost = _segment_costs(y, design, room)
    best, ends, chosen = np.inf, np.empty(0, dtype=int), 0.0
    for m in range(min(search.most, n // room - 1) + 1):
        places = _segmentation(cost, m, room)
        left = _residuals(y, design, places)
        square = float(left @ left)
        r1 = float(left[1:] @ left[:-1]) / square if square > 0 else 0.0
        # of an autoregression this share of the squares stays unexplained
        used = square * (1.0 - max(r1, 0.0) ** 2) if search.persistence else square
        bic = n * (np.log(max(used, 1e-300) / n) + 1.0 + np.log(2.0 * np.pi))
        bic += (k + 1) * (m + 1) * np.log(n)
        if bic < best - 1e-9:
            best, ends, chosen = bic, places, r1
    return ends, chosen


def _year_of(years: np.ndarray, count: float) -> float:
    """Time of the last of so many values; NaN of an unknown number."""
    if np.isnan(count):
        return float("nan")
    return float(years[int(np.clip(count - 1, 0, years.size - 1))])


@njit(cache=True, nogil=True)
def _segment_costs(y: np.ndarray, design: np.ndarray, room: int) -> np.ndarray:
    """Residual sum of squares of every segment from i to before j, by recursive least squares."""
    n, k = design.shape
    cost = np.full((n + 1, n + 1), np.inf)
    for i in range(n - room + 1):
        square, right, total = np.zeros((k, k)), np.zeros(k), 0.0
        for j in range(i, n):
            x = design[j] - (design[i] if k > 1 else np.zeros(k))
            x[0] = 1.0
            for a in range(k):
                right[a] += x[a] * (y[j] - y[i])
                for b in range(k):
                    square[a, b] += x[a] * x[b]
            total += (y[j] - y[i]) ** 2
            if j + 1 - i >= room:
                if k == 1:
                    explained = right[0] ** 2 / square[0, 0]
                else:
                    det = square[0, 0] * square[1, 1] - square[0, 1] ** 2
                    if det <= 1e-12 * square[0, 0] * max(square[1, 1], 1e-300):
                        explained = right[0] ** 2 / square[0, 0]
                    else:
                        explained = (
                            square[1, 1] * right[0] ** 2
                            - 2.0 * square[0, 1] * right[0] * right[1]
                            + square[0, 0] * right[1] ** 2
                        ) / det
                cost[i, j + 1] = max(total - explained, 0.0)
    return cost


@njit(cache=True, nogil=True)
def _segmentation(cost: np.ndarray, breaks: int, room: int) -> np.ndarray:
    """Find the ends of the first segments of the cheapest segmentation with so many breaks."""
    n = cost.shape[0] - 1
    total = np.full((breaks + 1, n + 1), np.inf)
    before = np.zeros((breaks + 1, n + 1), dtype=np.int64)
    total[0] = cost[0]
    for m in range(1, breaks + 1):
        for j in range((m + 1) * room, n + 1):
            for i in range(m * room, j - room + 1):
                value = total[m - 1, i] + cost[i, j]
                if value < total[m, j]:
                    total[m, j] = value
                    before[m, j] = i
    places = np.zeros(breaks, dtype=np.int64)
    end = n
    for m in range(breaks, 0, -1):
        end = before[m, end]
        places[m - 1] = end
    return places


def _fitted(y: np.ndarray, design: np.ndarray) -> np.ndarray:
    coefficients: np.ndarray = np.linalg.lstsq(design, y, rcond=None)[0]
    return coefficients


def _residuals(y: np.ndarray, design: np.ndarray, ends: np.ndarray) -> np.ndarray:
    left = np.empty(y.size)
    for part in np.split(np.arange(y.size), ends):
        left[part] = y[part] - design[part] @ _fitted(y[part], design[part])
    return left


def _interval(
    y: np.ndarray, design: np.ndarray, bounds: list[int], level: float, widen: float
) -> tuple[float, float, float]:
    """Limits of a break, as numbers of values before it, and the change at the mean design."""
    from scipy.optimize import brentq

    first, middle, last = bounds
    sides = [slice(first, middle), slice(middle, last)]
    fits = [_fitted(y[side], design[side]) for side in sides]
    delta = fits[1] - fits[0]
    form, variance = [], []
    for side, fit in zip(sides, fits, strict=True):
        x, left = design[side], y[side] - design[side] @ fit
        form.append(float(delta @ (x.T @ x / len(x)) @ delta))
        variance.append(float(left @ left) / len(x) * widen)
    shift = float(design[first:last].mean(axis=0) @ delta)
    if min(*form, *variance) <= 0:
        return float(middle), float(middle), shift
    xi, ratio = form[1] / form[0], variance[1] / variance[0]
    tail = 0.5 * (1.0 - level)

    def off(x: float, wanted: float) -> float:
        return argmax_cdf(x, xi, ratio) - wanted

    if not off(0.0, tail) > 0 > off(0.0, 1.0 - tail):
        return np.nan, np.nan, shift
    far = 1.0
    while off(-far, tail) > 0 or off(far, 1.0 - tail) < 0:
        far *= 2.0
    scale = variance[0] / form[0]
    late = scale * brentq(off, 0.0, far, args=(1.0 - tail,))
    early = scale * brentq(off, -far, 0.0, args=(tail,))
    return middle - np.ceil(late), middle - np.floor(early), shift


def argmax_cdf(x: float, xi: float, ratio: float) -> float:
    """Distribution of the estimated time of a break about the true one, scaled.

    Parameters
    ----------
    x : float
        Where [1].
    xi : float
        Strength of the break after it by that before [1].
    ratio : float
        Variance of residuals after it by that before [1].

    Returns
    -------
    float
        P(arg max V ≤ x), V(s) = W(-s) - |s|/2 before and √(ξ ratio) W(s) - ξ s/2 after.

    References
    ----------
    Bai, J. (1997). Estimation of a change point in multiple regression models. Review of Economics
    and Statistics 79, 551-563, appendix B. doi:10.1162/003465397557132

    Examples
    --------
    The table of Bai has 7.7 for 95 % and 11.0 for 97.5 %.

    >>> [round(argmax_cdf(x, 1.0, 1.0), 3) for x in (0.0, 7.687, 11.033)]
    [0.5, 0.95, 0.975]
    """
    from scipy.special import log_ndtr

    phi, size = xi * ratio, abs(x)
    root = np.sqrt(size)
    if x <= 0:
        part = xi / phi
        return float(
            -root * np.exp(-size / 8.0) / np.sqrt(2.0 * np.pi)
            - (phi / xi)
            * (phi + 2.0 * xi)
            / (phi + xi)
            * np.exp(part * (1.0 + part) * size / 2.0 + log_ndtr(-(0.5 + part) * root))
            + (size / 2.0 - 2.0 + (phi + 2.0 * xi) ** 2 / ((phi + xi) * xi))
            * np.exp(log_ndtr(-0.5 * root))
        )
    part = xi**2 / phi
    return float(
        1.0
        + np.sqrt(part) * root * np.exp(-part * size / 8.0) / np.sqrt(2.0 * np.pi)
        + (xi / phi)
        * (2.0 * phi + xi)
        / (phi + xi)
        * np.exp((phi + xi) * size / 2.0 + log_ndtr(-(phi + 0.5 * xi) / np.sqrt(phi) * root))
        - (part * size / 2.0 - 2.0 + (2.0 * phi + xi) ** 2 / ((phi + xi) * phi))
        * np.exp(log_ndtr(-0.5 * np.sqrt(part) * root))
    )


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
        _pettitt_block,
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


def _pettitt_block(
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
