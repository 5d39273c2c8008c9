"""Bring a store to the version of its tables that this program knows."""

from __future__ import annotations

import time

import numpy as np

from headwater.network.entities import Observations
from headwater.network.store.protocol import Session, StoreError
from headwater.network.store.schema import OBSERVATION_COLUMNS, VERSIONS, statements
from headwater.network.times import NEVER

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
        if version == 2 and have:
            _number_variants(session)
        session.execute("INSERT INTO migrations VALUES (?, ?)", (version, time.time_ns() // 1000))
    return known - have


_BLOCK = 50_000


def _number_variants(session: Session) -> None:
    """Fill in the variants of version 1, where each key had one observation."""
    names = ["datastream", "time", "time_end", "result_time", "feature"]
    columns = ", ".join(OBSERVATION_COLUMNS[name] for name in names)
    identified = "time_end IS NOT NULL OR result_time IS NOT NULL OR feature_id IS NOT NULL"
    after = (NEVER, NEVER)
    while True:
        rows = session.rows(
            f"SELECT {columns} FROM observations WHERE variant = 0 AND ({identified})"
            " AND (datastream_id, time) > (?, ?) ORDER BY datastream_id, time LIMIT ?",
            (*after, _BLOCK),
        )
        if not rows:
            return
        table = [
            np.array([NEVER if v is None else v for v in column])
            for column in zip(*rows, strict=True)
        ]
        batch = Observations(
            table[0],
            table[1],
            np.zeros(len(rows)),
            time_end=table[2],
            result_time=table[3],
            feature=table[4],
        )
        session.executemany(
            "UPDATE observations SET variant = ? WHERE datastream_id = ? AND time = ?"
            " AND variant = 0",
            list(zip(batch.variant().tolist(), *(c.tolist() for c in table[:2]), strict=True)),
        )
        after = (rows[-1][0], rows[-1][1])
