"""What a satellite makes of the cover: 16-day composites with clouds, snow and days of year."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from headwater.virtual.fields import Floats
from headwater.virtual.frame import Frame

__all__ = ["BARE", "FULL", "composite"]

BARE, FULL, SNOW = 0.08, 0.82, 0.02
"""NDVI of bare ground, of full cover, and of snow."""

_NOISE, _CLOUD_DROP, _MISSED = 0.012, 0.12, 0.02


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
