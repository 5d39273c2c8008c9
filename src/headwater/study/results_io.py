"""Where results lie as files, and how the same values come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import ResumeError
from headwater.results import MapResult, Result, TableResult, with_fingerprint
from headwater.study.result_fields import as_saved, dtype_as_text, pack, unpack
from headwater.study.result_names import result_class

__all__ = ["load_result", "save_result", "write_whole"]


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name and rename it, so that it is never seen half-written.

    Parameters
    ----------
    path : Path
        The file wanted.
    write : callable
        ``write(temporary)`` writes it; the temporary name keeps the suffix.
    """
    temporary = path.with_name(f".writing-{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_result(folder: str | Path, name: str, result: Result) -> list[Path]:
    """Save a result as files that other programs read.

    Parameters
    ----------
    folder : str or Path
        Where to; it must exist.
    name : str
        File name without suffix.
    result : MapResult or TableResult
        Maps become ``<name>.nc`` and one ``<name>.<variable>.tif`` for each variable with dims
        (y, x); a table becomes ``<name>.csv``, a missing value an empty cell. ``<name>.json`` holds
        class, method, references, choices, cautions, fingerprint and units.

    Returns
    -------
    list of Path
        The files written; the ``.json`` is last, so that where it stands, all of them do.

    Raises
    ------
    TypeError
        If the result is neither maps nor a table with flat, named columns.
    """
    home = Path(folder)
    if isinstance(result, MapResult):
        about_maps = {"comment": result.method, "references": "\n".join(result.references)}
        reported = {key: text for key, text in about_maps.items() if text}
        files = _save_maps(home, name, result.data.assign_attrs(reported))
        about: dict[str, Any] = {}
    elif isinstance(result, TableResult):
        files, about = _save_table(home, name, result.data)
    else:
        raise TypeError(f"{type(result).__name__} is neither a MapResult nor a TableResult")
    about |= {"class": type(result).__name__}
    about |= {
        entry.name: pack(getattr(result, entry.name))
        for entry in fields(result)
        if entry.name != "data"
    }
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    card = home / f"{name}.json"
    write_whole(card, lambda path: path.write_text(text, encoding="utf-8"))
    return [*files, card]


def load_result(results: str | Path, key: str) -> Result:
    """Load a result, as the class that was saved.

    Parameters
    ----------
    results : str or Path
        The results folder.
    key : str
        ``"step/name"``.

    Returns
    -------
    Result
        With the values, dtypes, units and sentences that were saved; an empty text of a table
        comes back as missing.

    Raises
    ------
    ResumeError
        If there is no such result, it is not one of ours, or one of its files was cut.
    """
    card = Path(results) / f"{key}.json"
    try:
        about = json.loads(card.read_text(encoding="utf-8"))
        kind = result_class(about.pop("class"))
        data: Any = _load_data(card.with_suffix(""), kind, about)
    except (OSError, ValueError, KeyError, AttributeError, ImportError) as error:
        raise ResumeError(
            f"no readable result '{key}' in {results}",
            found=f"{type(error).__name__}: {error}",
            do="Run the study again, with --fresh if it does not repair itself",
        ) from error
    saved = str(about.get("fingerprint", ""))
    found = kind(data=data, **{name: unpack(value) for name, value in about.items()})
    return with_fingerprint(found, saved)


def _load_data(stem: Path, kind: type[Result], about: dict[str, Any]) -> Any:
    """Read the maps or the table of a card; what belongs to them is taken out of `about`."""
    if issubclass(kind, MapResult):
        return _load_maps(stem.with_name(f"{stem.name}.nc"))
    layout, rows = about.pop("columns"), about.pop("rows", None)
    path = stem.with_name(f"{stem.name}.csv")
    table = _load_table(path, layout, about.pop("attrs"))
    # a table that was cut reads without complaint, and its last number may have lost digits
    if (rows is not None and len(table) != rows) or not path.read_bytes().endswith(b"\n"):
        raise ValueError(f"{path.name} is cut short: {len(table)} whole or half rows")
    return table


def _save_maps(home: Path, name: str, maps: xr.Dataset) -> list[Path]:
    from headwater.grids import write_geotiff, write_netcdf

    flat = {
        variable: values
        for variable, values in maps.data_vars.items()
        if values.dims == ("y", "x") and values.dtype.kind in "fiub"
    }
    known: list[Any] = [np.isfinite(v) for v in flat.values() if v.dtype.kind == "f"]
    inside: xr.DataArray | None = reduce(or_, known) if known else None
    return [
        write_netcdf(maps, home / f"{name}.nc"),
        *(
            write_geotiff(values, home / f"{name}.{key}.tif", inside=inside)
            for key, values in flat.items()
        ),
    ]


def _load_maps(path: Path) -> xr.Dataset:
    from headwater.grids.write import own_words

    with xr.open_dataset(path, engine="h5netcdf", decode_coords="all") as maps:
        return own_words(maps.load())


def _save_table(home: Path, name: str, table: pd.DataFrame) -> tuple[list[Path], dict[str, Any]]:
    flat = isinstance(table.index, pd.RangeIndex) and table.columns.nlevels == 1
    if not flat or not all(isinstance(column, str) for column in table.columns):
        raise TypeError(f"table '{name}' needs flat, named columns and a plain row number")
    layout = {str(column): dtype_as_text(table[column]) for column in table.columns}
    path = home / f"{name}.csv"
    # without its mark, Excel takes UTF-8 for the code page of the machine
    options: Any = {"index": False, "lineterminator": "\n", "encoding": "utf-8-sig"}
    write_whole(path, lambda to: table.to_csv(to, **options))
    return [path], {
        "columns": layout,
        "rows": len(table),
        "attrs": dict(table.attrs),
    }


def _load_table(path: Path, layout: dict[str, Any], attrs: dict[str, Any]) -> pd.DataFrame:
    raw = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    table = pd.DataFrame({name: as_saved(raw[name], kind) for name, kind in layout.items()})
    table.attrs.update(attrs)
    return table
