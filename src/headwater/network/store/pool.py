"""Connections that are kept open and lent to one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

__all__ = ["Pool"]


class _Closes(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closes)
_MOST_IDLE = 8
"""Connections kept open after a rush; each holds a cache of its own."""


class Pool(Generic[C]):
    """Idle connections, the one used last on top.

    Parameters
    ----------
    connect : callable
        Opens one more when none is idle.
    sound : callable
        Says whether a connection that comes back may be lent again.
    """

    def __init__(self, connect: Callable[[], C], sound: Callable[[C], bool]) -> None:
        self._connect, self._sound = connect, sound
        self._idle: list[C] = []
        self._lock = threading.Lock()
        self.closed = False

    @contextmanager
    def lend(self) -> Iterator[C]:
        """Lend a connection for the length of a block."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            yield connection
        finally:
            with self._lock:
                room = len(self._idle) < _MOST_IDLE
                keep = room and not self.closed and self._sound(connection)
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def drop(self) -> None:
        """Close the idle connections; new ones are opened when they are needed."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close all; those that are lent are closed when they come back."""
        self.closed = True
        self.drop()
