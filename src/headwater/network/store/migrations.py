"""Bring a store to the version of its tables that this program knows."""

from __future__ import annotations

import time

from headwater.network.store.protocol import Session, StoreError
from headwater.network.store.schema import VERSIONS, statements

__all__ = ["migrate", "version_of"]


def version_of(session: Session) -> int:
    """Ask a store for the version of its tables; 0 when it is empty.

    Parameters
    ----------
    session : Session

    Returns
    -------
    int
    """
    if not session.has_table("migrations"):
        return 0
    return int(session.rows("SELECT coalesce(max(version), 0) FROM migrations")[0][0])


def migrate(session: Session, *, hypertable: bool = False) -> int:
    """Apply what is missing, all of it or nothing.

    Parameters
    ----------
    session : Session
        Of a transaction that writes; the caller commits.
    hypertable : bool
        Leave the partitions of observations to TimescaleDB.

    Returns
    -------
    int
        How many versions were applied.

    Raises
    ------
    StoreError
        If the store was written by a newer program.
    """
    have, known = version_of(session), len(VERSIONS)
    if have > known:
        raise StoreError(
            "the store was written by a newer version of Headwater",
            found=f"tables of version {have}; this program knows version {known}",
            do="Update Headwater, or restore a backup from before the update",
        )
    if not have:
        session.execute(
            "CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, applied BIGINT)"
        )
    for version in range(have + 1, known + 1):
        for statement in statements(version, session.dialect, hypertable=hypertable):
            session.execute(statement)
        session.execute("INSERT INTO migrations VALUES (?, ?)", (version, time.time_ns() // 1000))
    return known - have
