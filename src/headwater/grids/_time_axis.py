"""Times as files write them: CF counts, dates as numbers or text, file names, bands of a year."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import TimeAxisError
from headwater.grids._dated_names import CENTURIES, NAMED, PARTS, date_in
from headwater.grids.steps import days_between, plus_days

__all__ = [
    "TIME_HINT",
    "Times",
    "bounds_name",
    "counted_from",
    "is_counted",
    "times_of_name",
    "times_of_variable",
]

TIME_HINT = (
    'time = "%Y%m" (the pattern of dates) or time = "2000-01-01/P1M" (first date and step: P1M, '
    "P1Y, P8D, PT1H, dekad)"
)
_STANDARD = {"standard", "gregorian", "proleptic_gregorian", ""}
_CALENDARS = {
    "standard",
    "gregorian",
    "proleptic_gregorian",
    "julian",
    "noleap",
    "365_day",
    "all_leap",
    "366_day",
    "360_day",
}
_SINCE = re.compile(r"^\s*([A-Za-z_]+)\s+since\s+(.+?)\s*$", re.IGNORECASE)
_UNITS = {
    "years": {"year", "years", "yr", "yrs", "common_year", "common_years"},
    "months": {"month", "months", "mon", "mons"},
    "weeks": {"week", "weeks"},
    "days": {"day", "days", "d"},
    "hours": {"hour", "hours", "hr", "hrs", "h"},
    "minutes": {"minute", "minutes", "min", "mins"},
    "seconds": {"second", "seconds", "sec", "secs", "s"},
}
_SECONDS = {"weeks": 604800, "days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
# Numbers of steps in a year and what such steps are.
_YEARLY = {12: "P1M", 24: "half month", 36: "dekad", 72: "pentad", 46: "P8D", 23: "P16D", 73: "P5D"}
_DIGITS = {
    4: "%Y",
    6: "%Y%m",
    7: "%Y%j",
    8: "%Y%m%d",
    10: "%Y%m%d%H",
    12: "%Y%m%d%H%M",
    14: "%Y%m%d%H%M%S",
}
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """Stamps of an axis, the bounds where the file has them, and how they were understood.

    Attributes
    ----------
    stamps : array of dates, shape (time,)
    bounds : array of dates, shape (time, 2), or None
        First instant of each step, and first instant after.
    notes : tuple of str
        How the file's numbers were understood, where that was not by CF.
    warnings : tuple of str
        What may be wrong.
    """

    stamps: NDArray[Any]
    bounds: NDArray[Any] | None = None
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())


def times_of_variable(
    dataset: xr.Dataset, coordinate: xr.Variable, pattern: str | None, path: Path
) -> Times:
    """Decode a time coordinate with its bounds, by CF or by what its numbers look like."""
    if pattern is not None and is_counted(pattern):
        return Times(_counted(pattern, coordinate.size, path), notes=(f"times are {pattern}",))
    if pattern is not None or coordinate.dtype.kind in "SUO":
        return _of_text(_texts(coordinate), pattern, path)
    units = str(coordinate.attrs.get("units", ""))
    if _SINCE.match(units):
        stamps = _since(coordinate, units, coordinate, path)
        if "climatology" in coordinate.attrs:
            # CF 7.4: its bounds span the years that were averaged, and are no steps
            words = "the times are those of a climatology, not of single years: a mean year"
            return Times(stamps, None, (), (words,))
        bounds, notes, warnings = _bounds(dataset, coordinate, stamps, path)
        return Times(stamps, bounds, notes, warnings)
    return _of_numbers(np.asarray(coordinate.values, dtype=float), units, path)


def counted_from(units: str, calendar: str) -> tuple[str, int, int] | None:
    """Read "days since 2015-01-01" as word, reference [s since 1970] and length of a step [s].

    None where steps have no one length, or dates before 1600 may be of either calendar.
    """
    match = _SINCE.match(units)
    if match is None or calendar.lower() not in _STANDARD:
        return None
    word = match.group(1).lower()
    unit = next((name for name, words in _UNITS.items() if word in words), word)
    try:
        instant = np.datetime64(_reference(match.group(2)).replace(" ", "T"), "s")
    except ValueError:
        return None
    if unit not in _SECONDS or instant < np.datetime64("1600-01-01"):
        return None
    return unit, int(instant.astype("int64")), _SECONDS[unit]


def times_of_name(path: Path, steps: int, pattern: str | None) -> Times:
    """Date a file by its name: one time, or the steps of the year that it names."""
    if pattern is not None and is_counted(pattern):
        return Times(_counted(pattern, steps, path), notes=(f"times are {pattern}",))
    if steps == 1:
        date, form = date_in(path.stem, pattern, str(path))
        return Times(np.array([date.to_datetime64()]), notes=(f"{NAMED}{form}",))
    date, form = date_in(path.stem, pattern, str(path))
    days = 366 if date.is_leap_year else 365
    kind = "P1D" if steps == days else _YEARLY.get(steps)
    if kind is None or form.count("%") != 1:
        raise TimeAxisError(
            f"{path} has {steps} steps without times",
            found=f"'{path.name}'",
            do=f"Write for this input {TIME_HINT}",
        )
    words = f"{steps} steps taken for the {_plain(kind)} of the year in the file name"
    return Times(_counted(f"{date.year}-01-01/{kind}", steps, path), notes=(words,))


def is_counted(pattern: str) -> bool:
    """Whether a key ``time`` gives a first date and a step instead of a pattern."""
    return "/" in pattern and "%" not in pattern


def _texts(coordinate: xr.Variable) -> list[str]:
    values = coordinate.values
    if values.dtype.kind == "S" and values.ndim == 2:
        values = np.array([b"".join(row) for row in values])
    if values.dtype.kind in "iuf":
        return [f"{int(v)}" if float(v).is_integer() else f"{float(v):.10g}" for v in values]
    return [
        (v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v)).strip(" \0")
        for v in values
    ]


def _of_text(texts: Sequence[str], pattern: str | None, path: Path) -> Times:
    if pattern is not None:
        dates = [date_in(text, pattern, f"a time of {path}")[0] for text in texts]
        return Times(_instants(dates), notes=(f"times read as {pattern}",))
    try:
        # as WRF writes it, on disks without colons too
        iso = [re.sub(r"(?<=-\d\d)_(\d\d)[:_](\d\d)", r"T\1:\2", text) for text in texts]
        iso = [re.sub(r"(?<=T\d\d:\d\d)_(?=\d\d)", ":", text) for text in iso]
        parsed = pd.DatetimeIndex(pd.to_datetime(iso, format="ISO8601"))
    except ValueError:
        dates = [date_in(text, None, f"a time of {path}")[0] for text in texts]
        return Times(_instants(dates), notes=("times are dates as text",))
    zone = parsed.tz is not None
    plain = parsed.tz_convert(None) if zone else parsed
    return Times(plain.as_unit("ns").to_numpy(), notes=("times are dates as text",))


def _instants(dates: Iterable[pd.Timestamp]) -> NDArray[Any]:
    return pd.DatetimeIndex(list(dates)).as_unit("ns").to_numpy()


def _since(variable: xr.Variable, units: str, calendar_of: xr.Variable, path: Path) -> NDArray[Any]:
    """Decode counts since a date; months and years by the calendar, which CF does not define."""
    match = _SINCE.match(units)
    assert match is not None
    word, reference = match.group(1).lower(), match.group(2)
    unit = next((name for name, words in _UNITS.items() if word in words), word)
    calendar = str(calendar_of.attrs.get("calendar", "standard")).lower()
    values = np.asarray(variable.values, dtype=float)
    missing = [variable.attrs.get(key) for key in ("_FillValue", "missing_value")]
    if any(m is not None and np.ndim(m) == 0 and (values == float(m)).any() for m in missing):
        raise _unreadable(path, units, calendar, "a time is missing")
    if calendar not in _CALENDARS:
        raise _unreadable(path, units, calendar, "unknown calendar")
    if unit in ("months", "years"):
        origin = re.match(r"(-?\d{1,4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?", reference)
        if origin is None:
            raise _unreadable(path, units, calendar, "no date after 'since'")
        year, month, day = (int(part or 1) for part in origin.groups())
        first = year * 12 + month - 1
        return _months(first + values * (12 if unit == "years" else 1), day - 1, calendar)
    counts: NDArray[Any] = values
    if unit == "weeks":
        unit, counts = "days", values * 7.0
    elif np.issubdtype(variable.dtype, np.integer):
        counts = variable.values.astype("int64")
    attrs = {"units": f"{unit} since {_reference(reference)}", "calendar": calendar}
    coded = xr.Variable(variable.dims, counts, attrs)
    try:
        return _decoded(coded)
    except (ValueError, ImportError, OverflowError) as error:
        raise _unreadable(path, units, calendar, str(error).splitlines()[0]) from error


def _decoded(coded: xr.Variable) -> NDArray[Any]:
    """Decode by xarray, in nanoseconds where they reach."""
    name = "time" if coded.ndim == 1 else "bounds"
    return np.asarray(xr.decode_cf(xr.Dataset({name: coded}), decode_timedelta=False)[name].values)


def _reference(text: str) -> str:
    """Mend a reference date: no zone that says UTC, no year or day zero, no comma."""
    plain = re.sub(r"\s*(UTC|GMT|Z|\+00:?00)\s*$", "", text.strip(), flags=re.IGNORECASE)
    plain = plain.replace("T", " ").replace("/", "-")
    zero = re.match(r"^(\d{1,4})-(\d{1,2})-(\d{1,2})(.*)$", plain)
    if zero is None:
        year = re.match(r"^(\d{4})(?:-(\d{1,2}))?$", plain)
        return f"{year.group(1)}-{int(year.group(2) or 1):02d}-01" if year else plain
    y, m, d, rest = zero.groups()
    return f"{int(y):04d}-{max(int(m), 1):02d}-{max(int(d), 1):02d}{rest}"


def _unreadable(path: Path, units: str, calendar: str, why: str) -> TimeAxisError:
    return TimeAxisError(
        f"the times of {path} cannot be read",
        found=f"units '{units}', calendar '{calendar}' ({why})",
        do=f"Correct units and calendar of the time coordinate, or write {TIME_HINT}",
    )


def _months(months: NDArray[Any], day: float, calendar: str) -> NDArray[Any]:
    """Dates of months counted from year 0, with a share of the month, and `day` days later."""
    months = np.round(np.asarray(months, dtype=float), 6)
    whole = np.floor(months).astype(int)
    start, after = (_month_start(whole + k, calendar) for k in (0, 1))
    share = (months - whole) * days_between(start, after)
    return plus_days(start, share + day)


def _month_start(months: NDArray[Any], calendar: str) -> NDArray[Any]:
    years, month = np.divmod(months, 12)
    if calendar in _STANDARD:
        return ((years - 1970) * 12 + month).astype("datetime64[M]").astype("datetime64[ns]")
    from importlib import import_module

    date: Any = import_module("cftime").datetime
    pairs = zip(years.tolist(), month.tolist(), strict=True)
    return np.array([date(y, m + 1, 1, calendar=calendar) for y, m in pairs])


def _of_numbers(values: NDArray[Any], units: str, path: Path) -> Times:
    """Understand numbers that are dates by themselves: 201501, 20150131, 2015031, 2015.04."""
    given = f" (units '{units}')" if units else ""
    if not np.isfinite(values).all():
        raise TimeAxisError(
            f"the times of {path} cannot be read",
            found="a time is missing",
            do="Correct the time coordinate of the file",
        )
    if re.search(r"%Y%m%d\.%f", units) or (
        (values > 1e7).all() and (values < 1e8).all() and (values % 1.0 > 0).any()
    ):
        days = [pd.to_datetime(f"{int(v)}", format="%Y%m%d") for v in values]
        return Times(plus_days(_instants(days), values % 1.0), notes=("times read as %Y%m%d.%f",))
    if (values % 1.0 == 0).all():
        form = _form_of_integers(values)
        if form is not None:
            dates = [pd.to_datetime(f"{int(v)}", format=form) for v in values]
            return Times(_instants(dates), notes=(f"times read as {form}{given}",))
        return _of_counts(values.astype(int), units, path)
    low, high = CENTURIES
    if (values >= low).all() and (values < high).all():
        stamps, words = _decimal_years(values)
        return Times(stamps, notes=(f"times read as {words}{given}",))
    raise _no_date(values, units, path)


def _form_of_integers(values: NDArray[Any]) -> str | None:
    digits = {len(f"{int(v)}") for v in values}
    form = _DIGITS.get(digits.pop()) if len(digits) == 1 else None
    if form is None:
        return None
    try:
        dates = pd.DatetimeIndex([pd.to_datetime(f"{int(v)}", format=form) for v in values])
    except ValueError:
        return None
    low, high = CENTURIES
    return form if low <= dates.year.min() and dates.year.max() <= high else None


def _of_counts(values: NDArray[Any], units: str, path: Path) -> Times:
    """Months or days of a year that only the file's name says."""
    steps = np.diff(values)
    one_by_one = (steps == 1).all() and values[0] in (0, 1)
    months = values.size == 12 and one_by_one
    days = values.size in (365, 366) and one_by_one
    if months or days:
        try:
            date, form = date_in(path.stem, None, str(path))
        except TimeAxisError:
            raise _no_date(values, units, path) from None
        if form == "%Y" and (months or values.size == (366 if date.is_leap_year else 365)):
            return times_of_name(path, values.size, None)
    raise _no_date(values, units, path)


def _no_date(values: NDArray[Any], units: str, path: Path) -> TimeAxisError:
    return TimeAxisError(
        f"the times of {path} have no date",
        found=f"{values.size} numbers from {values[0]:g} to {values[-1]:g}, units '{units}'",
        do=f"Write for this input {TIME_HINT}",
    )


def _decimal_years(values: NDArray[Any]) -> tuple[NDArray[Any], str]:
    year = np.floor(values + 1e-9)
    share = np.maximum(values - year, 0.0)
    hundredths = share * 100.0
    if (np.abs(hundredths - np.round(hundredths)) < 1e-3).all() and (
        (np.round(hundredths) >= 1) & (np.round(hundredths) <= 12)
    ).all():
        months = year * 12 + np.round(hundredths) - 1
        return _months(months, 0.0, "standard"), "year.month"
    twelfths = share * 12.0
    for offset, words in ((0.0, "starts"), (0.5, "middles")):
        off = twelfths - offset - np.round(twelfths - offset)
        if (np.abs(off) < 0.07).all():
            months = year * 12 + np.round(twelfths - offset) + offset
            return _months(months, 0.0, "standard"), f"decimal years, {words} of months"
    start, after = (_month_start(((year + k) * 12).astype(int), "standard") for k in (0, 1))
    day = share * days_between(start, after)
    near = np.round(day * 2.0) / 2.0
    day = near if (np.abs(day - near) < 0.05).all() else day
    return plus_days(start, day), "decimal years"


def _counted(pattern: str, steps: int, path: Path) -> NDArray[Any]:
    """Stamps from a first date and a step: ``2000-01-01/P1M``."""
    first, step = pattern.split("/", 1)
    match = re.match(r"^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?)?$", step)
    known = step in PARTS or (match is not None and any(match.groups()))
    try:
        begin = pd.Timestamp(first)
    except ValueError:
        known = False
    if not known:
        raise TimeAxisError(
            f"the times of {path} cannot be counted", found=f"'{pattern}'", do=f"Write {TIME_HINT}"
        )
    first_month, count = begin.year * 12 + begin.month - 1, np.arange(steps)
    if match is None:
        days = np.array(PARTS[step])
        count = count + int((days < begin.day).sum())
        starts = _month_start(first_month + count // days.size, "standard")
        return plus_days(starts, days[count % days.size] - 1)
    year, month, week, day, hour = (int(part or 0) for part in match.groups())
    start = begin.to_datetime64().astype("datetime64[ns]")
    if year or month:
        starts = _month_start(first_month + count * (12 * year + month), "standard")
        return plus_days(starts, float((start - starts[0]) / _DAY))
    return plus_days(np.full(steps, start), count * (week * 7 + day + hour / 24.0))


def _plain(kind: str) -> str:
    words = {
        "P1M": "months",
        "P1D": "days",
        "P5D": "pentads",
        "P8D": "8-day composites",
        "P16D": "16-day composites",
    }
    return words.get(kind, f"{kind}s")


def _bounds(
    dataset: xr.Dataset, coordinate: xr.Variable, stamps: NDArray[Any], path: Path
) -> tuple[NDArray[Any] | None, tuple[str, ...], tuple[str, ...]]:
    """Bounds that the file gives its times, if they make sense, and what is to be said of them."""
    name, declared = bounds_name(dataset, coordinate)
    if name is None:
        return None, (), ()
    variable = dataset.variables[name]
    values = _as_pairs(variable, stamps.size)
    if values is None:
        return None, (), (f"the time bounds '{name}' have another shape and are not used",)
    units = str(variable.attrs.get("units", coordinate.attrs.get("units", "")))
    if not _SINCE.match(units):
        return None, (), (f"the time bounds '{name}' have no readable unit and are not used",)
    owner = variable if "calendar" in variable.attrs else coordinate
    raw = xr.Variable(("time",), values.ravel(), variable.attrs)
    try:
        both = _since(raw, units, owner, path).reshape(-1, 2)
    except TimeAxisError:
        return None, (), (f"the time bounds '{name}' cannot be read and are not used",)
    return _sound_bounds(both, stamps, name, declared=declared)


def bounds_name(dataset: xr.Dataset, coordinate: xr.Variable) -> tuple[str | None, bool]:
    """Find the bounds of a time coordinate, and whether an attribute names them."""
    declared = coordinate.attrs.get("bounds")
    if declared in dataset.variables:
        return str(declared), True
    dim = str(coordinate.dims[0])
    likely = [f"{dim}_bnds", f"{dim}_bounds", f"{dim}_bound", f"{dim}_bnd", f"bounds_{dim}"]
    return next((name for name in likely if name in dataset.variables), None), False


def _as_pairs(variable: xr.Variable, size: int) -> NDArray[Any] | None:
    values = np.asarray(variable.values)
    if values.ndim == 2 and values.shape == (size, 2):
        return values
    if values.ndim == 2 and values.shape == (2, size):
        return values.T
    if values.ndim == 1 and values.size == size + 1:
        return np.stack([values[:-1], values[1:]], axis=1)
    return None


def _sound_bounds(
    both: NDArray[Any], stamps: NDArray[Any], name: str, *, declared: bool
) -> tuple[NDArray[Any] | None, tuple[str, ...], tuple[str, ...]]:
    if both.dtype.kind != stamps.dtype.kind:
        return None, (), (f"the time bounds '{name}' have another calendar and are not used",)
    start, end = both[:, 0], both[:, 1]
    length = days_between(start, end)
    if (length == 0).all():
        return None, (), ()
    if (length < 0).all():
        start, end, length = end, start, -length
    notes = () if declared else (f"steps from '{name}', which no attribute names as bounds",)
    for extra, words in ((1.0, "day"), (1.0 / 86400.0, "second")):
        gap = days_between(end[:-1], start[1:])
        if gap.size and np.abs(np.median(gap) - extra) < 1e-7 and (gap > extra / 2).all():
            end = plus_days(end, extra)
            length = length + extra
            notes = (*notes, f"the time bounds end with their last {words}, which was added")
    before, after = days_between(start, stamps), days_between(stamps, end)
    if (length <= 0).any() or (before < -1e-6).any() or (after < -1e-6).any():
        return None, (), (f"the time bounds '{name}' do not hold their stamps and are not used",)
    overlap = days_between(end[:-1], start[1:]) < -1e-6
    warnings = (f"steps overlap each other by their bounds '{name}'",) if overlap.any() else ()
    return np.stack([start, end], axis=1), notes, warnings
