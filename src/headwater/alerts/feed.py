"""Alerts as an Atom feed, read from the store: each event is one entry, for ever the same."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET

from headwater.alerts.events import Alert, list_alerts
from headwater.network.store.protocol import Store
from headwater.network.times import iso

__all__ = ["atom_feed"]

_NAMESPACE = "http://www.w3.org/2005/Atom"
_STATES = {"firing": "Alert", "acknowledged": "Acknowledged", "resolved": "Resolved"}


def atom_feed(store: Store, address: str, *, most: int = 100) -> bytes:
    """Write the alerts of a store as an Atom feed.

    Parameters
    ----------
    store : Store
    address : str
        Where the feed will be read from; identifiers are made from it.
    most : int
        Entries, the newest first.

    Returns
    -------
    bytes
        UTF-8 XML. An event keeps its ``id``; its ``updated`` moves when it is acknowledged or
        resolved, so that readers show the change once.

    References
    ----------
    RFC 4287, The Atom Syndication Format, doi:10.17487/RFC4287.
    """
    ET.register_namespace("", _NAMESPACE)
    alerts = list_alerts(store, open_only=False, most=most)
    feed = ET.Element(f"{{{_NAMESPACE}}}feed")
    latest = max((_updated(one) for one in alerts), default=0)
    _add(feed, id=address, title="Headwater alerts", updated=iso(latest))
    ET.SubElement(feed, f"{{{_NAMESPACE}}}link", {"rel": "self", "href": address})
    _add(ET.SubElement(feed, f"{{{_NAMESPACE}}}author"), name="Headwater")
    for alert in alerts:
        entry = ET.SubElement(feed, f"{{{_NAMESPACE}}}entry")
        digest = hashlib.sha256(f"{address} {alert.key}".encode()).hexdigest()
        _add(
            entry,
            id=f"urn:sha256:{digest}",
            title=f"{_STATES[alert.state]}: {alert.headline}",
            updated=iso(_updated(alert)),
            published=iso(alert.raised),
            summary=f"{alert.severity}; reference {alert.key}",
        )
        ET.SubElement(entry, f"{{{_NAMESPACE}}}category", {"term": alert.state})
    text: bytes = ET.tostring(feed, encoding="UTF-8", xml_declaration=True)
    return text


def _updated(alert: Alert) -> int:
    return max(one for one in (alert.raised, alert.acknowledged, alert.resolved) if one)


def _add(parent: ET.Element, **texts: str) -> None:
    for name, text in texts.items():
        ET.SubElement(parent, f"{{{_NAMESPACE}}}{name}").text = text
