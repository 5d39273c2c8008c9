"""Satellite and model products, read as cubes with their quality flags obeyed."""

from __future__ import annotations

from headwater.grids.products._stack import quality_counts
from headwater.grids.products.catalogue import PRODUCTS, read_product
from headwater.grids.products.ease2 import ease2_grid
from headwater.grids.products.esacci import read_esa_cci
from headwater.grids.products.gldas import read_gldas
from headwater.grids.products.modis import read_modis
from headwater.grids.products.smap import read_smap

__all__ = [
    "PRODUCTS",
    "ease2_grid",
    "quality_counts",
    "read_esa_cci",
    "read_gldas",
    "read_modis",
    "read_product",
    "read_smap",
]
