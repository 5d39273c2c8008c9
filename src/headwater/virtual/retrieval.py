"""What a satellite makes of the truth: retrieval noise, and days and swaths without data.

    observed = max(true + σ ε, 0.001) ,   ε ~ N(0, 1), independent in space and time

Missing are, of the asked share g, a quarter as whole days and the rest as slanting gaps between
swaths whose place shifts from day to day.
"""

from __future__ import annotations

import numpy as np

from headwater.virtual.fields import Floats, stream
from headwater.virtual.frame import Frame

__all__ = ["add_noise", "cut_gaps"]


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
