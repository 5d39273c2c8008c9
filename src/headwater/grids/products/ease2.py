"""EASE-Grid 2.0, the equal-area grid of SMAP products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.errors import GridError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["ease2_grid"]

_CORNER = (-17367530.445161476, 7314540.830638599)
_CELL = 36032.220840584
_SHAPE = (406, 964)


def ease2_grid(kilometres: int, bounds: tuple[float, float, float, float] | None = None) -> GeoBox:
    """Build the global cylindrical EASE-Grid 2.0 (EPSG:6933), or the part that holds a box.

    Parameters
    ----------
    kilometres : {36, 18, 12, 9, 6, 4, 3, 2, 1}
        Nominal side of a cell [km]; cells nest: the 36 km cell is 36032.220840584 m wide.
    bounds : (west, south, east, north), optional
        Degrees; all cells that touch the box are kept.

    Returns
    -------
    GeoBox
        Rows from north to south; 406 x 964 cells at 36 km.

    Raises
    ------
    GridError
        If the side does not divide 36 km, or the box touches no cell.

    References
    ----------
    .. [1] Brodzik, M. J., et al. (2012). EASE-Grid 2.0: incremental but significant improvements
       for Earth-gridded data sets. ISPRS Int. J. Geo-Inf. 1, 32-45.
       https://doi.org/10.3390/ijgi1010032

    Examples
    --------
    >>> ease2_grid(36).shape, ease2_grid(9, (94.87, 36.43, 103.15, 40.02)).shape
    (Shape2d(x=964, y=406), Shape2d(x=89, y=41))
    """
    import numpy as np
    from affine import Affine
    from odc.geo.geobox import GeoBox
    from pyproj import Transformer

    if kilometres < 1 or 36 % kilometres:
        raise GridError(
            "EASE-Grid 2.0 has no cells of this side",
            found=f"{kilometres} km",
            do="Ask for a divisor of 36: 36, 18, 12, 9, 6, 4, 3, 2 or 1",
        )
    parts, (left, top) = 36 // kilometres, _CORNER
    cell, rows, columns = _CELL / parts, _SHAPE[0] * parts, _SHAPE[1] * parts
    grid = GeoBox((rows, columns), Affine(cell, 0, left, 0, -cell, top), "EPSG:6933")
    if bounds is None:
        return grid
    west, south, east, north = bounds
    to_metres = Transformer.from_crs(4326, 6933, always_xy=True)
    x, y = to_metres.transform([west, east], [north, south])
    first, last = (np.array([x[0], y[0]]) - (left, top)), (np.array([x[1], y[1]]) - (left, top))
    low = np.floor(first / (cell, -cell) + 1e-9).astype(int).clip(0)
    high = np.ceil(last / (cell, -cell) - 1e-9).astype(int).clip(None, (columns, rows))
    if not (np.isfinite(x + y).all() and (low < high).all()):
        raise GridError(
            "the box touches no cell of EASE-Grid 2.0",
            found=f"{bounds}",
            do="Give (west, south, east, north) in degrees, with west < east and south < north",
        )
    return grid[low[1] : high[1], low[0] : high[0]]
