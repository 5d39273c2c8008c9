"""The platform in the browser: studies, stations, alerts and the work plan on one page."""

from __future__ import annotations

from headwater.web.platform.app import Platform, add_platform

__all__ = ["Platform", "add_platform"]
