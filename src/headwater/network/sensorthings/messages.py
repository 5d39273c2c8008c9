"""Calls and answers of the service as values, whatever carries them: HTTP, a batch, or MQTT."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from headwater.errors import HeadwaterError, InputError
from headwater.network.sensorthings.errors import Refused
from headwater.network.store.protocol import (
    StoreBusyError,
    StoreError,
    StoreFullError,
    StoreUnreachableError,
)

__all__ = ["Answer", "Call", "Permit", "Role", "refusal"]

_LOG = logging.getLogger("headwater.sensorthings")

Role = Literal["read", "write"]
#: Asks whether the caller may do this; returns the things it may write to, or None for all.
Permit = Callable[[Role], frozenset[int] | None]


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes
    ----------
    method : str
    path : str
        Below the root of the service, without percent-encoding.
    query : str
        After the question mark, percent-encoded.
    body : bytes
    content_type : str
    root : str
        Address of the service, without a slash at the end.
    actor : str or None
        Who calls, for the audit trail.
    """

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    content_type: str = ""
    root: str = ""
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back: `body` is a JSON value, or text or bytes with their own `media`."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    media: str = "application/json"


def _status(error: HeadwaterError) -> int:
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, StoreFullError):
        return 507
    if isinstance(error, StoreBusyError | StoreUnreachableError | StoreError):
        return 503
    return 400 if isinstance(error, InputError) else 500


def refusal(error: HeadwaterError) -> Answer:
    """Answer with what was wrong, in a sentence.

    Examples
    --------
    >>> from headwater.network.sensorthings.errors import NotFound
    >>> refusal(NotFound("no such Thing", found="Things(7)")).body["message"]
    'no such Thing. Found: Things(7).'
    """
    status, message = _status(error), str(error)
    if isinstance(error, StoreError):  # speaks of files and servers, which are not for the world
        _LOG.error("the store failed: %s", error)
        message = f"{error.wrong}." if status == 507 else "The store cannot answer now; try later."
    # whoever sends too much is cut off, or the rest would have to be read and thrown away
    headers = {503: {"Retry-After": "5"}, 413: {"Connection": "close"}}.get(status, {})
    return Answer(status, {"code": status, "type": "error", "message": message}, headers)
