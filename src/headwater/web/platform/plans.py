"""Work plans that are shown and decided on, and management units drawn in the browser."""

from __future__ import annotations

import json
import secrets
import threading
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headwater.errors import DataError, InputError
from headwater.network.sensorthings.errors import Conflict, NotFound
from headwater.restoration.plan import Plan, State
from headwater.web.platform.grid import Grid
from headwater.web.platform.series import cells_of

__all__ = [
    "Plans",
    "add_unit",
]

_LOCK = threading.Lock()
_DEGREES = ("CRS84", "4326")


class Plans:
    """Plans of studies by the name of their study, which a browser may use.

    Parameters
    ----------
    places : callable
        Gives the results folder of each study by name.
    """

    def __init__(self, places: Callable[[], Mapping[str, Path]]) -> None:
        self._places = places

    def _files(self) -> dict[str, Path]:
        files = {name: at / "restoration" / "plan.geojson" for name, at in self._places().items()}
        return {name: path for name, path in files.items() if path.is_file()}

    @property
    def names(self) -> tuple[str, ...]:
        """Studies that have a plan."""
        return tuple(self._files())

    def _path(self, name: str) -> Path:
        found = self._files().get(name)
        if found is None:
            do = "Give the study file a table [restoration] with your units, and run it again"
            raise NotFound("this study has no work plan", found=f"'{name[:60]}'", do=do)
        return found

    def read(self, name: str) -> Plan:
        """Read a plan.

        Parameters
        ----------
        name : str
            Of its study.

        Returns
        -------
        Plan

        Raises
        ------
        NotFound
            If the study has none.
        InputError
            If the file is no plan.
        """
        from headwater.restoration import load_plan

        return load_plan(self._path(name))

    def move(
        self, name: str, units: tuple[str, ...], state: State, *, person: str, comment: str
    ) -> Plan:
        """Move units of a plan on; all of them or none.

        Raises
        ------
        StudyError
            If a step is not allowed, or lacks its comment.
        Conflict
            If the study is making a new plan just now, which could miss the decision.
        """
        from headwater.restoration import change_plan

        if (self._path(name).parent.parent / ".running-restoration").exists():
            do = "Decide in a minute, on the new plan"
            raise Conflict("a new plan is being made", found=f"'{name[:60]}'", do=do)
        return change_plan(self._path(name), units, state, person=person, comment=comment)

    def table(self, name: str, language: str) -> list[dict[str, Any]]:
        """Give a plan as rows, one for each measure of each unit."""
        from headwater.restoration import plan_table

        held = plan_table(self.read(name), language=language)
        known = held.astype(object).where(held.notna(), None)
        return [{str(key): value for key, value in row.items()} for row in known.to_dict("records")]


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
