"""Open alerts of the stations near a place, in sentences."""

from __future__ import annotations

import numpy as np

from headwater.alerts.events import list_alerts
from headwater.network.inventory import list_series
from headwater.network.store.protocol import Store
from headwater.network.times import iso
from headwater.web.platform.sentences import Sentence

__all__ = ["alerts_near", "distance"]

_NEAR = 100.0
"""As far as a station's alert says something of a place [km]."""
_MOST = 3
_EARTH = 6371.0


def distance(longitude: float, latitude: float, other: tuple[float, float]) -> float:
    """Give the distance on the ground [km].

    Examples
    --------
    >>> round(distance(100.0, 38.0, (100.0, 39.0)), 1)
    111.2
    """
    (x, y), (x2, y2) = np.radians([(longitude, latitude), other])
    half = np.sin((y2 - y) / 2) ** 2 + np.cos(y) * np.cos(y2) * np.sin((x2 - x) / 2) ** 2
    return float(2 * _EARTH * np.arcsin(np.sqrt(half)))


def alerts_near(store: Store, longitude: float, latitude: float) -> list[Sentence]:
    """Say which alerts are open near a place, the nearest first.

    Parameters
    ----------
    store : Store
    longitude, latitude : float
        [degrees]

    Returns
    -------
    list of Sentence
        At most three.
    """
    with store.transaction(read_only=True) as session:
        streams = {str(one.id): one for one in list_series(session, derived=True)}
    found = []
    for alert in list_alerts(store, open_only=True, most=500):
        stream = streams.get(alert.target)
        if stream is None or not np.isfinite(stream.longitude):
            continue
        far = distance(longitude, latitude, (stream.longitude, stream.latitude))
        if far <= _NEAR:
            found.append((far, alert.headline, iso(alert.raised)[:16].replace("T", " ")))
    return [
        Sentence(
            "alert",
            (
                f"Open alert {far:.0f} km away: {headline} (since {since} UTC).",
                f"{far:.0f} km 处有未解除预警：{headline}（{since} UTC 起）。",
            ),
            "alerts",
        )
        for far, headline, since in sorted(found)[:_MOST]
    ]
