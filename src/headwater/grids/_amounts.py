"""Amounts, rates and running accumulations of water, distinguished by what the file says."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import UnitError
from headwater.grids._layers import Layer
from headwater.grids.steps import END, TimeSteps, days_between, month_starts, plus_days, time_steps
from headwater.units import parse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from headwater.glossary import Term

__all__ = ["distinguish_amounts", "unit_days"]

# Names that ECMWF gives to accumulated water.
_ECMWF = {
    "tp",
    "e",
    "pev",
    "sf",
    "smlt",
    "ro",
    "sro",
    "ssro",
    "evabs",
    "evaow",
    "evavt",
    "es",
    "lsp",
    "cp",
    "mtpr",
}
_DAILY_MEANS = {"avgad", "avgas", "avgid", "avgua"}
_WINDOWS, _WINDOW_DAYS, _SIDE = 3, 6, 8
_PACKING = 1e-5
"""What the packing of a forecast may take away from an accumulation from hour to hour [m]."""


def distinguish_amounts(layer: Layer, quantity: Term, *, given: str | None) -> Layer:
    """See whether a depth of water is the amount of its step, a rate, or a running sum of the day.

    Parameters
    ----------
    layer : Layer
        On its steps.
    quantity : Term
        What it holds.
    given : str or None
        Unit that the study file gives: then it is right.

    Returns
    -------
    Layer
    """
    if quantity.total != "sum" or layer.units is None or "time" not in layer.data.dims:
        return layer
    try:
        unit = parse(layer.units)
    except UnitError:
        return layer
    if unit.dimension != "water":
        return layer
    steps = time_steps(layer.data)
    kind = str(layer.data.attrs.get("GRIB_stepType", "")).lower()
    length = float(np.median(steps.days)) if steps.has_length else 0.0
    ours = str(layer.data.name).lower() in _ECMWF
    if kind in _DAILY_MEANS and given is None and length >= 1.0:
        words = f"{layer.units} are those of an average day (GRIB_stepType {kind})"
        return replace(layer, units=f"{layer.units} d-1", notes=(*layer.notes, words))
    if 0.0 < length < 1.0 and (kind == "accum" or (ours and unit.factor == 1000.0)):
        return _of_hours(layer, steps, quantity, length)
    return _doubted(layer, unit.factor, length, ours=ours, given=given, kind=kind)


def _doubted(
    layer: Layer, factor: float, length: float, *, ours: bool, given: str | None, kind: str
) -> Layer:
    """Warn where an amount may be the mean of shorter amounts."""
    method = str(layer.data.attrs.get("cell_methods", "")).lower()
    mean = re.search(r"time\s*:\s*mean(?:\s*\(interval:?\s*1\s*(day|d|hour|hr|h)\w*\))?", method)
    if given is not None or length <= 1.0:
        return layer
    if mean and mean[1]:
        per = "d-1" if mean[1].startswith("d") else "h-1"
        words = f"{layer.units} are those of an average {mean[1]} (cell_methods '{method}')"
        return replace(layer, units=f"{layer.units} {per}", notes=(*layer.notes, words))
    doubts = []
    if factor >= 1000.0 and length > 27.0 and kind != "accum":
        doubts.append(
            f"amounts in {layer.units} are taken for those of the whole step; if they are those of "
            f'an average day, as ECMWF\'s monthly means are, write units = "{layer.units} d-1"'
        )
    elif mean:
        doubts.append(
            f"the file calls amounts in {layer.units} a mean over time; they are taken for the "
            f'amount of each step; if they are that of an average day, write units = "{layer.units}'
            ' d-1"'
        )
    return replace(layer, warnings=(*layer.warnings, *doubts))


def _of_hours(layer: Layer, steps: TimeSteps, quantity: Term, length: float) -> Layer:
    """Give each step its own amount, stamped at its end as forecasts are."""
    stamps = _stamps(steps, length)
    running = _is_running(layer.data, stamps)
    data = layer.data
    if running:
        data = _differences(data, stamps, length, floor=quantity.valid_range[0] == 0.0)
        words = "accumulations since 00 UTC were turned into the amount of each step"
    else:
        words = "amounts of the step that ends at its stamp, as forecasts give them"
    moved = data.assign_coords(
        {"time": ("time", plus_days(stamps, -length)), END: ("time", stamps)}
    )
    if running and not np.abs(_hours(stamps[:1])[0] - length * 24.0) < 1e-6:
        moved = moved.isel(time=slice(1, None))  # its own amount would need the time before
    notes = tuple(note for note in layer.notes if not note.startswith("time: "))
    return replace(
        layer,
        data=moved,
        notes=(f"time: {steps}, stamped at the end", words, *notes),
        warnings=tuple(w for w in layer.warnings if not w.startswith("times run from")),
    )


def _stamps(steps: TimeSteps, length: float) -> NDArray[Any]:
    """Give the stamps back that the file has."""
    if steps.source == "bounds" and steps.stamp == "end":
        return steps.end
    return steps.start if steps.stamp != "middle" else plus_days(steps.start, length / 2.0)


def _hours(stamps: NDArray[Any]) -> NDArray[np.float64]:
    """Hours since the midnight before; 24 for midnight itself, which ends a day."""
    index: Any = xr.DataArray(stamps, dims="time").to_index()
    first = month_starts(index, np.asarray(index.year) * 12 + np.asarray(index.month) - 1)
    hour = np.round(days_between(first, stamps) % 1.0 * 24.0, 6)
    return np.where(hour < 1e-6, 24.0, hour)


def _is_running(data: xr.DataArray, stamps: NDArray[Any]) -> bool:
    """Whether values grow through the day and fall after midnight, in some cells and days."""
    hours, size = _hours(stamps), data.sizes["time"]
    strides = {axis: slice(None, None, -(-data.sizes[axis] // _SIDE)) for axis in ("y", "x")}
    per_day = max(round(1.0 / float(np.median(days_between(stamps[:-1], stamps[1:])))), 1)
    window = min(per_day * _WINDOW_DAYS, size)
    rises = falls = drops = 0
    for begin in np.unique(np.linspace(0, size - window, 4 * _WINDOWS).astype(int)):
        part = slice(int(begin), int(begin) + window)
        values = np.asarray(data.isel(strides).isel(time=part).transpose("time", ...).values)
        change = np.diff(values.reshape(window, -1), axis=0)
        after_midnight = hours[part][:-1] == 24.0
        within = change[~after_midnight]
        rises += int((within > _PACKING).sum())
        falls += int((within < -_PACKING).sum())
        drops += int((change[after_midnight] < -_PACKING).sum())
        if rises > 50 * _WINDOWS and drops > _WINDOWS:
            break
    return rises > 0 and drops > 0 and falls <= 0.001 * rises


def _differences(
    data: xr.DataArray, stamps: NDArray[Any], length: float, *, floor: bool
) -> xr.DataArray:
    hours = _hours(stamps)
    gap = np.append(np.inf, days_between(stamps[:-1], stamps[1:]))
    first = np.abs(hours - length * 24.0) < 1e-6
    follows = ~first & (np.abs(gap - length) < 1e-6)
    labels = {"time": data["time"]}
    begins = xr.DataArray(first, labels, "time")
    known = xr.DataArray(first | follows, labels, "time")
    plain = data.drop_vars(END, errors="ignore")
    own: xr.DataArray = plain.where(begins, plain - plain.shift(time=1)).where(known)
    if floor:
        own = own.where(~((own < 0) & (own > -_PACKING)), 0.0)
    return own.astype(data.dtype).transpose(*data.dims).assign_attrs(data.attrs).rename(data.name)


def unit_days(data: xr.DataArray, per: str) -> xr.DataArray | None:
    """Days of the month, year or dekad that a unit is counted by, at each step.

    Parameters
    ----------
    data : DataArray (time, ...)
        On its steps.
    per : str
        As in :class:`headwater.units.Unit`.

    Returns
    -------
    DataArray (time,) or None
        None where the data have no times.
    """
    steps = time_steps(data) if "time" in data.dims else None
    if steps is None or not steps.has_length:
        return None
    days: NDArray[np.float64] | None = None
    if steps.kind == per or (per.isdigit() and float(np.median(steps.days)) == float(per)):
        days = steps.days
    elif per.isdigit():
        days = np.full(steps.days.size, float(per))
    elif per in ("month", "year"):
        index: Any = xr.DataArray(steps.middle, dims="time").to_index()
        month = np.asarray(index.month) - 1 if per == "month" else 0
        days = _length(index, np.asarray(index.year) * 12 + month, 1 if per == "month" else 12)
    return None if days is None else xr.DataArray(days, dims="time")


def _length(index: ArrayLike, first: NDArray[Any], months: int) -> NDArray[np.float64]:
    return days_between(month_starts(index, first), month_starts(index, first + months))
