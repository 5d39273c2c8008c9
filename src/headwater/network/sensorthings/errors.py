"""What the service refuses: each refusal has the status code of HTTP and one plain sentence."""

from __future__ import annotations

from headwater.errors import HeadwaterError

__all__ = [
    "Conflict",
    "Forbidden",
    "NotAllowed",
    "NotFound",
    "NotImplementedHere",
    "Refused",
    "TooLarge",
    "TooMany",
    "Unauthorised",
    "UnsupportedMedia",
    "WrongRequest",
]


class Refused(HeadwaterError, ValueError):
    """Root of all refusals; `status` is the status code of the answer.

    Examples
    --------
    >>> NotFound("no such entity", found="Things(7)").status
    404
    """

    status = 400


class WrongRequest(Refused):
    """The address, an option or the body cannot be understood (400)."""


class Unauthorised(Refused):
    """A key is needed, or the one that was sent is none (401)."""

    status = 401


class Forbidden(Refused):
    """The key of the client does not reach that far (403)."""

    status = 403


class NotFound(Refused):
    """There is no such entity, property or collection (404)."""

    status = 404


class NotAllowed(Refused):
    """The address exists, but not for this method (405)."""

    status = 405


class Conflict(Refused):
    """The change contradicts what is stored (409)."""

    status = 409


class TooLarge(Refused):
    """The body is larger than the service takes (413)."""

    status = 413


class UnsupportedMedia(Refused):
    """The body is of a type that the address does not take (415)."""

    status = 415


class NotImplementedHere(Refused):
    """The standard knows it, this service does not (501)."""

    status = 501


class TooMany(Refused):
    """More requests than the key allows in this time (429)."""

    status = 429
