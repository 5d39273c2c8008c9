"""Management units drawn in the browser: checked with those that there are, then added to them."""

from __future__ import annotations

import json
import secrets
import threading
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headwater.errors import DataError, InputError
from headwater.web.platform.grid import Grid
from headwater.web.platform.series import cells_of

__all__ = ["add_unit"]

_LOCK = threading.Lock()
_DEGREES = ("CRS84", "4326")


def add_unit(
    file: Path, grid: Grid, corners: Sequence[tuple[float, float]], facts: dict[str, Any]
) -> int:
    """Add a unit to the units of a study.

    Parameters
    ----------
    file : Path
        The study file; its ``[restoration]`` names the units.
    grid : Grid
        Of the study.
    corners : sequence of (column, row)
        In cells from the corner of the first one.
    facts : dict
        Attributes of the unit: ``name``, and what is known of it.

    Returns
    -------
    int
        How many units there are now.

    Raises
    ------
    InputError
        If the study has no file of units that can be added to.
    WrongRequest
        If the outline is none, or holds no cell of the study.
    DataError
        If the unit has the name of another, or lies over it.
    """
    from headwater.restoration import read_units
    from headwater.restoration.units import check_units

    target, key = _units_of(file)
    cells_of(grid, corners)
    ring = [list(grid.to_ground(column, row)) for column, row in [*corners, corners[0]]]
    feature = {
        "type": "Feature",
        "properties": {key: facts["name"], **{k: v for k, v in facts.items() if k != "name"}},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    with _LOCK:
        whole = _read(target)
        trial = target.with_name(f".{secrets.token_hex(6)}{target.suffix}")
        try:
            both = {**whole, "features": [*whole["features"], feature]}
            trial.write_text(json.dumps(both, ensure_ascii=False, indent=1), encoding="utf-8")
            records = read_units(trial, name=key)
            check_units(records)
            trial.replace(target)
        finally:
            trial.unlink(missing_ok=True)
    return len(records)


def _units_of(file: Path) -> tuple[Path, str]:
    table = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("restoration", {})
    units = table.get("units")
    if not isinstance(units, str):
        raise InputError(
            "this study plans no work",
            found=file.name,
            do="Add a table [restoration] with a file of units to the study file",
        )
    target = (file.parent / units).resolve()
    if target.suffix not in {".geojson", ".json"}:
        do = "Export the units as GeoJSON and name that file in [restoration]"
        raise InputError("units can be added to GeoJSON alone", found=target.name, do=do)
    if not target.is_relative_to(file.parent.resolve()):
        do = "Add the unit to that file where it is kept"
        raise InputError("the units lie outside of the study's folder", found=target.name, do=do)
    return target, str(table.get("name", "name"))


def _read(target: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8-sig"))
    named = json.dumps(found.get("crs", "CRS84"))
    if not isinstance(found.get("features"), list) or not any(one in named for one in _DEGREES):
        raise DataError(
            "the units are no collection of features in longitude and latitude",
            found=target.name,
            do="Save them as GeoJSON in EPSG:4326",
        )
    return found
