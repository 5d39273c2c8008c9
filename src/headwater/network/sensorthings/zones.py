"""Offsets of time zones from UTC, within a statement.

References
----------
OGC 23-019, built-in query functions: those of the calendar take a time zone.
"""

from __future__ import annotations

import re

from headwater.network.sensorthings.errors import WrongRequest
from headwater.network.sensorthings.values import Sql, fill
from headwater.network.times import known_zone

__all__ = ["offset_of"]

_FIXED = re.compile(r"([+\- ])(\d{1,2})(?::?(\d{2}))?")
_HOUR = 3_600_000_000
# text of the offset is not handed to PostgreSQL, which reads its sign the other way round
_POSTGRESQL = (
    "(CAST(extract(EPOCH FROM"
    " (TIMESTAMPTZ '1970-01-01 00:00:00+00' + {0} * INTERVAL '1 microsecond') AT TIME ZONE {1}"
    " - (TIMESTAMP '1970-01-01' + {0} * INTERVAL '1 microsecond')) AS BIGINT) * 1000000)"
)


def offset_of(instant: Sql, zone: str, dialect: str) -> Sql:
    """Write how far the local time of a zone is ahead of UTC at an instant [µs].

    Parameters
    ----------
    instant : Sql
        [µs since 1970].
    zone : str
        A name of the IANA data base, such as ``Asia/Shanghai``, or an offset, such as ``+08:00``.
    dialect : {"sqlite", "postgresql"}

    Returns
    -------
    Sql

    Raises
    ------
    WrongRequest
        If there is no such zone.

    Examples
    --------
    >>> offset_of(Sql("t.time"), "-03:30", "sqlite").parameters
    (-12600000000,)
    """
    fixed = _FIXED.fullmatch(zone)
    if fixed is not None:  # a + that was not percent-encoded arrives as a blank
        hours, minutes = int(fixed[2]), int(fixed[3] or 0)
        if hours <= 18 and minutes < 60:
            size = hours * _HOUR + minutes * _HOUR // 60
            offset = -size if fixed[1] == "-" else size
            return Sql("CAST(? AS BIGINT)", (offset,))
    if zone in ("Z", "z"):
        zone = "UTC"
    if known_zone(zone) is None:
        do = "Write a name such as 'Asia/Shanghai', or an offset such as '+08:00'"
        raise WrongRequest("an unknown time zone", found=f"'{zone[:40]}'", do=do)
    named = Sql("?", (zone,))
    template = "zone_offset({0}, {1})" if dialect == "sqlite" else _POSTGRESQL
    return fill(template, instant, named)
