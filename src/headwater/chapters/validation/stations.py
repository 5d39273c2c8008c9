"""Station measurements that take part in a study: a table with one row per station and time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import DataError, InputError
from headwater.tables import ReadingOptions, read_table
from headwater.tables.options import DEFAULTS
from headwater.tables.read import Table
from headwater.tables.report import LeftOut, ReadingReport, name_rows
from headwater.tables.vocabulary import fields_named

__all__ = [
    "Measurements",
    "Stations",
    "averaged_by_day",
    "read_measurements",
    "read_stations",
    "station_pixels",
]

_COLUMNS = ("station", "longitude", "latitude", "time", "soil_moisture")
_FIELDS = fields_named((*_COLUMNS, "depth_top", "depth_bottom", "depth"))
_FLAG = re.compile(r"(?<![a-z])(?:flags?|q[ac]|quality|qflag|质量|标记)(?![a-z])", re.IGNORECASE)
_PORES = 0.65
"""Soil moisture above which only peat has pores [m3 m-3]."""
_PLACE = ["station", "longitude", "latitude"]


@dataclass(frozen=True, slots=True, eq=False)
class Stations:
    """Measurements of stations by day.

    Attributes
    ----------
    daily : DataFrame
        ``station, longitude, latitude, day, soil_moisture, n``, one row per series and day, in UTC.
    depths : tuple of float
        Depths of the series that are in `daily` [m]; empty where the file names none. Where there
        are several, the name of a series has its depth behind the station's.
    report : ReadingReport
    """

    daily: pd.DataFrame
    depths: tuple[float, ...]
    report: ReadingReport


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Measurements of stations as they stand in the file.

    Attributes
    ----------
    data : DataFrame
        ``station, longitude, latitude, time, soil_moisture, depth``, times in UTC.
    depths : tuple of float
        As of :class:`Stations`.
    report : ReadingReport
    """

    data: pd.DataFrame
    depths: tuple[float, ...]
    report: ReadingReport


def read_stations(
    path: str | Path,
    days: NDArray[np.datetime64] | None = None,
    *,
    depth: float | None = None,
    reading: ReadingOptions = DEFAULTS,
) -> Stations:
    """Read station soil moisture, each depth a series of its own, and average it by day.

    Parameters
    ----------
    path : path
        CSV, TSV or XLSX with ``station, longitude, latitude, time, soil_moisture`` [degrees, m3 m-3
        where the head names no other unit], and perhaps ``depth`` [m].
    days : ndarray of datetime64[D], optional
        Days that are kept; default: all.
    depth : float, optional
        Depth of the series that are taken [m]; default: all.
    reading : ReadingOptions
        What the file leaves open: units, order of dates, zone of times that name none (default
        UTC, which the report says).

    Returns
    -------
    Stations

    Raises
    ------
    InputError
        If the file cannot be read, a column, place or time is missing, a value is impossible, a
        station has several places, one series has two values at one time, or no day is shared.
    DataError
        If numbers or times are something else.

    Examples
    --------
    ``read_stations("stations.csv").report.lines()`` says how the file was read.
    """
    read = read_measurements(path, depth=None if depth is None else (depth, depth), reading=reading)
    return Stations(averaged_by_day(path, read.data, days), read.depths, read.report)


def averaged_by_day(
    path: str | Path, data: pd.DataFrame, days: NDArray[np.datetime64] | None
) -> pd.DataFrame:
    """Average measurements by day.

    Parameters
    ----------
    path : path
        Where they are from, for messages.
    data : DataFrame
        ``station, longitude, latitude, time, soil_moisture``, times in UTC.
    days : ndarray of datetime64[D] or None
        Days that are kept.

    Returns
    -------
    DataFrame
        ``station, longitude, latitude, day, soil_moisture, n``.

    Raises
    ------
    InputError
        If no day is shared.
    """
    frame = data.assign(day=data["time"].dt.floor("D"))
    if days is not None:
        frame = frame[frame["day"].isin(days.astype("datetime64[ns]"))]
    if not frame["soil_moisture"].notna().any():
        first, last = data["time"].min(), data["time"].max()
        raise InputError(
            f"{path} has no measurement on a day of the study",
            found=f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
            do="Give measurements of the same period"
            + ("" if days is None else f", {days[0]} to {days[-1]}"),
        )
    grouped = frame.groupby([*_PLACE, "day"], as_index=False)
    daily: pd.DataFrame = grouped.agg(
        soil_moisture=("soil_moisture", "mean"), n=("soil_moisture", "count")
    )
    return daily


def read_measurements(
    path: str | Path,
    *,
    depth: Sequence[float] | None = None,
    reading: ReadingOptions = DEFAULTS,
) -> Measurements:
    """Read station soil moisture at the times of the file, each depth a series of its own.

    Parameters
    ----------
    path : path
        A table as of :func:`read_stations`.
    depth : sequence of float, optional
        Shallowest and deepest sensor that is taken [m]; default: all.
    reading : ReadingOptions
        What the file leaves open.

    Returns
    -------
    Measurements

    Raises
    ------
    InputError, DataError
        As :func:`read_stations`.

    Examples
    --------
    ``read_measurements("stations.csv", depth=(0.0, 0.1)).data``
    """
    table = _read(path, reading)
    frame, report = _checked(path, table, reading)
    if not frame["soil_moisture"].notna().any():
        raise InputError(
            f"{path} holds no measurement",
            found=f"{len(frame)} rows without a value",
            do="Give a table with soil_moisture by station and time",
        )
    depths = tuple(sorted(frame["depth"].dropna().unique().tolist()))
    if depth is not None:
        frame = _at_depth(path, frame, depths, depth)
        depths = tuple(sorted(frame["depth"].dropna().unique().tolist()))
    if len(depths) > 1:
        named = frame["station"] + frame["depth"].map(lambda d: f" at {d:g} m").fillna("")
        frame = frame.assign(station=named)
        listed = ", ".join(f"{value:g}" for value in depths)
        report = report.but(f"{listed} m: each depth is a series of its own; depth chooses one")
    frame, report = _without_repeats(path, frame, report)
    return Measurements(frame, depths, report)


def station_pixels(table: pd.DataFrame, grid: Any) -> dict[str, int]:
    """Find the flat number of the study cell that each station stands in.

    Parameters
    ----------
    table : DataFrame
        With ``station``, ``longitude`` and ``latitude`` [degrees].
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
    ``station_pixels(read_stations("stations.csv").daily, cube)["A"]``
    """
    from odc.geo.geobox import GeoBox

    from headwater.grids.geometry import geobox_of
    from headwater.validation.matching import station_cells

    box = grid if isinstance(grid, GeoBox) else geobox_of(grid)
    cells = station_cells(table.drop_duplicates("station"), box)
    flat = cells["row"].to_numpy() * box.shape[1] + cells["column"].to_numpy()
    return dict(zip(cells["station"].astype(str), flat.tolist(), strict=True))


def _read(path: str | Path, reading: ReadingOptions) -> Table:
    if not Path(path).is_file():
        raise InputError(
            f"{path} cannot be read as a table of stations",
            found="no such file",
            do="Give a CSV with " + ", ".join(_COLUMNS),
        )
    table = read_table(path, _FIELDS, options=reading)
    missing = [name for name in _COLUMNS if name not in table.data]
    if missing:
        raise InputError(
            f"{path} lacks columns",
            found=", ".join(map(str, table.data.columns)),
            do=f"Add {', '.join(missing)}",
        )
    return table


def _checked(
    path: str | Path, table: Table, reading: ReadingOptions
) -> tuple[pd.DataFrame, ReadingReport]:
    """Refuse values, places and times that cannot be; bring times to UTC."""
    data = table.data
    value = data["soil_moisture"]
    _refuse(
        path,
        (value < 0) | (value > 1),
        "soil moisture that cannot be",
        "Give m3 m-3, between 0 and 1; vol% must be divided by 100, or named in the head as "
        "soil_moisture (%)",
    )
    place = data[_PLACE[1:]]
    wrong = data["station"].isna() | place.isna().any(axis=1)
    wrong |= (place["longitude"].abs() > 360) | (place["latitude"].abs() > 90)
    _refuse(path, wrong, "no name, or no place on Earth", "Give station, and degrees of both")
    _refuse(path, data["time"].isna(), "a time that is none", 'Write times as "2019-07-01T12:00"')
    frame = place.assign(
        station=data["station"].astype(str),
        time=_in_utc(path, data["time"], table.times["time"].zone),
        soil_moisture=value,
        depth=_depth(data),
    )
    _check_places(path, frame)
    report = table.report
    timed = table.times["time"]
    if reading.zone is None and bool((timed.timed & ~timed.zoned).any()):
        report = report.but("times name no zone and were taken as UTC; zone settles it")
    return frame, report.but(*_flags_unread(data), *_doubted(value))


def _flags_unread(data: pd.DataFrame) -> tuple[str, ...]:
    """Report columns that judge the values, which nothing here reads."""
    named = [str(name) for name in data.columns if _FLAG.search(str(name))]
    seen = {name: list(map(str, data[name].dropna().unique()[:4])) for name in named}
    return tuple(
        f"'{name}' ({', '.join(marks)}) looks like a mark of quality and was not used: all rows "
        "were kept; leave the doubted ones out of the table"
        for name, marks in seen.items()
        if len(marks) > 1
    )


def _doubted(value: pd.Series) -> tuple[str, ...]:
    """Report values that hardly any soil has, and exact zeros."""
    cases = (
        (value > _PORES, f"above {_PORES:g} m3 m-3, more than the pores of mineral soil hold"),
        (value == 0.0, "exactly 0"),
    )
    return tuple(
        f"{int(some.sum())} of {int(value.notna().sum())} values are {words}; where they stand for "
        "missing ones, set missing"
        for some, words in cases
        if some.any()
    )


def _in_utc(path: str | Path, time: pd.Series, zone: str) -> pd.Series:
    if zone in ("", "UTC"):
        return time
    local = time.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    _refuse(
        path,
        local.isna(),
        f"times that {zone} has twice or not at all, as clocks are changed",
        "Give times in UTC, or leave these rows out",
    )
    utc: pd.Series = local.dt.tz_convert("UTC").dt.tz_localize(None)
    return utc


def _depth(data: pd.DataFrame) -> pd.Series:
    """Take the middle of each layer [m]."""
    ends = [name for name in ("depth_top", "depth_bottom") if name in data]
    if not ends:
        return pd.Series(np.nan, data.index)
    middle: pd.Series = data[ends].mean(axis=1).round(6)
    return middle


def _at_depth(
    path: str | Path, frame: pd.DataFrame, depths: tuple[float, ...], depth: Sequence[float]
) -> pd.DataFrame:
    taken = frame[frame["depth"].between(min(depth) - 1e-6, max(depth) + 1e-6)]
    if taken.empty:
        known = ", ".join(f"{value:g}" for value in depths) or "none"
        layer = "-".join(f"{end:g}" for end in dict.fromkeys(depth))
        raise InputError(f"{path} has no such depth", found=f"{layer} m", do=f"Known: {known}")
    return taken


def _without_repeats(
    path: str | Path, frame: pd.DataFrame, report: ReadingReport
) -> tuple[pd.DataFrame, ReadingReport]:
    """Refuse two values of one series at one time; rows that say the same again count once."""
    key = ["station", "time"]
    filled = frame[frame["soil_moisture"].notna()]
    values = filled.groupby(key)["soil_moisture"].transform("nunique")
    if (values > 1).any():
        first = filled[values > 1].sort_values(key).head(2)
        station, time = first["station"].iloc[0], first["time"].iloc[0]
        numbers = " and ".join(f"{value:g}" for value in first["soil_moisture"])
        raise DataError(
            f"{path} has two values of one series at one time",
            found=f"{station} on {time:%Y-%m-%d %H:%M}: {numbers} "
            f"({name_rows(first.index.tolist())}; {int((values > 1).sum())} such rows)",
            do="Leave one of them, name series apart, or add a column depth",
        )
    again = frame.duplicated([*key, "soil_moisture"])
    if not again.any():
        return frame, report
    left = LeftOut("the same once more", tuple(map(int, frame.index[again])))
    return frame[~again], replace(report, left_out=(*report.left_out, left))


def _refuse(path: str | Path, wrong: pd.Series[bool], what: str, do: str) -> None:
    places = np.flatnonzero(wrong)
    if places.size:
        rows = ", ".join(str(wrong.index[place]) for place in places[:5])
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
