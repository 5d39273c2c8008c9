"""Where things are and have been, where observations were made, and the area that series cover."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from headwater.network.sensorthings.context import Context
from headwater.network.sensorthings.geometry import bare_geometry

__all__ = [
    "extend_area",
    "feature_of_stream",
    "history_posted",
    "move",
    "place_things",
]

_WHERE = (
    "SELECT d.feature_id, f.feature, l.id, l.name, l.description, l.encoding_type, l.location"
    " FROM datastreams d LEFT JOIN features_of_interest f ON f.id = d.feature_id"
    " LEFT JOIN things_locations j ON j.thing_id = d.thing_id"
    " LEFT JOIN locations l ON l.id = j.location_id WHERE d.id = ?"
    # of several encodings of one location the geometry serves best
    " ORDER BY CASE WHEN l.encoding_type LIKE '%geo+json' THEN 0 ELSE 1 END, l.id LIMIT 1"
)


def feature_of_stream(context: Context, stream: int) -> int | None:
    """Find or make the feature of an observation that names none.

    Parameters
    ----------
    context : Context
    stream : int
        Identifier of the datastream.

    Returns
    -------
    int or None
        The feature that the observation must name; None where it is the datastream's own, or none.

    Notes
    -----
    Where the thing has no location and the datastream no feature, the observation has none either,
    until the one or the other gets one.
    """
    session = context.session
    row = session.rows(_WHERE, (stream,))[0]
    own, own_feature, location, *described, geometry = row
    if location is None:
        return None
    if own_feature is not None and json.loads(own_feature) == json.loads(geometry):
        return None
    feature = _found_or_made(context, described, json.loads(geometry))
    if own is None:
        session.update("datastreams", stream, {"feature_id": feature})
        extend_area(context, stream, feature)
        return None
    extend_area(context, stream, feature)
    return feature


def _found_or_made(context: Context, described: list[Any], geometry: object) -> int:
    name, description, encoding = described
    known = context.session.rows(
        "SELECT id, feature FROM features_of_interest WHERE name = ? AND encoding_type = ?"
        " ORDER BY id",
        (name, encoding),
    )
    for id, feature in known:
        if json.loads(feature) == geometry:
            return int(id)
    row = {"name": name, "description": description, "encoding_type": encoding}
    return context.session.insert("features_of_interest", {**row, "feature": geometry})


def extend_area(context: Context, stream: int, feature: int) -> None:
    """Let the observed area of a datastream enclose a feature.

    The area is the envelope of all features of the datastream's observations: a point where there
    is one, else a rectangle.
    """
    import shapely

    session = context.session
    rows = session.rows(
        "SELECT d.observed_area, f.feature FROM datastreams d, features_of_interest f"
        " WHERE d.id = ? AND f.id = ?",
        (stream, feature),
    )
    texts = [json.dumps(bare_geometry(json.loads(text))) if text else None for text in rows[0]]
    area, added = shapely.from_geojson(texts, on_invalid="ignore")
    if added is None or (area is not None and area.covers(added)):
        return
    whole = added if area is None else shapely.union_all([area, added])
    session.update(
        "datastreams", stream, {"observed_area": json.loads(shapely.to_geojson(whole.envelope))}
    )


def move(context: Context, thing: int, locations: Sequence[int]) -> None:
    """Put a thing at locations, all of them encodings of one place, and note it in its history.

    References
    ----------
    OGC 18-088, requirement historical-location-auto-creation.
    """
    _placed(context, thing, locations)
    if not locations:
        return
    past = context.session.insert("historical_locations", {"thing_id": thing, "time": context.now})
    for location in dict.fromkeys(locations):
        row = {"historical_location_id": past, "location_id": location}
        context.session.insert("historical_locations_locations", row)


def _placed(context: Context, thing: int, locations: Sequence[int]) -> None:
    context.session.execute("DELETE FROM things_locations WHERE thing_id = ?", (thing,))
    for location in dict.fromkeys(locations):
        row = {"thing_id": thing, "location_id": location}
        context.session.insert("things_locations", row)


def place_things(context: Context, location: int, things: Sequence[int]) -> None:
    """Put things at a location."""
    for thing in dict.fromkeys(things):
        move(context, thing, [location])


def history_posted(context: Context, past: int) -> None:
    """Move a thing to where its newest historical location says that it is."""
    session = context.session
    thing, time = session.rows(
        "SELECT thing_id, time FROM historical_locations WHERE id = ?", (past,)
    )[0]
    newer = session.rows(
        "SELECT 1 FROM historical_locations WHERE thing_id = ? AND time > ?", (thing, time)
    )
    if newer:
        return
    locations = session.rows(
        "SELECT location_id FROM historical_locations_locations WHERE historical_location_id = ?"
        " ORDER BY location_id",
        (past,),
    )
    _placed(context, thing, [row[0] for row in locations])
