"""Cells of a study's cube as series next to the stations, so that one interface compares them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import DataError, ResumeError, StudyError, nearest
from headwater.network.times import DAY

if TYPE_CHECKING:
    from headwater.network.entities import Observations, Written
    from headwater.network.ingest.parsed_file import Place
    from headwater.network.store.protocol import Session, Store
    from headwater.study.model import Study

__all__ = ["Pixels", "write_pixels"]

_MOST_VIRTUAL = 5000
_VIRTUAL: dict[str, Any] = {"virtual": True}


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """What was written of the cells.

    Attributes
    ----------
    cube : str
        Where the values come from, such as ``downscaling/soil_moisture.zarr``.
    table : DataFrame
        ``station``, ``datastream``, ``row``, ``column``, ``distance`` [m] to the centre of the
        cell, ``n`` values, and how many of them are ``new`` or ``changed``, or were ``removed``.
    cautions : tuple of str
    """

    cube: str
    table: pd.DataFrame
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Cube:
    """A finished cube: its layers, and what it is known by."""

    name: str
    step: str
    fingerprint: str
    data: xr.Dataset
    study: str
    quantity: str

    @property
    def path(self) -> str:
        return f"{self.step}/{self.name}.zarr"

    @property
    def provenance(self) -> dict[str, Any]:
        from headwater import __version__

        return {
            "study": self.study,
            "cube": self.path,
            "step": self.step,
            "fingerprint": self.fingerprint,
            "program": f"Headwater {__version__}",
        }


def write_pixels(study: Study, store: Store, variable: str, *, every: int | None = None) -> Pixels:
    """Write, at every station's place, the values of the cell that it stands in.

    Parameters
    ----------
    study : Study
        Computed at least up to its grids.
    store : Store
        With stations, whose cells become series of theirs.
    variable : str
        Of the study, changing in time; as downscaled where the study makes it finer.
    every : int, optional
        Make virtual stations instead: every so many cells in both directions one, that stands in
        the store as a station of its own.

    Returns
    -------
    Pixels

    Raises
    ------
    StudyError
        If the study has no such variable.
    ResumeError
        If it has not been computed.
    DataError
        If it does not change in time, no station stands on the grid, or too many cells would.

    Notes
    -----
    Series are marked as derived: quality control leaves them alone, and no mean of the network
    counts them; the warning over stations watches virtual ones where its table says ``cells =
    true``. The sensor is "cell of" the cube; sensor and series say in their properties by
    which study and computation the values were made, the feature of interest is the cell. Writing
    again changes only what has changed, and takes away what has no value any more.
    """
    from headwater.validation.matching import station_cells

    cube = _open(study, variable)
    stations = _stations(store) if every is None else _virtual(cube, every)
    cells = station_cells(stations, cube.data[variable], outside="leave out")
    cells = cells.merge(stations, on="station", how="left") if every is not None else cells
    block = cube.data.isel(
        y=xr.DataArray(cells["row"].to_numpy(), dims="station"),
        x=xr.DataArray(cells["column"].to_numpy(), dims="station"),
    ).compute()
    rows = []
    with store.transaction(actor="pixels") as session:
        _sensor(session, cube)
        for k, cell in enumerate(cells.to_dict("records")):
            written = _write(session, cube, cell, block.isel(station=k))
            rows.append({"station": cell["station"], **written})
    left = cells.attrs.get("outside", ())
    cautions = (f"Outside of the grid, left out: {', '.join(left)}.",) if left else ()
    table = pd.DataFrame(rows)
    table.attrs["units"] = {"distance": "m"}
    return Pixels(cube.path, table, cautions)


def _open(study: Study, variable: str) -> _Cube:
    from headwater.study.folder import finished

    if variable not in study.variables:
        do = nearest(variable, study.variables)
        raise StudyError("the study has no such variable", found=f"'{variable}'", do=do)
    finer = study.downscaling
    step = "downscaling" if finer is not None and finer.of == variable else "grids"
    mark = finished(study.results, step)
    if mark is None:
        raise ResumeError(
            f"the step {step} has not been computed",
            found=str(study.results),
            do=f"headwater run --until {step} {study.file}",
        )
    path = study.results / step / f"{variable}.zarr"
    data = xr.open_zarr(path, decode_coords="all")
    if "time" not in data[variable].dims:
        do = "Choose a variable that changes in time"
        raise DataError(f"{variable} is one map", found="no time", do=do)
    kept = [name for name in (variable, f"{variable}_sd", "days_to_observation") if name in data]
    entry = study.inputs.get(variable)
    quantity = (entry.quantity if entry else None) or variable
    return _Cube(variable, step, mark, data[kept], study.name, quantity)


def _stations(store: Store) -> pd.DataFrame:
    from headwater.network.inventory import list_series

    with store.transaction(read_only=True) as session:
        streams = list_series(session)
    places = {one.thing: one for one in streams if np.isfinite(one.longitude)}
    if not places:
        do = "Ingest stations with their places first"
        raise DataError("the store knows the place of no station", do=do)
    rows = [(one.thing, one.longitude, one.latitude) for one in places.values()]
    return pd.DataFrame(rows, columns=["station", "longitude", "latitude"])


def _virtual(cube: _Cube, every: int) -> pd.DataFrame:
    """Choose cells that have values as virtual stations."""
    from pyproj import Transformer

    from headwater.grids.geometry import geobox_of

    grid = geobox_of(cube.data[cube.name])
    known = (abs(cube.data[cube.name]) < np.inf).any("time").values
    rows, columns = np.nonzero(known)
    chosen = (rows % every == every // 2) & (columns % every == every // 2)
    rows, columns = rows[chosen], columns[chosen]
    if not 0 < len(rows) <= _MOST_VIRTUAL:
        raise DataError(
            "no cell would be a virtual station" if not len(rows) else "too many virtual stations",
            found=f"{len(rows)} of {int(known.sum())} cells with values, every {every}",
            do=f"Choose another --every, for 1 to {_MOST_VIRTUAL} stations",
        )
    project = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    longitude, latitude = project.transform(*(grid.affine * (columns + 0.5, rows + 0.5)))
    return pd.DataFrame(
        {
            "station": [
                f"{cube.study}: cell {row}, {column}"
                for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            ],
            "longitude": longitude,
            "latitude": latitude,
        }
    )


def _sensor(session: Session, cube: _Cube) -> None:
    """Make the virtual sensor, or note in it the latest computation."""
    from headwater.network.entities import Sensor

    name = f"cell of {cube.path}"
    what = cube.data[cube.name].attrs.get("long_name", cube.name)
    sensor = Sensor(
        name=name,
        description=f"{what}, of the cell that the station stands in",
        encoding_type="application/json",
        metadata=cube.provenance,
        properties={"virtual": True},
    )
    found = session.rows("SELECT id FROM sensors WHERE name = ? ORDER BY id", (name,))
    if not found:
        session.add(sensor)
        return
    session.update("sensors", int(found[0][0]), {"metadata": cube.provenance})


def _write(
    session: Session, cube: _Cube, cell: dict[Any, Any], values: xr.Dataset
) -> dict[str, Any]:
    """Write the series of one cell."""
    from headwater.network.derived.write import outdated_keys
    from headwater.network.ingest.load import ensure_series
    from headwater.network.ingest.parsed_file import Series

    series = values[cube.name]
    properties = {
        "derived": "cell of a grid",
        **cube.provenance,
        "row": int(cell["row"]),
        "column": int(cell["column"]),
        "distance_m": round(float(cell["distance"]), 1),
        **({"virtual_station": True} if "longitude" in cell else {}),
    }
    item = Series(
        thing=str(cell["station"]),
        name=f"{cube.name}, cell of {cube.path}",
        quantity=cube.quantity,
        unit=str(series.attrs.get("units", "")),
        sensor=f"cell of {cube.path}",
        properties=properties,
    )
    id = ensure_series(session, item, _place(item.thing, cell))
    _describe(session, id, cube, cell, properties)
    batch = _observations(id, cube, values)
    gone = outdated_keys(session, id, batch)
    removed = session.delete_observations(id, keys=gone) if gone else 0
    reported: Written = session.write(batch)
    return {
        "datastream": id,
        "row": properties["row"],
        "column": properties["column"],
        "distance": properties["distance_m"],
        "n": len(batch),
        "new": reported.inserted,
        "changed": reported.updated,
        "removed": removed,
    }


def _place(station: str, cell: dict[Any, Any]) -> Place:
    """Give the place of a virtual station; the store knows those of the others."""
    from headwater.network.ingest.parsed_file import Place

    if "longitude" not in cell:
        return Place(name=station)
    place = {name: round(float(cell[name]), 6) for name in ("latitude", "longitude")}
    return Place(
        name=station,
        **place,
        description="A cell of a grid, not an instrument",
        properties=dict(_VIRTUAL),
    )


def _describe(
    session: Session, id: int, cube: _Cube, cell: dict[Any, Any], properties: dict[str, Any]
) -> None:
    """Keep provenance up to date, and give the series its cell as feature of interest."""
    from headwater.network.entities import FeatureOfInterest

    session.update("datastreams", id, {"properties": properties})
    outline = _outline(cube, int(cell["row"]), int(cell["column"]))
    known = session.rows("SELECT feature_id FROM datastreams WHERE id = ?", (id,))[0][0]
    if known is not None:
        old = session.rows("SELECT feature FROM features_of_interest WHERE id = ?", (known,))
        if json.loads(old[0][0]) != outline:
            session.update("features_of_interest", int(known), {"feature": outline})
        return
    feature = FeatureOfInterest(
        name=f"Cell of {cube.path} at {cell['station']}",
        description="The cell of the grid that the station stands in",
        feature=outline,
    )
    session.update("datastreams", id, {"feature_id": session.add(feature)})


def _outline(cube: _Cube, row: int, column: int) -> dict[str, Any]:
    """Corners of the cell as GeoJSON [degrees]."""
    from pyproj import Transformer

    from headwater.grids.geometry import geobox_of

    grid = geobox_of(cube.data[cube.name])
    project = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    ring = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    corners = [grid.affine * (column + x, row + y) for x, y in ring]
    shown = [[round(float(v), 7) for v in project.transform(*corner)] for corner in corners]
    return {"type": "Polygon", "coordinates": [shown]}


def _observations(id: int, cube: _Cube, values: xr.Dataset) -> Observations:
    """Values that are there, with their standard error next to them where the cube has it."""
    from headwater.network.entities import Observations

    result = values[cube.name].values.astype(float)
    good = np.isfinite(result)
    time: NDArray[np.int64] = values["time"].values.astype("datetime64[us]").astype(np.int64)
    daily = time.size > 1 and bool((np.median(np.diff(time)) == DAY) and (time % DAY == 0).all())
    columns = {
        word: values[name].values[good].astype(float)
        for name, word in ((f"{cube.name}_sd", "sd"), ("days_to_observation", "days_away"))
        if name in values
    }
    parameters = [
        json.dumps({w: round(float(c[k]), 6) for w, c in columns.items() if np.isfinite(c[k])})
        for k in range(int(good.sum()))
    ]
    return Observations(
        datastream=np.full(int(good.sum()), id),
        time=time[good],
        # what is stored as float32 has seven digits
        result=np.round(result[good], 7),
        time_end=time[good] + DAY if daily else None,
        parameters=parameters if columns else None,  # type: ignore[arg-type]
    )
