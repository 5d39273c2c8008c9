"""Maps as one byte a cell: what a browser draws, with a scale that says what each byte means."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ABOVE", "BELOW", "NODATA", "Scale", "encode", "encode_classes", "nice_breaks"]

BELOW, ABOVE, NODATA = 0, 252, 255
"""Bytes for values below and above the scale, and for missing ones."""
_STEPS = 250


@dataclass(frozen=True, slots=True)
class Scale:
    """What bytes mean: ``value = offset + scale × byte`` for bytes from 1 to 251.

    Attributes
    ----------
    breaks : tuple of float
        Edges of the classes of the legend, from the lowest to the highest value of the scale.
    """

    breaks: tuple[float, ...]

    @property
    def scale(self) -> float:
        """Step of one byte."""
        return (self.breaks[-1] - self.breaks[0]) / _STEPS

    @property
    def offset(self) -> float:
        """Value of byte 0, were it one of the scale."""
        return self.breaks[0] - self.scale


def encode(values: ArrayLike, scale: Scale) -> NDArray[np.uint8]:
    """Turn values into bytes.

    Parameters
    ----------
    values : array-like
        NaN where missing.
    scale : Scale

    Returns
    -------
    ndarray of uint8
        Of the same shape; 1 to 251 within the scale, 0 below, 252 above, 255 missing.

    Examples
    --------
    >>> encode([0.0, 0.5, 1.0, 1.2, -0.1, float("nan")], Scale((0.0, 0.5, 1.0))).tolist()
    [1, 126, 251, 252, 0, 255]
    """
    x = np.asarray(values, dtype=np.float32)
    low, high = scale.breaks[0], scale.breaks[-1]
    with np.errstate(invalid="ignore"):
        codes = np.rint((x - low) / (high - low) * _STEPS) + 1
        codes = np.where(x < low, BELOW, np.where(x > high, ABOVE, codes))
    return np.where(np.isnan(x), NODATA, codes).astype(np.uint8)


def encode_classes(values: ArrayLike, classes: ArrayLike) -> NDArray[np.uint8]:
    """Turn values of classes into bytes: 1 for the first class, 255 for none of them.

    Parameters
    ----------
    values : array-like
    classes : array-like of float

    Returns
    -------
    ndarray of uint8

    Examples
    --------
    >>> encode_classes([-2.0, 2.0, float("nan"), 7.0], [-2.0, 0.0, 2.0]).tolist()
    [1, 3, 255, 255]
    """
    x = np.asarray(values, dtype=np.float64)
    found = np.full(x.shape, NODATA, dtype=np.uint8)
    for place, value in enumerate(np.asarray(classes, dtype=np.float64)):
        found[x == value] = place + 1
    return found


def nice_breaks(values: ArrayLike, *, symmetric: bool = False, most: int = 9) -> tuple[float, ...]:
    """Choose round edges of classes that hold nearly all values.

    Parameters
    ----------
    values : array-like
        A sample; NaN where missing.
    symmetric : bool
        About zero, for what falls and rises.
    most : int
        Classes at most.

    Returns
    -------
    tuple of float
        At least two; what lies outside them is drawn as below or above.

    Examples
    --------
    >>> nice_breaks([0.03, 0.11, 0.29])
    (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
    >>> nice_breaks([-0.6, 0.3], symmetric=True, most=4)
    (-1.0, -0.5, 0.0, 0.5, 1.0)
    """
    x = np.asarray(values, dtype=np.float64)
    x = x[np.isfinite(x)]
    if x.size == 0:
        return (0.0, 1.0)
    low, high = (float(v) for v in np.quantile(x, [0.005, 0.995]))
    if symmetric:
        high = max(abs(low), abs(high))
        low = -high
    if high - low <= 1e-12 * max(1.0, abs(high)):
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * f for f in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0) if power * f >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(k * step, 12) for k in range(first, max(last, first + 1) + 1))
