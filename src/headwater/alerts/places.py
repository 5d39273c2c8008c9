"""Where alerts stand: the stations that raised them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from headwater.alerts.events import list_alerts
from headwater.network.store.protocol import Store

__all__ = ["AlertPlace", "places_of_alerts"]

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class AlertPlace:
    """An open alert at its station.

    Attributes
    ----------
    headline, station : str
    longitude, latitude : float
        [degrees]
    """

    headline: str
    station: str
    longitude: float
    latitude: float


def places_of_alerts(store: Store) -> list[AlertPlace]:
    """List open alerts of stations whose place is known, the newest first.

    Parameters
    ----------
    store : Store

    Returns
    -------
    list of AlertPlace
    """
    sql = (
        "SELECT d.id, t.name, l.location FROM datastreams d JOIN things t ON t.id = d.thing_id"
        " JOIN things_locations tl ON tl.thing_id = t.id JOIN locations l ON l.id = tl.location_id"
    )
    alerts = list_alerts(store, most=_MOST)
    with store.transaction(read_only=True) as session:
        known = {str(id): (name, _point(text)) for id, name, text in session.rows(sql)}
    found = []
    for alert in alerts:
        station, point = known.get(alert.target, ("", None))
        if point is not None:
            found.append(AlertPlace(alert.headline, station, *point))
    return found


def _point(text: str) -> tuple[float, float] | None:
    place = json.loads(text)
    place = place.get("geometry", place)
    if place.get("type") != "Point":
        return None
    return float(place["coordinates"][0]), float(place["coordinates"][1])
