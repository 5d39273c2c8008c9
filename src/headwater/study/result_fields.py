"""Fields of a result that are more than text and numbers, as JSON, and back."""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.results import Result, with_fingerprint

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionDtype

__all__ = ["as_saved", "dtype_as_text", "pack", "unpack"]

_HOME = "headwater."


def pack(value: object, *, deep: bool = False) -> Any:
    """Write a field so that JSON can hold it.

    Parameters
    ----------
    value : object
        Text, numbers, sequences, mappings, arrays, tables, or our dataclasses of these.
    deep : bool
        Whether arrays keep their type, as inside of a dataclass; else an array of one dimension
        is a plain list.

    Returns
    -------
    JSON value
        A table, an array and a dataclass are mappings with the key ``is``.

    Raises
    ------
    TypeError
        If the value is something else.

    Examples
    --------
    >>> frame = pd.DataFrame({"q": [0.5, 0.25]}, index=pd.Index(["a", "b"], name="station"))
    >>> unpack(pack(frame)).equals(frame)
    True
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic) and not (deep and np.ndim(value)):
        return value.tolist() if value.ndim < 2 else _pack_array(value)
    if isinstance(value, list | tuple):
        return [pack(item, deep=deep) for item in value]
    if isinstance(value, Mapping):
        return {str(key): pack(item, deep=deep) for key, item in value.items()}
    return _pack_data(value)


def _pack_data(value: Any) -> dict[str, Any]:
    if isinstance(value, np.ndarray):
        return _pack_array(value)
    if isinstance(value, pd.Series):
        return {"is": "series", "name": value.name, "table": pack(value.to_frame("values"))}
    if isinstance(value, pd.DataFrame):
        return _pack_table(value)
    if is_dataclass(value) and type(value).__module__.startswith(_HOME):
        own = {entry.name: pack(getattr(value, entry.name), deep=True) for entry in fields(value)}
        return {"is": f"{type(value).__module__}:{type(value).__qualname__}", "fields": own}
    raise TypeError(
        "a result's field must be text, numbers, arrays, tables or tuples of these, not "
        f"{type(value).__name__}"
    )


def _pack_array(value: Any) -> dict[str, Any]:
    return {"is": "array", "dtype": str(value.dtype), "values": value.tolist()}


def unpack(value: Any) -> Any:
    """Read what :func:`pack` wrote; a list comes back as a tuple."""
    if isinstance(value, list):
        return tuple(unpack(item) for item in value)
    if not isinstance(value, dict):
        return value
    kind = str(value.get("is", ""))
    if kind == "array":
        return np.array(value["values"], dtype=value["dtype"])
    if kind in {"table", "series"}:
        return _unpack_table(value)
    if kind.startswith(_HOME):
        return _unpack_object(kind, value["fields"])
    return {key: unpack(item) for key, item in value.items()}


def _unpack_object(kind: str, packed: Mapping[str, Any]) -> Any:
    home, _, name = kind.partition(":")
    own = {key: unpack(item) for key, item in packed.items()}
    made = getattr(importlib.import_module(home), name)(**own)
    return with_fingerprint(made, own["fingerprint"]) if isinstance(made, Result) else made


def dtype_as_text(column: pd.Series[Any]) -> Any:
    """Write the type of a column: its name, or the categories and whether they are ordered."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories
        return {"categories": list(categories), "ordered": bool(column.cat.ordered)}
    return str(column.dtype)


def as_saved(column: pd.Series[Any], kind: Any) -> pd.Series[Any]:
    """Give a column of texts the type that :func:`dtype_as_text` wrote."""
    if isinstance(kind, dict):
        numeric = all(isinstance(entry, int | float) for entry in kind["categories"])
        values = pd.to_numeric(column) if numeric else column
        dtype: ExtensionDtype = pd.CategoricalDtype(kind["categories"], ordered=kind["ordered"])
        return values.astype(dtype)
    if kind.startswith("datetime64"):
        return pd.to_datetime(column, format="ISO8601").astype(kind)
    if kind.startswith("timedelta64"):
        return pd.to_timedelta(column).astype(kind)
    if kind in {"bool", "boolean"}:
        return column.map({"True": True, "False": False}).astype(kind)
    return column.astype(kind)


def _pack_table(table: pd.DataFrame) -> dict[str, Any]:
    plain = isinstance(table.index, pd.RangeIndex) and table.index.equals(pd.RangeIndex(len(table)))
    names = [] if plain else list(table.index.names)
    flat = table.reset_index(names=[f"index {i}" for i in range(len(names))]) if names else table
    return {
        "is": "table",
        "index": names,
        "columns": {str(name): dtype_as_text(flat[name]) for name in flat.columns},
        "attrs": dict(table.attrs),
        "rows": flat.to_csv(index=False, lineterminator="\n"),
    }


def _unpack_table(value: dict[str, Any]) -> Any:
    if value["is"] == "series":
        return _unpack_table(value["table"])["values"].rename(value["name"])
    rows = io.StringIO(value["rows"])
    raw = pd.read_csv(rows, dtype=str, keep_default_na=False, na_values=[""])
    columns = value["columns"].items()
    table = pd.DataFrame({name: as_saved(raw[name], kind) for name, kind in columns})
    if value["index"]:
        table = table.set_index([f"index {i}" for i in range(len(value["index"]))])
        table.index.names = value["index"]
    table.attrs.update(value["attrs"])
    return table
