"""Alerts for other programs: CAP 1.2 messages by all rules of their meaning, and an Atom feed."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Literal

from headwater.alerts.events import Alert, list_alerts
from headwater.errors import InputError
from headwater.network.store.protocol import Store
from headwater.network.times import iso

__all__ = [
    "CapAlert",
    "CapArea",
    "atom_feed",
    "cap_problems",
    "write_cap",
]

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
FOOT = 0.3048
MOST_VERTICES = 100
Status = Literal["Actual", "Exercise", "System", "Test", "Draft"]
MessageType = Literal["Alert", "Update", "Cancel", "Ack", "Error"]
_NAMESPACE = "http://www.w3.org/2005/Atom"
_STATES = {"firing": "Alert", "acknowledged": "Acknowledged", "resolved": "Resolved"}


@dataclass(frozen=True, slots=True)
class CapArea:
    """Where an alert holds.

    Attributes
    ----------
    description : str
    polygon : tuple of (longitude, latitude)
        Ring [degrees], closed or not; written latitude first and closed.
    lowest, highest : float or None
        Elevation [m]; written in feet above mean sea level, as CAP asks.
    """

    description: str
    polygon: tuple[tuple[float, float], ...] = ()
    lowest: float | None = None
    highest: float | None = None


@dataclass(frozen=True, slots=True)
class CapAlert:
    """What a CAP message says.

    Attributes
    ----------
    identifier, sender : str
        Without blanks, commas, < or &.
    sent, expires : datetime
        With a time zone.
    event, headline, description, instruction : str
    area : CapArea
    status : str
        ``Exercise`` for drills.
    message_type : str
    references : tuple of (sender, identifier, sent)
        Of the messages that an update or a cancellation takes the place of.
    severity, urgency, certainty : str
    language : str
    """

    identifier: str
    sender: str
    sent: dt.datetime
    expires: dt.datetime
    event: str
    headline: str
    description: str
    area: CapArea
    instruction: str = ""
    status: Status = "Actual"
    message_type: MessageType = "Alert"
    references: tuple[tuple[str, str, dt.datetime], ...] = ()
    severity: Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"] = "Moderate"
    urgency: Literal["Immediate", "Expected", "Future", "Past", "Unknown"] = "Expected"
    certainty: Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"] = "Likely"
    language: str = "en"
    parameters: tuple[tuple[str, str], ...] = field(default=())


def write_cap(alert: CapAlert) -> bytes:
    """Write a CAP 1.2 message.

    Parameters
    ----------
    alert : CapAlert

    Returns
    -------
    bytes
        UTF-8 XML that the OASIS schema accepts and :func:`cap_problems` finds no fault with.

    Raises
    ------
    InputError
        If it would break a rule of meaning; each is named.

    Examples
    --------
    >>> import datetime as dt
    >>> at = dt.datetime(2026, 7, 1, 8, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    >>> alert = CapAlert("hw-1", "office@reserve.example", at, at + dt.timedelta(days=7), "Drought",
    ...                  "Watch: soil water low", "Root zone below the 10th percentile.",
    ...                  CapArea("Meadow", ((100.0, 38.0), (100.1, 38.0), (100.1, 38.1))))
    >>> b"<sent>2026-07-01T08:00:00+08:00</sent>" in write_cap(alert)
    True
    """
    ET.register_namespace("", NAMESPACE)
    root = ET.Element(f"{{{NAMESPACE}}}alert")
    head = {
        "identifier": alert.identifier,
        "sender": alert.sender,
        "sent": _stamp(alert.sent),
        "status": alert.status,
        "msgType": alert.message_type,
        "scope": "Public",
        "references": " ".join(f"{a},{b},{_stamp(c)}" for a, b, c in alert.references),
    }
    _fill(root, head)
    info = ET.SubElement(root, f"{{{NAMESPACE}}}info")
    _fill(
        info,
        {
            "language": alert.language,
            "category": "Env",
            "event": alert.event,
            "urgency": alert.urgency,
            "severity": alert.severity,
            "certainty": alert.certainty,
            "expires": _stamp(alert.expires),
            "headline": alert.headline,
            "description": alert.description,
            "instruction": alert.instruction,
        },
    )
    for name, value in alert.parameters:
        _fill(ET.SubElement(info, f"{{{NAMESPACE}}}parameter"), {"valueName": name, "value": value})
    _fill(ET.SubElement(info, f"{{{NAMESPACE}}}area"), _area(alert.area))
    text: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    problems = cap_problems(text)
    if problems:
        raise InputError(
            "a CAP message that receivers could misread",
            found="; ".join(problems),
            do="Correct the rule's texts, area or times",
        )
    return text


def cap_problems(text: bytes) -> tuple[str, ...]:
    """List what is wrong with the meaning of a CAP message that its schema lets through.

    Parameters
    ----------
    text : bytes
        A CAP 1.2 message.

    Returns
    -------
    tuple of str
        Of eight rules: closed rings, simple rings, latitude first and within the globe, at most 100
        vertices, expiry after sending, references on updates, ceiling only with altitude and above
        it, identifiers without blanks or commas, offsets spelt out.

    Examples
    --------
    >>> cap_problems(b"<alert/>")[0]
    'not a CAP 1.2 alert'
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        return (f"not XML: {error}",)
    if root.tag != f"{{{NAMESPACE}}}alert":
        return ("not a CAP 1.2 alert",)
    found = [*_head_problems(root)]
    for polygon in root.iter(f"{{{NAMESPACE}}}polygon"):
        found += _polygon_problems(polygon.text or "")
    for area in root.iter(f"{{{NAMESPACE}}}area"):
        found += _height_problems(area)
    return tuple(found)


def _head_problems(root: ET.Element) -> list[str]:
    found = []
    for name in ("identifier", "sender"):
        if re.search(r"[\s,<&]", _text(root, name)) or not _text(root, name):
            found.append(f"{name} is empty or has blanks or commas")
    stamps = {name: _text(root, name, deep=True) for name in ("sent", "effective", "expires")}
    times = {}
    for name, stamp in stamps.items():
        if not stamp:
            continue
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", stamp):
            found.append(f"{name} does not spell out its offset: {stamp}")
            continue
        times[name] = dt.datetime.fromisoformat(stamp)
    if "sent" in times and "expires" in times and times["expires"] <= times["sent"]:
        found.append("it expires before it is sent")
    if _text(root, "msgType") in ("Update", "Cancel") and not _text(root, "references"):
        found.append("an update or a cancellation without references")
    return found


def _polygon_problems(text: str) -> list[str]:
    try:
        points = [tuple(map(float, pair.split(","))) for pair in text.split()]
    except ValueError:
        return ["a polygon that is not pairs of numbers"]
    if any(len(point) != 2 for point in points) or len(points) < 4:
        return ["a polygon of fewer than four points"]
    found = []
    if points[0] != points[-1]:
        found.append("a polygon that is not closed")
    if len(points) > MOST_VERTICES:
        found.append(f"a polygon of {len(points)} points; at most {MOST_VERTICES}")
    if any(abs(point[0]) > 90 or abs(point[1]) > 180 for point in points):
        found.append("a polygon off the globe: latitude comes first")
    elif len(points) <= MOST_VERTICES and _crosses(points):
        found.append("a polygon that crosses itself")
    return found


def _crosses(points: Sequence[tuple[float, ...]]) -> bool:
    edges = list(pairwise(points))
    last = len(edges) - 1
    for (i, (a, b)), (j, (c, d)) in combinations(enumerate(edges), 2):
        neighbours = j == i + 1 or (i == 0 and j == last)
        if not neighbours and _side(a, b, c) * _side(a, b, d) <= 0 >= _side(c, d, a) * _side(
            c, d, b
        ):
            return True
    return False


def _side(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _height_problems(area: ET.Element) -> list[str]:
    low, high = _text(area, "altitude"), _text(area, "ceiling")
    if high and not low:
        return ["a ceiling without an altitude"]
    if low and high and float(high) < float(low):
        return ["a ceiling below its altitude"]
    return []


def _area(area: CapArea) -> dict[str, str]:
    ring = list(area.polygon)
    if ring and ring[0] != ring[-1]:
        ring.append(ring[0])
    words = {
        "areaDesc": area.description,
        "polygon": " ".join(f"{latitude:.5f},{longitude:.5f}" for longitude, latitude in ring),
    }
    if area.lowest is not None:
        words["altitude"] = f"{area.lowest / FOOT:.0f}"
    if area.highest is not None:
        words["ceiling"] = f"{area.highest / FOOT:.0f}"
    return words


def _fill(parent: ET.Element, words: dict[str, str]) -> None:
    for name, text in words.items():
        if text:
            ET.SubElement(parent, f"{{{NAMESPACE}}}{name}").text = text


def _text(parent: ET.Element, name: str, *, deep: bool = False) -> str:
    found = parent.find(f"{'.//' if deep else ''}{{{NAMESPACE}}}{name}")
    return (found.text or "") if found is not None else ""


def _stamp(time: dt.datetime) -> str:
    if time.tzinfo is None:
        raise InputError(
            "a time without a zone in a CAP message", found=f"{time}", do="Give its zone"
        )
    text = time.replace(microsecond=0).isoformat()
    return text.replace("Z", "+00:00")


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
