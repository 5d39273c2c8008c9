"""The SensorThings 1.1 service over a store: query, create, change, delete, over HTTP and MQTT."""

from __future__ import annotations

from headwater.network.sensorthings.context import Limits
from headwater.network.sensorthings.errors import Refused
from headwater.network.sensorthings.events import Change
from headwater.network.sensorthings.messages import Answer, Call, Permit, Role, refusal
from headwater.network.sensorthings.service import Service

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
