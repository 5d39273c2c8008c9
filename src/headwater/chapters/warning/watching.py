"""Take new dates in, from where a watch stands, from its season's beginning, or from the start.

Nothing is remembered that the data do not say again: late and corrected data run again from the
checkpoint at the beginning of their season, and data older than that from the history.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning import series
from headwater.chapters.warning.kept import OpenAlert, WatchState
from headwater.chapters.warning.run import Plan, named_reasons
from headwater.warning import seasonal_percentile
from headwater.warning.baseline import season_parts
from headwater.warning.drought import advance_drought
from headwater.warning.ladder import STATES
from headwater.warning.monitor import (
    Monitor,
    field_control,
    join_monitors,
    start_monitor,
    take_places,
    watch_dates,
)

__all__ = ["Archive", "Arrived", "begin_watch", "find_alerts", "go_on", "shown_cells", "since"]

_BEFORE = 40
"""Days of greenness read before the date from which a watch goes on: more than one composite."""
_WATER_BEFORE = 110
"""Days of water read before it: lags, and the steps that they are made of."""
_PENTAD = 5
_ON = np.uint8(128)
_NONE = -(10**6)


@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """All that is known of the grids: what the study aligned, and what has come since.

    Attributes
    ----------
    green : DataArray (time, y, x)
        Lazy, by day.
    today : datetime64[D]
        Composites that end later wait, as more of them may come.
    megabytes : float
        Of one block in memory.
    water, rain, demand : DataArray (time, y, x) or None
    """

    green: xr.DataArray
    today: np.datetime64
    megabytes: float
    water: xr.DataArray | None = None
    rain: xr.DataArray | None = None
    demand: xr.DataArray | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """Days that have come or changed since the last time.

    Attributes
    ----------
    green, water, rain, demand : tuple of datetime64[D]
    """

    green: tuple[np.datetime64, ...] = ()
    water: tuple[np.datetime64, ...] = ()
    rain: tuple[np.datetime64, ...] = ()
    demand: tuple[np.datetime64, ...] = ()


def begin_watch(archive: Archive, plan: Plan, key: str) -> WatchState:
    """Learn the histories, and take in all that has been seen since.

    Parameters
    ----------
    archive : Archive
    plan : Plan
    key : str
        Of options and archive.

    Returns
    -------
    WatchState
    """
    then, now = _followed(archive, plan, None, None)
    return _with_drought(WatchState(key, plan, now, then), archive, fresh=True)


def go_on(state: WatchState, archive: Archive, arrived: Arrived) -> tuple[WatchState, str]:
    """Take what has come in.

    Parameters
    ----------
    state : WatchState
    archive : Archive
        With what has come.
    arrived : Arrived
        What of it is new or another than before.

    Returns
    -------
    state : WatchState
    how : {"on", "again from the season", "again from the history"}
    """
    first = _first_affected(state.plan, arrived)
    dry_again = any(_day(one) <= state.drought_day + _PENTAD for one in arrived.water)
    if first > state.now.last:
        then, now = _followed(archive, state.plan, state.now, state.checkpoint)
        how = "on"
    elif first > state.checkpoint.last:
        then, now = _followed(archive, state.plan, state.checkpoint, state.checkpoint)
        how = "again from the season"
    else:
        then, now = _followed(archive, state.plan, None, None)
        how = "again from the history"
    changed = replace(state, now=now, checkpoint=then)
    return _with_drought(changed, archive, fresh=dry_again), how


def _day(day: np.datetime64) -> int:
    return int(day.astype(np.int64))


def _first_affected(plan: Plan, arrived: Arrived) -> int:
    """First day of the season's calendar whose comparison the new days can change."""
    found = [10**9]
    for day in arrived.green:
        at = day
        if not plan.own_times:
            one = xr.DataArray(np.zeros(1), {"time": [day.astype("datetime64[ns]")]}, "time")
            at = series.composites(one, plan.options.step, own_times=False)[0][0]
        found.append(_day(plan.calendar.moved([at])[0]))
    if plan.form is not None:
        # a day of water enters its pentad, and with it every later date within the lags
        found += [_day(plan.calendar.moved([day])[0]) - _PENTAD for day in arrived.water]
    return min(found)


def since(archive: Archive, plan: Plan, day: int) -> tuple[xr.DataArray, xr.DataArray | None]:
    """Cut what it takes to compare the dates after a day.

    Parameters
    ----------
    archive : Archive
    plan : Plan
    day : int
        Of the season's calendar, days since 1970 [d].

    Returns
    -------
    green : DataArray
    water : DataArray or None
        None where water does not enter the baseline.
    """

    def after(data: xr.DataArray, first: int) -> xr.DataArray:
        return data.isel(time=series.days_of(data).astype(np.int64) - plan.calendar.shift > first)

    water = None
    if plan.form is not None and archive.water is not None:
        water = after(archive.water, day - _WATER_BEFORE)
    return after(archive.green, day - _BEFORE), water


def _followed(
    archive: Archive, plan: Plan, start: Monitor | None, checkpoint: Monitor | None
) -> tuple[Monitor, Monitor]:
    """Give the monitor at the beginning of the newest season, and after the newest date."""
    green, water = archive.green, archive.water if plan.form is not None else None
    if start is not None:
        green, water = since(archive, plan, start.last)
        if not green.sizes["time"]:
            return checkpoint or start, start
    width = green.sizes["x"]
    blocks = series.blocks_of(
        green, water, plan.options.step, archive.megabytes, own_times=plan.own_times
    )
    then, now = [], []
    for block in blocks:
        cells = slice(block.rows.start * width, min(block.rows.stop, green.sizes["y"]) * width)
        own = None if start is None else take_places(start, cells)
        old = None if checkpoint is None else take_places(checkpoint, cells)
        one, two = _followed_block(block, plan, own, old, archive.today)
        then.append(one)
        now.append(two)
    return join_monitors(then), join_monitors(now)


def _followed_block(
    block: series.Block,
    plan: Plan,
    start: Monitor | None,
    checkpoint: Monitor | None,
    today: np.datetime64,
) -> tuple[Monitor, Monitor]:
    water, times = plan.covariates(block), plan.calendar.moved(block.times)

    def of(rows: NDArray[np.bool_]) -> Any:
        return block.green[rows], times[rows], None if water is None else water[:, rows]

    if start is None:
        past = block.times < plan.split
        start = start_monitor(*of(past), thresholds=plan.thresholds, options=plan.calendar.options)
        start = named_reasons(start, block.green[past])
        checkpoint = start
    assert checkpoint is not None
    ready = (block.times >= plan.split) & (times.astype(np.int64) > start.last)
    ready &= _whole(block.times, plan, today)
    if not ready.any():
        return checkpoint, start
    season = times.astype("datetime64[Y]").astype(np.int64) + 1970
    newest = season == season[ready][-1]
    if start.ladder.season != season[ready][-1]:
        _, start = watch_dates(start, *of(ready & ~newest))
        checkpoint = start
    _, now = watch_dates(start, *of(ready & newest))
    return checkpoint, now


def _whole(times: NDArray[np.datetime64], plan: Plan, today: np.datetime64) -> NDArray[np.bool_]:
    """Say which composites have ended: those that another follows, or whose days are over."""
    if plan.own_times:
        return np.ones(len(times), dtype=bool)
    ends = times + np.timedelta64(plan.options.step - plan.options.step // 2, "D")
    whole = ends <= today
    whole[:-1] = True
    return np.asarray(whole)


def _with_drought(state: WatchState, archive: Archive, *, fresh: bool) -> WatchState:
    """Take the pentads of the present season in that have come since the last time."""
    water, plan = archive.water, state.plan
    if water is None:
        return state
    days = series.days_of(water)
    middle, starts = series.composites(water, _PENTAD)
    moved = plan.calendar.moved(middle)
    inside = season_parts(moved, plan.calendar.options) >= 0
    ended = middle + np.timedelta64(_PENTAD - _PENTAD // 2, "D") <= archive.today
    ended[:-1] = True
    inside &= ended
    if not inside.any():
        return state
    year = moved.astype("datetime64[Y]")
    newest = inside & (year == year[inside][-1])
    known = _NONE if fresh else state.drought_day
    if known < _day(moved[newest][0]):
        known = _NONE  # a drought does not outlast its season
    new = newest & (moved.astype(np.int64) > known)
    size = water.sizes["y"] * water.sizes["x"]
    dry = np.zeros(size, np.uint8) if known == _NONE else state.drought
    if not new.any():
        return state
    rows = _near(moved, new)
    last = np.append(starts[1:], len(days))
    chosen = np.concatenate([np.arange(starts[one], last[one]) for one in rows])
    dry = _dried(water.isel(time=chosen), plan, dry, moved[new], archive.megabytes)
    return replace(state, drought=dry, drought_day=_day(moved[new][-1]))


def _near(moved: NDArray[np.datetime64], new: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Find the pentads of all years that the new ones are compared with."""
    day = (moved - moved.astype("datetime64[Y]")).astype(np.int64)
    apart = np.abs(day[:, None] - np.unique(day[new])[None, :]).min(axis=1)
    return np.flatnonzero(np.minimum(apart, 365 - apart) <= 16)


def _dried(
    water: xr.DataArray,
    plan: Plan,
    dry: NDArray[np.uint8],
    new: NDArray[np.datetime64],
    megabytes: float,
) -> NDArray[np.uint8]:
    found, width = dry.copy(), water.sizes["x"]
    options = plan.options
    for block in series.blocks_of(water, water, 1, megabytes, own_times=True):
        assert block.water is not None
        cells = slice(block.rows.start * width, min(block.rows.stop, water.sizes["y"]) * width)
        moved = plan.calendar.moved(block.water.indexes["time"].to_numpy())
        if not np.isfinite(block.water.values).any():
            continue
        percentile = seasonal_percentile(block.water.values, moved, ties="highest")
        on, count = (found[cells] & _ON) > 0, (found[cells] & ~_ON).astype(np.int64)
        for row in np.flatnonzero(np.isin(moved, new)):
            on, count = advance_drought(
                on,
                count,
                percentile[row],
                begins=options.drought_at,
                ends=options.drought_ends,
                persist=options.drought_steps,
            )
        found[cells] = np.minimum(count, 127).astype(np.uint8) | np.where(on, _ON, np.uint8(0))
    return found


def shown_cells(monitor: Monitor, plan: Plan) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Say which cells stand out on the whole map, and give their p.

    Parameters
    ----------
    monitor : Monitor
    plan : Plan

    Returns
    -------
    shown : ndarray of bool, shape (n_cells,)
    p : ndarray, shape (n_cells,)
    """
    fitted = monitor.baseline
    known = fitted.reason == 0
    peak, memory = (np.where(known, one, np.nan) for one in (monitor.peak, fitted.rho))
    p = plan.thresholds.p_value(peak, memory, monitor.n_seasons)
    return field_control(p, share=plan.options.map_share), p


def find_alerts(state: WatchState, shape: tuple[int, int]) -> tuple[OpenAlert, ...]:
    """Group neighbouring cells that stand out; a group keeps the name of the one it grew from.

    Parameters
    ----------
    state : WatchState
        With the alerts that were open before.
    shape : tuple of int
        Of the grid.

    Returns
    -------
    tuple of OpenAlert
    """
    from scipy import ndimage

    rungs = state.now.ladder.state
    shown, _ = shown_cells(state.now, state.plan)
    on = shown & (rungs >= 1) & (rungs <= 3)
    groups, count = ndimage.label(on.reshape(shape), structure=np.ones((3, 3)))
    flat, least = groups.ravel(), state.plan.options.min_cells
    sizes = np.bincount(flat, minlength=count + 1)
    before = {one.target: one.cells for one in state.alerts}
    found = []
    for group in sorted(range(1, count + 1), key=lambda one: -sizes[one]):
        if sizes[group] < least:
            continue
        cells = np.flatnonzero(flat == group)
        name = _name_of(cells, before, state.now)
        before.pop(name, None)
        found.append(OpenAlert(name, STATES[int(np.bincount(rungs[cells]).argmax())], cells))
    return tuple(found)


def _name_of(
    cells: NDArray[np.int64], before: dict[str, NDArray[np.int64]], monitor: Monitor
) -> str:
    shared = {name: len(np.intersect1d(cells, own)) for name, own in before.items()}
    best = max(shared, key=lambda name: shared[name], default=None)
    if best is not None and shared[best]:
        return best
    first = np.datetime64(int(monitor.ladder.since[cells].min()), "D")
    return f"{first}-{int(cells[0])}"
