"""Where results lie as files, how they are named there, and how the same values come back."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import ResumeError
from headwater.results import MapResult, Result, TableResult, with_fingerprint

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionDtype

__all__ = [
    "HOME_OF_RESULT",
    "as_saved",
    "dtype_as_text",
    "load_result",
    "pack",
    "result_class",
    "save_result",
    "unpack",
    "write_whole",
]

_HOME = "headwater."
HOME_OF_RESULT = {
    "AdjustedTrend": "headwater.variation.results",
    "AlertTable": "headwater.chapters.warning.results",
    "AnnualSeries": "headwater.variation.results",
    "AssociationResult": "headwater.detector.results",
    "AuditReport": "headwater.isotopes.results",
    "BandSeries": "headwater.variation.results",
    "BoundsTable": "headwater.isotopes.mixing.results",
    "BreakTable": "headwater.variation.results",
    "CVMap": "headwater.variation.results",
    "CapacityMap": "headwater.vegetation.results",
    "Collocation": "headwater.validation.collocation",
    "ContrastResult": "headwater.detector.results",
    "CorrelationMap": "headwater.variation.results",
    "CorrelationMatrix": "headwater.variation.results",
    "CorrelationPanels": "headwater.variation.results",
    "CoverMap": "headwater.vegetation.results",
    "CoverSeries": "headwater.vegetation.results",
    "CrossingTable": "headwater.isotopes.results",
    "DetectorScores": "headwater.warning.evaluation",
    "DroughtMap": "headwater.chapters.warning.results",
    "DryYearTable": "headwater.restoration.results",
    "EcologicalResult": "headwater.detector.results",
    "EmmaResult": "headwater.isotopes.mixing.results",
    "EndValueTable": "headwater.vegetation.results",
    "EvaporatedSourceTable": "headwater.isotopes.mixing.results",
    "EvidenceTable": "headwater.chapters.warning.results",
    "FactorResult": "headwater.detector.results",
    "GradeMap": "headwater.vegetation.results",
    "GroupTests": "headwater.isotopes.results",
    "GrowthSeasons": "headwater.vegetation.results",
    "HierarchicalPosterior": "headwater.isotopes.mixing.hierarchical",
    "Identifiability": "headwater.isotopes.mixing.results",
    "IdsaResult": "headwater.detector.spatial_overlay",
    "Importance": "headwater.downscaling.results",
    "InteractionResult": "headwater.detector.results",
    "KrigedMap": "headwater.grids.kriging_maps",
    "LagPanels": "headwater.variation.results",
    "LineTable": "headwater.isotopes.results",
    "LocalMaps": "headwater.detector.local",
    "MapResult": "headwater.results",
    "MixLikelihood": "headwater.isotopes.mixing.results",
    "MixingPosterior": "headwater.isotopes.mixing.results",
    "MixingTable": "headwater.isotopes.mixing.results",
    "MonthlyCorrelation": "headwater.variation.results",
    "MonthlySeries": "headwater.variation.results",
    "NetworkMap": "headwater.chapters.network.maps",
    "OptimalResult": "headwater.detector.results",
    "PairSeriesResult": "headwater.detector.results",
    "PairSharesResult": "headwater.detector.shapley",
    "PlaceGrades": "headwater.vegetation.results",
    "PlanTable": "headwater.restoration.results",
    "PolygonTable": "headwater.isotopes.mixing.results",
    "PosteriorDraws": "headwater.isotopes.mixing.results",
    "PredictiveScore": "headwater.isotopes.mixing.hierarchical_checks",
    "QualityReport": "headwater.isotopes.results",
    "RainSeasons": "headwater.chapters.warning.results",
    "Rehearsal": "headwater.warning.rehearsal",
    "ResponseCurves": "headwater.vegetation.results",
    "ResponseMap": "headwater.vegetation.results",
    "RiskMaps": "headwater.detector.results",
    "RiskResult": "headwater.detector.results",
    "RoughSetPairs": "headwater.detector.rough_sets",
    "RoughSetResult": "headwater.detector.rough_sets",
    "SampleSummary": "headwater.isotopes.results",
    "SampleTable": "headwater.isotopes.results",
    "ScaleResult": "headwater.detector.scale",
    "Scorecard": "headwater.validation.scorecards",
    "SearchResult": "headwater.detector.results",
    "SeasonMap": "headwater.vegetation.results",
    "SeasonMaps": "headwater.variation.results",
    "SeasonalCycle": "headwater.variation.results",
    "SeasonalCycles": "headwater.variation.results",
    "SeriesResult": "headwater.detector.results",
    "SharesResult": "headwater.detector.shapley",
    "ShiftResult": "headwater.detector.torus_shift",
    "SlopeTests": "headwater.isotopes.results",
    "SpadeResult": "headwater.detector.spatial_association",
    "StateMap": "headwater.chapters.warning.results",
    "StationMeasures": "headwater.validation.scorecards",
    "StationScores": "headwater.downscaling.results",
    "Summary": "headwater.variation.results",
    "TableResult": "headwater.results",
    "Timeline": "headwater.chapters.warning.results",
    "TreeInteractionResult": "headwater.detector.tree",
    "TrendFamily": "headwater.variation.trend.compare",
    "TrendMap": "headwater.variation.results",
    "TwinSkill": "headwater.downscaling.results",
    "UnitTable": "headwater.restoration.results",
    "VegetationForecast": "headwater.vegetation.results",
    "VegetationNotes": "headwater.vegetation.results",
    "WorkCalendar": "headwater.restoration.results",
    "ZoneSeries": "headwater.variation.results",
}


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


"""Module of each class of results."""


def result_class(name: str) -> type[Result]:
    """Find a class of results.

    Parameters
    ----------
    name : str
        Its name; files of version 0.1 have ``"module:name"``, of which the module is not asked.

    Returns
    -------
    type

    Raises
    ------
    ValueError
        If there is no such result: a results folder from elsewhere must not make us import
        anything else.
    """
    short = name.rpartition(":")[2]
    if short not in HOME_OF_RESULT:
        raise ValueError(f"'{name}' is no result of Headwater")
    kind: type[Result] = getattr(importlib.import_module(HOME_OF_RESULT[short]), short)
    return kind
