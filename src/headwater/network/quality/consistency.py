"""How a sensor agrees with its neighbours, and with the other depths of its profile.

Spatial regression test: each neighbour j predicts the station by the line that fitted them in the
window before; the prediction of all is their median, weighted by the inverse of their error
variances, so that one faulty neighbour accuses nobody,

    x'_t = median_j (a_j + b_j y_jt ; 1 / s_j²)
    |x_t − x'_t| > f s' ,   s'² = N / Σ_j 1 / s_j²

(the published test takes the weighted mean). A profile is tested the same way, its depths being
each other's neighbours. A line fitted per pair takes up what is lasting (soil, slope, depth), so
that only a change of behaviour is doubted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import DataError

__all__ = ["departures", "departures_from_baseline", "doubtful"]

Floats = NDArray[np.float64]

_LEAST = 30
"""A line needs this many shared observations."""
_FAR = 5.0
"""Beyond this many standard errors an observation teaches its line nothing."""
_LEAST_ERROR = 0.005
"""No neighbour predicts better than a sensor measures [m3 m-3]."""


def departures(values: Floats, *, window: int = 60 * 24, step: int = 24) -> Floats:
    """Say how far each series departs from what the others say, in standard errors.

    Parameters
    ----------
    values : ndarray, shape (times, series)
        Soil moisture of the stations, or of the depths of one [m3 m-3], at the same times; NaN
        where missing or already doubted.
    window : int
        Observations before the day that the lines are fitted to; 60 days of hours by default.
    step : int
        The lines are fitted anew after this many observations.

    Returns
    -------
    ndarray, shape (times, series)
        (x − x') / s'. NaN where a series or all of its neighbours are missing, and in the first
        window.

    Raises
    ------
    DataError
        If there are fewer than two series.

    Notes
    -----
    The line and its error are fitted to the past only, so a stream gets the same answer, and
    without what departed itself. A slow fault becomes the baseline, which
    :func:`headwater.network.health.drift` is there to find.

    References
    ----------
    You, J., Hubbard, K. G., & Goddard, S. (2008). Comparison of methods for spatially estimating
    station temperatures in a quality control system. International Journal of Climatology, 28(6),
    777-787. https://doi.org/10.1002/joc.1571 (recalled, unchecked)

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> common = 0.2 + 0.05 * np.sin(np.arange(400) / 20)
    >>> values = common[:, None] * [1.0, 1.2, 0.8] + rng.normal(0, 0.003, (400, 3))
    >>> values[350, 1] += 0.1
    >>> reported = departures(values, window=200, step=10)
    >>> bool(reported[350, 1] > 10), bool(np.nanmax(np.abs(reported[:350])) < 6)
    (True, True)
    """
    if values.ndim != 2 or values.shape[1] < 2:
        raise DataError(
            "a series without neighbours",
            found=f"an array of shape {values.shape}",
            do="Give at least two series at the same times",
        )
    reported = np.full(values.shape, np.nan)
    believed = values.copy()
    for start in range(step, values.shape[0], step):
        past = believed[max(0, start - window) : start]
        here = slice(start, start + step)
        if len(past) < min(window, start) or len(past) < 2 * _LEAST:
            continue
        for series in range(values.shape[1]):
            reported[here, series] = _departure(past, values[here], series)
        believed[here][np.abs(np.nan_to_num(reported[here])) > _FAR] = np.nan
    return reported


def _departure(past: Floats, now: Floats, series: int) -> Floats:
    """Depart from the joined predictions of all others, for the observations of `now`."""
    others = np.delete(np.arange(past.shape[1]), series)
    both = np.isfinite(past[:, others]) & np.isfinite(past[:, [series]])
    n = both.sum(axis=0)
    usable = n >= _LEAST
    with np.errstate(invalid="ignore", divide="ignore"):
        x = np.where(both, past[:, others], 0.0)
        y = np.where(both, past[:, [series]], 0.0)
        mean_x, mean_y = x.sum(axis=0) / n, y.sum(axis=0) / n
        dx, dy = np.where(both, x - mean_x, 0.0), np.where(both, y - mean_y, 0.0)
        slope = (dx * dy).sum(axis=0) / (dx**2).sum(axis=0)
        error = ((dy - slope * dx) ** 2).sum(axis=0) / (n - 2)
    usable &= np.isfinite(slope)
    error = np.maximum(error, _LEAST_ERROR**2)
    predicted = mean_y + slope * (now[:, others] - mean_x)
    weight = np.where(usable & np.isfinite(predicted), 1.0 / error, 0.0)
    total, count = weight.sum(axis=1), (weight > 0).sum(axis=1)
    joined = _weighted_median(predicted, weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        reported: Floats = (now[:, series] - joined) / np.sqrt(count / total)
    return reported


def _weighted_median(value: Floats, weight: Floats) -> Floats:
    """Middle of each row, the mean of the two about it where half the weight lies on each side."""
    order = np.argsort(np.where(weight > 0, value, np.inf), axis=1)
    value = np.take_along_axis(np.where(weight > 0, value, np.nan), order, axis=1)
    share = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    half = 0.5 * share[:, -1:] * (1.0 - 1e-12)
    low = np.argmax(share >= half, axis=1)[:, None]
    high = np.argmax(share > half * (1.0 + 4e-12), axis=1)[:, None]
    middle = 0.5 * (np.take_along_axis(value, low, 1) + np.take_along_axis(value, high, 1))
    joined: Floats = np.where(share[:, -1] > 0, middle[:, 0], np.nan)
    return joined


def departures_from_baseline(
    departed: Floats, per_day: int, *, days: int = 365, min_days: int = 60, factor: float = 1.5
) -> Floats:
    """Scale departures by those of the year before, so that real soils may disagree.

        departed / max(1, factor u / 5)
        u = 95 % quantile of the day's largest |departed| in `days`

    so that the usual limit of five standard errors is never narrower than `factor` times what the
    series is used to. On two real networks the plain spatial regression test doubts 5 to 19 % of
    plausible values, for a wetting front reaches each sensor in its own time; here a series is
    doubted only where it departs further than it usually does.

    Parameters
    ----------
    departed : ndarray, shape (times, series)
        From :func:`headwater.network.quality.consistency.departures`.
    per_day : int
        Observations in a day.
    days : int
        How far back the baseline reaches.
    min_days : int
        Days with a departure before which nothing is doubted.
    factor : float
        Of the baseline.

    Returns
    -------
    ndarray, shape (times, series)
        NaN where there is no baseline yet. Only the past counts, so a stream gets the same answer.

    Examples
    --------
    >>> departed = np.full((200, 1), 8.0)
    >>> departed[150] = 40.0
    >>> departures_from_baseline(departed, 1)[[10, 149, 150], 0].round(1)
    array([ nan,  3.3, 16.7])
    """
    far = pd.DataFrame(np.abs(departed))
    day = np.arange(len(far)) // per_day
    worst = far.groupby(day).max()
    usual = worst.rolling(days, min_periods=min_days).quantile(0.95).shift(1)
    scale = np.maximum(1.0, factor * usual.to_numpy()[day] / 5.0)
    scaled: Floats = np.where(np.isfinite(usual.to_numpy()[day]), departed / scale, np.nan)
    return scaled


def doubtful(reported: Floats, *, factor: float = 5.0, lasting: int = 3) -> NDArray[np.bool_]:
    """Doubt observations that depart by more than `factor` for `lasting` times in a row.

    A rain cell that wets one station alone departs too, but for no longer than the front takes to
    pass; the fewer stations, the larger `lasting` should be.

    Parameters
    ----------
    reported : ndarray, shape (times, series)
        From :func:`departures`.
    factor : float
        Standard errors.
    lasting : int
        Least number of observations in a row.

    Returns
    -------
    ndarray of bool, shape (times, series)

    Examples
    --------
    >>> doubtful(np.array([[9.0], [0.0], [8.0], [9.0], [7.0]]), lasting=3)[:, 0]
    array([False, False,  True,  True,  True])
    """
    far = np.abs(np.nan_to_num(reported)) > factor
    runs = np.zeros(far.shape, dtype=np.int64)
    for row in range(len(far)):
        runs[row] = np.where(far[row], (runs[row - 1] if row else 0) + 1, 0)
    for row in range(len(far) - 2, -1, -1):
        runs[row] = np.where(far[row] & far[row + 1], runs[row + 1], runs[row])
    kept: NDArray[np.bool_] = runs >= lasting
    return kept
