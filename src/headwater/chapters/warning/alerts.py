"""Alerts on the map: neighbouring cells that stand out, and the series that say so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning import series
from headwater.chapters.warning.run import Plan, Seen
from headwater.grids import cell_area
from headwater.warning.baseline import expected_values, season_parts
from headwater.warning.ladder import STATES
from headwater.warning.monitor import start_monitor, watch_dates

__all__ = ["alert_rows", "evidence_rows", "label_alerts"]

_COLUMNS = ["alert", "state", "cells", "area", "x", "y", "first_watch", "confirmed", "loss"]
_COLUMNS += ["loss_share", "water_part", "p", "n"]
_MOST_SHOWN = 6
_MOST_CELLS = 400
_BAND = 1.96


def label_alerts(seen: Seen, min_cells: int) -> NDArray[np.int32]:
    """Find groups of neighbouring cells that stand out, and number them, the largest first.

    Parameters
    ----------
    seen : Seen
    min_cells : int
        Smaller groups are left out.

    Returns
    -------
    ndarray of int, shape (y, x)
        0 for no alert.
    """
    from scipy import ndimage

    state = seen.cells["state"]
    worst = seen.cells["season_state"].max(axis=0)
    on = seen.cells["shown"] & ((state >= 1) | (worst == 3))
    groups, count = ndimage.label(on, structure=np.ones((3, 3)))
    sizes = np.bincount(groups.ravel(), minlength=count + 1)[1:]
    numbers = np.zeros(count + 1, dtype=np.int32)
    kept = [one for one in np.argsort(-sizes, kind="stable") if sizes[one] >= min_cells]
    numbers[[one + 1 for one in kept]] = np.arange(1, len(kept) + 1)
    return np.asarray(numbers[groups])


def alert_rows(seen: Seen, alerts: NDArray[np.int32], grid: xr.DataArray) -> pd.DataFrame:
    """Describe each alert.

    Parameters
    ----------
    seen : Seen
    alerts : ndarray of int (y, x)
        From :func:`label_alerts`.
    grid : DataArray (y, x)
        A map on the study grid.

    Returns
    -------
    DataFrame
        Columns of :class:`headwater.chapters.warning.results.AlertTable`.
    """
    area = cell_area(grid).values
    x, y = np.meshgrid(grid["x"].values, grid["y"].values)
    cells = seen.cells
    rows = []
    for number in range(1, int(alerts.max(initial=0)) + 1):
        own = alerts == number
        loss, expected = float(cells["loss"][own].mean()), float(cells["expected"][own].mean())
        rows.append(
            {
                "alert": number,
                "state": _state_of(cells, own),
                "cells": int(own.sum()),
                "area": float(area[own].sum()),
                "x": float(x[own].mean()),
                "y": float(y[own].mean()),
                "first_watch": _day(np.nanmin(cells["first_watch"][own])),
                "confirmed": _day(_least(cells["confirmed"][own])),
                "loss": loss,
                "loss_share": loss / expected,
                "water_part": float(cells["water_part"][own].mean()),
                "p": float(cells["p"][own].max()),
                "n": int(cells["n"][own].min()),
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _state_of(cells: dict[str, NDArray[Any]], own: NDArray[np.bool_]) -> str:
    """Give the state of most cells, of those on the ladder the highest before restored."""
    states = cells["state"][own]
    open_ones = states[(states >= 1) & (states <= 3)]
    if len(open_ones):
        return STATES[int(np.bincount(open_ones).argmax())]
    return STATES[4] if (states == 4).any() else "resolved"


def _least(days: NDArray[Any]) -> float:
    seen = days[np.isfinite(days)]
    return float(seen.min()) if len(seen) else float("nan")


def _day(days: float) -> str:
    return "" if not np.isfinite(days) else str(np.datetime64(int(days), "D"))


def evidence_rows(
    green: xr.DataArray, water: xr.DataArray | None, alerts: NDArray[np.int32], plan: Plan
) -> pd.DataFrame:
    """Read the series of the largest alerts again, with what was expected of them.

    Parameters
    ----------
    green, water : DataArray (time, y, x)
    alerts : ndarray of int (y, x)
    plan : Plan

    Returns
    -------
    DataFrame
        Columns of :class:`headwater.chapters.warning.results.EvidenceTable`.
    """
    found = []
    for number in range(1, min(int(alerts.max(initial=0)), _MOST_SHOWN) + 1):
        row, column = np.nonzero(alerts == number)
        chosen = np.unique(np.linspace(0, len(row) - 1, min(len(row), _MOST_CELLS)).astype(int))
        cells = np.stack([row[chosen], column[chosen]])
        block = series.picked(green, water, cells, plan.options.step)
        found.append(_evidence(block, plan).assign(alert=number))
    return pd.concat(found) if found else pd.DataFrame()


def _evidence(block: series.Block, plan: Plan) -> pd.DataFrame:
    times = plan.calendar.moved(block.times)
    past = block.times < plan.split
    water = plan.covariates(block)
    before, after = (None if water is None else water[:, part] for part in (past, ~past))
    monitor = start_monitor(
        block.green[past],
        times[past],
        before,
        thresholds=plan.thresholds,
        options=plan.calendar.options,
    )
    part = season_parts(times, plan.calendar.options)
    expected = expected_values(monitor.baseline, times, water)
    spread = _BAND * np.asarray(monitor.baseline.spread)[:, np.maximum(part, 0)].T
    seen, _ = watch_dates(monitor, block.green[~past], times[~past], after)
    ratio = np.full(len(past), np.nan)
    ratio[~past] = np.nan_to_num(seen.statistic / monitor.chart.threshold).mean(axis=1)
    there = np.isfinite(block.green) & np.isfinite(expected)
    columns = {
        "observed": block.green,
        "expected": expected,
        "low": expected - spread,
        "high": expected + spread,
    }
    means = {name: _over_cells(values, there) for name, values in columns.items()}
    stamps = block.times.astype("datetime64[ns]")
    table = pd.DataFrame({"date": stamps} | means)
    return table.assign(statistic=ratio, n=there.sum(axis=1))[part >= 0]


def _over_cells(values: Any, there: NDArray[np.bool_]) -> Any:
    n = there.sum(axis=1)
    return np.where(n > 0, np.where(there, values, 0.0).sum(axis=1) / np.maximum(n, 1), np.nan)
