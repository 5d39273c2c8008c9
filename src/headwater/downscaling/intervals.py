"""Intervals that cover at the fine scale as often as they say, from errors that a twin knows.

A standard deviation says where errors are large, but not how large: each class (season × third of
the predicted standard deviation) gets the factor that the errors of a twin ask for,

    |error| ≤ q · sd  in a share `level` of the twin's pixels and days,

the split-conformal quantile (Vovk, Gammerman & Shafer 2005, doi:10.1007/b106715, recalled,
unchecked). An interval calibrated at the cells covers far less of the pixels: errors average out
over a cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError

__all__ = ["IntervalScale", "calibrate_intervals", "season_of"]

Floats = NDArray[np.float64]

_SEASONS = ("DJF", "MAM", "JJA", "SON")
_FEWEST = 200


def season_of(days: ArrayLike) -> NDArray[np.intp]:
    """Give each day the number of its season, 0 for December to February.

    Parameters
    ----------
    days : array-like of datetime64
        Days.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> season_of(np.array(["2019-01-05", "2019-07-01"], dtype="datetime64[D]")).tolist()
    [0, 2]
    """
    months = np.asarray(days, dtype="datetime64[M]").astype(np.int64) % 12 + 1
    return np.asarray(months % 12 // 3, dtype=np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class IntervalScale:
    """Factors that turn a predicted standard deviation into an interval.

    Attributes
    ----------
    level : float
        Nominal coverage [1].
    breaks : ndarray, shape (k,)
        Standard deviations that part the classes [m3 m-3].
    quantiles : ndarray, shape (4, k + 1)
        Factor of each season and class.
    factors : DataFrame
        ``season``, ``sd_low``, ``sd_high`` [m3 m-3], ``factor`` and ``n`` of each class.
    """

    level: float
    breaks: Floats
    quantiles: Floats
    factors: pd.DataFrame

    def half_width(self, sd: ArrayLike, days: ArrayLike) -> Floats:
        """Return half the width of each interval.

        Parameters
        ----------
        sd : array-like, shape (n_days, n_pixels)
            Predicted standard deviation [m3 m-3].
        days : array-like of datetime64, shape (n_days,)
            Days.

        Returns
        -------
        ndarray, shape (n_days, n_pixels)
            [m3 m-3]
        """
        spread = np.asarray(sd, dtype=float)
        rows = np.broadcast_to(season_of(days)[:, None], spread.shape)
        return spread * self.quantiles[rows, np.searchsorted(self.breaks, spread)]

    def bounds(self, mean: ArrayLike, sd: ArrayLike, days: ArrayLike) -> tuple[Floats, Floats]:
        """Return the ends of each interval, not below zero.

        Parameters
        ----------
        mean, sd : array-like, shape (n_days, n_pixels)
            Prediction and its standard deviation [m3 m-3].
        days : array-like of datetime64, shape (n_days,)
            Days.

        Returns
        -------
        tuple of ndarray
            Low and high [m3 m-3].
        """
        half = self.half_width(sd, days)
        return np.maximum(np.asarray(mean) - half, 0.0), np.asarray(mean) + half

    def coverage(self, error: ArrayLike, sd: ArrayLike, days: ArrayLike) -> float:
        """Return the share of errors that lie inside.

        Parameters
        ----------
        error, sd : array-like, shape (n_days, n_pixels)
            Prediction minus truth, NaN left out, and predicted standard deviation [m3 m-3].
        days : array-like of datetime64, shape (n_days,)
            Days.

        Returns
        -------
        float
        """
        misses = np.abs(np.asarray(error, dtype=float))
        known = np.isfinite(misses)
        return float((misses <= self.half_width(sd, days))[known].mean())


def calibrate_intervals(
    error: ArrayLike, sd: ArrayLike, days: ArrayLike, *, level: float = 0.90, classes: int = 3
) -> IntervalScale:
    """Find the factor by which a standard deviation makes an interval that covers.

    Parameters
    ----------
    error : array-like, shape (n_days, n_pixels)
        Prediction minus truth, as of a twin; NaN is left out [m3 m-3].
    sd : array-like, shape (n_days, n_pixels)
        Predicted standard deviation [m3 m-3].
    days : array-like of datetime64, shape (n_days,)
        Days; not each need differ from the others.
    level : float
        Coverage, between 0 and 1.
    classes : int
        Classes of the standard deviation, of equal numbers.

    Returns
    -------
    IntervalScale

    Raises
    ------
    DataError
        If level or shapes are impossible, or there are fewer than 200 errors.

    Notes
    -----
    A class of a season with fewer than 200 errors takes the factor of the whole class, so that no
    season is left without.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> sd = np.full((40, 500), 0.03)
    >>> days = np.datetime64("2019-06-01") + np.arange(40)
    >>> scale = calibrate_intervals(rng.normal(0.0, 0.06, sd.shape), sd, days, classes=1)
    >>> round(float(scale.quantiles[2, 0]), 1)
    3.3
    """
    misses, spread = np.abs(np.asarray(error, dtype=float)), np.asarray(sd, dtype=float)
    if not 0.0 < level < 1.0:
        raise DataError(
            "a level of coverage lies between 0 and 1", found=f"{level}", do="Give for example 0.9"
        )
    known = np.isfinite(misses) & (spread > 0)
    if misses.shape != spread.shape or known.sum() < _FEWEST:
        raise DataError(
            "too few errors to learn how wide intervals must be",
            found=f"{int(known.sum())} errors with a standard deviation above zero",
            do=f"Score more days of the twin: {_FEWEST} are needed",
        )
    season = np.broadcast_to(season_of(days)[:, None], spread.shape)[known]
    ratio, spread = misses[known] / spread[known], spread[known]
    breaks = np.unique(np.quantile(spread, np.arange(1, classes) / classes))
    # one value of the standard deviation makes one class
    breaks = breaks[(breaks > spread.min()) & (breaks < spread.max())]
    number = np.searchsorted(breaks, spread)
    quantiles, rows = np.empty((4, len(breaks) + 1)), []
    ends = [0.0, *breaks.tolist(), np.inf]
    for place in range(len(breaks) + 1):
        for row, name in enumerate(_SEASONS):
            own = ratio[(number == place) & (season == row)]
            taken = own if own.size >= _FEWEST else ratio[number == place]
            quantiles[row, place] = _conformal(taken, level)
            rows.append((name, ends[place], ends[place + 1], quantiles[row, place], own.size))
    names = ["season", "sd_low", "sd_high", "factor", "n"]
    return IntervalScale(level, breaks, quantiles, pd.DataFrame(rows, columns=names))


def _conformal(ratio: Floats, level: float) -> float:
    """Take the quantile that holds for one more value, too."""
    rank = min(int(np.ceil((ratio.size + 1) * level)), ratio.size)
    return float(np.partition(ratio, rank - 1)[rank - 1])
