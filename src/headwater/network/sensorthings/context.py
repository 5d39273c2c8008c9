"""What reading and writing need to know of the request they serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwater.network.sensorthings.address import Key, key_text
from headwater.network.sensorthings.filter_to_sql import Scope
from headwater.network.sensorthings.model import EntitySet

if TYPE_CHECKING:
    from headwater.network.store.protocol import Session

__all__ = ["Context", "Limits"]


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
