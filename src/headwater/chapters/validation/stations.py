"""Station measurements that take part in a study, as a CSV with one row per station and time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import InputError

__all__ = ["daily_stations", "station_pixels"]

_COLUMNS = ("station", "longitude", "latitude", "time", "soil_moisture")
_PLACE = ["station", "longitude", "latitude"]


def daily_stations(path: str | Path, days: NDArray[np.datetime64] | None = None) -> pd.DataFrame:
    """Read station soil moisture and average it by day.

    Parameters
    ----------
    path : path
        CSV with ``station, longitude, latitude, time, soil_moisture`` [degrees, ISO 8601, m3 m-3].
    days : ndarray of datetime64[D], optional
        Days that are kept; default: all.

    Returns
    -------
    DataFrame
        ``station, longitude, latitude, day, soil_moisture, n``, one row per station and day.

    Raises
    ------
    InputError
        If the file cannot be read, a column, place or time is missing, a value is impossible, a
        station has several places, or no day is shared.

    Examples
    --------
    ``daily_stations("stations.csv")["soil_moisture"]`` holds one value per station and day.
    """
    table = _read(path)
    value = pd.to_numeric(table["soil_moisture"], errors="coerce")
    text = value.isna() & table["soil_moisture"].notna()
    _refuse(
        path,
        text | (value < 0) | (value > 1),
        "soil moisture that cannot be",
        "Give m3 m-3, between 0 and 1; vol% must be divided by 100",
    )
    place = table[_PLACE[1:]].apply(pd.to_numeric, errors="coerce")
    wrong = table["station"].isna() | place.isna().any(axis=1)
    wrong |= (place["longitude"].abs() > 360) | (place["latitude"].abs() > 90)
    _refuse(path, wrong, "no name, or no place on Earth", "Give station, and degrees of both")
    time = pd.to_datetime(table["time"], format="ISO8601", utc=True, errors="coerce")
    _refuse(path, time.isna(), "a time that is none", 'Write times as "2019-07-01T12:00"')
    day = time.dt.tz_localize(None).dt.floor("D")
    table = place.assign(station=table["station"].astype(str), day=day, soil_moisture=value)
    _check_places(path, table)
    if days is not None:
        table = table[table["day"].isin(days.astype("datetime64[ns]"))]
    if not table["soil_moisture"].notna().any():
        raise InputError(
            f"{path} has no measurement on a day of the study",
            found=f"{day.min():%Y-%m-%d} to {day.max():%Y-%m-%d}",
            do="Give measurements of the same period"
            + ("" if days is None else f", {days[0]} to {days[-1]}"),
        )
    grouped = table.groupby([*_PLACE, "day"], as_index=False)
    daily: pd.DataFrame = grouped.agg(
        soil_moisture=("soil_moisture", "mean"), n=("soil_moisture", "count")
    )
    return daily


def station_pixels(table: pd.DataFrame, grid: Any) -> dict[str, int]:
    """Find the flat number of the study cell that each station stands in.

    Parameters
    ----------
    table : DataFrame
        From :func:`daily_stations`.
    grid : GeoBox or DataArray
        The study grid.

    Returns
    -------
    dict
        Flat cell number by station.

    Raises
    ------
    GridError
        If a station stands outside of the grid.

    Examples
    --------
    ``station_pixels(daily_stations("stations.csv"), cube)["A"]``
    """
    from odc.geo.geobox import GeoBox

    from headwater.grids import geobox_of
    from headwater.validation.matching import station_cells

    box = grid if isinstance(grid, GeoBox) else geobox_of(grid)
    cells = station_cells(table.drop_duplicates("station"), box)
    flat = cells["row"].to_numpy() * box.shape[1] + cells["column"].to_numpy()
    return dict(zip(cells["station"].astype(str), flat.tolist(), strict=True))


def _read(path: str | Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype={"station": str})
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a table of stations",
            found=str(error)[:200],
            do="Give a CSV with " + ", ".join(_COLUMNS),
        ) from error
    missing = [name for name in _COLUMNS if name not in table]
    if missing:
        raise InputError(
            f"{path} lacks columns", found=", ".join(table.columns), do=f"Add {', '.join(missing)}"
        )
    return table


def _refuse(path: str | Path, wrong: pd.Series[bool], what: str, do: str) -> None:
    places = np.flatnonzero(wrong)
    if places.size:
        rows = ", ".join(str(row + 2) for row in places[:5])
        more = f" and {places.size - 5} more" if places.size > 5 else ""
        raise InputError(f"{path} has {what}", found=f"row {rows}{more}", do=do)


def _check_places(path: str | Path, table: pd.DataFrame) -> None:
    places = table[_PLACE].drop_duplicates()
    moved = places["station"][places["station"].duplicated()]
    if not moved.empty:
        raise InputError(
            f"{path} has a station with several places",
            found=str(moved.iloc[0]),
            do="Give each place a name of its own",
        )
