"""Percentile maps: each day ranked among the same time of the year in all years."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headwater.warning.standardised import day_of_year

__all__ = ["percentile_maps"]

_YEAR = 365


def percentile_maps(
    cube: NDArray[np.float32],
    times: NDArray[np.datetime64],
    wanted: NDArray[np.int64],
    *,
    window: int = 15,
    min_n: int = 20,
) -> NDArray[np.float32]:
    """Rank the maps of some times among those within `window` days of their day of the year.

    The same as :func:`headwater.warning.standardised.seasonal_percentile`, for a few times of all
    cells at once.

    Parameters
    ----------
    cube : ndarray, shape (n_times, ...)
        All that may be a reference; NaN where missing.
    times : ndarray of datetime64, shape (n_times,)
    wanted : ndarray of int
        Places of the times that are ranked.
    window : int
        [d]
    min_n : int
        Fewest references.

    Returns
    -------
    ndarray, shape (n_wanted, ...)
        Weibull's ``100 r / (n + 1)`` [%]; NaN where missing or where references are too few.
    """
    day = day_of_year(times)
    found = np.full((len(wanted), *cube.shape[1:]), np.nan, dtype=np.float32)
    for place, at in enumerate(wanted):
        apart = np.abs(day - day[at])
        near = np.flatnonzero(np.minimum(apart, _YEAR - apart) <= window)
        value = cube[at]
        below = np.zeros(value.shape, dtype=np.int32)
        ties = np.zeros(value.shape, dtype=np.int32)
        n = np.zeros(value.shape, dtype=np.int32)
        for k in near:  # one map at a time stays in the cache of the processor
            other = cube[k]
            below += other < value
            ties += other == value
            n += ~np.isnan(other)
        rank = below + (ties + 1) / 2
        known = (n >= min_n) & ~np.isnan(value)
        found[place] = np.where(known, 100.0 * rank / (n + 1), np.nan)
    return found
