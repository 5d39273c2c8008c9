"""Open, check, clip, align and write grids; terrain, zones and cell areas."""

from __future__ import annotations

from headwater.grids.align import align, study_grid
from headwater.grids.area import Area, read_area
from headwater.grids.clip import clip, inside
from headwater.grids.geometry import (
    cell_area,
    cell_size,
    crs_of,
    geobox_of,
    grid_coords,
    is_geographic,
)
from headwater.grids.open import OutOfRange, open_grid, out_of_range
from headwater.grids.terrain import slope_aspect, terrain_on_grid
from headwater.grids.times import check_times, common_period, step_days
from headwater.grids.write import write_geotiff, write_netcdf, write_zarr
from headwater.grids.zones import Zones, aspect_sectors, class_zones, elevation_bands, zone_mean

__all__ = [
    "Area",
    "OutOfRange",
    "Zones",
    "align",
    "aspect_sectors",
    "cell_area",
    "cell_size",
    "check_times",
    "class_zones",
    "clip",
    "common_period",
    "crs_of",
    "elevation_bands",
    "geobox_of",
    "grid_coords",
    "inside",
    "is_geographic",
    "open_grid",
    "out_of_range",
    "read_area",
    "slope_aspect",
    "step_days",
    "study_grid",
    "terrain_on_grid",
    "write_geotiff",
    "write_netcdf",
    "write_zarr",
    "zone_mean",
]
