"""Who signs in: accounts with hashed passwords, sessions that can be ended, and who did what.

Kept in an SQLite file of its own, so that a copy of the observations gives nobody's hash away.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headwater.errors import InputError
from headwater.network.sensorthings.errors import TooMany, Unauthorised

__all__ = ["NOBODY", "PEOPLE_ROLES", "People", "Person", "Session"]

PersonRole = Literal["viewer", "ranger", "editor", "admin"]
PEOPLE_ROLES: tuple[PersonRole, ...] = ("viewer", "ranger", "editor", "admin")
"""Each may do what those before it may: look; see to alerts; decide on plans; keep accounts."""

_SHORTEST, _LONGEST = 10, 256
_MOST_WRONG = 5
_LOCKED = 15 * 60.0
_IDLE, _WHOLE = 12 * 3600.0, 7 * 86400.0
_TRIES, _TRY_SPAN = 10, 60.0
_ELSEWHERE = "!"
"""In place of a hash: these people sign in elsewhere, and no password is theirs."""
_AT_ONCE = 2
"""Hashes computed at once: each takes 64 MiB and a fifth of a second."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS people (
    name TEXT PRIMARY KEY, hash TEXT NOT NULL, role TEXT NOT NULL, wrong INTEGER NOT NULL DEFAULT 0,
    locked REAL NOT NULL DEFAULT 0, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, name TEXT NOT NULL REFERENCES people ON DELETE CASCADE,
    token TEXT NOT NULL, created REAL NOT NULL, seen REAL NOT NULL);
CREATE TABLE IF NOT EXISTS subjects (
    subject TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE REFERENCES people ON DELETE CASCADE);
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    detail TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, or nobody in particular.

    Attributes
    ----------
    name : str
        Empty for whoever looks without an account.
    role : {"viewer", "ranger", "editor", "admin"}
    """

    name: str
    role: PersonRole

    def may(self, role: str) -> bool:
        """Return whether this role is within reach."""
        return PEOPLE_ROLES.index(self.role) >= PEOPLE_ROLES.index(role)


NOBODY = Person("", "viewer")
"""Whoever looks at a demonstration without an account."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a browser holds after signing in.

    Attributes
    ----------
    key : str
        Goes into a cookie that no script can read; only its hash is kept.
    token : str
        Must come with whatever is changed, in a header that no other site's page can send.
    person : Person
    """

    key: str
    token: str
    person: Person


class People:
    """The accounts of a platform; safe among threads.

    Parameters
    ----------
    path : str or Path
        SQLite file, made if not there; ``:memory:`` for none.
    clock : callable
        Gives the time [s].

    Examples
    --------
    >>> people = People(":memory:")
    >>> people.add("zhuoma", "a long password", "ranger")
    >>> session = people.sign_in("zhuoma", "a long password", "127.0.0.1")
    >>> people.known(session.key).person
    Person(name='zhuoma', role='ranger')
    """

    def __init__(self, path: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._hashing = threading.BoundedSemaphore(_AT_ONCE)
        self._tries: OrderedDict[str, list[float]] = OrderedDict()
        self._base = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self._base.execute("PRAGMA foreign_keys = ON")
        if str(path) != ":memory:":
            Path(path).chmod(0o600)
            self._base.execute("PRAGMA journal_mode = WAL")
        self._base.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    def _row(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        with self._lock:
            found: tuple[Any, ...] | None = self._base.execute(sql, values).fetchone()
        return found

    def add(self, name: str, password: str, role: PersonRole, *, by: str = "") -> None:
        """Make an account, or give one a new password and role; its sessions end.

        Parameters
        ----------
        name : str
        password : str
            Ten characters or more.
        role : {"viewer", "ranger", "editor", "admin"}
        by : str
            Who makes it.

        Raises
        ------
        InputError
            If the name, the password or the role cannot be.
        """
        if not re.fullmatch(r"[\w.@ -]{1,60}", name) or name != name.strip():
            raise InputError(
                "not a name of a person", found=repr(name)[:80], do="Use letters, digits and . - @"
            )
        if role not in PEOPLE_ROLES:
            raise InputError("an unknown role", found=role, do=f"Use {', '.join(PEOPLE_ROLES)}")
        if not _SHORTEST <= len(password) <= _LONGEST:
            raise InputError(
                "a password that is too short or too long",
                found=f"{len(password)} characters",
                do=f"Take {_SHORTEST} to {_LONGEST}",
            )
        hashed = self._hash(password)
        with self._writing() as base:
            base.execute("DELETE FROM people WHERE name = ?", (name,))
            base.execute(
                "INSERT INTO people (name, hash, role, created) VALUES (?, ?, ?, ?)",
                (name, hashed, role, self._clock()),
            )
            self._note(base, by or "command line", "account", {"name": name, "role": role})

    def remove(self, name: str, *, by: str = "") -> None:
        """Take an account away, with its sessions.

        Raises
        ------
        InputError
            If there is none of this name.
        """
        with self._writing() as base:
            gone = base.execute("DELETE FROM people WHERE name = ?", (name,)).rowcount
            self._note(base, by or "command line", "account removed", {"name": name})
        if not gone:
            raise InputError("nobody of that name has an account", found=repr(name)[:80])

    def listed(self) -> list[Person]:
        """List the accounts by name."""
        with self._lock:
            rows = self._base.execute("SELECT name, role FROM people ORDER BY name").fetchall()
        return [Person(name, role) for name, role in rows]

    def sign_in(self, name: str, password: str, address: str) -> Session:
        """Check a password, and begin a session with a key that nobody has seen before.

        Parameters
        ----------
        name, password : str
        address : str
            Of whoever asks, whose tries are counted.

        Returns
        -------
        Session

        Raises
        ------
        TooMany
            If this address, or all together, try too often; no hash is computed then.
        Unauthorised
            If name and password do not belong together, in the same words whatever is wrong.
        """
        self.count_try(address)
        row = self._row("SELECT hash, role, wrong, locked FROM people WHERE name = ?", name)
        if row is not None and row[3] > self._clock():
            raise TooMany(
                "this account is locked after too many wrong passwords",
                do="Wait a quarter of an hour, or ask an administrator",
            )
        own = row is not None and row[0] != _ELSEWHERE
        right = self._verify(row[0] if row and own else _dummy(), password[: _LONGEST + 1])
        if row is None or not own or not right:
            self._wrong(name, address, known=row is not None)
            raise Unauthorised("name and password do not belong together", do="Try again")
        return self._begin(Person(name, row[1]))

    def welcome(self, subject: str, name: str, role: PersonRole) -> Session:
        """Begin a session of somebody whom an OpenID provider has signed in.

        Parameters
        ----------
        subject : str
            Who it is, for ever.
        name : str
            What the provider calls them; a number is added where somebody else has that name.
        role : {"viewer", "ranger", "editor", "admin"}
            What they may do from now on; where it is another one, their sessions end.

        Returns
        -------
        Session
        """
        with self._writing() as base:
            row = base.execute(
                "SELECT p.name, p.role FROM subjects s JOIN people p ON p.name = s.name"
                " WHERE s.subject = ?",
                (subject,),
            ).fetchone()
            if row is None:
                row = (self._free_name(base, name), role)
                base.execute(
                    "INSERT INTO people (name, hash, role, created) VALUES (?, ?, ?, ?)",
                    (row[0], _ELSEWHERE, role, self._clock()),
                )
                base.execute("INSERT INTO subjects VALUES (?, ?)", (subject, row[0]))
                self._note(base, row[0], "account", {"name": row[0], "role": role, "of": subject})
            elif row[1] != role:
                base.execute("UPDATE people SET role = ? WHERE name = ?", (role, row[0]))
                base.execute("DELETE FROM sessions WHERE name = ?", (row[0],))
                self._note(base, row[0], "role", {"before": row[1], "now": role})
        return self._begin(Person(row[0], role))

    def _free_name(self, base: sqlite3.Connection, name: str) -> str:
        plain = re.sub(r"[^\w.@ -]+", " ", name)[:50].strip() or "somebody"
        found, number = plain, 2
        while base.execute("SELECT 1 FROM people WHERE name = ?", (found,)).fetchone():
            found, number = f"{plain} {number}", number + 1
        return found

    def count_try(self, address: str) -> None:
        """Count that somebody tries to sign in.

        Parameters
        ----------
        address : str
            From which they do.

        Raises
        ------
        TooMany
            After ten tries in a minute.
        """
        at = self._clock()
        with self._lock:
            tries = [one for one in self._tries.pop(address, []) if at - one < _TRY_SPAN]
            self._tries[address] = [*tries, at][-_TRIES - 1 :]
            while len(self._tries) > 10_000:
                self._tries.popitem(last=False)
        if len(tries) >= _TRIES:
            raise TooMany("too many tries to sign in", do="Wait a minute")

    def _hash(self, password: str) -> str:
        with self._hashing:
            return str(_hasher().hash(password))

    def _verify(self, hashed: str, password: str) -> bool:
        from argon2.exceptions import VerificationError

        if not self._hashing.acquire(timeout=5.0):
            raise TooMany("too many people sign in at once", do="Try again in a moment")
        try:
            return bool(_hasher().verify(hashed, password))
        except VerificationError:
            return False
        finally:
            self._hashing.release()

    def _wrong(self, name: str, address: str, *, known: bool) -> None:
        with self._writing() as base:
            if known:
                base.execute("UPDATE people SET wrong = wrong + 1 WHERE name = ?", (name,))
                base.execute(
                    "UPDATE people SET locked = ?, wrong = 0 WHERE name = ? AND wrong >= ?",
                    (self._clock() + _LOCKED, name, _MOST_WRONG),
                )
            self._note(base, name[:60], "wrong password", {"from": address})

    def _begin(self, person: Person) -> Session:
        key, token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        at = self._clock()
        with self._writing() as base:
            base.execute("DELETE FROM sessions WHERE created < ?", (at - _WHOLE,))
            base.execute("UPDATE people SET wrong = 0, locked = 0 WHERE name = ?", (person.name,))
            base.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)",
                (_digest(key), person.name, token, at, at),
            )
            self._note(base, person.name, "signed in", {})
        return Session(key, token, person)

    def known(self, key: str) -> Session | None:
        """Find the session of a key; None for one that is unknown, ended, or too old."""
        row = self._row(
            "SELECT s.token, s.created, s.seen, p.name, p.role FROM sessions s"
            " JOIN people p ON p.name = s.name WHERE s.id = ?",
            _digest(key),
        )
        at = self._clock()
        if row is None or at - row[1] > _WHOLE or at - row[2] > _IDLE:
            return None
        if at - row[2] > 60:
            with self._writing() as base:
                base.execute("UPDATE sessions SET seen = ? WHERE id = ?", (at, _digest(key)))
        return Session(key, row[0], Person(row[3], row[4]))

    def sign_out(self, key: str) -> None:
        """End a session."""
        with self._writing() as base:
            base.execute("DELETE FROM sessions WHERE id = ?", (_digest(key),))

    def note(self, actor: str, action: str, detail: dict[str, Any]) -> None:
        """Note who did what."""
        with self._writing() as base:
            self._note(base, actor, action, detail)

    def _note(self, base: sqlite3.Connection, actor: str, action: str, detail: object) -> None:
        base.execute(
            "INSERT INTO audit (time, actor, action, detail) VALUES (?, ?, ?, ?)",
            (self._clock(), actor, action, json.dumps(detail, ensure_ascii=False)),
        )

    def audit(self, most: int = 200) -> list[dict[str, Any]]:
        """List what was done, the newest first."""
        sql = "SELECT time, actor, action, detail FROM audit ORDER BY id DESC LIMIT ?"
        with self._lock:
            rows = self._base.execute(sql, (most,)).fetchall()
        return [
            {"time": at, "actor": actor, "action": action, "detail": json.loads(detail)}
            for at, actor, action, detail in rows
        ]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _hasher() -> Any:
    from argon2 import PasswordHasher

    return PasswordHasher()


_DUMMY: list[str] = []


def _dummy() -> str:
    """Hash that no password has, so that an unknown name takes as long as a known one."""
    if not _DUMMY:
        _DUMMY.append(str(_hasher().hash(secrets.token_urlsafe(16))))
    return _DUMMY[0]
