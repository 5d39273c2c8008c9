"""From one support to another: how fine cells make up coarse ones, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from headwater.downscaling._overlap import centres_km, local_plane, overlap
from headwater.errors import DataError, GridError
from headwater.grids.geometry import geobox_of, grid_coords

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox
    from scipy.sparse import csr_matrix

__all__ = ["Aggregated", "Support", "aggregate_cube", "support"]

_BLOCK_CELLS = 8_000_000


class Aggregated(NamedTuple):
    """What coarse cells see of a fine field.

    Attributes
    ----------
    value : array (..., n_coarse)
        Area-weighted mean of the fine values that are there, NaN where there is none.
    seen : array (..., n_coarse)
        Share of the weights whose value is there, 0 to 1.
    """

    value: Any
    seen: Any


@dataclass(frozen=True, slots=True, eq=False)
class Support:
    r"""The operator A that turns a fine field into the means of coarse cells.

    Attributes
    ----------
    matrix : scipy.sparse.csr_matrix (n_coarse, n_fine)
        Each row holds the areas that a coarse cell shares with the fine cells, divided by their
        sum: rows sum to 1, or to 0 where the fine grid does not reach.
    covered : array (n_coarse,)
        Share of the coarse cell that the fine grid covers, 0 to 1.
    area : array (n_coarse,)
        Area of the coarse cell [km2]; NaN far from the fine grid.
    cells : array (n_coarse,)
        Flat number of each coarse cell on `coarse_grid`, row after row.
    coarse_xy, fine_xy : array (n_coarse, 2), (n_fine, 2)
        Cell centres [km] in one local equal-area plane (Lambert azimuthal, about the middle of the
        fine grid), for distances.
    coarse_grid, fine_grid : GeoBox
        The two grids.

    Notes
    -----
    With :math:`a_{ij}` the area that fine cell j shares with coarse cell i,
    :math:`A_{ij} = a_{ij} / \sum_k a_{ik}`. Water is conserved:
    :math:`\sum_i (\sum_k a_{ik}) (Ax)_i = \sum_j (\sum_i a_{ij}) x_j`.
    """

    matrix: csr_matrix
    covered: NDArray[np.float64]
    area: NDArray[np.float64]
    cells: NDArray[np.intp]
    coarse_xy: NDArray[np.float64]
    fine_xy: NDArray[np.float64]
    coarse_grid: GeoBox
    fine_grid: GeoBox

    @property
    def n_coarse(self) -> int:
        """Number of coarse cells, which are rows of the matrix."""
        return int(self.matrix.shape[0])

    @property
    def n_fine(self) -> int:
        """Number of fine cells, which are columns of the matrix."""
        return int(self.matrix.shape[1])

    @property
    def coarse_shape(self) -> tuple[int, int]:
        """Rows and columns of the whole coarse grid."""
        return int(self.coarse_grid.shape[0]), int(self.coarse_grid.shape[1])

    @property
    def fine_shape(self) -> tuple[int, int]:
        """Rows and columns of the fine grid."""
        return int(self.fine_grid.shape[0]), int(self.fine_grid.shape[1])

    def aggregate(self, values: ArrayLike) -> Aggregated:
        r"""Average fine values over the coarse cells, passing over missing ones.

        Parameters
        ----------
        values : NumPy or Dask array (..., y, x) or (..., n_fine)
            On the fine grid; NaN where missing. Dask stays lazy, block by block along the leading
            axes.

        Returns
        -------
        Aggregated
            `value` (..., n_coarse) and `seen` (..., n_coarse), float64, of the same array library.

        Raises
        ------
        GridError
            If the last axes are not those of the fine grid.

        Notes
        -----
        With :math:`v_j` 1 where there is a value and 0 elsewhere,

        .. math:: seen_i = \sum_j A_{ij} v_j,\quad value_i = \sum_j A_{ij} v_j x_j / seen_i.

        `seen` is of the covered part of the cell: multiply by `covered` for the share of the cell.
        """
        flat = _flat(values, self.fine_shape, self.n_fine)
        if isinstance(flat, np.ndarray):
            return Aggregated(*_aggregated(flat, self.matrix))
        both = _lazily(flat, self.matrix, _aggregated, self.n_coarse, pair=True)
        return Aggregated(both[0], both[1])

    def adjoint(self, values: Any) -> Any:
        r"""Apply the transposed matrix: :math:`\langle Ax, y\rangle = \langle x, A'y\rangle`.

        Parameters
        ----------
        values : NumPy or Dask array (..., n_coarse)
            One value for each row of the matrix; a missing one makes its fine cells missing.

        Returns
        -------
        array (..., n_fine)

        Raises
        ------
        GridError
            If the last axis is not `n_coarse` long.
        """
        if values.shape[-1:] != (self.n_coarse,):
            raise GridError(
                "the values do not fit the coarse cells",
                found=f"shape {tuple(values.shape)}, {self.n_coarse} coarse cells",
                do="Give an array (..., n_coarse), in the order of the rows of the matrix",
            )
        if isinstance(values, np.ndarray):
            return _applied(values, self.matrix.T.tocsr())
        return _lazily(values, self.matrix.T.tocsr(), _applied, self.n_fine, pair=False)

    def only(self, mask: ArrayLike) -> Support:
        """Keep some of the coarse cells.

        Parameters
        ----------
        mask : bool array (n_coarse,) or coarse_shape
            True for cells to keep, for example ``support.covered > 0.5``.

        Returns
        -------
        Support
            With fewer rows; the fine grid stays whole.

        Raises
        ------
        GridError
            If the mask does not fit.
        DataError
            If it leaves no cell.
        """
        chosen = np.asarray(mask, dtype=bool)
        if chosen.shape == self.coarse_shape:
            chosen = chosen.ravel()[self.cells]
        if chosen.shape != (self.n_coarse,):
            raise GridError(
                "the mask does not fit the coarse cells",
                found=f"shape {chosen.shape}, {self.n_coarse} coarse cells",
                do="Give one truth value for each coarse cell",
            )
        if not chosen.any():
            raise DataError(
                "no coarse cell is left",
                found=f"none of {self.n_coarse} fits the mask",
                do="Choose a larger area, or ask for less cover",
            )
        return replace(
            self,
            matrix=self.matrix[chosen],
            covered=self.covered[chosen],
            area=self.area[chosen],
            cells=self.cells[chosen],
            coarse_xy=self.coarse_xy[chosen],
        )

    def coarse_map(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Put values of the coarse cells onto the coarse grid.

        Parameters
        ----------
        values : array (..., n_coarse)

        Returns
        -------
        array (..., y, x)
            On `coarse_grid`, NaN in cells that are no row of the matrix.
        """
        values = np.asarray(values, dtype=np.float64)
        rows, columns = self.coarse_shape
        maps = np.full((*values.shape[:-1], rows * columns), np.nan)
        maps[..., self.cells] = values
        return maps.reshape(*values.shape[:-1], rows, columns)

    def take(self, maps: ArrayLike) -> Any:
        """Read the coarse cells off maps of the coarse grid.

        Parameters
        ----------
        maps : array (..., y, x)
            On `coarse_grid`.

        Returns
        -------
        array (..., n_coarse)

        Raises
        ------
        GridError
            If the last axes are not those of the coarse grid.
        """
        size = self.coarse_shape[0] * self.coarse_shape[1]
        return _flat(maps, self.coarse_shape, size)[..., self.cells]


def support(
    coarse: GeoBox | xr.DataArray | xr.Dataset, fine: GeoBox | xr.DataArray | xr.Dataset
) -> Support:
    """Weigh the cells of a fine grid for each cell of a coarse one.

    Parameters
    ----------
    coarse, fine : GeoBox, DataArray or Dataset
        Any two upright grids, in any reference systems; rows may run either way.

    Returns
    -------
    Support
        A row for every coarse cell that the fine grid touches.

    Raises
    ------
    GridError
        If the grids do not overlap, or one is irregular or rotated.
    CRSError
        If one has no reference system.

    Notes
    -----
    Areas are exact to rounding, on the ellipsoid, where both grids are in degrees or on Lambert's
    equal-area cylinder (EASE-Grid 2.0), or share any equal-area map: there all cells are
    rectangles of one equal-area plane [1]_. Otherwise cells are polygons in a local equal-area
    plane, whose edges are bent in up to 32 straight pieces (off by less than 3 cm of an edge of
    36 km); neighbours share every point, so that nothing is lost or counted twice.

    References
    ----------
    .. [1] Brodzik, M. J., et al. (2012). EASE-Grid 2.0: incremental but significant improvements
       for Earth-gridded data sets. ISPRS Int. J. Geo-Inf. 1, 32-45.
       https://doi.org/10.3390/ijgi1010032

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> coarse = GeoBox((1, 2), Affine(1, 0, 94, 0, -1, 37), "EPSG:4326")
    >>> fine = GeoBox((2, 4), Affine(0.5, 0, 94, 0, -0.5, 37), "EPSG:4326")
    >>> operator = support(coarse, fine)
    >>> values = np.array([[1.0, 1.0, 2.0, np.nan], [3.0, 3.0, 2.0, 2.0]])
    >>> value, seen = operator.aggregate(values)
    >>> value.round(3), seen.round(3)
    (array([2.003, 2.   ]), array([1.   , 0.751]))
    """
    grids = [
        geobox_of(g) if isinstance(g, xr.DataArray | xr.Dataset) else g for g in (coarse, fine)
    ]
    shared, area = overlap(*grids)
    total = np.asarray(shared.sum(axis=1)).ravel()
    cells = np.flatnonzero(total > 0)
    if cells.size == 0:
        raise GridError(
            "the coarse and the fine grid do not overlap",
            found="; ".join(f"{g.crs}: {_bounds(g)}" for g in grids),
            do="Correct the crs of one, or clip both to the same area",
        )
    plane, matrix = local_plane(grids[1]), shared[cells]
    matrix.data /= np.repeat(total[cells], np.diff(matrix.indptr))
    return Support(
        matrix=matrix,
        covered=np.minimum(total[cells] / area[cells], 1.0),
        area=area[cells],
        cells=cells,
        coarse_xy=centres_km(grids[0], plane, cells),
        fine_xy=centres_km(grids[1], plane, np.arange(matrix.shape[1])),
        coarse_grid=grids[0],
        fine_grid=grids[1],
    )


def aggregate_cube(data: xr.DataArray, operator: Support) -> xr.Dataset:
    """Average a cube on the fine grid over the cells of the coarse grid.

    Parameters
    ----------
    data : DataArray (..., y, x)
        On the fine grid of `operator`; stays lazy where it is.
    operator : Support

    Returns
    -------
    Dataset
        The variable (..., y, x) on the coarse grid, and ``seen`` (..., y, x): share of the coarse
        cell that the values cover [1], 0 where there is none.

    Raises
    ------
    GridError
        If the cube lies on another grid.
    """
    _same_grid(geobox_of(data), operator.fine_grid)
    value, seen = operator.aggregate(data.data)
    dims = (*data.dims[:-2], "y", "x")
    kept: dict[Any, Any] = {c: v for c, v in data.coords.items() if not {"y", "x"} & set(v.dims)}
    coords = {**kept, **grid_coords(operator.coarse_grid)}
    name = "value" if data.name is None else str(data.name)
    reported = {"long_name": "Share of the cell with values", "units": "1", "kind": "continuous"}
    cube = xr.Dataset(
        {
            name: (dims, _mapped(value, operator, np.nan), {**data.attrs, "resampling": "support"}),
            "seen": (dims, _mapped(seen * operator.covered, operator, 0.0), reported),
        },
        coords=coords,
    )
    for variable in cube.data_vars.values():
        variable.encoding = {"grid_mapping": "spatial_ref"}
    return cube


def _flat(values: Any, shape: tuple[int, int], size: int) -> Any:
    """Flatten maps to vectors, NumPy or Dask."""
    found = tuple(values.shape)
    if len(found) > 1 and found[-2:] == shape:
        if not isinstance(values, np.ndarray):
            # A block of a flattened map would be no rectangle: whole maps first.
            values = values.rechunk({values.ndim - 2: -1, values.ndim - 1: -1})
        return values.reshape(*found[:-2], size)
    if found[-1:] == (size,):
        return values
    raise GridError(
        "the values do not fit the grid",
        found=f"shape {found}, grid of {shape[0]} x {shape[1]} cells",
        do="Give an array (..., y, x) on that grid, or (..., cells), row after row",
    )


def _applied(values: NDArray[Any], matrix: csr_matrix) -> NDArray[np.float64]:
    """Multiply each vector of the last axis by a matrix."""
    columns = np.ascontiguousarray(values.reshape(-1, matrix.shape[1]).T, dtype=np.float64)
    return np.asarray((matrix @ columns).T.reshape(*values.shape[:-1], matrix.shape[0]))


def _aggregated(values: NDArray[Any], matrix: csr_matrix) -> NDArray[np.float64]:
    """Means of the values that are there, and their share, one after the other."""
    vectors = values.reshape(-1, matrix.shape[1])
    both = np.empty((2, vectors.shape[0], matrix.shape[0]))
    step = max(_BLOCK_CELLS // matrix.shape[1], 1)
    for start in range(0, vectors.shape[0], step):
        part = slice(start, start + step)
        both[:, part] = _means(vectors[part], matrix)
    return both.reshape(2, *values.shape[:-1], matrix.shape[0])


def _means(vectors: NDArray[Any], matrix: csr_matrix) -> tuple[Any, Any]:
    missing = np.isnan(vectors)
    if not missing.any():
        whole = _applied(vectors, matrix)
        return whole, np.ones_like(whole)
    total = _applied(np.where(missing, 0.0, vectors), matrix)
    seen = _applied(~missing, matrix)
    mean = np.divide(total, seen, out=np.full(seen.shape, np.nan), where=seen > 0)
    # Where nothing is missing the mean is that of the plain operator, to the last bit.
    complete = _applied(missing, matrix) == 0
    return np.where(complete, total, mean), np.where(complete, 1.0, np.minimum(seen, 1.0))


def _lazily(values: Any, matrix: csr_matrix, work: Any, size: int, *, pair: bool) -> Any:
    """Let Dask do the work, a block of whole vectors at a time."""
    import dask.array
    from dask.delayed import delayed

    da: Any = dask.array
    blocks = values.rechunk({values.ndim - 1: -1})
    chunks = (*blocks.chunks[:-1], (size,))
    return da.map_blocks(
        work,
        blocks,
        delayed(matrix, pure=True),
        dtype=np.float64,
        chunks=((2,), *chunks) if pair else chunks,
        new_axis=[0] if pair else None,
        meta=np.empty((0,) * (values.ndim + pair)),
    )


def _mapped(values: NDArray[Any], operator: Support, empty: float) -> Any:
    """Values of the rows on the whole coarse grid, NumPy or Dask."""
    rows, columns = operator.coarse_shape
    place = np.full(rows * columns, operator.n_coarse)
    place[operator.cells] = np.arange(operator.n_coarse)
    if isinstance(values, np.ndarray):
        padded = np.concatenate([values, np.full((*values.shape[:-1], 1), empty)], axis=-1)
    else:
        import dask.array

        da: Any = dask.array
        edge = da.full((*values.shape[:-1], 1), empty, chunks=(*values.chunks[:-1], (1,)))
        padded = da.concatenate([values, edge], axis=-1).rechunk({values.ndim - 1: -1})
    return padded[..., place].reshape(*values.shape[:-1], rows, columns)


def _same_grid(found: GeoBox, wanted: GeoBox) -> None:
    ours, theirs = (np.array(grid.transform[:6]) for grid in (found, wanted))
    near = np.abs(ours - theirs).max() <= 1e-6 * abs(theirs[0])
    if tuple(found.shape) != tuple(wanted.shape) or not near or not _share_crs(found, wanted):
        raise GridError(
            "the cube does not lie on the fine grid of the operator",
            found=f"{found.crs} {_bounds(found)}, {found.shape[0]} x {found.shape[1]} cells; "
            f"operator {wanted.crs} {_bounds(wanted)}, {wanted.shape[0]} x {wanted.shape[1]}",
            do="Align the cube to that grid, or make an operator for its own",
        )


def _share_crs(one: GeoBox, other: GeoBox) -> bool:
    from headwater.grids._weights import share_crs

    return share_crs(one, other)


def _bounds(grid: GeoBox) -> str:
    box = grid.extent.boundingbox
    return f"{box.left:.6g} to {box.right:.6g}, {box.bottom:.6g} to {box.top:.6g}"
