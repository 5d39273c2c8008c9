"""The functions of ``$filter`` in the words of both data bases, offsets of zones among them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from headwater.network.sensorthings.errors import WrongRequest
from headwater.network.sensorthings.values import Sql, fill
from headwater.network.times import DAY, known_zone

__all__ = [
    "FUNCTIONS",
    "Function",
    "GEOMETRY_FUNCTIONS",
    "TEMPORAL",
    "offset_of",
]

_FIXED = re.compile(r"([+\- ])(\d{1,2})(?::?(\d{2}))?")
_HOUR = 3_600_000_000
# text of the offset is not handed to PostgreSQL, which reads its sign the other way round
_POSTGRESQL = (
    "(CAST(extract(EPOCH FROM"
    " (TIMESTAMPTZ '1970-01-01 00:00:00+00' + {0} * INTERVAL '1 microsecond') AT TIME ZONE {1}"
    " - (TIMESTAMP '1970-01-01' + {0} * INTERVAL '1 microsecond')) AS BIGINT) * 1000000)"
)


@dataclass(frozen=True, slots=True)
class Function:
    """Kinds of the arguments, kind of the value, and a template for each data base."""

    takes: tuple[str, ...]
    gives: str
    sqlite: str
    postgresql: str

    def template(self, dialect: str) -> str:
        """Give the template for a data base."""
        return self.sqlite if dialect == "sqlite" else self.postgresql


def _same(takes: tuple[str, ...], gives: str, template: str) -> Function:
    return Function(takes, gives, template, template)


_TEXT, _TEXTS = ("text",), ("text", "text")

_NUMBER = ("number",)

_EPOCH_SECONDS = (
    "(CASE WHEN {0} >= 0 THEN {0} / 1000000 ELSE -((999999 - ({0})) / 1000000) END)"  # floor
)

_DAY_NUMBER = f"(CASE WHEN {{0}} >= 0 THEN {{0}} / {DAY} ELSE -(({DAY - 1} - ({{0}})) / {DAY}) END)"

_CLOCK = f"({{0}} - {_DAY_NUMBER} * {DAY})"


def _calendar(letter: str, word: str) -> Function:
    return Function(
        ("instant",),
        "number",
        f"CAST(strftime('%{letter}', {_EPOCH_SECONDS}, 'unixepoch') AS INTEGER)",
        f"CAST(extract({word} FROM TIMESTAMP '1970-01-01' + {{0}} * INTERVAL '1 microsecond')"
        " AS BIGINT)",
    )


_STARTS = "substr({0}, 1, length({1})) = {1}"

_ENDS = "(length({0}) >= length({1}) AND substr({0}, length({0}) - length({1}) + 1) = {1})"

_FROM = "CAST(CASE WHEN {1} > 0 THEN {1} ELSE 0 END AS INTEGER) + 1"

_LONG = "CAST(CASE WHEN {2} > 0 THEN {2} ELSE 0 END AS INTEGER)"

#: Functions by name; `substring` stands under ``substring`` and, with a length, ``substring/3``.
FUNCTIONS: dict[str, Function] = {
    "substringof": Function(_TEXTS, "boolean", "instr({1}, {0}) > 0", "strpos({1}, {0}) > 0"),
    "contains": Function(_TEXTS, "boolean", "instr({0}, {1}) > 0", "strpos({0}, {1}) > 0"),
    "startswith": _same(_TEXTS, "boolean", _STARTS),
    "endswith": _same(_TEXTS, "boolean", _ENDS),
    "length": _same(_TEXT, "number", "length({0})"),
    "indexof": Function(_TEXTS, "number", "instr({0}, {1}) - 1", "strpos({0}, {1}) - 1"),
    "substring": _same(("text", "number"), "text", f"substr({{0}}, {_FROM})"),
    "substring/3": _same(("text", "number", "number"), "text", f"substr({{0}}, {_FROM}, {_LONG})"),
    # SQLite's own know the letters A to Z only
    "tolower": Function(_TEXT, "text", "lower_text({0})", "lower({0})"),
    "toupper": Function(_TEXT, "text", "upper_text({0})", "upper({0})"),
    "trim": _same(_TEXT, "text", "trim({0})"),
    "concat": _same(_TEXTS, "text", "({0} || {1})"),
    "year": _calendar("Y", "YEAR"),
    "month": _calendar("m", "MONTH"),
    "day": _calendar("d", "DAY"),
    "hour": _same(("instant",), "number", f"{_CLOCK} / 3600000000"),
    "minute": _same(("instant",), "number", f"{_CLOCK} / 60000000 - {_CLOCK} / 3600000000 * 60"),
    "second": _same(("instant",), "number", f"{_CLOCK} / 1000000 - {_CLOCK} / 60000000 * 60"),
    "fractionalseconds": _same(
        ("instant",), "number", f"({_CLOCK} - {_CLOCK} / 1000000 * 1000000) / 1000000.0"
    ),
    "date": _same(("instant",), "date", f"{_DAY_NUMBER} * {DAY}"),
    "time": _same(("instant",), "clock", _CLOCK),
    # all times are kept in UTC, whatever offset they came with
    "totaloffsetminutes": _same(("instant",), "number", "({0}) * 0"),
    "round": Function(_NUMBER, "number", "round({0})", "round(CAST({0} AS NUMERIC))"),
    "floor": _same(_NUMBER, "number", "floor({0})"),
    "ceiling": Function(_NUMBER, "number", "ceil({0})", "ceil({0})"),
}

# {0} and {1} are start and end of the one time, {2} and {3} of the other; an instant ends as it
# begins, and an interval does not hold its end.
_WITHIN = "{{{a}}} <= {{{t}}} AND {{{t}}} < {{{b}}}"

#: Relations of two times by name.
TEMPORAL: dict[str, str] = {
    "before": "{0} < {2} AND {1} <= {2}",
    "after": "{2} < {0} AND {3} <= {0}",
    "meets": "{1} = {2} OR {0} = {3}",
    "during": "{0} >= {2} AND {1} <= {3} AND {0} < {3}",
    "overlaps": "({0} < {3} AND {2} < {1})"
    f" OR ({{0}} = {{1}} AND {_WITHIN.format(a=2, t=0, b=3)})"
    f" OR ({{2}} = {{3}} AND {_WITHIN.format(a=0, t=2, b=1)})"
    " OR ({0} = {1} AND {2} = {3} AND {0} = {2})",
    "starts": "{0} = {2}",
    "finishes": "{1} = {3}",
}

#: Geospatial functions: how many arguments, and whether they say yes or no.
GEOMETRY_FUNCTIONS: dict[str, tuple[int, bool]] = {
    "geo.distance": (2, False),
    "geo.length": (1, False),
    "geo.intersects": (2, True),
    "st_equals": (2, True),
    "st_disjoint": (2, True),
    "st_touches": (2, True),
    "st_within": (2, True),
    "st_overlaps": (2, True),
    "st_crosses": (2, True),
    "st_intersects": (2, True),
    "st_contains": (2, True),
    "st_relate": (3, True),
}


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
