"""Random numbers by name, and smooth random fields made from them.

Every random part of a virtual headwater draws from its own stream, named in words, so that no part
changes when another is computed earlier, later or not at all.

A smooth field is white noise on a coarse lattice carried to the grid by cubic B-splines,

    f(v, u) = Σ_j Σ_i  b_j(v) b_i(u) ε_ji ,      ε ~ N(0, 1),

with the weights at each place scaled so that Σ b² = 1: the field then has unit variance everywhere.
Positions run from 0 to 1 across the headwater, so that one seed draws the same mountain at any
resolution.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "smooth_noise", "spline_weights", "stream"]

Floats = NDArray[np.float32]
"""Single precision, in which the cube is kept."""


def stream(seed: int, *name: str | int) -> np.random.Generator:
    """Open the random stream of one named part of the headwater.

    Parameters
    ----------
    seed : int
        The seed of the headwater, zero or more.
    *name : str or int
        What the numbers are for.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> stream(1, "rain").random() == stream(1, "rain").random()
    True
    >>> stream(1, "rain").random() == stream(1, "snow").random()
    False
    """
    return np.random.default_rng([seed, crc32(repr(name).encode())])


def spline_weights(positions: NDArray[np.float64], knots: int) -> Floats:
    """Weights that carry noise on a coarse lattice to positions between.

    Parameters
    ----------
    positions : ndarray, shape (n,)
        Places between 0 and 1.
    knots : int
        Lattice points, at least 4; the field varies over lengths of about 1 / knots.

    Returns
    -------
    ndarray of float32, shape (n, knots)
        Each row has a sum of squares of 1.

    Examples
    --------
    >>> weights = spline_weights(np.array([0.0, 0.37, 1.0]), 6)
    >>> np.round((weights**2).sum(axis=1), 5).tolist()
    [1.0, 1.0, 1.0]
    """
    knots = max(int(knots), 4)
    distance = np.abs(positions[:, None] * (knots - 3) + 1.0 - np.arange(knots))
    near = 2.0 / 3.0 - distance**2 + distance**3 / 2.0
    far = np.clip(2.0 - distance, 0.0, None) ** 3 / 6.0
    weights = np.where(distance < 1.0, near, far)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return np.asarray(weights, dtype=np.float32)


def smooth_noise(
    rng: np.random.Generator,
    north: NDArray[np.float64],
    east: NDArray[np.float64],
    *,
    knots: tuple[int, int],
) -> Floats:
    """Draw one smooth field of zero mean and unit variance.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    north, east : ndarray, shapes (ny,) and (nx,)
        Places between 0 (south, west) and 1 (north, east).
    knots : tuple of int
        Lattice points from south to north and from west to east.

    Returns
    -------
    ndarray of float32, shape (ny, nx)

    Examples
    --------
    >>> north, east = np.linspace(0, 1, 5), np.linspace(0, 1, 7)
    >>> smooth_noise(stream(1, "x"), north, east, knots=(4, 6)).shape
    (5, 7)
    """
    coarse = rng.standard_normal((max(knots[0], 4), max(knots[1], 4)), dtype=np.float32)
    field = spline_weights(north, coarse.shape[0]) @ coarse
    return np.asarray(field @ spline_weights(east, coarse.shape[1]).T, dtype=np.float32)
