"""Write what was read: stations and series that are not there yet, then their observations."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import InputError
from headwater.glossary import GLOSSARY
from headwater.network.entities import (
    Datastream,
    FeatureOfInterest,
    HistoricalLocation,
    Location,
    Observations,
    ObservedProperty,
    Sensor,
    Thing,
    Written,
)
from headwater.network.ingest.parsed_file import Place, Reading, Series
from headwater.network.quality.clock import CONFIRMED, clock_state, parameters_of
from headwater.network.store.protocol import Session, Store

__all__ = ["Loaded", "ensure_series", "load_reading"]

_CHUNK = 250_000
"""Observations of one transaction."""
_UCUM = {
    "m3 m-3": "m3/m3",
    "degC": "Cel",
    "mm": "mm",
    "1": "1",
    "W m-2": "W/m2",
    "kPa": "kPa",
    "V": "V",
    "degree": "deg",
}


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """What became of a reading in the store.

    Attributes
    ----------
    written : Written
    datastreams : dict of int
        Identifier by key of the series.
    spans : dict of tuple of int
        First and last time that was handed over, by identifier [µs].
    reading : Reading
        As it was written: what a person has confirmed of a clock is marked as confirmed.
    missing : int
        Missing values, which were not written unless asked for.
    """

    written: Written
    datastreams: dict[str, int]
    spans: dict[int, tuple[int, int]]
    reading: Reading
    missing: int = 0


def load_reading(
    reading: Reading,
    store: Store,
    *,
    missing: bool = False,
    known: dict[str, int] | None = None,
    actor: str | None = "ingest",
) -> Loaded:
    """Write a reading; writing it again changes nothing.

    Stations are known by their name, series by their name within the station.

    Parameters
    ----------
    reading : Reading
    store : Store
    missing : bool
        Write missing values too, as null: they then withdraw what an earlier file said.
    known : dict of int, optional
        Identifiers by key, from an earlier call, which are not looked up again.
    actor : str, optional
        For the audit trail.

    Returns
    -------
    Loaded

    Raises
    ------
    InputError
        If a series is in the store in another unit; nothing is written then.
    StoreError
        If the store is full, busy or out of reach; what was written stays, and the same call goes
        on from there.

    Examples
    --------
    >>> import tempfile
    >>> from headwater.network import open_store
    >>> from headwater.network.ingest.geojson import read_geojson
    >>> text = b'''{"type": "Feature", "geometry": {"type": "Point", "coordinates": [99.1, 35.2]},
    ... "properties": {"station": "Upper", "time": "2026-07-01T00:00Z", "value": 0.31,
    ... "property": "soil_moisture", "unit": "m3 m-3"}}'''
    >>> with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/net.db") as store:
    ...     once = load_reading(read_geojson(text), store).written
    ...     again = load_reading(read_geojson(text), store).written
    >>> once.inserted, again.unchanged
    (1, 1)
    """
    ids = {key: (known or {}).get(key, 0) for key in reading.series}
    if not all(ids.values()) or set(reading.places) - {
        item.thing for item in reading.series.values()
    }:
        with store.transaction(actor=actor) as session:
            for place in reading.places.values():
                _thing(session, place)
            for key, item in reading.series.items():
                ids[key] = ids[key] or ensure_series(session, item, reading.places.get(item.thing))
    reading = _as_confirmed(reading, ids, store)
    batch = _observations(reading, ids, missing)
    written = Written()
    for start in range(0, len(batch), _CHUNK):
        written += store.write(batch.take(slice(start, start + _CHUNK)), actor=actor)
    return Loaded(written, ids, _spans(batch), reading, 0 if missing else reading.missing)


def _observations(reading: Reading, ids: dict[str, int], missing: bool) -> Observations:
    frame = reading.data if missing else reading.data[reading.data["value"].notna()]
    known = frame["series"].cat.categories
    stream = np.array([ids[key] for key in known] or [0])[frame["series"].cat.codes.to_numpy()]
    time = frame["time"].to_numpy("datetime64[us]").astype(np.int64)
    order = np.lexsort((time, stream))
    parameters = None
    clock = frame["clock"].to_numpy() if "clock" in frame else np.zeros(len(frame), dtype=np.int64)
    if frame["flag"].notna().any() or clock.any():
        flags = [None if pd.isna(flag) else flag for flag in frame["flag"]]
        pairs = list(zip(flags, np.sign(clock).tolist(), strict=True))
        texts = {pair: parameters_of(*pair) for pair in set(pairs)}
        parameters = np.array([texts[pair] for pair in pairs], dtype=object)[order]
    return Observations(
        datastream=stream[order],
        time=time[order],
        result=frame["value"].to_numpy()[order],
        parameters=parameters,
    )


def _as_confirmed(reading: Reading, ids: dict[str, int], store: Store) -> Reading:
    """Keep what a person has confirmed of a clock that was set back: the file says it anew."""
    frame = reading.data
    if "clock" not in frame or not (frame["clock"] > 0).any():
        return reading
    clock = frame["clock"].to_numpy().copy()
    marked = frame[(frame["clock"] > 0) & frame["value"].notna()]
    for _, rows in marked.groupby(["series", "clock"], observed=True):
        key, event = str(rows["series"].iloc[0]), int(rows["clock"].iloc[0])
        at = int(rows["time"].to_numpy("datetime64[us]").astype(np.int64).min())
        there = store.read([ids[key]], at, at + 1).parameters
        if there is not None and any(clock_state(text) == CONFIRMED for text in there):
            clock[(frame["series"] == key).to_numpy() & (clock == event)] = -event
    return replace(reading, data=frame.assign(clock=clock))


def _spans(batch: Observations) -> dict[int, tuple[int, int]]:
    ids, starts = np.unique(batch.datastream, return_index=True)
    ends: NDArray[Any] = np.append(starts[1:], len(batch))[: len(ids)]
    return {
        int(id): (int(batch.time[a]), int(batch.time[b - 1]))
        for id, a, b in zip(ids, starts, ends, strict=True)
    }


def _thing(session: Session, place: Place) -> int:
    """Find a station by its name, or make it; give it a place where it has none."""
    found = session.rows("SELECT id FROM things WHERE name = ? ORDER BY id", (place.name,))
    if found:
        id = int(found[0][0])
    else:
        described = place.description or place.name
        properties = dict(place.properties)
        id = session.add(Thing(name=place.name, description=described, properties=properties))
    if place.latitude is None or place.longitude is None:
        return id
    if not session.rows("SELECT 1 FROM things_locations WHERE thing_id = ?", (id,)):
        words = f"Place of {place.name}"
        point = Location(name=place.name, description=words, location=_point(place))
        location = session.add(point)
        session.insert("things_locations", {"thing_id": id, "location_id": location})
        here = HistoricalLocation(thing_id=id, time=session.clock(), location_ids=(location,))
        session.add(here)
    return id


def _point(place: Place, depth: float | None = None) -> dict[str, Any]:
    coordinates = [place.longitude, place.latitude]
    if place.elevation is not None:
        coordinates.append(round(place.elevation - (depth or 0.0), 3))
    return {"type": "Point", "coordinates": coordinates}


def ensure_series(session: Session, item: Series, place: Place | None = None) -> int:
    """Find the datastream of a series, or make it and what it needs.

    Parameters
    ----------
    session : Session
    item : Series
    place : Place, optional
        Of its station.

    Returns
    -------
    int
        Its identifier.

    Raises
    ------
    InputError
        If it is there in another unit.
    """
    thing = _thing(session, place or Place(name=item.thing))
    sql = "SELECT id, unit_of_measurement FROM datastreams WHERE thing_id = ? AND name = ?"
    found = session.rows(sql, (thing, item.name))
    if found:
        id, unit = int(found[0][0]), json.loads(found[0][1])
        if unit.get("symbol") != item.unit:
            raise InputError(
                f"{item.key} is in the store in another unit",
                found=f"{unit.get('symbol')!r} there, {item.unit!r} here",
                do="Give the unit of the file, or the series another name",
            )
        return id
    feature = None
    if place is not None and place.latitude is not None:
        described = FeatureOfInterest(
            name=item.key,
            description=f"What {item.name} describes",
            feature=_point(place, item.depth),
            properties={} if item.depth is None else {"depth": item.depth},
        )
        feature = session.add(described)
    return session.add(_datastream(session, item, thing, feature))


def _datastream(session: Session, item: Series, thing: int, feature: int | None) -> Datastream:
    properties = dict(item.properties)
    if item.depth is not None:
        properties["depth"] = item.depth
    code = _UCUM.get(item.unit)
    return Datastream(
        name=item.name,
        description=f"{item.name} of {item.thing} [{item.unit or 'no unit'}]",
        thing_id=thing,
        sensor_id=_sensor(session, item.sensor or "unknown sensor"),
        observed_property_id=_property(session, item.quantity),
        unit_of_measurement={
            "name": item.unit,
            "symbol": item.unit,
            "definition": f"ucum:{code}" if code else "",
        },
        properties=properties,
        feature_id=feature,
    )


def _sensor(session: Session, name: str) -> int:
    found = session.rows("SELECT id FROM sensors WHERE name = ? ORDER BY id", (name,))
    return int(found[0][0]) if found else session.add(Sensor(name=name, description=name))


def _property(session: Session, name: str) -> int:
    found = session.rows("SELECT id FROM observed_properties WHERE name = ? ORDER BY id", (name,))
    if found:
        return int(found[0][0])
    known = GLOSSARY.get(name)
    standard = known.standard_name if known else ""
    definition = f"http://vocab.nerc.ac.uk/standard_name/{standard}/" if standard else ""
    words = known.long_name if known else name.replace("_", " ")
    return session.add(ObservedProperty(name=name, definition=definition, description=words))
