"""What reading and writing need to know of a request, and what it changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headwater.network.sensorthings.address import Key, key_text
from headwater.network.sensorthings.errors import Forbidden
from headwater.network.sensorthings.filter_to_sql import Scope
from headwater.network.sensorthings.model import EntitySet

if TYPE_CHECKING:
    from headwater.network.store.protocol import Session

__all__ = [
    "Change",
    "Context",
    "Limits",
    "Work",
]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one answer holds, and one request may send.

    Attributes
    ----------
    page : int
        Entities of a page when ``$top`` is not given.
    top : int
        Entities of a page at most.
    body : int
        Size of a request [bytes].
    batch : int
        Requests in a batch.
    """

    page: int = 100
    top: int = 10_000
    body: int = 32_000_000
    batch: int = 1_000


@dataclass(frozen=True, slots=True)
class Context:
    """One request: its transaction, the address of the service, the time and the limits.

    Attributes
    ----------
    session : Session
    root : str
        Address of the service without a slash at the end, such as ``http://host/v1.1``.
    now : int
        Time of the request [µs].
    limits : Limits
    """

    session: Session
    root: str
    now: int
    limits: Limits = Limits()

    def scope(self, entity: EntitySet) -> Scope:
        """Say where an expression on a set is compiled."""
        return Scope(entity, self.session.dialect, self.now)

    def link_to(self, entity: EntitySet, key: Key) -> str:
        """Write the address of an entity."""
        return f"{self.root}/{entity.name}({key_text(key)})"


@dataclass(frozen=True, slots=True)
class Change:
    """One entity that was created or changed; `names` are the properties that changed."""

    entity: EntitySet
    key: Key
    created: bool
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Work:
    """A request that writes.

    Attributes
    ----------
    context : Context
    things : frozenset of int or None
        The only things that may be written to; None allows all.
    announced : bool
        Whether anybody wants to hear of single observations.
    changes : list of Change
        Grows while the request is served.
    """

    context: Context
    things: frozenset[int] | None = None
    announced: bool = True
    changes: list[Change] = field(default_factory=list)

    def note(
        self, entity: EntitySet, key: Key, *, created: bool, names: frozenset[str] = frozenset()
    ) -> None:
        """Remember a change and put it into the audit trail."""
        if self.announced:
            self.changes.append(Change(entity, key, created, names))
        if entity.name != "Observations":  # the store itself notes what is revised there
            action = "create" if created else "update"
            self.context.session.audit(action, entity.name, key[0])

    def guard(self, entity: EntitySet, key: Key | None) -> None:
        """Refuse to write outside the things that are allowed.

        Raises
        ------
        Forbidden
        """
        if self.things is None:
            return
        thing = self._thing_of(entity, key) if key else None
        if thing is None or thing not in self.things:
            raise Forbidden(
                f"this key may not write {entity.name} there",
                found=f"it is for Things {', '.join(map(str, sorted(self.things)))}",
                do="Ask whoever runs the service for a key without stations",
            )

    def _thing_of(self, entity: EntitySet, key: Key) -> int | None:
        if entity.name == "Things":
            return key[0]
        table = "historical_locations" if entity.table == "historical_locations" else "datastreams"
        if entity.table not in ("observations", "datastreams", "historical_locations"):
            return None
        sql = f"SELECT thing_id FROM {table} WHERE id = ?"
        rows = self.context.session.rows(sql, (key[0],))
        return int(rows[0][0]) if rows else None
