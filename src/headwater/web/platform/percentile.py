"""Percentile maps: each day ranked among the same time of the year in all years."""

from __future__ import annotations

import numpy as np
from numba import njit
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
    flat = np.ascontiguousarray(cube.reshape(len(cube), -1), dtype=np.float32)
    found = np.empty((len(wanted), flat.shape[1]), dtype=np.float32)
    for place, at in enumerate(wanted):
        apart = np.abs(day - day[at])
        near = np.flatnonzero(np.minimum(apart, _YEAR - apart) <= window)
        _rank(flat, near, int(at), min_n, found[place])
    return found.reshape(len(wanted), *cube.shape[1:])


@njit(cache=True, nogil=True)
def _rank(
    cube: NDArray[np.float32],
    near: NDArray[np.int64],
    at: int,
    min_n: int,
    out: NDArray[np.float32],
) -> None:
    """Rank the cells of one map; one map after the other stays in the cache of the processor."""
    n_cells = cube.shape[1]
    value = cube[at]
    twice = np.zeros(n_cells, np.int32)
    n = np.zeros(n_cells, np.int32)
    for k in near:
        other = cube[k]
        for c in range(n_cells):
            # twice the rank: two for a smaller one, one for an equal one
            twice[c] += 2 * (other[c] < value[c]) + (other[c] == value[c])
            n[c] += other[c] == other[c]
    for c in range(n_cells):
        known = n[c] >= min_n and value[c] == value[c]
        out[c] = np.float32(50.0 * (twice[c] + 1) / (n[c] + 1)) if known else np.float32(np.nan)
