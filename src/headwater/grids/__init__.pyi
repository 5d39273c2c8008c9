from .alignment import align, study_grid
from .area import clip, read_area
from .geometry import cell_area
from .kriging_maps import krige_grid, krige_stations
from .open import open_grid
from .terrain import terrain_on_grid
from .write import write_geotiff, write_netcdf, write_zarr
from .zones import elevation_bands

__all__ = [
    "align",
    "cell_area",
    "clip",
    "elevation_bands",
    "krige_grid",
    "krige_stations",
    "open_grid",
    "read_area",
    "study_grid",
    "terrain_on_grid",
    "write_geotiff",
    "write_netcdf",
    "write_zarr",
]
