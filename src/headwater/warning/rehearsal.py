"""Rehearsals: losses planted on a user's own resampled history, and how they would have been found.

Some years, whole and the same for all places, are taken out of the history at random and watched
against a baseline of the others, so that weather, memory within a season and neighbours stay as
they were. What is planted is known, so hits, delays and false alarms are too. Fewer years of
history than the real watch has make the answer a cautious one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError
from headwater.results import TableResult, of_inputs
from headwater.warning.baseline import BaselineOptions, fit_baseline, innovations, season_parts
from headwater.warning.charts import Thresholds, blank_chart, update_chart
from headwater.warning.evaluation import first_alarms, score_detector
from headwater.warning.ladder import LadderRule
from headwater.warning.monitor import Watched, start_monitor, watch_dates

__all__ = [
    "History",
    "REGIMES",
    "Rehearsal",
    "RunLength",
    "Staging",
    "bootstrap_run_length",
    "raise_thresholds",
    "rehearse",
]

Floats = NDArray[np.float64]

REGIMES = ("abrupt", "gradual", "transient", "climate only")
"""What is planted: a loss at once, one over years, a dip of 128 days that recovers, and nothing but
the driest years."""

_DIP = 128
_FEWEST_YEARS, _MOST_RAISED = 5, 2.0
_FEW = 8


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Histories of places.

    Attributes
    ----------
    values : ndarray, shape (n_times, n_places)
        Greenness, in steps of equal length within each year.
    times : ndarray of datetime64[D], shape (n_times,)
    covariates : ndarray, shape (n_covariates, n_times, n_places), optional
    """

    values: Floats
    times: NDArray[np.datetime64]
    covariates: Floats | None = None

    @property
    def years(self) -> NDArray[np.int64]:
        """Calendar year of each time."""
        return np.asarray(self.times.astype("datetime64[Y]").astype(np.int64) + 1970)


@dataclass(frozen=True, slots=True)
class Staging:
    """How a rehearsal is staged.

    Attributes
    ----------
    loss : float
        Planted, as a share of each place's seasonal amplitude [1]; gradual losses reach it in
        `ramp` years.
    ramp : float
        [years]
    n_seasons : int
        Seasons watched.
    within : float
        Longest delay that counts as a hit [d]; twice as long for gradual losses.
    repeats : int
        Times that years are taken out.
    """

    loss: float = 0.35
    ramp: float = 3.5
    n_seasons: int = 3
    within: float = 365.0
    repeats: int = 4


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal(TableResult):
    """How planted losses were found: the columns of ``DetectorScores``, ``regime`` and ``rung``.

    ``group`` is ``all``, or a group of places such as an altitude band; ``rung`` is the least state
    that counts as an alarm, ``watch`` or ``confirmed``.
    """


@dataclass(frozen=True, slots=True, eq=False)
class RunLength:
    """Seasons between false alarms on resampled healthy histories.

    Attributes
    ----------
    seasons, low, high : float
        Mean, and the 90 % interval over draws of years [seasons per place].
    asked : float
        What the tolerated rate lets expect [seasons per place].
    n_years : int
        Years that were drawn from.
    n_alarms : int
    """

    seasons: float
    low: float
    high: float
    asked: float
    n_years: int
    n_alarms: int


@of_inputs
def rehearse(
    history: History,
    thresholds: Thresholds,
    *,
    rng: np.random.Generator,
    options: BaselineOptions | None = None,
    rule: LadderRule | None = None,
    staging: Staging | None = None,
    groups: ArrayLike | None = None,
) -> Rehearsal:
    """Plant losses on resampled histories and watch them as real ones.

    Parameters
    ----------
    history : History
        Of healthy places.
    thresholds : Thresholds
        Those of the monitor.
    rng : numpy.random.Generator
    options : BaselineOptions, optional
    rule : LadderRule, optional
    staging : Staging, optional
    groups : array-like, shape (n_places,), optional
        Altitude band or class of gaps of each place, to score by itself.

    Returns
    -------
    Rehearsal

    Raises
    ------
    DataError
        If there are fewer than two years, or no place has a baseline.
    """
    chosen, how = options or BaselineOptions(), staging or Staging()
    _check_years(history)
    rows = []
    for regime in REGIMES:
        # the driest years are the same each time
        times = 1 if regime == "climate only" else how.repeats
        cast = _Cast(history, thresholds, chosen, rule or LadderRule(), how)
        played = [_play(cast, regime, rng) for _ in range(times)]
        rows += _scored(regime, played, how=how, groups=groups)
    if not rows:
        raise DataError(
            "no place has a history long enough to rehearse with",
            found=f"{history.values.shape[1]} places, {len(np.unique(history.years))} years",
            do="Give a longer history",
        )
    table = pd.DataFrame(rows)
    table.attrs["units"] = {"false_per_place_year": "year-1", "delay_median": "d", "delay_p90": "d"}
    n_years = len(np.unique(history.years))
    few = (
        f"Only {n_years} years of history: what is watched is compared with "
        f"{n_years - _n_watched(n_years)} of them, so the rehearsals err more than the real watch.",
    )
    return Rehearsal(
        table,
        f"Losses of {how.loss:.0%} of the seasonal amplitude (abrupt; gradual within {how.ramp:g} "
        f"years; a dip of {_DIP} days) were planted on half of {history.values.shape[1]} places. "
        f"{how.repeats} times, {_n_watched(n_years)} of {n_years} years were taken out at random "
        f"and watched for {how.n_seasons} seasons against a baseline of the others; climate only: "
        "the driest years taken out, nothing planted.",
        (),
        cautions=few if n_years < _FEW else (),
    )


def _n_watched(n_years: int) -> int:
    return max(1, n_years // 3)


def _check_years(history: History) -> None:
    if len(np.unique(history.years)) < 2:
        raise DataError(
            "too few years to rehearse with",
            found=f"{len(np.unique(history.years))}",
            do="Give a history of two years at least, better ten",
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Cast:
    """All that a rehearsal is played with."""

    history: History
    thresholds: Thresholds
    options: BaselineOptions
    rule: LadderRule
    how: Staging


def _play(cast: _Cast, regime: str, rng: np.random.Generator) -> tuple[Watched, Floats, Floats]:
    history, options, how = cast.history, cast.options, cast.how
    known = np.unique(history.years)
    order = _driest_first(history, options) if regime == "climate only" else rng.permutation(known)
    n_watched = _n_watched(len(known))
    taken, kept = order[:n_watched], np.sort(order[n_watched:])
    later = np.resize(taken, how.n_seasons)
    past, watched = _drawn_years(history, kept), _drawn_years(history, later, after=len(kept))
    places = history.values.shape[1]
    onset = np.full(places, np.nan)
    hit = np.arange(places) % 2 == 0
    if regime != "climate only":
        in_season = watched.times[season_parts(watched.times, options) >= 0]
        first_year = in_season[in_season < in_season[0] + np.timedelta64(300, "D")]
        days = first_year.astype(np.int64).astype(float)
        onset[hit] = rng.choice(days, int(hit.sum()))
    values = _planted(past, watched, onset, regime, how)
    monitor = start_monitor(
        past.values,
        past.times,
        past.covariates,
        thresholds=cast.thresholds,
        # a part of the history must do, for the rehearsal is not about its length
        options=replace(options, stable=False, min_n=min(options.min_n, 2 * options.order + 9)),
        rule=cast.rule,
    )
    seen, _ = watch_dates(monitor, values, watched.times, watched.covariates)
    return seen, watched.times.astype(np.int64).astype(float), onset


def _drawn_years(history: History, drawn: NDArray[np.int64], *, after: int = 0) -> History:
    """Put drawn years one after the other, on dates of their own."""
    rows, times = [], []
    for at, year in enumerate(drawn):
        own = np.flatnonzero(history.years == year)
        rows.append(own)
        start = np.datetime64(f"{1971 + after + at}-01-01", "D")
        day = (history.times[own] - history.times[own].astype("datetime64[Y]")).astype(np.int64)
        times.append(start + np.minimum(day, 364).astype("timedelta64[D]"))
    at_rows, stamps = np.concatenate(rows), np.concatenate(times)
    water = None if history.covariates is None else history.covariates[:, at_rows]
    return History(history.values[at_rows], stamps, water)


def _driest_first(history: History, options: BaselineOptions) -> NDArray[np.int64]:
    known = np.unique(history.years)
    if history.covariates is None or not len(history.covariates):
        return known
    inside = season_parts(history.times, options) >= 0
    water = history.covariates[0]
    seen = np.isfinite(water) & inside[:, None]
    total = [np.where(seen[own], water[own], 0.0).sum() for own in _rows_of(history, known)]
    n = [seen[own].sum() for own in _rows_of(history, known)]
    return np.asarray(known[np.argsort(np.array(total) / np.maximum(n, 1))])


def _rows_of(history: History, known: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(history.years == one) for one in known]


def _planted(
    past: History,
    watched: History,
    onset: Floats,
    regime: str,
    how: Staging,
) -> Floats:
    """Take losses off the watched values, in the shape that the regime has."""
    # places without any value have no amplitude, and no baseline either
    seen = np.where(np.isfinite(past.values).any(axis=0), past.values, 0.0)
    low, high = np.nanquantile(seen, (0.05, 0.95), axis=0)
    amplitude = high - low
    since = watched.times.astype(np.int64).astype(float)[:, None] - onset
    on = np.isfinite(since) & (since >= 0)
    share = np.where(on, how.loss, 0.0)
    if regime == "gradual":
        share = share * np.clip(np.nan_to_num(since) / (365.0 * how.ramp), 0.0, 1.0)
    elif regime == "transient":
        share = share * (np.nan_to_num(since) < _DIP)
    return np.asarray(watched.values - share * amplitude)


def _scored(
    regime: str,
    played: list[tuple[Watched, Floats, Floats]],
    *,
    how: Staging,
    groups: ArrayLike | None,
) -> list[dict[str, object]]:
    within = how.within * (2 if regime == "gradual" else 1)
    modelled = [seen.state[0] >= 0 for seen, _, _ in played]
    if not any(one.any() for one in modelled):
        return []
    onset = np.concatenate([day[one] for (_, _, day), one in zip(played, modelled, strict=True)])
    group = None
    if groups is not None:
        group = np.concatenate([np.asarray(groups)[one] for one in modelled])
    # the time watched is the same each time, on dates of its own
    start, end = float(played[0][1][0]), float(played[0][1][-1])
    rows: list[dict[str, object]] = []
    for rung, least in (("watch", 1), ("confirmed", 3)):
        alarm = np.concatenate(
            [
                first_alarms((seen.state >= least) & (seen.state < 4), days)[one]
                for (seen, days, _), one in zip(played, modelled, strict=True)
            ]
        )
        scores = score_detector(alarm, onset, start=start, end=end, within=within, group=group)
        rows += [
            {"regime": regime, "rung": rung} | {str(key): one for key, one in row.items()}
            for row in scores.data.to_dict("records")
        ]
    return rows


def bootstrap_run_length(
    history: History,
    thresholds: Thresholds,
    *,
    rng: np.random.Generator,
    options: BaselineOptions | None = None,
    n_resamples: int = 100,
    n_seasons: int = 10,
) -> RunLength:
    """Estimate how many seasons pass between false alarms, on the user's own history.

    Each year is compared with a baseline of the others; the years' innovations are drawn with
    replacement, whole, into long healthy records, which the chart then watches.

    Parameters
    ----------
    history : History
    thresholds : Thresholds
    rng : numpy.random.Generator
    options : BaselineOptions, optional
    n_resamples : int
        Long records.
    n_seasons : int
        Seasons of each.

    Returns
    -------
    RunLength
        The interval is over draws of years.

    Raises
    ------
    DataError
        If there are fewer than three years.
    """
    chosen = options or BaselineOptions()
    known = np.unique(history.years)
    if len(known) < 3:
        raise DataError(
            "too few years for the run length",
            found=f"{len(known)}",
            do="Give a history of three years at least, better ten",
        )
    by_year, rho = _left_out(history, known, chosen)
    threshold: Floats = thresholds.at(rho)
    rates, alarms = [], 0
    for _ in range(n_resamples):
        drawn = rng.integers(len(known), size=n_seasons)
        path = np.concatenate([by_year[one] for one in drawn])
        start = blank_chart(thresholds.detector, threshold)
        statistic, _ = update_chart(start, path)
        above = np.asarray(statistic > threshold)
        found: NDArray[np.bool_] = np.asarray(above.any(axis=0))
        step: NDArray[np.int64] = np.where(found, above.argmax(axis=0), len(path))
        usable: NDArray[np.bool_] = np.asarray(np.isfinite(threshold))
        # seasons lived until the alarm, over alarms: the mean of a run that is cut short
        lived = step[usable].sum() / len(path) * n_seasons
        alarms += int(found[usable].sum())
        rates.append(found[usable].sum() / max(lived, 1e-9))
    mean = float(np.mean(rates))
    low, high = np.quantile(rates, [0.05, 0.95])
    return RunLength(
        seasons=1 / mean if mean > 0 else np.inf,
        low=1 / high if high > 0 else np.inf,
        high=1 / low if low > 0 else np.inf,
        asked=1 / thresholds.rate,
        n_years=len(known),
        n_alarms=alarms,
    )


def raise_thresholds(
    thresholds: Thresholds,
    history: History,
    *,
    rng: np.random.Generator,
    options: BaselineOptions | None = None,
    n_seasons: int = 3,
    n_resamples: int = 60,
) -> Thresholds:
    """Raise thresholds where the user's own history alarms more often than was set.

    Simulated residuals have the memory of one step; those of a wrong form of the response, or of
    water that was left out, are skewed and remember for longer. Each year is compared with a
    baseline of the others, years are drawn whole into healthy records, and all thresholds are
    multiplied by what keeps the rate on them.

    Parameters
    ----------
    thresholds : Thresholds
    history : History
        Of a sample of places.
    rng : numpy.random.Generator
    options : BaselineOptions, optional
    n_seasons : int
        Seasons of each record.
    n_resamples : int
        Records.

    Returns
    -------
    Thresholds
        Never lower, and at most twice as high: a history with losses of its own is no measure of
        what is healthy, so places whose history changes are left out too. As they were with fewer
        than five years.

    Examples
    --------
    >>> import numpy as np
    >>> from headwater.warning import calibrate_thresholds
    >>> from headwater.warning.charts import Tolerance
    >>> rng = np.random.default_rng(1)
    >>> days = np.arange("2010-01-01", "2018-01-01", 16, dtype="datetime64[D]")
    >>> limits = calibrate_thresholds(days, days[-23:], rng=rng,
    ...                               tolerance=Tolerance(n_resamples=2000))
    >>> healthy = History(rng.standard_normal((len(days), 50)), days)
    >>> higher = raise_thresholds(limits, healthy, rng=rng)
    >>> bool(1.0 <= higher.threshold[0] / limits.threshold[0] < 1.2)
    True
    """
    chosen, known = options or BaselineOptions(), np.unique(history.years)
    if len(known) < _FEWEST_YEARS:
        return thresholds
    by_year, rho = _left_out(history, known, chosen)
    limit: Floats = thresholds.at(rho)
    whole = fit_baseline(history.values, history.times, history.covariates, options=chosen)
    usable: NDArray[np.bool_] = np.asarray(np.isfinite(limit) & (whole.reason == 0))
    highest = []
    for _ in range(n_resamples if usable.any() else 0):
        path = np.concatenate([by_year[one] for one in rng.integers(len(known), size=n_seasons)])
        start = blank_chart(thresholds.detector, np.full(len(rho), np.nan))
        statistic, _ = update_chart(start, path)
        highest.append((np.asarray(statistic).max(axis=0) / limit)[usable])
    if not highest:
        return thresholds
    needed = float(np.quantile(np.concatenate(highest), 1 - thresholds.rate * n_seasons))
    return replace(
        thresholds, threshold=thresholds.threshold * float(np.clip(needed, 1.0, _MOST_RAISED))
    )


def _left_out(
    history: History, known: NDArray[np.int64], options: BaselineOptions
) -> tuple[list[Floats], Floats]:
    """Innovations of each year against a baseline of the others."""
    found, rho = [], []
    for year in known:
        own = history.years == year
        water = history.covariates
        others = None if water is None else water[:, ~own]
        fitted = fit_baseline(
            history.values[~own],
            history.times[~own],
            others,
            options=replace(options, stable=False),
        )
        fresh = replace(fitted, last=np.full(len(fitted.rho), np.nan))
        mine = None if water is None else water[:, own]
        found.append(innovations(fresh, history.values[own], history.times[own], mine)[0])
        rho.append(fitted.rho)
    with np.errstate(invalid="ignore"):
        return found, np.asarray(np.mean(rho, axis=0))
