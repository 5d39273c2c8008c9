"""What the values of an input look like: yearly totals or means, and what cannot be right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.grids.steps import time_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headwater.glossary import Term

__all__ = ["Overview", "overview", "sample_values", "stored_number", "ties_at_ends"]

_WHOLE = 3_000_000
"""Values that are all read; of more, some times and cells [1]."""
_TIMES, _SIDE = 48, 150
_CHANCE = 1e-9
"""Probability below which ties at the edge of the range are no chance."""
_FEWEST = 6
_MONTH = 31.5
_YEAR = {"360_day": 360.0, "noleap": 365.0, "365_day": 365.0, "all_leap": 366.0, "366_day": 366.0}
"""Days of a year in calendars without leap years, or with nothing else."""
_PORES, _RARE = 0.65, 0.02
"""Soil moisture above which only peat has pores, and the share of values that noise may bring."""
_AMOUNTS = {"precipitation": (60.0, 3500.0), "evapotranspiration": (60.0, 2000.0)}
"""Yearly amounts [mm] that hardly any land lies outside of, though some does."""
_HOTTEST = 45.0
"""No mean of a day of the air is higher [degC]."""
_OTHER_DEGREES = ((140.0, "degrees Fahrenheit", "degF"), (340.0, "kelvin", "K"))
"""Air is no hotter in these units, which are tried in this order."""
_STEPS_OF_RISE = 8
"""In a year, steps of amounts that do not rise from first to last by themselves [1]."""
_OFTEN_ZERO = ("snow_melt", "lai")
_CODES = (255.0, 254.0, 127.0, -128.0, 32767.0, -32768.0, 65535.0, -9999.0, 9999.0, -999.0, -99.0)


@dataclass(frozen=True, slots=True)
class Overview:
    """What an input holds in the area and period.

    Attributes
    ----------
    text : str
        Yearly totals or means, in words.
    warnings : tuple of str
        What can hardly be right, each with the key of the study file that mends it.
    yearly : float
        Mean yearly total where steps add up, else the mean; NaN without values.
    """

    text: str
    warnings: tuple[str, ...]
    yearly: float


def overview(data: xr.DataArray, term: Term, part: xr.DataArray | None = None) -> Overview:
    """Look at the values of an input.

    Parameters
    ----------
    data : DataArray (time, y, x) or (y, x)
        As opened, cut to area and period.
    term : Term
        What it is.
    part : DataArray, optional
        Its values as of :func:`sample_values`, where they have been read together with others.

    Returns
    -------
    Overview

    Notes
    -----
    Up to three million values are all read. Of more, 48 times drawn at random, so that no season
    or hour is preferred, and every few cells. A value that ends the range counts as repeated where
    a Poisson number with the mean count of its neighbours reaches its count with a probability
    below 10⁻⁹.

    Examples
    --------
    >>> import pandas as pd
    >>> from headwater.glossary import term
    >>> times = pd.date_range("2015-01-01", periods=24, freq="MS")
    >>> rain = xr.DataArray(np.full((24, 2, 2), 1.5), {"time": times}, ("time", "y", "x"))
    >>> overview(rain, term("precipitation")).text
    '17.99 mm a year'
    """
    part = sample_values(data) if part is None else part
    whole = data.size <= _WHOLE
    values = np.asarray(part.transpose(..., "y", "x").values, dtype=np.float64)
    seen = values[np.isfinite(values)]
    if not seen.size:
        return Overview("no values", (), float("nan"))
    if term.kind != "continuous":
        return Overview("", tuple(_codes(seen, data)) if term.kind == "categorical" else (), np.nan)
    yearly, text = _yearly(part, values, term)
    months = _months_with_data(data, term)
    if months:
        text = text.replace("a year", f"a year, were all its months as those with data ({months})")
    about = "" if whole or not text else "about "
    return Overview(
        about + text,
        (
            *_repeated(seen, data, term),
            *_still(part, values, data, term),
            *_implausible(yearly, data, term),
            *_unusual(yearly, data, term),
            *_added_up(part, values, term),
            *_too_hot(seen, data, term),
            *_beyond_pores(seen, data, term),
        ),
        float("nan") if months else yearly,
    )


def stored_number(data: xr.DataArray, value: float) -> float | None:
    """Say which number in the file stands for a value.

    Parameters
    ----------
    data : DataArray
        As opened.
    value : float
        In the unit of the quantity.

    Returns
    -------
    float or None
        None where the file's number depends on the step.
    """
    scale, offset = (float(part) for part in str(data.attrs.get("stored", "nan nan")).split())
    if not np.isfinite([scale, offset]).all() or scale == 0.0:
        return 0.0 if value == 0.0 else None
    number = (value - offset) / scale
    # values of single precision are off by their last bit, which a small scale makes large
    leeway = max(1e-4 * max(1.0, abs(number)), 2e-7 * max(abs(value), abs(offset)) / abs(scale))
    return round(number) if abs(number - round(number)) < min(leeway, 0.01) else number


def sample_values(data: xr.DataArray) -> xr.DataArray:
    """Choose the values that an overview looks at.

    Parameters
    ----------
    data : DataArray (time, y, x) or (y, x)

    Returns
    -------
    DataArray
        All of it, or of more than three million values some times and cells, lazily.

    Examples
    --------
    >>> sample_values(xr.DataArray(np.zeros((2000, 40, 60)), dims=("time", "y", "x"))).shape
    (48, 40, 60)
    """
    if data.size <= _WHOLE:
        return data
    strides = {axis: slice(None, None, -(-data.sizes[axis] // _SIDE)) for axis in ("y", "x")}
    part = data.isel(strides)
    if "time" in part.dims and part.sizes["time"] > _TIMES:
        rng = np.random.default_rng(part.sizes["time"])
        chosen = np.sort(rng.choice(part.sizes["time"], _TIMES, replace=False))
        part = part.isel(time=chosen)
    return part


def _yearly(part: xr.DataArray, values: NDArray[Any], term: Term) -> tuple[float, str]:
    """Mean over the years of the area, and the words for it."""
    if "time" not in part.dims or term.total == "none":
        mean = float(np.nanmean(values))
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        return mean, f"{low:.4g} to {high:.4g}, mean {mean:.4g} {term.units}"
    steps = time_steps(part)
    maps = values.reshape(values.shape[0], -1)
    count = np.isfinite(maps).sum(axis=1)
    means = np.divide(
        np.nansum(maps, axis=1), count, out=np.full(len(maps), np.nan), where=count > 0
    )
    if term.total != "sum":
        weight = np.isfinite(means) * (steps.days if steps.has_length else 1.0)
        mean = float(np.nansum(means * weight) / weight.sum())
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        return mean, f"mean {mean:.4g} {term.units} ({low:.4g} to {high:.4g})"
    if not steps.has_length:
        return float("nan"), f"mean amount {np.nanmean(means):.4g} {term.units}"
    known = np.isfinite(means)
    calendar = str(xr.DataArray(steps.start, dims="time").dt.calendar)
    total = float(means[known].sum() / steps.days[known].sum() * _YEAR.get(calendar, 365.25))
    return total, f"{total:.4g} {term.units} a year"


def _months_with_data(data: xr.DataArray, term: Term) -> str:
    """Name the months that have steps, where amounts do not cover a year; else nothing."""
    if term.total != "sum" or "time" not in data.dims:
        return ""
    steps = time_steps(data)
    if not steps.has_length or float(np.median(steps.days)) > _MONTH:
        return ""
    months = np.unique(xr.DataArray(steps.middle, dims="time").dt.month.values)
    return "" if months.size == 12 else ", ".join(map(str, months.tolist()))


def _beyond_pores(seen: NDArray[Any], data: xr.DataArray, term: Term) -> list[str]:
    """Warn of soil moisture that no mineral soil has room for: a saturation, or percent of mass."""
    if term.name != "soil_moisture":
        return []
    share = float((seen > _PORES).mean())
    if share <= _RARE:
        return []
    units = data.attrs.get("source_units", "")
    return [
        f"{100 * share:.3g} % of values are above {_PORES:g} m3 m-3, more than the pores of "
        f"mineral soil hold; if '{units}' is a share of the pore space, it is no soil moisture: "
        "multiply by porosity first, or correct units"
    ]


def _implausible(yearly: float, data: xr.DataArray, term: Term) -> list[str]:
    low, high = term.plausible
    if not np.isfinite(yearly) or low <= yearly <= high:
        return []
    what = "a year's total" if term.total == "sum" and "time" in data.dims else "a mean"
    units = data.attrs.get("source_units", "")
    read = f" (read as '{units}')" if units else ""
    return [
        f"{what} of {yearly:.4g} {term.units}{read} is hardly possible on land ({low:g} to "
        f"{high:g}); correct units, scale, offset or missing of this input, or name its product"
    ]


def _unusual(yearly: float, data: xr.DataArray, term: Term) -> list[str]:
    """Warn of monthly amounts that are rather those of a day, or tenths of millimetres."""
    low, high = _AMOUNTS.get(term.name, (-np.inf, np.inf))
    possible = term.plausible[0] <= yearly <= term.plausible[1]
    units = str(data.attrs.get("source_units", ""))
    if not possible or low <= yearly <= high or "time" not in data.dims or _is_rate(units):
        return []
    steps = time_steps(data)
    if yearly < low and (not steps.has_length or float(np.median(steps.days)) < 5.0):
        return []
    what, cause = (
        ("less", f"those of an average day of each step, write units = '{units} d-1'")
        if yearly < low
        else ("more", f"tenths of it, write units = '0.1 {units}'")
    )
    return [
        f"{yearly:.4g} {term.units} a year are {what} than on nearly all land; if the file's "
        f"numbers in '{units}' are {cause}"
    ]


def _is_rate(units: str) -> bool:
    return re.search(r"/|per|-1\b", units) is not None


def _added_up(part: xr.DataArray, values: NDArray[Any], term: Term) -> list[str]:
    """Warn of amounts that never fall within a year: most likely each is that since its start."""
    if "time" not in part.dims or term.total != "sum":
        return []
    maps = values.reshape(len(values), -1)
    maps = maps[:, np.isfinite(maps).all(axis=0)]
    years = part["time"].dt.year.values
    whole = [maps[years == year] for year in np.unique(years)]
    whole = [amounts for amounts in whole if len(amounts) >= _STEPS_OF_RISE and amounts.size]
    if not whole or any((np.diff(amounts, axis=0) < 0.0).any() for amounts in whole):
        return []
    if not whole[0][-1].mean() > 2.0 * whole[0][0].mean():
        return []
    return [
        "amounts never fall from one step to the next within a year, as those do that are counted "
        "from its start; if they are, take the differences first"
    ]


def _too_hot(seen: NDArray[Any], data: xr.DataArray, term: Term) -> list[str]:
    """Warn of air that no day was as hot as: most likely degrees Fahrenheit, or kelvin."""
    hottest = float(seen.max())
    if term.name != "temperature" or hottest <= _HOTTEST or "time" not in data.dims:
        return []
    other = next((other for other in _OTHER_DEGREES if hottest < other[0]), None)
    if other is None:
        return []
    steps = time_steps(data)
    if not steps.has_length or float(np.median(steps.days)) < 1.0:
        return []
    units = data.attrs.get("source_units", "")
    return [
        f"a mean of {hottest:.4g} degC (read as '{units}') is more than any day of the air had; "
        f"if the file is in {other[1]}, write units = '{other[2]}'"
    ]


def _repeated(seen: NDArray[Any], data: xr.DataArray, term: Term) -> list[str]:
    """Say which value at an edge of the range stands there more often than chance lets it."""
    found = []
    for value, count in ties_at_ends(seen):
        natural = term.zeros and value == 0.0
        limit = value in term.valid_range and term.name in ("albedo", "slope") and value != 0.0
        if natural or limit:
            continue
        number = stored_number(data, value)
        key = "missing = …" if number is None else f"missing = {number:g}"
        found.append(
            f"{value:g} {term.units} ends the range and stands there {count} times in {seen.size} "
            f"values; if it means no value, write {key}"
        )
    return found


def ties_at_ends(seen: NDArray[Any]) -> list[tuple[float, int]]:
    """Find which ends of the range occur more often than chance lets them.

    Parameters
    ----------
    seen : ndarray of float
        Values without gaps [any unit].

    Returns
    -------
    list of (float, int)
        Value [unit of `seen`] and how often it occurs.

    Examples
    --------
    >>> ties_at_ends(np.r_[np.full(20, -0.3), np.linspace(0.1, 0.8, 200)])
    [(-0.3, 20)]
    """
    values, counts = np.unique(np.round(seen, 9), return_counts=True)
    if values.size < 3:
        return []
    ends = ((0, counts[1:21]), (-1, counts[-21:-1]))
    return [
        (float(values[at]), int(counts[at]))
        for at, neighbours in ends
        if counts[at] >= _FEWEST and _beyond_chance(int(counts[at]), neighbours)
    ]


def _still(part: xr.DataArray, values: NDArray[Any], data: xr.DataArray, term: Term) -> list[str]:
    """Say where cells never change while others do: they mostly hold a number for no value."""
    if "time" not in part.dims or len(values) < 2 or term.total == "none":
        return []
    maps = values.reshape(len(values), -1)
    scales = [np.ones(len(values))]
    steps = time_steps(part)
    if term.total == "sum" and steps.has_length:
        scales.append(steps.days)  # of a rate, the amounts differ by the days of their steps
    for days in scales:
        rates = maps / days[:, None]
        low = np.where(np.isfinite(rates), rates, np.inf).min(axis=0)
        high = np.where(np.isfinite(rates), rates, -np.inf).max(axis=0)
        known = np.isfinite(maps).sum(axis=0) >= min(_FEWEST, len(values))
        span = np.where(known, high - low, np.inf)
        still = known & (span <= 1e-6 * np.maximum(np.abs(high), 1e-12))
        if not still.any() or still[known].all() or _still_by_chance(rates, still, known):
            continue
        if term.name in _OFTEN_ZERO and not low[still].any():
            continue
        first = float(maps[0, still][0])
        number = stored_number(data, first) if days is scales[0] else None
        key = "their number in the file as missing" if number is None else f"missing = {number:g}"
        return [
            f"{int(still.sum())} of {int(known.sum())} cells looked at hold one value at all times "
            f"({first:g} {term.units}); if it means no value, write {key}"
        ]
    return []


def _still_by_chance(rates: NDArray[Any], still: NDArray[Any], known: NDArray[Any]) -> bool:
    """Whether a cell of few times may hold one value only because values are coarse."""
    times, others = len(rates), rates[:, known & ~still].ravel()
    others = others[np.isfinite(others)]
    if times >= _FEWEST or others.size < 2:
        return times < _FEWEST
    _, counts = np.unique(np.round(others, 9), return_counts=True)
    ties = float((counts * (counts - 1.0)).sum()) / (others.size * (others.size - 1.0))
    return bool(known.sum() * max(ties, 1.0 / others.size) ** (times - 1) > 0.01)


def _beyond_chance(count: int, neighbours: NDArray[Any]) -> bool:
    from scipy.stats import poisson

    expected = max(float(np.mean(neighbours)), 1.0)
    return bool(poisson.sf(count - 1, expected) < _CHANCE) and count > 5 * float(np.max(neighbours))


def _codes(seen: NDArray[Any], data: xr.DataArray) -> list[str]:
    """Ask about classes that mostly mean that there is no class."""
    found = []
    for code in _CODES:
        count = int((seen == code).sum())
        if count:
            found.append(
                f"class {code:g} covers {100.0 * count / seen.size:.1f} % of the cells; if it "
                f"means no class, write missing = {code:g}"
            )
    return found
