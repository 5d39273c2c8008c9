"""Products by the name that a study file gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.errors import StudyError, nearest
from headwater.grids._files import find_files
from headwater.grids.products.esacci import read_esa_cci
from headwater.grids.products.gldas import read_gldas
from headwater.grids.products.gridded import GRIDDED, read_gridded
from headwater.grids.products.modis import read_modis
from headwater.grids.products.smap import read_smap, read_smap_l4
from headwater.storage import is_url, local_copy

if TYPE_CHECKING:
    import xarray as xr

    from headwater.grids.area import Area

__all__ = ["PRODUCTS", "read_product"]

# name in a study file: (glossary quantity it gives, reader)
PRODUCTS: dict[str, tuple[str, Callable[..., xr.Dataset]]] = {
    **{
        name: (known.quantity, partial(read_gridded, product=name))
        for name, known in GRIDDED.items()
    },
    "esa-cci": ("soil_moisture", read_esa_cci),
    "gldas-noah": ("soil_moisture", read_gldas),
    "modis-albedo-black": ("albedo", partial(read_modis, layer="albedo_black")),
    "modis-albedo-white": ("albedo", partial(read_modis, layer="albedo_white")),
    "modis-evapotranspiration": (
        "evapotranspiration",
        partial(read_modis, layer="evapotranspiration"),
    ),
    "modis-potential-evapotranspiration": (
        "potential_evapotranspiration",
        partial(read_modis, layer="potential_evapotranspiration"),
    ),
    "modis-evi": ("evi", partial(read_modis, layer="evi")),
    "modis-lst-day": ("surface_temperature", partial(read_modis, layer="lst_day")),
    "modis-lst-night": ("surface_temperature", partial(read_modis, layer="lst_night")),
    "modis-ndvi": ("ndvi", partial(read_modis, layer="ndvi")),
    "modis-reflectance-ndvi": ("ndvi", partial(read_modis, layer="ndvi_of_reflectance")),
    "smap-l3-am": ("soil_moisture", partial(read_smap, overpass="am")),
    "smap-l3-pm": ("soil_moisture", partial(read_smap, overpass="pm")),
    "smap-l4-rootzone": ("soil_moisture", partial(read_smap_l4, layer="rootzone")),
    "smap-l4-surface": ("soil_moisture", partial(read_smap_l4, layer="surface")),
    "viirs-evi": ("evi", partial(read_modis, layer="viirs_evi")),
    "viirs-ndvi": ("ndvi", partial(read_modis, layer="viirs_ndvi")),
}


def read_product(
    product: str,
    source: str | Path | Sequence[str | Path],
    *,
    area: Area | None = None,
    **options: Any,
) -> xr.Dataset:
    """Read a product by its name.

    Parameters
    ----------
    product : str
        A key of :data:`PRODUCTS`, for example ``"smap-l3-am"``.
    source : path, glob pattern, or list of them
        Its files, as delivered.
    area : Area, optional
        Keep the cells that touch it.
    **options
        Further options of the reader.

    Returns
    -------
    Dataset (time, y, x)
        The quantity and ``quality`` (why a value is missing).

    Raises
    ------
    StudyError
        If there is no such product.
    InputError, GridError, TimeAxisError
        As its reader.

    Examples
    --------
    >>> read_product("smap-l3", "nothing.h5")
    Traceback (most recent call last):
    headwater.errors.StudyError: unknown product. Found: 'smap-l3'. Did you mean 'smap-l3-pm'? ...
    """
    if product not in PRODUCTS:
        raise StudyError(
            "unknown product", found=f"'{product}'", do=nearest(product, sorted(PRODUCTS))
        )
    several = [source] if isinstance(source, str | Path) else source
    if any(map(is_url, several)):
        source = [local_copy(path) for path in find_files(source)]
    return PRODUCTS[product][1](source, area=area, **options)
