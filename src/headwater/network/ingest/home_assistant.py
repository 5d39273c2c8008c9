"""Sensors that announce themselves as Home Assistant has it: where they send, what, in which unit.

An announcement is a retained message ``<prefix>/sensor/<node>/<object>/config``. What the sensor
sends afterwards to its ``state_topic`` is a number, or JSON out of which its ``value_template``
takes one. State messages carry no time: they stand for the time at which they come.

References
----------
Home Assistant, MQTT discovery, https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
(recalled, unchecked).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headwater.network.ingest.mapping import Mapping, Rule
from headwater.network.ingest.messages import Message, nested
from headwater.network.ingest.parsed_file import Reading, Refused, settle
from headwater.network.ingest.table import Table, tabulate
from headwater.network.times import iso

__all__ = ["AnnouncedSensor", "AnnouncedSensors", "read_announcement"]

_TEMPLATE = re.compile(r"\s*\{\{\s*value(?:_json((?:\.\w+|\[[^\]]+\])+))?[^}]*\}\}\s*")
_STEP = re.compile(r"\.(\w+)|\[\s*['\"]?([^'\"\]]+)['\"]?\s*\]")
_CLASSES = {
    "temperature": "temperature",
    "humidity": "relative_humidity",
    "precipitation": "precipitation",
    "voltage": "battery_voltage",
    "atmospheric_pressure": "air_pressure",
    "pressure": "air_pressure",
}
_UNITS = {"°C": "degC", "%": "%", "V": "V", "mm": "mm"}


@dataclass(frozen=True, slots=True)
class AnnouncedSensor:
    """One announced sensor.

    Attributes
    ----------
    topic : str
        Where it sends.
    path : str
        Nested name of the value in its JSON; empty where the message is the value.
    thing, name, property, unit : str
    """

    topic: str
    path: str
    thing: str
    name: str
    property: str
    unit: str


def read_announcement(payload: bytes) -> AnnouncedSensor | None:
    """Read an announcement; None where the sensor is withdrawn or sends no numbers we can take.

    Parameters
    ----------
    payload : bytes

    Returns
    -------
    AnnouncedSensor or None

    Examples
    --------
    >>> text = b'''{"name": "Soil moisture", "state_topic": "farm/a", "device_class": "moisture",
    ... "unit_of_measurement": "%", "value_template": "{{ value_json.soil.water }}",
    ... "device": {"name": "Upper meadow"}}'''
    >>> sensor = read_announcement(text)
    >>> sensor.path, sensor.thing, sensor.property, sensor.unit
    ('soil.water', 'Upper meadow', 'soil_moisture', 'vol%')
    """
    try:
        held = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(held, dict):
        return None
    topic = _full(held, "state_topic", "stat_t")
    path = _path(str(_either(held, "value_template", "val_tpl") or ""))
    if not topic or path is None:
        return None
    device = _either(held, "device", "dev") or {}
    identifiers = _either(device, "identifiers", "ids") if isinstance(device, dict) else None
    first = identifiers[0] if isinstance(identifiers, list) and identifiers else identifiers
    thing = (device.get("name") if isinstance(device, dict) else None) or first or topic
    name = str(held.get("name") or _either(held, "unique_id", "uniq_id") or topic)
    unit = str(_either(held, "unit_of_measurement", "unit_of_meas") or "")
    quantity, unit = _quantity(name, str(_either(held, "device_class", "dev_cla") or ""), unit)
    return AnnouncedSensor(topic, path, str(thing), name, quantity, unit)


def _either(held: dict[str, Any], *names: str) -> Any:
    return next((held[name] for name in names if name in held), None)


def _full(held: dict[str, Any], *names: str) -> str:
    """Write a topic in full, where ``~`` stands for its beginning."""
    text, base = str(_either(held, *names) or ""), str(held.get("~", ""))
    return text.replace("~", base) if base else text


def _path(template: str) -> str | None:
    """Find the nested name that a template takes; None where it reckons."""
    if not template:
        return ""
    found = _TEMPLATE.fullmatch(template)
    if found is None:
        return None
    return ".".join(a or b for a, b in _STEP.findall(found[1] or ""))


def _quantity(name: str, kind: str, unit: str) -> tuple[str, str]:
    """Say what is observed; moisture in per cent is that of the soil."""
    soil = "soil" in name.lower() or "土" in name
    if kind == "moisture" or (soil and kind in ("", "humidity") and unit == "%"):
        return "soil_moisture", "vol%" if unit == "%" else unit
    if soil and kind == "temperature":
        return "soil_temperature", _UNITS.get(unit, unit)
    word = _CLASSES.get(kind) or re.sub(r"\W+", "_", name.lower()).strip("_") or "value"
    return word, _UNITS.get(unit, unit)


@dataclass(frozen=True, slots=True)
class AnnouncedSensors:
    """All sensors announced so far, by the topic of their announcement."""

    known: dict[str, AnnouncedSensor] = field(default_factory=dict)
    followed: set[str] = field(default_factory=set)

    def with_announcements(self, messages: Sequence[Message], prefix: str) -> AnnouncedSensors:
        """Give the sensors after these messages."""
        known = dict(self.known)
        for topic, payload in messages:
            if _announces(topic, prefix):
                sensor = read_announcement(payload)
                known.pop(topic, None)
                if sensor is not None:
                    known[topic] = sensor
        return replace(self, known=known)

    def take_new_topics(self) -> list[str]:
        """List topics that nobody has subscribed to yet."""
        new = sorted({one.topic for one in self.known.values()} - self.followed)
        self.followed.update(new)
        return new

    def concerns(self, message: Message, mapping: Mapping) -> bool:
        """Say whether a message is an announcement, or from an announced sensor."""
        topics = {one.topic for one in self.known.values()}
        return _announces(message[0], mapping.discovery) or message[0] in topics

    def read(
        self, numbered: Sequence[tuple[int, Message]], mapping: Mapping, *, now: int
    ) -> Reading:
        """Read what announced sensors have sent.

        Parameters
        ----------
        numbered : sequence of (int, (str, bytes))
        mapping : Mapping
            Places of stations.
        now : int
            Time that the messages stand for [µs].

        Returns
        -------
        Reading
        """
        rows, at, refused = [], [], []
        for number, (topic, payload) in numbered:
            for one in self.known.values():
                if one.topic != topic:
                    continue
                value = _value(payload, one.path)
                if value is None:
                    refused.append(Refused(number, f"no number for {one.name!r} in the message"))
                    continue
                rows.append((iso(now), value, one.thing, one.name, one.property, one.unit))
                at.append(number)
        names = ("time", "value", "thing", "name", "property", "unit")
        columns = dict(zip(names, zip(*rows, strict=True) if rows else [()] * 6, strict=True))
        rule = Rule(
            column="value", thing="{thing}", name="{name}", property="{property}", unit="{unit}"
        )
        used = replace(mapping, rules=(rule,), time=("time",), time_format=None, zone="UTC")
        reading = tabulate(Table(columns, np.array(at, dtype=np.int64)), used)
        both = tuple(sorted((*reading.refused, *refused), key=lambda item: item.line))
        return settle(replace(reading, refused=both, lines=reading.lines + len(refused)), "")


def _announces(topic: str, prefix: str) -> bool:
    return bool(prefix) and topic.startswith(f"{prefix}/") and topic.endswith("/config")


def _value(payload: bytes, path: str) -> str | None:
    """Take the value out of a message; None where there is no number."""
    text = payload.decode("utf-8", "replace").strip()
    if path:
        try:
            held = nested(json.loads(text), path)
        except ValueError:
            return None
        text = held if isinstance(held, str) else json.dumps(held)
    try:
        float(text)
    except ValueError:
        return None
    return text
