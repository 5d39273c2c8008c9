"""Watch the study's grids: histories, charts, ladders and drought, block by block of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning import series
from headwater.chapters.warning.options import WarningOptions
from headwater.chapters.warning.series import Block, Calendar, WaterForm
from headwater.errors import DataError
from headwater.study.cluster import each
from headwater.warning import (
    calibrate_thresholds,
    drought_class,
    fit_baseline,
    innovations,
    seasonal_percentile,
)
from headwater.warning.baseline import (
    REASONS,
    BaselineOptions,
    expected_values,
    pool_memory,
    season_parts,
)
from headwater.warning.charts import DETECTORS, Detector, Thresholds, Tolerance
from headwater.warning.drought import drought_watch
from headwater.warning.monitor import Monitor, Watched, field_control, start_monitor, watch_dates
from headwater.warning.rehearsal import History, raise_thresholds

if TYPE_CHECKING:
    from headwater.study.step import Context

__all__ = ["Plan", "Seen", "make_plan", "named_reasons", "reference_season", "watch_grid"]

Floats = NDArray[np.float64]

_PENTAD = 5
_REPLAYED, _POOLED = 400, 2000
_SHOCKS = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What holds for all cells.

    Attributes
    ----------
    options : WarningOptions
    calendar : Calendar
    months : tuple of int
        First and last month of the growing season.
    split : datetime64
        First day watched.
    form : WaterForm or None
        How water enters the baseline.
    thresholds : Thresholds
    missing : float
        Share of composites of the history's seasons without a value, mean of cells [1].
    own_times : bool
        Whether the greenness keeps its own times, its steps being no shorter than composites.
    """

    options: WarningOptions
    calendar: Calendar
    months: tuple[int, int]
    split: np.datetime64
    form: WaterForm | None
    thresholds: Thresholds
    missing: float
    own_times: bool

    def covariates(self, block: Block) -> Floats | None:
        """Transform the water of a block to what the baseline takes."""
        if self.form is None or block.water is None:
            return None
        return series.water_of(block.water, block.times, self.form)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was seen of all cells, by row of the grid.

    Attributes
    ----------
    cells : dict of ndarray (y, x) or (season, y, x)
    shares : DataFrame
        Columns of the timeline, as counts.
    p, shown : ndarray (y, x)
    """

    cells: dict[str, NDArray[Any]]
    shares: pd.DataFrame
    seasons: tuple[int, ...]
    drought_seasons: tuple[int, ...]


def make_plan(
    green: xr.DataArray,
    water: xr.DataArray | None,
    options: WarningOptions,
    *,
    growing_season: tuple[int, int],
    rng: np.random.Generator,
    n_seasons: int = 1,
) -> Plan:
    """Choose the response to water, and calibrate thresholds, on a sample of cells.

    Parameters
    ----------
    green, water : DataArray (time, y, x)
    options : WarningOptions
    growing_season : tuple of int
        First and last month.
    rng : numpy.random.Generator
    n_seasons : int
        Seasons for which thresholds are to hold at least; more where more have been watched.

    Returns
    -------
    Plan

    Raises
    ------
    DataError
        If no history, or none in the growing season, is there.
    """
    calendar = series.calendar_of(growing_season, options)
    times, _ = series.composites(green, options.step)
    split = series.split_day(pd.DatetimeIndex(times), options)
    sample = _sample_block(green, water, options)
    past = times < split
    in_season = season_parts(calendar.moved(times), calendar.options) >= 0
    _check_season(past, in_season, calendar, split)
    seen = np.isfinite(sample.green[past & in_season])
    alive = seen.any(axis=0)
    missing = float(1 - seen[:, alive].mean()) if alive.any() else 0.0
    form = None
    if sample.water is not None:
        cube = xr.DataArray(sample.green[past], {"time": times[past]}, ("time", "cell"))
        months = _months(growing_season)
        form = series.pooled_form(cube, sample.water, months, rng)
    bare = Plan(
        options=options,
        calendar=calendar,
        months=growing_season,
        split=split,
        form=form,
        thresholds=_NO_THRESHOLDS,
        missing=missing,
        own_times=series.keeps_times(series.days_of(green), options.step),
    )
    bare = replace(bare, calendar=_pooled(bare, sample, rng))
    return replace(bare, thresholds=_calibrated(bare, sample, n_seasons, rng))


def _pooled(plan: Plan, sample: Block, rng: np.random.Generator) -> Calendar:
    """Let the cells of the sample say together what the memory of each is."""
    times, water = plan.calendar.moved(sample.times), plan.covariates(sample)
    past = sample.times < plan.split
    known = np.flatnonzero(np.isfinite(sample.green[past]).any(axis=0))
    some = rng.permutation(known)[:_POOLED]
    memory = pool_memory(
        sample.green[past][:, some],
        times[past],
        None if water is None else water[:, past][:, :, some],
        rng=rng,
        options=plan.calendar.options,
    )
    return replace(plan.calendar, options=replace(plan.calendar.options, memory=memory))


_NO_THRESHOLDS = Thresholds(
    rate=0.01,
    detector=Detector(),
    rho=np.zeros(1),
    threshold=np.ones(1),
    n_resamples=0,
    quantiles=np.ones((1, 1, 1)),
    tail=np.ones((1, 1, 2)),
    deviation=np.zeros(1),
    memory=np.zeros(1),
)


def _check_season(
    past: NDArray[np.bool_], in_season: NDArray[np.bool_], calendar: Calendar, split: object
) -> None:
    for part, words in ((past, "history"), (~past, "watched time")):
        if not (part & in_season).any():
            raise DataError(
                f"a {words} without a growing season",
                found=f"no date within days {calendar.options.season} of the season's year; the "
                f"watch begins {split}",
                do="Correct growing_season in [study], or watch_from in [warning]",
            )


def _months(season: tuple[int, int]) -> tuple[int, ...]:
    first, last = season
    count = (last - first) % 12 + 1
    return tuple((first + one - 1) % 12 + 1 for one in range(count))


def _sample_block(
    green: xr.DataArray, water: xr.DataArray | None, options: WarningOptions
) -> Block:
    """Read some rows, spread over the grid, as one block."""
    rows = np.unique(np.linspace(0, green.sizes["y"] - 1, 8).astype(int))
    some = green.isel(y=rows)
    own = None if water is None else water.isel(y=rows)
    return next(series.blocks_of(some, own, options.step, 1e9))


def _calibrated(plan: Plan, sample: Block, least: int, rng: np.random.Generator) -> Thresholds:
    """Set thresholds for these dates, gaps and residuals."""
    times = plan.calendar.moved(sample.times)
    past = sample.times < plan.split
    water = plan.covariates(sample)
    fitted = fit_baseline(
        sample.green[past],
        times[past],
        None if water is None else water[:, past],
        options=replace(plan.calendar.options, stable=False),
    )
    u, _ = innovations(
        fitted, sample.green[past], times[past], None if water is None else water[:, past]
    )
    n_seasons = max(len(np.unique(times[~past].astype("datetime64[Y]"))), least)
    rate = min(plan.options.false_alarms, 0.9 / n_seasons)
    tolerance = Tolerance(
        rate=rate,
        detector=DETECTORS[plan.options.detector],
        n_seasons=n_seasons,
        missing=min(plan.missing, 0.9),
        n_covariates=0 if plan.form is None else 1,
        n_resamples=max(8_000, int(50 / (rate * n_seasons))),
        shocks=_shocks(u[np.isfinite(u)], rng),
    )
    limits = calibrate_thresholds(
        times[past],
        reference_season(times, past, plan.calendar.options),
        rng=rng,
        tolerance=tolerance,
        options=plan.calendar.options,
    )
    some = rng.permutation(sample.green.shape[1])[:_REPLAYED]
    history = History(
        sample.green[past][:, some],
        times[past],
        None if water is None else water[:, past][:, :, some],
    )
    return raise_thresholds(
        limits, history, rng=rng, options=plan.calendar.options, n_seasons=n_seasons
    )


def _shocks(pool: Floats, rng: np.random.Generator) -> Floats | None:
    """Take a standardised sample of innovations, if there are enough to show their shape."""
    if len(pool) < 1000:
        return None
    chosen = rng.choice(pool, min(_SHOCKS, len(pool)), replace=False)
    return np.asarray((chosen - chosen.mean()) / chosen.std())


def reference_season(
    times: NDArray[np.datetime64], past: NDArray[np.bool_], options: BaselineOptions
) -> NDArray[np.datetime64]:
    """Take the dates of the fullest year as those of a year to come.

    The season that is being watched may have just begun.

    Parameters
    ----------
    times : ndarray of datetime64[D]
        Of the season's calendar.
    past : ndarray of bool
        Which of them are of the history.
    options : BaselineOptions

    Returns
    -------
    ndarray of datetime64[D]
        In the year after the history.
    """
    year = times.astype("datetime64[Y]")
    known, counts = np.unique(year[season_parts(times, options) >= 0], return_counts=True)
    fullest = known[len(known) - 1 - counts[::-1].argmax()]
    own = times[year == fullest]
    first = (times[past][-1].astype("datetime64[Y]") + 1).astype("datetime64[D]")
    return np.asarray(own - fullest.astype("datetime64[D]") + first)


def watch_grid(
    context: Context,
    green: xr.DataArray,
    water: xr.DataArray | None,
    plan: Plan,
    progress: Callable[[float], None],
) -> Seen:
    """Watch every cell.

    Parameters
    ----------
    context : Context
    green, water : DataArray (time, y, x)
    plan : Plan
    progress : callable
        Of the share done.

    Returns
    -------
    Seen
    """
    parts, counts = [], []
    rows = list(series.rows_of(green, water, plan.options.step, context.settings.chunk_mb))
    for cells, count, *both in each(partial(_watch_rows, green, water, plan), rows):
        parts.append(cells)
        counts.append(count)
        seasons, drought_seasons = both
        progress(len(parts) / len(rows))
    width = green.sizes["x"]
    found = {
        name: np.concatenate(
            [part[name].reshape(*part[name].shape[:-1], -1, width) for part in parts], -2
        )
        for name in parts[0]
    }
    # of the whole map at once: what is known of its memory corrects that of each cell
    known, peak = found["reason"] == 0, found.pop("peak")
    memory = np.where(known, found["memory"], np.nan)
    p = plan.thresholds.p_value(np.where(known, peak, np.nan), memory, len(seasons))
    found["p"] = p
    found["shown"] = field_control(p.ravel(), share=plan.options.map_share).reshape(p.shape)
    table = pd.concat(counts)
    names = ["date", "quantity", "state"]
    shares = table.groupby(names, sort=False, as_index=False).sum()
    return Seen(found, shares.sort_values(names, kind="stable"), seasons, drought_seasons)


def _watch_rows(
    green: xr.DataArray, water: xr.DataArray | None, plan: Plan, rows: slice
) -> tuple[dict[str, NDArray[Any]], pd.DataFrame, tuple[int, ...], tuple[int, ...]]:
    """Read some rows and watch them, wherever that is."""
    block = series.block_of(green, water, plan.options.step, rows)
    cells, count, seasons = _watch_block(block, plan)
    drought_seasons: tuple[int, ...] = ()
    if block.water is not None:
        dry, dry_count, drought_seasons = _drought_of(block.water, plan)
        cells |= dry
        count = pd.concat([count, dry_count])
    return cells, count, seasons, drought_seasons


def _watch_block(
    block: Block, plan: Plan
) -> tuple[dict[str, NDArray[Any]], pd.DataFrame, tuple[int, ...]]:
    times = plan.calendar.moved(block.times)
    past = block.times < plan.split
    water = plan.covariates(block)
    monitor = start_monitor(
        block.green[past],
        times[past],
        None if water is None else water[:, past],
        thresholds=plan.thresholds,
        options=plan.calendar.options,
    )
    later = None if water is None else water[:, ~past]
    seen, monitor = watch_dates(monitor, block.green[~past], times[~past], later)
    monitor = named_reasons(monitor, block.green[past])
    cells = _cells_of(monitor)
    cells |= _dates_of(seen, block.times[~past])
    cells |= _losses(monitor, block, plan, water)
    year = (times[~past].astype("datetime64[Y]").astype(int) + 1970).astype(int)
    seasons = tuple(int(one) for one in np.unique(year))
    ends = [np.flatnonzero(year == one)[-1] for one in seasons]
    cells["season_state"] = seen.state[ends]
    return cells, _counted(seen.state, block.times[~past]), seasons


def named_reasons(monitor: Monitor, history: Floats) -> Monitor:
    """Say that cells without any value lie outside the area: they are no cells without a model.

    Parameters
    ----------
    monitor : Monitor
    history : ndarray, shape (n_times, n_cells)

    Returns
    -------
    Monitor
    """
    outside = ~np.isfinite(history).any(axis=0)
    reason = np.where(outside, len(REASONS), monitor.baseline.reason).astype(np.int8)
    return replace(monitor, baseline=replace(monitor.baseline, reason=reason))


def _cells_of(monitor: Monitor) -> dict[str, NDArray[Any]]:
    fitted = monitor.baseline
    return {
        "state": monitor.ladder.state,
        "reason": fitted.reason,
        "since": np.where(monitor.ladder.since > -(2**31), monitor.ladder.since, np.nan),
        "peak": np.asarray(monitor.peak, dtype=np.float64),
        "memory": np.asarray(fitted.rho, dtype=np.float64),
        "n": fitted.n.astype(np.int32),
    }


def _dates_of(seen: Watched, times: NDArray[np.datetime64]) -> dict[str, NDArray[Any]]:
    """First watch, and the day of confirmation, as days since 1970."""
    days = times.astype(np.int64).astype(float)
    found = {}
    for name, reached in (("first_watch", (seen.state >= 1)), ("confirmed", seen.state == 3)):
        found[name] = np.where(reached.any(axis=0), days[reached.argmax(axis=0)], np.nan)
    return found


def _losses(
    monitor: Monitor, block: Block, plan: Plan, water: Floats | None
) -> dict[str, NDArray[Any]]:
    """Observed less expected in the last season, and what water added to what was expected."""
    times = plan.calendar.moved(block.times)
    year = times.astype("datetime64[Y]")
    inside = season_parts(times, plan.calendar.options) >= 0
    last = inside & (year == year[-1])
    if not last.any():
        last = inside & (year == year[inside][-1])
    now = None if water is None else water[:, last]
    expected = expected_values(monitor.baseline, times[last], now)
    with np.errstate(invalid="ignore"):
        loss = _mean(block.green[last] - expected)
        part = np.zeros(loss.shape)
        if water is not None:
            normal = _mean_season(water[0], times, inside & (block.times < plan.split), last)
            gain = np.asarray(monitor.baseline.coefficients[:, -1], dtype=np.float64)
            part = _mean(gain * (water[0][last] - normal))
    return {"loss": loss, "water_part": part, "expected": _mean(expected)}


def _mean(values: Floats) -> Floats:
    n = np.isfinite(values).sum(axis=0)
    return np.asarray(np.where(n > 0, np.nansum(values, axis=0), np.nan) / np.maximum(n, 1))


def _mean_season(
    water: Floats, times: NDArray[Any], past: NDArray[np.bool_], rows: NDArray[np.bool_]
) -> Floats:
    """Mean water of the history at the same time of year as the rows, within 12 days."""
    day = (times - times.astype("datetime64[Y]")).astype(np.int64)
    found = np.empty((int(rows.sum()), water.shape[1]))
    for at, one in enumerate(day[rows]):
        near = past & (np.abs(day - one) <= 12)
        found[at] = _mean(water[near]) if near.any() else np.nan
    return found


def _counted(state: NDArray[np.int8], times: NDArray[np.datetime64]) -> pd.DataFrame:
    from headwater.warning.ladder import STATES

    rows = [
        {
            "date": np.datetime64(day, "ns"),
            "quantity": "degradation",
            "state": name,
            "cells": int((now == code).sum()),
            "n": int((now >= 0).sum()),
        }
        for day, now in zip(times, state, strict=True)
        for code, name in enumerate(STATES)
        if code
    ]
    return pd.DataFrame(rows)


def _drought_of(
    water: xr.DataArray, plan: Plan
) -> tuple[dict[str, NDArray[Any]], pd.DataFrame, tuple[int, ...]]:
    """Percentiles of pentads in the growing season, and when a drought was on."""
    times = water.indexes["time"].to_numpy().astype("datetime64[D]")
    values = np.asarray(water.values, dtype=np.float64)
    moved = plan.calendar.moved(times)
    inside = season_parts(moved, plan.calendar.options) >= 0
    times, values, moved = times[inside], values[inside], moved[inside]
    percentile = seasonal_percentile(values, moved, ties="highest")
    year = (moved.astype("datetime64[Y]").astype(int) + 1970).astype(int)
    options = plan.options
    on = drought_watch(
        percentile,
        year,
        begins=options.drought_at,
        ends=options.drought_ends,
        persist=options.drought_steps,
    )
    seasons = tuple(int(one) for one in np.unique(year))
    step = float(np.median(np.diff(times).astype(int))) if len(times) > 1 else _PENTAD
    seen = np.isfinite(percentile)
    days = np.stack([step * on[year == one].sum(axis=0) for one in seasons])
    known = np.stack([seen[year == one].any(axis=0) for one in seasons])
    cells = {
        "drought_days": np.where(known, days, np.nan),
        "percentile": percentile[-1],
        "drought_class": drought_class(percentile[-1]),
        "ssi": _ssi(values, moved),
    }
    count = pd.DataFrame(
        {
            "date": times.astype("datetime64[ns]"),
            "quantity": "drought",
            "state": "drought",
            "cells": on.sum(axis=1),
            "n": seen.sum(axis=1),
        }
    )
    return cells, count, seasons


def _ssi(values: Floats, times: NDArray[Any]) -> Floats:
    """Standardised soil moisture of the last month; NaN with fewer than ten years."""
    from headwater.warning import standardise

    month = times.astype("datetime64[M]")
    known = np.unique(month)
    monthly = np.stack([_mean(values[month == one]) for one in known])
    period = (known.astype(int) % 12).astype(int)
    try:
        return np.asarray(standardise(monthly, period, distribution="empirical")[-1])
    except DataError:
        return np.full(values.shape[1], np.nan)
