"""Ways in for observations: files of loggers and archives, folders, brokers, other services.

Every reader gives a :class:`~headwater.stations.ingest.reading.Reading`, which tells of each line
whether it was kept, and :func:`~headwater.stations.ingest.loading.load` writes it.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [
    "Loaded",
    "Mapping",
    "Place",
    "Reading",
    "Refused",
    "Series",
    "load",
    "pull",
    "read",
    "read_csv",
    "read_geojson",
    "read_ismn",
    "read_ismn_archive",
    "read_mapping",
    "read_toa5",
    "subscribe",
    "watch",
]

_HOME = {
    **dict.fromkeys(("Place", "Reading", "Refused", "Series"), "reading"),
    **dict.fromkeys(("Mapping", "read_mapping"), "mapping"),
    **dict.fromkeys(("Loaded", "load"), "loading"),
    **dict.fromkeys(("read_ismn", "read_ismn_archive"), "ismn"),
    "pull": "sensorthings_pull",
    "read": "formats",
    "read_csv": "csv_mapping",
    "read_geojson": "geojson",
    "read_toa5": "toa5",
    "subscribe": "mqtt",
    "watch": "folder",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = importlib.import_module(f"headwater.stations.ingest.{_HOME[name]}")
        return getattr(home, name)
    raise AttributeError(f"module 'headwater.stations.ingest' has no attribute '{name}'")
