"""The SensorThings 1.1 service over a store: query, create, change, delete, over HTTP and MQTT."""

from __future__ import annotations

from headwater.stations.sensorthings.change import Change
from headwater.stations.sensorthings.context import Limits
from headwater.stations.sensorthings.errors import Refused
from headwater.stations.sensorthings.exchange import Answer, Call, Permit, Role, refusal
from headwater.stations.sensorthings.service import Service

__all__ = [
    "Answer",
    "Call",
    "Change",
    "Limits",
    "Permit",
    "Refused",
    "Role",
    "Service",
    "refusal",
]
