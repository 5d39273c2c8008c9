"""Stored numbers turned into values: fills, valid range, scale and offset, in this order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from headwater.glossary import Term

__all__ = ["Packing", "packing_of", "scale_in_tags", "twice_scaled", "unpacked"]

# No quantity of the field is as large; fills such as 1e20 and 9.97e36 are.
_ABSURD = 1e15
_FLAT = -1.0


@dataclass(frozen=True, slots=True)
class Packing:
    """How stored numbers become values.

    Attributes
    ----------
    missing : tuple of float
        Stored numbers that mean "no value".
    valid : (float, float) or None
        Range of the stored numbers that are valid; both ends belong to it.
    valid_unpacked : (float, float) or None
        Range of the values, after scale and offset.
    scale, offset : float
        value = stored * scale + offset.
    unsigned : bool
        Whether signed integers are to be read as unsigned ones (``_Unsigned``).
    """

    missing: tuple[float, ...] = ()
    valid: tuple[float, float] | None = None
    valid_unpacked: tuple[float, float] | None = None
    scale: float = 1.0
    offset: float = 0.0
    unsigned: bool = False


def packing_of(
    variable: xr.Variable, given: Mapping[str, Any], path: Path, quantity: Term
) -> tuple[Packing, tuple[str, ...]]:
    """Read how the numbers of a variable are packed; what the study file gives wins."""
    attrs = variable.attrs
    kind = variable.dtype.kind
    fills = [
        v for key in ("_FillValue", "missing_value") for v in _numbers(attrs.get(key), key, path)
    ]
    notes: list[str] = []
    if 0.0 in fills and quantity.zeros and _holds_zero(given.get("valid")):
        fills = [fill for fill in fills if fill != 0.0]
        notes.append("0 is an amount, as valid says, though the file declares it as missing")
    marks = given.get("missing")
    if fills and marks is not None and not len(marks):
        notes.append(f"{', '.join(f'{v:g}' for v in fills)} is a value here, as missing = [] says")
        fills = []
    missing = [*fills, *(marks or ())]
    if quantity.kind == "circular":
        missing.append(_FLAT)
        notes.append("flat cells (-1) have no direction and are missing")
    scale, offset = (
        given[key] if given.get(key) is not None else _one(attrs.get(name), name, path, default)
        for key, name, default in (("scale", "scale_factor", 1.0), ("offset", "add_offset", 0.0))
    )
    if scale == 0.0:
        notes.append("a scale factor of zero is not used")
        scale = 1.0
    if 0.0 in fills:
        notes.append(
            "0 means no value, as the file says; where it is an amount, write valid = [0, …], the "
            "range of the stored numbers"
            if quantity.zeros
            else "0 means no value, as the file says; where it is a value, correct the file"
        )
    unsigned = str(attrs.get("_Unsigned", "")).lower() == "true" and kind == "i"
    valid, unpacked_range = _valid(variable, given, path, scale, offset)
    if valid or unpacked_range:
        low, high = valid or unpacked_range or (0.0, 0.0)
        notes.append(f"values outside of the valid range {low:g} to {high:g} are missing")
    return Packing(tuple(dict.fromkeys(missing)), valid, unpacked_range, scale, offset, unsigned), (
        *notes,
    )


def _holds_zero(valid: tuple[float, float] | None) -> bool:
    return valid is not None and valid[0] <= 0.0 <= valid[1]


def twice_scaled(attrs: Mapping[str, Any], given: str | None) -> tuple[str, ...]:
    """Doubt a unit with a factor, "0.1 mm", whose file scales its numbers by the same factor."""
    units = str(attrs.get("units", ""))
    factor = re.match(r"\s*([\d.]+(?:[eE]-?\d+)?)\s*\*?\s*([^\d\s.*].*)", units)
    scale = float(np.ravel(attrs.get("scale_factor", 1.0))[0])
    if given is not None or factor is None or scale == 1.0:
        return ()
    try:
        same = abs(float(factor[1]) - scale) <= 1e-6 * abs(scale)
    except ValueError:
        return ()
    return (
        f"the file scales its numbers by {scale:g} and gives them in '{units}', and both were "
        f"applied; if the unit is that of the numbers before scaling, write units = '{factor[2]}'",
    ) * same


def scale_in_tags(attrs: Mapping[str, Any], given: float | None) -> tuple[str, ...]:
    """Doubt a scale that only a tag of a GeoTIFF names: programs leave it there once applied."""
    if given is not None or "scale_in_tags" not in attrs:
        return ()
    scale = attrs["scale_in_tags"]
    return (
        f"a tag names the scale factor {scale}, which was not applied, as the raster gives itself "
        f"none; write scale = {scale} if the stored numbers need it, else scale = 1",
    )


def unpacked(variable: xr.Variable, packing: Packing) -> xr.Variable:
    """Turn stored numbers into values, lazily where they are."""
    kind, size = variable.dtype.kind, variable.dtype.itemsize
    if kind not in "iufb":
        raise InputError(
            "the variable holds no numbers",
            found=f"type {variable.dtype}",
            do="Choose another variable",
        )
    wide = np.dtype("f4") if (kind == "f" and size <= 4) or (kind != "f" and size <= 2) else None
    dtype = wide or np.dtype("f8")

    def act(block: NDArray[Any]) -> NDArray[Any]:
        return _unpack(block, packing, dtype)

    data: Any = variable.data
    values = (
        data.map_blocks(act, dtype=dtype, meta=np.empty((0,) * variable.ndim, dtype))
        if hasattr(data, "dask")
        else act(np.asarray(data))
    )
    kept = {key: v for key, v in variable.attrs.items() if key not in _CONSUMED}
    return xr.Variable(variable.dims, values, kept)


_CONSUMED = {
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "valid_range",
    "valid_min",
    "valid_max",
    "_Unsigned",
}


def _unpack(stored: NDArray[Any], packing: Packing, dtype: np.dtype[Any]) -> NDArray[Any]:
    if packing.unsigned:
        stored = stored.view(stored.dtype.str.replace("i", "u"))
    lost = np.zeros(stored.shape, dtype=bool)
    for fill in packing.missing:
        lost |= _equals(stored, fill)
    if packing.valid is not None:
        low, high = packing.valid
        lost |= (stored < low) | (stored > high)
    if stored.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            lost |= np.abs(stored) > _ABSURD
    values = np.where(lost, np.nan, stored.astype(np.float64))
    if packing.scale != 1.0 or packing.offset != 0.0:
        values = values * packing.scale + packing.offset
    if packing.valid_unpacked is not None:
        low, high = packing.valid_unpacked
        with np.errstate(invalid="ignore"):
            values[(values < low) | (values > high)] = np.nan
    return values.astype(dtype)


def _equals(stored: NDArray[Any], fill: float) -> NDArray[Any]:
    """Compare as the file stores numbers: -9999.9 in single precision is itself."""
    if np.isnan(fill):
        return np.isnan(stored) if stored.dtype.kind == "f" else np.zeros(stored.shape, bool)
    if stored.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.asarray(stored == stored.dtype.type(fill))
    if stored.dtype.kind == "u" and fill < 0:  # -1 or -128 that was written to bytes
        fill += 2.0 ** (8 * stored.dtype.itemsize)
    return np.asarray(stored == fill)


def _valid(
    variable: xr.Variable, given: Mapping[str, Any], path: Path, scale: float, offset: float
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Find the valid range of the stored numbers or, where the file means so, of the values."""
    if given.get("valid") is not None:
        low, high = given["valid"]
        return (float(low), float(high)), None
    attrs = variable.attrs
    both = _numbers(attrs.get("valid_range"), "valid_range", path)
    low = both[0] if len(both) == 2 else _one(attrs.get("valid_min"), "valid_min", path, -np.inf)
    high = both[1] if len(both) == 2 else _one(attrs.get("valid_max"), "valid_max", path, np.inf)
    if not np.isfinite([low, high]).any() or low >= high:
        return None, None
    packed = scale != 1.0 or offset != 0.0
    if not packed or variable.dtype.kind == "f":
        return (low, high), None
    # CF and NUG: a range of the type of the stored numbers is one of stored numbers.
    written = np.asarray(
        next(attrs[key] for key in ("valid_range", "valid_min", "valid_max") if key in attrs)
    )
    limits = np.iinfo(variable.dtype)
    reach = max(abs(limits.max * scale + offset), abs(limits.min * scale + offset))
    beyond = max(abs(v) for v in (low, high) if np.isfinite(v)) > reach
    if written.dtype.kind in "iuS" or beyond:
        return (low, high), None
    return None, (low, high)


def _numbers(given: object, key: str, path: Path) -> list[float]:
    """Numbers of an attribute, also where they were written as text."""
    if given is None:
        return []
    if isinstance(given, bytes):
        given = given.decode("utf-8", "replace")
    if isinstance(given, str):
        parts = re.findall(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan", given, re.IGNORECASE)
        if not parts:
            raise InputError(
                f"attribute '{key}' in {path} is no number",
                found=f"'{given}'",
                do="Correct the attribute in the file",
            )
        return [float(part) for part in parts]
    return [float(value) for value in np.ravel(np.asarray(given))]


def _one(given: object, key: str, path: Path, default: float) -> float:
    numbers = _numbers(given, key, path)
    return numbers[0] if numbers else default
