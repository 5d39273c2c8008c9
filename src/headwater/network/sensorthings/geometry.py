"""Geospatial functions of ``$filter``, computed by shapely before the query is written.

Geometries live in Locations, FeaturesOfInterest and the observed areas of Datastreams, never in
observations, so that there are thousands of them where there are millions of observations. Each
function is computed for all of them at once, and the query gets the identifiers for which it holds
(or the numbers) as a parameter: the same in either data base, and without PostGIS. Coordinates are
longitude and latitude, and distances are in degrees, as the standard has it.

References
----------
OGC 18-088, table 21; OGC 06-103r4 (simple features) for the relations.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.network.sensorthings.errors import NotImplementedHere, WrongRequest
from headwater.network.sensorthings.expression import (
    Call,
    Expression,
    GeometryTable,
    Literal,
    Path,
    with_parts,
)
from headwater.network.sensorthings.filter_to_sql import resolve
from headwater.network.sensorthings.functions import GEOMETRY_FUNCTIONS
from headwater.network.sensorthings.model import EntitySet

if TYPE_CHECKING:
    from headwater.network.store.protocol import Session

__all__ = ["bare_geometry", "with_tables"]

_SHAPELY = {
    "geo.distance": "distance",
    "geo.intersects": "intersects",
    **{
        f"st_{name}": name
        for name in (
            "equals",
            "disjoint",
            "touches",
            "within",
            "overlaps",
            "crosses",
            "intersects",
            "contains",
        )
    },
}


def bare_geometry(value: object) -> Any:
    """Take the geometry out of a GeoJSON feature; a bare geometry stays as it is.

    Examples
    --------
    >>> bare_geometry({"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}})
    {'type': 'Point', 'coordinates': [1, 2]}
    """
    if isinstance(value, dict) and value.get("type") == "Feature":
        return value.get("geometry")
    return value


def with_tables(expression: Expression, entity: EntitySet, session: Session) -> Expression:
    """Put tables of values in the place of geospatial functions.

    Parameters
    ----------
    expression : Expression
    entity : EntitySet
        What the paths start from.
    session : Session
        To read the geometries from.

    Returns
    -------
    Expression

    Raises
    ------
    WrongRequest
        If a geometry cannot be read, or the arguments do not fit.
    """
    if isinstance(expression, Call) and expression.name in GEOMETRY_FUNCTIONS:
        return _table(expression, entity, session)
    return with_parts(expression, lambda part: with_tables(part, entity, session))


def _table(call: Call, entity: EntitySet, session: Session) -> GeometryTable:
    count, boolean = GEOMETRY_FUNCTIONS[call.name]
    if len(call.arguments) != count:
        found = f"{len(call.arguments)} arguments"
        raise WrongRequest(f"{call.name} takes {count}", found=found)
    sides = call.arguments[:2]
    paths = [side for side in sides if isinstance(side, Path)]
    if len(paths) != 1:
        raise NotImplementedHere(
            f"{call.name} of other than one path and one constant",
            do="Write it as st_within(location, geography'POLYGON((...))')",
        )
    target = resolve(entity, paths[0])
    if target.entry is None or target.entry.kind != "geometry" or target.within:
        found = "/".join(paths[0].steps)[:100]
        raise WrongRequest(f"{call.name} needs a geometry", found=f"'{found}'")
    where = f" WHERE {target.entity.where.format(t='t')}" if target.entity.where else ""
    rows = session.rows(f"SELECT t.id, t.{target.entry.column} FROM {target.entity.table} t{where}")
    return GeometryTable(paths[0], _computed(call, rows), boolean)


def _computed(call: Call, rows: list[tuple[Any, ...]]) -> tuple[tuple[int, Any], ...]:
    import shapely

    texts = [json.dumps(bare_geometry(json.loads(row[1]))) if row[1] else None for row in rows]
    known = shapely.from_geojson(texts, on_invalid="ignore")
    sound = [(row[0], shape) for row, shape in zip(rows, known, strict=True) if shape is not None]
    ids, shapes = [id for id, _ in sound], [shape for _, shape in sound]
    if call.name == "geo.length":
        # of what lies around an area there is no length, as in PostGIS
        values = np.where(shapely.get_dimensions(shapes) == 2, 0.0, shapely.length(shapes))
    elif call.name == "st_relate":
        values = _related(call, shapes)
    else:
        sides = [shapes if isinstance(side, Path) else _constant(side) for side in call.arguments]
        values = getattr(shapely, _SHAPELY[call.name])(*sides)
    return tuple(zip(ids, values.tolist() if ids else [], strict=True))


def _related(call: Call, shapes: list[Any]) -> Any:
    import shapely

    left, right, pattern = call.arguments
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        raise WrongRequest("st_relate needs a pattern", do="Such as 'T*F**F***'")
    sides: list[Any] = [
        shapes if isinstance(side, Path) else _constant(side) for side in (left, right)
    ]
    try:
        return shapely.relate_pattern(sides[0], sides[1], pattern.value)
    except (shapely.errors.ShapelyError, ValueError):
        found = f"'{pattern.value[:40]}'"
        raise WrongRequest("not a pattern of st_relate", found=found) from None


def _constant(side: Expression) -> Any:
    import shapely

    if not isinstance(side, Literal) or side.kind != "geometry":
        raise WrongRequest("a geometry is needed", do="Write it as geography'POINT(97.5 35.1)'")
    text = side.value.partition(";")[2] if side.value.startswith("SRID=") else side.value
    try:
        return shapely.from_wkt(text)
    except shapely.errors.ShapelyError:
        found = f"'{side.value[:100]}'"
        raise WrongRequest("not a geometry in well-known text", found=found) from None
