"""Where the cells of a grid lie, how large they are, and how far apart."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import CRSError, GridError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox
    from pyproj import CRS

__all__ = [
    "SHARE",
    "cell_area",
    "cell_size",
    "crs_of",
    "geobox_of",
    "grid_coords",
    "is_geographic",
]

SHARE = "area_share"
"""Coordinate (y, x) with the share of a cell that lies in an area too small to hold its centre."""

# A coordinate may be off its regular place by this share of a cell (float32 files are).
_JITTER = 0.01
# Steps of geographic grids are simple fractions of a degree, down to half a second of arc.
_PARTS = 7200


def crs_of(data: xr.DataArray | xr.Dataset) -> CRS:
    """Read the coordinate reference system of a cube.

    Parameters
    ----------
    data : DataArray or Dataset
        With a ``spatial_ref`` coordinate (CF grid mapping).

    Returns
    -------
    pyproj.CRS

    Raises
    ------
    CRSError
        If there is no ``spatial_ref``, or it cannot be understood.

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> grid = GeoBox((2, 4), Affine(0.5, 0, 94, 0, -0.5, 37), "EPSG:4326")
    >>> crs_of(xr.Dataset(coords=grid_coords(grid))).to_epsg()
    4326
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError as ProjError

    attrs = data.coords["spatial_ref"].attrs if "spatial_ref" in data.coords else {}
    text = attrs.get("crs_wkt") or attrs.get("spatial_ref")
    try:
        if text:
            return CRS.from_user_input(text)
        if "grid_mapping_name" in attrs:
            return CRS.from_cf(attrs)
    except ProjError as error:
        raise CRSError(
            "the coordinate reference system cannot be understood",
            found=str(text or attrs)[:120],
            do="Give an EPSG code or WKT",
        ) from error
    raise CRSError(
        "the grid has no coordinate reference system",
        found=f"coordinates {', '.join(map(str, data.coords)) or 'none'}",
        do="Give the crs of this input, for example 'EPSG:4326'",
    )


def geobox_of(data: xr.DataArray | xr.Dataset) -> GeoBox:
    """Describe the grid of a cube: its shape, its affine transform and its reference system.

    Parameters
    ----------
    data : DataArray or Dataset
        With regular cell-centre coordinates ``y`` and ``x`` and a ``spatial_ref`` coordinate. Rows
        may run north to south or south to north.

    Returns
    -------
    GeoBox
        Shape (y, x); pixel (0, 0) is the first row and column of `data`.

    Raises
    ------
    GridError
        If ``y`` or ``x`` is missing, irregular, or a single cell of unknown size.
    CRSError
        If the reference system is missing.

    Notes
    -----
    The step is (last - first) / (n - 1), and every centre must lie within 1 % of a cell of its
    regular place. A grid of one row or column takes its step from the other axis, or from a
    ``GeoTransform`` attribute of ``spatial_ref``.

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> grid = GeoBox((2, 4), Affine(0.5, 0, 94, 0, -0.5, 37), "EPSG:4326")
    >>> geobox_of(xr.Dataset(coords=grid_coords(grid))) == grid
    True
    """
    from affine import Affine
    from odc.geo.geobox import GeoBox

    crs = crs_of(data)
    x, y = _centres(data, "x"), _centres(data, "y")
    step_x, step_y = _step(x, "x"), _step(y, "y")
    if step_x is None or step_y is None:
        step_x, step_y = _known_steps(data, step_x, step_y)
    corner_x, corner_y = (
        _corner(float(centres[0]), step) for centres, step in ((x, step_x), (y, step_y))
    )
    code = crs.to_epsg(min_confidence=100)
    affine = Affine(step_x, 0.0, corner_x, 0.0, step_y, corner_y)
    return GeoBox((y.size, x.size), affine, f"EPSG:{code}" if code else crs.to_wkt())


def is_geographic(data: xr.DataArray | xr.Dataset | GeoBox) -> bool:
    """Say whether the coordinates are longitude and latitude.

    Parameters
    ----------
    data : DataArray, Dataset or GeoBox

    Returns
    -------
    bool

    Raises
    ------
    CRSError
        If the reference system is missing.

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> is_geographic(GeoBox((2, 4), Affine(0.5, 0, 94, 0, -0.5, 37), "EPSG:4326"))
    True
    """
    crs = crs_of(data) if isinstance(data, xr.DataArray | xr.Dataset) else _crs(data)
    return bool(crs.is_geographic)


def grid_coords(grid: GeoBox) -> dict[str, xr.DataArray]:
    """Make the coordinates of a cube that lies on a grid.

    Parameters
    ----------
    grid : GeoBox
        Axis-aligned.

    Returns
    -------
    dict of DataArray
        ``y``, ``x`` (cell centres, CF attributes) and ``spatial_ref`` (CF grid mapping).

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> grid = GeoBox((2, 4), Affine(0.5, 0, 94, 0, -0.5, 37), "EPSG:4326")
    >>> grid_coords(grid)["y"].values
    array([36.75, 36.25])
    """
    crs = _crs(grid)
    if crs.is_geographic:
        words = {"y": ("latitude", "degrees_north"), "x": ("longitude", "degrees_east")}
    else:
        unit = crs.axis_info[0].unit_name if crs.axis_info else "metre"
        unit = {"metre": "m"}.get(unit, unit)
        words = {axis: (f"projection_{axis}_coordinate", unit) for axis in "yx"}
    coords = {
        axis: xr.DataArray(
            _axis(grid, axis),
            dims=axis,
            attrs={"standard_name": name, "units": unit, "axis": axis.upper()},
        )
        for axis, (name, unit) in words.items()
    }
    wkt = crs.to_wkt()
    transform = " ".join(repr(float(v)) for v in grid.transform.to_gdal())
    attrs = {**crs.to_cf(), "crs_wkt": wkt, "spatial_ref": wkt, "GeoTransform": transform}
    return {**coords, "spatial_ref": xr.DataArray(0, attrs=attrs)}


def cell_area(data: xr.DataArray | xr.Dataset | GeoBox) -> xr.DataArray:
    r"""Compute the true area of every cell.

    Parameters
    ----------
    data : DataArray, Dataset or GeoBox
        A cube on a regular grid, or the grid itself.

    Returns
    -------
    DataArray (y, x)
        Area [km2], float64; the part in the area where a coordinate :data:`SHARE` gives it. In a
        projected system it is the area on the map, and
        ``attrs["caution"]`` says so.

    Raises
    ------
    GridError, CRSError
        As :func:`geobox_of`.

    Notes
    -----
    On a geographic grid, the exact area between two parallels and two meridians of the ellipsoid
    [1]_, with the system's own semi-major axis a and eccentricity e:

    .. math:: A = \tfrac12 a^2 \Delta\lambda\, |q(\varphi_2) - q(\varphi_1)|,\quad
        q(\varphi) = (1-e^2)\left[\frac{\sin\varphi}{1-e^2\sin^2\varphi}
        + \frac{\operatorname{artanh}(e\sin\varphi)}{e}\right]

    Cells that reach beyond a pole count up to the pole.

    References
    ----------
    .. [1] Snyder, J. P. (1987). Map projections: a working manual. USGS Professional Paper 1395,
       eq. 3-12. https://doi.org/10.3133/pp1395

    Examples
    --------
    The sphere of cells covers the ellipsoid:

    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> world = GeoBox((18, 36), Affine(10, 0, -180, 0, -10, 90), "EPSG:4326")
    >>> round(float(cell_area(world).sum()) / 1e6, 3)
    510.066
    """
    grid = data if not isinstance(data, xr.DataArray | xr.Dataset) else geobox_of(data)
    crs, (rows, columns) = _crs(grid), grid.shape
    attrs = {"long_name": "Cell area", "standard_name": "cell_area", "units": "km2"}
    unit = _unit_factor(crs)
    if crs.is_geographic:
        edges = grid.transform.f + grid.transform.e * np.arange(rows + 1)
        q = _authalic(np.clip(edges * unit, -np.pi / 2, np.pi / 2), crs)
        height = 0.5 * _ellipsoid(crs).semi_major_metre ** 2 * np.abs(np.diff(q))
        row = height * abs(grid.transform.a) * unit / 1e6
    else:
        row = np.full(rows, abs(grid.transform.determinant) * unit**2 / 1e6)
        attrs["caution"] = f"area on the map; {crs.name} may distort areas"
    area = np.repeat(row[:, None], columns, axis=1)
    coords: Any = data.coords if isinstance(data, xr.DataArray | xr.Dataset) else grid_coords(grid)
    kept = {name: coords[name] for name in ("y", "x", "spatial_ref")}
    area = area * np.asarray(coords[SHARE].values) if SHARE in coords else area
    return xr.DataArray(area, dims=("y", "x"), coords=kept, name="cell_area", attrs=attrs)


def cell_size(data: xr.DataArray | xr.Dataset | GeoBox) -> tuple[NDArray[Any], NDArray[Any]]:
    """Measure the distance between neighbouring cell centres, row by row.

    Parameters
    ----------
    data : DataArray, Dataset or GeoBox
        A cube on a regular grid, or the grid itself.

    Returns
    -------
    eastward, northward : ndarray (y,)
        Step from one column to the next, positive to the east, and from one row to the next,
        positive to the north (so negative where rows run north to south) [m].

    Raises
    ------
    GridError, CRSError
        As :func:`geobox_of`.

    Notes
    -----
    On a geographic grid the steps are N cos φ Δλ and M Δφ, with the radii of curvature in the prime
    vertical, N = a / (1 - e² sin² φ)^(1/2), and in the meridian, M = a (1 - e²) / (1 - e² sin²
    φ)^(3/2), at the latitude of the row's centre [1]_. In a projected system they are map metres.

    References
    ----------
    .. [1] Snyder, J. P. (1987). Map projections: a working manual. USGS Professional Paper 1395,
       eq. 4-18 to 4-20. https://doi.org/10.3133/pp1395

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> grid = GeoBox((1, 2), Affine(1, 0, 0, 0, -1, 1), "EPSG:4326")
    >>> [float(step.round(1)[0]) for step in cell_size(grid)]
    [111315.3, -110574.4]
    """
    grid = data if not isinstance(data, xr.DataArray | xr.Dataset) else geobox_of(data)
    crs, unit = _crs(grid), _unit_factor(_crs(grid))
    step_x, step_y = grid.transform.a * unit, grid.transform.e * unit
    if not crs.is_geographic:
        return np.full(grid.shape[0], step_x), np.full(grid.shape[0], step_y)
    latitude = _axis(grid, "y") * unit
    a, e2 = _ellipsoid(crs).semi_major_metre, _eccentricity(crs) ** 2
    w2 = 1.0 - e2 * np.sin(latitude) ** 2
    prime_vertical, meridian = a / np.sqrt(w2), a * (1.0 - e2) / w2**1.5
    return prime_vertical * np.cos(latitude) * step_x, meridian * step_y


def _centres(data: xr.DataArray | xr.Dataset, axis: str) -> NDArray[Any]:
    if axis not in data.coords or data.coords[axis].dims != (axis,) or data.sizes[axis] == 0:
        found = data.coords[axis].dims if axis in data.coords else tuple(map(str, data.dims))
        raise GridError(
            f"the grid has no coordinate '{axis}' along a dimension '{axis}'",
            found=f"dimensions {found}",
            do="Open the file with headwater.grids, which names the dimensions time, y, x",
        )
    return np.asarray(data.coords[axis].values, dtype=np.float64)


def _step(centres: NDArray[Any], axis: str) -> float | None:
    """Regular step of the centres, None for a single one."""
    if centres.size == 1:
        return None
    step = (centres[-1] - centres[0]) / (centres.size - 1)
    off = np.abs(centres - (centres[0] + step * np.arange(centres.size))).max()
    if not (abs(step) > 0 and off <= _JITTER * abs(step)):
        steps = np.diff(centres)
        raise GridError(
            f"the grid is not regular along {axis}",
            found=f"steps from {steps.min():.6g} to {steps.max():.6g}",
            do="Give a grid with equal steps, or resample it to one first",
        )
    return _fraction(float(step), centres.size)


def _fraction(step: float, size: int) -> float:
    """Take a step for the simple fraction that it is written for: 1/24, 1/120, 0.05."""
    simple = Fraction(step).limit_denominator(_PARTS)
    near = simple != 0 and abs(float(simple) - step) * size < 1e-9 * max(1.0, abs(step))
    return float(simple) if near else _tidy(step)


def _corner(centre: float, step: float) -> float:
    """First edge: a multiple of half a step where it is near one, so that equal grids are equal."""
    halves = 2.0 * centre / step
    if abs(halves - round(halves)) > 1e-5:
        return _tidy(centre - step / 2.0)
    simple = Fraction(step).limit_denominator(_PARTS)
    exact = simple if float(simple) == step else Fraction(_tidy(step))
    return float(exact * (round(halves) - 1) / 2)


def _known_steps(
    data: xr.DataArray | xr.Dataset, step_x: float | None, step_y: float | None
) -> tuple[float, float]:
    transform = data.coords["spatial_ref"].attrs.get("GeoTransform", "").split()
    if len(transform) == 6:
        return step_x or float(transform[1]), step_y or float(transform[5])
    size = abs(step_x or step_y or 0.0)
    if not size:
        raise GridError(
            "a single cell has no known size",
            found="one row and one column",
            do="Give at least two columns, or a GeoTransform attribute in spatial_ref",
        )
    return step_x or size, step_y or -size


def _tidy(value: float) -> float:
    """Drop the rounding noise of coordinates, so that equal grids compare equal."""
    return float(f"{value:.12g}")


def _axis(grid: GeoBox, axis: str) -> NDArray[Any]:
    transform, (rows, columns) = grid.transform, grid.shape
    if axis == "x":
        centres = transform.c + transform.a * (np.arange(columns) + 0.5)
    else:
        centres = transform.f + transform.e * (np.arange(rows) + 0.5)
    return np.asarray(np.round(centres, 10), dtype=np.float64)


def _crs(grid: GeoBox) -> CRS:
    if grid.crs is None:
        raise CRSError(
            "the grid has no coordinate reference system",
            found=f"a grid of {grid.shape[0]} x {grid.shape[1]} cells",
            do="Give the crs of this input, for example 'EPSG:4326'",
        )
    crs: CRS = grid.crs.proj
    return crs


def _unit_factor(crs: CRS) -> float:
    """Radians per unit of a geographic system, metres per unit of a projected one."""
    if crs.axis_info:
        return float(crs.axis_info[0].unit_conversion_factor)
    return float(np.radians(1.0)) if crs.is_geographic else 1.0


def _ellipsoid(crs: CRS) -> Any:
    if crs.ellipsoid is None:
        raise CRSError(
            "the reference system has no ellipsoid",
            found=crs.name,
            do="Give a geographic or projected system, for example 'EPSG:4326'",
        )
    return crs.ellipsoid


def _eccentricity(crs: CRS) -> float:
    inverse = _ellipsoid(crs).inverse_flattening
    flattening = 1.0 / inverse if inverse else 0.0
    return float(np.sqrt(flattening * (2.0 - flattening)))


def _authalic(latitude: NDArray[Any], crs: CRS) -> NDArray[Any]:
    """Snyder's q of a latitude [rad]; 2 sin φ on a sphere."""
    e, sine = _eccentricity(crs), np.sin(latitude)
    if e == 0.0:
        return np.asarray(2.0 * sine)
    return np.asarray((1.0 - e**2) * (sine / (1.0 - (e * sine) ** 2) + np.arctanh(e * sine) / e))
