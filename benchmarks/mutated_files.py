"""Ten thousand files that say the same in other ways, and how many are misread in silence.

A clean grid is written anew with other axes, longitudes, time axes, calendars, stamps, steps,
units, packing, types, fills and formats; some have steps in disorder, twice, or not at all. What is
read from it, month by month and cell by cell, must be what the clean grid gives, at the same
places, or there must be an error, or a warning that says what to write. Files lie in nothing that
they say; what they leave unsaid (a fill, the place of a stamp) is left unsaid. All files cover
whole years. Tables are mutated by ``benchmarks.table_mutations``. Run:
``python -m benchmarks.mutated_files --n 10000 --seed 0``.
"""

from __future__ import annotations

import argparse
import collections
import functools
import shutil
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
from headwater.study.first_look import look
from headwater.variation import aggregate

ROWS, COLUMNS = 4, 5
LAT, EAST = 36.05 + 0.1 * np.arange(ROWS), 95.05 + 0.1 * np.arange(COLUMNS)
PLACES = {"Qilian": EAST, "Rocky Mountains": EAST - 200.0}
FIRST, YEARS = "2014-01-01", 3


@dataclass(frozen=True)
class Steps:
    """First instants of the steps of a clean grid, and the instants after."""

    cadence: str
    start: pd.DatetimeIndex
    end: pd.DatetimeIndex

    @property
    def days(self) -> np.ndarray:
        length = (self.end - self.start) / pd.Timedelta(days=1)
        return np.asarray(length, float)[:, None, None]

    @property
    def period(self) -> str:
        return "year" if self.cadence == "year" else "month"


@functools.cache
def steps_of(cadence: str) -> Steps:
    """Whole years of steps, one year of days."""
    last = pd.Timestamp(FIRST) + pd.DateOffset(years=1 if cadence == "day" else YEARS)
    if cadence in ("month", "year", "day"):
        offset = {"month": "MS", "year": "YS", "day": "D"}[cadence]
        edges = pd.date_range(FIRST, last, freq=offset)
    elif cadence == "dekad":
        days = pd.date_range(FIRST, last, freq="D")
        edges = days[days.day.isin((1, 11, 21))]
    else:
        length = int(cadence.split(maxsplit=1)[0])
        years = range(2014, 2014 + YEARS)
        firsts = [pd.date_range(f"{y}", f"{y}-12-31", freq=f"{length}D") for y in years]
        edges = firsts[0].append(firsts[1:]).append(pd.DatetimeIndex([last]))
    return Steps(cadence, edges[:-1], edges[1:])


CADENCES = {
    "month": 0.5,
    "dekad": 0.12,
    "16 days": 0.12,
    "8 days": 0.06,
    "day": 0.12,
    "year": 0.08,
}


@functools.cache
def clean(cadence: str) -> dict[str, np.ndarray]:
    """Values of three quantities, as a mountain of the Qilian could have them."""
    steps, rng = steps_of(cadence), np.random.default_rng(7)
    days = steps.days
    season = np.sin(2 * np.pi * (steps.start.day_of_year.to_numpy() - 106) / 365)[:, None, None]
    season = 0.0 * season if cadence == "year" else season
    shape = (steps.start.size, ROWS, COLUMNS)
    return {
        "precipitation": days * (1.2 + season) * np.exp(rng.normal(0, 0.2, shape)),
        "temperature": -2 + 12 * season + rng.normal(0, 1, shape),
        "soil_moisture": 0.2 + 0.06 * season + rng.normal(0, 0.01, shape),
    }


@functools.cache
def shares(cadence: str) -> np.ndarray:
    """Days that each step shares with each period, (period, step)."""
    steps = steps_of(cadence)
    edges = pd.date_range(FIRST, steps.end[-1], freq="YS" if steps.period == "year" else "MS")
    low = np.maximum(edges[:-1].to_numpy()[:, None], steps.start.to_numpy()[None])
    high = np.minimum(edges[1:].to_numpy()[:, None], steps.end.to_numpy()[None])
    return np.maximum((high - low) / np.timedelta64(1, "D"), 0.0)


def by_period(values: np.ndarray, cadence: str, *, total: bool) -> np.ndarray:
    """Aggregate to months or years by the days that steps share with them; whole ones only."""
    days = shares(cadence)
    known = np.isfinite(values)
    seen = np.einsum("ps,syx->pyx", days, known)
    rate = np.where(known, values, 0.0) / (steps_of(cadence).days if total else 1.0)
    sums = np.einsum("ps,syx->pyx", days, rate)
    whole = seen > 0.99 * days.sum(axis=1)[:, None, None]
    mean = np.divide(sums, seen, out=np.full(sums.shape, np.nan), where=whole)
    return mean * days.sum(axis=1)[:, None, None] if total else mean


Unit = Callable[[np.ndarray, np.ndarray], np.ndarray]
# quantity: unit as written, and what the stored values are of the clean ones, with days of steps
UNITS: dict[str, dict[str, Unit]] = {
    "precipitation": {
        "mm": lambda v, d: v,
        "kg m-2": lambda v, d: v,
        "Kg/m^2": lambda v, d: v,
        "cm": lambda v, d: v / 10,
        "m": lambda v, d: v / 1e3,
        "0.1 mm": lambda v, d: v * 10,
        "inch": lambda v, d: v / 25.4,
        "mm/month": lambda v, d: v,
        "mm month-1": lambda v, d: v,
        "mm d-1": lambda v, d: v / d,
        "mm/day": lambda v, d: v / d,
        "kg m-2 s-1": lambda v, d: v / d / 86400,
        "kg m**-2 s**-1": lambda v, d: v / d / 86400,
        "m s-1": lambda v, d: v / d / 86400e3,
        "mm h-1": lambda v, d: v / d / 24,
        "": lambda v, d: v,
        "furlong": lambda v, d: v,
    },
    "temperature": {
        "degC": lambda v, d: v,
        "℃": lambda v, d: v,
        "degrees C": lambda v, d: v,
        "Celsius": lambda v, d: v,
        "K": lambda v, d: v + 273.15,
        "Kelvin": lambda v, d: v + 273.15,
        "degF": lambda v, d: v * 1.8 + 32,
        "0.1 degC": lambda v, d: v * 10,
        "0.1℃": lambda v, d: v * 10,
        "": lambda v, d: v,
    },
    "soil_moisture": {
        "m3 m-3": lambda v, d: v,
        "m³/m³": lambda v, d: v,
        "cm3/cm3": lambda v, d: v,
        "1": lambda v, d: v,
        "%": lambda v, d: v * 100,
        "vol%": lambda v, d: v * 100,
        "0.0001": lambda v, d: v * 1e4,
        "g kg-1": lambda v, d: v * 1e3,
        "kg m-2": lambda v, d: v * 100,
        "": lambda v, d: v,
    },
}
FILLS = (-9999.0, -999.0, -3000.0, 0.0, 255.0, 32767.0, 1e20, -32768.0)


@dataclass
class File:
    """A file to be, and what was done to it."""

    quantity: str
    cadence: str
    stored: np.ndarray
    units: str = ""
    attrs: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    tolerance: float = 1e-5
    lost: int | None = None
    calendar: str = "standard"


def with_units(file: File, rng: np.random.Generator) -> None:
    choices = UNITS[file.quantity]
    names = [
        name
        for name in choices
        if file.cadence == "month" or "month" not in name  # a unit by month of other steps
    ]
    file.units = str(rng.choice(names))
    file.stored = choices[file.units](file.stored, steps_of(file.cadence).days)
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


CODES = {"int16": (-32768, 32767, -32000), "uint8": (255, 0), "int32": (-9999999, 2147483647)}


def with_type(file: File, void: np.ndarray, rng: np.random.Generator) -> None:
    """Store as floats of either width, or pack into integers, fills and all."""
    kind = str(rng.choice(["float64", "float32", "int16", "int32", "uint8"]))
    if kind.startswith("float") or np.isnan(file.stored).any():
        kind = kind if kind.startswith("float") else "float32"
        _as_floats(file, kind)
        return
    seen = file.stored[~void]
    low, high = float(seen.min()), float(seen.max())
    top = {"int16": 30000, "int32": 10**8, "uint8": 250}[kind]
    if kind == "uint8":
        offset, scale = low - (high - low) / 100, (high - low) * 1.02 / top
    else:
        offset = 0.0 if rng.random() < 0.5 else float(np.round(seen.mean(), 6))
        scale = float(np.abs(seen - offset).max() / top) or 1.0
    packed = np.round((file.stored - offset) / scale)
    if void.any():
        named = [key for key in ("_FillValue", "missing_value") if key in file.attrs]
        code = int(rng.choice(CODES[kind]))
        packed = np.where(void, code, packed)
        for key in named:
            text = isinstance(file.attrs[key], str)
            file.attrs[key] = f"{code}" if text else np.array(code, kind)[()]
        if "valid_range" in file.attrs:
            whole = packed[~void]
            file.attrs["valid_range"] = np.array([whole.min(), whole.max()]).astype(kind)
            file.attrs.pop("_FillValue", None)
        file.done.append(f"code {code}")
    file.stored = packed.astype(kind)
    file.attrs |= {"scale_factor": scale, "add_offset": offset}
    file.tolerance = max(file.tolerance, 0.1 if kind == "uint8" else 2e-3)
    file.done.append(f"packed as {kind}")


def _as_floats(file: File, kind: str) -> None:
    file.stored = file.stored.astype(kind)
    file.attrs = {
        key: np.asarray(value, kind)[()] if not isinstance(value, str) else value
        for key, value in file.attrs.items()
    }
    file.done.append(kind)
    if kind == "float32":
        file.tolerance = max(file.tolerance, 1e-4)


SPELLINGS = {
    "month": (
        *("days", "hours", "months", "yyyymm", "yyyymmdd", "yyyyjjj", "decimal", "text"),
        *("noleap", "360_day", "julian", "minutes"),
    ),
    "year": ("days", "hours", "years", "yyyy", "yyyymmdd", "text"),
}
"""Ways to write a time axis; of all other steps those of days."""
OF_DAYS = ("days", "hours", "seconds", "yyyymmdd", "yyyyjjj", "text", "julian")


def times(file: File, rng: np.random.Generator) -> tuple[Any, dict[str, Any], Any]:
    """Write the steps down: stamps, attributes and bounds."""
    steps = steps_of(file.cadence)
    place = str(rng.choice(["start", "middle", "last day", "end"]))
    spelling = str(rng.choice(SPELLINGS.get(file.cadence, OF_DAYS)))
    bounds = np.stack([steps.start, steps.end], axis=1) if rng.random() < 0.5 else None
    in_numbers = ("months", "yyyymm", "yyyymmdd", "yyyyjjj", "decimal", "text", "years", "yyyy")
    if spelling in (*in_numbers, "360_day"):
        bounds = None
    if spelling in ("months", "yyyymm", "decimal", "360_day", "years", "yyyy"):
        place = place if place == "middle" and spelling != "yyyy" else "start"
    if file.cadence == "year" and bounds is None and place == "end":
        place = "last day"  # 1 January of the next year is no other year's than that year's own
    dates = file.cadence == "day" and spelling in ("yyyymmdd", "yyyyjjj", "text")
    place = "start" if dates or (file.cadence == "day" and place == "last day") else place
    stamps = {
        "start": steps.start,
        "middle": steps.start + (steps.end - steps.start) / 2,
        "last day": steps.end - pd.Timedelta(days=1),
        "end": steps.end,
    }[place]
    if file.cadence == "month" and place == "middle":
        stamps = steps.start + pd.Timedelta(days=14)
    elif file.cadence != "day":
        stamps = stamps.floor("D")
    words = f"{file.cadence} as {spelling}, stamped {place}"
    file.done.append(f"{words}{', bounds' if bounds is not None else ''}")
    if spelling in ("noleap", "360_day", "julian"):
        file.calendar = spelling
        return of_calendar(stamps, bounds, spelling)
    per_day = {"days": 1.0, "hours": 24.0, "minutes": 1440.0, "seconds": 86400.0}
    if spelling in per_day:
        factor = per_day[spelling]
        attrs = {"units": f"{spelling} since 1950-01-01", "calendar": "standard"}
        edges = None if bounds is None else since_1950(bounds) * factor
        return since_1950(stamps.to_numpy()) * factor, attrs, edges
    return _in_numbers(stamps, spelling, 0.5 if place == "middle" else 0.0)


def _in_numbers(stamps: Any, spelling: str, half: float) -> tuple[Any, dict[str, Any], Any]:
    """Write dates as numbers or text, which no attribute explains."""
    plain = np.arange(stamps.size) + half
    forms = {"yyyymm": "%Y%m", "yyyymmdd": "%Y%m%d", "yyyyjjj": "%Y%j", "yyyy": "%Y"}
    values: Any = {"months": plain, "years": plain, "decimal": 2014 + plain / 12}.get(spelling)
    if spelling in forms:
        values = np.array([int(f"{t:{forms[spelling]}}") for t in stamps])
    if spelling == "text":
        values = np.array([f"{t:%Y-%m-%d}" for t in stamps], dtype=object)
    since = spelling in ("months", "years")
    return values, {"units": f"{spelling} since 2014-01-01"} if since else {}, None


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
            cftime.datetime(d.year, d.month, day(d), d.hour, calendar=calendar)
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


def laid_out(file: File, east: np.ndarray, rng: np.random.Generator) -> xr.Dataset:
    """Lay out with axes in any order, under any name, either way round."""
    stamps, attrs, edges = times(file, rng)
    names = dict(zip(("t", "y", "x"), AXES[rng.integers(len(AXES))], strict=True))
    dims = [names["t"], names["y"], names["x"]]
    if east[0] < 0 and rng.random() < 0.7:
        east = east + 360.0
        file.done.append("longitudes of 0 to 360")
    width = "float32" if rng.random() < 0.4 else "float64"
    y = (names["y"], LAT.astype(width), {"units": "degrees_north", "standard_name": "latitude"})
    x = (names["x"], east.astype(width), {"units": "degrees_east", "standard_name": "longitude"})
    units = {"units": file.units} if file.units else {}
    data = xr.Dataset(
        {"v": (dims, file.stored, {**units, **file.attrs})},
        {names["y"]: y, names["x"]: x},
    )
    data[names["t"]] = (names["t"], stamps, attrs)
    if edges is not None:
        data[names["t"]].attrs["bounds"] = "time_bnds"
        data["time_bnds"] = ((names["t"], "nv"), edges)
        if rng.random() < 0.3:
            data[names["t"]].attrs.pop("bounds")
            data = data.rename(time_bnds=f"{names['t']}_bnds")
            file.done.append("bounds unnamed")
    for axis, words in (("y", "north up"), ("x", "east to west")):
        if rng.random() < (0.5 if axis == "y" else 0.15):
            data = data.isel({names[axis]: slice(None, None, -1)})
            file.done.append(words)
    data = disordered(data, names["t"], file, rng)
    if rng.random() < 0.5:
        data = data.transpose(*rng.permutation(data["v"].dims).tolist(), ...)
        file.done.append("axes turned")
    return data


def disordered(data: xr.Dataset, t: str, file: File, rng: np.random.Generator) -> xr.Dataset:
    """Lose a step, give one twice, or give them in disorder."""
    what = str(rng.choice(["", "lost", "twice", "disorder"], p=[0.8, 0.1, 0.05, 0.05]))
    size = data.sizes[t]
    if not what or size < 4:
        return data
    at = int(rng.integers(1, size - 1))
    order = np.arange(size)
    if what == "lost":
        order, file.lost = np.delete(order, at), at
    elif what == "twice":
        order = np.insert(order, at, at)
    else:
        order[[at, at - 1]] = order[[at - 1, at]]
    file.done.append(f"step {at} {what}")
    return data.isel({t: order})


FORMATS = {"classic": 0.8, "netCDF-4": 0.12, "Zarr": 0.08}


def written(folder: Path, seed: int, file: File, data: xr.Dataset, rng: Any) -> Path:
    """Write in one of the formats of the field."""
    form = str(rng.choice(list(FORMATS), p=list(FORMATS.values())))
    file.done.append(form)
    for name in data.variables:
        data[name].encoding["_FillValue"] = None
    fills = {}
    if "_FillValue" in data["v"].attrs:
        fills = {"v": {"_FillValue": data["v"].attrs.pop("_FillValue")}}
    path = folder / f"{seed}.{'zarr' if form == 'Zarr' else 'nc'}"
    if form == "Zarr":
        for name, variable in data.variables.items():
            if variable.dtype == object:
                data[name] = (variable.dims, variable.values.astype(str), variable.attrs)
        data.to_zarr(path, zarr_format=2, consolidated=True, encoding=fills)
    elif form == "classic" and file.stored.dtype != np.uint8:
        data.to_netcdf(path, engine="scipy", encoding=fills)
    else:
        data.to_netcdf(path, engine="h5netcdf", encoding=fills)
    return path


MENDS = {
    "voids": ("missing", "impossible", "hardly possible"),
    "times": ("stamp =",),
    "places": (),
}
"""What a warning must say, by what differs."""


def verdict(path: Path, file: File, east: np.ndarray, expected: np.ndarray) -> str:
    """Same, warned of, refused, crashed, or silent; a warning of something else is no warning."""
    quantity = term(file.quantity)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            data = open_grid(path, quantity).load()
        seen = [*str(data.attrs.get("warnings", "")).splitlines()]
        seen += overview(data, quantity).warnings
        seen += [str(problem) for problem in look(data, quantity)]
        period = steps_of(file.cadence).period
        found = aggregate(data, period, min_coverage=0.99)[file.quantity]
    except HeadwaterError as error:
        return f"refused: {type(error).__name__}"
    except Exception as error:
        return f"CRASHED: {type(error).__name__}: {error}"
    differs = differences(found, file, east, expected)
    if not differs:
        return "same, with a warning" if seen else "same"
    warned = all(any(sign in word for word in seen for sign in MENDS[each]) for each in differs)
    return "differs, with a warning of it" if warned else f"SILENT: {', '.join(sorted(differs))}"


def differences(
    found: xr.DataArray, file: File, east: np.ndarray, expected: np.ndarray
) -> set[str]:
    """Say whether places, times or amounts, or missing cells differ."""
    found = found.sortby("y").sortby("x").transpose("time", "y", "x")
    if found.shape[1:] != expected.shape[1:] or not (
        np.allclose(found["y"], LAT, atol=1e-4) and np.allclose(found["x"], east, atol=1e-4)
    ):
        return {"places"}
    index = found.indexes["time"]
    month = (index.year - 2014) * 12 + index.month - 1
    number = np.asarray(month // 12 if steps_of(file.cadence).period == "year" else month)
    inside = (number >= 0) & (number < len(expected))
    values = np.full(expected.shape, np.nan)
    values[number[inside]] = found.values[inside]
    void = ~np.isfinite(expected).any(axis=0)
    differs = {"voids"} if np.isfinite(values[:, void]).any() else set()
    seen, right = values[:, ~void], expected[:, ~void]
    same = np.allclose(
        seen, right, rtol=0, atol=file.tolerance * 10 * np.nanstd(right), equal_nan=True
    )
    return differs if same and inside.all() else {"times", *differs}


def one(seed: int, folder: Path) -> tuple[str, list[str]]:
    """Make, read and judge one file."""
    rng = np.random.default_rng(seed)
    cadence = str(rng.choice(list(CADENCES), p=list(CADENCES.values())))
    values = clean(cadence)
    quantity = str(rng.choice(list(values)))
    east = PLACES[str(rng.choice(list(PLACES)))]
    file = File(quantity, cadence, values[quantity])
    with_units(file, rng)
    void = with_void(file, rng)
    with_type(file, void, rng)
    data = laid_out(file, east, rng)
    path = written(folder, seed, file, data, rng)
    known = np.where(void, np.nan, values[quantity])
    if file.lost is not None:
        known[file.lost] = np.nan
    expected = by_period(known, cadence, total=quantity == "precipitation")
    if quantity == "precipitation":
        expected = expected * _by_calendar(file)
    found = verdict(path, file, east, expected)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return found, [quantity, *file.done]


def _by_calendar(file: File) -> Any:
    """Amounts of rates grow with the months of a model's calendar, as they should."""
    rate = any(sign in file.units for sign in (" d-1", "/day", " s-1", " s**-1", " h-1"))
    if not rate or file.calendar in ("standard", "julian"):
        return 1.0
    days = steps_of("month").days
    own = np.full_like(days, 30.0) if file.calendar == "360_day" else days.copy()
    if file.calendar == "noleap":
        own[steps_of("month").start.month == 2] = 28.0
    return own / days


def main(n: int = 10_000, seed: int = 0) -> collections.Counter[str]:
    """Judge `n` files and print the share of each verdict."""
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(seed, seed + n):
            found, done = one(number, Path(folder))
            word = found.split(":")[0]
            counts[word] += 1
            if word in ("SILENT", "CRASHED"):
                print(f"{found} seed {number}: {'; '.join(done)}", flush=True)
            if (number - seed + 1) % 1000 == 0:
                print(f"{number - seed + 1} files: {dict(counts)}", flush=True)
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
