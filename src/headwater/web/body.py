"""The body of a request, taken in without holding more than is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.network.sensorthings.errors import TooLarge

if TYPE_CHECKING:
    from fastapi import Request

__all__ = ["take_body"]


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
