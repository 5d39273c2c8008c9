"""Open, check, clip, align and write grids; terrain, zones and cell areas."""

from __future__ import annotations

from headwater.grids.alignment import align, study_grid
from headwater.grids.area import Area, read_area, read_areas, read_features
from headwater.grids.clipping import clip, inside
from headwater.grids.geometry import (
    cell_area,
    cell_size,
    crs_of,
    geobox_of,
    grid_coords,
    is_geographic,
)
from headwater.grids.kriging import Kriging, KrigingWeights, LeaveOneOut
from headwater.grids.kriging_maps import KrigedMap, krige_grid, krige_stations
from headwater.grids.open import OutOfRange, open_grid, out_of_range
from headwater.grids.steps import TimeSteps, time_steps
from headwater.grids.terrain import slope_aspect, terrain_on_grid
from headwater.grids.times import check_times, common_period, in_period, step_days
from headwater.grids.variogram import (
    EmpiricalVariogram,
    Variogram,
    empirical_variogram,
    fit_variogram,
)
from headwater.grids.write import write_geotiff, write_netcdf, write_zarr
from headwater.grids.zonal import zone_mean, zone_quantiles
from headwater.grids.zones import (
    Zones,
    aspect_sectors,
    class_zones,
    cross,
    elevation_bands,
    polygon_zones,
)

__all__ = [
    "Area",
    "EmpiricalVariogram",
    "KrigedMap",
    "Kriging",
    "KrigingWeights",
    "LeaveOneOut",
    "OutOfRange",
    "TimeSteps",
    "Variogram",
    "Zones",
    "align",
    "aspect_sectors",
    "cell_area",
    "cell_size",
    "check_times",
    "class_zones",
    "clip",
    "common_period",
    "cross",
    "crs_of",
    "elevation_bands",
    "empirical_variogram",
    "fit_variogram",
    "geobox_of",
    "grid_coords",
    "in_period",
    "inside",
    "is_geographic",
    "krige_grid",
    "krige_stations",
    "open_grid",
    "out_of_range",
    "polygon_zones",
    "read_area",
    "read_areas",
    "read_features",
    "slope_aspect",
    "step_days",
    "study_grid",
    "terrain_on_grid",
    "time_steps",
    "write_geotiff",
    "write_netcdf",
    "write_zarr",
    "zone_mean",
    "zone_quantiles",
]
