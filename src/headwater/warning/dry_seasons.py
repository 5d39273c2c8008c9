"""Whether a growing season is dry by its rain, at a rate that is chosen.

A standardised index says how unusual the rain of some months is. The least of a season's months is
low in many years, for there are several months to be low: so seasons are ranked among each other by
their least index, and the rank is the probability that a season like the others is as dry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, StudyError
from headwater.warning.standardised import FEWEST, Distribution, rolling_total, standardise

__all__ = [
    "BALANCE_OFFSET",
    "DrySeasons",
    "climatic_balance",
    "monthly_means",
    "rank_dry_seasons",
]

Floats = NDArray[np.float64]

_WHOLE = 0.8
"""Share of its usual steps that a month needs."""
_NORMAL = 0.0
BALANCE_OFFSET = 1000.0
"""Added to each month of a balance, so that it is above zero [mm]."""


@dataclass(frozen=True, slots=True, eq=False)
class DrySeasons:
    """Growing seasons by how dry their rain was.

    Attributes
    ----------
    seasons : ndarray of int, shape (n_seasons,)
        Year in which each begins.
    least : ndarray, shape (n_seasons, n_series)
        Least index of its months; NaN where a month is missing. The newest season may have begun
        only: then of the months it has.
    month : ndarray of datetime64[M], shape (n_seasons, n_series)
        The month of that least index; NaT where there is none.
    p : ndarray, shape (n_seasons, n_series)
        Probability that a season like the others is as dry [1].
    n : ndarray of int, shape (n_series,)
        Whole seasons.
    months : ndarray of datetime64[M], shape (n_months,)
    index : ndarray, shape (n_months, n_series)
        Of every month, those outside the season included.
    total : ndarray, shape (n_months, n_series)
        Sum over the months of the index, in the unit of the rain.
    """

    seasons: NDArray[np.int64]
    least: Floats
    month: NDArray[np.datetime64]
    p: Floats
    n: NDArray[np.int64]
    months: NDArray[np.datetime64]
    index: Floats
    total: Floats

    def lasting(self, rate: float) -> NDArray[np.bool_]:
        """Say where the newest season is dry, and has not been as wet as usual since.

        Parameters
        ----------
        rate : float
            Share of seasons that are called dry [1].

        Returns
        -------
        ndarray of bool, shape (n_series,)
        """
        last = self.month[-1]
        with np.errstate(invalid="ignore"):
            wet = (self.index > _NORMAL) & (self.months[:, None] > last[None, :])
            return np.asarray((self.p[-1] <= rate) & ~wet.any(axis=0))


def monthly_means(
    values: ArrayLike, days: ArrayLike, until: np.datetime64 | None = None
) -> tuple[NDArray[np.datetime64], Floats]:
    """Average the steps of each month.

    Parameters
    ----------
    values : array-like, shape (n_times, n_series)
        Rain of steps of equal length; NaN where missing.
    days : array-like of datetime, shape (n_times,)
        In any order.
    until : datetime64[D], optional
        A month that has not ended by then is left out.

    Returns
    -------
    months : ndarray of datetime64[M], shape (n_months,)
        All from the first to the last.
    means : ndarray, shape (n_months, n_series)
        NaN where fewer than four fifths of a month's usual steps (rounded down; of steps of 8 days
        three of four) are there.

    Examples
    --------
    >>> days = np.arange("2020-01-01", "2020-03-10", dtype="datetime64[D]")
    >>> months, mean = monthly_means(np.ones((len(days), 1)), days)
    >>> mean[:, 0].tolist()
    [1.0, 1.0, nan]
    """
    own = np.asarray(days, dtype="datetime64[D]").astype("datetime64[M]")
    if not len(own):
        raise DataError("no rain", found="no step", do="Give a series")
    order = np.argsort(own, kind="stable")
    x, own = np.asarray(values, dtype=np.float64)[order], own[order]
    starts = np.flatnonzero(np.append(True, np.diff(own.astype(np.int64)) != 0))
    seen = np.isfinite(x)
    total = np.add.reduceat(np.where(seen, x, 0.0), starts, axis=0)
    count = np.add.reduceat(seen, starts, axis=0, dtype=np.int64)
    steps = np.diff(np.append(starts, len(own)))
    whole = count >= max(1, int(_WHOLE * np.median(steps)))
    if until is not None:
        ended = (own[starts] + 1).astype("datetime64[D]") <= until
        whole &= ended[:, None]
    months = np.arange(own[0], own[-1] + 1)
    means = np.full((len(months), x.shape[1]), np.nan)
    means[(own[starts] - own[0]).astype(np.int64)] = np.where(
        whole, total / np.maximum(count, 1), np.nan
    )
    return months, means


def climatic_balance(rain: ArrayLike, demand: ArrayLike, months: ArrayLike) -> Floats:
    """Subtract evaporative demand from rain, as SPEI is made of it.

    Parameters
    ----------
    rain, demand : array-like, shape (n_months, n_series)
        Means of each month [mm d-1].
    months : array-like of datetime64[M], shape (n_months,)

    Returns
    -------
    ndarray, shape (n_months, n_series)
        Rain less demand of each month, and 1000 mm more, so that a gamma distribution fits it, as
        climate_indices has it [mm].

    References
    ----------
    Vicente-Serrano, Begueria & Lopez-Moreno (2010), doi:10.1175/2009JCLI2909.1.

    Examples
    --------
    >>> climatic_balance([[2.0]], [[3.0]], ["2020-06"]).tolist()
    [[970.0]]
    """
    when = np.asarray(months, dtype="datetime64[M]")
    days = ((when + 1).astype("datetime64[D]") - when.astype("datetime64[D]")).astype(np.int64)
    lacking = np.asarray(rain, dtype=np.float64) - np.asarray(demand, dtype=np.float64)
    return np.asarray(lacking * days[:, None] + BALANCE_OFFSET)


def rank_dry_seasons(
    rain: ArrayLike,
    months: ArrayLike,
    *,
    season: tuple[int, int] = (5, 10),
    length: int = 3,
    distribution: Distribution = "gamma",
) -> DrySeasons:
    """Rank growing seasons by the least index of their months.

    Parameters
    ----------
    rain : array-like, shape (n_months, n_series)
        Monthly rain in any unit (SPI), or the balance of :func:`climatic_balance` (SPEI); rain
        less demand without an offset takes ``distribution="loglogistic"``. NaN where missing.
    months : array-like of datetime64[M], shape (n_months,)
        One after the other.
    season : tuple of int
        First and last month; over New Year: (11, 3).
    length : int
        Months that are added up.
    distribution : str
        As for :func:`headwater.warning.standardise`.

    Returns
    -------
    DrySeasons

    Raises
    ------
    StudyError
        If months are not one after the other, or the season is none.
    DataError
        With fewer than ten years.

    Notes
    -----
    ``p = (1 + others as dry) / (1 + others)``: among seasons of one climate no more than the share
    α has p ≤ α, whatever the distribution of rain, how months depend on each other, and how well
    the index fits, for all seasons are treated alike. A trend, or years that remember, break that
    (docs/simulations/warning.md). A season that has only begun is compared with whole ones, which
    errs on the safe side.

    References
    ----------
    McKee, Doesken & Kleist (1993), 8th Conf. Applied Climatology.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> months = np.arange("2000-01", "2020-01", dtype="datetime64[M]")
    >>> rain = rng.gamma(2.0, 20.0, (len(months), 1))
    >>> rain[(months >= np.datetime64("2011-06")) & (months < np.datetime64("2011-10"))] *= 0.1
    >>> found = rank_dry_seasons(rain, months)
    >>> int(found.seasons[found.p[:, 0].argmin()]), float(found.p.min())
    (2011, 0.05)
    """
    x = np.asarray(rain, dtype=np.float64)
    when = np.asarray(months, dtype="datetime64[M]")
    first, last = season
    if not (1 <= first <= 12 and 1 <= last <= 12) or (np.diff(when.astype(np.int64)) != 1).any():
        raise StudyError(
            "months that do not follow each other, or a season that is none",
            found=f"{len(when)} months, season {first} to {last}",
            do="Give every month, NaN where it is missing, and months from 1 to 12",
        )
    total = rolling_total(x, length)
    of_year = when.astype(np.int64) % 12
    index = standardise(total, of_year, distribution=distribution)
    place = (of_year - (first - 1)) % 12
    n_months = (last - first) % 12 + 1
    inside = place < n_months
    begins = (when - place).astype("datetime64[Y]").astype(np.int64) + 1970
    seasons = np.unique(begins[inside])
    least, at = (np.full((len(seasons), x.shape[1]), fill) for fill in (np.nan, -1))
    whole = np.zeros(least.shape, dtype=bool)
    for row, one in enumerate(seasons):
        rows = np.flatnonzero(inside & (begins == one))
        seen = np.isfinite(index[rows])
        lowest = np.where(seen, index[rows], np.inf)
        least[row], at[row] = lowest.min(axis=0), rows[lowest.argmin(axis=0)]
        whole[row] = seen.sum(axis=0) == n_months
    known = whole.copy()
    known[-1] |= np.isfinite(least[-1])
    least = np.where(known, least, np.nan)
    dates = np.where(known, when[at.astype(np.int64)], np.datetime64("NaT"))
    return DrySeasons(
        seasons, least, dates, _ranked(least, whole), whole.sum(axis=0), when, index, total
    )


def _ranked(least: Floats, whole: NDArray[np.bool_]) -> Floats:
    """Rank each season among the whole ones, itself included; ties count as drier."""
    p = np.full(least.shape, np.nan)
    for row, own in enumerate(least):
        others = whole.copy()
        others[row] = False
        n = others.sum(axis=0)
        with np.errstate(invalid="ignore"):
            drier = (others & (least <= own)).sum(axis=0)
        p[row] = np.where(np.isfinite(own) & (n + 1 >= FEWEST), (1 + drier) / (1 + n), np.nan)
    return p
