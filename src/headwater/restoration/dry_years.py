"""How much earlier the window to plant closes in dry years, with years as replicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError

__all__ = ["DryYears", "dry_year_shift"]

Floats = NDArray[np.float64]

FEWEST_YEARS = 5
DRY_SHARE = 1 / 3
"""Share of years that are called dry [1]; our proposal."""


@dataclass(frozen=True, slots=True, eq=False)
class DryYears:
    """How the closing of the window goes with the water of a year.

    Attributes
    ----------
    shift : float
        Days by which the window closes earlier in dry years than in the mean year; negative where
        it closes later [d]. NaN with fewer than five years.
    lower, upper : float
        Bounds of its interval at `level` [d].
    level : float
    p_value : float
        Two-sided, of no relation.
    years : ndarray of int
    wetness : ndarray
        Of each year, in standard deviations from the mean [1].
    departure : ndarray
        Mean departure of the closing of each year from the place's own mean [d].
    dry : ndarray of bool
        The driest third.
    n : ndarray of int
        Places of each year.
    """

    shift: float
    lower: float
    upper: float
    level: float
    p_value: float
    years: NDArray[np.int64]
    wetness: Floats
    departure: Floats
    dry: NDArray[np.bool_]
    n: NDArray[np.int64]


def dry_year_shift(
    closes: ArrayLike, wetness: ArrayLike, years: ArrayLike, *, level: float = 0.95
) -> DryYears:
    """Estimate how much earlier the window closes in dry years.

    Parameters
    ----------
    closes : array-like, shape (n_years, ...)
        Day on which the window closes; NaN where unknown [day of year].
    wetness : array-like, shape (n_years,)
        Rain or soil water of the year, in any unit.
    years : array-like of int, shape (n_years,)
    level : float
        Of the interval [1].

    Returns
    -------
    DryYears

    Raises
    ------
    DataError
        If shapes differ, or the years are all alike.

    Notes
    -----
    Each year gives one number, the mean over places of the departure from the place's own mean:
    places of one year share its weather and are no replicates. Departures are regressed on
    wetness; the shift is the value of the line at the mean wetness of the driest third of years,
    with Student's interval of n − 2 degrees of freedom.

    Examples
    --------
    >>> wet = np.array([1.0, -1.0, 0.5, -0.5, 0.2, -1.5, 1.3])
    >>> noise = np.array([0.5, -0.4, 0.2, 0.1, -0.3, 0.3, -0.4])
    >>> closes = 200 + 6 * wet[:, None] + noise[:, None] + np.array([0.0, 10.0])
    >>> found = dry_year_shift(closes, wet, range(2001, 2008))
    >>> bool(5 < found.lower < found.shift < found.upper < 10)
    True
    """
    table = np.asarray(closes, dtype=np.float64)
    table = table.reshape(len(table), -1)
    wet, which = np.asarray(wetness, dtype=np.float64), np.asarray(years, dtype=np.int64)
    if not len(table) == len(wet) == len(which):
        raise DataError(
            "closings, wetness and years do not fit",
            found=f"{len(table)}, {len(wet)} and {len(which)}",
            do="Give one wetness and one row of closings for each year",
        )
    seen = np.isfinite(table)
    places = seen.sum(axis=0)
    own = np.where(seen, table, 0.0).sum(axis=0) / np.maximum(places, 1)
    n = seen.sum(axis=1)
    departure = np.where(seen, table - own, 0.0).sum(axis=1) / np.maximum(n, 1)
    use = (n > 0) & np.isfinite(wet)
    which, wet, departure, n = which[use], wet[use], departure[use], n[use]
    spread = float(wet.std(ddof=1)) if len(wet) > 1 else 0.0
    if len(wet) >= FEWEST_YEARS and not spread > 0:
        raise DataError(
            "years of one wetness", found=f"{wet[0]:g} in all {len(wet)}", do="Give rain by year"
        )
    score = (wet - wet.mean()) / spread if spread > 0 else np.zeros(len(wet))
    dry = np.zeros(len(wet), dtype=bool)
    dry[np.argsort(score, kind="stable")[: max(1, round(len(wet) * DRY_SHARE))]] = True
    line = _shift(score, departure, dry, level)
    return DryYears(*line[:2], line[2], level, line[3], which, score, departure, dry, n)


def _shift(
    score: Floats, departure: Floats, dry: NDArray[np.bool_], level: float
) -> tuple[float, float, float, float]:
    """Shift, its bounds and its p-value."""
    from scipy.special import stdtr, stdtrit

    freedom = len(score) - 2
    if len(score) < FEWEST_YEARS:
        return float("nan"), float("nan"), float("nan"), float("nan")
    square = float((score**2).sum())
    slope = float(score @ departure) / square
    rest = departure - departure.mean() - slope * score
    error = float(np.sqrt((rest**2).sum() / freedom / square))
    at = float(score[dry].mean())
    half = abs(at) * float(stdtrit(freedom, (1 + level) / 2)) * error
    p = 2 * float(stdtr(freedom, -abs(slope) / error)) if error > 0 else 0.0
    shift = -slope * at
    return shift, shift - half, shift + half, p
