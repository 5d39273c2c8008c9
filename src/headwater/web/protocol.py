"""HTTP that does not wait for ever, nor hold more of a body than is allowed."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from headwater.network.sensorthings.errors import TooLarge

if TYPE_CHECKING:
    from fastapi import Request

__all__ = [
    "ImpatientProtocol",
    "STALL",
    "take_body",
]

STALL = 20.0
"""Seconds after which a connection is dropped on which nothing moves that should."""
_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""Linger for no time: closing resets the connection."""
_FAREWELL = 2.0
"""Seconds for which what still comes is thrown away, so that the answer can be read."""
_THROWN = 16_000_000
"""Most that is thrown away [bytes]."""
_TOGETHER = 16_384
"""What is as large as this waits for no more, so that one who does not read is noticed [bytes]."""


class _PatientTransport:
    """A transport that lets the other side read the answer before it closes.

    To close while the other side still sends resets the connection, and the answer is lost on its
    way (RFC 9112, section 9.6). Our half is closed first, and what comes is thrown away.

    The head of an answer and a body that follows at once go out together: each sending costs the
    kernel, and the other side, as much as the whole answer.
    """

    def __init__(self, transport: asyncio.Transport, sending: Callable[[], bool]) -> None:
        self._transport, self._sending = transport, sending
        self.leaving: asyncio.TimerHandle | None = None
        self._thrown = 0
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more will be answered."""
        return self.leaving is not None or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send with what else is written before the loop turns."""
        if not data:
            return
        if not self._held:
            asyncio.get_running_loop().call_soon(self.flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > _TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Send what is held."""
        held, self._held, self._size = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))

    def close(self) -> None:
        """Close, at once only where the other side has sent all that it has to."""
        self.flush()
        if self.is_closing() or not self._sending() or not self._transport.can_write_eof():
            self._transport.close()
            return
        loop = asyncio.get_running_loop()
        self.leaving = loop.call_later(_FAREWELL, self._transport.abort)
        self._transport.write_eof()
        self._transport.resume_reading()

    def throw_away(self, data: bytes) -> None:
        """Pass over what still comes, unless it is too much."""
        self._thrown += len(data)
        if self._thrown > _THROWN:
            self._transport.abort()


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, with a limit on how long a request may take to come in or be read.

    The head of a request must be there within :data:`STALL` of its first byte, however slowly more
    of it drips in; of a body something must come, and of an answer something must be taken, within
    that time.
    """

    stall: float = STALL

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        patient: Any = _PatientTransport(transport, self._receiving_body)
        super().connection_made(patient)
        self._waiting: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Take what came, and say what must come next."""
        transport: Any = self.transport
        if transport.leaving is not None:
            transport.throw_away(data)
            return
        super().data_received(data)
        if self._receiving_body():
            self._calm()
            self._expect()
        elif self._answering():
            self._calm()  # the request is whole: now it is for us to answer
        elif self._waiting is None:
            self._expect()

    def on_response_complete(self) -> None:
        """Leave what comes after an answer to the time-out of idle connections."""
        self._calm()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Notice that the other side does not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.stall, self._drop)

    def resume_writing(self) -> None:
        """Notice that it reads again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the limits."""
        transport: Any = self.transport
        for timer in (self._waiting, self._unread, transport.leaving):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _receiving_body(self) -> bool:
        cycle: Any = self.cycle  # None before the first request
        return bool(cycle) and bool(cycle.more_body)

    def _answering(self) -> bool:
        cycle: Any = self.cycle
        return bool(cycle) and not cycle.response_complete

    def _expect(self) -> None:
        self._waiting = self.loop.call_later(self.stall, self._drop)

    def _calm(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _drop(self) -> None:
        transport: Any = self.transport
        if transport is not None and not transport.is_closing():
            # what is sent but not taken goes too: the kernel would keep it for minutes
            held = transport.get_extra_info("socket")
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()


async def take_body(request: Request, most: int, *, several: str) -> bytes:
    """Take in the body, and stop as soon as it is larger than allowed.

    Parameters
    ----------
    request : Request
    most : int
        Most that is taken [bytes].
    several : str
        What to send instead of one large body, for the refusal.

    Returns
    -------
    bytes

    Raises
    ------
    TooLarge
        If the body is larger; what is declared too large is not read at all.
    """
    do = f"Send at most {most} bytes at once, or several {several}"
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said[:18]) > most:
        raise TooLarge("the body is too large", found=f"{said[:18]} bytes", do=do)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise TooLarge("the body is too large", found=f"over {most} bytes", do=do)
        chunks.append(chunk)
    return b"".join(chunks)
