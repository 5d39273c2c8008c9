"""Times of a whole column, each placed in its zone or refused with the reason."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import InputError, TimeAxisError
from headwater.network.times import NEVER, known_zone, microseconds

__all__ = ["instants"]

# an offset stands behind a time of day, so that the day of 2026-07-01 is not taken for one
_ZONED = re.compile(r"(?:Z|z|[+-]\d\d(?::?\d\d)?)\s*$")
_NAIVE = "a time without a zone, and the mapping names none"


def instants(
    texts: Sequence[str], *, format: str | None = None, zone: str | None = None
) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Read times as whole microseconds of UTC.

    Parameters
    ----------
    texts : sequence of str, shape (n,)
    format : str, optional
        As of ``strptime``; default: ISO 8601.
    zone : str, optional
        Zone of the IANA data base of times that carry no offset. Zones of a fixed offset are
        written ``Etc/GMT-8`` for eight hours east of Greenwich.

    Returns
    -------
    time : int64 array, shape (n,)
        [µs since 1970-01-01T00:00Z]; NEVER where refused.
    refused : dict
        Reason by place.

    Raises
    ------
    InputError
        If the zone is unknown.

    Examples
    --------
    >>> time, refused = instants(["2024-02-29 12:00", "2023-02-29 12:00"], zone="Asia/Shanghai")
    >>> int(time[0]), list(refused)
    (1709179200000000, [1])
    """
    _check_zone(zone)
    reported = pd.Series(list(texts), dtype=object)
    if format is None:
        return _iso(reported, zone)
    aware = "%z" in format
    parsed = pd.to_datetime(reported, format=format, errors="coerce", exact=True, utc=aware)
    wrong = f"not a time of the form {format}: "
    refused = {int(i): wrong + repr(reported.iloc[i]) for i in np.flatnonzero(parsed.isna())}
    if aware:
        return _whole(parsed), refused
    return _placed(parsed, reported, zone, refused)


def _check_zone(zone: str | None) -> None:
    if zone is not None and known_zone(zone) is None:
        do = "Use a name of the IANA data base, such as UTC, Asia/Shanghai or Etc/GMT-8"
        raise InputError("unknown time zone", found=f"'{zone}'", do=do)


def _iso(reported: pd.Series, zone: str | None) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Read ISO 8601 in bulk, and what bulk reading does not understand one by one."""
    day_only = reported.str.len() <= 10
    aware = reported.str.contains(_ZONED).to_numpy(bool) & ~day_only.to_numpy(bool)
    time = np.full(len(reported), NEVER)
    refused: dict[int, str] = {}
    for part, known in ((aware, True), (~aware, False)):
        if not part.any():
            continue
        some = reported[part].str.strip()
        parsed = pd.to_datetime(some, format="ISO8601", errors="coerce", utc=known)
        rows = np.flatnonzero(part)
        unread = {int(i): "" for i in np.flatnonzero(parsed.isna())}
        here, reasons = (
            (_whole(parsed), unread) if known else _placed(parsed, some, zone, dict(unread))
        )
        time[rows] = here
        for i, reason in reasons.items():
            time[rows[i]], why = _alone(some.iloc[i], zone)
            if time[rows[i]] == NEVER:
                refused[int(rows[i])] = reason or why
    return time, refused


def _alone(text: str, zone: str | None) -> tuple[int, str]:
    try:
        return microseconds(text, zone), ""
    except TimeAxisError as error:
        return NEVER, f"{error.wrong}: {text!r}"


def _placed(
    parsed: pd.Series, reported: pd.Series, zone: str | None, refused: dict[int, str]
) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Put local times into their zone; what the clocks repeat or skip is refused."""
    if zone is None:
        good = np.flatnonzero(parsed.notna())
        refused |= {int(i): f"{_NAIVE}: {reported.iloc[i]!r}" for i in good}
        return np.full(len(parsed), NEVER), refused
    local = parsed.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    for i in np.flatnonzero(parsed.notna() & local.isna()):
        moved = parsed.iloc[[int(i)]].dt.tz_localize(zone, ambiguous=False, nonexistent="NaT")
        happens = "does not exist" if moved.isna().iloc[0] else "happens twice"
        why = f"a local time that {happens} in {zone}, for the clocks change"
        refused[int(i)] = f"{why}: {reported.iloc[i]!r}"
    return _whole(local.dt.tz_convert("UTC")), refused


def _whole(parsed: pd.Series) -> NDArray[np.int64]:
    naive = parsed.dt.tz_localize(None) if parsed.dt.tz is not None else parsed
    # NaT and NEVER are the same whole number
    whole: NDArray[np.int64] = naive.to_numpy("datetime64[us]").astype(np.int64)
    return whole
