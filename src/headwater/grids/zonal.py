"""Area-weighted means and quantiles over zones, of a map or of every time of a cube."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import DataError
from headwater.grids.zones import Zones

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["zone_mean", "zone_quantiles"]

# Values of a block that are copied to float64 at a time.
_SLAB = 1 << 20


def zone_mean(data: xr.DataArray, zones: Zones, area: xr.DataArray) -> xr.Dataset:
    r"""Average a variable over zones, each cell weighted by its area.

    Parameters
    ----------
    data : DataArray (time, y, x) or (y, x)
        Any unit; a Dask array stays lazy and keeps its chunks.
    zones : Zones
        On the same cells as `data`.
    area : DataArray (y, x)
        Cell area [km2], as from :func:`headwater.grids.geometry.cell_area`.

    Returns
    -------
    Dataset
        ``mean`` (time, zone) [unit of `data`], NaN where no cell is valid; ``n`` (time, zone),
        number of valid cells [1]; ``area_valid`` (time, zone), their area [km2]. Without time for a
        map. The coordinate ``zone`` holds the names.

    Raises
    ------
    DataError
        If the shapes differ, `data` has other dimensions, is an angle or a class, or a value is
        infinite (for lazy data: when computed).

    Notes
    -----
    .. math:: \bar v_k = \sum_{i \in k} a_i v_i / \sum_{i \in k} a_i

    over the cells i of zone k that are valid at that time, in double precision. Cells that are
    missing at a time lose their weight at that time.

    Examples
    --------
    >>> from headwater.grids.zones import class_zones
    >>> map_ = xr.DataArray([[0.1, 0.3, np.nan]], dims=("y", "x"), attrs={"units": "m3 m-3"})
    >>> area = xr.DataArray([[1.0, 3.0, 1.0]], dims=("y", "x"))
    >>> means = zone_mean(map_, class_zones(xr.ones_like(map_)), area)
    >>> round(float(means["mean"][0]), 3), int(means["n"][0]), float(means["area_valid"][0])
    (0.25, 2, 4.0)
    """
    _check_cells(data, zones, area)
    if "time" not in data.dims:
        return zone_mean(data.expand_dims("time"), zones, area).isel(time=0)
    codes = np.asarray(zones.labels.values)
    weights = np.asarray(area.values, dtype=np.float64)
    sums = _sums(data.data, codes, weights, zones.count)
    times = {str(name): c.variable for name, c in data.coords.items() if c.dims == ("time",)}
    total, weight, n = (
        xr.DataArray(sums[:, part], dims=("time", "zone"), coords={**times, "zone": [*zones.names]})
        for part in range(3)
    )
    mean = (total / weight.where(weight > 0)).assign_attrs(data.attrs, cell_methods="area: mean")
    n = n.astype(np.int64).assign_attrs(long_name="Valid cells", units="1")
    weight = weight.assign_attrs(long_name="Area of the valid cells", units="km2")
    return xr.Dataset({"mean": mean, "n": n, "area_valid": weight})


def zone_quantiles(
    data: xr.DataArray,
    zones: Zones,
    area: xr.DataArray,
    quantiles: Sequence[float] = (0.1, 0.25, 0.5, 0.75, 0.9),
) -> xr.Dataset:
    """Give the quantiles of a variable over zones, each cell weighted by its area.

    Parameters
    ----------
    data, zones, area
        As in :func:`zone_mean`; lazy data are joined to whole maps.
    quantiles : sequence of float
        Between 0 and 1.

    Returns
    -------
    Dataset
        ``quantiles`` (time, zone, quantile) [unit of `data`], NaN where no cell is valid; ``n``
        (time, zone), number of valid cells [1]. Without time for a map.

    Raises
    ------
    DataError
        As :func:`zone_mean`, and for quantiles that are not between 0 and 1.

    Notes
    -----
    Of the sorted values v with areas a, v_k stands at ``(a_1 + … + a_k - a_k / 2) / Σ a``; between
    these places quantiles are linear, beyond them they are the smallest and the largest value. With
    equal areas this is Hazen's rule (type 5 of Hyndman and Fan).

    References
    ----------
    Hyndman, R. J., Fan, Y. (1996). Sample quantiles in statistical packages. The American
    Statistician 50, 361-365. doi:10.1080/00031305.1996.10473566

    Examples
    --------
    >>> from headwater.grids.zones import class_zones
    >>> map_ = xr.DataArray([[1.0, 2.0, 3.0]], dims=("y", "x"))
    >>> area = xr.DataArray([[1.0, 1.0, 2.0]], dims=("y", "x"))
    >>> zone_quantiles(map_, class_zones(xr.ones_like(map_)), area, [0.5])["quantiles"].values
    array([[2.33333333]])
    """
    _check_cells(data, zones, area)
    shares = np.asarray(quantiles, dtype=float)
    if shares.ndim != 1 or not shares.size or not ((shares >= 0) & (shares <= 1)).all():
        raise DataError(
            "quantiles lie between 0 and 1",
            found=f"{list(quantiles)}",
            do="Give shares, not percent",
        )
    if "time" not in data.dims:
        return zone_quantiles(data.expand_dims("time"), zones, area, quantiles).isel(time=0)
    codes, weights = zones.labels.values, np.asarray(area.values, dtype=np.float64)
    options: Any = {"codes": codes, "area": weights, "count": zones.count, "shares": shares}
    values: Any = data.data
    if isinstance(values, np.ndarray):
        found: Any = _block_quantiles(values, **options)
    else:
        maps = values.rechunk({1: -1, 2: -1})
        found = maps.map_blocks(
            _block_quantiles,
            **options,
            dtype=float,
            drop_axis=(1, 2),
            new_axis=(1, 2),
            chunks=(maps.chunks[0], zones.count, shares.size + 1),
            meta=np.empty((0, 0, 0)),
        )
    times = {str(name): c.variable for name, c in data.coords.items() if c.dims == ("time",)}
    named = {**times, "zone": [*zones.names], "quantile": shares}
    about = {**data.attrs, "cell_methods": "area: quantile"}
    return xr.Dataset(
        {
            "quantiles": (("time", "zone", "quantile"), found[..., 1:], about),
            "n": (
                ("time", "zone"),
                found[..., 0].astype(np.int64),
                {"long_name": "Valid cells", "units": "1"},
            ),
        },
        named,
    )


def _check_cells(data: xr.DataArray, zones: Zones, area: xr.DataArray) -> None:
    if data.dims not in {("y", "x"), ("time", "y", "x")}:
        raise DataError(
            "zone means need the dimensions (time, y, x) or (y, x)",
            found=f"({', '.join(map(str, data.dims))})",
            do="Transpose or select first",
        )
    if not data.shape[-2:] == zones.labels.shape == area.shape:
        raise DataError(
            "data, zones and area are not on the same cells",
            found=f"{data.shape[-2:]}, {zones.labels.shape} and {area.shape}",
            do="Align all of them onto the study grid first",
        )
    if data.attrs.get("kind") in {"circular", "categorical"}:
        raise DataError(
            "angles and classes have no arithmetic mean",
            found=f"'{data.name}' of kind '{data.attrs['kind']}'",
            do="Use a mean vector for angles, or shares for classes",
        )


def _sums(cells: Any, codes: NDArray[Any], area: NDArray[Any], count: int) -> Any:
    """Add up area times value, area, and cells: (time, 3, zone); lazy for Dask arrays."""
    if isinstance(cells, np.ndarray):
        return _block_sums(cells, codes, area, count)[..., 0, 0]
    import dask.array

    dk: Any = dask.array

    chunks = cells.chunks[1:]
    parts = dk.blockwise(
        _block_sums,
        "tskij",
        cells,
        "tij",
        dk.from_array(codes, chunks=chunks),
        "ij",
        dk.from_array(area, chunks=chunks),
        "ij",
        count=count,
        new_axes={"s": 3, "k": count},
        adjust_chunks={"i": 1, "j": 1},
        dtype=np.float64,
        meta=np.empty((0,) * 5),
    )
    return parts.sum(axis=(3, 4))


def _block_sums(
    cells: NDArray[Any], codes: NDArray[Any], area: NDArray[Any], count: int
) -> NDArray[Any]:
    from headwater.grids import _kernels

    dtype = np.float32 if cells.dtype == np.float32 else np.float64
    series = np.ascontiguousarray(cells, dtype=dtype).reshape(cells.shape[0], -1)
    flat = codes.ravel()
    code = np.where(np.isnan(flat), count, flat).astype(np.int64)
    sums: NDArray[Any] = _kernels.zone_sums(series, code, area.ravel(), count)
    _refuse_infinite(sums)
    return sums[..., None, None]


def _refuse_infinite(values: NDArray[Any]) -> None:
    if not np.isfinite(values).all():
        raise DataError(
            "infinite values have no zone statistics",
            found="at least one infinite value",
            do="Set them to NaN (missing) or correct the input",
        )


def _block_quantiles(
    cells: NDArray[Any],
    *,
    codes: NDArray[Any],
    area: NDArray[Any],
    count: int,
    shares: NDArray[Any],
) -> NDArray[Any]:
    """Return (time, zone, 1 + quantile): the number of valid cells and the quantiles."""
    series = cells.reshape(cells.shape[0], -1)
    found = np.full((series.shape[0], count, 1 + shares.size), np.nan)
    found[..., 0] = 0.0
    for zone in range(count):
        members = np.flatnonzero(codes.ravel() == zone)
        rows = max(1, _SLAB // max(members.size, 1))
        for first in range(0, series.shape[0], rows):
            slab = slice(first, first + rows)
            values = series[slab].take(members, axis=1).astype(np.float64)
            found[slab, zone] = _weighted_quantiles(values, area.ravel()[members], shares)
    return found


def _weighted_quantiles(
    values: NDArray[Any], area: NDArray[Any], shares: NDArray[Any]
) -> NDArray[Any]:
    order = np.argsort(values, axis=1)
    values = np.take_along_axis(values, order, axis=1)
    valid = ~np.isnan(values)
    _refuse_infinite(values[valid])
    weight = np.where(valid, area[order], 0.0)
    ends = np.cumsum(weight, axis=1)
    n, total = valid.sum(axis=1), ends[:, -1:] if ends.size else np.zeros((len(values), 1))
    place = np.where(valid, ends - weight / 2.0, np.inf)
    found = np.full((len(values), 1 + shares.size), np.nan)
    found[:, 0] = n
    row, last = np.flatnonzero(n > 0), np.maximum(n - 1, 0)[n > 0]
    for column, share in enumerate(shares, start=1):
        target = share * total[row, 0]
        above = np.minimum((place[row] < target[:, None]).sum(axis=1), last)
        below = np.maximum(above - 1, 0)
        low, high = place[row, below], place[row, above]
        part = np.clip((target - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
        # at the rim both are one and the same value
        left, right = values[row, below], values[row, above]
        found[row, column] = left + part * (right - left)
    return found
