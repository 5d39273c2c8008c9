"""A record of some places in years and pentads, and the bucket that runs through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.vegetation._series import times_of
from headwater.vegetation.bucket import Soil, Weather, water_balance

__all__ = ["PENTADS", "Record", "anomalies", "climatology", "ensemble_water", "record_of"]

Floats = NDArray[np.float64]

PENTADS = 73
_SMOOTH = 2


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What was seen and what the bucket says, by year and pentad.

    Attributes
    ----------
    years : ndarray of int
        Whole years.
    cover, water, bucket : ndarray, shape (years, 73, zones)
        Cover [1], liquid water as seen and of the bucket [m3 m-3].
    states : ndarray, shape (years, 73, 4, zones)
        State of the bucket at the end of each pentad.
    weather : Weather
        (years, 365, zones) each; the last day of leap years is in none.
    soil : Soil
        Of each zone.
    """

    years: NDArray[np.int64]
    cover: Floats
    water: Floats
    bucket: Floats
    states: Floats
    weather: Weather
    soil: Soil


def record_of(
    cover: Any, water: Any, weather: Weather, days: pd.DatetimeIndex, soil: Soil
) -> Record:
    """Bring a record to years and pentads, and run the bucket through it.

    Parameters
    ----------
    cover, water : DataArray (time, zone)
        As seen.
    weather : Weather
        (days, zones) each.
    days : DatetimeIndex
        Whole years.
    soil : Soil
        A value for each zone.

    Returns
    -------
    Record
    """
    years = np.unique(days.year.to_numpy())
    kept = days.day_of_year.to_numpy() <= 365
    zones = np.shape(weather.rain)[1]
    if int(kept.sum()) != 365 * len(years):
        raise DataError(
            "weather of part of a year",
            found=f"{len(days)} days in {len(years)} years",
            do="Give whole years",
        )
    parts = [np.asarray(part)[kept].reshape(len(years), 365, zones) for part in weather]
    bucket = np.empty((len(years), PENTADS, zones))
    states = np.empty((len(years), PENTADS, 4, zones))
    state = None
    for year in range(len(years)):
        for p in range(PENTADS):
            own = Weather(*(part[year, 5 * p : 5 * p + 5] for part in parts))
            found = water_balance(own, soil, begin=state)
            state = found.state
            bucket[year, p], states[year, p] = found.series["liquid"].mean(axis=0), state
    return Record(
        years,
        _by_pentad(cover, years),
        _by_pentad(water, years),
        bucket,
        states,
        Weather(*parts),
        soil,
    )


def _by_pentad(data: Any, years: NDArray[np.int64]) -> Floats:
    """Average what was seen in each pentad, (years, 73, zones), NaN where nothing was."""
    times = times_of(data)
    values = data.transpose("time", ...).values.astype(np.float64)
    values = values.reshape(len(times), -1)
    inside = np.isin(times.year, years)
    place = (times.year.to_numpy() - years[0]) * PENTADS
    place = place + np.minimum((times.day_of_year.to_numpy() - 1) // 5, PENTADS - 1)
    total = np.zeros((len(years) * PENTADS, values.shape[1]))
    count = np.zeros_like(total)
    seen = np.isfinite(values) & inside[:, None]
    at = np.where(inside, place, 0)
    np.add.at(total, at, np.where(seen, values, 0.0))
    np.add.at(count, at, seen)
    mean = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
    return mean.reshape(len(years), PENTADS, -1)


def climatology(values: Floats) -> Floats:
    """Mean of each pentad over years (years, 73, zones) and its two neighbours on either side."""
    seen = np.isfinite(values)
    total, count = np.where(seen, values, 0.0).sum(axis=0), seen.sum(axis=0).astype(float)
    wide_total, wide_count = np.zeros_like(total), np.zeros_like(count)
    for shift in range(-_SMOOTH, _SMOOTH + 1):
        wide_total += np.roll(total, shift, axis=0)
        wide_count += np.roll(count, shift, axis=0)
    return np.where(wide_count > 0, wide_total / np.maximum(wide_count, 1.0), np.nan)


def anomalies(values: Floats, usual: Floats) -> Floats:
    """Depart from the mean of the season, (years, 73, zones)."""
    return values - usual


def ensemble_water(
    record: Record, year: int, pentad: int, others: NDArray[np.int64], leads: int
) -> Floats:
    """Run the bucket on from the end of a pentad with the weather of other years.

    Returns
    -------
    ndarray, shape (others, leads, zones)
        Liquid water of each pentad [m3 m-3]; after the year's end the last pentad again.
    """
    zones = record.cover.shape[-1]
    first = 5 * (pentad + 1)
    length = min(5 * leads, 365 - first)
    if length <= 0:
        last = record.bucket[others, PENTADS - 1][:, None]
        return np.repeat(last, leads, axis=1)
    drives = Weather(
        *(
            part[others, first : first + length].swapaxes(0, 1).reshape(length, -1)
            for part in record.weather
        )
    )
    names = [n for n in Soil.__dataclass_fields__ if np.ndim(getattr(record.soil, n))]
    soil = record.soil.with_values(
        **{n: np.tile(np.ravel(getattr(record.soil, n)), len(others)) for n in names}
    )
    begin = np.tile(record.states[year, max(pentad, 0)], (1, len(others)))
    liquid = water_balance(drives, soil, begin=begin).series["liquid"]
    pentads = liquid.reshape(length // 5, 5, len(others), zones).mean(axis=1).swapaxes(0, 1)
    short = leads - pentads.shape[1]
    return np.concatenate([pentads, np.repeat(pentads[:, -1:], short, axis=1)], axis=1)
