"""Messages that could not be read: kept with their reason, until somebody has seen to them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from headwater.network.store.protocol import Session

__all__ = ["DeadLetter", "drop_letters", "keep_letters", "read_letters"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was refused.

    Attributes
    ----------
    topic : str
    payload : bytes
        As it came.
    reason : str
    source : str
        The broker, without a password.
    id : int
        0 until it is kept.
    received : int
        [µs]
    """

    topic: str
    payload: bytes
    reason: str
    source: str = ""
    id: int = 0
    received: int = 0


def keep_letters(session: Session, letters: Sequence[DeadLetter]) -> None:
    """Keep letters; they may be acknowledged once the transaction is.

    Parameters
    ----------
    session : Session
    letters : sequence of DeadLetter
    """
    for one in letters:
        text, encoding = _written(one.payload)
        row = {
            "received": session.clock(),
            "source": one.source,
            "topic": one.topic.replace("\x00", "\\x00"),
            "payload": text,
            "encoding": encoding,
            "reason": one.reason.replace("\x00", "\\x00"),
        }
        session.insert("dead_letters", row)


def _written(payload: bytes) -> tuple[str, str]:
    """Write bytes as text where they are text that a data base takes, else in base64."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text:
        return base64.b64encode(payload).decode("ascii"), "base64"
    return text, "utf-8"


def read_letters(session: Session, *, limit: int = 1000) -> list[DeadLetter]:
    """Read letters, the oldest first.

    Parameters
    ----------
    session : Session
    limit : int

    Returns
    -------
    list of DeadLetter
    """
    rows = session.rows(
        "SELECT id, received, source, topic, payload, encoding, reason FROM dead_letters"
        " ORDER BY id LIMIT ?",
        (limit,),
    )
    return [
        DeadLetter(
            topic=topic,
            payload=base64.b64decode(text) if encoding == "base64" else text.encode(),
            reason=reason,
            source=source,
            id=int(id),
            received=int(received),
        )
        for id, received, source, topic, text, encoding, reason in rows
    ]


def drop_letters(session: Session, ids: Sequence[int]) -> int:
    """Drop letters that have been seen to; returns how many there were."""
    return session.executemany("DELETE FROM dead_letters WHERE id = ?", [(id,) for id in ids])
