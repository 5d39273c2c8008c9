"""Observations as PostgreSQL's binary COPY, made by NumPy rather than value by value.

References
----------
PostgreSQL documentation, COPY, "Binary Format", https://www.postgresql.org/docs/current/sql-copy.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from headwater.network.entities import Observations
from headwater.network.store.schema import JSON_COLUMNS, OBSERVATION_COLUMNS
from headwater.network.times import NEVER

if TYPE_CHECKING:
    import psycopg

__all__ = ["binary_rows", "copy_rows"]

_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL = b"\xff\xff"
_BLOCK = 100_000  # rows of one message; bounds the memory


def copy_rows(connection: psycopg.Connection[Any], table: str, batch: Observations) -> list[str]:
    """Copy observations into a table, the columns that are present.

    Parameters
    ----------
    connection : psycopg.Connection
    table : str
    batch : Observations

    Returns
    -------
    list of str
        The columns.
    """
    columns = {OBSERVATION_COLUMNS[name]: column for name, column in batch.columns().items()}
    columns["variant"] = batch.variant()
    listed = ", ".join(columns)
    texts = JSON_COLUMNS & set(columns)
    form = "" if texts else " WITH (FORMAT binary)"
    sql = f"COPY {table} ({listed}) FROM STDIN{form}"
    with connection.cursor() as cursor, cursor.copy(cast("Any", sql)) as copy:
        if texts:
            for row in zip(*(_plain(column) for column in columns.values()), strict=True):
                copy.write_row(row)
        else:
            copy.write(_HEAD)
            for k in range(0, len(batch), _BLOCK):
                part = [column[k : k + _BLOCK] for column in columns.values()]
                copy.write(binary_rows(part))
            copy.write(_TAIL)
    return list(columns)


def _plain(column: NDArray[Any]) -> list[Any]:
    missing = _missing(column)
    return [None if no else value for value, no in zip(column.tolist(), missing, strict=True)]


def _missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    if column.dtype == object:
        return np.array([value is None for value in column], dtype=bool)
    missing: NDArray[np.bool_] = np.isnan(column) if column.dtype.kind == "f" else column == NEVER
    return missing


def binary_rows(columns: list[NDArray[Any]]) -> bytes:
    """Write rows of 8-byte numbers in the binary format; missing ones as NULL.

    Rows with the same columns missing are of one length and are made at once; the order of rows
    changes, which a table does not mind.

    Parameters
    ----------
    columns : list of int64 or float64 array, shape (n,)

    Returns
    -------
    bytes

    Examples
    --------
    >>> len(binary_rows([np.array([1, 2]), np.array([0.5, np.nan])]))
    44
    """
    missing = np.stack([_missing(column) for column in columns])
    weights = 1 << np.arange(len(columns))
    pattern = weights @ missing
    return b"".join(
        _records(columns, pattern == code, [bool(code & weight) for weight in weights])
        for code in np.unique(pattern)
    )


def _records(columns: list[NDArray[Any]], rows: NDArray[np.bool_], null: list[bool]) -> bytes:
    layout: list[tuple[str, str]] = [("n", ">i2")]
    for k, column in enumerate(columns):
        layout.append((f"length{k}", ">i4"))
        if not null[k]:
            layout.append((f"value{k}", ">f8" if column.dtype.kind == "f" else ">i8"))
    records = np.empty(int(rows.sum()), dtype=layout)
    records["n"] = len(columns)
    for k, column in enumerate(columns):
        records[f"length{k}"] = -1 if null[k] else 8
        if not null[k]:
            records[f"value{k}"] = column[rows]
    return records.tobytes()
