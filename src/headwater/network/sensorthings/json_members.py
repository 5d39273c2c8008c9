"""Members of JSON by their names and places, as addresses name them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from headwater.network.sensorthings.errors import NotFound

__all__ = ["member_at"]

_PLACES = re.compile(r"(.+?)((?:\[\d{1,9}\])+)")


def member_at(value: Any, path: Sequence[str]) -> Any:
    """Follow names, and places in lists written as ``tags/0`` or ``tags[0]``.

    Parameters
    ----------
    value : object
        As JSON has it.
    path : sequence of str

    Returns
    -------
    object

    Raises
    ------
    NotFound
        If there is nothing there.

    Examples
    --------
    >>> member_at({"depths": [[5, 10], [20, 40]]}, ["depths[1]", "0"])
    20
    """
    for name in path:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name[:9]) < len(value):
            value = value[int(name[:9])]
        elif (found := _PLACES.fullmatch(name)) is not None:
            value = member_at(value, [found[1], *re.findall(r"\d+", found[2])])
        else:
            raise NotFound("no such property", found="/".join(path)[:100])
    return value
