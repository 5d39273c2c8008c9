"""The shape of the virtual mountain: elevation, slopes, vegetation and the study's outline.

Elevation is a sum of three parts in positions u (east) and v (north) from 0 to 1, with phase
p = 3.2 v + 1.1 u + 0.28 f₁ (f: smooth random fields), so that ranges run from west-north-west to
east-south-east:

    ranges    1 − |2 frac(p) − 1|                                 (three to four of them)
    spurs     Σ_k 0.55^k (1 − |f_k|)² , wavelength halved at every k, stronger on high ground
    tilt      0.42 (1 − u) + 0.15 (1 − v): high in the west, low in the east

and is then mapped, rank by rank, to the hypsometric curve of a beta distribution (a = 2.6, b = 4.0)
between 2000 and 5800 m: half of the ground lies below 3460 m, one per cent above 5150 m.
The random lattices are tied to positions, not to kilometres: a small headwater is a miniature with
the same hypsometry, not a corner of a large one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon, contains_xy

from headwater.virtual.climate import MONTHLY_PRECIPITATION, precipitation_pattern
from headwater.virtual.fields import Floats, smooth_noise, stream
from headwater.virtual.frame import Frame, outline

__all__ = ["CLASSES", "Landscape", "Terrain", "classify", "elevation", "lay_landscape", "terrain"]

LOWEST, HIGHEST = 2000.0, 5800.0
_METRES_PER_DEGREE = 111_195.0

CLASSES = {1: "desert", 2: "grassland", 3: "meadow", 4: "forest", 5: "bare"}
"""Vegetation classes and their numbers."""

REFINEMENT = 10
"""Cells of the elevation model along the side of one cell of the study grid."""


def elevation(frame: Frame, *, seed: int) -> Floats:
    """Raise the mountain.

    Parameters
    ----------
    frame : Frame
        The grid, fine enough for slopes to mean something.
    seed : int
        The seed of the headwater.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        Elevation [m], from 2000 to 5800.

    Examples
    --------
    >>> z = elevation(Frame(72, 166, 0.05, 94.87, 36.43), seed=1)
    >>> round(float(z.min())), round(float(z.max()))
    (2000, 5800)
    """
    rng = stream(seed, "elevation")
    north, east = frame.north, frame.east
    stretch = frame.columns / frame.rows
    tilt = 0.15 * (1.0 - north)[:, None] + 0.42 * (1.0 - east)[None, :]
    warp = smooth_noise(rng, north, east, knots=(5, 7))
    phase = 3.2 * north[:, None] + 1.1 * east[None, :] + 0.28 * warp
    height = tilt + 0.9 * (1.0 - np.abs(2.0 * (phase % 1.0) - 1.0))
    height += 0.18 * smooth_noise(rng, north, east, knots=(6, 10))
    high = np.clip(height / height.max(), 0.15, 1.0)
    knots, amplitude = 10, 0.5
    while knots < frame.rows / 3:
        spurs = smooth_noise(rng, north, east, knots=(knots, round(knots * stretch)))
        height += amplitude * high * (1.0 - np.abs(spurs)).clip(0.0) ** 2
        knots, amplitude = knots * 2, amplitude * 0.55
    return _hypsometry(height)


def _hypsometry(height: NDArray[np.floating]) -> Floats:
    """Map heights, keeping their order, to the elevations of the hypsometric curve."""
    from scipy.special import betaincinv

    share = np.linspace(0.0, 1.0, 501)
    curve = LOWEST + (HIGHEST - LOWEST) * betaincinv(2.6, 4.0, share)
    return np.asarray(np.interp(height, np.quantile(height, share), curve), dtype=np.float32)


def terrain(z: Floats, frame: Frame) -> tuple[Floats, Floats]:
    """Slope and exposure to the north of every cell, from central differences in metres.

    Parameters
    ----------
    z : ndarray, shape (rows, columns)
        Elevation [m], rows from north to south.
    frame : Frame
        The grid of `z`.

    Returns
    -------
    eastward, northward : ndarray of float32, shape (rows, columns)
        Components of the downhill direction times the gradient [m/m]: a slope that looks north has
        a positive northward part.

    Notes
    -----
    One degree is 111 195 m of latitude and cos φ times that of longitude, on a sphere.

    Examples
    --------
    >>> frame = Frame(4, 4, 0.01, 100.0, 0.0)
    >>> plane = np.repeat(np.arange(4.0)[:, None], 4, axis=1) * 1000  # falls to the north
    >>> round(float(terrain(plane, frame)[1].mean()), 3)
    0.899
    """
    step = frame.resolution * _METRES_PER_DEGREE
    southward, eastward = np.gradient(z)
    cosine = np.cos(np.deg2rad(frame.latitude))[:, None]
    return (
        np.asarray(-eastward / (step * cosine), dtype=np.float32),
        np.asarray(southward / step, dtype=np.float32),
    )


def classify(z: Floats, northward: Floats, precipitation: Floats) -> NDArray[np.int8]:
    """Vegetation that altitude, aspect and precipitation allow.

    Parameters
    ----------
    z : ndarray
        Elevation [m].
    northward : ndarray
        Exposure to the north [m/m], from :func:`terrain`.
    precipitation : ndarray
        Precipitation of a mean year [mm].

    Returns
    -------
    ndarray of int8
        The numbers of :data:`CLASSES`.

    Notes
    -----
    Later rules win: grassland above 230 mm; meadow above 3200 m and 300 mm; forest at 2400-3600 m
    above 330 mm on slopes that look north by more than 0.03; bare rock and ice above 4750 m.

    Examples
    --------
    >>> classify(np.float32([3000, 3000, 5000]), np.float32([0.1, -0.1, 0]), np.float32([400] * 3))
    array([4, 2, 5], dtype=int8)
    """
    classes = np.where(precipitation > 230.0, 2, 1).astype(np.int8)
    classes[(z > 3200.0) & (precipitation > 300.0)] = 3
    classes[(z > 2400.0) & (z < 3600.0) & (precipitation > 330.0) & (northward > 0.03)] = 4
    classes[z > 4750.0] = 5
    return classes


@dataclass(frozen=True, slots=True, eq=False)
class Terrain:
    """The mountain in one resolution.

    Attributes
    ----------
    frame : Frame
        Its grid.
    z : ndarray of float32, shape (rows, columns)
        Elevation [m].
    eastward, northward : ndarray of float32, shape (rows, columns)
        Downhill direction times the gradient [m/m].
    vegetation : ndarray of int8, shape (rows, columns)
        Numbers of :data:`CLASSES`.
    inside : ndarray of bool, shape (rows, columns)
        Cells whose centre lies in the study area.
    """

    frame: Frame
    z: Floats
    eastward: Floats
    northward: Floats
    vegetation: NDArray[np.int8]
    inside: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Landscape:
    """The mountain as the elevation model has it, on the study grid, and the outline."""

    fine: Terrain
    grid: Terrain
    area: Polygon


def lay_landscape(frame: Frame, *, seed: int) -> Landscape:
    """Lay out the landscape.

    Parameters
    ----------
    frame : Frame
        The study grid.
    seed : int
        The seed of the headwater.

    Returns
    -------
    Landscape
        Means of the fine cells on the study grid, and their most frequent vegetation.

    Examples
    --------
    >>> lay_landscape(Frame(6, 9, 0.05, 95.0, 37.0), seed=1).fine.z.shape
    (60, 90)
    """
    area, close = outline(frame), frame.refine(REFINEMENT)
    z = elevation(close, seed=seed)
    eastward, northward = terrain(z, close)
    mean_z = _blocks(z)
    inside = _within(area, frame)
    pattern = precipitation_pattern(mean_z, frame, seed=seed)
    millimetres = np.float32(sum(MONTHLY_PRECIPITATION) / pattern[inside].mean())
    vegetation = classify(z, northward, precipitation_pattern(z, close, seed=seed) * millimetres)
    # the most frequent class of a block, the lower number where two are equal
    shares = np.stack([_blocks((vegetation == number).astype(np.float32)) for number in CLASSES])
    mode = np.array(list(CLASSES), dtype=np.int8)[shares.argmax(axis=0)]
    return Landscape(
        Terrain(close, z, eastward, northward, vegetation, _within(area, close)),
        Terrain(frame, mean_z, _blocks(eastward), _blocks(northward), mode, inside),
        area,
    )


def _blocks(fine: Floats) -> Floats:
    """Means of square blocks."""
    rows, columns = fine.shape
    blocks = fine.reshape(rows // REFINEMENT, REFINEMENT, columns // REFINEMENT, REFINEMENT)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def _within(area: Polygon, frame: Frame) -> NDArray[np.bool_]:
    east, north = np.meshgrid(frame.longitude, frame.latitude)
    return np.asarray(contains_xy(area, east, north))
