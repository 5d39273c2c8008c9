"""Open, check, clip, align and write grids; terrain, zones and kriging.

Read
    :func:`open_grid` opens a file lazily, in the glossary's units, and reports what it assumed;
    :func:`read_area` reads a polygon; satellite products are in :mod:`headwater.grids.products`.
Bring onto one grid
    :func:`study_grid` lays a grid over an area, :func:`align` moves data onto it by exact overlap,
    :func:`clip` cuts data to an area.
Describe the ground
    :func:`terrain_on_grid`, :func:`elevation_bands`, :func:`cell_area`; means over zones are in
    :mod:`headwater.grids.zonal`.
Interpolate
    :func:`krige_stations` maps stations and :func:`krige_grid` refines a grid; variograms are in
    :mod:`headwater.grids.variogram`, kriging without maps in :mod:`headwater.grids.kriging`.
Write
    :func:`write_zarr`, :func:`write_netcdf`, :func:`write_geotiff`.

Other zones are in :mod:`headwater.grids.zones`, the geometry of cells in
:mod:`headwater.grids.geometry`, time axes in :mod:`headwater.grids.times`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
