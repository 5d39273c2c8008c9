"""Fragments of SQL with their parameters: fixed text, and values that never become text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["FALSE", "Sql", "TRUE", "fill", "joined"]

_PLACE = re.compile(r"\{(\d)\}")


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL; each ``?`` in the text has its value in `parameters`."""

    text: str
    parameters: tuple[Any, ...] = ()


TRUE, FALSE = Sql("TRUE"), Sql("FALSE")


def fill(template: str, *parts: Sql) -> Sql:
    """Put fragments into a template; a part that is named twice brings its parameters twice.

    Examples
    --------
    >>> fill("{0} > {1} OR {0} IS NULL", Sql("t.time"), Sql("?", (5,)))
    Sql(text='t.time > ? OR t.time IS NULL', parameters=(5,))
    """
    parameters: list[Any] = []

    def place(match: re.Match[str]) -> str:
        part = parts[int(match.group(1))]
        parameters.extend(part.parameters)
        return part.text

    text = _PLACE.sub(place, template)
    return Sql(text, tuple(parameters))


def joined(mark: str, parts: Iterable[Sql]) -> Sql:
    """Join fragments by ``AND``, ``OR`` or a comma, each in brackets where it is a condition.

    Examples
    --------
    >>> joined(" AND ", [Sql("a = ?", (1,)), Sql("b")]).text
    '(a = ?) AND (b)'
    """
    listed = list(parts)
    bracketed = mark.strip() in ("AND", "OR")
    texts = [f"({part.text})" if bracketed else part.text for part in listed]
    return Sql(mark.join(texts), tuple(value for part in listed for value in part.parameters))
