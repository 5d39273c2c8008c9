"""When a drought is on: percentiles of soil water with hysteresis, place by place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import StudyError

__all__ = ["advance_drought", "drought_watch"]


def drought_watch(
    percentile: ArrayLike,
    season: ArrayLike,
    *,
    begins: float = 20.0,
    ends: float = 30.0,
    persist: int = 3,
) -> NDArray[np.bool_]:
    """Say when a drought is on.

    Parameters
    ----------
    percentile : array-like, shape (n_times, n_places)
        Of soil water in its time of year [%]; a missing one changes nothing.
    season : array-like of int, shape (n_times,)
        Year of the growing season of each time; a drought does not outlast its season.
    begins, ends : float
        It begins at or below the one and ends above the other [%].
    persist : int
        Steps in a row at or below `begins` before it is on.

    Returns
    -------
    ndarray of bool, shape (n_times, n_places)

    Raises
    ------
    StudyError
        If it would end before it begins.

    Examples
    --------
    >>> series = [[15.0], [18.0], [12.0], [25.0], [35.0], [10.0]]
    >>> drought_watch(series, [2020] * 6, persist=2)[:, 0].tolist()
    [False, True, True, True, False, False]
    """
    if ends < begins or persist < 1:
        raise StudyError(
            "a drought that ends before it begins",
            found=f"begins {begins:g}, ends {ends:g}, persist {persist}",
            do="Let ends be no lower than begins, and persist at least 1",
        )
    p, year = np.asarray(percentile, dtype=np.float64), np.asarray(season)
    on = np.zeros(p.shape[1:], dtype=bool)
    count = np.zeros(p.shape[1:], dtype=np.int64)
    found = np.zeros(p.shape, dtype=bool)
    for at, now in enumerate(p):
        if at and year[at] != year[at - 1]:
            on, count = np.zeros_like(on), np.zeros_like(count)
        on, count = advance_drought(on, count, now, begins=begins, ends=ends, persist=persist)
        found[at] = on
    return found


def advance_drought(
    on: ArrayLike,
    count: ArrayLike,
    percentile: ArrayLike,
    *,
    begins: float,
    ends: float,
    persist: int,
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Take one step in.

    Parameters
    ----------
    on : array-like of bool, shape (n_places,)
        Whether a drought was on.
    count : array-like of int, shape (n_places,)
        Steps in a row at or below `begins`.
    percentile : array-like, shape (n_places,)
        [%]; a missing one changes nothing.
    begins, ends, persist
        As for :func:`drought_watch`.

    Returns
    -------
    on, count : ndarray
    """
    now, was = np.asarray(percentile, dtype=np.float64), np.asarray(on, dtype=bool)
    before = np.asarray(count, dtype=np.int64)
    seen = np.isfinite(now)
    counted = np.where(seen, np.where(now <= begins, before + 1, 0), before)
    return np.where(seen, (was & ~(now > ends)) | (counted >= persist), was), counted
