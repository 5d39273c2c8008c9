"""The size of the cells: how q changes with it, and which size to choose (the MAUP curve)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from headwater.detector.factor_detector import INDEPENDENCE_CAUTION, factor
from headwater.detector.optimal_parameters import best_strata, opgd
from headwater.detector.results import SONG2020
from headwater.detector.sample import read_sample
from headwater.detector.search_options import Search
from headwater.errors import DataError, StudyError, nearest
from headwater.figures import drawing_on
from headwater.glossary import Kind
from headwater.results import TableResult, of_inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ScaleResult", "coarsen", "scale_sweep"]

Floats = npt.NDArray[np.float64]
Rule = Literal["quantile", "rise"]

_RULES = {
    "quantile": "the size at which the 90 % quantile of the factors' q is greatest (GD)",
    "rise": "the first size from which the mean q, smoothed by loess, rises by no more than 5 % "
    "to the next (gdverse)",
}


@dataclass(frozen=True, slots=True, eq=False)
class ScaleResult(TableResult):
    """q of each factor at each size of the cells.

    Columns: size (how many cells of the input side by side), side (of a cell, in the map's unit;
    NaN without coordinates), factor, q, q_adjusted, q_low, q_high, p_value, n, strata, method,
    curve (what the size is chosen by, the same in all rows of a size), chosen.
    """

    @property
    def best(self) -> pd.DataFrame:
        """The rows of the chosen size."""
        return self.data[self.data["chosen"]].reset_index(drop=True)

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw q against the size of the cells, a line for each factor."""
        from headwater.detector.extension_plots import draw_scales

        with drawing_on(ax):
            return draw_scales(self.data)


def coarsen(
    data: xr.Dataset,
    size: int,
    *,
    kinds: Mapping[str, Kind] | None = None,
    min_coverage: float = 0.5,
) -> xr.Dataset:
    """Join cells into larger ones, `size` by `size`, beginning at the first row and column.

    Parameters
    ----------
    data : Dataset (y, x)
        Maps on one grid. With a ``spatial_ref`` cells weigh by their true area, else alike.
    size : int
        Cells side by side that become one.
    kinds : mapping of str to {"continuous", "circular", "categorical"}, optional
        Where the ``kind`` attribute of a map does not say it. Amounts become their mean, directions
        that of their vectors, classes the one with the largest area (the lower of two alike).
    min_coverage : float
        Least share of the new cell's area that must have a value; it is missing otherwise.

    Returns
    -------
    Dataset (y, x)
        With coordinates of the new cells.

    Raises
    ------
    DataError
        If a variable is no map, or `size` is less than 1 or more than the map.

    Examples
    --------
    >>> maps = xr.Dataset({"theta": (("y", "x"), [[1.0, 3.0, 5.0], [1.0, 3.0, np.nan]])})
    >>> coarsen(maps, 2)["theta"].values
    array([[ 2., nan]])
    """
    if not 1 <= size <= max(data.sizes.get("y", 0), data.sizes.get("x", 0)):
        raise DataError("no such size", found=f"{size}, maps {dict(data.sizes)}", do="Give fewer")
    if size == 1:
        return data
    area = _areas(data)
    weight = _blocks(area, size, "edge")
    maps = {}
    for name, layer in data.data_vars.items():
        if layer.dims != ("y", "x"):
            raise DataError(
                f"'{name}' is not a map", found=f"dims {layer.dims}", do="Give dims ('y', 'x')"
            )
        kind = (kinds or {}).get(str(name)) or layer.attrs.get("kind", "continuous")
        joined = _joined(layer.values, kind, weight, size)
        share = (weight * _blocks(~pd.isna(layer.values), size, "constant")).sum((1, 3))
        joined[share < min_coverage * weight.sum((1, 3)) * (1 - 1e-12)] = np.nan
        maps[name] = xr.DataArray(joined, dims=("y", "x"), attrs=layer.attrs)
    return xr.Dataset(maps, coords=_coords(data, size), attrs=data.attrs)


@of_inputs
def scale_sweep(
    data: xr.Dataset,
    response: str,
    factors: Sequence[str] | None = None,
    *,
    sizes: Sequence[int] = (1, 2, 3, 4, 6, 8),
    rule: Rule = "quantile",
    kinds: Mapping[str, Kind] | None = None,
    search: Search | None = None,
    min_units: int = 30,
) -> ScaleResult:
    """Compute q at several sizes of the cells, and choose one.

    Parameters
    ----------
    data : Dataset (y, x)
        Maps on one grid.
    response : str
        The variable to be explained.
    factors : sequence of str, optional
        Default: all other variables.
    sizes : sequence of int
        Cells side by side that become one.
    rule : {"quantile", "rise"}
        How the size is chosen, from the *adjusted* q; see Notes.
    kinds
        See :func:`coarsen`; a larger cell needs values on half its area.
    search : Search, optional
        What is tried at every size.
    min_units : int
        A size that leaves fewer units is left out, and named in the cautions.

    Returns
    -------
    ScaleResult

    Raises
    ------
    DataError
        If no size leaves enough units.
    StudyError
        If the rule is unknown.

    Notes
    -----
    "quantile" takes the size at which the 90 % quantile of the q of all factors is greatest, as GD
    does; "rise" smooths the mean q over the sizes by loess and takes the first size from which it
    rises by no more than 5 % to the next, as gdverse does (the last one if there is none).

    Both packages use the plain q, which grows as the units get fewer: at 40 units and 8 classes
    noise has q = 0.18. The adjusted q does not. What remains is the modifiable areal unit problem:
    means over larger cells vary less and correlate better, so that no size is "right"; choose the
    one of the process studied if that is known.

    References
    ----------
    Song, Y., Wang, J., Ge, Y., Xu, C. (2020). An optimal parameters-based geographical detector
    model. GIScience & Remote Sensing 57(5), 593-610.
    https://doi.org/10.1080/15481603.2020.1760434

    Examples
    --------
    >>> y, x = np.mgrid[0:24, 0:24].astype(float)
    >>> theta = x + 8 * np.random.default_rng(0).normal(size=x.shape)
    >>> maps = xr.Dataset({"theta": (("y", "x"), theta), "rain": (("y", "x"), x)})
    >>> found = scale_sweep(maps, "theta", sizes=[1, 2, 4], search=Search(classes=(4,)))
    >>> found.data[["size", "n"]].values.tolist()
    [[1, 576], [2, 144], [4, 36]]
    """
    if rule not in _RULES:
        raise StudyError("unknown rule", found=f"'{rule}'", do=nearest(rule, list(_RULES)))
    plan = search or Search()
    names = [response, *(factors or [str(name) for name in data.data_vars if name != response])]
    rows, left_out = _all_sizes(data, names, sizes, kinds, plan, min_units)
    if not rows:
        raise DataError("no size leaves enough units", found=" ".join(left_out), do="Give sizes")
    table = _chosen(pd.DataFrame(rows), rule)
    label = data[response].attrs.get("long_name", response)
    labels = {name: str(data[name].attrs.get("long_name", name)) for name in names[1:]}
    table.attrs |= {"response": str(label), "labels": labels, "unit": _unit(data)}
    return ScaleResult(
        data=table,
        method="Size of the cells: maps were averaged over larger and larger cells, and q computed "
        f"at each size; chosen was {_RULES[rule]}, by the adjusted q.",
        references=(SONG2020,),
        choices=(
            f"A larger cell needs values on half its area, and a size at least {min_units} units. "
            "Strata were searched anew at each size.",
        ),
        cautions=(
            *left_out,
            "q changes with the size of the cells (the modifiable areal unit problem): means over "
            "larger cells vary less. No size is right in itself.",
            INDEPENDENCE_CAUTION,
        ),
    )


def _all_sizes(
    data: xr.Dataset,
    names: list[str],
    sizes: Sequence[int],
    kinds: Mapping[str, Kind] | None,
    plan: Search,
    min_units: int,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Detect at every size; say which sizes left too few units."""
    rows: list[dict[str, Any]] = []
    left_out = []
    for size in sorted(set(sizes)):
        maps = coarsen(data[names], size, kinds=kinds)
        try:
            table = _detected(maps, names, kinds, plan, min_units)
        except DataError as error:
            left_out.append(f"Size {size} was left out: {error.wrong} ({error.found}).")
            continue
        side = _side(maps)
        rows += [{"size": size, "side": side, **row} for row in table.to_dict("records")]  # type: ignore[dict-item]
    return rows, left_out


def _detected(
    maps: xr.Dataset,
    names: list[str],
    kinds: Mapping[str, Kind] | None,
    search: Search,
    min_units: int,
) -> pd.DataFrame:
    sample = read_sample(maps, names[0], names[1:], kinds=kinds)
    if sample.response.size < min_units:
        raise DataError("too few units", found=f"n = {sample.response.size}")
    found = opgd(
        sample.response,
        sample.factors,
        kinds=sample.kinds,
        methods=search.methods,
        classes=search.classes,
        fixed=search.fixed,
    )
    table = factor(sample.response, best_strata(sample.factors, found)).data
    columns = ["factor", "q", "q_adjusted", "q_low", "q_high", "p_value", "n", "strata", "method"]
    return table[columns]


def _chosen(table: pd.DataFrame, rule: Rule) -> pd.DataFrame:
    by_size = table.groupby("size")["q_adjusted"]
    sizes = np.array(sorted(table["size"].unique()), dtype=np.float64)
    if rule == "quantile":
        curve = by_size.quantile(0.9).to_numpy()
        place = int(np.argmax(curve))
    else:
        curve = _loess(sizes, by_size.mean().to_numpy())
        slow = np.flatnonzero(np.diff(curve) <= 0.05 * np.abs(curve[:-1]))
        place = int(slow[0]) if slow.size else sizes.size - 1
    where = np.searchsorted(sizes, table["size"])
    return table.assign(curve=curve[where], chosen=where == place)


def _loess(x: Floats, y: Floats, span: float = 0.75) -> Floats:
    """Smooth by local parabolas with tricube weights; too few points stay as they are."""
    near = int(np.floor(span * x.size))
    if near < 4:
        return y
    smooth = np.empty(x.size)
    for place, here in enumerate(x):
        distance = np.abs(x - here)
        reach = np.sort(distance)[near - 1]
        root = np.sqrt(np.clip(1.0 - (distance / reach) ** 3, 0.0, None) ** 3)
        design = np.vander(x - here, 3, increasing=True) * root[:, None]
        smooth[place] = np.linalg.lstsq(design, y * root, rcond=None)[0][0]
    return smooth


def _areas(data: xr.Dataset) -> Floats:
    if "spatial_ref" not in data.coords:
        return np.ones((data.sizes["y"], data.sizes["x"]))
    from headwater.grids import cell_area

    area: Floats = np.asarray(cell_area(data).values, dtype=np.float64)
    return area


def _blocks(array: npt.NDArray[Any], size: int, mode: Literal["edge", "constant"]) -> Floats:
    """Cut a map into blocks of shape (rows, size, columns, size), filled up at the far edges."""
    over = [(0, -length % size) for length in array.shape]
    full = np.pad(array.astype(np.float64), over, mode=mode)
    rows, columns = (length // size for length in full.shape)
    return full.reshape(rows, size, columns, size)


def _joined(array: npt.NDArray[Any], kind: str, weight: Floats, size: int) -> npt.NDArray[Any]:
    """Take the mean, the mean direction or the commonest class of each block."""
    if kind == "categorical":
        return _commonest(array, weight, size)
    values = np.asarray(array, dtype=np.float64)
    own = weight * _blocks(~np.isnan(values), size, "constant")
    area = own.sum((1, 3))
    filled = np.nan_to_num(values)
    if kind == "circular":
        turned = np.radians(filled)
        east = (own * _blocks(np.sin(turned), size, "constant")).sum((1, 3))
        north = (own * _blocks(np.cos(turned), size, "constant")).sum((1, 3))
        # vectors that cancel have no direction
        known = np.hypot(east, north) > 1e-9 * area
        return np.where(known, np.degrees(np.arctan2(east, north)) % 360.0, np.nan)
    sums = (own * _blocks(filled, size, "constant")).sum((1, 3))
    means: Floats = np.divide(sums, area, out=np.full(area.shape, np.nan), where=area > 0)
    return means


def _commonest(array: npt.NDArray[Any], weight: Floats, size: int) -> npt.NDArray[Any]:
    codes, distinct = pd.factorize(array.ravel(), sort=True)
    sheet = codes.reshape(array.shape)
    most = np.zeros((weight.shape[0], weight.shape[2]), np.intp)
    largest = np.zeros(most.shape)
    for code in range(len(distinct)):
        area = (weight * _blocks(sheet == code, size, "constant")).sum((1, 3))
        most[area > largest] = code
        largest = np.maximum(area, largest)
    kept = np.asarray(distinct, dtype=object if array.dtype.kind in "OUST" else np.float64)
    return kept[most] if len(distinct) else np.full(most.shape, np.nan)


def _coords(data: xr.Dataset, size: int) -> dict[str, Any]:
    if "spatial_ref" in data.coords:
        from affine import Affine
        from odc.geo.geobox import GeoBox

        from headwater.grids.geometry import geobox_of, grid_coords

        grid = geobox_of(data)
        rows, columns = (-(-length // size) for length in grid.shape)
        return dict(
            grid_coords(GeoBox((rows, columns), grid.transform @ Affine.scale(size), grid.crs))
        )
    coords = {}
    for axis in ("y", "x"):
        if axis in data.coords and data.sizes[axis] > 1:
            first, second = data[axis].values[:2]
            number = np.arange(-(-data.sizes[axis] // size))
            coords[axis] = first + (second - first) * ((size - 1) / 2 + size * number)
    return coords


def _side(maps: xr.Dataset) -> float:
    if "x" not in maps.coords or maps.sizes["x"] < 2:
        return np.nan
    return float(abs(maps["x"].values[1] - maps["x"].values[0]))


def _unit(data: xr.Dataset) -> str:
    if "x" not in data.coords:
        return ""
    return "°" if "degree" in data["x"].attrs.get("units", "") else data["x"].attrs.get("units", "")
