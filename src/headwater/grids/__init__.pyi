from .alignment import align, study_grid
from .area import read_area
from .clipping import clip
from .geometry import cell_area
from .kriging import Kriging
from .kriging_maps import krige_grid, krige_stations
from .open import open_grid
from .terrain import terrain_on_grid
from .variogram import empirical_variogram, fit_variogram
from .write import write_geotiff, write_netcdf, write_zarr
from .zonal import zone_mean
from .zones import elevation_bands

__all__ = [
    "Kriging",
    "align",
    "cell_area",
    "clip",
    "elevation_bands",
    "empirical_variogram",
    "fit_variogram",
    "krige_grid",
    "krige_stations",
    "open_grid",
    "read_area",
    "study_grid",
    "terrain_on_grid",
    "write_geotiff",
    "write_netcdf",
    "write_zarr",
    "zone_mean",
]
