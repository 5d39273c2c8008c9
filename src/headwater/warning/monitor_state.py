"""What is kept of a monitor between two dates: arrays of few bytes a place.

The history (coefficients, spread, memory) stays as it was fitted; what moves is kept twice, as it
is now and as it was when the present season began, so that late and corrected data run again from
there. With two harmonics and one covariate that is 94 bytes a place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.warning.baseline import Baseline, BaselineOptions
from headwater.warning.charts import Chart, Thresholds
from headwater.warning.ladder import Ladder, LadderRule
from headwater.warning.monitor import Monitor

__all__ = ["KeptMonitor", "join_monitors", "pack_monitor", "take_places", "unpack_monitor"]

_OLDEST_AGE = 65_535
_NEVER = np.iinfo(np.int32).min
_EPOCH = 1970


@dataclass(frozen=True, slots=True, eq=False)
class KeptMonitor:
    """A monitor as it is kept.

    Attributes
    ----------
    history : dict of ndarray
        What was fitted.
    moving : dict of ndarray
        What each date changes.
    last, first_season, season : int
        As :class:`headwater.warning.monitor.Monitor` and its ladder have them.
    """

    history: dict[str, NDArray[Any]]
    moving: dict[str, NDArray[Any]]
    last: int
    first_season: int
    season: int


def _arrays_of(part: Any) -> dict[str, NDArray[Any]]:
    return {
        entry.name: value
        for entry in fields(part)
        if isinstance(value := getattr(part, entry.name), np.ndarray)
    }


def take_places(monitor: Monitor, places: slice | NDArray[Any]) -> Monitor:
    """Take some places of a monitor.

    Parameters
    ----------
    monitor : Monitor
    places : slice or ndarray

    Returns
    -------
    Monitor
    """

    def taken(part: Any) -> Any:
        return replace(part, **{name: value[places] for name, value in _arrays_of(part).items()})

    whole: Monitor = replace(
        taken(monitor),
        baseline=taken(monitor.baseline),
        chart=taken(monitor.chart),
        ladder=taken(monitor.ladder),
    )
    return whole


def join_monitors(parts: Sequence[Monitor]) -> Monitor:
    """Put monitors of neighbouring places together.

    Parameters
    ----------
    parts : sequence of Monitor
        That have taken the same dates in.

    Returns
    -------
    Monitor

    Raises
    ------
    DataError
        If they stand at different dates.
    """
    if len({(part.last, part.first_season, part.ladder.season) for part in parts}) != 1:
        raise DataError(
            "monitors that stand at different dates",
            found=", ".join(str(part.last) for part in parts),
            do="Let each take the same dates in",
        )

    def joined(same: Sequence[Any]) -> Any:
        names = _arrays_of(same[0])
        return replace(
            same[0],
            **{name: np.concatenate([getattr(one, name) for one in same]) for name in names},
        )

    whole: Monitor = replace(
        joined(parts),
        baseline=joined([part.baseline for part in parts]),
        chart=joined([part.chart for part in parts]),
        ladder=joined([part.ladder for part in parts]),
    )
    return whole


def pack_monitor(monitor: Monitor, *, begins_season: bool = False) -> KeptMonitor:
    """Turn a monitor into arrays of few bytes.

    Parameters
    ----------
    monitor : Monitor
    begins_season : bool
        Whether its next date begins a new season; sums of the season are then left out.

    Returns
    -------
    KeptMonitor
    """
    fitted, ladder = monitor.baseline, monitor.ladder
    history: dict[str, NDArray[Any]] = {
        "coefficients": fitted.coefficients.astype(np.float32),
        "spread": fitted.spread.astype(np.float32),
        "rho": fitted.rho.astype(np.float32),
        "n": np.minimum(fitted.n, _OLDEST_AGE).astype(np.uint16),
        "reason": fitted.reason,
    }
    since = np.where(ladder.since == _NEVER, 0, np.maximum(ladder.since, 1))
    moving: dict[str, NDArray[Any]] = {
        "last": fitted.last.astype(np.float32),
        # memory of so many steps is nil
        "age": np.minimum(fitted.age, _OLDEST_AGE).astype(np.uint16),
        "statistic": monitor.chart.statistic.astype(np.float32),
        "state": ladder.state,
        "since": since.astype(np.uint16),
        "raised": np.maximum(ladder.raised - _EPOCH, 0).astype(np.uint8),
        "above": ladder.above,
        "surge": monitor.surge,
        "peak": monitor.peak,
    }
    if not begins_season:
        moving |= {"total": ladder.total, "n_season": ladder.n}
    return KeptMonitor(history, moving, monitor.last, monitor.first_season, ladder.season)


def unpack_monitor(
    kept: KeptMonitor,
    *,
    thresholds: Thresholds,
    options: BaselineOptions,
    rule: LadderRule | None = None,
) -> Monitor:
    """Take a monitor up again as it was kept.

    Parameters
    ----------
    kept : KeptMonitor
    thresholds : Thresholds
    options : BaselineOptions
    rule : LadderRule, optional

    Returns
    -------
    Monitor
        To the bit as it was.
    """
    was, now = kept.history, kept.moving
    size = len(was["rho"])
    fitted = Baseline(
        options,
        was["coefficients"],
        was["spread"],
        was["rho"],
        was["n"].astype(np.int32),
        was["reason"],
        now["last"],
        now["age"].astype(np.int32),
    )
    threshold: Any = np.where(was["reason"] == 0, thresholds.at(was["rho"]), np.nan)
    since = now["since"].astype(np.int32)
    raised = now["raised"].astype(np.int16)
    ladder = Ladder(
        state=now["state"],
        since=np.where(since == 0, np.int32(_NEVER), since),
        raised=np.where(raised == 0, raised, raised + np.int16(_EPOCH)),
        season=kept.season,
        total=now.get("total", np.zeros(size, np.float32)),
        n=now.get("n_season", np.zeros(size, np.uint8)),
        above=now["above"],
    )
    return Monitor(
        baseline=fitted,
        chart=Chart(thresholds.detector, threshold.astype(np.float32), now["statistic"]),
        ladder=ladder,
        rule=rule or LadderRule(),
        surge=now["surge"],
        peak=now["peak"],
        last=kept.last,
        first_season=kept.first_season,
    )
