"""The ladder from watch to confirmed degradation and back, for many places at once.

A watch says that greenness falls short of what season and water let expect. It becomes a warning
when it lasts, and is confirmed only by the next season: a dip that recovers was a dip. Drought
alone ends in a watch of its own, which resolves with the water.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, StudyError
from headwater.warning.charts import Chart, update_chart

__all__ = [
    "Ladder",
    "LadderRule",
    "STATES",
    "climb",
    "new_ladder",
]

Floats = NDArray[np.float64]

STATES = ("none", "watch", "warning", "confirmed", "restored")
"""Rungs, by their code; -1 is a place without a baseline."""


@dataclass(frozen=True, slots=True)
class LadderRule:
    """When a place moves from one rung to the next.

    Attributes
    ----------
    persist : int
        Observations above the threshold, the first included, that make a watch a warning.
    clear : float
        Share of the threshold below which a watch or a warning is withdrawn [1].
    min_n : int
        Observations of a later season that can confirm or restore.
    confirm : float
        A later season confirms when the mean of its innovations lies this many standard errors
        below zero.
    restore : float
        A later season restores when that mean lies no more than this many standard errors below
        zero.
    """

    persist: int = 2
    clear: float = 0.5
    min_n: int = 5
    confirm: float = 3.0
    restore: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a ladder that cannot be climbed."""
        if not (self.persist >= 1 and 0 <= self.clear < 1 and self.restore < self.confirm):
            raise StudyError(
                "a ladder that cannot be climbed",
                found=f"persist {self.persist}, clear {self.clear:g}, confirm {self.confirm:g}",
                do="Give persist >= 1, 0 <= clear < 1 and restore < confirm",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """Where each place stands, with what the next date needs: 16 bytes a place.

    Attributes
    ----------
    state : ndarray of int8, shape (n_places,)
        Place in :data:`STATES`; -1 without a baseline.
    since : ndarray of int32, shape (n_places,)
        Day of the last change, days since 1970 [d]; the least integer before any.
    raised : ndarray of int16, shape (n_places,)
        Season of the watch.
    season : int
        The season that `total` and `n` belong to.
    total : ndarray of float32, shape (n_places,)
        Sum of innovations of the season.
    n, above : ndarray of uint8, shape (n_places,)
        Innovations of the season, and observations above the threshold since the watch.
    """

    state: NDArray[np.int8]
    since: NDArray[np.int32]
    raised: NDArray[np.int16]
    season: int
    total: NDArray[np.float32]
    n: NDArray[np.uint8]
    above: NDArray[np.uint8]


def new_ladder(chart: Chart) -> Ladder:
    """Put every place on the ground.

    Parameters
    ----------
    chart : Chart

    Returns
    -------
    Ladder
    """
    size = len(chart.threshold)
    state = np.where(np.isfinite(chart.threshold), 0, -1).astype(np.int8)
    return Ladder(
        state=state,
        since=np.full(size, np.iinfo(np.int32).min, dtype=np.int32),
        raised=np.zeros(size, dtype=np.int16),
        season=-1,
        total=np.zeros(size, dtype=np.float32),
        n=np.zeros(size, dtype=np.uint8),
        above=np.zeros(size, dtype=np.uint8),
    )


def climb(
    ladder: Ladder,
    chart: Chart,
    innovation: ArrayLike,
    days: ArrayLike,
    season: ArrayLike,
    *,
    rule: LadderRule | None = None,
) -> tuple[NDArray[np.int8], Ladder, Chart]:
    """Take new dates in: update the chart and move each place.

    Parameters
    ----------
    ladder : Ladder
    chart : Chart
    innovation : array-like, shape (n_times, n_places)
        From :func:`headwater.warning.innovations`.
    days : array-like of int, shape (n_times,)
        Days since 1970 [d].
    season : array-like of int, shape (n_times,)
        Number of the season of each date (its year), never falling.
    rule : LadderRule, optional

    Returns
    -------
    states : ndarray of int8, shape (n_times, n_places)
    ladder : Ladder
    chart : Chart

    Raises
    ------
    DataError
        If seasons go back: late data need a new start from a checkpoint.

    Examples
    --------
    >>> import numpy as np
    >>> from headwater.warning.charts import Detector, blank_chart
    >>> chart = blank_chart(Detector(), [4.0])
    >>> low = np.full((8, 1), -3.0)
    >>> states, ladder, chart = climb(
    ...     new_ladder(chart), chart, low, np.arange(8), [2019] * 3 + [2020] * 5
    ... )
    >>> [STATES[one] for one in states[:, 0]]
    ['none', 'watch', 'warning', 'warning', 'warning', 'warning', 'warning', 'confirmed']
    """
    chosen = rule or LadderRule()
    u = np.asarray(innovation, dtype=np.float64)
    seasons = np.asarray(season, dtype=np.int64)
    if len(seasons) and (np.diff(np.append(ladder.season, seasons)) < 0).any():
        raise DataError(
            "a date of an earlier season than the last",
            found=f"{int(seasons.min())} after {ladder.season}",
            do="Run again from a checkpoint before it",
        )
    states = np.empty(u.shape, dtype=np.int8)
    for at, day in enumerate(np.asarray(days, dtype=np.int64)):
        path, chart = update_chart(chart, u[at : at + 1])
        ladder = _moved(ladder, chart, u[at], path[0], chosen, int(day), int(seasons[at]))
        states[at] = ladder.state
    return states, ladder, chart


def _moved(
    ladder: Ladder, chart: Chart, u: Floats, statistic: Floats, rule: LadderRule, *when: int
) -> Ladder:
    day, season = when
    fresh = season != ladder.season
    seen = np.isfinite(u) & (ladder.state >= 0)
    total = np.where(fresh, 0, ladder.total) + np.where(seen, u, 0)
    n = np.minimum(np.where(fresh, 0, ladder.n) + seen, 255)
    high = seen & (statistic > chart.threshold)
    low = seen & (statistic < rule.clear * chart.threshold)
    above = np.minimum(ladder.above.astype(np.int64) + high, 255)
    state, raised = ladder.state.copy(), ladder.raised.copy()
    later = (season > ladder.raised) & (n >= rule.min_n) & seen
    with np.errstate(invalid="ignore", divide="ignore"):
        score = total / np.sqrt(np.maximum(n, 1))
    was = ladder.state
    state[(was == 1) & (above >= rule.persist)] = 2
    healthy = later & (score > -rule.restore)
    state[((was == 1) | (was == 2)) & (low | healthy)] = 0
    state[((was == 1) | (was == 2)) & later & (score < -rule.confirm)] = 3
    state[(was == 3) & healthy] = 4
    # a chart still high from an old watch raises none again in a healthy season; a place that never
    # was watched may lose after a good beginning of its season
    begins = ((was == 0) | (was == 4)) & high & ~(healthy & (ladder.raised > 0))
    state[begins] = 1
    raised[begins] = season
    above = np.where(begins, 1, np.where((state == 0) | (state == 4), 0, above))
    return replace(
        ladder,
        state=state,
        since=np.where(state != was, day, ladder.since).astype(np.int32),
        raised=raised,
        season=season,
        total=total.astype(np.float32),
        n=n.astype(np.uint8),
        above=above.astype(np.uint8),
    )
