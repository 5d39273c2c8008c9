"""Watching many places: history, chart and ladder as one value that takes new dates in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError
from headwater.inference.significance import benjamini_hochberg
from headwater.warning.baseline import Baseline, BaselineOptions, fit_baseline, innovations
from headwater.warning.charts import Chart, Thresholds, new_chart
from headwater.warning.ladder import Ladder, LadderRule, climb, new_ladder

__all__ = [
    "KeptMonitor",
    "Monitor",
    "Watched",
    "field_control",
    "join_monitors",
    "pack_monitor",
    "start_monitor",
    "take_places",
    "unpack_monitor",
    "watch_dates",
]

Floats = NDArray[np.float64]
_NEVER = -(10**9)
_OLDEST_AGE = 65_535
_NOT_SINCE = np.iinfo(np.int32).min
_EPOCH = 1970


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """Places that are watched.

    Attributes
    ----------
    baseline : Baseline
    chart : Chart
    ladder : Ladder
    rule : LadderRule
    surge, peak : ndarray of float32, shape (n_places,)
        The chart's statistic without its ceiling, and the highest it has been [σ].
    last : int
        Last date taken in, days since 1970 [d]; far in the past before any.
    first_season : int
        Year of the first season watched; 0 before any.
    """

    baseline: Baseline
    chart: Chart
    ladder: Ladder
    rule: LadderRule
    surge: NDArray[np.float32]
    peak: NDArray[np.float32]
    last: int
    first_season: int

    @property
    def n_seasons(self) -> int:
        """Seasons watched so far, the present one included."""
        return self.ladder.season - self.first_season + 1 if self.first_season else 0

    @property
    def size(self) -> int:
        """How many places are watched."""
        return len(self.peak)

    @property
    def bytes_per_place(self) -> float:
        """Memory that a place takes [byte]."""
        parts = (self.baseline, self.chart, self.ladder, self)
        total = sum(
            value.nbytes
            for part in parts
            for entry in fields(part)
            if isinstance(value := getattr(part, entry.name), np.ndarray)
        )
        return float(total / max(self.size, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What new dates have shown.

    Attributes
    ----------
    innovation : ndarray, shape (n_times, n_places)
        What the history does not expect [σ]; NaN where nothing could be compared.
    statistic : ndarray, shape (n_times, n_places)
        Of the chart [σ].
    state : ndarray of int8, shape (n_times, n_places)
        Place in :data:`headwater.warning.ladder.STATES`; -1 without a baseline.
    """

    innovation: Floats
    statistic: Floats
    state: NDArray[np.int8]


def start_monitor(
    values: ArrayLike,
    times: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    thresholds: Thresholds,
    options: BaselineOptions | None = None,
    rule: LadderRule | None = None,
) -> Monitor:
    """Learn the histories of places, and begin to watch them.

    Parameters
    ----------
    values, times, covariates
        The history, as for :func:`headwater.warning.fit_baseline`.
    thresholds : Thresholds
        From :func:`headwater.warning.calibrate_thresholds`, with the same options.
    options : BaselineOptions, optional
    rule : LadderRule, optional

    Returns
    -------
    Monitor

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from headwater.warning import calibrate_thresholds
    >>> from headwater.warning.charts import Tolerance
    >>> days = pd.date_range("2010-01-01", "2019-12-31", freq="16D")
    >>> rng = np.random.default_rng(1)
    >>> green = rng.normal(0.5, 0.02, (len(days), 2))
    >>> green[(days.year >= 2018), 1] -= 0.08
    >>> past = days.year < 2018
    >>> limits = calibrate_thresholds(days[past], days[days.year == 2018], rng=rng,
    ...                               tolerance=Tolerance(n_resamples=2000))
    >>> monitor = start_monitor(green[past], days[past], thresholds=limits)
    >>> seen, monitor = watch_dates(monitor, green[~past], days[~past])
    >>> seen.state[-1].tolist(), monitor.bytes_per_place < 100
    ([0, 3], True)
    """
    fitted = _narrowed(fit_baseline(values, times, covariates, options=options))
    # thresholds follow from the memory as it is kept, so that they need not be kept
    chart = new_chart(fitted, thresholds)
    nothing = np.zeros(len(fitted.rho), dtype=np.float32)
    return _narrow(
        Monitor(
            baseline=fitted,
            chart=chart,
            ladder=new_ladder(chart),
            rule=rule or LadderRule(),
            surge=nothing,
            peak=nothing,
            last=_NEVER,
            first_season=0,
        )
    )


def watch_dates(
    monitor: Monitor, values: ArrayLike, times: ArrayLike, covariates: ArrayLike | None = None
) -> tuple[Watched, Monitor]:
    """Take new dates in, one after the other.

    Parameters
    ----------
    monitor : Monitor
    values : array-like, shape (n_times, n_places)
    times : array-like of datetime, shape (n_times,)
        Rising, and later than all that the monitor has taken in.
    covariates : array-like, shape (n_covariates, n_times, n_places), optional
        As those of the history.

    Returns
    -------
    seen : Watched
    monitor : Monitor

    Raises
    ------
    DataError
        If a date is not later than the last: late and corrected data are taken in by running again
        from a monitor that was kept before them.
    """
    x = np.asarray(values, dtype=np.float64)
    stamps = np.asarray(times, dtype="datetime64[D]")
    day = stamps.astype(np.int64)
    year = stamps.astype("datetime64[Y]").astype(np.int64) + 1970
    water = None if covariates is None else np.asarray(covariates, dtype=np.float64)
    _check_order(monitor, day, stamps)
    shape = (len(day), monitor.size)
    seen = Watched(np.full(shape, np.nan), np.zeros(shape), np.empty(shape, np.int8))
    for at in range(len(day)):
        row = slice(at, at + 1)
        u, monitor = _one_date(
            monitor, x[row], stamps[row], None if water is None else water[:, row], int(year[at])
        )
        seen.innovation[at] = u
        seen.statistic[at] = monitor.chart.statistic
        seen.state[at] = monitor.ladder.state
    return seen, monitor


def _one_date(
    monitor: Monitor, x: Floats, stamp: NDArray[Any], water: Floats | None, season: int
) -> tuple[Floats, Monitor]:
    found, baseline = innovations(monitor.baseline, x, stamp, water)
    u = found[0]
    day = stamp.astype(np.int64)
    _, ladder, chart = climb(monitor.ladder, monitor.chart, found, day, [season], rule=monitor.rule)
    surge = _unheld(monitor, chart, u)
    later = Monitor(
        baseline=baseline,
        chart=chart,
        ladder=ladder,
        rule=monitor.rule,
        surge=surge.astype(np.float32),
        peak=np.maximum(monitor.peak, surge).astype(np.float32),
        last=int(day[0]),
        first_season=monitor.first_season or season,
    )
    return u, _narrow(later)


def _unheld(monitor: Monitor, chart: Chart, u: Floats) -> Floats:
    """Statistic without a ceiling; only a CUSUM has one."""
    if chart.detector.kind != "cusum":
        return chart.statistic
    with np.errstate(invalid="ignore"):
        fallen = np.maximum(0.0, monitor.surge - np.maximum(u, -3.0) - chart.detector.allowance)
    return np.where(np.isfinite(u), fallen, monitor.surge)


def _check_order(monitor: Monitor, day: NDArray[np.int64], stamps: NDArray[Any]) -> None:
    if len(day) and (np.diff(np.append(monitor.last, day)) <= 0).any():
        known = np.datetime64(monitor.last, "D") if monitor.last > _NEVER else "nothing"
        raise DataError(
            "a date that is not later than the last one taken in",
            found=f"{stamps.min()} after {known}",
            do="Run again from a checkpoint before it: headwater watch does so by itself",
        )


_NARROW = {
    np.dtype(np.float64): np.float32,
    np.dtype(np.int64): np.int32,
}


def _narrowed(part: Any) -> Any:
    held = {entry.name: getattr(part, entry.name) for entry in fields(part)}
    arrays = {
        name: value.astype(_NARROW[value.dtype])
        for name, value in held.items()
        if isinstance(value, np.ndarray) and value.dtype in _NARROW
    }
    return replace(part, **arrays) if arrays else part


def _narrow(monitor: Monitor) -> Monitor:
    """Round the state to what is kept on disk, after each date."""
    return replace(
        monitor,
        baseline=_narrowed(monitor.baseline),
        chart=_narrowed(monitor.chart),
        ladder=_narrowed(monitor.ladder),
    )


def field_control(p_values: ArrayLike, *, share: float = 0.1) -> NDArray[np.bool_]:
    """Say which places stand out on the whole map, with a set share of false ones among them.

    A rate per place lets a map of a million healthy pixels show thousands of alarms. Here those
    are kept of which a share of `share` at most is false on average.

    Parameters
    ----------
    p_values : array-like, shape (n_places,)
        Probability that a healthy place would ever have come as high, of
        :meth:`headwater.warning.charts.Thresholds.p_value`; NaN without a baseline.
    share : float
        Tolerated share of false alarms among the places that are shown [1].

    Returns
    -------
    ndarray of bool, shape (n_places,)

    References
    ----------
    Benjamini & Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x; Wilks (2016),
    doi:10.1175/BAMS-D-15-00267.1.

    Examples
    --------
    >>> field_control([0.0001, 0.04, 0.5, 0.7], share=0.1).tolist()
    [True, True, False, False]
    """
    corrected = benjamini_hochberg(p_values)
    return np.asarray(np.nan_to_num(corrected, nan=1.0) <= share)


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
    since = np.where(ladder.since == _NOT_SINCE, 0, np.maximum(ladder.since, 1))
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
        since=np.where(since == 0, np.int32(_NOT_SINCE), since),
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
