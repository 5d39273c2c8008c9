"""The network on the web: SensorThings over HTTP."""

from __future__ import annotations

from headwater.web.app import Authorise, create_app, everybody

__all__ = ["Authorise", "create_app", "everybody"]
