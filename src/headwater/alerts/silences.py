"""Silences in the store: which alerts ring nobody, by patterns of rule and station, until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from headwater.network.store.protocol import Session

__all__ = ["Silence", "read_silences", "silence_of"]


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence.

    Attributes
    ----------
    id : int
    rule, station : str
        Patterns with * and ?.
    expires : int
        [µs].
    """

    id: int
    rule: str
    station: str
    expires: int


def read_silences(session: Session) -> list[Silence]:
    """Read all silences, the oldest first; those that are over too, for data that come late.

    Parameters
    ----------
    session : Session

    Returns
    -------
    list of Silence
    """
    rows = session.rows("SELECT id, rule, station, expires FROM alert_silences ORDER BY id")
    return [Silence(*row) for row in rows]


def silence_of(silences: Iterable[Silence], rule: str, station: str, time: int) -> int | None:
    """Find a silence by its patterns; one that named the members would hide new ones.

    Parameters
    ----------
    silences : iterable of Silence
    rule, station : str
    time : int
        Of what would ring [µs].

    Returns
    -------
    int or None
        Of the first that fits; None where nothing silences.

    Examples
    --------
    >>> silences = [Silence(1, "frost", "*", 10), Silence(2, "*", "A?", 20)]
    >>> silence_of(silences, "low-water", "A1", 15), silence_of(silences, "frost", "B1", 15)
    (2, None)
    """
    for one in silences:
        if one.expires > time and fnmatchcase(rule, one.rule) and fnmatchcase(station, one.station):
            return one.id
    return None
