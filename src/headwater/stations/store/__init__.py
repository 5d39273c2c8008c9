"""Where observations are kept: one SQLite file, or a PostgreSQL server, behind one protocol."""

from __future__ import annotations

from headwater.stations.store.opening import open_store
from headwater.stations.store.protocol import (
    Session,
    Store,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StoreUnreachableError,
)

__all__ = [
    "Session",
    "Store",
    "StoreBusyError",
    "StoreError",
    "StoreFullError",
    "StoreUnreachableError",
    "open_store",
]
