"""What harms and heals the plants of a virtual headwater: patches of damage, and droughts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.virtual.fields import stream
from headwater.virtual.vegetation import DORMANT

__all__ = ["DROUGHTS", "Drought", "health_of", "hurt_greenness", "lay_patches", "patch_map"]

CAUSES = ("grazing", "rodents", "drought", "road")
_LOSSES = (0.05, 0.15, 0.25, 0.45, 0.75)
_FATES = ("lasting", "recovering", "treated")
_RADIUS = 2


@dataclass(frozen=True, slots=True)
class Drought:
    """A drought of known strength.

    Attributes
    ----------
    year : int
        Counted from the first year of the record, from 0.
    first_month, last_month : int
        Months that are short of rain.
    factor : float
        What is left of the rain [1].
    """

    year: int
    first_month: int
    last_month: int
    factor: float


DROUGHTS = (Drought(6, 6, 8, 0.45), Drought(13, 5, 7, 0.6), Drought(19, 7, 7, 0.3))
"""The droughts of a record of 25 years."""


def lay_patches(growing: NDArray[np.bool_], *, seed: int, years: int) -> pd.DataFrame:
    """Draw patches of degradation that do not overlap.

    Parameters
    ----------
    growing : ndarray of bool, shape (rows, columns)
        Cells with plants.
    seed : int
        The seed of the headwater.
    years : int
        Length of the record.

    Returns
    -------
    DataFrame
        ``patch`` (from 1), ``row``, ``column`` of the middle, ``cause``, ``onset`` (year of the
        record, from 0), ``speed`` [years until the loss is whole], ``loss`` (of cover) [1],
        ``fate`` (lasting, recovering, treated) and ``turn``, the year in which recovery begins.

    Notes
    -----
    Damage by rodents and grazing creeps, drought takes two years, a road cuts at once. Recovery by
    itself takes a tenth of the loss a year, with treatment a quarter.

    Examples
    --------
    >>> patches = lay_patches(np.ones((20, 30), bool), seed=1, years=25)
    >>> sorted(set(patches["cause"]))
    ['drought', 'grazing', 'road', 'rodents']
    """
    rng = stream(seed, "patches")
    free = growing.copy()
    rows = []
    for number in range(len(CAUSES) * len(_LOSSES)):
        places = np.argwhere(free)
        if len(places) == 0:
            break
        row, column = places[rng.integers(len(places))]
        reach = 2 * _RADIUS
        free[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = (
            False
        )
        cause, loss = CAUSES[number % len(CAUSES)], _LOSSES[number % len(_LOSSES)]
        onset = int(rng.integers(years // 3, max(years // 3 + 1, years - 8)))
        speed = {"road": 1, "drought": 2}.get(cause, int(rng.integers(3, 6)))
        fate = _FATES[0] if number % 4 else _FATES[1 + (number // 4) % 2]
        turn = onset + speed + int(rng.integers(1, 4)) if fate != "lasting" else years
        rows.append((number + 1, row, column, cause, onset, speed, loss, fate, turn))
    names = ["patch", "row", "column", "cause", "onset", "speed", "loss", "fate", "turn"]
    return pd.DataFrame(rows, columns=names)


def patch_map(patches: pd.DataFrame, growing: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Map the number of the patch that each cell lies in, 0 for none."""
    rows, columns = np.indices(growing.shape)
    found = np.zeros(growing.shape, dtype=np.int16)
    for row in patches.to_dict("records"):
        near = (np.abs(rows - row["row"]) <= 1) & (np.abs(columns - row["column"]) <= 1)
        found[near & growing & (found == 0)] = row["patch"]
    return found


def health_of(patches: pd.DataFrame, years: Sequence[float]) -> NDArray[np.float64]:
    """Share of its cover that each patch still has.

    Parameters
    ----------
    patches : DataFrame
        Of :func:`lay_patches`.
    years : sequence of float, length n
        Time since the beginning of the record [years].

    Returns
    -------
    ndarray, shape (patches + 1, n)
        Row 0 is healthy ground.

    Examples
    --------
    >>> one = pd.DataFrame([(1, 0, 0, "road", 2, 1, 0.4, "lasting", 9)],
    ...     columns=["patch", "row", "column", "cause", "onset", "speed", "loss", "fate", "turn"])
    >>> health_of(one, [0.0, 2.5, 5.0])[1].tolist()
    [1.0, 0.8, 0.6]
    """
    time = np.asarray(years, dtype=np.float64)
    health = np.ones((len(patches) + 1, time.size))
    for row in patches.to_dict("records"):
        gone = row["loss"] * np.clip((time - row["onset"]) / row["speed"], 0.0, 1.0)
        pace = {"recovering": 0.1, "treated": 0.25}.get(row["fate"], 0.0)
        gone = gone - row["loss"] * np.clip(pace * (time - row["turn"]), 0.0, 1.0)
        health[row["patch"]] = 1.0 - np.clip(gone, 0.0, 1.0)
    return health


def hurt_greenness(ndvi: xr.DataArray, *, seed: int) -> xr.DataArray:
    """Take greenness from round patches in the last two years of a record, in place.

    Parameters
    ----------
    ndvi : DataArray (time, y, x)
        Greenness without damage; changed in place.
    seed : int
        The seed of the headwater.

    Returns
    -------
    DataArray (y, x)
        Share of cover that is lost [1]: 0.15, 0.25, 0.45 and 0.75 in two patches each. Records
        under four years stay whole, for they have no years to compare with.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2017-01-01", "2020-12-31", freq="30D")
    >>> green = xr.DataArray(np.full((days.size, 30, 60), 0.6), {"time": days}, ("time", "y", "x"))
    >>> lost = hurt_greenness(green, seed=1)
    >>> float(lost.max()), bool((green.isel(time=0) == 0.6).all()), bool((green < 0.6).any())
    (0.75, True, True)
    """
    rows, columns = ndvi.sizes["y"], ndvi.sizes["x"]
    lost = xr.zeros_like(ndvi.isel(time=0, drop=True), dtype=np.float64)
    lost.attrs = {"long_name": "Share of cover that is lost", "units": "1"}
    years = ndvi["time"].dt.year.values
    if years[-1] - years[0] < 3:
        return lost
    rng, radius = stream(seed, "hurt"), max(1.5, min(rows, columns) / 18)
    at = np.indices((rows, columns)).astype(np.float64)
    for loss in (*_LOSSES[1:], *_LOSSES[1:]):
        middle = rng.uniform((0.2 * rows, 0.1 * columns), (0.8 * rows, 0.9 * columns))
        near = np.hypot(at[0] - middle[0], at[1] - middle[1]) <= radius
        lost.values[near] = loss
    for day in np.flatnonzero(years >= years[-1] - 1):
        own = ndvi.values[day]
        own -= (np.maximum(own - DORMANT, 0.0) * lost.values).astype(own.dtype)
    return lost
