"""What a store of observations can do, whichever data base keeps it."""

from __future__ import annotations

import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from headwater.errors import HeadwaterError, InputError
from headwater.network import entities
from headwater.network.entities import DailyMeans, Observations, Written
from headwater.network.store.schema import JSON_COLUMNS, TABLES, Dialect

if TYPE_CHECKING:
    from headwater.network.store.archive import Archive

__all__ = [
    "Head",
    "Session",
    "Store",
    "StoreBusyError",
    "StoreError",
    "StoreFullError",
    "StoreUnreachableError",
    "now",
]

Parameters = Sequence[Any]
#: Latest time, count, first and last time, first and last result time of a datastream.
Head = tuple[int | None, int, int | None, int | None, int | None, int | None]


class StoreError(HeadwaterError, OSError):
    """The store cannot do what was asked; nothing of the transaction has been kept."""

    exit_code = 5


class StoreBusyError(StoreError):
    """Somebody else has been writing for longer than we may wait."""


class StoreFullError(StoreError):
    """No room is left on the disk, or as much as was allowed is used up."""


class StoreUnreachableError(StoreError):
    """The data base server does not answer."""


def now() -> int:
    """Read the clock of the machine [µs since 1970-01-01T00:00Z]."""
    return time.time_ns() // 1000


class Session(ABC):
    """A transaction that is open: all that is done through it is kept, or nothing.

    Attributes
    ----------
    dialect : {"sqlite", "postgresql"}
    actor : str or None
        Who acts, for the audit trail.
    """

    dialect: Dialect

    def __init__(
        self, *, actor: str | None, clock: Callable[[], int], archive: Archive | None
    ) -> None:
        self.actor, self.clock, self.archive = actor, clock, archive

    @abstractmethod
    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Ask; ``?`` stands for a parameter. JSON comes as text from either data base."""

    @abstractmethod
    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Do; returns how many rows it touched."""

    @abstractmethod
    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> int:
        """Do the same for many sets of parameters."""

    @abstractmethod
    def has_table(self, name: str) -> bool:
        """Say whether a table exists."""

    @abstractmethod
    def heads(self, datastream_ids: Sequence[int]) -> dict[int, Head]:
        """Lock datastreams against other writers until the end, and read their counters."""

    @abstractmethod
    def append(self, batch: Observations) -> None:
        """Insert observations whose keys are known to be new."""

    @abstractmethod
    def merge(self, batch: Observations) -> list[tuple[int, int, int]]:
        """Insert or update; returns datastream, inserted and updated of each that changed."""

    def prepare(self, batch: Observations) -> None:  # noqa: B027  (SQLite has nothing to prepare)
        """Make room for observations, such as the partitions of their months."""

    def insert(self, table: str, row: dict[str, Any]) -> int:
        """Insert an entity.

        Parameters
        ----------
        table : str
        row : dict
            By column; a column of JSON takes any value that JSON can hold, not its text.

        Returns
        -------
        int
            Its identifier; 0 for tables that link two others.
        """
        marks = ", ".join("?" * len(row))
        sql = f"INSERT INTO {_name(table)} ({', '.join(map(_name, row))}) VALUES ({marks})"
        values = [_value(column, value) for column, value in row.items()]
        if table not in TABLES:
            self.execute(sql, values)
            return 0
        return int(self.rows(f"{sql} RETURNING id", values)[0][0])

    def update(self, table: str, id: int, row: dict[str, Any]) -> bool:
        """Change columns of an entity; False when there is none of this identifier."""
        if not row:
            return bool(self.rows(f"SELECT 1 FROM {_name(table)} WHERE id = ?", (id,)))
        sets = ", ".join(f"{_name(column)} = ?" for column in row)
        values = [_value(column, value) for column, value in row.items()]
        return bool(self.execute(f"UPDATE {_name(table)} SET {sets} WHERE id = ?", (*values, id)))

    def delete(self, table: str, id: int) -> bool:
        """Delete an entity and all that cannot be without it; False when there is none."""
        if table == "features_of_interest":
            from headwater.network.store.write import delete_of_feature

            delete_of_feature(self, id)
        return bool(self.execute(f"DELETE FROM {_name(table)} WHERE id = ?", (id,)))

    def add(self, entity: Any) -> int:
        """Insert an entity of :mod:`headwater.network.entities`, with what it links to.

        Returns
        -------
        int
            Its identifier.
        """
        table = _TABLE_OF[type(entity)]
        row = {entry.name: getattr(entity, entry.name) for entry in fields(entity)}
        if row["id"] is None:
            del row["id"]
        links = {name: row.pop(name) for name in list(row) if name.endswith("_ids")}
        if isinstance(entity, entities.MultiDatastream):
            row["multi"] = 1
        id = self.insert(table, row)
        for rank, other in enumerate(links.get("observed_property_ids", ())):
            link = {"datastream_id": id, "rank": rank, "observed_property_id": other}
            self.insert("datastreams_observed_properties", link)
        for other in links.get("location_ids", ()):
            link = {"historical_location_id": id, "location_id": other}
            self.insert("historical_locations_locations", link)
        return id

    def write(self, observations: Observations) -> Written:
        """Write observations; see :meth:`Store.write`."""
        from headwater.network.store.write import write_observations

        return write_observations(self, observations)

    def delete_observations(
        self,
        datastream_id: int,
        *,
        times: Sequence[int] | None = None,
        keys: Sequence[tuple[int, int]] | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> int:
        """Delete observations of one datastream: by start, by key, or within [start, end) [µs].

        Returns
        -------
        int
            How many there were.
        """
        from headwater.network.store.write import delete_observations

        return delete_observations(
            self, datastream_id, times=times, keys=keys, start=start, end=end
        )

    def audit(
        self,
        action: str,
        entity: str | None = None,
        entity_id: object = None,
        detail: object = None,
    ) -> None:
        """Note in the audit trail who did what to which entity."""
        row = {"time": self.clock(), "actor": self.actor, "action": action, "entity": entity}
        known = None if entity_id is None else str(entity_id)
        self.insert("audit", {**row, "entity_id": known, "detail": detail})


class Store(ABC):
    """A store of observations, open until it is closed; a context manager; safe among threads.

    Attributes
    ----------
    address : str
        As it was opened, without a password.
    dialect : {"sqlite", "postgresql"}
    archive : Archive or None
        Where closed months go.
    """

    address: str
    dialect: Dialect
    archive: Archive | None

    @abstractmethod
    def transaction(
        self, *, read_only: bool = False, actor: str | None = None
    ) -> AbstractContextManager[Session]:
        """Open a transaction; it is kept when the block ends, and undone when the block raises.

        Parameters
        ----------
        read_only : bool
            Refuse to write; readers see one state and never wait for a writer.
        actor : str, optional
            Who acts, for the audit trail.
        """

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""

    @abstractmethod
    def copy_to(self, path: Path) -> tuple[int, list[str]]:
        """Write a consistent copy of the tables to a file while they are in use.

        Returns
        -------
        observations : int
            How many it counts, archived ones too.
        archived : list of str
            Files of the archive that belong to it.
        """

    def shrink(self) -> None:  # noqa: B027  (PostgreSQL sees to it by itself)
        """Give room back to the disk after much has been deleted."""

    def write(self, observations: Observations, *, actor: str | None = None) -> Written:
        """Write observations in one transaction, with counters and latest values.

        The key is datastream, phenomenon time (start and end), result time and feature of interest:
        what is there already with the same content stays untouched, with another content it is
        updated. A new result that comes without quality
        takes the old quality away, so that it is controlled again. When this returns, the
        observations are kept.

        Parameters
        ----------
        observations : Observations
            In any order; of rows with the same key the last one counts.
        actor : str, optional

        Returns
        -------
        Written

        Raises
        ------
        InputError
            If a datastream does not exist; nothing is written then.
        StoreError
            If the store is full, busy or unreachable; nothing is written then.
        """
        with self.transaction(actor=actor) as session:
            return session.write(observations)

    def read(
        self,
        datastream_ids: Sequence[int] | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> Observations:
        """Read observations with start <= time < end, from the store and from its archive.

        Parameters
        ----------
        datastream_ids : sequence of int, optional
            Default: all.
        start, end : int, optional
            [µs since 1970-01-01T00:00Z]

        Returns
        -------
        Observations
            Sorted by datastream and time.
        """
        from headwater.network.store.read import read_observations

        with self.transaction(read_only=True) as session:
            return read_observations(session, datastream_ids, start, end)

    def latest(self, datastream_ids: Sequence[int] | None = None) -> Observations:
        """Read the newest observation of each datastream that has one."""
        from headwater.network.store.read import latest

        with self.transaction(read_only=True) as session:
            return latest(session, datastream_ids)

    def count(self, datastream_ids: Sequence[int] | None = None) -> int:
        """Count observations, archived ones too, without looking at them."""
        from headwater.network.store.read import count

        with self.transaction(read_only=True) as session:
            return count(session, datastream_ids)

    def daily_means(
        self,
        datastream_ids: Sequence[int] | None = None,
        start: int | None = None,
        end: int | None = None,
        *,
        offset: int = 0,
    ) -> DailyMeans:
        """Mean, extremes and number of numeric results of each day.

        Parameters
        ----------
        datastream_ids : sequence of int, optional
            Default: all.
        start, end : int, optional
            [µs]
        offset : int
            Of the days from UTC, positive to the east [µs].

        Returns
        -------
        DailyMeans
            Sorted by datastream and day.
        """
        from headwater.network.store.read import daily_means

        with self.transaction(read_only=True) as session:
            return daily_means(session, datastream_ids, start, end, offset=offset)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_TABLE_OF = {
    entities.Thing: "things",
    entities.Location: "locations",
    entities.HistoricalLocation: "historical_locations",
    entities.Sensor: "sensors",
    entities.ObservedProperty: "observed_properties",
    entities.FeatureOfInterest: "features_of_interest",
    entities.Datastream: "datastreams",
    entities.MultiDatastream: "datastreams",
}


def _name(word: str) -> str:
    # Names cannot be parameters of SQL, so they are held to letters that mean nothing else there.
    if not re.fullmatch(r"[a-z_]+", word):
        raise InputError("not a name of a table or column", found=repr(word))
    return word


def _value(column: str, value: object) -> Any:
    if column not in JSON_COLUMNS or value is None:
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        do = "Use text, finite numbers, true, false, null, lists and objects"
        raise InputError(f"'{column}' cannot be JSON: {error}", do=do) from None
