"""Expressions of ``$filter`` and ``$orderby`` as values, and how their text is read.

References
----------
OGC 18-088, section 9.3.3.5 ($filter), tables 20 and 21; OData 4.0 Part 2, section 5.1.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from typing import Literal as Choice

from headwater.errors import TimeAxisError
from headwater.network.sensorthings.errors import WrongRequest
from headwater.network.times import DAY, microseconds

__all__ = [
    "Binary",
    "Call",
    "Expression",
    "GeometryTable",
    "Lambda",
    "Literal",
    "Logic",
    "Not",
    "OuterPath",
    "Path",
    "paths_of",
    "read_duration",
    "read_expression",
    "with_parts",
]

LiteralKind = Choice[
    "number",
    "text",
    "boolean",
    "null",
    "instant",
    "interval",
    "duration",
    "date",
    "clock",
    "geometry",
]


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; instants, dates and durations are whole microseconds."""

    value: Any
    kind: LiteralKind


@dataclass(frozen=True, slots=True)
class Path:
    """A property, reached through links and into JSON: ``Datastream/Thing/properties/slope``."""

    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OuterPath:
    """A property, within any and all, of what lies outside of them."""

    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """A comparison (eq ne gt ge lt le) or arithmetic (add sub mul div mod) of two expressions."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Logic:
    """All (``and``) or any (``or``) of the parts."""

    operator: str
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    part: Expression


@dataclass(frozen=True, slots=True)
class Lambda:
    """``path/any(x: …)`` or ``path/all(x: …)``; `body` is None for a bare ``any()``."""

    path: Path
    quantifier: str
    variable: str
    body: Expression | None


@dataclass(frozen=True, slots=True)
class GeometryTable:
    """What a geospatial function says of each entity: computed before the query is written."""

    path: Path
    values: tuple[tuple[int, Any], ...]
    boolean: bool


Expression = Literal | Path | OuterPath | Call | Binary | Logic | Not | Lambda | GeometryTable

# Deeper or longer than any honest filter, and well below what a data base would choke on.
_DEEPEST, _LONGEST = 40, 1500
_COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_LEVELS = (_COMPARISONS, frozenset({"add", "sub"}), frozenset({"mul", "div", "mod"}))
_WORDS = frozenset({"and", "or", "not", "in"}).union(*_LEVELS)

_ZONE = r"(?:Z|[+\- ]\d{2}:?\d{2})?"
_INSTANT = rf"\d{{4}}-\d{{2}}-\d{{2}}T\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?{_ZONE}"
_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<geometry>(?:geography|geometry)'(?:[^']|'')*')
    |(?P<duration>duration'[^']*')
    |(?P<text>'(?:[^']|'')*')
    |(?P<interval>{_INSTANT}/{_INSTANT})
    |(?P<instant>{_INSTANT})
    |(?P<date>\d{{4}}-\d{{2}}-\d{{2}}(?![\w]))
    |(?P<clock>\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?)
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w]))
    |(?P<name>@?[^\W\d][\w.:@]*(?:-[\w.:@]+)*)
    |(?P<mark>[(),/:\[\]\-])""",
    re.VERBOSE,
)
_DURATION = re.compile(
    r"(-?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)


@dataclass(slots=True)
class _Tokens:
    """The words of an expression and how far they have been read."""

    source: str
    words: list[tuple[str, str]]
    at: int = 0
    depth: int = 0

    @property
    def next(self) -> tuple[str, str]:
        return self.words[self.at]

    def take(self) -> tuple[str, str]:
        word = self.words[self.at]
        self.at += 1
        return word

    def takes(self, *texts: str) -> str:
        """Take the next word if it is one of these, else nothing."""
        kind, text = self.next
        if kind in ("name", "mark") and text in texts:
            self.at += 1
            return text
        return ""

    def must(self, text: str) -> None:
        if not self.takes(text):
            raise self.wrong(f"'{text}' is missing")

    def wrong(self, what: str) -> WrongRequest:
        found = self.next[1] or "the end"
        return WrongRequest(f"{what} in the expression", found=f"{found} in '{self.source[:200]}'")


def read_expression(text: str) -> Expression:
    """Read an expression.

    Parameters
    ----------
    text : str
        As in ``$filter``, without percent-encoding.

    Returns
    -------
    Expression

    Raises
    ------
    WrongRequest
        Where it breaks the grammar, is deeper than 40 levels or longer than 1 500 words.

    Examples
    --------
    >>> read_expression("result gt 0.3 and not startswith(Datastream/name, 'air')")
    Logic(operator='and', parts=(Binary(operator='gt', left=Path(steps=('result',)), right=Literal\
(value=0.3, kind='number')), Not(part=Call(name='startswith', arguments=(Path(steps=('Datastream'\
, 'name')), Literal(value='air', kind='text'))))))
    """
    tokens = _Tokens(text, [*_words(text), ("end", "")])
    if len(tokens.words) > _LONGEST:
        raise WrongRequest("the expression is too long", found=f"{len(tokens.words)} words")
    expression = _disjunction(tokens)
    if tokens.next[0] != "end":
        raise tokens.wrong("something is left over")
    return expression


def _words(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at : at + 20]
            raise WrongRequest("a sign that no expression has", found=f"'{rest}' in '{text[:200]}'")
        at = match.end()
        if match.lastgroup and match.lastgroup != "space":
            yield match.lastgroup, match.group()


def _disjunction(tokens: _Tokens) -> Expression:
    tokens.depth += 1
    if tokens.depth > _DEEPEST:
        raise WrongRequest("the expression is nested too deeply", found=f"over {_DEEPEST} levels")
    parts = [_conjunction(tokens)]
    while tokens.takes("or"):
        parts.append(_conjunction(tokens))
    tokens.depth -= 1
    return Logic("or", tuple(parts)) if len(parts) > 1 else parts[0]


def _conjunction(tokens: _Tokens) -> Expression:
    parts = [_negation(tokens)]
    while tokens.takes("and"):
        parts.append(_negation(tokens))
    return Logic("and", tuple(parts)) if len(parts) > 1 else parts[0]


def _negation(tokens: _Tokens) -> Expression:
    if not tokens.takes("not"):
        return _binary(tokens, 0)
    tokens.depth += 1
    if tokens.depth > _DEEPEST:
        raise WrongRequest("the expression is nested too deeply", found=f"over {_DEEPEST} levels")
    part = Not(_negation(tokens))
    tokens.depth -= 1
    return part


def _binary(tokens: _Tokens, level: int) -> Expression:
    if level == len(_LEVELS):
        return _value(tokens)
    left = _binary(tokens, level + 1)
    if level == 0 and tokens.takes("in"):
        return _membership(tokens, left)
    length = 0
    while operator := tokens.takes(*_LEVELS[level]):
        left = Binary(operator, left, _binary(tokens, level + 1))
        length += 1
        if length > _DEEPEST:
            raise WrongRequest("too many terms in a row", found=f"over {_DEEPEST} '{operator}'")
    return left


def _membership(tokens: _Tokens, left: Expression) -> Expression:
    """Read the list after ``in``: equal to any of its members; or a list among properties."""
    if tokens.next[0] == "name" and tokens.next[1] not in _WORDS:
        return Binary("in", left, _value(tokens))
    tokens.must("(")
    members = _arguments(tokens)
    if not members:
        raise WrongRequest("'in' needs a list of values", found="()")
    parts = tuple(Binary("eq", left, member) for member in members)
    return Logic("or", parts) if len(parts) > 1 else parts[0]


def _value(tokens: _Tokens) -> Expression:
    if tokens.takes("("):
        inner = _disjunction(tokens)
        tokens.must(")")
        return inner
    if tokens.takes("-"):
        kind, text = tokens.take()
        if kind != "number":
            raise WrongRequest("a minus needs a number after it", found=f"'{text}'")
        return Literal(-_number(text), "number")
    kind, text = tokens.next
    if kind == "name" and text not in _WORDS:
        return _named(tokens)
    if kind in _LITERALS:
        tokens.take()
        return _literal(kind, text)
    raise tokens.wrong("a value is missing")


def _named(tokens: _Tokens) -> Expression:
    name = tokens.take()[1]
    if name in ("true", "false"):
        return Literal(name == "true", "boolean")
    if name == "null":
        return Literal(None, "null")
    if tokens.takes("("):
        return _called(name.lower(), _arguments(tokens))
    steps = [name]
    while True:
        if tokens.takes("/"):
            kind, text = tokens.take()
            if kind not in ("name", "number"):
                raise WrongRequest("a name must follow '/'", found=f"'{text}'")
            if text in ("any", "all") and tokens.takes("("):
                return _lambda(tokens, Path(tuple(steps)), text)
            steps.append(text)
        elif tokens.takes("["):
            kind, text = tokens.take()
            if not text.isdecimal():
                raise WrongRequest("a place in a list is a whole number", found=f"'{text}'")
            steps.append(text)
            tokens.must("]")
        else:
            return Path(tuple(steps))


def _called(name: str, arguments: tuple[Expression, ...]) -> Call:
    """Make a call; the name of a type, which is not quoted, is no path."""
    if name == "cast" and len(arguments) == 2 and isinstance(arguments[1], Path):
        arguments = (arguments[0], Literal("/".join(arguments[1].steps), "text"))
    return Call(name, arguments)


def _lambda(tokens: _Tokens, path: Path, quantifier: str) -> Lambda:
    """Read what stands in the brackets of any and all: a variable, a colon, an expression."""
    if quantifier == "any" and tokens.takes(")"):
        return Lambda(path, quantifier, "", None)
    kind, text = tokens.take()
    variable, colon, rest = text.partition(":")
    if kind != "name" or not variable.isidentifier():
        raise WrongRequest(f"{quantifier} needs a variable", found=f"'{text}'", do="any(d: d/name)")
    if rest:  # written without a blank, `d:d/name` is one word of the tokens
        tokens.at -= 1
        tokens.words[tokens.at] = ("name", rest)
    elif not colon:
        tokens.must(":")
    body = _disjunction(tokens)
    tokens.must(")")
    return Lambda(path, quantifier, variable, body)


def _arguments(tokens: _Tokens) -> tuple[Expression, ...]:
    if tokens.takes(")"):
        return ()
    found = [_disjunction(tokens)]
    while tokens.takes(","):
        found.append(_disjunction(tokens))
    tokens.must(")")
    return tuple(found)


def _number(text: str) -> int | float:
    if text.isdecimal() and len(text) < 19:
        return int(text)
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise WrongRequest("a number beyond what can be stored", found=text[:40])
    return number


def _instant(text: str) -> int:
    if " " in text:  # a + that was not percent-encoded arrives as a blank
        text = text.replace(" ", "+")
    try:
        return microseconds(text)
    except TimeAxisError as error:
        raise WrongRequest(error.wrong, found=error.found, do=error.do) from None


def _interval(text: str) -> tuple[int, int]:
    start, end = text.split("/")
    bounds = _instant(start), _instant(end)
    if bounds[1] < bounds[0]:
        raise WrongRequest("an interval that ends before it begins", found=text)
    return bounds


def _clock(text: str) -> int:
    time = _instant(f"1970-01-01T{text}Z")
    return time % DAY


def read_duration(text: str) -> int:
    """Read an ISO 8601 duration of weeks, days, hours, minutes and seconds.

    Returns
    -------
    int
        [µs]

    Raises
    ------
    WrongRequest
        If it is none, or names months or years, which have no fixed length.

    Examples
    --------
    >>> read_duration("P1DT2H") == 26 * 3_600_000_000
    True
    """
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()[1:]):
        raise WrongRequest(
            "not a duration", found=f"'{text[:40]}'", do="Write days and smaller: P1DT12H30M"
        )
    weeks, days, hours, minutes = (int(part or 0) for part in match.groups()[1:5])
    seconds = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60
    total = seconds * 1_000_000 + round(float(match.group(6) or 0) * 1e6)
    if total > 10_000 * 366 * DAY:
        raise WrongRequest("a duration of more than 10 000 years", found=f"'{text[:40]}'")
    return -total if match.group(1) else total


def _quoted(text: str) -> str:
    return text[text.index("'") + 1 : -1].replace("''", "'")


_LITERALS: dict[str, Any] = {
    "number": _number,
    "text": _quoted,
    "geometry": _quoted,
    "duration": lambda text: read_duration(_quoted(text)),
    "instant": _instant,
    "interval": _interval,
    "date": lambda text: _instant(f"{text}T00:00Z"),
    "clock": _clock,
}


def _literal(kind: str, text: str) -> Literal:
    return Literal(_LITERALS[kind](text), kind)  # type: ignore[arg-type]


def with_parts(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """Build an expression anew with each of its parts changed; one without parts stays."""
    if isinstance(expression, Call):
        return replace(expression, arguments=tuple(map(change, expression.arguments)))
    if isinstance(expression, Binary):
        return replace(expression, left=change(expression.left), right=change(expression.right))
    if isinstance(expression, Logic):
        return replace(expression, parts=tuple(map(change, expression.parts)))
    if isinstance(expression, Not):
        return replace(expression, part=change(expression.part))
    return expression


def paths_of(expression: Expression) -> list[Path]:
    """List the paths that an expression names.

    Examples
    --------
    >>> paths_of(read_expression("result add 1 gt Datastream/id"))
    [Path(steps=('result',)), Path(steps=('Datastream', 'id'))]
    """
    found: list[Path] = []

    def look(part: Expression) -> Expression:
        if isinstance(part, Path):
            found.append(part)
        elif isinstance(part, Lambda | GeometryTable):
            found.append(part.path)
        return with_parts(part, look)

    look(expression)
    return found
