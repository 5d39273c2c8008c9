"""What the store holds: every numeric series with its station, property, depth and place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headwater.glossary import GLOSSARY
from headwater.network.store.protocol import Session

__all__ = ["Stream", "distance", "list_series", "role_of"]

_SQL = (
    "SELECT d.id, d.name, d.unit_of_measurement, d.properties, d.thing_id, t.name, o.name,"
    " o.definition, d.observation_count, d.first_time, d.last_time,"
    " (SELECT l.location FROM locations l JOIN things_locations tl ON tl.location_id = l.id"
    "  WHERE tl.thing_id = d.thing_id ORDER BY l.id LIMIT 1)"
    " FROM datastreams d JOIN things t ON t.id = d.thing_id"
    " JOIN observed_properties o ON o.id = d.observed_property_id WHERE d.multi = 0"
    " ORDER BY t.name, d.id"
)
_STANDARD = {term.standard_name: name for name, term in GLOSSARY.items() if term.standard_name}
_ALIASES = {
    "soil_water_content": "soil_moisture",
    "volumetric_water_content": "soil_moisture",
    "moisture_content_of_soil_layer": "soil_moisture",
    "air_temperature": "temperature",
    "rain": "precipitation",
    "rainfall": "precipitation",
    "precipitation_amount": "precipitation",
    "battery": "battery_voltage",
    "battery_voltage": "battery_voltage",
}


@dataclass(frozen=True, slots=True)
class Stream:
    """One numeric series of the store.

    Attributes
    ----------
    id, thing_id : int
    name, thing : str
    role : str
        Word of the glossary, or ``battery_voltage``, or the name of the observed property.
    unit : str
    depth : float or None
        [m]
    longitude, latitude, elevation : float
        [degrees, degrees, m]; NaN where unknown.
    count : int
    first, last : int or None
        [µs]
    properties : dict
    """

    id: int
    thing_id: int
    name: str
    thing: str
    role: str
    unit: str
    depth: float | None
    longitude: float
    latitude: float
    elevation: float
    count: int
    first: int | None
    last: int | None
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def derived(self) -> bool:
        """Whether it was made from other series."""
        return "derived" in self.properties

    @property
    def of_virtual_station(self) -> bool:
        """Whether it is of a cell of a grid that stands in the store as a station of its own."""
        return self.derived and bool(self.properties.get("virtual_station"))


def role_of(name: str, definition: str = "") -> str:
    """Find the word of the glossary for an observed property.

    Parameters
    ----------
    name : str
    definition : str
        URI whose last part may be a CF standard name.

    Returns
    -------
    str

    Examples
    --------
    >>> role_of("Air Temperature"), role_of("T", "http://x/standard_name/soil_temperature/")
    ('temperature', 'soil_temperature')
    """
    last = definition.rstrip("/").rpartition("/")[2]
    for word in (name.strip().lower().replace(" ", "_").replace("-", "_"), last):
        if word in GLOSSARY:
            return word
        if word in _STANDARD or word in _ALIASES:
            return _STANDARD.get(word) or _ALIASES[word]
    return name


def list_series(session: Session, *, derived: bool = False, virtual: bool = False) -> list[Stream]:
    """List the numeric series of the store.

    Parameters
    ----------
    session : Session
    derived : bool
        Those that were made from others, too.
    virtual : bool
        Of these, those of virtual stations.

    Returns
    -------
    list of Stream
        By station.
    """
    streams = [_stream(row) for row in session.rows(_SQL)]
    return [
        stream
        for stream in streams
        if derived or not stream.derived or (virtual and stream.of_virtual_station)
    ]


def _stream(row: Sequence[Any]) -> Stream:
    unit, properties = json.loads(row[2]), json.loads(row[3] or "{}") or {}
    longitude, latitude, elevation = _coordinates(row[11])
    depth = properties.get("depth")
    return Stream(
        id=int(row[0]),
        thing_id=int(row[4]),
        name=row[1],
        thing=row[5],
        role=role_of(row[6], row[7] or ""),
        unit=str(unit.get("symbol", "")) if isinstance(unit, dict) else "",
        depth=float(depth) if isinstance(depth, int | float) else None,
        longitude=longitude,
        latitude=latitude,
        elevation=elevation,
        count=int(row[8]),
        first=row[9],
        last=row[10],
        properties=properties,
    )


def _coordinates(text: str | None) -> tuple[float, float, float]:
    """Coordinates of a GeoJSON point, or of a feature of one."""
    held = json.loads(text) if text else {}
    if isinstance(held, dict) and held.get("type") == "Feature":
        held = held.get("geometry") or {}
    if not isinstance(held, dict) or held.get("type") != "Point":
        return float("nan"), float("nan"), float("nan")
    numbers = [float(number) for number in held["coordinates"][:3]]
    longitude, latitude, elevation = [*numbers, *[float("nan")] * (3 - len(numbers))]
    return longitude, latitude, elevation


def distance(one: Stream, other: Stream) -> float:
    """Great circle between the stations of two series [km]; NaN where a place is unknown.

    Examples
    --------
    >>> at = lambda y: Stream(1, 1, "", "", "", "", None, 0.0, y, 0.0, 0, None, None)
    >>> round(distance(at(0.0), at(1.0)), 1)
    111.2
    """
    lon, lat = (
        np.radians([one.longitude, other.longitude]),
        np.radians([one.latitude, other.latitude]),
    )
    half = np.sin(np.diff(lat) / 2) ** 2 + np.cos(lat).prod() * np.sin(np.diff(lon) / 2) ** 2
    return float(2 * 6371.0 * np.arcsin(np.sqrt(half))[0])
