"""MODIS land tiles: surface temperature, vegetation indices, albedo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from headwater.errors import GridError, InputError, StudyError, nearest
from headwater.glossary import Term, term
from headwater.grids._files import find_files
from headwater.grids.products._hdf4 import (
    SINUSOIDAL,
    Layer,
    grid_of_layer,
    layer_names,
    read_layers,
)
from headwater.grids.products._stack import by_date, coded, described, stacked, window
from headwater.grids.steps import END

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from headwater.grids.area import Area

__all__ = ["read_modis"]

Reasons = dict[str, Any]


class _Product(NamedTuple):
    """How one quantity is stored.

    `layers` end the names of the layers wanted, flags last; `scale` and `offset` turn stored
    numbers into `quantity.units`; `quality` says from flags what is poor.
    """

    quantity: Term
    layers: tuple[str, ...]
    scale: float
    offset: float
    fill: int
    valid: tuple[int, int]
    quality: Callable[[NDArray[Any], float], Reasons]
    limit: float
    rule: str


def _temperature_quality(flags: NDArray[Any], limit: float) -> Reasons:
    # QC: bits 0-1 mandatory (0 good, 1 look further, 2 and 3 not produced), bits 6-7 average
    # error of the temperature (0: up to 1 K, 1: up to 2 K, 2: up to 3 K, 3: more).
    mandatory, error = flags & 3, (flags >> 6) & 3
    return {"poor_quality": (mandatory > 1) | ((mandatory == 1) & (error + 1 > limit))}


def _index_quality(flags: NDArray[Any], limit: float) -> Reasons:
    # Pixel reliability: -1 fill, 0 good, 1 marginal, 2 snow or ice, 3 cloudy.
    return {
        "frozen_or_snow": flags == 2,
        "poor_quality": (flags == 3) | (flags > limit) | (flags < 0),
    }


def _viirs_quality(flags: NDArray[Any], limit: float) -> Reasons:
    # Pixel reliability of VNP13: -4 fill, 0 excellent, 1 good, 2 acceptable, 3 marginal, 4 pass,
    # 5 questionable, 6 poor, 7 cloud shadow, 8 snow or ice, 9 cloud, 10 estimated, 11 mean of
    # years (recalled, unchecked).
    return {"frozen_or_snow": flags == 8, "poor_quality": (flags > limit) | (flags < 0)}


def _evaporation_quality(flags: NDArray[Any], limit: float) -> Reasons:
    # ET_QC: bits 5-7 say how leaf area came (0 main method, 1 saturated, 2 and 3 empirical,
    # 4 not produced; 7 fill).
    return {"poor_quality": ((flags >> 5) & 7) > limit}


def _albedo_quality(flags: NDArray[Any], limit: float) -> Reasons:
    # Mandatory quality: 0 full inversion, 1 magnitude inversion, 255 fill.
    return {"poor_quality": flags > limit}


def _state_quality(flags: NDArray[Any], limit: float) -> Reasons:
    # State: bits 0-1 cloud (0 clear, 1 cloudy, 2 mixed, 3 assumed clear), 2 cloud shadow,
    # 12 snow (MOD35), 15 snow (internal).
    cloud = flags & 3
    clouded = (cloud == 1) | (cloud == 2) | ((flags >> 2) & 1 == 1)
    return {
        "frozen_or_snow": ((flags >> 12) & 1 == 1) | ((flags >> 15) & 1 == 1),
        "poor_quality": clouded & (limit < 1),
    }


_HEAT = (0.02, -273.15, 0, (7500, 65535), _temperature_quality, 2.0, "LST error at most {:g} K")
_INDEX = (1e-4, 0.0, -3000, (-2000, 10000), _index_quality, 1.0, "pixel reliability at most {:g}")
_SKY = (1e-3, 0.0, 32767, (0, 1000), _albedo_quality, 0.0, "mandatory quality at most {:g}")
_WATER = (
    0.1,
    0.0,
    32767,
    (-32767, 32700),
    _evaporation_quality,
    3.0,
    "leaf area code at most {:g}",
)
_VIIRS = (1e-4, 0.0, -15000, (-10000, 10000), _viirs_quality, 3.0, "pixel reliability at most {:g}")
_RASTER_DAY = r"(?:\.A|_doy)(\d{4})(\d{3})(?=[._])|(\d{4})_?(\d{3})\.tiff?$"
"""Day in the names of GeoTIFFs: of tiles converted, of AppEEARS, and of others at the end."""
_PRODUCTS = {
    "evapotranspiration": _Product(term("evapotranspiration"), ("ET_500m", "ET_QC_500m"), *_WATER),
    "potential_evapotranspiration": _Product(
        term("potential_evapotranspiration"), ("PET_500m", "ET_QC_500m"), *_WATER
    ),
    "viirs_ndvi": _Product(term("ndvi"), ("16 days NDVI", "16 days pixel reliability"), *_VIIRS),
    "viirs_evi": _Product(term("evi"), ("16 days EVI", "16 days pixel reliability"), *_VIIRS),
    "lst_day": _Product(term("surface_temperature"), ("LST_Day_1km", "QC_Day"), *_HEAT),
    "lst_night": _Product(term("surface_temperature"), ("LST_Night_1km", "QC_Night"), *_HEAT),
    "ndvi": _Product(term("ndvi"), ("16 days NDVI", "16 days pixel reliability"), *_INDEX),
    "evi": _Product(term("evi"), ("16 days EVI", "16 days pixel reliability"), *_INDEX),
    "albedo_white": _Product(
        term("albedo"),
        ("Albedo_WSA_shortwave", "BRDF_Albedo_Band_Mandatory_Quality_shortwave"),
        *_SKY,
    ),
    "albedo_black": _Product(
        term("albedo"),
        ("Albedo_BSA_shortwave", "BRDF_Albedo_Band_Mandatory_Quality_shortwave"),
        *_SKY,
    ),
    "ndvi_of_reflectance": _Product(
        term("ndvi"),
        ("sur_refl_b01", "sur_refl_b02", "sur_refl_state_500m"),
        1e-4,
        0.0,
        -28672,
        (-100, 16000),
        _state_quality,
        0.0,
        "clear sky, no snow",
    ),
}


def read_modis(
    source: str | Path | Sequence[str | Path],
    layer: str,
    *,
    area: Area | None = None,
    limit: float | None = None,
) -> xr.Dataset:
    """Read a layer of MODIS land tiles, lazily; tiles of one day become one map.

    Parameters
    ----------
    source : path, glob pattern, or list of them
        HDF4 tiles as delivered (``MOD11A1.A2017193.h25v05.061....hdf``; needs the extra ``hdf4``),
        or, for "ndvi" and "evi", GeoTIFFs in the sinusoidal projection (integers are scaled,
        floats taken as they are) whose names end in year and day of year, as in
        ``MOD13A1_NDVI_2016_001.tif``.
    layer : str
        ``lst_day``, ``lst_night`` (MOD11A1, MYD11A1, 8-day A2), ``ndvi``, ``evi`` (MOD13, MYD13),
        ``albedo_white``, ``albedo_black`` (MCD43A3, shortwave), ``ndvi_of_reflectance`` (from
        bands 1 and 2 of MOD09A1), ``evapotranspiration``, ``potential_evapotranspiration``
        (MOD16A2, MYD16A2 and their gap-filled kin), ``viirs_ndvi``, ``viirs_evi`` (VNP13A1 and
        VNP13A2, HDF5).
    area : Area, optional
        Keep the cells that touch it.
    limit : float, optional
        The least quality kept. Temperature: largest average error [K] of pixels that are not
        flagged good, default 2. Vegetation indices: largest pixel reliability, 0 good, 1 marginal
        (default); VIIRS: 0 excellent to 3 marginal (default), 6 poor. Albedo: 0 full inversions
        (default), 1 also magnitude inversions. Reflectance: 0 clear sky (default), 1 also clouds.
        Evapotranspiration: largest code of how leaf area came, 0 main method to 3 empirical
        (default).

    Returns
    -------
    Dataset (time, y, x)
        The quantity (``surface_temperature`` [degC], ``ndvi`` [1], ``evi`` [1], ``albedo`` [1]) and
        ``quality`` (why a value is missing), on the sinusoidal grid; times are the days in the file
        names (the first day of a composite; of MCD43A3 the ninth of its sixteen).

    Raises
    ------
    StudyError
        If the layer is unknown.
    InputError
        If a file is no HDF4 or lacks the layer or its flags, or pyhdf is not installed.
    GridError
        If tiles do not fit together, or `area` lies outside.
    TimeAxisError
        If a file name has no date.

    Notes
    -----
    Evapotranspiration is the amount of each composite [mm]; the last of a year has five or six
    days. MOD13 files state a scale factor of 10000, by which stored numbers are divided, where
    others state one to multiply by; the scales here are those of the product guides [1]_ [2]_ [3]_.

    References
    ----------
    .. [1] Wan, Z. (2014). New refinements and validation of the collection-6 MODIS land-surface
       temperature/emissivity product. Remote Sens. Environ. 140, 36-45.
       https://doi.org/10.1016/j.rse.2013.08.027
    .. [2] Didan, K., et al. (2015). MODIS vegetation index user's guide (MOD13 series), version 3.
    .. [3] Schaaf, C. B., et al. (2002). First operational BRDF, albedo nadir reflectance products
       from MODIS. Remote Sens. Environ. 83, 135-148.
       https://doi.org/10.1016/S0034-4257(02)00091-3
    """
    if layer not in _PRODUCTS:
        raise StudyError("unknown layer", found=f"'{layer}'", do=nearest(layer, list(_PRODUCTS)))
    product, files = _PRODUCTS[layer], find_files(source)
    least = product.limit if limit is None else float(limit)
    if files[0].suffix.lower() in (".tif", ".tiff"):
        return _read_rasters(files, product, layer, area)
    days = by_date(files, r"\.A(\d{7})\.", "%Y%j", "MODIS")
    names = {path: _layers(path, product) for path in files}
    grids = {path: grid_of_layer(path, names[path][0]) for path in files}
    part = window(_union(grids), area)
    read = partial(_read_tiles, grids=grids, names=names, part=part, product=product, limit=least)
    values, quality = stacked(days, read, part)
    if product.quantity.total == "sum":
        values, quality = _on_eight_days(values), _on_eight_days(quality)
    label = f"MODIS {layer} ({files[0].name.split('.')[0]})"
    notes = [product.rule.format(least)]
    return described(values, quality, product.quantity, source=files, product=label, notes=notes)


def _on_eight_days(data: xr.DataArray) -> xr.DataArray:
    """Say where composites end: after eight days, or with the year."""
    start = data["time"].values.astype("datetime64[D]")
    new_year = (start.astype("datetime64[Y]") + 1).astype("datetime64[D]")
    end = np.minimum(start + 8, new_year).astype("datetime64[ns]")
    return data.assign_coords({END: ("time", end)})


def _layers(path: Path, product: _Product) -> tuple[str, ...]:
    """Full names of the layers, which carry the resolution in front."""
    known = layer_names(path)
    found = []
    for wanted in product.layers:
        fitting = [name for name in known if name == wanted or name.endswith(f" {wanted}")]
        if not fitting:
            raise InputError(
                f"{path} has no layer '{wanted}'",
                found=f"layers {', '.join(known) or 'none'}",
                do="Give the tile of the product that holds it, with its quality layer",
            )
        found.append(fitting[0])
    return tuple(found)


def _union(grids: Mapping[Path, GeoBox]) -> GeoBox:
    """Return the grid of all tiles, which must be cut from one lattice."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    (first, grid), *others = grids.items()
    t, spans = grid.transform, [(0, 0, *grid.shape)]
    for path, other in others:
        o = other.transform
        down, across = (o.f - t.f) / t.e, (o.c - t.c) / t.a
        same = abs(o.a / t.a - 1) < 1e-6 and abs(o.e / t.e - 1) < 1e-6
        if not same or max(abs(down - round(down)), abs(across - round(across))) > 0.01:
            raise GridError(
                "the tiles do not fit together",
                found=f"{first.name} with cells of {t.a:.3f} m, {path.name} with cells of "
                f"{o.a:.3f} m, {across:.2f} cells across and {down:.2f} down from it",
                do="Give tiles of one product and resolution",
            )
        rows, columns = other.shape
        spans.append((round(down), round(across), round(down) + rows, round(across) + columns))
    table = np.array(spans)
    top, left = table[:, :2].min(axis=0)
    bottom, right = table[:, 2:].max(axis=0)
    corner = Affine(t.a, 0, t.c + left * t.a, 0, t.e, t.f + top * t.e)
    return GeoBox((int(bottom - top), int(right - left)), corner, SINUSOIDAL)


def _read_tiles(
    files: tuple[Path, ...],
    grids: Mapping[Path, GeoBox],
    names: Mapping[Path, tuple[str, ...]],
    part: GeoBox,
    product: _Product,
    limit: float,
) -> NDArray[np.float32]:
    """Values and codes (2, y, x) of one day; cells without a tile are not observed."""
    both = np.stack([np.full(part.shape, np.nan), np.ones(part.shape)]).astype(np.float32)
    for path in files:
        there, here = _common(grids[path], part)
        if there is None:
            continue
        decoded = _decoded(read_layers(path, names[path], there), product, limit)
        # Where tiles of two platforms lie on one another, the first value stays.
        empty = np.isnan(both[(0, *here)])
        both[(slice(None), *here)] = np.where(empty, decoded, both[(slice(None), *here)])
    return both


def _common(tile: GeoBox, part: GeoBox) -> tuple[tuple[slice, slice] | None, tuple[slice, slice]]:
    """Rows and columns that a tile and a window share, in the tile and in the window."""
    t, p = tile.transform, part.transform
    there, here = [], []
    for offset, size, wide in (
        (round((p.f - t.f) / t.e), tile.shape[0], part.shape[0]),
        (round((p.c - t.c) / t.a), tile.shape[1], part.shape[1]),
    ):
        low, high = max(offset, 0), min(offset + wide, size)
        there.append(slice(low, high))
        here.append(slice(low - offset, high - offset))
    if any(s.start >= s.stop for s in there):
        return None, (slice(0), slice(0))
    return (there[0], there[1]), (here[0], here[1])


def _decoded(layers: Sequence[Layer], product: _Product, limit: float) -> NDArray[np.float32]:
    *stored, flags = layers
    reasons: Reasons = {}
    bands = [band.values for band in stored]
    empty = np.any([band == product.fill for band in bands], axis=0)
    low, high = product.valid
    beyond = np.any([(band < low) | (band > high) for band in bands], axis=0)
    quality = product.quality(_integers(flags.values), limit)
    # Snow is reported of cells that hold a value; a fill without one is not observed.
    reasons = {"not_observed": empty, **quality, "out_of_range": beyond}
    values = [product.scale * band.astype(np.float64) + product.offset for band in bands]
    if len(values) == 2:
        red, infrared = values
        total = red + infrared
        ratio = np.divide(infrared - red, total, out=np.full(total.shape, np.nan), where=total > 0)
        reasons["out_of_range"] |= ~(np.abs(ratio) <= 1)
        values = [ratio]
    code = coded(reasons, empty.shape)
    return np.stack([np.where(code == 0, values[0], np.nan), code]).astype(np.float32)


def _integers(flags: NDArray[Any]) -> NDArray[np.int64]:
    return flags.astype(np.int64)


def _read_rasters(
    files: Sequence[Path], product: _Product, layer: str, area: Area | None
) -> xr.Dataset:
    """Read GeoTIFFs of stored numbers, which come without flags."""
    if layer not in ("ndvi", "evi"):
        raise InputError(
            f"'{layer}' cannot be read from GeoTIFF",
            found=files[0].name,
            do="Give the HDF4 tiles, whose quality flags it needs",
        )
    days = by_date(files, _RASTER_DAY, "%Y%j", "MODIS GeoTIFF")
    found = {path: _raster(path) for path in files}
    grids = {path: grid for path, (grid, _) in found.items()}
    part = window(_union(grids), area)
    read = partial(_read_raster, grids=grids, part=part, product=product)
    values, quality = stacked(days, read, part)
    notes = ["GeoTIFFs without quality flags: no pixel is masked as snow or cloud"]
    if scaled := [path.name for path, (_, floats) in found.items() if floats]:
        notes.append(f"read as they are, being floats: {', '.join(scaled)}")
    label = f"MODIS {layer} ({files[0].name.split('_')[0]})"
    return described(values, quality, product.quantity, source=files, product=label, notes=notes)


def _raster(path: Path) -> tuple[GeoBox, bool]:
    """Grid of a GeoTIFF, and whether it stores floats."""
    import rasterio
    from odc.geo.geobox import GeoBox
    from pyproj import CRS

    try:
        with rasterio.open(path) as raster:
            shape, transform, crs = raster.shape, raster.transform, raster.crs
            floats = str(raster.dtypes[0]).startswith("float")
    except rasterio.errors.RasterioIOError as error:
        raise InputError(
            f"{path} cannot be read", found=str(error)[:200], do="Check whether it is complete"
        ) from error
    system = CRS.from_user_input(crs) if crs else None
    operation = system.coordinate_operation if system else None
    projection = operation.method_name if operation else "none"
    if projection != "Sinusoidal":
        raise GridError(
            f"{path} does not lie on MODIS's sinusoidal grid",
            found=f"projection {projection}",
            do="Open it with headwater.grids.open_grid, which reads any projection",
        )
    return GeoBox(shape, transform, SINUSOIDAL), floats


def _read_raster(
    files: tuple[Path, ...], grids: Mapping[Path, GeoBox], part: GeoBox, product: _Product
) -> NDArray[np.float32]:
    import rasterio

    both = np.stack([np.full(part.shape, np.nan), np.ones(part.shape)]).astype(np.float32)
    for path in files:
        there, here = _common(grids[path], part)
        if there is None:
            continue
        with rasterio.open(path) as raster:
            box = rasterio.windows.Window.from_slices(*there)
            stored, nodata = raster.read(1, window=box), raster.nodata
        # Some writers of such stacks scale a file and store floats.
        scale = 1.0 if stored.dtype.kind == "f" else product.scale
        # float32 may lie a hair beyond the edge that it stands for.
        low, high = (edge * product.scale for edge in product.valid)
        low, high = low - product.scale / 2, high + product.scale / 2
        values = stored.astype(np.float64) * scale
        empty = np.isnan(values) | np.isin(stored, (product.fill, nodata or product.fill))
        reasons = {"not_observed": empty, "out_of_range": (values < low) | (values > high)}
        code = coded(reasons, stored.shape)
        decoded = np.stack([np.where(code == 0, values, np.nan), code])
        free = np.isnan(both[(0, *here)])
        both[(slice(None), *here)] = np.where(free, decoded, both[(slice(None), *here)])
    return both
