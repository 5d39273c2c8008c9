"""Tables of points as inputs of a study: a lattice of points is a grid, stations are kriged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError
from headwater.tables import read_table
from headwater.tables.options import DEFAULTS, ReadingOptions
from headwater.tables.report import LeftOut, name_rows
from headwater.tables.vocabulary import Field, fields_named

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.glossary import Term
    from headwater.grids._layers import Wish
    from headwater.grids.area import Area
    from headwater.tables.read import Table

__all__ = ["is_point_table", "open_points"]

_TABLES = (".csv", ".tsv", ".xlsx", ".xls")
_TEXTS = (".txt", ".dat")
_FIELDS = ("station", "longitude", "latitude", "time", "depth_top", "depth_bottom", "depth")
_VALUES = "value values val wert 值 数值"
"""What the numbers of a table are headed with that holds several quantities under each other."""
_FEWEST = 8
"""Stations below which no variogram can be fitted."""
_SIDE = 48
"""Cells along the longer side of a grid that is kriged from stations."""
_NEAR = 1e-3
"""Departure from a lattice that rounding of coordinates makes, in cells."""
# What tables of a quantity head its column with, besides its own name.
_SPELLINGS = {
    "precipitation": "precip prec pre rain rainfall ppt pr tp p amount 降水量 降水 降雨量 雨量",
    "temperature": "t temp tair tas t2m tmean ta airtemperature 气温 平均气温 温度",
    "soil_moisture": "sm theta vwc swc swvl1 mv 土壤湿度 土壤水分 土壤含水量 土壤体积含水量",
    "evapotranspiration": "et eta aet e evap 蒸散发 实际蒸散发 蒸散量",
    "potential_evapotranspiration": "pet et0 eto pev 潜在蒸散发 参考蒸散发",
    "surface_temperature": "lst skt ts 地表温度",
    "soil_temperature": "st tsoil stl1 土壤温度 地温",
    "ndvi": "ndvi 植被指数",
    "elevation": "altitude alt elev z dem h 海拔 高程",
    "snow_melt": "smlt melt 融雪量",
    "net_radiation": "rn netrad 净辐射",
}


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Values (time, place) of points, or (1, place) where they have no times."""

    places: Any
    times: Any
    values: Any


def is_point_table(source: str | Path | Sequence[str | Path]) -> bool:
    """Whether an input is a table, by the name of its first file and, for texts, what it holds.

    Examples
    --------
    >>> is_point_table("stations.csv"), is_point_table("dem.tif")
    (True, False)
    """
    first = source if isinstance(source, str | Path) else next(iter(source), "")
    path = Path(first)
    if path.suffix.lower() in _TABLES:
        return True
    if path.suffix.lower() not in _TEXTS or not path.is_file():
        return False
    head = path.read_bytes()[:400]
    grid = head.lstrip()[:5].lower() in (b"ncols", b"nrows")
    return not grid and not any(byte < 9 for byte in head)


def open_points(
    source: str | Path | Sequence[str | Path],
    quantity: Term,
    *,
    area: Area | None = None,
    reading: ReadingOptions = DEFAULTS,
    options: dict[str, Any] | None = None,
) -> xr.DataArray:
    r"""Open a quantity from tables of points, on a grid.

    Parameters
    ----------
    source : path, glob pattern, or list of them
        CSV, TSV or XLSX with longitude, latitude [degree], a column of the quantity and, unless it
        lasts, time.
    quantity : Term
        What the values are.
    area : Area, optional
        That a grid from stations covers, besides the stations.
    reading : ReadingOptions
        What the tables leave open.
    options : dict, optional
        Of :class:`headwater.grids.open.ReadOptions`; ``variable`` names the column.

    Returns
    -------
    DataArray (time, y, x) or (y, x)
        As of :func:`headwater.grids.open_grid`; the report of the reading is in the notes.

    Raises
    ------
    InputError
        If columns are missing, one place has two values at one time, or depths are mixed.
    DataError
        If points make no lattice, and are too few to be kriged.
    UnitError, TimeAxisError
        As :func:`headwater.grids.open_grid`.

    Notes
    -----
    Points on a regular lattice (as exported from a reanalysis) are the centres of its cells. Other
    points are kriged (ordinary kriging, all stations, variogram pooled over the times) onto a grid
    of 48 cells along its longer side, which covers stations and area; of quantities that are never
    negative, what kriging gives below zero is set to zero. The error from leaving out each station
    is in the notes.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from headwater.glossary import term
    >>> text = "lon,lat,elevation (m)\n95,36,10\n96,36,20\n95,37,30\n96,37,40\n"
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "z.csv"
    ...     _ = path.write_text(text)
    ...     open_points(path, term("elevation")).values.tolist()
    [[30.0, 40.0], [10.0, 20.0]]
    """
    from headwater.grids._files import find_files
    from headwater.grids._layers import Wish
    from headwater.grids.open import open_layer

    given = dict(options or {})
    files = find_files(source)
    wish = Wish(quantity, float(given.get("chunk_mb", 16.0)), given)
    tables = [_read(path, quantity, given.get("variable"), reading) for path in files]
    points = _gathered(tables, files, quantity)
    notes = [line for table in tables for line in table.report.choices()]
    warnings = [f"assumed: {text}" for table in tables for text in table.report.guesses]
    layer = _layer(points, tables[0], wish, files[0])
    grid = _lattice(points.places)
    if grid is None:
        layer, words = _kriged(points, layer, quantity, area)
    else:
        layer, words = _on_lattice(points, layer, grid)
    layer = replace(
        layer, notes=(words, *notes, *layer.notes), warnings=(*layer.warnings, *warnings)
    )
    return open_layer(layer, wish, files)


def _read(path: Path, quantity: Term, column: str | None, reading: ReadingOptions) -> Table:
    spellings = " ".join(
        [
            quantity.name.replace("_", ""),
            quantity.long_name.lower().replace(" ", ""),
            _SPELLINGS.get(quantity.name, ""),
        ]
    )
    own = Field(quantity.name, "number", spellings)
    known = [name for name in _FIELDS if name != quantity.name]
    table = read_table(path, fields_named(known), options=reading)
    long = _long(table, {column} if column else set(spellings.split()))
    if long is None:
        columns = {quantity.name: column} if column else None
        table = read_table(path, (own, *fields_named(known)), columns=columns, options=reading)
    else:
        sought = (replace(own, spellings=_VALUES), *fields_named(known))
        table = _rows_of(read_table(path, sought, options=reading), *long)
    lost = [
        name for name in ("longitude", "latitude", quantity.name) if name not in table.data.columns
    ]
    if quantity.total != "none" and "time" not in table.data.columns:
        lost.append("time")
    if lost:
        raise InputError(
            f"{path} has no column {' and none '.join(lost)}",
            found=f"columns {', '.join(map(str, table.data.columns))}",
            do="Name the column of the values: variable = '...'; places are longitude and latitude",
        )
    return table


def _long(table: Table, names: set[str]) -> tuple[str, str] | None:
    """Find the column that names what each row holds, and the name that is wanted."""
    heads = {str(name).lower() for name in table.data.columns}
    if not heads & set(_VALUES.split()):
        return None
    found = []
    for head in table.report.kept:
        words = table.data[head].dropna()
        if not pd.api.types.is_numeric_dtype(words):
            known = {w for w in map(str, words.unique()) if w in names or _plain(w) in names}
            found += [(head, word) for word in sorted(known)]
    return found[0] if len(found) == 1 else None


def _plain(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).lower()


def _rows_of(table: Table, head: str, word: str) -> Table:
    """Keep the rows of one quantity of a table that holds several under each other."""
    kept = table.data[table.data[head] == word]
    report = table.report
    others = LeftOut(f"{head} is not {word}", tuple(table.data.index.difference(kept.index)))
    left = (*report.left_out, others) if len(others.rows) else report.left_out
    report = replace(report, n_rows=len(kept), left_out=left)
    return replace(table, data=kept, report=report)


def _refuse_beyond_poles(frame: pd.DataFrame, name: str) -> None:
    north, east = (float(frame[one].abs().max()) for one in ("latitude", "longitude"))
    if north <= 90.0 and east <= 360.0:
        return
    turned = east <= 90.0 and north <= 360.0
    raise InputError(
        f"{name} has places off the Earth",
        found=f"latitudes up to {north:g}, longitudes up to {east:g} degree",
        do="Exchange the names of longitude and latitude, which seem to stand under each other's"
        if turned
        else "Give longitude and latitude in degrees",
    )


def _gathered(tables: Sequence[Table], files: Sequence[Path], quantity: Term) -> _Points:
    """Values by time and place, after a look at depths and at what is said twice."""
    frame = pd.concat([table.data for table in tables])
    frame = frame.dropna(subset=["longitude", "latitude"])
    if frame.empty:
        raise InputError(
            f"{files[0].name} holds no place",
            found="no row with a longitude and a latitude that can be",
            do="Give longitude and latitude in degrees",
        )
    _refuse_beyond_poles(frame, files[0].name)
    for name in ("depth_top", "depth_bottom"):
        found = np.unique(frame[name].dropna()) if name in frame else np.empty(0)
        if found.size > 1:
            raise InputError(
                f"{files[0].name} mixes depths",
                found=f"{name} {', '.join(f'{v:g}' for v in found)} m",
                do="Give one table for each layer",
            )
    if "time" not in frame:
        frame = frame.assign(time=pd.Timestamp(0))
    frame = frame.dropna(subset=["time"])
    key = ["longitude", "latitude", "time"]
    twice = frame[frame.duplicated(key, keep=False)]
    if len(twice):
        raise InputError(
            f"{files[0].name}: one place has two values at one time",
            found=name_rows([int(row) for row in twice.index]),
            do="Keep one of them, or give one table for each series",
        )
    wide = frame.set_index(key)[quantity.name].unstack(key[:2])  # noqa: PD010
    if wide.notna().to_numpy().sum() == 0:
        raise DataError(
            f"every value of '{quantity.name}' in {files[0].name} is missing",
            found=f"{len(frame)} rows",
            do="Correct the column: variable = '...'",
        )
    places = np.array(list(wide.columns), dtype=float)
    return _Points(places, wide.index.to_numpy("datetime64[ns]"), wide.to_numpy(float))


def _layer(points: _Points, table: Table, wish: Wish, path: Path) -> Any:
    """Make what a file would be read as, still by place; fills and ranges as given are obeyed."""
    import xarray as xr

    from headwater.grids._axes import known_crs
    from headwater.grids._layers import Layer
    from headwater.grids._values import packing_of, unpacked

    raw = xr.Variable(("time", "place"), points.values)
    packing, notes = packing_of(raw, wish.options, path, wish.quantity)
    values = unpacked(raw, packing)
    heads = {entry.name: entry for entry in table.report.recognised}
    column = heads.get(wish.quantity.name)
    own = column.unit if column else ""
    name = column.column if column else wish.quantity.name
    data = xr.DataArray(values, name=name, attrs={"source_units": own})
    data.attrs["stored"] = f"{packing.scale!r} {packing.offset!r}"
    units = wish.get("units") or own or None
    crs = known_crs(wish.get("crs") or 4326)
    return Layer(path, data, units, None, crs, True, notes)


def _lattice(places: Any) -> tuple[Any, Any] | None:
    """Centres (x, y) of a regular lattice that holds all places; None where there is none."""
    axes = []
    for column in (0, 1):
        values = np.unique(places[:, column])
        if values.size < 2:
            return None
        gaps = np.diff(values)
        step = float(np.median(gaps))
        near = gaps > _NEAR * step  # a place written with fewer digits is the same place
        step = float(gaps[near].min()) if near.any() else 0.0
        count = round((values[-1] - values[0]) / step) if step else 0
        if not 1 <= count <= 4 * values.size:
            return None
        index = (values - values[0]) / ((values[-1] - values[0]) / count)
        if np.abs(index - np.round(index)).max() > 20 * _NEAR:
            return None
        axes.append(np.linspace(values[0], values[-1], count + 1))
    x, y = axes
    # scattered stations may share coordinates by chance; a lattice is mostly filled
    return (x, y) if len(places) > max(0.5 * x.size * y.size, 3) else None


def _on_lattice(points: _Points, layer: Any, grid: tuple[Any, Any]) -> tuple[Any, str]:
    import xarray as xr

    x, y = grid
    column = np.abs(points.places[:, :1] - x).argmin(axis=1)
    row = np.abs(points.places[:, 1:] - y).argmin(axis=1)
    stored = np.asarray(layer.data.values)
    cube = np.full((len(stored), y.size, x.size), np.nan, dtype=stored.dtype)
    cube[:, row, column] = stored
    data = xr.DataArray(
        cube[:, ::-1], {"y": y[::-1], "x": x}, ("time", "y", "x"), layer.data.name, layer.data.attrs
    )
    empty = x.size * y.size - len(points.places)
    more = f", {empty} of its cells without a point" if empty else ""
    words = f"{len(points.places)} points are the centres of a lattice of {y.size} x {x.size}{more}"
    return replace(layer, data=_dated(data, points)), words


def _dated(data: xr.DataArray, points: _Points) -> xr.DataArray:
    if len(points.times) == 1 and points.times[0] == np.datetime64(0, "ns"):
        return data.isel(time=0, drop=True).chunk()
    return data.assign_coords(time=("time", points.times)).chunk()


def _kriged(points: _Points, layer: Any, quantity: Term, area: Area | None) -> tuple[Any, str]:
    """Krige stations onto a grid of their own; its cells are finer than stations are apart."""
    import xarray as xr

    from headwater.grids.kriging_maps import krige_stations
    from headwater.grids.variogram import empirical_variogram, fit_variogram

    if len(points.places) < _FEWEST or quantity.kind != "continuous":
        kind = "" if quantity.kind == "continuous" else f" of a {quantity.kind} quantity"
        raise DataError(
            f"the points of {layer.path.name} make no lattice, and cannot be kriged",
            found=f"{len(points.places)} places{kind}",
            do=f"Give at least {_FEWEST} stations, the points of a regular lattice, or a grid",
        )
    stored = np.asarray(layer.data.values, dtype=float)
    variogram = fit_variogram(empirical_variogram(points.places, stored, geographic=True))
    series = xr.DataArray(stored, dims=("time", "station"), name="value")
    kriged = krige_stations(series, points.places, _grid_of(points.places, area), variogram)
    # zero is the same in any unit of such a quantity
    floor = 0.0 if quantity.valid_range[0] == 0.0 else None
    data = kriged.data["value"].clip(floor).rename(layer.data.name).astype("f4")
    data = data.drop_vars("spatial_ref").assign_attrs(layer.data.attrs)
    found = kriged.data.attrs
    words = (
        f"{len(points.places)} stations kriged ({variogram.model}, effective range "
        f"{variogram.effective_range / 1000:.3g} km); leaving out each station, the error is "
        f"{found['loo_rmse']:.3g} {layer.units or ''} (root mean square of {found['loo_n']}) "
        f"and {found['loo_bias']:+.2g} on average"
    )
    return replace(layer, data=_dated(data, points)), words


def _grid_of(places: Any, area: Area | None) -> GeoBox:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    west, south = places.min(axis=0)
    east, north = places.max(axis=0)
    if area is not None:
        a, b, c, d = area.to_crs("EPSG:4326").bounds
        west, south, east, north = min(west, a), min(south, b), max(east, c), max(north, d)
    cell = max(east - west, north - south) / (_SIDE - 2)
    columns, rows = (int(np.ceil(side / cell)) + 2 for side in (east - west, north - south))
    return GeoBox(
        (rows, columns), Affine(cell, 0, west - cell, 0, -cell, north + cell), "EPSG:4326"
    )
