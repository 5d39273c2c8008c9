"""Who may read and write: keys that are shown once, kept as hashes, scoped, and revoked.

A key is 256 random bits, so its SHA-256 can be kept without salt or stretching: nobody can try them
all. What is kept lets nobody in.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from headwater.errors import HeadwaterError, InputError
from headwater.network.store.protocol import Store, now
from headwater.network.times import DAY

__all__ = [
    "Key",
    "KeyRefusedError",
    "ROLES",
    "RateLimit",
    "RateRefusedError",
    "issue",
    "listed",
    "revoke",
    "verify",
]

Role = Literal["read", "write", "admin"]
ROLES: tuple[Role, ...] = ("read", "write", "admin")
"""Each may do what those before it may."""


class KeyRefusedError(HeadwaterError, PermissionError):
    """The key is unknown, revoked, expired, or does not reach this far."""

    exit_code = 5


class RateRefusedError(KeyRefusedError):
    """The key has asked more often than it may."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key, which is all but the key itself.

    Attributes
    ----------
    id : int
        Its number.
    name : str
        Whose it is.
    role : {"read", "write", "admin"}
        What it may do.
    stations : tuple of int
        Things it is limited to; empty for all.
    rate_per_minute : int or None
        Requests it may make in a minute.
    created, expires, revoked : int or None
        [µs since 1970, UTC].
    """

    id: int
    name: str
    role: Role
    stations: tuple[int, ...]
    rate_per_minute: int | None
    created: int
    expires: int | None
    revoked: int | None


def issue(
    store: Store,
    name: str,
    role: Role,
    *,
    stations: Sequence[int] = (),
    rate_per_minute: int | None = None,
    days: float | None = None,
    clock: Callable[[], int] = now,
) -> str:
    """Make a key and give it out, for the only time.

    Parameters
    ----------
    store : Store
        Where it will be valid.
    name : str
        Whose it is; a name is used once.
    role : {"read", "write", "admin"}
        What it may do.
    stations : sequence of int
        Things it is limited to; empty for all.
    rate_per_minute : int, optional
        Requests it may make in a minute; default: as many as it likes.
    days : float, optional
        How long it is valid; default: until it is revoked.
    clock : callable
        Returns the time [µs].

    Returns
    -------
    str
        ``"hw_"`` and 43 letters.

    Raises
    ------
    InputError
        If the name is taken or empty, the role unknown, or a number not positive.

    Examples
    --------
    >>> import tempfile
    >>> from headwater.network import open_store
    >>> with tempfile.TemporaryDirectory() as folder, open_store(folder + "/s.db") as store:
    ...     token = issue(store, "logger 3", "write")
    ...     verify(store, token, "read").name
    'logger 3'
    """
    _check(name, role, rate_per_minute, days)
    token = "hw_" + secrets.token_urlsafe(32)
    created = clock()
    with store.transaction(actor="keys") as session:
        if session.rows("SELECT 1 FROM keys WHERE name = ?", (name,)):
            raise InputError(
                "a name that has a key already", found=f"'{name}'", do="Choose another name"
            )
        for station in stations:
            if not session.rows("SELECT 1 FROM things WHERE id = ?", (station,)):
                raise InputError(
                    "a station that the store does not hold",
                    found=str(station),
                    do="Give the @iot.id of a Thing",
                )
        row = {
            "name": name,
            "hash": _hash(token),
            "role": role,
            "stations": list(stations) or None,
            "rate_per_minute": rate_per_minute,
            "created": created,
            "expires": created + round(days * DAY) if days is not None else None,
        }
        number = session.insert("keys", row)
        session.audit("issue", "keys", number, {"name": name, "role": role})
    return token


def _check(name: str, role: str, rate: int | None, days: float | None) -> None:
    if not name.strip():
        raise InputError("a key without a name", found=f"'{name}'", do="Say whose it is")
    if role not in ROLES:
        raise InputError("an unknown role", found=f"'{role}'", do="Use " + ", ".join(ROLES))
    if rate is not None and rate < 1:
        raise InputError(
            "a key that may never ask", found=f"{rate} requests a minute", do="Give one or more"
        )
    if days is not None and not days > 0:
        raise InputError("a key that is over before it begins", found=f"{days} d", do="Give days")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


_COLUMNS = "id, name, role, stations, rate_per_minute, created, expires, revoked"


def _key(row: tuple[object, ...]) -> Key:
    import json

    stations = tuple(json.loads(str(row[3]))) if row[3] else ()
    return Key(row[0], row[1], row[2], stations, *row[4:])  # type: ignore[arg-type]


def listed(store: Store) -> tuple[Key, ...]:
    """List all keys ever issued, revoked ones too.

    Parameters
    ----------
    store : Store
        The store.

    Returns
    -------
    tuple of Key
    """
    with store.transaction(read_only=True) as session:
        return tuple(_key(row) for row in session.rows(f"SELECT {_COLUMNS} FROM keys ORDER BY id"))


def revoke(store: Store, name: str, *, clock: Callable[[], int] = now) -> Key:
    """Withdraw a key for good.

    Parameters
    ----------
    store : Store
        The store.
    name : str
        Whose key.
    clock : callable
        Returns the time [µs].

    Returns
    -------
    Key
        As it is now.

    Raises
    ------
    InputError
        If nobody of that name has a key.
    """
    with store.transaction(actor="keys") as session:
        found = session.rows("SELECT id, revoked FROM keys WHERE name = ?", (name,))
        if not found:
            raise InputError(
                "nobody of that name has a key", found=f"'{name}'", do="See `headwater keys list`"
            )
        if found[0][1] is None:
            session.update("keys", found[0][0], {"revoked": clock()})
            session.audit("revoke", "keys", found[0][0], {"name": name})
        return _key(session.rows(f"SELECT {_COLUMNS} FROM keys WHERE name = ?", (name,))[0])


def verify(
    store: Store,
    token: str,
    role: Role,
    *,
    station: int | None = None,
    clock: Callable[[], int] = now,
) -> Key:
    """Say whose key this is, or refuse it.

    Parameters
    ----------
    store : Store
        The store.
    token : str
        The key.
    role : {"read", "write", "admin"}
        What is asked of it.
    station : int, optional
        Thing that is asked for; default: none in particular, which every scope may ask.
    clock : callable
        Returns the time [µs].

    Returns
    -------
    Key

    Raises
    ------
    KeyRefusedError
        If it is unknown, revoked, expired, or does not reach this role or station. Unknown and
        revoked keys are refused in the same words, so that nothing is learnt by trying.
    """
    with store.transaction(read_only=True) as session:
        # the hash is looked up, not the key: timing says nothing of use about it
        rows = session.rows(f"SELECT {_COLUMNS} FROM keys WHERE hash = ?", (_hash(token),))
    if not rows or rows[0][7] is not None:
        raise KeyRefusedError(
            "this key opens nothing", found=f"{token[:6]}…", do="Ask for a new one"
        )
    key = _key(rows[0])
    if key.expires is not None and clock() >= key.expires:
        raise KeyRefusedError("this key has expired", found=key.name, do="Ask for a new one")
    if ROLES.index(key.role) < ROLES.index(role):
        raise KeyRefusedError(
            f"this key may not {role}", found=f"'{key.name}' may {key.role}", do="Ask for more"
        )
    if station is not None and key.stations and station not in key.stations:
        raise KeyRefusedError(
            "this key is for other stations",
            found=f"station {station}; '{key.name}' may use {list(key.stations)}",
            do="Ask for a key of that station",
        )
    return key


@dataclass(slots=True)
class RateLimit:
    """Counts what each key asks, as a bucket that refills by the minute.

    Parameters
    ----------
    clock : callable
        Returns the time [µs].

    Examples
    --------
    >>> limit, key = RateLimit(clock=lambda: 0), Key(1, "a", "read", (), 1, 0, None, None)
    >>> limit.take(key)
    >>> limit.take(key)
    Traceback (most recent call last):
    headwater.network.keys.RateRefusedError: too many requests. Found: 'a' may make 1 a minute...
    """

    clock: Callable[[], int] = now
    _left: dict[int, tuple[float, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, key: Key) -> None:
        """Count one request.

        Parameters
        ----------
        key : Key
            Who asks.

        Raises
        ------
        RateRefusedError
            If the bucket is empty.
        """
        if key.rate_per_minute is None:
            return
        per_us, at = key.rate_per_minute / 60e6, self.clock()
        with self._lock:
            left, since = self._left.get(key.id, (float(key.rate_per_minute), at))
            # a clock set back refills nothing
            left = min(float(key.rate_per_minute), left + max(0, at - since) * per_us)
            if left < 1.0:
                self._left[key.id] = (left, at)
                raise RateRefusedError(
                    "too many requests",
                    found=f"'{key.name}' may make {key.rate_per_minute} a minute",
                    do=f"Wait {(1.0 - left) / per_us / 1e6:.0f} s",
                )
            self._left[key.id] = (left - 1.0, at)
