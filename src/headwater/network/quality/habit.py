"""Departures from other sensors, held against how far a series usually departs.

Real soils disagree: on two real networks the plain spatial regression test doubts 5 to 19 % of
plausible values, for a wetting front reaches each sensor in its own time. Here a series is doubted
only where it departs further than it usually does.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["unusual"]

Floats = NDArray[np.float64]


def unusual(
    told: Floats, per_day: int, *, days: int = 365, least: int = 60, factor: float = 1.5
) -> Floats:
    """Scale departures by those of the year before.

        told / max(1, factor u / 5) ,   u = 95 % quantile of the day's largest |told| in `days`

    so that the usual limit of five standard errors is never narrower than `factor` times what the
    series is used to.

    Parameters
    ----------
    told : ndarray, shape (times, series)
        From :func:`headwater.network.quality.consistency.departures`.
    per_day : int
        Observations in a day.
    days : int
        How far back habit reaches.
    least : int
        Days with a departure before which nothing is doubted.
    factor : float
        Of the habit.

    Returns
    -------
    ndarray, shape (times, series)
        NaN where there is no habit yet. Only the past counts, so a stream gets the same answer.

    Examples
    --------
    >>> told = np.full((200, 1), 8.0)
    >>> told[150] = 40.0
    >>> unusual(told, 1)[[10, 149, 150], 0].round(1)
    array([ nan,  3.3, 16.7])
    """
    far = pd.DataFrame(np.abs(told))
    day = np.arange(len(far)) // per_day
    worst = far.groupby(day).max()
    usual = worst.rolling(days, min_periods=least).quantile(0.95).shift(1)
    scale = np.maximum(1.0, factor * usual.to_numpy()[day] / 5.0)
    scaled: Floats = np.where(np.isfinite(usual.to_numpy()[day]), told / scale, np.nan)
    return scaled
