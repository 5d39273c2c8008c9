"""Persistence of two series over time, in one pass over cubes larger than memory."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headwater.errors import GridError
from headwater.inference.moments import Moments, check_finite, reduce_time

__all__ = ["SerialPair", "serial_pair"]

_FEWEST = 3


@dataclass(frozen=True, slots=True, eq=False)
class SerialPair:
    """Moments of two series and their lag-1 autocorrelations, for every cell.

    Attributes
    ----------
    moments : Moments
        Of the times at which both are valid.
    r1_first, r1_second : array, shape (...)
        Lag-1 autocorrelation [1] of the values that have a partner; NaN for fewer than 3 pairs of
        neighbours in time or a constant series.
    """

    moments: Moments
    r1_first: Any
    r1_second: Any

    def effective_n(self) -> Any:
        """Return what :func:`headwater.inference.effective_n_pair` does, lazily."""
        product = np.maximum(self.r1_first * self.r1_second, 0.0)
        return self.moments.n * (1.0 - product) / (1.0 + product)


def serial_pair(
    first: ArrayLike, second: ArrayLike, follows: ArrayLike | None = None
) -> SerialPair:
    r"""Compute the moments and the persistence of two cubes over time.

    Parameters
    ----------
    first, second : array, shape (time, ...)
        NumPy or Dask, float32 or float64, chunked in any way; a time at which either is NaN is left
        out for that cell.
    follows : array of bool, shape (time,), optional
        Whether a time comes right after the one before (False after a gap in the calendar); by
        default all do.

    Returns
    -------
    SerialPair
        Lazy if any input is lazy.

    Raises
    ------
    GridError
        If the shapes differ.
    DataError
        If a value is infinite (for lazy input: when computed).

    Notes
    -----
    ``r1 = (Σ x_t x_{t+1} / m) / (Σ x_t² / n)`` of x centred on the mean of all n valid values, with
    m pairs of neighbours of which none is missing. The sums of two blocks of time merge exactly,
    by moving both to the common mean and adding the pair that spans the border.

    References
    ----------
    Chan, Golub & LeVeque (1983), see :func:`headwater.inference.moments.of`.

    Examples
    --------
    >>> x = np.array([[1.0], [-1.0], [1.0], [-1.0], [1.0], [-1.0]])
    >>> serial_pair(x, x).r1_first
    array([-1.])
    """
    if np.shape(first) != np.shape(second):
        raise GridError(
            "cubes of different shapes",
            found=f"{np.shape(first)} and {np.shape(second)}",
            do="Align them on the same times and cells first",
        )
    links = np.ones(np.shape(first)[0]) if follows is None else np.asarray(follows, dtype=float)
    if any(hasattr(cube, "dask") for cube in (first, second)):
        return _unpack(_pack_chunks(first, second, links))
    return _unpack(_pack(first, second, links))


def _pack(first: Any, second: Any, links: np.ndarray) -> np.ndarray:
    """Add up NumPy blocks to (18, ...); the last row says whether the block follows another."""
    from headwater.inference import _kernels

    dtype = np.float32 if first.dtype == second.dtype == np.float32 else float
    left, right = (
        np.ascontiguousarray(cube, dtype=dtype).reshape(len(links), -1) for cube in (first, second)
    )
    within = links.copy()
    within[0] = 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        packed: np.ndarray = _kernels.serial_moments(left, right, within)
    check_finite(packed[1:3, packed[0] > 0])
    joined = np.concatenate([packed, np.full((1, packed.shape[1]), links[0])])
    return joined.reshape(-1, *first.shape[1:])


def _unpack(packed: Any) -> SerialPair:
    found = _moments(packed)
    autocorrelation = []
    for i, row in enumerate((7, 10)):
        spread = found.comoment[i, i]
        usable = (packed[6] >= _FEWEST) & (spread > 0)
        size = np.where(usable, packed[6] * spread, np.nan)
        autocorrelation.append(packed[row] * found.n / size)
    return SerialPair(found, *autocorrelation)


def _moments(packed: Any) -> Moments:
    comoment = packed[np.array([3, 4, 4, 5])].reshape(2, 2, *packed.shape[1:])
    return Moments(packed[0], packed[1:3], comoment)


def _pack_chunks(first: ArrayLike, second: ArrayLike, links: np.ndarray) -> Any:
    da: Any = import_module("dask.array")

    cubes = [da.asarray(cube) for cube in (first, second)]
    axes = tuple(range(cubes[0].ndim))
    packed = da.blockwise(
        _pack_one_chunk,
        (0, len(axes), *axes[1:]),
        cubes[0],
        axes,
        cubes[1],
        axes,
        da.from_array(links, chunks=(cubes[0].chunks[0],)),
        (0,),
        new_axes={len(axes): 18},
        adjust_chunks={0: lambda _: 1},
        dtype=float,
        meta=np.empty((0,) * (len(axes) + 1)),
    )
    return reduce_time(packed, _merge_into)


def _pack_one_chunk(first: np.ndarray, second: np.ndarray, links: np.ndarray) -> np.ndarray:
    return _pack(first, second, links)[None]


def _merge_into(first: np.ndarray, after: np.ndarray) -> None:
    from headwater.inference import _kernels

    _kernels.merge_serial(first, after)
