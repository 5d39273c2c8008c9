"""A table of NDVI or cover by place and date, read for what needs no study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import DataError, InputError, TimeAxisError, nearest
from headwater.grids.plausibility import ties_at_ends
from headwater.tables import ReadingOptions, read_table
from headwater.tables.options import DEFAULTS
from headwater.tables.report import ReadingReport, name_rows
from headwater.tables.text import Source
from headwater.tables.vocabulary import FIELDS, Field

__all__ = ["GreennessTable", "read_greenness"]

_COVER = Field(
    "cover",
    "number",
    "cover fractionalcover fvc vegetationcover fractionalvegetationcover vegetationfraction "
    "植被覆盖度 盖度 覆盖度 总盖度",
    "1",
    (-0.5, 1.5),
)
_NDVI_SPELLINGS = (
    "ndvi meanndvi ndvimean ndvivalue ndviaverage ndvimedian 植被指数 归一化植被指数 "
    "归一化差值植被指数 归一化差异植被指数"
)
_DRY = 0.01
"""No soil stays as dry as this [m3 m-3]."""
_FILL = -3000.0
"""What MODIS and VIIRS write where they saw nothing, before scaling."""


@dataclass(frozen=True, slots=True, eq=False)
class GreennessTable:
    """Series of NDVI or cover, of one place or several.

    Attributes
    ----------
    data : DataFrame
        ``place``, ``time``, ``green`` (NDVI or cover) [1], ``water`` (soil water, where the table
        has it) [m3 m-3]; a value that was not seen is NaN. The index holds the rows of the file.
    is_cover : bool
        Whether `green` is cover, which needs no end values.
    report : ReadingReport
        What was recognised, assumed, missing and left out.
    left_out : tuple of (str, int, str)
        What was left out, how many, and of what.
    """

    data: pd.DataFrame
    is_cover: bool
    report: ReadingReport
    left_out: tuple[tuple[str, int, str], ...] = ()


def read_greenness(
    source: Source,
    *,
    columns: Mapping[str, str] | None = None,
    scale: float = 1.0,
    reading: ReadingOptions = DEFAULTS,
) -> GreennessTable:
    r"""Read a table with one row for each date, or for each place and date.

    Parameters
    ----------
    source : path or bytes
        CSV, TSV or XLSX.
    columns : mapping, optional
        The file's names of ``station`` (the places), ``time``, ``ndvi``, ``cover`` and
        ``soil_moisture``, where they are not recognised.
    scale : float
        Factor to NDVI of -1 to 1; 0.0001 for products of 0-10000, whose -3000 is missing.
    reading : ReadingOptions
        What the file leaves open.

    Returns
    -------
    GreennessTable

    Raises
    ------
    InputError
        If the file cannot be read, or has no dates or neither NDVI nor cover.
    DataError
        If NDVI lies outside -1 to 1, cover outside 0 to 1, or no value is left.
    TimeAxisError
        If a place has two values of one date.

    Examples
    --------
    >>> table = read_greenness(b"date,NDVI\n2020-06-01,4100\n2020-06-17,-3000\n", scale=0.0001)
    >>> table.data["green"].round(2).tolist(), table.left_out
    ([0.41, nan], (('fill values of -3000', 1, 'values'),))
    """
    if not (np.isfinite(scale) and scale > 0.0):
        raise DataError("a scale must be positive", found=f"{scale}", do="Give 0.0001 or the like")
    given = dict(columns or {})
    ndvi = Field("ndvi", "number", _NDVI_SPELLINGS, valid=(-1.0 / scale, 1.0 / scale))
    fields = (FIELDS["station"], FIELDS["time"], ndvi, _COVER, FIELDS["soil_moisture"])
    table = read_table(source, fields, columns=given, options=reading)
    frame, report = table.data, table.report
    name = _greenness_of(frame, given)
    if {"ndvi", "cover"} <= set(frame.columns) and not {"ndvi", "cover"} & set(given):
        report = report.but("NDVI was taken, not the cover that the table has too; cover names it")
    green, fill = frame[name].astype(np.float64), 0
    if name == "ndvi":
        at = (green == _FILL) if scale == 0.0001 else pd.Series(False, index=green.index)
        green, fill = (green * scale).where(~at), int(at.sum())
    _check_range(green, name)
    if name == "ndvi":
        report = report.but(*_ties(np.asarray(green.dropna(), np.float64), scale))
    data = pd.DataFrame({"place": _places_of(frame, report), "time": frame["time"], "green": green})
    if "soil_moisture" in frame:
        data["water"] = frame["soil_moisture"].astype(np.float64)
        report = report.but(*_check_water(data["water"]))
    known = data["place"].notna() & data["time"].notna()
    data = data[known]
    for column in data.columns.intersection(["green", "water"]):
        _check_dates(data[data[column].notna()], {"green": name, "water": "soil water"}[column])
    counted = (
        (f"fill values of {_FILL:g}", fill, "values"),
        ("without a date or a place", int((~known).sum()), "rows"),
    )
    return GreennessTable(data, name == "cover", report, tuple(row for row in counted if row[1]))


def _check_water(water: pd.Series) -> tuple[str, ...]:
    """Refuse soil water in another unit than m3 m-3, and report what no soil holds."""
    over = water > 1.0
    if over.sum() > 0.5 * water.notna().sum():
        raise DataError(
            "soil water is more than the soil itself, so its unit is not m3 m-3",
            found=f"{water.min():g} to {water.max():g} without a unit",
            do="Write the unit in the head, soil_moisture (%), or give unit:soil_moisture=% "
            "(--reading)",
        )
    if water.max() <= _DRY:
        return (
            f"soil water is nowhere above {water.max():g} m3 m-3, drier than any soil stays; if "
            "its cells are fractions and the % of their head is wrong, give "
            "unit:soil_moisture=m3/m3 (--reading)",
        )
    if not over.any():
        return ()
    rows = name_rows(water.index[over].tolist())
    return (f"{rows}: soil water above 1 m3 m-3, which no soil holds; correct or empty them",)


def _ties(ndvi: NDArray[np.float64], scale: float) -> tuple[str, ...]:
    """Ask about a number that ends the range of NDVI and stands there too often."""
    return tuple(
        f"NDVI of {value:g} ends the range and stands there {count} times in {ndvi.size} values; "
        f"if it means no value, set missing = ['{value / scale:g}']"
        for value, count in ties_at_ends(ndvi)
    )


def _greenness_of(frame: pd.DataFrame, given: Mapping[str, str]) -> str:
    """Name the column that is described, and refuse a table without it or without dates."""
    names = [str(name) for name in frame.columns]
    if "time" not in frame:
        raise InputError(
            "the table has no dates", found=f"columns {', '.join(names)}", do="Name them by --time"
        )
    if "cover" in given and "ndvi" not in given:
        return "cover"
    found = next((name for name in ("ndvi", "cover") if name in frame), None)
    if found is None:
        raise InputError(
            "the table has neither NDVI nor cover",
            found=f"columns {', '.join(names)}",
            do=f"Name one by --ndvi or --cover. {nearest('ndvi', names)}",
        )
    return found


def _places_of(frame: pd.DataFrame, report: ReadingReport) -> pd.Series:
    if "station" in frame:
        return frame["station"]
    name = Path(report.source).stem or "series"
    return pd.Series(name, index=frame.index, dtype=object)


def _check_range(green: pd.Series, name: str) -> None:
    known = green[green.notna()]
    if known.empty:
        raise DataError(
            f"no value of {name} is left",
            found=f"{len(green)} rows without one",
            do="Check the column, the marks of missing values and the scale",
        )
    low, high = (-1.0, 1.0) if name == "ndvi" else (0.0, 1.0)
    wrong = known[(known < low) | (known > high)]
    if wrong.empty:
        return
    what, do = {
        "ndvi": (
            "NDVI outside -1 to 1",
            "Declare its scale, --scale 0.0001 for products of 0-10000, or correct the rows",
        ),
        "cover": (
            "cover outside 0 to 1",
            "Write its unit in the name, as cover (%), or give --reading unit:cover=%, or correct "
            "the rows",
        ),
    }[name]
    rows = name_rows([int(row) for row in wrong.index])
    raise DataError(what, found=f"{known.min():g} to {known.max():g} ({rows})", do=do)


def _check_dates(known: pd.DataFrame, what: str) -> None:
    """Refuse two values of one place and date."""
    twice = known[known.duplicated(["place", "time"], keep=False)]
    if twice.empty:
        return
    first = twice.iloc[0]
    rows = twice[(twice["place"] == first["place"]) & (twice["time"] == first["time"])].index
    raise TimeAxisError(
        f"several values of {what} on one date",
        found=f"{first['time']:%Y-%m-%d} at '{first['place']}' ({name_rows(list(map(int, rows)))}"
        f"), {len(twice)} such rows in all",
        do="Keep one of each date, or name the column of the places by --place",
    )
