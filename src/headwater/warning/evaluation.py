"""How good a detector is: hits, delays and false alarms, for every detector by the same rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError
from headwater.results import TableResult, of_inputs
from headwater.warning.baseline import (
    BaselineOptions,
    baseline_design,
    fit_baseline,
    innovations,
    season_parts,
)
from headwater.warning.charts import Thresholds, new_chart, update_chart
from headwater.warning.structural import monitor_structure

__all__ = [
    "DetectorScores",
    "Survival",
    "delay_curve",
    "detector_alarms",
    "first_alarms",
    "score_detector",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DetectorScores(TableResult):
    """Scores of a detector: one row per group of places.

    Columns: ``group``, ``n_events``, ``hit``, ``early``, ``late``, ``miss`` (shares of events),
    ``n_quiet``, ``false_share`` (share of places without an event that ever alarm),
    ``false_per_place_year``, ``precision``, ``f1``, ``csi``, ``delay_median``, ``delay_p90``
    (Kaplan-Meier, infinite where fewer events were found) [d].
    """


@dataclass(frozen=True, slots=True, eq=False)
class Survival:
    """Share of events not yet found, by delay (Kaplan & Meier 1958, doi:10.2307/2281868).

    Attributes
    ----------
    delay : ndarray
        Days at which events were found, rising [d].
    waiting : ndarray
        Share not yet found after each.
    """

    delay: Floats
    waiting: Floats

    def quantile(self, share: float) -> float:
        """Give the delay by which a share of events is found; infinite if it never is [d]."""
        reached = self.waiting <= 1 - share + 1e-12
        return float(self.delay[reached.argmax()]) if reached.any() else float("inf")


def first_alarms(alarm: ArrayLike, days: ArrayLike) -> Floats:
    """Give the day of the first alarm of each place.

    Parameters
    ----------
    alarm : array-like of bool, shape (n_times, n_places)
    days : array-like, shape (n_times,)
        Days since 1970 or any other origin [d].

    Returns
    -------
    ndarray, shape (n_places,)
        [d]; NaN without an alarm.

    Examples
    --------
    >>> first_alarms([[False, False], [True, False], [True, False]], [0, 8, 16]).tolist()
    [8.0, nan]
    """
    table = np.asarray(alarm, dtype=bool)
    first = np.asarray(days, dtype=np.float64)[table.argmax(axis=0)]
    return np.where(table.any(axis=0), first, np.nan)


def detector_alarms(
    detector: Thresholds | Literal["mosum", "cusum"],
    values: ArrayLike,
    times: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    split: np.datetime64,
    options: BaselineOptions | None = None,
) -> Floats:
    """Let any detector watch places, and say when it first alarms.

    Parameters
    ----------
    detector : Thresholds, "mosum" or "cusum"
        A calibrated chart of losses, or one of BFAST's two-sided tests at 95 %
        (:func:`headwater.warning.monitor_structure`).
    values, times, covariates
        History and what follows, as for :func:`headwater.warning.fit_baseline`.
    split : datetime64
        First time that is watched.
    options : BaselineOptions, optional

    Returns
    -------
    ndarray, shape (n_places,)
        Day of the first alarm, days since 1970 [d]; NaN without one. For
        :func:`score_detector`.

    Examples
    --------
    >>> days = np.arange("2010-01-01", "2019-01-01", 16, dtype="datetime64[D]")
    >>> green = np.random.default_rng(1).normal(0.5, 0.02, (len(days), 2))
    >>> green[days >= np.datetime64("2018-06-01"), 1] -= 0.1
    >>> alarm = detector_alarms("mosum", green, days, split=np.datetime64("2018-01-01"))
    >>> np.isfinite(alarm).tolist()
    [False, True]
    """
    chosen = options or BaselineOptions()
    x, stamps = np.asarray(values, dtype=np.float64), np.asarray(times, dtype="datetime64[D]")
    water = np.empty((0, *x.shape)) if covariates is None else np.asarray(covariates, np.float64)
    past, day = stamps < split, stamps.astype(np.int64)
    if isinstance(detector, Thresholds):
        fitted = fit_baseline(x[past], stamps[past], water[:, past], options=chosen)
        found, fitted = innovations(fitted, x[~past], stamps[~past], water[:, ~past])
        chart = new_chart(fitted, detector)
        path, _ = update_chart(chart, found)
        return first_alarms(path > chart.threshold, day[~past])
    inside = season_parts(stamps, chosen) >= 0
    x, water, day = x[inside], water[:, inside], day[inside]
    design, n_history = baseline_design(stamps[inside], chosen), int((past & inside).sum())
    alarm = np.full(x.shape[1], np.nan)
    for place in range(x.shape[1]):
        own = np.column_stack([design, water[:, :, place].T])
        seen = np.isfinite(x[:, place]) & np.isfinite(own).all(axis=1)
        if seen[:n_history].sum() <= own.shape[1]:
            continue
        at = monitor_structure(x[:, place], own, n_history, kind=detector).alarm
        if at >= 0:
            alarm[place] = day[n_history:][seen[n_history:]][at]
    return alarm


def delay_curve(delay: ArrayLike, found: ArrayLike) -> Survival:
    """Estimate how long events wait until they are found, with those never found censored.

    Parameters
    ----------
    delay : array-like, shape (n_events,)
        Days from the event to its alarm, or to the end of the record [d].
    found : array-like of bool, shape (n_events,)
        Whether it was an alarm.

    Returns
    -------
    Survival

    Examples
    --------
    >>> curve = delay_curve([10, 20, 30, 40], [True, True, False, True])
    >>> curve.waiting.round(3).tolist(), curve.quantile(0.5)
    ([0.75, 0.5, 0.0], 20.0)
    """
    time, event = np.asarray(delay, dtype=np.float64), np.asarray(found, dtype=bool)
    steps = np.unique(time[event])
    at_risk = np.array([(time >= one).sum() for one in steps])
    ended = np.array([(event & (time == one)).sum() for one in steps])
    waiting = np.cumprod(1 - ended / at_risk) if len(steps) else np.empty(0)
    return Survival(steps, waiting)


@of_inputs
def score_detector(
    alarm_day: ArrayLike,
    event_day: ArrayLike,
    *,
    start: float,
    end: float,
    within: float = 365.0,
    group: ArrayLike | None = None,
) -> DetectorScores:
    """Score a detector against known events.

    Parameters
    ----------
    alarm_day : array-like, shape (n_places,)
        First alarm of each place, from :func:`first_alarms` [d]; NaN for none.
    event_day : array-like, shape (n_places,)
        Day of the true event [d]; NaN where nothing happened.
    start, end : float
        First and last day that were watched [d].
    within : float
        Longest delay that counts as a hit; later is ``late`` [d].
    group : array-like, shape (n_places,), optional
        Altitude band, share of gaps or any other group to score by itself.

    Returns
    -------
    DetectorScores
        The first row is of all places.

    Raises
    ------
    DataError
        If the arrays do not fit, or the record has no length.

    Examples
    --------
    >>> nan = float("nan")
    >>> scores = score_detector([110.0, nan, 50.0, nan], [100.0, 100.0, nan, nan], start=0, end=365)
    >>> scores.data.loc[0, ["hit", "miss", "false_share"]].tolist()
    [0.5, 0.5, 0.5]
    """
    alarm, event = np.asarray(alarm_day, float), np.asarray(event_day, float)
    if alarm.shape != event.shape or not end > start:
        raise DataError(
            "alarms and events that do not fit",
            found=f"{alarm.shape} alarms, {event.shape} events, day {start:g} to {end:g}",
            do="Give one alarm and one event per place, and an end after the start",
        )
    names = None if group is None else np.asarray(group)
    rows = [_scores("all", alarm, event, start, end, within)]
    if names is not None:
        for one in pd.unique(names):
            part = names == one
            rows.append(_scores(str(one), alarm[part], event[part], start, end, within))
    table = pd.DataFrame(rows)
    table.attrs["units"] = {
        "false_per_place_year": "year-1",
        "delay_median": "d",
        "delay_p90": "d",
    }
    return DetectorScores(
        table,
        f"Alarms within {within:g} days of an event are hits; before it early, later late. Delays "
        "are of the Kaplan-Meier curve, in which events not found are censored.",
        ("Kaplan & Meier (1958), doi:10.2307/2281868",),
    )


def _scores(
    name: str, alarm: Floats, event: Floats, start: float, end: float, within: float
) -> dict[str, object]:
    happened = np.isfinite(event)
    delay = alarm[happened] - event[happened]
    found = np.isfinite(delay)
    hit, early = found & (delay >= 0) & (delay <= within), found & (delay < 0)
    late = found & (delay > within)
    false = np.isfinite(alarm[~happened])
    watched = np.where(np.isfinite(alarm), np.minimum(alarm, end), end)
    until = np.where(happened, np.minimum(event, watched), watched) - start
    years = max(float(np.maximum(until, 0).sum()) / 365.25, 1e-12)
    n, wrong = int(happened.sum()), int(false.sum() + early.sum())
    waited = np.where(found & (delay >= 0), delay, end - event[happened])
    curve = delay_curve(waited[~early], (found & (delay >= 0))[~early])
    hits, missed = int(hit.sum()), n - int(hit.sum()) - int(early.sum())
    return {
        "group": name,
        "n_events": n,
        "hit": _share(hits, n),
        "early": _share(int(early.sum()), n),
        "late": _share(int(late.sum()), n),
        "miss": _share(int((~found).sum()), n),
        "n_quiet": int((~happened).sum()),
        "false_share": _share(int(false.sum()), int((~happened).sum())),
        "false_per_place_year": wrong / years,
        "precision": _share(hits, hits + wrong),
        "f1": _share(2 * hits, 2 * hits + wrong + missed),
        "csi": _share(hits, hits + wrong + missed),
        "delay_median": curve.quantile(0.5) if n else np.nan,
        "delay_p90": curve.quantile(0.9) if n else np.nan,
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
