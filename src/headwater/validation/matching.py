"""Bringing products and stations together in time and space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, GridError, TimeAxisError, nearest

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["MATCHES", "TimeMatch", "match_series", "match_times", "station_cells", "station_series"]

Floats = NDArray[np.float64]

MATCHES = ("nearest", "mean")
"""Ways to match in time: the nearest valid value in the window, or the mean of its values."""

_DAY = 86_400_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class TimeMatch:
    """What was found around every time.

    Attributes
    ----------
    values : array, shape (time,)
        NaN where the window holds nothing.
    count : array of int, shape (time,)
        Values behind each: 1 or 0 for the nearest.
    offset : array, shape (time,)
        How much later than the time the value is, for a mean on average [d]; NaN where none.
    """

    values: Floats
    count: NDArray[np.int64]
    offset: Floats


def match_times(
    wanted: ArrayLike,
    times: ArrayLike,
    values: ArrayLike,
    *,
    window: float,
    method: str = "nearest",
) -> TimeMatch:
    """Find the value of a series that belongs to each of other times.

    Parameters
    ----------
    wanted : array of datetime64, shape (time,)
        In any order.
    times, values : array, shape (other time,)
        The series, in any order; NaN where missing.
    window : float
        How far a value may be away, before or after, this distance included [d].
    method : {"nearest", "mean"}
        The nearest valid value, the later of two as near; or the mean of all valid values.

    Returns
    -------
    TimeMatch

    Raises
    ------
    TimeAxisError
        If a time is missing, only one side knows its time zone, or, for the nearest, a time of the
        series occurs twice.
    DataError
        If the window is negative, the method unknown, or times and values differ in number.

    Notes
    -----
    Times are compared as whole nanoseconds, so that the ends of a window are exact. A missing value
    is passed over for the next valid one; programs that look for the nearest time first return
    missing there. O((n + m) log n).

    Examples
    --------
    >>> import pandas as pd
    >>> hours = pd.to_datetime(["2020-01-01 05:00", "2020-01-01 07:00", "2020-01-02 18:00"])
    >>> six = pd.to_datetime(["2020-01-01 06:00"])
    >>> match_times(six, hours, [0.2, 0.3, 0.4], window=0.5).values.tolist()
    [0.3]
    >>> match_times(six, hours, [0.2, 0.3, 0.4], window=0.5, method="mean").count.tolist()
    [2]
    """
    if method not in MATCHES:
        raise DataError("unknown way to match", found=repr(method), do=nearest(method, MATCHES))
    if not window >= 0:
        raise DataError("a window cannot be negative", found=f"{window:g} d", do="Give 0 or more")
    targets, instants = _comparable(wanted, times)
    series = np.asarray(values, dtype=float)
    if series.shape != instants.shape:
        raise DataError(
            "times and values differ in number",
            found=f"{instants.shape} and {series.shape}",
            do="Give one value for each time",
        )
    if (instants[1:] < instants[:-1]).any():
        order = np.argsort(instants, kind="stable")
        instants, series = instants[order], series[order]
    if method == "nearest":
        _check_distinct(instants)
    reach = round(window * _DAY)
    match = _nearest if method == "nearest" else _mean
    valid = np.isfinite(series)
    if not valid.all():
        instants, series = instants[valid], series[valid]
    return match(targets, instants, series, reach)


def _comparable(wanted: Any, times: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    import pandas as pd

    both = [pd.DatetimeIndex(axis) for axis in (wanted, times)]
    if (both[0].tz is None) != (both[1].tz is None):
        raise TimeAxisError(
            "only one of two time axes knows its time zone",
            found=f"{both[0].tz} and {both[1].tz}",
            do="Give both in UTC, or both without a zone: index.tz_localize('UTC')",
        )
    if any(axis.hasnans for axis in both):
        raise TimeAxisError("a time is missing", found="NaT", do="Leave out what has no time")
    first, second = (axis.as_unit("ns").asi8 for axis in both)
    return first, second


def _check_distinct(instants: NDArray[np.int64]) -> None:
    twice = np.flatnonzero(instants[1:] == instants[:-1])
    if twice.size:
        raise TimeAxisError(
            "a time of the series occurs twice",
            found=f"{np.datetime64(int(instants[twice[0]]), 'ns')}, {twice.size} such times",
            do="Match with method='mean', or drop the repeated rows",
        )


def _nearest(
    targets: NDArray[np.int64], instants: NDArray[np.int64], series: Floats, reach: int
) -> TimeMatch:
    if not len(instants):
        return _nothing(len(targets))
    after = np.clip(np.searchsorted(instants, targets), 0, len(instants) - 1)
    before = np.maximum(after - 1, 0)
    later, earlier = np.abs(instants[after] - targets), np.abs(targets - instants[before])
    place = np.where(later <= earlier, after, before)
    apart = instants[place] - targets
    found = np.abs(apart) <= reach
    values = np.where(found, series[place], np.nan)
    return TimeMatch(values, found.astype(np.int64), np.where(found, apart / _DAY, np.nan))


def _mean(
    targets: NDArray[np.int64], instants: NDArray[np.int64], series: Floats, reach: int
) -> TimeMatch:
    if not len(instants):
        return _nothing(len(targets))
    first = np.searchsorted(instants, targets - reach, side="left")
    last = np.searchsorted(instants, targets + reach, side="right")
    n = last - first
    level, start = series.mean(), instants[0]
    means = []
    # Departures from a common level keep their digits in a running sum.
    for column in (series - level, (instants - start) / _DAY):
        total = np.concatenate([[0.0], np.cumsum(column)])
        means.append(np.where(n > 0, (total[last] - total[first]) / np.maximum(n, 1), np.nan))
    return TimeMatch(means[0] + level, n, means[1] - (targets - start) / _DAY)


def _nothing(count: int) -> TimeMatch:
    return TimeMatch(np.full(count, np.nan), np.zeros(count, np.int64), np.full(count, np.nan))


def match_series(
    series: Mapping[str, pd.Series],
    *,
    reference: str | None = None,
    window: float,
    method: str = "nearest",
    complete: bool = True,
) -> pd.DataFrame:
    """Match many series to the times of one of them.

    Parameters
    ----------
    series : mapping of str to Series
        Values with a DatetimeIndex; all with a time zone, or none.
    reference : str, optional
        Whose times are kept; by default the first.
    window, method
        As for :func:`match_times`.
    complete : bool
        Whether only times with all series are kept.

    Returns
    -------
    DataFrame, shape (time, series)
        With the number of times that each series has no match for in ``attrs["unmatched"]``.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`match_times`; also if no time has all series.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2020-01-01", periods=3)
    >>> station = pd.Series([0.2, 0.3, 0.25], days)
    >>> product = pd.Series([0.21, 0.24], days[[0, 2]] + pd.Timedelta("6h"))
    >>> len(match_series({"product": product, "station": station}, window=0.5))
    2
    """
    import pandas as pd

    names = list(series)
    home = names[0] if reference is None else reference
    if home not in names:
        raise DataError("unknown reference", found=f"'{home}'", do=nearest(home, names))
    index = pd.DatetimeIndex(series[home].index)
    found = {
        name: series[name].to_numpy(dtype=float)
        if name == home
        else match_times(
            index, series[name].index, series[name].to_numpy(), window=window, method=method
        ).values
        for name in names
    }
    table = pd.DataFrame(found, index=index)
    unmatched = {name: int(table[name].isna().sum()) for name in names}
    if complete:
        table = table.dropna()
        if table.empty:
            raise DataError(
                "no time has all series",
                found=", ".join(f"{name}: {unmatched[name]} without a match" for name in names),
                do=f"Check that the periods overlap, or widen the window of {window:g} d",
            )
    table.attrs["unmatched"] = unmatched
    return table


def station_cells(stations: pd.DataFrame, grid: Any, *, outside: str = "refuse") -> pd.DataFrame:
    """Find the cell of a grid that contains each station.

    Parameters
    ----------
    stations : DataFrame
        ``station``, ``longitude`` and ``latitude`` [degrees, WGS 84].
    grid : DataArray, Dataset or GeoBox
        With a coordinate reference system.
    outside : {"refuse", "leave out"}
        What is done about a station outside the grid.

    Returns
    -------
    DataFrame
        station, row, column, and ``distance``, how far the station is from the centre of its cell
        [m]; the names of stations left out in ``attrs["outside"]``.

    Raises
    ------
    GridError
        Naming the stations outside the grid, if they are refused or none is inside.
    DataError
        If a column is missing or a coordinate is not a place on Earth.

    Notes
    -----
    On a regular grid the cell that contains a station is the one whose centre is nearest; a station
    on an edge belongs to the cell to the right of it, or below, as the cells are stored.

    Examples
    --------
    >>> import pandas as pd
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> grid = GeoBox((2, 4), Affine(0.5, 0, 94, 0, -0.5, 37), "EPSG:4326")
    >>> here = pd.DataFrame({"station": ["A"], "longitude": [94.6], "latitude": [36.4]})
    >>> station_cells(here, grid)[["row", "column"]].values.tolist()
    [[1, 1]]
    """
    import pandas as pd
    from odc.geo.geobox import GeoBox
    from pyproj import Transformer

    from headwater.grids.geometry import geobox_of

    box = grid if isinstance(grid, GeoBox) else geobox_of(grid)
    places = _checked_stations(stations)
    crs = str(box.crs)
    project = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    easting, northing = project.transform(places["longitude"], places["latitude"])
    inverse = ~box.affine
    column, row = (
        inverse.a * easting + inverse.b * northing + inverse.c,
        inverse.d * easting + inverse.e * northing + inverse.f,
    )
    inside = (row >= 0) & (row < box.shape[0]) & (column >= 0) & (column < box.shape[1])
    _check_inside(places, inside, outside)
    row, column = np.floor(row[inside]).astype(int), np.floor(column[inside]).astype(int)
    table = pd.DataFrame({"station": places["station"].to_numpy()[inside], "row": row})
    kept = places[inside]
    table["column"], table["distance"] = column, _from_centre(box, row, column, kept, project)
    table.attrs["outside"] = [str(name) for name in places["station"].to_numpy()[~inside]]
    return table


def _checked_stations(stations: pd.DataFrame) -> pd.DataFrame:
    needed = ["station", "longitude", "latitude"]
    lacking = [name for name in needed if name not in stations]
    if lacking:
        raise DataError(
            "stations lack a column",
            found=", ".join(str(name) for name in stations.columns),
            do=f"Add {', '.join(lacking)}",
        )
    places = stations[needed].reset_index(drop=True)
    longitude, latitude = (places[name].to_numpy(dtype=float) for name in needed[1:])
    wrong = ~(np.abs(longitude) <= 360) | ~(np.abs(latitude) <= 90)
    if wrong.any():
        raise DataError(
            "a station has no place on Earth",
            found=", ".join(str(name) for name in places["station"][wrong]),
            do="Give longitude and latitude in degrees",
        )
    return places


def _check_inside(places: pd.DataFrame, inside: NDArray[np.bool_], outside: str) -> None:
    if inside.all():
        return
    if outside == "leave out" and inside.any():
        return
    lost = places[~inside]
    named = ", ".join(
        f"{row.station} ({row.longitude:.4f}, {row.latitude:.4f})"
        for row in lost.head(5).itertuples()
    )
    more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
    raise GridError(
        f"{len(lost)} of {len(places)} stations are outside the grid",
        found=named + more,
        do="Correct their longitude and latitude, use a larger grid, or outside='leave out'",
    )


def _from_centre(
    box: Any, row: Any, column: NDArray[Any], places: pd.DataFrame, project: Any
) -> Floats:
    from pyproj import Geod

    affine = box.affine
    x = affine.a * (column + 0.5) + affine.b * (row + 0.5) + affine.c
    y = affine.d * (column + 0.5) + affine.e * (row + 0.5) + affine.f
    longitude, latitude = project.transform(x, y, direction="INVERSE")
    stations = places["longitude"].to_numpy(), places["latitude"].to_numpy()
    distance: Floats = Geod(ellps="WGS84").inv(longitude, latitude, *stations)[2]
    return distance


def station_series(
    cube: xr.DataArray, stations: pd.DataFrame, *, outside: str = "refuse"
) -> pd.DataFrame:
    """Read the series of a cube at stations.

    Parameters
    ----------
    cube : DataArray (time, y, x)
        NumPy or Dask; only the cells with stations are computed.
    stations : DataFrame
        As for :func:`station_cells`.
    outside : {"refuse", "leave out"}
        As for :func:`station_cells`.

    Returns
    -------
    DataFrame, shape (time, station)
        In the unit of the cube; two stations in one cell have the same series. The cells are in
        ``attrs["cells"]``, as :func:`station_cells` gives them.

    Raises
    ------
    GridError, DataError
        As :func:`station_cells`.

    Examples
    --------
    >>> import pandas as pd, xarray as xr
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> from headwater.grids.geometry import grid_coords
    >>> coords = grid_coords(GeoBox((2, 2), Affine(0.5, 0, 94, 0, -0.5, 37), "EPSG:4326"))
    >>> days = pd.date_range("2020-01-01", periods=2)
    >>> cube = xr.DataArray(np.arange(8.0).reshape(2, 2, 2), dims=("time", "y", "x"),
    ...                     coords={"time": days, **coords})
    >>> here = pd.DataFrame({"station": ["A"], "longitude": [94.6], "latitude": [36.4]})
    >>> station_series(cube, here)["A"].tolist()
    [3.0, 7.0]
    """
    import pandas as pd
    import xarray as xr

    cells = station_cells(stations, cube, outside=outside)
    rows, columns = (xr.DataArray(cells[name], dims="station") for name in ("row", "column"))
    found = cube.isel(y=rows, x=columns).transpose("time", "station")
    table = pd.DataFrame(
        found.to_numpy(), index=cube.indexes["time"], columns=cells["station"].astype(str).tolist()
    )
    table.attrs.update(cells=cells.to_dict("list"), units=str(cube.attrs.get("units", "")))
    return table
