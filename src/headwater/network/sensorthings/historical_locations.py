"""Things move: where they are, and where they have been."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.network.sensorthings.context import Context

__all__ = ["history_posted", "move", "place_things"]


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
