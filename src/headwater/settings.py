"""Settings of the machine, not of the science: how much memory, how many workers, what to log.

One table (name, type, default, help). A value comes from the default, then from the ``[settings]``
table of the study file, then from the environment (``HEADWATER_<NAME>``), then from the command
line.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from headwater.errors import StudyError, nearest

__all__ = ["Settings", "resolve"]


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _setting(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True)
class Settings:
    """How a study is computed; none of it changes a result.

    Examples
    --------
    >>> Settings().workers
    2
    """

    workers: int = _setting(2, "threads that compute at once")
    chunk_mb: float = _setting(16.0, "size of one block of a grid in memory [MB]")
    dpi: int = _setting(150, "resolution of PNG figures [dots per inch]")
    log_level: str = _setting("INFO", "least severe message that the log file keeps")


def resolve(
    study: Mapping[str, Any] | None = None, cli: Mapping[str, Any] | None = None
) -> Settings:
    """Merge the sources of settings, the later ones winning.

    Parameters
    ----------
    study : mapping, optional
        The ``[settings]`` table of the study file.
    cli : mapping, optional
        Flags of the command line; None values are flags that were not given.

    Returns
    -------
    Settings

    Raises
    ------
    StudyError
        If a name is unknown or a value has the wrong type.

    Examples
    --------
    >>> resolve({"workers": 4}).workers
    4
    """
    known = {entry.name: type(entry.default) for entry in fields(Settings)}
    environment = {
        name: os.environ[f"HEADWATER_{name.upper()}"]
        for name in known
        if f"HEADWATER_{name.upper()}" in os.environ
    }
    given = {name: value for name, value in (cli or {}).items() if value is not None}
    merged: dict[str, Any] = {}
    for name, value in {**(study or {}), **environment, **given}.items():
        if name not in known:
            raise StudyError("unknown setting", found=f"'{name}'", do=nearest(name, list(known)))
        merged[name] = _cast(name, value, known[name])
    return replace(Settings(), **merged)


def _cast(name: str, value: Any, kind: type) -> Any:
    sound = _level(value) if kind is str else _amount(value, kind)
    if sound is None:
        wanted = {int: "a positive whole number", float: "a positive number", str: "a level"}[kind]
        places = "in [settings], the environment or the command line"
        raise StudyError(
            f"setting '{name}' needs {wanted}",
            found=repr(value),
            do=f"Correct it {places}" + (f": {', '.join(_LEVELS)}" if kind is str else ""),
        )
    return sound


def _level(value: Any) -> str | None:
    level = str(value).upper()
    return level if level in _LEVELS else None


def _amount(value: Any, kind: type) -> Any:
    """Read a positive, finite number of this kind, without rounding it; None if it is none."""
    try:
        number = float(value)
        # bool is an int to Python, and True workers is nobody's wish
        sound = math.isfinite(number) and number > 0 and not isinstance(value, bool)
        return kind(number) if sound and kind(number) == number else None
    except (TypeError, ValueError):
        return None
