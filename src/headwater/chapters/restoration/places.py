"""What the maps of a study say at units and calendar: cells, daily series, grades, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import GridError, TimeAxisError
from headwater.restoration.profile import GRADES
from headwater.warning.ladder import STATES

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from headwater.restoration.units import UnitRecord
    from headwater.study.model import Study
    from headwater.study.step import Context

__all__ = [
    "Places",
    "cells_of_units",
    "choose_places",
    "daily_series",
    "evidence_of_units",
    "grade_of_shares",
    "grades_computed",
    "mean_of_units",
    "refuse_unknown",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_MOST_CELLS = 1200
_MOST_OF_UNIT = 4
_CARRIED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Cells whose daily series are read.

    Attributes
    ----------
    rows, columns : ndarray of int, shape (places,)
    units : ndarray of int, shape (places,)
        Position of the unit that a place speaks for; -1 for places of the calendar alone.
    """

    rows: Ints
    columns: Ints
    units: Ints

    def pick(self, data: xr.DataArray) -> Any:
        """Take the values at the places, in the order (..., places)."""
        cells: Any = {
            "y": xr.DataArray(self.rows, dims="place"),
            "x": xr.DataArray(self.columns, dims="place"),
        }
        return data.isel(cells)


def cells_of_units(units: Sequence[UnitRecord], grid: GeoBox) -> tuple[Ints, Ints]:
    """Find the cells whose centres lie in each unit.

    Parameters
    ----------
    units : sequence of UnitRecord
        With outlines.
    grid : GeoBox
        The study grid.

    Returns
    -------
    unit, cell : ndarray of int, shape (pairs,)
        Position of the unit, and of the cell in the flattened grid. A unit too small to hold a
        centre takes the cell that it lies in.

    Raises
    ------
    GridError
        If units lie outside of the grid; they are named.
    """
    import shapely
    from pyproj import CRS, Transformer

    rows, columns = grid.shape
    affine = grid.transform
    x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    east, north = affine.c + affine.a * x + affine.b * y, affine.f + affine.d * x + affine.e * y
    system: Any = grid.crs
    to_degrees = Transformer.from_crs(CRS.from_wkt(system.to_wkt()), "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(east.ravel(), north.ravel())
    tree = shapely.STRtree(shapely.points(longitude, latitude))
    outlines = np.array([unit.outline for unit in units], dtype=object)
    unit, cell = tree.query(outlines, predicate="contains")
    lacking = np.setdiff1d(np.arange(len(units)), unit)
    inner = shapely.point_on_surface(outlines[lacking])
    back = to_degrees.transform(shapely.get_x(inner), shapely.get_y(inner), direction="INVERSE")
    place = ~affine
    own_column, own_row = (
        np.floor(place.c + place.a * back[0] + place.b * back[1]).astype(np.int64),
        np.floor(place.f + place.d * back[0] + place.e * back[1]).astype(np.int64),
    )
    outside = (own_row < 0) | (own_row >= rows) | (own_column < 0) | (own_column >= columns)
    if outside.any():
        raise _outside([units[i].name for i in lacking[outside]])
    return np.concatenate([unit, lacking]), np.concatenate([cell, own_row * columns + own_column])


def refuse_unknown(units: Sequence[UnitRecord], unit: Ints, known: NDArray[np.bool_]) -> None:
    """Refuse units of which the grid knows nothing.

    Parameters
    ----------
    units : sequence of UnitRecord
    unit : ndarray of int, shape (pairs,)
        Of :func:`cells_of_units`.
    known : ndarray of bool, shape (pairs,)
        Whether the cell of the pair has values.

    Raises
    ------
    GridError
        If units hold no cell with values; they are named.
    """
    bare = np.setdiff1d(np.arange(len(units)), unit[known])
    if len(bare):
        raise _outside([units[i].name for i in bare])


def _outside(names: Sequence[str]) -> GridError:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return GridError(
        "units outside of the study grid, or of its area",
        found=shown,
        do="Remove them from the units, or enlarge the area",
    )


def choose_places(unit: Ints, cell: Ints, elevation: Floats) -> Places:
    """Choose the places whose series are read: some of every unit, and a lattice for the calendar.

    Parameters
    ----------
    unit, cell : ndarray of int, shape (pairs,)
        Of :func:`cells_of_units`.
    elevation : ndarray, shape (rows, columns)
        NaN where the study has no cell.

    Returns
    -------
    Places
    """
    columns = elevation.shape[1]
    inside = np.flatnonzero(np.isfinite(elevation))
    every = max(1, -(-inside.size // _MOST_CELLS))
    lattice = inside[every // 2 :: every]
    most = _MOST_OF_UNIT if len(np.unique(unit)) * _MOST_OF_UNIT <= 4 * _MOST_CELLS else 1
    kept = [
        own[np.linspace(0, len(own) - 1, min(most, len(own))).astype(int)]
        for own in np.split(np.argsort(unit, kind="stable"), np.cumsum(np.bincount(unit))[:-1])
        if len(own)
    ]
    chosen = np.concatenate(kept)
    chosen = chosen[np.isfinite(elevation.ravel()[cell[chosen]])]
    cells = np.concatenate([lattice, cell[chosen]])
    of = np.concatenate([np.full(lattice.size, -1), unit[chosen]])
    return Places(cells // columns, cells % columns, of.astype(np.int64))


def daily_series(data: xr.DataArray, places: Places, *, fill: bool = False) -> xr.DataArray:
    """Read the daily series of places.

    Parameters
    ----------
    data : DataArray (time, y, x)
    places : Places
    fill : bool
        Whether a gap of up to three days takes the value before it.

    Returns
    -------
    DataArray (time, place)

    Raises
    ------
    TimeAxisError
        If the steps are longer than a day.
    """
    import pandas as pd

    series: xr.DataArray = places.pick(data).compute().transpose("time", "place")
    times = pd.DatetimeIndex(series["time"].values).floor("D")
    if len(times) > 1 and np.median(np.diff(times.to_numpy())) > np.timedelta64(1, "D"):
        raise TimeAxisError(
            f"a calendar needs daily values of '{data.name}'",
            found=f"steps of {np.median(np.diff(times.to_numpy())) / np.timedelta64(1, 'D'):g} d",
            do="Give daily data",
        )
    whole = pd.date_range(f"{times[0].year}-01-01", f"{times[-1].year}-12-31", freq="D")
    if times.has_duplicates:
        series = series.assign_coords(time=times).groupby("time").mean()
        times = pd.DatetimeIndex(series["time"].values)
    values = np.full((len(whole), series.sizes["place"]), np.nan)
    values[whole.get_indexer(times)] = series.values
    if fill:
        for _ in range(_CARRIED):
            before = np.concatenate([np.full((1, values.shape[1]), np.nan), values[:-1]])
            values = np.where(np.isnan(values), before, values)
    coords = {"time": whole}
    return xr.DataArray(values, coords, ("time", "place"), name=data.name, attrs=data.attrs)


def mean_of_units(values: Floats, unit: Ints, cell: Ints, count: int) -> Floats:
    """Average a map over the cells of each unit.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
    unit, cell : ndarray of int, shape (pairs,)
    count : int
        Of units.

    Returns
    -------
    ndarray, shape (count,)
        NaN where a unit has no value.
    """
    own = values.ravel()[cell]
    seen = np.isfinite(own)
    n = np.bincount(unit[seen], minlength=count)
    total = np.bincount(unit[seen], own[seen], minlength=count)
    return np.asarray(np.where(n > 0, total / np.maximum(n, 1), np.nan))


def grades_computed(study: Study) -> bool:
    """Whether the study computes grades of degradation itself.

    Parameters
    ----------
    study : Study

    Returns
    -------
    bool
    """
    return getattr(study, "vegetation", None) is not None


def evidence_of_units(context: Context, unit: Ints, cell: Ints, count: int) -> list[dict[str, Any]]:
    """Average what the vegetation's maps say over each unit.

    Parameters
    ----------
    context : Context
    unit, cell : ndarray of int, shape (pairs,)
        Of :func:`headwater.chapters.restoration.places.cells_of_units`.
    count : int
        Of units.

    Returns
    -------
    list of dict
        ``grade``, ``grade_probability``, ``seasons``, ``cover``, ``capacity``,
        ``capacity_lower``, ``warning`` and ``warning_share`` of each unit, as far as they are
        known.
    """
    found: list[dict[str, Any]] = [{} for _ in range(count)]
    for i, warned in enumerate(_warnings(context, unit, cell, count)):
        found[i] |= warned
    if not grades_computed(context.study):
        return found
    home = context.results / "vegetation"
    if (home / "grade.json").is_file():
        grades = context.load("vegetation/grade").data
        shares = grades["probability"].transpose("grade_name", "y", "x").values
        means = np.stack([mean_of_units(one, unit, cell, count) for one in shares])
        seasons = mean_of_units(_values(grades, "seasons"), unit, cell, count)
        for i in range(count):
            if np.isfinite(means[:, i]).all():
                grade, probability = grade_of_shares(means[:, i])
                found[i] |= {"grade": grade, "grade_probability": probability}
                found[i]["seasons"] = int(np.nan_to_num(seasons[i]))
    for name, key, variable in (
        ("cover", "cover", "cover"),
        ("capacity", "capacity", "capacity"),
        ("capacity", "capacity_lower", "low"),
    ):
        if (home / f"{name}.json").is_file():
            values = _values(context.load(f"vegetation/{name}").data, variable)
            for i, value in enumerate(mean_of_units(values, unit, cell, count)):
                found[i] |= {key: float(value)} if np.isfinite(value) else {}
    return found


def _warnings(context: Context, unit: Ints, cell: Ints, count: int) -> list[dict[str, Any]]:
    """Take the worst state of early warning in each unit, and on which share of its cells it is.

    Cells count that the map shows, of which a set share is false; a restored cell is no worse than
    one that was never warned of, but worth saying where nothing else stands.
    """
    found: list[dict[str, Any]] = [{} for _ in range(count)]
    at = context.results / "warning" / "states.json"
    if getattr(context.study, "warning", None) is None or not at.is_file():
        return found
    maps = context.load("warning/states").data
    state, shown = _values(maps, "state"), _values(maps, "shown") == 1
    known = np.where(state >= 0, 1.0, np.nan)
    for name in ("restored", "watch", "warning", "confirmed"):
        here = (state == STATES.index(name)) & (shown | (name == "restored"))
        shares = mean_of_units(np.where(here, 1.0, 0.0) * known, unit, cell, count)
        for i in np.flatnonzero(shares > 0):
            found[i] = {"warning": name, "warning_share": float(shares[i])}
    return found


def grade_of_shares(shares: NDArray[np.float64]) -> tuple[str, float]:
    """Choose the grade of a unit from the mean probabilities of its cells.

    Parameters
    ----------
    shares : ndarray, shape (5,)
        By grade, from the least [1].

    Returns
    -------
    grade : str
        The median grade: half of the unit is at least as degraded.
    probability : float
        Of that grade: the share of the unit that has it [1].

    Examples
    --------
    >>> grade_of_shares(np.array([0.3, 0.1, 0.5, 0.1, 0.0]))
    ('moderate', 0.5)
    """
    place = int(np.searchsorted(np.cumsum(shares / shares.sum()), 0.5 - 1e-12))
    return GRADES[place], float(shares[place] / shares.sum())


def _values(maps: Any, name: str) -> NDArray[np.float64]:
    return np.asarray(maps[name].transpose("y", "x").values, dtype=np.float64)
