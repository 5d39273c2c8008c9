"""Watching many places: history, chart and ladder as one value that takes new dates in.

The same code watches one station and a million pixels. What it keeps of a place fits in 100 bytes
of single precision, so that a watch that is stopped and taken up again goes on to the bit as one
that was never stopped.
"""

from __future__ import annotations

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
    "Monitor",
    "Watched",
    "field_control",
    "start_monitor",
    "watch_dates",
]

Floats = NDArray[np.float64]

_NEVER = -(10**9)


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
    ...                               tolerance=Tolerance(n_simulations=2000))
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
