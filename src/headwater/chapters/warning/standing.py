"""What stands as an alert now, in words and numbers, in English and Chinese."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning import series
from headwater.chapters.warning.kept import OpenAlert, WatchState
from headwater.chapters.warning.watching import Archive, shown_cells, since
from headwater.warning.baseline import REASONS, expected_values, season_parts
from headwater.warning.ladder import STATES
from headwater.warning.monitor import take_places

__all__ = ["Standing", "drought_share", "drought_standing", "ended_as", "loss_standings"]

SEVERITY = {"watch": "Minor", "warning": "Moderate", "confirmed": "Severe", "drought": "Moderate"}
_CHINESE = {"watch": "关注", "warning": "预警", "confirmed": "确认退化"}
_MOST_CELLS = 400
_MOST_POINTS = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """One alert as it stands.

    Attributes
    ----------
    target : str
        What it is of; the same as long as it lasts.
    rung : str
        ``watch``, ``warning`` or ``confirmed``.
    severity : str
        Of the Common Alerting Protocol.
    headline, headline_zh : str
    detail : dict
        Evidence: numbers with their units, and the outline [degrees].
    """

    target: str
    rung: str
    severity: str
    headline: str
    headline_zh: str
    detail: dict[str, Any] = field(default_factory=dict)


def loss_standings(
    state: WatchState, archive: Archive, grid: xr.DataArray, name: str
) -> Iterator[Standing]:
    """Describe the alerts of vegetation that are open.

    Parameters
    ----------
    state : WatchState
    archive : Archive
    grid : DataArray (y, x)
        A map on the study grid, with its reference system.
    name : str
        What greenness is called.

    Yields
    ------
    Standing
    """
    from headwater.grids import cell_area

    area = cell_area(grid).values.ravel()
    _, p = shown_cells(state.now, state.plan)
    for one in state.alerts:
        ring, middle = _outline(one.cells, grid)
        part = take_places(state.now, one.cells)
        ladder = part.ladder
        with np.errstate(invalid="ignore", divide="ignore"):
            departure = ladder.total / ladder.n
        facts: dict[str, Any] = {
            "state": one.state,
            "cells": len(one.cells),
            "area_km2": round(float(area[one.cells].sum()), 3),
            "longitude": round(middle[0], 5),
            "latitude": round(middle[1], 5),
            "last_day": str(np.datetime64(state.now.last + state.plan.calendar.shift, "D")),
            "departure_sd": _rounded(float(np.nanmean(departure)), 2) if ladder.n.any() else None,
            "dates_of_season": int(np.median(ladder.n)),
            "p_largest": _rounded(float(np.nanmax(p[one.cells])), 6),
            "history_n_least": int(part.baseline.n.min()),
            "false_alarms_per_season": state.plan.thresholds.rate,
            "false_share_of_map": state.plan.options.map_share,
            "outline": ring,
        }
        facts |= _values(state, archive, one, part.last)
        where = f"{middle[0]:.3f}, {middle[1]:.3f}"
        size = f"{facts['area_km2']:.3g} km2 ({len(one.cells)} cells)"
        seen = ""
        if facts.get("observed") is not None:
            seen = f"; {name} {facts['observed']:.2f} where {facts['expected']:.2f} was expected"
        yield Standing(
            one.target,
            one.state,
            SEVERITY[one.state],
            f"Vegetation loss, {one.state}: {size} near {where}{seen}",
            f"植被损失（{_CHINESE[one.state]}）：{facts['area_km2']:.3g} 平方千米，"
            f"位于东经 {middle[0]:.3f}°、北纬 {middle[1]:.3f}°",
            facts,
        )


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def _values(state: WatchState, archive: Archive, one: OpenAlert, last: int) -> dict[str, Any]:
    """Mean of what was observed and expected in the season, over the alert's cells."""
    chosen = one.cells[
        np.unique(np.linspace(0, len(one.cells) - 1, _MOST_CELLS).astype(int))
        if len(one.cells) > _MOST_CELLS
        else slice(None)
    ]
    plan, width = state.plan, archive.green.sizes["x"]
    green, water = since(archive, plan, last - 250)
    place = np.stack([chosen // width, chosen % width])
    block = series.picked(green, water, place, plan.options.step, own_times=plan.own_times)
    times = plan.calendar.moved(block.times)
    year = times.astype("datetime64[Y]")
    inside = season_parts(times, plan.calendar.options) >= 0
    rows = inside & (times.astype(np.int64) <= last)
    rows &= year == np.datetime64(last, "D").astype("datetime64[Y]")
    if not rows.any():
        return {}
    covariates = plan.covariates(block)
    fitted = take_places(state.now, chosen).baseline
    held = None if covariates is None else covariates[:, rows]
    expected, observed = expected_values(fitted, times[rows], held), block.green[rows]
    both = np.isfinite(expected) & np.isfinite(observed)
    if not both.any():
        return {}
    return {
        "observed": _rounded(observed[both].mean(), 4),
        "expected": _rounded(expected[both].mean(), 4),
        "n_compared": int(both.sum()),
    }


def _outline(
    cells: NDArray[np.int64], grid: xr.DataArray
) -> tuple[list[list[float]], tuple[float, float]]:
    """Convex outline of cells, and its middle [degrees]."""
    from pyproj import Transformer
    from shapely import MultiPoint

    from headwater.grids.geometry import crs_of, geobox_of

    rows, columns = np.divmod(cells, grid.sizes["x"])
    corner = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    x, y = (columns[:, None] + corner[:, 0]).ravel(), (rows[:, None] + corner[:, 1]).ravel()
    placed = geobox_of(grid).transform * (x, y)
    crs = crs_of(grid)
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*placed)
    hull: Any = MultiPoint(np.column_stack([lon, lat])).convex_hull
    tolerance = 0.0
    while len(hull.exterior.coords) > _MOST_POINTS:
        tolerance = 2 * tolerance or 1e-5
        hull = hull.simplify(tolerance)
    ring = [[round(float(a), 6), round(float(b), 6)] for a, b in hull.exterior.coords]
    return ring, (float(hull.centroid.x), float(hull.centroid.y))


def ended_as(state: WatchState, gone: OpenAlert) -> str:
    """Say how an alert that is no longer open has ended.

    Parameters
    ----------
    state : WatchState
        As it is now.
    gone : OpenAlert
        As it was.

    Returns
    -------
    {"restored", "resolved"}
        Restored where most of its cells were confirmed and have recovered since.
    """
    rungs = state.now.ladder.state[gone.cells]
    return "restored" if (rungs == STATES.index("restored")).mean() > 0.5 else "resolved"


def drought_share(state: WatchState) -> tuple[float, int]:
    """Share of the cells with water in which a drought is on, and how many those are.

    Parameters
    ----------
    state : WatchState

    Returns
    -------
    share : float
        [1]
    n : int
    """
    seen = state.now.baseline.reason != len(REASONS)
    if not len(state.drought) or not seen.any():
        return 0.0, 0
    return float((state.drought[seen] >= 128).mean()), int(seen.sum())


def drought_standing(state: WatchState) -> Standing:
    """Describe the drought of the area.

    Parameters
    ----------
    state : WatchState

    Returns
    -------
    Standing
    """
    share, n = drought_share(state)
    day = str(np.datetime64(state.drought_day + state.plan.calendar.shift, "D"))
    options = state.plan.options
    facts = {
        "share_of_cells": round(share, 4),
        "cells": n,
        "last_day": day,
        "begins_percentile": options.drought_at,
        "ends_percentile": options.drought_ends,
        "pentads_in_a_row": options.drought_steps,
    }
    return Standing(
        "drought",
        "watch",
        SEVERITY["drought"],
        f"Drought: soil water at or below the {options.drought_at:g}th percentile in "
        f"{share:.0%} of {n} cells, {day}",
        f"干旱：{share:.0%} 的格点（共 {n} 个）土壤水分低于第 {options.drought_at:g} 百分位，{day}",
        facts,
    )
