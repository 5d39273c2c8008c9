"""Ten thousand files that say the same in other ways, and how many of them are misread in silence.

A clean file is written anew with other axes, time axes, calendars, stamps, units, packing and
fills. What is read from it, month by month and cell by cell, must be what the clean file gives,
or there must be an error or a warning. Files lie in nothing that they say; what they leave unsaid
(a fill, the place of a stamp) is left unsaid. Run: ``python -m benchmarks.mutated_files``.
"""

from __future__ import annotations

import argparse
import collections
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import HeadwaterError
from headwater.glossary import term
from headwater.grids import open_grid
from headwater.grids.plausibility import overview
from headwater.study.checks import look
from headwater.variation import aggregate

YEARS, ROWS, COLUMNS = 3, 4, 5
LAT, LON = 36.05 + 0.1 * np.arange(ROWS), 95.05 + 0.1 * np.arange(COLUMNS)
MONTHS = pd.date_range("2014-01-01", periods=12 * YEARS, freq="MS")
NEXT = MONTHS + pd.offsets.MonthBegin(1)
DAYS = MONTHS.days_in_month.to_numpy(float)[:, None, None]


def clean(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Monthly values of three quantities, as a mountain of the Qilian could have them."""
    season = np.sin(2 * np.pi * (np.arange(12 * YEARS) % 12 - 3) / 12)[:, None, None]
    shape = (12 * YEARS, ROWS, COLUMNS)
    return {
        "precipitation": np.maximum(35 + 30 * season + rng.normal(0, 6, shape), 0.5),
        "temperature": -2 + 12 * season + rng.normal(0, 1, shape),
        "soil_moisture": 0.2 + 0.06 * season + rng.normal(0, 0.01, shape),
    }


# quantity: unit as written, and what the stored values are of the clean ones
UNITS: dict[str, dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "precipitation": {
        "mm": lambda v: v,
        "kg m-2": lambda v: v,
        "Kg/m^2": lambda v: v,
        "cm": lambda v: v / 10,
        "m": lambda v: v / 1e3,
        "0.1 mm": lambda v: v * 10,
        "inch": lambda v: v / 25.4,
        "mm/month": lambda v: v,
        "mm month-1": lambda v: v,
        "mm d-1": lambda v: v / DAYS,
        "mm/day": lambda v: v / DAYS,
        "kg m-2 s-1": lambda v: v / DAYS / 86400,
        "kg m**-2 s**-1": lambda v: v / DAYS / 86400,
        "m s-1": lambda v: v / DAYS / 86400e3,
        "mm h-1": lambda v: v / DAYS / 24,
        "": lambda v: v,
        "furlong": lambda v: v,
    },
    "temperature": {
        "degC": lambda v: v,
        "℃": lambda v: v,
        "degrees C": lambda v: v,
        "Celsius": lambda v: v,
        "K": lambda v: v + 273.15,
        "Kelvin": lambda v: v + 273.15,
        "degF": lambda v: v * 1.8 + 32,
        "0.1 degC": lambda v: v * 10,
        "0.1℃": lambda v: v * 10,
        "": lambda v: v,
    },
    "soil_moisture": {
        "m3 m-3": lambda v: v,
        "m³/m³": lambda v: v,
        "cm3/cm3": lambda v: v,
        "1": lambda v: v,
        "%": lambda v: v * 100,
        "vol%": lambda v: v * 100,
        "0.0001": lambda v: v * 1e4,
        "g kg-1": lambda v: v * 1e3,
        "kg m-2": lambda v: v * 100,
        "": lambda v: v,
    },
}
FILLS = (-9999.0, -999.0, -3000.0, 0.0, 255.0, 32767.0, 1e20, -32768.0)


@dataclass
class File:
    """A file to be, and what was done to it."""

    quantity: str
    stored: np.ndarray
    units: str
    attrs: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    tolerance: float = 1e-5


def with_units(file: File, values: np.ndarray, rng: np.random.Generator) -> None:
    choices = UNITS[file.quantity]
    file.units = str(rng.choice(list(choices)))
    file.stored = choices[file.units](values)
    file.done.append(f"units '{file.units}'")


def with_void(file: File, rng: np.random.Generator) -> np.ndarray:
    """Lose a few cells for good: declared, declared otherwise, or not at all."""
    void = np.zeros(file.stored.shape, bool)
    if rng.random() < 0.35:
        return void
    void[:, rng.integers(ROWS), : rng.integers(1, 3)] = True
    fill = float(rng.choice(FILLS))
    how = str(rng.choice(["_FillValue", "missing_value", "valid_range", "text", "nothing", "nan"]))
    file.stored = np.where(void, np.nan if how == "nan" else fill, file.stored)
    if how in ("_FillValue", "missing_value"):
        file.attrs[how] = fill
    elif how == "text":
        file.attrs["missing_value"] = f"{fill:g}"
    elif how == "valid_range":
        seen = file.stored[~void]
        file.attrs["valid_range"] = np.array([seen.min(), seen.max()])
        if seen.min() <= fill <= seen.max():
            file.attrs["_FillValue"] = fill
    file.done.append(f"fill {fill:g} by {how}")
    return void


def with_packing(file: File, void: np.ndarray, rng: np.random.Generator) -> None:
    """Pack into short integers, fills and all."""
    if rng.random() < 0.5 or np.isnan(file.stored).any():
        return
    seen = file.stored[~void]
    offset = 0.0 if rng.random() < 0.5 else float(np.round(seen.mean(), 6))
    scale = float(np.abs(seen - offset).max() / 30000) or 1.0
    packed = np.round((file.stored - offset) / scale)
    if void.any():
        named = [key for key in ("_FillValue", "missing_value") if key in file.attrs]
        code = int(rng.choice([-32768, 32767, -32000]))
        packed = np.where(void, code, packed)
        for key in named:
            text = isinstance(file.attrs[key], str)
            file.attrs[key] = f"{code}" if text else np.int16(code)
        if "valid_range" in file.attrs:
            whole = packed[~void]
            file.attrs["valid_range"] = np.array([whole.min(), whole.max()]).astype("int16")
            file.attrs.pop("_FillValue", None)
        file.done.append(f"code {code}")
    file.stored = packed.astype("int16")
    file.attrs |= {"scale_factor": scale, "add_offset": offset}
    file.tolerance = max(file.tolerance, 2e-3)
    file.done.append("packed")


SPELLINGS = (
    "days",
    "hours",
    "months",
    "yyyymm",
    "yyyymmdd",
    "yyyyjjj",
    "decimal",
    "text",
    "noleap",
    "360_day",
    "julian",
)
"""Ways to write a time axis."""


def times(rng: np.random.Generator, done: list[str]) -> tuple[Any, dict[str, Any], Any]:
    """Write the months down: stamps, attributes and bounds."""
    place = str(rng.choice(["start", "middle", "last day", "end"]))
    spelling = str(rng.choice(SPELLINGS))
    bounds = np.stack([MONTHS, NEXT], axis=1) if rng.random() < 0.5 else None
    if spelling in ("months", "yyyymm", "decimal", "360_day"):
        bounds, place = None, place if place == "middle" else "start"
    stamps = {
        "start": MONTHS,
        "middle": MONTHS + pd.Timedelta(days=14),
        "last day": NEXT - pd.Timedelta(days=1),
        "end": NEXT,
    }[place]
    done.append(f"{spelling}, stamped {place}{', bounds' if bounds is not None else ''}")
    if spelling in ("noleap", "360_day", "julian"):
        return of_calendar(stamps, bounds, spelling)
    if spelling in ("days", "hours"):
        attrs = {"units": f"{spelling} since 1950-01-01", "calendar": "standard"}
        factor = 24.0 if spelling == "hours" else 1.0
        edges = None if bounds is None else since_1950(bounds) * factor
        return since_1950(stamps.to_numpy()) * factor, attrs, edges
    half = 0.5 if place == "middle" else 0.0
    plain = np.arange(stamps.size) + half
    forms = {"yyyymm": "%Y%m", "yyyymmdd": "%Y%m%d", "yyyyjjj": "%Y%j"}
    values: Any = {"months": plain, "decimal": 2014 + plain / 12}.get(spelling)
    if spelling in forms:
        values = np.array([int(f"{t:{forms[spelling]}}") for t in stamps])
    if spelling == "text":
        values = np.array([f"{t:%Y-%m-%d}" for t in stamps], dtype=object)
    return values, {"units": "months since 2014-01-01"} if spelling == "months" else {}, None


def since_1950(dates: Any) -> np.ndarray:
    return (dates - np.datetime64("1950-01-01")) / np.timedelta64(1, "D")


def of_calendar(stamps: Any, bounds: Any, calendar: str) -> tuple[Any, dict[str, Any], Any]:
    import cftime

    def day(date: pd.Timestamp) -> int:
        if calendar == "360_day":
            return min(date.day, 30)
        return min(date.day, 28) if date.month == 2 and calendar == "noleap" else date.day

    def counted(dates: Any) -> np.ndarray:
        kind = [
            cftime.datetime(d.year, d.month, day(d), calendar=calendar)
            for d in pd.DatetimeIndex(dates)
        ]
        return np.asarray(cftime.date2num(kind, "days since 1950-01-01", calendar), float)

    edges = None
    if bounds is not None:
        edges = np.stack([counted(bounds[:, 0]), counted(bounds[:, 1])], axis=1)
    return counted(stamps), {"units": "days since 1950-01-01", "calendar": calendar}, edges


AXES = (
    ("time", "lat", "lon"),
    ("t", "latitude", "longitude"),
    ("valid_time", "south_north", "west_east"),
)


def written(path: Path, file: File, rng: np.random.Generator) -> None:
    """Write with axes in any order, under any name, either way round."""
    stamps, attrs, edges = times(rng, file.done)
    names = dict(zip(("t", "y", "x"), AXES[rng.integers(len(AXES))], strict=True))
    dims = [names["t"], names["y"], names["x"]]
    y = (names["y"], LAT, {"units": "degrees_north", "standard_name": "latitude"})
    x = (names["x"], LON, {"units": "degrees_east", "standard_name": "longitude"})
    units = {"units": file.units} if file.units else {}
    variable = (dims, file.stored, {**units, **file.attrs})
    data = xr.Dataset({"v": variable}, {names["y"]: y, names["x"]: x})
    data[names["t"]] = (names["t"], stamps, attrs)
    if edges is not None:
        data[names["t"]].attrs["bounds"] = "time_bnds"
        data["time_bnds"] = ((names["t"], "nv"), edges)
        if rng.random() < 0.3:
            data[names["t"]].attrs.pop("bounds")
            data = data.rename(time_bnds=f"{names['t']}_bnds")
            file.done.append("bounds unnamed")
    if rng.random() < 0.5:
        data = data.isel({names["y"]: slice(None, None, -1)})
        file.done.append("north up")
    if rng.random() < 0.5:
        data = data.transpose(*rng.permutation(data["v"].dims).tolist(), ...)
        file.done.append("axes turned")
    for name in data.variables:
        data[name].encoding["_FillValue"] = None
    fills = {}
    if "_FillValue" in data["v"].attrs:
        fills = {"v": {"_FillValue": data["v"].attrs.pop("_FillValue")}}
    data.to_netcdf(path, engine="h5netcdf", encoding=fills)


def verdict(path: Path, file: File, expected: np.ndarray) -> str:
    """Same, warned, refused or silent."""
    quantity = term(file.quantity)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            data = open_grid(path, quantity).load()
        seen = [*str(data.attrs.get("warnings", "")).splitlines()]
        seen += overview(data, quantity).warnings
        seen += [str(problem) for problem in look(data, quantity)]
        monthly = aggregate(data, "month", min_coverage=0.99)[file.quantity]
    except HeadwaterError as error:
        return f"refused: {type(error).__name__}"
    found = monthly.sortby("y").transpose("time", "y", "x").values
    index = monthly.indexes["time"]
    first = (int(index.year[0]), int(index.month[0]))
    same = found.shape == expected.shape and first == (2014, 1)
    if same:
        scale = np.nanstd(expected)
        both = np.isfinite(expected)
        same = bool((np.isfinite(found) == both).all())
        worst = np.abs(found[both] - expected[both]).max(initial=0.0)
        same = same and bool(worst <= file.tolerance * 10 * scale)
    if same:
        return "same, with a warning" if seen else "same"
    return "differs, with a warning" if seen else "SILENT"


def one(seed: int, folder: Path) -> tuple[str, list[str]]:
    """Make, read and judge one file."""
    rng = np.random.default_rng(seed)
    values = clean(np.random.default_rng(7))
    quantity = str(rng.choice(list(values)))
    file = File(quantity, values[quantity], "")
    with_units(file, values[quantity], rng)
    void = with_void(file, rng)
    with_packing(file, void, rng)
    path = folder / f"{seed}.nc"
    written(path, file, rng)
    expected = np.where(void, np.nan, values[quantity])
    if quantity == "precipitation":
        expected = expected * _by_calendar(file)
    found = verdict(path, file, expected)
    path.unlink()
    return found, [quantity, *file.done]


def _by_calendar(file: File) -> np.ndarray:
    """Amounts of rates grow with the months of a model's calendar, as they should."""
    rate = any(sign in file.units for sign in (" d-1", "/day", "s-1", "s**-1", "h-1"))
    own = DAYS.copy()
    if rate and any("360_day" in word for word in file.done):
        own[:] = 30.0
    elif rate and any("noleap" in word for word in file.done):
        own[MONTHS.month == 2] = 28.0
    return own / DAYS


def main(n: int = 10_000, seed: int = 0) -> collections.Counter[str]:
    """Judge `n` files and print the share of each verdict."""
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(seed, seed + n):
            found, done = one(number, Path(folder))
            counts[found.split(":")[0]] += 1
            if found == "SILENT":
                print(f"SILENT seed {number}: {'; '.join(done)}")
    for word, count in counts.most_common():
        print(f"{word}: {count} of {n} ({100 * count / n:.2f} %)")
    print(f"silent differences: {counts['SILENT']} of {n}")
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.n, given.seed)
