"""Files of the International Soil Moisture Network, as a folder or a ZIP of network/station/file.

Both formats are read: header and values, and CEOP, in which every line names the station again.
Times are UTC. The flags of the network and of the provider are kept next to each other.

References
----------
Dorigo, W., et al. (2021). The International Soil Moisture Network: serving Earth system science for
over a decade. Hydrology and Earth System Sciences, 25, 5749-5804.
https://doi.org/10.5194/hess-25-5749-2021
Formats: https://ismn.bafg.de/data/header-value-files (read 2026-11-21).
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from headwater.errors import InputError
from headwater.network.ingest.parsed_file import (
    Place,
    Reading,
    Refused,
    Series,
    join,
    lines_of,
    one_category,
    settle,
    split,
)
from headwater.network.ingest.table import instants, numbers, series_name
from headwater.network.times import NEVER
from headwater.tables.text import Source, name_of

__all__ = ["read_ismn", "read_ismn_archive"]

_VARIABLES = {
    "sm": ("soil_moisture", "m3 m-3"),
    "ts": ("soil_temperature", "degC"),
    "ta": ("temperature", "degC"),
    "p": ("precipitation", "mm"),
    "su": ("soil_suction", "kPa"),
    "sd": ("snow_depth", "mm"),
    "sweq": ("snow_water_equivalent", "mm"),
    "tsf": ("surface_temperature", "degC"),
    # longer spellings of older files
    "soil-moisture": ("soil_moisture", "m3 m-3"),
    "soil-temperature": ("soil_temperature", "degC"),
    "air-temperature": ("temperature", "degC"),
    "precipitation": ("precipitation", "mm"),
}
_NAME = re.compile(
    r"(?P<cse>[^_]+)_(?P<network>[^_]+)_(?P<station>.+)_(?P<variable>[A-Za-z-]+)"
    r"_(?P<top>-?\d+\.\d+)_(?P<bottom>-?\d+\.\d+)_(?P<sensor>.*?)_?\d{8}_\d{8}"
)
_DATE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d ")
_DAY = re.compile(r"\d{4}/\d\d/\d\d")
_CEOP = re.compile(_DATE.pattern * 2)
_GONE = -999.0
"""Values at and below this stand for missing ones; the network writes -9999 with the flag M."""


@dataclass(frozen=True, slots=True)
class _Head:
    """Where and what a file is."""

    network: str
    station: str
    variable: str
    top: float
    bottom: float
    sensor: str
    latitude: float | None = None
    longitude: float | None = None
    elevation: float | None = None


def read_ismn(source: Source, *, name: str | None = None) -> Reading:
    r"""Read one file of the network.

    Parameters
    ----------
    source : path or bytes
        A file ``.stm``, whose name gives the variable.
    name : str, optional
        Its name, where `source` is its content.

    Returns
    -------
    Reading
        Flags are those of the network and of the provider with a bar between, as ``D03|M``.

    Raises
    ------
    InputError
        If the name does not say what the file is.

    Examples
    --------
    >>> text = b"RSMN RSMN Adamclisi 44.1 28.0 158.0 0.00 0.05 'Meter-5TM'\r"
    >>> text += b"2024/12/28 05:00 0.145 D02,D03 M\r2024/12/28 06:00 nothing\r"
    >>> reported = read_ismn(text, name="RSMN_RSMN_Adamclisi_sm_0.0_0.05_Meter-5TM_1_1_"
    ...                             "19500101_20260512.stm")
    >>> reported.data["flag"].tolist(), list(reported.series), reported.refused[0].line
    (['D02,D03|M'], ['RSMN Adamclisi / Soil moisture at 0.025 m, Meter-5TM 1 1'], 3)
    """
    called = name_of(source) if name is None else PurePosixPath(name).name
    lines = lines_of(source)
    head = _named(called)
    ceop = sum(bool(_CEOP.match(line)) for line in lines[:20]) > min(len(lines), 20) / 2
    notes: tuple[str, ...] = ()
    if not ceop and lines and not _DATE.match(lines[0]):
        head, notes = _headed(head, lines[0], called)
    rows, refused = _rows(lines, ceop, called)
    if ceop:
        head = _placed(head, rows)
    if head.latitude is None:
        notes = (*notes, f"{called} does not say where the station is")
    return settle(_reading(head, rows, refused, called, notes), called)


def _named(name: str) -> _Head:
    found = _NAME.match(name)
    if found is None or found["variable"].lower() not in _VARIABLES:
        raise InputError(
            "the name of the file does not say what it holds",
            found=f"'{name}'",
            do="Keep the name it was downloaded with: "
            "CSE_Network_Station_Variable_depthfrom_depthto_sensor_start_end.stm",
        )
    sensor = found["sensor"].replace("_", " ")
    depths = float(found["top"]), float(found["bottom"])
    return _Head(found["network"], found["station"], found["variable"].lower(), *depths, sensor)


def _headed(head: _Head, line: str, name: str) -> tuple[_Head, tuple[str, ...]]:
    """Take from the header what the name does not give; a damaged header costs only the place."""
    words = line.split()
    try:
        latitude, longitude, elevation = (float(word) for word in words[3:6])
        if not (abs(latitude) <= 90.0 and abs(longitude) <= 360.0):
            raise ValueError
    except ValueError:
        return head, (f"{name}: the header cannot be read: {line[:80]!r}",)
    return replace(head, latitude=latitude, longitude=longitude, elevation=elevation), ()


_Row = tuple[int, str, str, str, tuple[str, ...]]
"""Number of the line, time, value, flags, and the place that a CEOP line names."""


def _rows(lines: list[str], ceop: bool, name: str) -> tuple[list[_Row], list[Refused]]:
    rows: list[_Row] = []
    refused = []
    begin = 0 if ceop or not lines or _DATE.match(lines[0]) else 1
    for number, line in enumerate(lines[begin:], start=begin + 1):
        words = line.split()
        if not words:
            continue
        place: tuple[str, ...] = ()
        fixed = 14 if ceop else 4
        # flags of a provider may be sentences; a date among them is another line run into this one
        joined = any(_DAY.search(word) for word in words[fixed:])
        if ceop and len(words) >= fixed and not joined:  # nominal time, actual time, place, value
            time, place, tail = f"{words[2]} {words[3]}", tuple(words[4:12]), words[12:]
        elif not ceop and len(words) >= fixed and not joined:
            time, tail = f"{words[0]} {words[1]}", words[2:]
        else:
            found = f"{len(words)} words where a line has {fixed} or {fixed + 1}"
            found = "two lines in one, words where a line ends" if joined else found
            refused.append(Refused(number, found, name))
            continue
        flags = [part for part in (tail[1], " ".join(tail[2:])) if part]
        rows.append((number, time, tail[0], "|".join(flags), place))
    return rows, refused


def _placed(head: _Head, rows: list[_Row]) -> _Head:
    """Believe the place that most lines name."""
    if not rows:
        return head
    place = Counter(row[4] for row in rows).most_common(1)[0][0]
    try:
        latitude, longitude, elevation = (float(word) for word in place[3:6])
    except ValueError:
        return head
    return replace(head, latitude=latitude, longitude=longitude, elevation=elevation)


def _reading(
    head: _Head, rows: list[_Row], refused: list[Refused], name: str, notes: tuple[str, ...]
) -> Reading:
    property, unit = _VARIABLES[head.variable]
    line, times, values, flags, _ = zip(*rows, strict=True) if rows else ((),) * 5
    time, wrong = instants(times, format="%Y/%m/%d %H:%M", zone="UTC")
    value, unread = numbers(values)
    value[value <= _GONE] = np.nan
    refused = refused + [Refused(line[i], why, name) for i, why in wrong.items()]
    refused += [
        Refused(line[i], f"not a number: {values[i]!r}", name)
        for i in np.flatnonzero(unread & (time != NEVER))
    ]
    good = np.flatnonzero((time != NEVER) & ~unread)
    item, place = _described(head, property, unit)
    data = pd.DataFrame(
        {
            "series": one_category(item.key, len(good)),
            "time": pd.DatetimeIndex(time[good].view("datetime64[us]")).tz_localize("UTC"),
            "value": value[good],
            "flag": np.array(flags, dtype=object)[good],
            "line": np.array(line, dtype=np.int64)[good],
        }
    )
    reported = tuple(sorted(refused, key=lambda one: one.line))
    total = len(rows) + sum(1 for one in refused if "words where" in one.reason)
    return Reading(
        data,
        {item.key: item},
        {place.name: place},
        lines=total,
        kept=len(good),
        refused=reported,
        notes=notes,
    )


def _described(head: _Head, property: str, unit: str) -> tuple[Series, Place]:
    """Say what the series is, and where its station stands."""
    above = property in ("temperature", "precipitation")
    depth = None if above else 0.5 * (head.top + head.bottom)
    called = f"{head.network} {head.station}"
    item = Series(
        thing=called,
        name=series_name(property, depth, head.sensor),
        quantity=property,
        unit=unit,
        depth=depth,
        sensor=head.sensor,
        properties={"depth_from": head.top, "depth_to": head.bottom, "flags": "ISMN"},
    )
    place = Place(
        name=called,
        latitude=head.latitude,
        longitude=head.longitude,
        elevation=head.elevation,
        properties={"network": head.network},
    )
    return item, place


def read_ismn_archive(path: Path | str) -> Reading:
    """Read all files of a download: a folder, or the ZIP as it came.

    Static variables of a station (``*static_variables.csv``) go to its series: saturation, clay,
    silt and sand of the layer that the sensor is in.

    Parameters
    ----------
    path : path
        Folder or ZIP of network/station/file.

    Returns
    -------
    Reading

    Raises
    ------
    InputError
        If there is no file of the network.
    """
    readings, soils = [], {}
    for name, content in _members(Path(path)):
        if name.lower().endswith("static_variables.csv"):
            soils[str(PurePosixPath(name).parent)] = _soil(lines_of(content))
        elif name.lower().endswith(".stm"):
            readings.append((str(PurePosixPath(name).parent), name, content))
    if not readings:
        do = "Give the folder or ZIP that holds network/station/*.stm"
        raise InputError(
            "no file of the International Soil Moisture Network", found=str(path), do=do
        )
    read = []
    for folder, name, content in readings:
        try:
            one = read_ismn(content, name=name)
        except InputError as error:
            read.append(_unnamed(error))
            continue
        read.append(_with_soil(one, soils.get(folder, [])))
    return join(read)


def _unnamed(error: InputError) -> Reading:
    from headwater.network.ingest.parsed_file import empty_frame

    return Reading(empty_frame(), {}, notes=(str(error),))


def _is_wanted(name: str) -> bool:
    """Say whether a file holds values or soils; what macOS puts beside it (``._x``) does not."""
    last = name.rpartition("/")[2].lower()
    return last.endswith((".stm", "static_variables.csv")) and not last.startswith(".")


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if _is_wanted(file.name):
                yield file.relative_to(path).as_posix(), file.read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if _is_wanted(name):
                    yield name, archive.read(name)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {path}", found=str(error), do="Download it again") from None


_SOIL = {
    "saturation": "saturation",
    "clay fraction": "clay_percent",
    "sand fraction": "sand_percent",
    "silt fraction": "silt_percent",
    "organic carbon": "organic_carbon_percent",
}


def _soil(lines: list[str]) -> list[tuple[str, float, float, float]]:
    """Read name, top, bottom and value of what the network knows of the soil."""
    found = []
    for line in lines:
        words = [word.strip() for word in split(line, ";")]
        if len(words) < 5 or words[0].lower() not in _SOIL:
            continue
        try:
            top, bottom, value = (float(word) for word in words[2:5])
        except ValueError:
            continue
        found.append((_SOIL[words[0].lower()], top, bottom, value))
    return found


def _with_soil(reading: Reading, soil: list[tuple[str, float, float, float]]) -> Reading:
    series = {}
    for key, item in reading.series.items():
        here: dict[str, Any] = {}
        for name, top, bottom, value in soil:
            if item.depth is not None and top <= item.depth <= bottom:
                here.setdefault(name, value)
        series[key] = replace(item, properties={**item.properties, **here})
    return replace(reading, series=series)
