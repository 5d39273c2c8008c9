"""A first look at the values of an input: missing, all the same, impossible, far too much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.errors import DataError, HeadwaterError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from headwater.glossary import Term
    from headwater.grids.plausibility import Overview

__all__ = ["beyond_all_land", "glance_at", "has_pattern", "look"]

_GLANCES, _SIDE = 3, 400
_FAR = 50.0
"""Times beyond what is plausible on land at which a yearly amount is refused."""


def glance_at(data: xr.DataArray) -> xr.DataArray:
    """Choose first, middle and last time, of every so many cells.

    So few that a single stray, which a run makes missing and counts, hardly stops a study; what is
    wrong in unit or scale is wrong in all of them.

    Parameters
    ----------
    data : DataArray (time, y, x) or (y, x)
        The part of an input that the study uses.

    Returns
    -------
    DataArray
        Lazily.
    """
    strides = {axis: slice(None, None, -(-data.sizes[axis] // _SIDE)) for axis in ("y", "x")}
    if "time" in data.dims:
        last = data.sizes["time"] - 1
        data = data.isel(time=np.unique(np.linspace(0, last, _GLANCES).astype(int)))
    return data.isel(strides)


def look(
    data: xr.DataArray, term: Term, glance: xr.DataArray | None = None
) -> list[HeadwaterError]:
    """Look at values: all missing, all the same, or impossible.

    Parameters
    ----------
    data : DataArray (time, y, x) or (y, x)
        The part of an input that the study uses.
    term : Term
        What the values are.
    glance : DataArray, optional
        Its values as of :func:`glance_at`, where they have been read together with others.

    Returns
    -------
    list of HeadwaterError
    """
    seen = _valid(glance_at(data) if glance is None else glance)
    low, high = _range_of_all(data) if np.unique(seen).size < 2 else (seen.min(), seen.max())
    if low > high:
        return [
            DataError(
                f"every value of '{term.name}' is missing in the area and period",
                found=f"{data.size} values, none valid",
                do="Correct area, period, variable or the file's missing value",
            )
        ]
    if low == high:
        return [
            DataError(
                f"'{term.name}' is the same everywhere, so it can explain nothing",
                found=f"{low:g} {term.units} in all cells",
                do="Remove this input, or choose a larger area",
            )
        ]
    return _impossible(seen, term, data)


def _impossible(seen: NDArray[Any], term: Term, data: xr.DataArray) -> list[HeadwaterError]:
    least, most = term.valid_range
    outside = seen[(seen < least) | (seen > most)]
    if not outside.size:
        return []
    return [
        DataError(
            f"'{term.name}' has impossible values",
            found=f"{outside.size} of {seen.size} looked at lie in {outside.min():g} to "
            f"{outside.max():g} {term.units}; possible are {least:g} to {most:g}",
            do=_cure(outside, data),
        )
    ]


def _cure(outside: NDArray[Any], data: xr.DataArray) -> str:
    """Name the key that mends impossible values: those of one number are mostly fills."""
    from headwater.grids.plausibility import stored_number

    numbers = [stored_number(data, float(value)) for value in np.unique(outside)[:4]]
    if len(numbers) < 4 and None not in numbers:
        written = ", ".join(f"{number:g}" for number in numbers)
        return f"If they mean no value, write missing = [{written}]; else correct units or scale"
    return "Correct units, variable, scale or valid (range of stored numbers) of this input"


def _valid(data: xr.DataArray) -> NDArray[Any]:
    values = np.asarray(data.values, dtype=np.float64)
    return values[np.isfinite(values)]


def _range_of_all(data: xr.DataArray) -> tuple[float, float]:
    """Least and greatest value, read block by block until they differ; inf, -inf if none."""
    low, high = np.inf, -np.inf
    axis = "time" if "time" in data.dims else "y"
    length = max(1, 4_000_000 * data.sizes[axis] // max(1, data.size))
    for start in range(0, data.sizes[axis], length):
        seen = _valid(data.isel({axis: slice(start, start + length)}))
        low = min(low, seen.min(initial=np.inf))
        high = max(high, seen.max(initial=-np.inf))
        if low < high:
            break
    return float(low), float(high)


def has_pattern(data: xr.DataArray) -> bool:
    """Whether some time has two different values, read block by block until one has.

    Parameters
    ----------
    data : DataArray (time, y, x)
        The part of an input that the study uses.

    Returns
    -------
    bool
    """
    length = max(1, 1_000_000 // max(1, data.sizes["y"] * data.sizes["x"]))
    for start in range(0, data.sizes["time"], length):
        maps = np.asarray(data.isel(time=slice(start, start + length)).values)
        missing = ~np.isfinite(maps)
        low = np.where(missing, np.inf, maps).min(axis=(1, 2))
        if (np.where(missing, -np.inf, maps).max(axis=(1, 2)) > low).any():
            return True
    return False


def beyond_all_land(
    name: str, seen: Overview, term: Term, data: xr.DataArray
) -> list[HeadwaterError]:
    """Refuse amounts of a year far beyond all land: units or scale are wrong, whatever else is."""
    low, high = term.plausible
    if term.total != "sum" or not low > 0.0 or not 0.0 < seen.yearly < np.inf:
        return []
    if low / _FAR <= seen.yearly <= high * _FAR:
        return []
    units = data.attrs.get("source_units", "")
    return [
        DataError(
            f"[inputs.{name}] ({data.attrs.get('source', '')}): amounts that no land has",
            found=f"{seen.yearly:.3g} {term.units} a year, read as '{units}'; on land are "
            f"{low:g} to {high:g}",
            do="Correct units, scale, offset or missing of this input, or name its product",
        )
    ]
