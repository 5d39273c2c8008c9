"""Aggregation of a cube to longer periods of the calendar, with a coverage rule."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr

from headwater.errors import DataError
from headwater.variation._maps import count, name_of, refuse_classes
from headwater.variation.calendar import Cadence, Periods, cadence, check_time, periods

__all__ = ["aggregate"]

_WHOLE = 1e-9


def aggregate(
    data: xr.DataArray,
    period: str,
    *,
    min_coverage: float = 0.8,
    growing_season: tuple[int, int] = (5, 10),
) -> xr.Dataset:
    """Aggregate a cube to days, months, seasons, growing seasons or years.

    Parameters
    ----------
    data : DataArray (time, ...)
        NumPy or Dask, chunked in any way; times on a standard or cftime calendar, gaps allowed.
        ``attrs["total"]`` says whether steps add up (``sum``) or average (anything else).
    period : {"day", "month", "season", "growing_season", "year"}
        The period.
    min_coverage : float
        Least share of the period [1] that valid steps must cover; below it the value is NaN.
    growing_season : tuple of int
        First and last month of the growing season; (11, 3) wraps the year and belongs to the year
        of its first month.

    Returns
    -------
    Dataset
        ``<name>`` [units of data], ``n`` (valid steps) [1] and ``coverage`` [1], float64, lazy if
        the data are. ``time`` is the first instant of each period, ``time_bnds`` has both ends.
        Periods follow each other without a gap: one without data is there, empty.

    Raises
    ------
    TimeAxisError
        If times cannot be trusted, or the native step is longer than the period.
    DataError
        For angles and classes, infinite values, or a growing season without data.

    Notes
    -----
    A step of the native cadence (:func:`headwater.variation.calendar.cadence`) stands for w days: a
    monthly value for the days of its month, any other for the length of the step. With sums over
    the valid steps,

    ``coverage = Σw / days of the period`` (at most 1), ``mean = Σ w x / Σw`` and
    ``total = Σx · days / Σw``.

    So nothing is filled: a total over an incomplete period is the mean of what was seen times the
    period's length, and stands beside its coverage. Set `min_coverage` to 1 to allow none of this.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2017-01-01", "2017-02-28")
    >>> rain = xr.DataArray(np.ones(59), {"time": days}, "time", "rain", {"total": "sum"})
    >>> aggregate(rain, "month")["rain"].values
    array([31., 28.])
    """
    index = check_time(data)
    refuse_classes(data, "averaged over time")
    step = cadence(index)
    spans = periods(index, period, growing_season, step_days=step.days)
    weight = _weights(index, step)
    adds_up = data.attrs.get("total") == "sum"
    ordered = data.transpose("time", ...)
    factor = np.ones(weight.size) if adds_up else weight
    sums = _period_sums(ordered.data, spans, weight, factor)
    days = spans.days.reshape(-1, *(1,) * (ordered.ndim - 1))
    share = sums[1] / days
    enough = (share >= min_coverage - _WHOLE) & (sums[0] > 0)
    divisor = np.where(enough, share if adds_up else sums[1], np.nan)
    value = sums[2] / divisor
    return _labelled(
        ordered, (value, sums[0], np.minimum(share, 1.0)), spans,
        period=period, native_step=str(step), min_coverage=min_coverage,
    )  # fmt: skip


def _weights(index: Any, step: Cadence) -> np.ndarray:
    """Days that each step stands for."""
    if step.name in {"monthly", "yearly"}:
        own = periods(index, "month" if step.name == "monthly" else "year")
        weights: np.ndarray = own.days[own.group]
        return weights
    return np.full(len(index), step.days)


def _labelled(
    data: xr.DataArray, arrays: tuple[Any, Any, Any], spans: Periods, **attrs: Any
) -> xr.Dataset:
    value, n, coverage = arrays
    method = "sum" if data.attrs.get("total") == "sum" else "mean"
    counted = {"units": "1", "long_name": "Valid steps"}
    covered = {"units": "1", "long_name": "Share of the period with data"}
    own = {**data.attrs, "cell_methods": f"time: {method}", **attrs}
    coords = {name: c for name, c in data.coords.items() if "time" not in c.dims}
    bounds = np.stack([spans.start, spans.end], axis=1)
    time = xr.DataArray(
        spans.start, dims="time", attrs={"bounds": "time_bnds", "long_name": "Start of the period"}
    )
    return xr.Dataset(
        {
            name_of(data): (data.dims, value, own),
            "n": (data.dims, count(n), counted),
            "coverage": (data.dims, coverage, covered),
        },
        {**coords, "time": time, "time_bnds": (("time", "bnds"), bounds)},
        attrs,
    )


def _period_sums(values: Any, spans: Periods, weight: np.ndarray, factor: np.ndarray) -> Any:
    """Add up a NumPy or Dask array (time, ...) to (3, period, ...)."""
    if not hasattr(values, "dask"):
        return _block_sums(values, spans.group, weight, factor, rows=spans.days.size)
    da: Any = import_module("dask.array")
    chunks = values.chunks[0]
    first, rows = _rows_of_blocks(spans.group, chunks, spans.days.size)
    inner = tuple(range(1, values.ndim))
    vectors = [da.from_array(v, chunks=(chunks,)) for v in (spans.group, weight, factor)]
    # one number per block says which rows it holds
    begin = da.from_array(np.repeat(first, chunks), chunks=(chunks,))
    height = da.from_array(np.repeat(rows, chunks), chunks=(chunks,))
    arguments: list[Any] = [values, (0, *inner)]
    for vector in (*vectors, begin, height):
        arguments += [vector, (0,)]
    parts = da.blockwise(
        _chunk_sums, (values.ndim, 0, *inner), *arguments, new_axes={values.ndim: 3},
        adjust_chunks={0: tuple(int(r) for r in rows)}, dtype=float,
        meta=np.empty((0,) * (values.ndim + 1)),
    )  # fmt: skip
    labels = np.concatenate([np.arange(f, f + r) for f, r in zip(first, rows, strict=True)])
    return _merge_rows(parts, labels)


def _rows_of_blocks(
    group: np.ndarray, chunks: tuple[int, ...], groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """First period and number of periods of each time block; together they leave none out."""
    # outside the growing season a step belongs to the period that follows
    following = np.where(group < 0, groups - 1, group)
    following = np.minimum.accumulate(following[::-1])[::-1]
    starts = np.cumsum((0, *chunks[:-1]))
    first = following[starts]
    first[0] = 0
    end = np.maximum(following[np.cumsum(chunks) - 1], np.append(first[1:], groups) - 1)
    return first, end - first + 1


def _merge_rows(parts: Any, labels: np.ndarray) -> Any:
    """Add up rows of the same period that neighbouring blocks share."""
    da: Any = import_module("dask.array")
    cuts = np.cumsum(parts.chunks[1])[:-1]
    # a cut inside a period moves to where that period starts
    cuts = np.unique([np.searchsorted(labels, labels[cut]) for cut in cuts])
    cuts = cuts[cuts > 0].astype(int)
    sizes = tuple(int(size) for size in np.diff([0, *cuts, labels.size]))
    aligned = parts.rechunk({1: sizes})
    key = da.from_array(labels, chunks=(sizes,))
    distinct = tuple(int(np.unique(part).size) for part in np.split(labels, cuts))
    axes = tuple(range(parts.ndim))
    return da.blockwise(
        _add_rows, axes, aligned, axes, key, (1,), adjust_chunks={1: distinct}, dtype=float,
        meta=np.empty((0,) * parts.ndim),
    )  # fmt: skip


def _add_rows(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    added: np.ndarray = np.add.reduceat(rows, starts, axis=1)
    return added


def _chunk_sums(
    values: np.ndarray, group: np.ndarray, weight: np.ndarray, factor: np.ndarray,
    begin: np.ndarray, height: np.ndarray,
) -> np.ndarray:  # fmt: skip
    own = np.where(group < 0, -1, group - begin[0])
    return _block_sums(values, own, weight, factor, rows=int(height[0]))


def _block_sums(
    values: np.ndarray, group: np.ndarray, weight: np.ndarray, factor: np.ndarray, *, rows: int
) -> np.ndarray:
    from headwater.variation import _kernels

    dtype = np.float32 if values.dtype == np.float32 else float
    flat = np.ascontiguousarray(values, dtype=dtype).reshape(len(group), -1)
    sums = _kernels.period_sums(flat, group.astype(np.int64), weight, factor, rows)
    if not np.isfinite(sums[2]).all():
        raise DataError(
            "infinite values cannot be averaged",
            found="at least one infinite value",
            do="Set them to NaN (missing) or correct the input",
        )
    shaped: np.ndarray = sums.reshape(3, rows, *values.shape[1:])
    return shaped
