"""Times of the network: ISO 8601 with a zone at the edge, whole microseconds of UTC inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from headwater.errors import TimeAxisError

__all__ = [
    "DAY",
    "LEEWAY",
    "NEVER",
    "ahead",
    "iso",
    "known_zone",
    "microseconds",
    "month_bounds",
    "months_of",
    "zone_offset",
]

#: One day [µs]; a day of UTC has no leap second, as POSIX counts it.
DAY = 86_400_000_000
#: Clocks may differ by so much [µs]; one that stands in another time zone differs by more.
LEEWAY = DAY // 24
#: The whole number that stands for a missing time or identifier; it is NaT seen as an integer.
NEVER = int(np.iinfo(np.int64).min)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_WITHOUT_ZONE = datetime(1970, 1, 1)
_DO = "Write it as 2026-07-01T12:00:00Z, or name the zone in the mapping"


def ahead(time: NDArray[np.int64], present: int | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark times that have not come, by more than clocks may differ.

    Parameters
    ----------
    time : int64 array, shape (n,)
        [µs]
    present : int, or int64 array of shape (n,)
        [µs]

    Returns
    -------
    bool array, shape (n,)

    Examples
    --------
    >>> ahead(np.array([0, LEEWAY, LEEWAY + 1]), 0)
    array([False, False,  True])
    """
    late: NDArray[np.bool_] = time > present + LEEWAY
    return late


def microseconds(text: str, zone: str | None = None) -> int:
    """Read an ISO 8601 instant.

    Parameters
    ----------
    text : str
        Date and time, with an offset or ``Z``; without one only if `zone` is named.
    zone : str, optional
        Zone of the IANA data base in which a time without an offset was written.

    Returns
    -------
    int
        Time since 1970-01-01T00:00Z [µs].

    Raises
    ------
    TimeAxisError
        If it is no time, has no zone, or is a local time that daylight saving skips or repeats.

    Examples
    --------
    >>> microseconds("2024-02-29T00:00:00Z") - microseconds("2024-02-28T23:00:00-01:00")
    0
    >>> iso(microseconds("2026-07-01T12:00:00.5", zone="Asia/Shanghai"))
    '2026-07-01T04:00:00.500000Z'
    >>> iso(microseconds("2026-12-31T24:00Z"))
    '2027-01-01T00:00:00Z'
    """
    trimmed = text.strip()
    if "." in trimmed:
        trimmed = re.sub(r"(\.\d{6})\d+", r"\1", trimmed)
    # 24:00 ends a day, as loggers write it (ISO 8601:2004, 4.2.3)
    midnight = re.sub(r"(?<=[T ])24(?=:00(?::00(?:\.0+)?)?(?:Z|[+-]|$))", "00", trimmed)
    try:
        moment = datetime.fromisoformat(midnight) + timedelta(days=midnight != trimmed)
    except (ValueError, OverflowError):
        raise TimeAxisError("not a time of ISO 8601", found=repr(text), do=_DO) from None
    if moment.tzinfo is None:
        moment = _placed(moment, zone)
    try:
        return (moment - _EPOCH) // timedelta(microseconds=1)
    except OverflowError:
        raise TimeAxisError("time outside years 1 to 9999", found=repr(text)) from None


def _placed(moment: datetime, zone: str | None) -> datetime:
    """Put a local time into its zone, where exactly one instant answers to it."""
    if zone is None:
        raise TimeAxisError("a time without a zone", found=moment.isoformat(), do=_DO)
    there = known_zone(zone)
    if there is None:
        do = "Use a name of the IANA data base, such as Asia/Shanghai or UTC"
        raise TimeAxisError("unknown time zone", found=repr(zone), do=do)
    early, late = (moment.replace(tzinfo=there, fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        exists = early.astimezone(UTC).astimezone(there).replace(tzinfo=None) == moment
        happens = "happens twice" if exists else "does not exist"
        raise TimeAxisError(
            f"a local time that {happens} in {zone}, for the clocks change",
            found=moment.isoformat(),
            do="Log in UTC or standard time, or write the offset with the time",
        )
    return early


def known_zone(name: str) -> ZoneInfo | None:
    """Find a zone of the IANA data base; None where there is none of that name.

    Examples
    --------
    >>> known_zone("Asia/Shanghai").key, known_zone("Asia/Nowhere")
    ('Asia/Shanghai', None)
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the last where it names a folder
        return None


def zone_offset(time: int | None, zone: str) -> int | None:
    """Say how far the local time of a zone is ahead of UTC at an instant.

    Parameters
    ----------
    time : int or None
        Time since 1970-01-01T00:00Z [µs].
    zone : str
        Name in the IANA data base.

    Returns
    -------
    int or None
        [µs]; None of no time, and of one outside the years 1 to 9999.

    Examples
    --------
    >>> zone_offset(0, "Asia/Shanghai") // 3_600_000_000
    8
    """
    if time is None:
        return None
    try:
        there = (_EPOCH + timedelta(microseconds=time)).astimezone(ZoneInfo(zone))
    except OverflowError:
        return None
    offset = there.utcoffset()
    return None if offset is None else offset // timedelta(microseconds=1)


def iso(time: int) -> str:
    """Write an instant as ISO 8601 in UTC.

    Parameters
    ----------
    time : int
        Time since 1970-01-01T00:00Z [µs].

    Returns
    -------
    str
        Whole seconds without, others with six digits of a fraction.

    Raises
    ------
    TimeAxisError
        If the time lies outside the years 1 to 9999.

    Examples
    --------
    >>> iso(-1), iso(0)
    ('1969-12-31T23:59:59.999999Z', '1970-01-01T00:00:00Z')
    """
    try:
        moment = _EPOCH_WITHOUT_ZONE + timedelta(microseconds=int(time))
    except OverflowError:
        raise TimeAxisError("time outside years 1 to 9999", found=f"{time} µs") from None
    return f"{moment.isoformat()}Z"


def months_of(time: NDArray[np.int64]) -> NDArray[np.str_]:
    """Name the month of each instant.

    Parameters
    ----------
    time : int64 array
        Times since 1970-01-01T00:00Z [µs].

    Returns
    -------
    array of str
        Such as ``2024-02``, of the same shape.

    Examples
    --------
    >>> months_of(np.array([-1, 0])).tolist()
    ['1969-12', '1970-01']
    """
    return np.datetime_as_string(time.astype("datetime64[us]").astype("datetime64[M]"))


def month_bounds(month: str) -> tuple[int, int]:
    """Say when a month begins and ends.

    Parameters
    ----------
    month : str
        Such as ``2024-02``.

    Returns
    -------
    start, end : int
        Half-open interval [µs since 1970-01-01T00:00Z].

    Examples
    --------
    >>> start, end = month_bounds("2024-02")
    >>> (end - start) // DAY
    29
    """
    first = np.datetime64(month, "M")
    edges = np.array([first, first + 1]).astype("datetime64[us]").astype(np.int64)
    return int(edges[0]), int(edges[1])
