"""Where observations are kept: one SQLite file, or a PostgreSQL server, behind one protocol."""

from __future__ import annotations

from headwater.network.store.open import open_store
from headwater.network.store.protocol import (
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
