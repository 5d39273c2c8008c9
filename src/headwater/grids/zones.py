"""Parts of a study area (elevation bands, aspect sectors, classes) and means over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from headwater.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Zones", "aspect_sectors", "class_zones", "elevation_bands", "zone_mean"]

_WINDS = {4: "N E S W", 8: "N NE E SE S SW W NW"}
# Values of a block that are copied to float64 at a time.
_SLAB = 1 << 20


@dataclass(frozen=True, eq=False)
class Zones:
    """A partition of the cells of a grid.

    Attributes
    ----------
    labels : DataArray (y, x)
        Codes 0 to k - 1 [1], float32, NaN outside every zone.
    names : tuple of str
        Name of each code.
    edges : ndarray (k + 1,) or None
        Limits of bands of a continuous quantity, in its unit.
    kind : {"elevation", "aspect", "class"}
        What the zones divide.

    Examples
    --------
    >>> zones = class_zones(xr.DataArray([[1.0, 3.0, np.nan]], dims=("y", "x")))
    >>> zones.names, zones.count
    (('1', '3'), 2)
    """

    labels: xr.DataArray
    names: tuple[str, ...]
    edges: NDArray[Any] | None = field(default=None)
    kind: Literal["elevation", "aspect", "class"] = "class"

    @property
    def count(self) -> int:
        """Number of zones."""
        return len(self.names)


def elevation_bands(
    elevation: xr.DataArray,
    *,
    count: int = 6,
    method: Literal["equal", "quantile"] = "equal",
    edges: Sequence[float] | None = None,
) -> Zones:
    """Divide cells into bands of elevation.

    Parameters
    ----------
    elevation : DataArray (y, x)
        Elevation [m]; NaN cells belong to no band.
    count : int
        Number of bands, unless `edges` are given.
    method : {"equal", "quantile"}
        Bands of equal height, or of an equal number of cells.
    edges : sequence of float, optional
        Limits of the bands [m], from low to high. A band includes its lower limit; the highest band
        also includes its upper one.

    Returns
    -------
    Zones
        ``labels.attrs["outside"]`` tells how many valid cells no band holds.

    Raises
    ------
    DataError
        If no cell is valid, if `edges` do not increase, or if the elevations cannot be divided into
        `count` bands (all equal, or too many ties).

    Examples
    --------
    >>> heights = xr.DataArray([[2000.0, 2500.0], [3000.0, np.nan]], dims=("y", "x"))
    >>> bands = elevation_bands(heights, count=2)
    >>> bands.names, bands.labels.values.tolist()
    (('2000-2500 m', '2500-3000 m'), [[0.0, 1.0], [1.0, nan]])
    """
    values = np.asarray(elevation.values, dtype=np.float64)
    valid = values[np.isfinite(values)]
    if not valid.size:
        raise DataError(
            "there are no elevation bands without elevations",
            found="no valid cell",
            do="Check that the elevation covers the study area",
        )
    limits = _band_edges(valid, count, method) if edges is None else _given_edges(edges)
    codes = np.searchsorted(limits, values, side="right") - 1.0
    codes[values == limits[-1]] -= 1
    inside = np.isfinite(values) & (codes >= 0) & (codes < limits.size - 1)
    digits = 0 if np.diff(limits).min() >= 1 else 2
    names = [f"{low:.{digits}f}-{high:.{digits}f} m" for low, high in pairwise(limits)]
    outside = int(valid.size - inside.sum())
    return _zones(np.where(inside, codes, np.nan), elevation, names, limits, "elevation", outside)


def aspect_sectors(aspect: xr.DataArray, *, count: Literal[4, 8] = 4) -> Zones:
    """Divide cells by the direction that they face.

    Parameters
    ----------
    aspect : DataArray (y, x)
        Azimuth of the steepest descent [degree, clockwise from north]; NaN (flat or missing) cells
        belong to no sector.
    count : {4, 8}
        Number of sectors; the first is centred on north.

    Returns
    -------
    Zones
        Flat cells stay outside (NaN): they face nowhere.

    Raises
    ------
    DataError
        If `count` is neither 4 nor 8, or an azimuth is not within 0 to 360.

    Examples
    --------
    >>> facing = xr.DataArray([[350.0, 10.0, 180.0, np.nan]], dims=("y", "x"))
    >>> aspect_sectors(facing).labels.values.tolist()
    [[0.0, 0.0, 2.0, nan]]
    """
    values = np.asarray(aspect.values, dtype=np.float64)
    if count not in _WINDS:
        raise DataError("aspect has 4 or 8 sectors", found=str(count), do="Give count=4 or count=8")
    if np.any((values < 0) | (values > 360)):
        raise DataError(
            "aspect is an azimuth from 0 to 360 degrees",
            found=f"values from {np.nanmin(values):g} to {np.nanmax(values):g}",
            do="Give flat cells as NaN, and azimuths clockwise from north",
        )
    codes = np.floor(values / (360.0 / count) + 0.5) % count
    return _zones(codes, aspect, _WINDS[count].split(), None, "aspect", 0)


def class_zones(classes: xr.DataArray, names: Mapping[float, str] | None = None) -> Zones:
    """Make a zone of every class that occurs.

    Parameters
    ----------
    classes : DataArray (y, x)
        Class codes; NaN cells belong to no zone.
    names : mapping of code to name, optional
        Classes without a name are called by their code.

    Returns
    -------
    Zones
        In the order of the class codes.

    Raises
    ------
    DataError
        If no cell has a class.

    Examples
    --------
    >>> cover = xr.DataArray([[10.0, 30.0], [10.0, np.nan]], dims=("y", "x"))
    >>> class_zones(cover, {10: "meadow"}).names
    ('meadow', '30')
    """
    values = np.asarray(classes.values, dtype=np.float64)
    present, codes = np.unique(values, return_inverse=True)
    present = present[np.isfinite(present)]
    if not present.size:
        raise DataError(
            "there are no zones without classes",
            found="no valid cell",
            do="Check that the classes cover the study area",
        )
    known = {float(code): name for code, name in (names or {}).items()}
    called = [known.get(float(code), f"{code:g}") for code in present]
    codes = np.where(np.isfinite(values), codes.reshape(values.shape), np.nan)
    return _zones(codes, classes, called, None, "class", 0)


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
        If the shapes differ, or `data` has other dimensions.

    Notes
    -----
    .. math:: \bar v_k = \sum_{i \in k} a_i v_i / \sum_{i \in k} a_i

    over the cells i of zone k that are valid at that time, in double precision. Cells that are
    missing at a time lose their weight at that time.

    Examples
    --------
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


def _zones(
    codes: NDArray[Any],
    cells: xr.DataArray,
    names: Sequence[str],
    edges: NDArray[Any] | None,
    kind: Literal["elevation", "aspect", "class"],
    outside: int,
) -> Zones:
    attrs = {"long_name": f"Zones of {kind}", "units": "1", "kind": "categorical"}
    labels = cells.copy(data=codes.astype(np.float32))
    labels.name, labels.attrs = "zone", {**attrs, "outside": outside}
    return Zones(labels, tuple(names), edges, kind)


def _band_edges(valid: NDArray[Any], count: int, method: str) -> NDArray[Any]:
    if count < 1 or method not in ("equal", "quantile"):
        raise DataError(
            "unknown way to make elevation bands",
            found=f"count={count}, method='{method}'",
            do="Give a count of at least 1 and the method 'equal' or 'quantile'",
        )
    shares = np.linspace(0.0, 1.0, count + 1)
    low, high = valid.min(), valid.max()
    edges = np.quantile(valid, shares) if method == "quantile" else low + shares * (high - low)
    edges[-1] = high
    if count > 1 and np.any(np.diff(edges) <= 0):
        raise DataError(
            f"the elevations cannot be divided into {count} bands",
            found=f"{np.unique(valid).size} different elevations from {low:g} to {high:g} m",
            do="Ask for fewer bands, for method='equal', or give the edges",
        )
    return np.asarray(edges)


def _given_edges(edges: Sequence[float]) -> NDArray[Any]:
    limits = np.asarray(edges, dtype=np.float64)
    if limits.ndim != 1 or limits.size < 2 or not np.all(np.diff(limits) > 0):
        raise DataError(
            "the edges of the elevation bands must increase",
            found=str(list(edges)),
            do="Give at least two elevations in metres, from low to high",
        )
    return limits


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
    sums = np.zeros((cells.shape[0], 3, count, 1, 1))
    flat = codes.ravel()
    order = np.argsort(flat, kind="stable")[: np.count_nonzero(np.isfinite(flat))]
    if not order.size:
        return sums
    present, starts = np.unique(flat[order], return_index=True)
    zone, weights = present.astype(np.intp), area.ravel()[order]
    rows, series = max(1, _SLAB // order.size), cells.reshape(cells.shape[0], -1)
    for first in range(0, cells.shape[0], rows):
        slab = slice(first, first + rows)
        values = series[slab].take(order, axis=1).astype(np.float64)
        valid = np.isfinite(values)
        weight = np.where(valid, weights, 0.0)
        values[~valid] = 0.0
        for part, summand in enumerate((weight * values, weight, valid.astype(np.float64))):
            sums[slab, part, zone, 0, 0] = np.add.reduceat(summand, starts, axis=1)
    return sums
