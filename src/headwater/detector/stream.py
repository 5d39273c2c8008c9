"""Sums per stratum of arrays that are larger than memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from headwater.detector.q import StratumSums, stratum_sums
from headwater.detector.strata import Strata
from headwater.errors import DataError

__all__ = ["chunked_categories", "chunked_strata", "is_chunked", "stream_sums"]

_MOST_CATEGORIES = 10_000


def is_chunked(array: object) -> bool:
    """Say whether an array lies in chunks, as dask and zarr arrays do.

    Parameters
    ----------
    array : object
        Any array, labelled or not.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_chunked(np.zeros(3))
    False
    """
    return getattr(array, "chunks", None) is not None


def stream_sums(
    response: ArrayLike,
    strata: Mapping[str, Any],
    weights: ArrayLike | None = None,
    *,
    listwise: bool = False,
) -> dict[str, tuple[StratumSums, Strata]]:
    """Sum a chunked response by the strata of every factor, in one pass over the chunks.

    Parameters
    ----------
    response : dask, zarr or chunked labelled array
        The variable to be explained [any unit]; NaN is missing.
    strata : mapping of str to Strata or array
        Factors of the same shape; arrays are taken as categories. Codes may be chunked
        (:func:`chunked_strata`) or in memory.
    weights : array of the same shape, optional
        Weight of each unit.
    listwise : bool
        Whether a unit that any factor lacks goes out for all.

    Returns
    -------
    dict of str to (StratumSums, Strata)

    Raises
    ------
    DataError
        If there are no factors, or the shapes differ.

    Notes
    -----
    A chunk is summed where it lies and forgotten; what travels are the few sums per stratum, which
    are merged in pairs. So memory holds a few chunks whatever the size of the array.

    Examples
    --------
    >>> import dask.array as da
    >>> y, cover = da.arange(6, chunks=2), np.array([0, 0, 0, 1, 1, 1])
    >>> stream_sums(y.astype(float), {"cover": cover})["cover"][0].mean
    array([1., 4.])
    """
    dask: Any = import_module("dask")
    da: Any = import_module("dask.array")

    y = da.asarray(getattr(response, "data", response))
    if not strata:
        raise DataError("no factors", found="an empty mapping", do="Give at least one factor")
    partitions = {name: _as_strata(given) for name, given in strata.items()}
    for name, part in partitions.items():
        if part.codes.shape != y.shape:
            raise DataError(
                f"factor '{name}' is not of the response's units",
                found=f"shape {part.codes.shape}, response {y.shape}",
                do="Bring both onto one grid, xarray.broadcast repeats a map over time",
            )
    counts = tuple(part.realised for part in partitions.values())
    parts = [_blocks(part.codes, y.chunks) for part in partitions.values()]
    unit = None if weights is None else _blocks(getattr(weights, "data", weights), y.chunks)
    rows = zip(*parts, strict=True)
    level = [
        dask.delayed(_sum_chunk)(block, codes, counts, None if unit is None else unit[at], listwise)
        for at, (block, codes) in enumerate(zip(y.to_delayed().ravel(), rows, strict=True))
    ]
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [dask.delayed(_merge)(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    sums = level[0].compute()
    return {
        name: (total, part) for (name, part), total in zip(partitions.items(), sums, strict=True)
    }


def chunked_strata(values: ArrayLike, breaks: Sequence[float]) -> Strata:
    """Part a chunked continuous factor by given breaks, without reading it.

    Parameters
    ----------
    values : dask, zarr or chunked labelled array
        The factor [any unit]; NaN is missing.
    breaks : sequence of float
        Limits from lowest to highest, both ends included; use ``-inf`` and ``inf`` for open ends.
        Breaks of a rule can be had from a part of the values, such as every tenth row.

    Returns
    -------
    Strata
        With codes that are computed chunk by chunk when they are needed; a value outside the breaks
        is refused then. Classes that turn out empty are passed over by the detectors.

    Raises
    ------
    DataError
        If the breaks do not ascend.

    Examples
    --------
    >>> import dask.array as da
    >>> strata = chunked_strata(da.arange(6, chunks=2), [-np.inf, 2, np.inf])
    >>> np.asarray(strata.codes)
    array([0, 0, 0, 1, 1, 1], dtype=int32)
    """
    da: Any = import_module("dask.array")

    from headwater.detector.strata import interval_names

    edges = np.asarray(breaks, dtype=np.float64)
    if edges.size < 3 or not (np.diff(edges) > 0).all():
        raise DataError(
            "given breaks must ascend and make at least two classes",
            found=str(list(breaks)),
            do="Give the limits from lowest to highest, both ends included",
        )
    array = da.asarray(getattr(values, "data", values))
    codes = array.map_blocks(_code_chunk, edges, dtype=np.int32, meta=np.empty(0, np.int32))
    limits = tuple(edges.tolist())
    return Strata(codes, interval_names(limits), limits, "given", edges.size - 1)


def chunked_categories(values: Any) -> Strata:
    """Take each distinct value of a chunked array as a stratum, in one pass to find them.

    Parameters
    ----------
    values : dask, zarr or chunked labelled array
        Numbers or booleans; NaN is missing.

    Returns
    -------
    Strata
        With codes that are computed chunk by chunk when they are needed.

    Raises
    ------
    DataError
        If there are more than 10 000 distinct values, or none.

    Examples
    --------
    >>> import dask.array as da
    >>> chunked_categories(da.from_array(np.array([3.0, 1.0, np.nan, 3.0]), chunks=2)).names
    ('1', '3')
    """
    dask: Any = import_module("dask")
    da: Any = import_module("dask.array")

    from headwater.detector.strata import category_name

    array = da.asarray(getattr(values, "data", values))
    found = dask.compute(*(dask.delayed(_distinct)(one) for one in array.to_delayed().ravel()))
    distinct = np.unique(np.concatenate(found))
    if not 0 < distinct.size <= _MOST_CATEGORIES:
        raise DataError(
            "all values are missing" if distinct.size == 0 else "too many distinct values",
            found=f"{distinct.size} of them",
            do="Part a continuous factor with chunked_strata, or leave it out",
        )
    codes = array.map_blocks(_match_chunk, distinct, dtype=np.int32, meta=np.empty(0, np.int32))
    return Strata(
        codes, tuple(category_name(one) for one in distinct), (), "categories", distinct.size
    )


def _as_strata(given: object) -> Strata:
    from headwater.detector.strata import as_strata

    if not isinstance(given, Strata) and is_chunked(given):
        return chunked_categories(given)
    return as_strata(given)


def _blocks(array: ArrayLike, chunks: ArrayLike) -> list[Any]:
    da: Any = import_module("dask.array")

    if not is_chunked(array):
        array = da.from_array(np.asarray(array), chunks=chunks)
    return list(da.asarray(array).rechunk(chunks).to_delayed().ravel())


def _sum_chunk(
    block: npt.NDArray[Any],
    codes: npt.NDArray[Any],
    counts: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    listwise: bool,
) -> list[StratumSums]:
    values = np.array(block, dtype=np.float64)
    if listwise:
        values[np.any([part < 0 for part in codes], axis=0)] = np.nan
    return [
        stratum_sums(values, part, count, weights=weights)
        for part, count in zip(codes, counts, strict=True)
    ]


def _merge(one: list[StratumSums], two: list[StratumSums]) -> list[StratumSums]:
    return [first.merge(second) for first, second in zip(one, two, strict=True)]


def _code_chunk(block: npt.NDArray[Any], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    values = np.asarray(block, dtype=np.float64)
    missing = np.isnan(values)
    if ((values < edges[0]) | (values > edges[-1])).any():
        raise DataError(
            "values outside the given breaks",
            found=f"{np.nanmin(values):.6g} to {np.nanmax(values):.6g}",
            do="Widen the first and last break, or use -inf and inf",
        )
    codes = np.searchsorted(edges[1:-1], values, side="left").astype(np.int32)
    codes[missing] = -1
    return codes


def _match_chunk(block: npt.NDArray[Any], distinct: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    values = np.asarray(block)
    codes = np.searchsorted(distinct, values).astype(np.int32)
    if values.dtype.kind == "f":
        codes[np.isnan(values)] = -1
    return codes


def _distinct(block: npt.NDArray[Any]) -> npt.NDArray[Any]:
    found = np.unique(block)
    return found[~np.isnan(found)] if found.dtype.kind == "f" else found
