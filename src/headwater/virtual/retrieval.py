"""What satellites make of the truth: noise, gaps, and 16-day composites with clouds and snow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from headwater.virtual.fields import Floats, stream
from headwater.virtual.frame import Frame

__all__ = [
    "BARE",
    "FULL",
    "add_noise",
    "composite",
    "cut_gaps",
]

BARE, FULL, SNOW = 0.08, 0.82, 0.02
"""NDVI of bare ground, of full cover, and of snow."""
_NOISE, _CLOUD_DROP, _MISSED = 0.012, 0.12, 0.02


def add_noise(values: Floats, *, sd: float, seed: int, name: str) -> None:
    """Add independent Gaussian noise in place, keeping the values positive.

    Parameters
    ----------
    values : ndarray of float32, shape (days, rows, columns)
        Changed in place.
    sd : float
        Standard deviation, zero or more, in the unit of `values`.
    seed : int
        The seed of the headwater.
    name : str
        What the values are, which names the random stream.

    Examples
    --------
    >>> values = np.full((50, 20, 20), 0.2, np.float32)
    >>> add_noise(values, sd=0.01, seed=1, name="soil_moisture")
    >>> round(float(values.std()), 3)
    0.01
    """
    if sd == 0.0:
        return
    rng = stream(seed, "noise", name)
    for day in range(len(values)):
        values[day] += np.float32(sd) * rng.standard_normal(values[day].shape, dtype=np.float32)
        np.maximum(values[day], np.float32(0.001), out=values[day])


def cut_gaps(values: Floats, frame: Frame, *, share: float, seed: int) -> None:
    """Set a share of the values to NaN in place, as missing days and swath gaps.

    Parameters
    ----------
    values : ndarray of float32, shape (days, rows, columns)
        Changed in place.
    frame : Frame
        The grid.
    share : float
        Expected share of missing values, from 0 to less than 1.
    seed : int
        The seed of the headwater.

    Examples
    --------
    >>> frame, values = Frame(20, 30, 0.05, 95.0, 37.0), np.ones((365, 20, 30), np.float32)
    >>> cut_gaps(values, frame, share=0.1, seed=1)
    >>> abs(float(np.isnan(values).mean()) - 0.1) < 0.01
    True
    """
    rng = stream(seed, "gaps")
    days = len(values)
    lost = rng.permutation(days)[: round(days * share / 4.0)]
    kept = 1.0 - lost.size / days
    stripe = 1.0 - (1.0 - share) / kept
    slant = 3.0 * frame.east[None, :] + 0.8 * frame.north[:, None]
    # a golden-ratio step shifts the swaths evenly, so that no place is missed more than another
    phase = rng.random() + np.arange(days) * 0.6180339887498949
    for day in range(days):
        values[day][(slant + phase[day]) % 1.0 < stripe] = np.nan
    values[lost] = np.nan


def composite(
    cover: Floats,
    snow: Floats,
    days: pd.DatetimeIndex,
    frame: Frame,
    *,
    rng: np.random.Generator,
    gaps: float,
) -> xr.Dataset:
    """Make 16-day composites, 23 a year, each year beginning anew.

    Parameters
    ----------
    cover, snow : ndarray of float32, shape (days, rows, columns)
        Cover [1] and snow [mm].
    days : DatetimeIndex
        The days.
    frame : Frame
        The grid.
    rng : numpy Generator
        Source of noise and clouds.
    gaps : float
        Share of composites under cloud.

    Returns
    -------
    Dataset (time, y, x)
        ``ndvi`` [1], ``day_of_year`` of the day it was seen, ``flag``: 0 clear, 1 cloud, 2 snow.
        Half of the clouds leave no value; a few lower NDVI without a flag.
    """
    starts = np.flatnonzero((days.day_of_year - 1) % 16 == 0)
    shape = (len(starts), *cover.shape[1:])
    last = np.append(starts[1:], len(days)) - starts
    seen = starts[:, None, None] + (rng.random(shape) * last[:, None, None]).astype(int)
    rows, columns = np.indices(shape[1:])
    here = cover[seen, rows, columns].astype(np.float64)
    white = snow[seen, rows, columns] > 3.0
    ndvi = BARE + (FULL - BARE) * here + rng.normal(0.0, _NOISE, shape)
    ndvi = np.where(white, SNOW + rng.normal(0.0, _NOISE, shape), ndvi)
    cloud = rng.random(shape) < gaps
    missed = rng.random(shape) < _MISSED
    ndvi = np.where(cloud | missed, ndvi - _CLOUD_DROP * rng.random(shape), ndvi)
    ndvi = np.where(cloud & (rng.random(shape) < 0.5), np.nan, ndvi)
    flag = np.where(cloud, 1, np.where(white, 2, 0)).astype(np.int8)
    dims = ("time", "y", "x")
    return xr.Dataset(
        {
            "ndvi": (dims, ndvi.astype(np.float32), {"units": "1", "long_name": "NDVI"}),
            "day_of_year": (dims, days.day_of_year.to_numpy()[seen].astype(np.int16)),
            "flag": (dims, flag, {"flag_meanings": "clear cloud snow"}),
        },
        {"time": days[starts], "y": frame.latitude, "x": frame.longitude},
    )
