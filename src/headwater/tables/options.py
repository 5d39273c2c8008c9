"""What a reader can be given where a file leaves more than one reading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from headwater.errors import InputError, nearest

__all__ = ["DEFAULTS", "Order", "ReadingOptions", "parse_options"]

Order = Literal["dmy", "mdy", "ymd"]
"""Order of day, month and year in dates of digits alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOptions:
    """Answers to what a table itself does not say; every one may be left open.

    Attributes
    ----------
    encoding : str, optional
        Of a text file, such as ``"gbk"``.
    separator : str, optional
        Between the cells of a text file: one character, or ``tab``, ``comma``, ``semicolon``,
        ``space``.
    decimal : {".", ","}, optional
        Sign of the decimals.
    dates : {"dmy", "mdy", "ymd"}, optional
        Order of dates such as 7/6/2021.
    zone : str, optional
        Zone of times that name none, as in the IANA data base, such as ``"Asia/Shanghai"``.
    missing : tuple of str
        Marks of a missing value, besides the usual ones.
    units : dict
        Unit by column, under the file's name or ours; it overrides what the head says.
    header : int, optional
        Number of the row with the names.
    sheet : str or int, optional
        Of a workbook; numbers count from 0.

    Examples
    --------
    >>> ReadingOptions(dates="dmy").dates
    'dmy'
    """

    # a study file may hold these keys and no others
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    encoding: str | None = None
    separator: str | None = None
    decimal: Literal[".", ","] | None = None
    dates: Order | None = None
    zone: str | None = None
    missing: tuple[str, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    header: int | None = None
    sheet: str | int | None = None


DEFAULTS = ReadingOptions()
"""Everything left open."""

_CHOICES: dict[str, tuple[str, ...]] = {"decimal": (".", ","), "dates": ("dmy", "mdy", "ymd")}


def parse_options(texts: Iterable[str]) -> ReadingOptions:
    """Read options as a command line gives them.

    Parameters
    ----------
    texts : iterable of str
        ``key=value``; ``missing=a|b`` for several marks, ``unit:column=unit`` for a unit.

    Returns
    -------
    ReadingOptions

    Raises
    ------
    InputError
        If a key is unknown, or a value is none of those it can have.

    Examples
    --------
    >>> parse_options(["dates=mdy", "unit:depth=cm", "missing=x|y"]).units
    {'depth': 'cm'}
    """
    known = [entry.name for entry in fields(ReadingOptions)]
    given: dict[str, Any] = {"units": {}}
    for text in texts:
        key, sign, value = text.partition("=")
        key = key.strip()
        if key.startswith("unit:") and sign:
            given["units"][key.removeprefix("unit:").strip()] = value.strip()
            continue
        if key not in known or key == "units" or not sign:
            raise InputError(
                "no such option of reading",
                found=f"'{text}'",
                do=f"Write key=value, or unit:column=unit. {nearest(key, known)}",
            )
        given[key] = _value(key, value)
    return ReadingOptions(**given)


def _value(key: str, text: str) -> Any:
    if key == "missing":
        return tuple(text.split("|"))
    if key == "header" or (key == "sheet" and text.isdigit()):
        try:
            return int(text)
        except ValueError:
            raise InputError(
                "not a row number", found=f"header={text}", do="Write header=3"
            ) from None
    if key in _CHOICES and text not in _CHOICES[key]:
        do = f"Write one of {', '.join(_CHOICES[key])}"
        raise InputError(f"no such value of {key}", found=f"'{text}'", do=do)
    return text
