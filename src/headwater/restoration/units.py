"""Management units: read from a map or a table, and refused where they cannot be planned for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.errors import DataError, InputError, StudyError, nearest
from headwater.restoration.measures import AMOUNTS, Site, check_sowing_date
from headwater.restoration.profile import GRADES
from headwater.storage import local_copy, path_of
from headwater.tables import read_table
from headwater.tables.vocabulary import Field

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

__all__ = ["Unit", "UnitRecord", "check_units", "hectares_of", "read_units", "unit_of"]

CRS = "EPSG:4326"
"""Reference system of the outlines of units, longitude first."""

_NUMBERS = {
    "grade_probability": (0.0, 1.0),
    "elevation": (-500.0, 9000.0),
    "slope": (0.0, 90.0),
    "aspect": (0.0, 360.0),
    "soil_depth": (0.0, 100.0),
    "thaw_depth": (0.0, 100.0),
    "seasons": (0.0, 100.0),
    "pika_burrows": (0.0, 1e5),
    "cover": (0.0, 1.0),
    "capacity": (0.0, 1.0),
    "capacity_lower": (0.0, 1.0),
    "coming_water": (0.0, 1.0),
    "warning_share": (0.0, 1.0),
    "seed_rate": (0.0, 1e4),
    "fertiliser_rate": (0.0, 1e5),
    "fencing_years": (0.0, 100.0),
    "hectares": (0.0, 1e9),
}
_FLAGS = ("permafrost", "field_visited")
_TEXTS = ("grade", "protection", "override", "warning", "alert", "sowing_date")
_WARNINGS = ("none", "watch", "warning", "confirmed", "restored")
_OWN_WORDS = {"grade": ("none",), "warning": ("none",)}
_YES = {"true", "yes", "y", "1", "1.0", "t", "是"}
_NO = {"false", "no", "n", "0", "0.0", "f", "", "none", "nan", "否"}
_TABLES = (".csv", ".tsv", ".txt", ".xlsx")


@dataclass(frozen=True, slots=True)
class Unit:
    """A management unit.

    Attributes
    ----------
    name : str
    outline : shapely geometry or None
        Longitude and latitude; None in a plan that was made from a table without outlines.
    hectares : float
    site : Site
    coming_water : float
        Probability that the coming season's water suffices [1]; NaN where not forecast.
    aspect : float
        Clockwise from north; NaN for flat or not known [degrees].
    amounts : mapping
        The user's seed, sowing date, fertiliser and fencing:
        :data:`headwater.restoration.measures.AMOUNTS`.
    """

    name: str
    outline: BaseGeometry | None
    hectares: float
    site: Site
    coming_water: float = float("nan")
    aspect: float = float("nan")
    amounts: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """A unit as its file has it.

    Attributes
    ----------
    name : str
    outline : shapely geometry or None
        Longitude and latitude.
    facts : mapping
        What the file says of it: fields of :class:`headwater.restoration.measures.Site`,
        ``aspect``, ``coming_water`` and ``hectares``.
    """

    name: str
    outline: BaseGeometry | None
    facts: Mapping[str, Any]


def read_units(
    path: str | Path, *, name: str = "name", crs: object = None, encoding: str | None = None
) -> tuple[UnitRecord, ...]:
    """Read management units.

    Parameters
    ----------
    path : str or Path
        GeoPackage, GeoJSON or shapefile with polygons; or a table (CSV, XLSX) without outlines.
    name : str
        Attribute or column with the names of the units.
    crs : pyproj.CRS, int or str, optional
        Of a map that does not say its reference system.
    encoding : str, optional
        Of a shapefile's attributes.

    Returns
    -------
    tuple of UnitRecord

    Raises
    ------
    InputError
        If the file cannot be read, or lacks the names.
    DataError
        If units are nameless, of one name, without area, or overlap; or a value cannot be.

    Notes
    -----
    Other attributes that are read: ``grade``, ``grade_probability`` (or ``probability``) [1],
    ``elevation`` [m], ``slope``, ``aspect`` [degrees], ``soil_depth``, ``thaw_depth`` [m],
    ``permafrost``, ``protection``, ``field_visited``, ``seasons``, ``pika_burrows`` [ha-1],
    ``cover``, ``capacity``, ``capacity_lower``, ``coming_water`` [1], ``hectares``, ``override``,
    ``warning``, ``warning_share`` [1], ``alert``, ``seed_rate``, ``fertiliser_rate`` [kg ha-1],
    ``sowing_date``, ``fencing_years``.
    """
    source = local_copy(path_of(path))
    if source.suffix.lower() in _TABLES:
        names, rows, outlines = _from_table(source, name)
    else:
        names, rows, outlines = _from_map(source, name, crs, encoding)
    records = tuple(
        UnitRecord(called, outline, _facts(called, row))
        for called, outline, row in zip(names, outlines, rows, strict=True)
    )
    check_units(records)
    return records


def unit_of(record: UnitRecord, computed: Mapping[str, Any] | None = None) -> Unit:
    """Make a unit of what its file says, and of what was computed where the file is silent.

    Parameters
    ----------
    record : UnitRecord
    computed : mapping, optional
        As :attr:`UnitRecord.facts`; what the file says wins, for somebody has been there.

    Returns
    -------
    Unit

    Raises
    ------
    DataError
        If grade, elevation or slope is known from neither.
    StudyError
        If the grade is unknown.
    """
    own = _known(record.facts)
    facts = {**_known(computed or {}), **own}
    if "capacity" in own and "capacity_lower" not in own:
        # the bound belongs to the capacity that was computed, not to the one that was given
        facts.pop("capacity_lower", None)
    missing = [key for key in ("grade", "elevation", "slope") if key not in facts]
    if missing:
        raise DataError(
            f"the unit '{record.name}' lacks {' and '.join(missing)}",
            found=f"{', '.join(sorted(facts)) or 'nothing'}",
            do="Add the attribute to the units, or the input or table that it is computed from",
        )
    if facts["grade"] not in GRADES:
        raise StudyError(
            f"an unknown grade of the unit '{record.name}'",
            found=f"'{facts['grade']}'",
            do=nearest(str(facts["grade"]), GRADES),
        )
    asked = {entry.name for entry in fields(Site)}
    site = {"grade_probability": 1.0} | {key: v for key, v in facts.items() if key in asked}
    hectares = facts.get("hectares")
    if hectares is None:
        hectares = math.nan if record.outline is None else float(hectares_of([record.outline])[0])
    if not hectares > 0:
        raise DataError(
            f"the unit '{record.name}' has no area",
            found=f"{hectares:g} ha",
            do="Give a column hectares, or outlines",
        )
    return Unit(
        name=record.name,
        outline=record.outline,
        hectares=float(hectares),
        site=Site(**site),
        coming_water=float(facts.get("coming_water", math.nan)),
        aspect=float(facts.get("aspect", math.nan)),
        amounts={name: facts[name] for name in AMOUNTS if name in facts},
    )


def hectares_of(outlines: Sequence[BaseGeometry]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Measure outlines on the ellipsoid.

    Parameters
    ----------
    outlines : sequence of shapely geometry
        Longitude and latitude.

    Returns
    -------
    ndarray
        [ha]

    Examples
    --------
    >>> import shapely
    >>> hectares_of([shapely.box(100.0, 38.0, 100.01, 38.01)]).round(1).tolist()
    [97.5]
    """
    from pyproj import Geod
    from shapely.geometry.polygon import orient

    ellipsoid = Geod(ellps="WGS84")
    # the sign of an area is the sense of its ring: without one sense for all, parts cancel
    areas = [
        sum(
            ellipsoid.geometry_area_perimeter(orient(part))[0]
            for part in getattr(outline, "geoms", [outline])
        )
        for outline in outlines
    ]
    return np.asarray(areas) / 1e4


def check_units(units: Sequence[Unit | UnitRecord]) -> None:
    """Refuse units that cannot be planned for.

    Parameters
    ----------
    units : sequence of Unit or UnitRecord

    Raises
    ------
    DataError
        If units are empty, nameless, of one name, or overlap by more than one per cent.

    Examples
    --------
    >>> check_units([])
    Traceback (most recent call last):
    headwater.errors.DataError: no management units. Found: 0. Give polygons with names.
    """
    if not units:
        raise DataError("no management units", found="0", do="Give polygons with names")
    seen: set[str] = set()
    for unit in units:
        if not unit.name or unit.name in seen:
            raise DataError(
                "units without a name, or two of one name",
                found=f"'{unit.name}'",
                do="Give each unit a name of its own",
            )
        seen.add(unit.name)
    outlined = [(unit.name, unit.outline) for unit in units if unit.outline is not None]
    if outlined and len(outlined) < len(units):
        bare = next(unit.name for unit in units if unit.outline is None)
        raise DataError("a unit without area", found=bare, do="Give it a polygon, or remove it")
    for called, outline in outlined:
        if outline.is_empty or not outline.is_valid or not outline.area > 0:
            raise DataError(
                "a unit without area, or with an outline that crosses itself",
                found=called,
                do="Correct its polygon",
            )
        west, south, east, north = outline.bounds
        if not (west >= -180.0 and east <= 360.0 and south >= -90.0 and north <= 90.0):
            raise DataError(
                "a unit that lies nowhere on the Earth",
                found=f"{called}, from {west:g}, {south:g} to {east:g}, {north:g}",
                do="Give longitude and latitude, or the reference system of the file",
            )
    _refuse_overlaps(outlined)


def _refuse_overlaps(units: Sequence[tuple[str, BaseGeometry]]) -> None:
    import shapely

    outlines = np.array([outline for _, outline in units], dtype=object)
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    once = first < second
    first, second = first[once], second[once]
    shared = shapely.area(shapely.intersection(outlines[first], outlines[second]))
    smaller = np.minimum(shapely.area(outlines[first]), shapely.area(outlines[second]))
    wrong = np.flatnonzero(shared > 0.01 * smaller)
    if len(wrong):
        pairs = [f"{units[first[i]][0]} and {units[second[i]][0]}" for i in wrong[:3]]
        more = f", and {len(wrong) - 3} pairs more" if len(wrong) > 3 else ""
        raise DataError(
            "units that overlap",
            found="; ".join(pairs) + more,
            do="Correct their outlines: an area must not be planned for twice",
        )


def _from_map(
    path: Path, name: str, crs: object, encoding: str | None
) -> tuple[list[str], list[dict[str, Any]], list[Any]]:
    import shapely
    from pyproj import Transformer

    from headwater.grids.area import read_features

    shapes, columns, system = read_features(path, crs=crs, encoding=encoding)
    _require(path, name, list(columns))
    names = ["" if _is_missing(each) else str(each).strip() for each in columns[name]]
    _refuse_garbled(path, names, encoding)
    for called, shape in zip(names, shapes, strict=True):
        if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon"):
            kind = "nothing" if shape is None else shape.geom_type
            raise DataError(
                f"the unit '{called}' of {path} has no area",
                found=kind,
                do="Draw it as a polygon, or remove it",
            )
    if not system.equals(CRS, ignore_axis_order=True):
        project: Any = Transformer.from_crs(system, CRS, always_xy=True).transform
        shapes = shapely.transform(shapes, project, interleaved=False)
    rows = [
        {key: values[i] for key, values in columns.items() if key != name}
        for i in range(len(names))
    ]
    return names, rows, list(shapes)


def _refuse_garbled(path: Path, names: Sequence[str], encoding: str | None) -> None:
    """Refuse names of a shapefile that does not say how they are encoded."""
    named = (
        encoding is not None or path.suffix.lower() != ".shp" or path.with_suffix(".cpg").exists()
    )
    strange = [name for name in names if not name.isascii()]
    if strange and not named:
        raise InputError(
            f"{path} does not say how its names are encoded",
            found=f"'{strange[0]}', and no {path.with_suffix('.cpg').name}",
            do='Write encoding = "GBK" (or the one it has), or save the units as a GeoPackage',
        )


def _from_table(path: Path, name: str) -> tuple[list[str], list[dict[str, Any]], list[Any]]:
    spelled = {"grade_probability": "gradeprobability probability"}
    wanted = [
        Field(key, "number", spelled.get(key, key.replace("_", "")), "", limits)
        for key, limits in _NUMBERS.items()
    ]
    wanted += [
        Field(key, "text", key.replace("_", ""), words=_OWN_WORDS.get(key, ()))
        for key in (*_FLAGS, *_TEXTS)
    ]
    table = read_table(path, wanted).data
    _require(path, name, [str(column) for column in table])
    names = ["" if _is_missing(each) else str(each).strip() for each in table[name]]
    rows = table.drop(columns=name).to_dict("records")
    return names, [{str(key): v for key, v in row.items()} for row in rows], [None] * len(names)


def _require(path: Path, name: str, columns: list[str]) -> None:
    if name not in columns:
        raise InputError(
            f"{path} does not name its units",
            found=f"attributes {', '.join(columns) or 'none'}",
            do=f"Say which attribute names them. {nearest(name, columns or ['none'])}",
        )


def _facts(unit: str, row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        known = {"probability": "grade_probability"}.get(key.lower(), key.lower())
        if _is_missing(value):
            continue
        if known in _NUMBERS:
            found[known] = _number(unit, known, value)
        elif known in _FLAGS:
            found[known] = _flag(unit, known, value)
        elif known in _TEXTS:
            found[known] = str(value).strip()
    if "grade" in found and found["grade"] not in GRADES:
        raise StudyError(
            f"an unknown grade of the unit '{unit}'",
            found=f"'{found['grade']}'",
            do=nearest(found["grade"], GRADES),
        )
    if found.get("warning", "none") not in _WARNINGS:
        raise StudyError(
            f"an unknown warning of the unit '{unit}'",
            found=f"'{found['warning']}'",
            do=nearest(found["warning"], _WARNINGS),
        )
    if found.get("warning") == "none":
        found["warning"] = ""
    if "sowing_date" in found:
        found["sowing_date"] = check_sowing_date(found["sowing_date"])
    if found.get("capacity_lower", 0.0) > found.get("capacity", 1.0):
        raise DataError(
            f"the unit '{unit}' has a lower bound above its capacity",
            found=f"capacity_lower {found['capacity_lower']:g}, capacity {found['capacity']:g}",
            do="Correct one of them",
        )
    if "seasons" in found:
        found["seasons"] = _whole(found["seasons"], f"seasons of the unit '{unit}'")
    return found


def _whole(value: float, what: str) -> int:
    if value != round(value):
        raise DataError(f"the {what} are no whole number", found=f"{value:g}", do="Count them anew")
    return round(value)


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if not _is_missing(value)}


def _is_missing(value: object) -> bool:
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return bool(isinstance(value, float | np.floating) and not math.isfinite(value))


def _number(unit: str, key: str, value: Any) -> float:
    low, high = _NUMBERS[key]
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high:
        raise DataError(
            f"{key.replace('_', ' ')} of the unit '{unit}' that cannot be",
            found=f"'{value}'",
            do=f"Give a number from {low:g} to {high:g}",
        )
    return number


def _flag(unit: str, key: str, value: object) -> bool:
    text = str(value).strip().lower()
    if text not in _YES | _NO:
        raise DataError(
            f"the unit '{unit}' says neither yes nor no to {key.replace('_', ' ')}",
            found=f"{value!r}",
            do="Write true or false",
        )
    return text in _YES
