"""The units of a detection: a response, its factors, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from headwater.detector.strata import Strata, as_strata
from headwater.errors import DataError, nearest
from headwater.glossary import Kind

__all__ = ["Missing", "Sample", "read_sample", "same_units"]

Floats = npt.NDArray[np.float64]
Missing = Literal["listwise", "pairwise"]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Units in one dimension, with everything needed to draw them as a map again.

    Attributes
    ----------
    response : ndarray, shape (n,)
        The variable to be explained, without NaN.
    factors : dict of str to ndarray, shape (n,)
        The factors; NaN only where missing values go out pair by pair.
    kinds : dict of str to {"continuous", "circular", "categorical"}
        How each factor is parted.
    name, units : str
        Long name and unit of the response.
    labels : dict of str to str
        Long names of the factors.
    missing : dict of str to int
        Units that have no value, by variable.
    total : int
        Units before any was left out.
    weights : ndarray, shape (n,), optional
        Weight of each unit.
    cells : ndarray of int, shape (n,)
        Place of each unit in the input, counted along rows.
    grid : DataArray, optional
        The response's own map, where the input was one.
    places : ndarray, shape (n, 2), optional
        Coordinates of units that are points.
    notes : tuple of str
        What was decided while reading.
    """

    response: Floats
    factors: Mapping[str, npt.NDArray[Any]]
    kinds: Mapping[str, Kind]
    name: str
    units: str
    labels: Mapping[str, str]
    missing: Mapping[str, int]
    total: int
    weights: Floats | None
    cells: npt.NDArray[np.intp]
    grid: xr.DataArray | None = None
    places: Floats | None = None
    notes: tuple[str, ...] = field(default=())


def read_sample(
    data: xr.Dataset | pd.DataFrame,
    response: str,
    factors: Sequence[str] | None = None,
    *,
    kinds: Mapping[str, Kind] | None = None,
    weights: str | None = None,
    missing: Missing = "listwise",
    coordinates: tuple[str, str] | None = None,
) -> Sample:
    """Take the units of a detection from maps or from a table.

    Parameters
    ----------
    data : Dataset with dims (y, x), or DataFrame
        Maps on one grid, or rows of units.
    response : str
        The variable to be explained.
    factors : sequence of str, optional
        Default: all other variables.
    kinds : mapping, optional
        Kind of a factor where its ``kind`` attribute does not say it. Text and booleans are
        categorical in any case; numbers without a kind are continuous.
    weights : str, optional
        Variable with the weight of each unit, such as its area.
    missing : {"listwise", "pairwise"}
        Whether all factors share the units at which all have values, or each (each pair) uses all
        that it has.
    coordinates : tuple of str, optional
        The two columns of a table that hold projected coordinates [m, or any one unit]: tests then
        know which units are neighbours.

    Returns
    -------
    Sample

    Raises
    ------
    DataError
        If a variable is not there, has no values, is not a map, or lies on another grid; if text
        is called continuous; if no unit is left.

    Examples
    --------
    >>> table = pd.DataFrame({"theta": [0.1, 0.2, None], "cover": ["a", "b", "b"]})
    >>> sample = read_sample(table, "theta")
    >>> sample.response, sample.kinds["cover"], sample.missing["theta"]
    (array([0.1, 0.2]), 'categorical', 1)
    """
    columns, grid = _columns(data)
    given = coordinates or ()
    names = [name for name in columns if name not in (response, weights, *given)]
    names = names if factors is None else list(factors)
    for name in (response, *names, *([weights] if weights else []), *given):
        _check_there(name, columns, data)
    if not names or response in names:
        raise DataError(
            "a detection needs factors other than the response",
            found=f"factors {names}",
            do=f"Name at least one factor that is not '{response}'",
        )
    values = np.asarray(columns[response], dtype=np.float64).ravel()
    flat = {name: np.asarray(columns[name]).ravel() for name in names}
    kept = ~np.isnan(values)
    if missing == "listwise":
        kept &= ~np.any([pd.isna(array) for array in flat.values()], axis=0)
    absent = {name: int(pd.isna(array).sum()) for name, array in {response: values, **flat}.items()}
    _check_left(kept, absent)
    resolved = {name: _kind(name, columns[name], (kinds or {}).get(name)) for name in names}
    attrs = columns[response].attrs
    return Sample(
        response=values[kept],
        factors={name: array[kept] for name, array in flat.items()},
        kinds=resolved,
        name=str(attrs.get("long_name", response)),
        units=str(attrs.get("units", "")),
        labels={name: str(columns[name].attrs.get("long_name", name)) for name in names},
        missing=absent,
        total=values.size,
        weights=np.asarray(columns[weights], np.float64).ravel()[kept] if weights else None,
        cells=np.flatnonzero(kept),
        grid=grid[response] if grid is not None else None,
        places=_places(columns, coordinates, kept),
        notes=_notes(flat, resolved, columns, kinds or {}),
    )


def same_units(
    response: npt.ArrayLike, strata: Mapping[str, Any], missing: Missing = "pairwise"
) -> tuple[Floats, dict[str, Strata]]:
    """Check that a response and its strata are of the same units.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained; NaN is missing.
    strata : mapping of str to Strata or array_like
        Partitions, or categories, of the same shape.
    missing : {"pairwise", "listwise"}
        With "listwise", a unit that any factor lacks becomes missing in the response.

    Returns
    -------
    response : ndarray, shape (n,)
    strata : dict of str to Strata
        With codes of shape (n,).

    Raises
    ------
    DataError
        If there are no factors or the shapes differ.

    Examples
    --------
    >>> values, strata = same_units([1.0, 2.0], {"cover": ["a", None]}, "listwise")
    >>> values
    array([ 1., nan])
    """
    values = np.array(response, dtype=np.float64)
    partitions = {name: as_strata(given) for name, given in strata.items()}
    if not partitions:
        raise DataError("no factors", found="an empty mapping", do="Give at least one factor")
    for name, partition in partitions.items():
        if partition.codes.shape != values.shape:
            raise DataError(
                f"factor '{name}' is not of the response's units",
                found=f"shape {partition.codes.shape}, response {values.shape}",
                do="Bring both onto one grid or into one table",
            )
    flat = {name: replace(part, codes=part.codes.ravel()) for name, part in partitions.items()}
    values = values.ravel()
    if missing == "listwise":
        values[np.any([part.codes < 0 for part in flat.values()], axis=0)] = np.nan
    return values, flat


def _places(
    columns: Mapping[str, Any], coordinates: tuple[str, str] | None, kept: npt.NDArray[np.bool_]
) -> Floats | None:
    if coordinates is None:
        return None
    both = [np.asarray(columns[name], dtype=np.float64).ravel()[kept] for name in coordinates]
    places = np.column_stack(both)
    if not np.isfinite(places).all():
        raise DataError(
            "units without coordinates",
            found=f"{(~np.isfinite(places)).any(axis=1).sum()} of {len(places)}",
            do="Leave these rows out, or give no coordinates",
        )
    return places


def _columns(data: xr.Dataset | pd.DataFrame) -> tuple[Mapping[str, Any], xr.Dataset | None]:
    if isinstance(data, pd.DataFrame):
        return {str(name): data[name] for name in data.columns}, None
    if isinstance(data, xr.Dataset):
        return {str(name): data[name] for name in data.data_vars}, data
    raise DataError(
        "a detection needs maps or a table",
        found=type(data).__name__,
        do="Give an xarray Dataset with dims (y, x), or a pandas DataFrame",
    )


def _check_there(name: str, columns: Mapping[str, Any], data: object) -> None:
    if name not in columns:
        raise DataError(
            "no such variable", found=f"'{name}'", do=nearest(name, [str(key) for key in columns])
        )
    if isinstance(data, xr.Dataset) and columns[name].dims != ("y", "x"):
        raise DataError(
            f"'{name}' is not a map",
            found=f"dims {columns[name].dims}",
            do="Reduce it to dims ('y', 'x'), for example to its mean over time",
        )


def _check_left(kept: npt.NDArray[np.bool_], absent: Mapping[str, int]) -> None:
    empty = [name for name, number in absent.items() if number == kept.size]
    if empty or not kept.any():
        counts = ", ".join(f"{name} {number}" for name, number in absent.items())
        raise DataError(
            f"'{empty[0]}' has no values" if empty else "no unit has values of all variables",
            found=f"missing of {kept.size} units: {counts}",
            do="Leave it out, or check the period, the area and the alignment of this input",
        )


def _kind(name: str, column: npt.NDArray[Any], given: Kind | None) -> Kind:
    kind = given or getattr(column, "attrs", {}).get("kind")
    textual = not pd.api.types.is_numeric_dtype(column.dtype)
    if pd.api.types.is_bool_dtype(column.dtype) or (textual and kind is None):
        return "categorical"
    if kind is None:
        return "continuous"
    if kind not in ("continuous", "circular", "categorical"):
        raise DataError(
            f"unknown kind of '{name}'",
            found=f"'{kind}'",
            do="Use continuous, circular or categorical",
        )
    if textual and kind != "categorical":
        raise DataError(f"'{name}' is not of numbers", found=f"kind {kind}", do="Use categorical")
    result: Kind = kind
    return result


def _notes(
    flat: Mapping[str, npt.NDArray[Any]],
    kinds: Mapping[str, Kind],
    columns: Mapping[str, Any],
    given: Mapping[str, Kind],
) -> tuple[str, ...]:
    """Say aloud where whole numbers were taken as amounts, because they could be codes."""
    return tuple(
        f"{name}: whole numbers without a declared kind were taken as continuous."
        for name, array in flat.items()
        if array.dtype.kind in "iu"
        and kinds[name] == "continuous"
        and name not in given
        and "kind" not in getattr(columns[name], "attrs", {})
    )
