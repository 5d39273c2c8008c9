"""Maps by kriging: from stations, as it should be, and from another grid, as some studies do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, GridError
from headwater.figures import drawing_on
from headwater.grids.geometry import crs_of, geobox_of, grid_coords, is_geographic
from headwater.grids.kriging import Kriging, LeaveOneOut
from headwater.grids.variogram import Variogram, empirical_variogram, fit_variogram
from headwater.results import MapResult, of_inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from odc.geo.geobox import GeoBox

__all__ = ["KrigedMap", "krige_grid", "krige_stations"]

Floats = NDArray[np.float64]

_CELLS_FOR_VARIOGRAM = 2000
_REFERENCES = (
    "Chilès, J.-P., Delfiner, P. (2012). Geostatistics: modeling spatial uncertainty, 2nd ed. "
    "Wiley. doi:10.1002/9781118136188",
    "Dubrule, O. (1983). Cross validation of kriging in a unique neighborhood. Journal of the "
    "International Association for Mathematical Geology 15, 687-699. doi:10.1007/BF01033232",
)
_NOT_FOR_GRIDS = (
    "Grid cells are means over areas; kriging takes them for points, smooths them, and hides the "
    "change of support. Conservative averaging (align) is the sound way."
)


@dataclass(frozen=True, slots=True, eq=False)
class KrigedMap(MapResult):
    """Kriged maps: the estimate (time, y, x) and its ``standard_error`` (y, x).

    Coordinates ``station_x`` and ``station_y`` say where the stations are.
    ``data.attrs`` holds the leave-one-out score: ``loo_rmse``, ``loo_bias`` [unit], ``loo_n``,
    ``loo_ratio`` [1].
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the mean estimate next to its standard error."""
        from headwater.grids import plots

        with drawing_on(ax):
            return plots.kriging_figure(self.data)


@of_inputs
def krige_stations(
    values: xr.DataArray,
    coordinates: ArrayLike,
    geobox: GeoBox,
    variogram: Variogram,
    *,
    neighbours: int | None = None,
    drift: xr.DataArray | None = None,
    station_drift: ArrayLike | None = None,
) -> KrigedMap:
    """Map station values by kriging, day by day.

    Parameters
    ----------
    values : DataArray (time, station) or (station,)
        NaN where a station has no value; ``units`` and ``long_name`` are passed on.
    coordinates : array, shape (station, 2)
        (easting, northing) or (longitude, latitude) in the reference system of `geobox`. Stations
        outside the grid are used too.
    geobox : GeoBox
        Where to.
    variogram : Variogram
        Of the values, or with drift of the residuals; ranges in metres on a geographic grid.
    neighbours : int, optional
        Nearest stations for each cell; by default all.
    drift : DataArray (y, x), optional
        External drift on `geobox`, for example elevation; NaN there gives NaN.
    station_drift : array, shape (station,), optional
        The same at the stations, taken there and not from the grid where that can be.

    Returns
    -------
    KrigedMap

    Raises
    ------
    DataError
        As :meth:`Kriging.fit` and :meth:`Kriging.predict`, or if only one drift is given.
    GridError
        If `drift` is not on `geobox`.

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> grid = GeoBox((4, 4), Affine(1000, 0, 0, 0, -1000, 4000), "EPSG:32647")
    >>> model = Variogram("spherical", nugget=0.0, partial_sill=1.0, range=5000.0)
    >>> rain = xr.DataArray([4.0, 8.0, 6.0], dims="station", name="rain", attrs={"units": "mm"})
    >>> kriged = krige_stations(rain, [[0, 0], [4000, 0], [2000, 4000]], grid, model)
    >>> kriged.data["rain"].dims, round(float(kriged.data["rain"].mean()), 1)
    (('y', 'x'), 6.0)
    """
    if (drift is None) != (station_drift is None):
        raise DataError(
            "external drift is needed at the stations and on the grid",
            found="only one of the two",
            do="Give both drift and station_drift, or neither",
        )
    if drift is not None and drift.shape != tuple(geobox.shape):
        raise GridError(
            "the drift does not lie on the grid",
            found=f"drift {drift.shape}, grid {tuple(geobox.shape)}",
            do="Align it to the grid first",
        )
    kriging = Kriging(variogram, neighbours=neighbours, geographic=is_geographic(geobox))
    kriging.fit(coordinates, station_drift)
    centres, columns = _centres(geobox), None if drift is None else np.asarray(drift).ravel()
    series = np.asarray(values, dtype=float)
    estimate = kriging.predict(series, centres, columns)
    silent = np.isnan(np.atleast_2d(series)).all(axis=0)
    variance = kriging.variance(centres, columns, missing=silent)
    score = kriging.leave_one_out(series)
    data = _dataset(values, estimate, variance, geobox, score)
    places = np.asarray(coordinates, dtype=float).T
    return KrigedMap(
        data.assign_coords(
            {f"station_{a}": ("station", p) for a, p in zip("xy", places, strict=True)}
        ),
        _method(kriging, "with external drift" if kriging.drifts_ else "ordinary"),
        _REFERENCES,
        choices=(_said(variogram),),
        cautions=_cautions(series, score),
    )


@of_inputs
def krige_grid(
    data: xr.DataArray, geobox: GeoBox, *, model: str | None = None, neighbours: int = 16
) -> KrigedMap:
    """Resample a grid by kriging of its cell centres, as the Qilian study did; mind the caution.

    Parameters
    ----------
    data : DataArray (time, y, x) or (y, x)
        On a regular grid. NaN cells take no part.
    geobox : GeoBox
        Where to; in any reference system.
    model : str, optional
        Variogram model, one of :data:`headwater.grids.variogram.MODELS`; by default the one that
        fits best.
    neighbours : int
        Nearest cells for each new cell.

    Returns
    -------
    KrigedMap
        New cells whose centre lies in a cell without value, or outside, are NaN: nothing is filled.

    Raises
    ------
    DataError
        As :meth:`Kriging.fit`, or if fewer cells than `neighbours` have a value.
    GridError, CRSError
        As :func:`headwater.grids.geometry.geobox_of`.

    Notes
    -----
    Prefer :func:`headwater.grids.align`. A cell is a mean over its area, not a sample at its
    centre; kriging smooths it (less variance, whence smaller CV and fewer extremes) and shows no
    change of support. The variogram is fitted to at most 2000 cells, evenly picked.

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> from headwater.grids.geometry import cell_area
    >>> coarse = cell_area(GeoBox((8, 8), Affine(0.5, 0, 94, 0, -0.5, 40), "EPSG:4326"))
    >>> fine = GeoBox((16, 16), Affine(0.25, 0, 94, 0, -0.25, 40), "EPSG:4326")
    >>> krige_grid(coarse, fine, model="exponential").data["cell_area"].shape
    (16, 16)
    """
    source = geobox_of(data)
    cells = np.asarray(data, dtype=float).reshape(*data.shape[:-2], -1)
    used = np.flatnonzero(np.isfinite(np.atleast_2d(cells)).any(axis=0))
    if len(used) < neighbours:
        raise DataError(
            "too few cells to krige from",
            found=f"{len(used)} cells with a value",
            do=f"Give at least {neighbours}, or fewer neighbours",
        )
    places, series, geographic = _centres(source)[used], cells[..., used], is_geographic(source)
    picked = slice(None, None, -(-len(used) // _CELLS_FOR_VARIOGRAM))
    empirical = empirical_variogram(places[picked], series[..., picked], geographic=geographic)
    variogram = fit_variogram(empirical, model)
    kriging = Kriging(variogram, neighbours=neighbours, geographic=geographic).fit(places)
    targets = _centres_in(geobox, data)
    estimate = np.asarray(kriging.predict(series, targets))
    variance = kriging.variance(targets)
    under, inside = _cell_under(targets, source)
    estimate[..., ~inside | np.isnan(cells[..., under])] = np.nan
    variance[~inside | ~np.isin(under, used)] = np.nan
    kriged = _dataset(data, estimate, variance, geobox, None)
    kriged.attrs["caution"] = _NOT_FOR_GRIDS
    return KrigedMap(
        kriged,
        _method(kriging, "ordinary") + " Cell centres stood for stations.",
        _REFERENCES[:1],
        choices=(_said(variogram),),
        cautions=(_NOT_FOR_GRIDS,),
    )


def _centres(grid: GeoBox) -> Floats:
    coords = grid_coords(grid)
    x, y = np.meshgrid(coords["x"].values, coords["y"].values)
    return np.column_stack([x.ravel(), y.ravel()])


def _centres_in(grid: GeoBox, data: xr.DataArray) -> Floats:
    """Return the centres of a grid in the reference system of the data."""
    from pyproj import Transformer

    centres, crs = _centres(grid), crs_of(data)
    transformer = Transformer.from_crs(
        crs_of(xr.Dataset(coords=grid_coords(grid))), crs, always_xy=True
    )
    return np.column_stack(transformer.transform(*centres.T))


def _cell_under(places: Floats, source: GeoBox) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    rows, columns = source.shape
    column, row = (np.floor(index).astype(np.int64) for index in ~source.transform * places.T)
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return np.where(inside, row * columns + column, 0), inside


def _dataset(
    values: xr.DataArray,
    estimate: Floats,
    variance: Floats,
    grid: GeoBox,
    score: LeaveOneOut | None,
) -> xr.Dataset:
    name = "estimate" if values.name is None else str(values.name)
    units = str(values.attrs.get("units", ""))
    over = [d for d in values.dims if d not in ("station", "y", "x")][: estimate.ndim - 1]
    dims = (*over, "y", "x")
    coords = {str(d): values.coords[d] for d in over if d in values.coords} | grid_coords(grid)
    long_name = str(values.attrs.get("long_name", name.replace("_", " ")))
    maps = estimate.reshape(*estimate.shape[:-1], *grid.shape)
    data = xr.Dataset(
        {
            name: (dims, maps, dict(values.attrs)),
            "standard_error": (
                ("y", "x"),
                np.sqrt(variance).reshape(grid.shape),
                {"units": units, "long_name": f"Kriging standard error of {long_name}"},
            ),
        },
        coords=coords,
    )
    if score is not None:
        data.attrs |= {"loo_rmse": score.rmse, "loo_bias": score.bias}
        data.attrs |= {"loo_n": score.n, "loo_ratio": score.ratio}
    return data


def _method(kriging: Kriging, kind: str) -> str:
    reach = (
        "all stations"
        if kriging.neighbours is None
        else f"the {kriging.neighbours} nearest stations"
    )
    return f"Kriging ({kind}) from {reach} of {kriging.stations_}."


def _said(variogram: Variogram) -> str:
    return (
        f"Variogram: {variogram.model}, nugget {variogram.nugget:.3g}, partial sill "
        f"{variogram.partial_sill:.3g}, range {variogram.range:.3g}."
    )


def _cautions(series: Floats, score: LeaveOneOut) -> tuple[str, ...]:
    lines = [
        "The standard error follows from the variogram and the places of the stations alone; "
        f"leave-one-out errors² are {score.ratio:.2g} times what it says (n = {score.n})."
    ]
    share = float(np.isnan(series).mean())
    if share:
        lines.append(
            f"{100 * share:.1f} % of station values are missing; the standard error is that of "
            "a time on which every station that ever reports does, and larger at others."
        )
    return tuple(lines)
