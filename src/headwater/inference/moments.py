"""Moments that merge exactly, so that a cube can be read once, in pieces and in any order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.errors import DataError, GridError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Moments", "check_finite", "merge", "of", "reduce_time"]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Count, means and centred co-moments of k variables, for every cell.

    Attributes
    ----------
    n : array, shape (...)
        Number of times at which all k variables are valid [1].
    mean : array, shape (k, ...)
        Means [units of each variable]; NaN where n is 0.
    comoment : array, shape (k, k, ...)
        ``Σ (u - mean u)(v - mean v)`` [product of the units].
    """

    n: Any
    mean: Any
    comoment: Any

    def variance(self, i: int = 0, *, ddof: int = 1) -> Any:
        """Return the variance of variable i; NaN where n ≤ ddof."""
        return self.comoment[i, i] / _positive(self.n - ddof)

    def correlation(self, i: int = 0, j: int = 1) -> Any:
        """Return Pearson's r; NaN where n < 2 or a variable is constant."""
        scale = _positive(np.sqrt(self.comoment[i, i]) * np.sqrt(self.comoment[j, j]))
        return np.clip(self.comoment[i, j] / scale, -1.0, 1.0)

    def slope(self, i: int = 0, j: int = 1) -> Any:
        """Return the least-squares slope of variable j on variable i; NaN where i is constant."""
        return self.comoment[i, j] / _positive(self.comoment[i, i])


def _positive(values: NDArray[Any]) -> Any:
    """Denominators: NaN where not positive, which gives a NaN quotient without a warning."""
    return np.where(values > 0, values, np.nan)


def of(*variables: Any) -> Moments:
    r"""Compute the moments of one or more variables over time.

    Parameters
    ----------
    *variables : array, shape (time, ...) or (time,)
        NumPy or Dask arrays, float32 or float64. A vector of times counts for every cell and must
        have no gaps. A time at which any variable is NaN is left out for that cell (pairwise
        complete). Dask arrays may be chunked along every axis; nothing is rechunked along time.

    Returns
    -------
    Moments
        Lazy if any input is lazy.

    Raises
    ------
    GridError
        If the shapes differ.
    DataError
        If a value is infinite (for lazy input: when computed).

    Notes
    -----
    Sums are taken in float64 about the first valid value of each cell and merged by

    .. math:: C_{uv} = C^a_{uv} + C^b_{uv} + δ_u δ_v \frac{n_a n_b}{n_a + n_b}

    with δ the difference of the two means, so that any chunking gives the whole to rounding.

    References
    ----------
    Chan, T. F., Golub, G. H., LeVeque, R. J. (1983). Algorithms for computing the sample variance:
    analysis and recommendations. The American Statistician 37, 242-247.
    doi:10.1080/00031305.1983.10483115 (technical report 1979).

    Examples
    --------
    >>> moments = of(np.array([[1.0], [2.0], [3.0], [np.nan]]))
    >>> moments.n, moments.mean[0], moments.variance()
    (array([3.]), array([2.]), array([1.]))
    """
    shape = max((np.shape(variable) for variable in variables), key=len)
    for variable in variables:
        if np.shape(variable) not in (shape, shape[:1]):
            raise GridError(
                "variables of different shapes",
                found=", ".join(str(np.shape(each)) for each in variables),
                do="Align them on the same times and cells first",
            )
    if any(hasattr(variable, "dask") for variable in variables):
        return _unpack(_pack_chunks(variables, len(shape)), len(variables))
    return _unpack(_pack(*variables), len(variables))


def merge(*parts: Moments) -> Moments:
    """Merge the moments of disjoint sets of times, exactly.

    Parameters
    ----------
    *parts : Moments
        Of the same variables and cells.

    Returns
    -------
    Moments

    References
    ----------
    Chan, Golub & LeVeque (1983), see :func:`of`.

    Examples
    --------
    >>> first, second = of(np.array([[1.0], [2.0]])), of(np.array([[3.0]]))
    >>> merge(first, second).variance()
    array([1.])
    """
    return reduce(_merge_two, parts)


def _merge_two(a: Moments, b: Moments) -> Moments:
    n = a.n + b.n
    share = b.n / np.where(n > 0, n, 1.0)
    delta = np.where((a.n > 0) & (b.n > 0), b.mean - a.mean, 0.0)
    mean = np.where(a.n > 0, a.mean + delta * share, b.mean)
    comoment = a.comoment + b.comoment + delta[:, None] * delta[None] * (a.n * share)
    return Moments(n, mean, comoment)


def _pack(*variables: Any) -> np.ndarray:
    """Moments of NumPy blocks in one array (1 + k + k(k+1)/2, ...): n, means, upper triangle."""
    shape = max((np.shape(variable) for variable in variables), key=len)
    dtype = np.float32 if all(v.dtype == np.float32 for v in variables if v.ndim > 1) else float
    flat = [
        np.ascontiguousarray(v, dtype=dtype).reshape(shape[0], -1)
        if np.shape(v) == shape and len(shape) > 1
        else np.asarray(v, dtype=float)
        for v in variables
    ]
    packed = _pack_flat(flat)
    check_finite(packed[1 : len(flat) + 1, packed[0] > 0])
    return packed.reshape(-1, *shape[1:])


def check_finite(means: np.ndarray) -> None:
    """Refuse means of infinite values.

    Parameters
    ----------
    means : array
        Of cells with at least one valid value.

    Raises
    ------
    DataError
        If one is not finite.

    Examples
    --------
    >>> check_finite(np.array([1.0]))
    """
    if not np.isfinite(means).all():
        raise DataError(
            "infinite values cannot be averaged",
            found="at least one cell with an infinite value",
            do="Set them to NaN (missing) or correct the input",
        )


def _pack_flat(flat: list[np.ndarray]) -> np.ndarray:
    from headwater.inference import _kernels

    flat = [v[:, None] for v in flat] if all(v.ndim == 1 for v in flat) else flat
    with np.errstate(invalid="ignore", over="ignore"):
        if len(flat) == 1:
            alone: np.ndarray = _kernels.series_moments(flat[0])
            return alone
        if len(flat) == 2 and flat[1].ndim == 2:
            kernel = _kernels.line_moments if flat[0].ndim == 1 else _kernels.pair_moments
            pair: np.ndarray = kernel(*flat)
            return pair
        return _pack_many([v[:, None] if v.ndim == 1 else v for v in flat])


def _pack_many(flat: list[np.ndarray]) -> np.ndarray:
    """Three and more variables: the matrix, in two plain passes."""
    table = np.stack(np.broadcast_arrays(*flat)).astype(float)
    valid = ~np.isnan(table).any(axis=0)
    n = valid.sum(axis=0).astype(float)
    total = np.where(valid, table, 0.0).sum(axis=1)
    mean = total / np.where(n > 0, n, np.nan)
    centred = np.where(valid, table - mean[:, None], 0.0)
    rows, columns = np.triu_indices(len(flat))
    comoments = [
        np.sum(centred[i] * centred[j], axis=0) for i, j in zip(rows, columns, strict=True)
    ]
    return np.concatenate([n[None], mean, comoments])


def _unpack(packed: Any, k: int) -> Moments:
    order = np.zeros((k, k), dtype=int)
    rows, columns = np.triu_indices(k)
    order[rows, columns] = order[columns, rows] = np.arange(rows.size) + 1 + k
    comoment = packed[order.ravel()].reshape(k, k, *packed.shape[1:])
    return Moments(packed[0], packed[1 : k + 1], comoment)


def _pack_chunks(variables: tuple[Any, ...], ndim: int) -> Any:
    """Pack every chunk by itself, then merge along time in a tree."""
    da: Any = import_module("dask.array")

    k = len(variables)
    axes = tuple(range(ndim))
    arguments: list[Any] = []
    for variable in variables:
        arguments += [da.asarray(variable), axes[: np.ndim(variable)]]
    packed = da.blockwise(
        _pack_one_chunk,
        (0, ndim, *axes[1:]),
        *arguments,
        new_axes={ndim: 1 + k + k * (k + 1) // 2},
        adjust_chunks={0: lambda _: 1},
        dtype=float,
        meta=np.empty((0,) * (ndim + 1)),
    )
    return reduce_time(packed, _merge_into)


def reduce_time(packed: Any, merge_into: Callable[[Any, Any], None]) -> Any:
    """Merge the packed sums of the blocks of time in a tree, in order and without joining them.

    Parameters
    ----------
    packed : Dask array (block, row, ...)
        One block long in each chunk.
    merge_into : callable
        ``merge_into(first, next)`` merges arrays (row, cell), in place.

    Returns
    -------
    Dask array (row, ...)
    """
    da: Any = import_module("dask.array")

    def merged(blocks: object, axis: object = None, keepdims: bool = False) -> Any:
        parts = blocks if isinstance(blocks, list) else [blocks]
        out = np.array(parts[0])
        flat = out.reshape(out.shape[1], -1)
        for part in parts[1:]:
            merge_into(flat, np.ascontiguousarray(part).reshape(flat.shape))
        return out if keepdims else out[0]

    return da.reduction(
        packed,
        _as_it_is,
        merged,
        combine=merged,
        axis=0,
        dtype=float,
        concatenate=False,
        meta=np.empty((0,) * (packed.ndim - 1)),
    )


def _as_it_is(block: ArrayLike, axis: object = None, keepdims: bool = False) -> Any:
    return block


def _pack_one_chunk(*blocks: np.ndarray) -> np.ndarray:
    return _pack(*blocks)[None]


def _merge_into(first: np.ndarray, after: np.ndarray) -> None:
    from headwater.inference import _kernels

    k = int((np.sqrt(8 * first.shape[0] + 1) - 3) / 2)
    _kernels.merge_moments(first, after, k)
