"""Settings of the machine, not of the science: how much memory, how many workers, what to log.

One table (name, type, default, help). A value comes from the default, then from the ``[settings]``
table of the study file, then from the environment (``HEADWATER_<NAME>``), then from the command
line.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from headwater.errors import StudyError, nearest

__all__ = ["Settings", "cluster_client", "resolve"]


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


_ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://\S+|threads|")


def _setting(default: Any, help_text: str, wanted: str) -> Any:
    return field(default=default, metadata={"help": help_text, "wanted": wanted})


@dataclass(frozen=True, slots=True)
class Settings:
    """How a study is computed; none of it changes a result.

    Examples
    --------
    >>> Settings().threads
    2
    """

    threads: int = _setting(2, "threads that compute at once", "a positive whole number")
    workers: int = _setting(
        0, "processes of this machine that compute in place of threads", "a whole number"
    )
    scheduler: str = _setting(
        "",
        "address of a Dask scheduler whose workers compute",
        "an address such as tcp://host:8786",
    )
    chunk_mb: float = _setting(
        16.0, "size of one block of a grid in memory [MB]", "a positive number"
    )
    dpi: int = _setting(150, "resolution of PNG figures [dots per inch]", "a positive whole number")
    log_level: str = _setting(
        "INFO", "least severe message that the log file keeps", f"a level: {', '.join(_LEVELS)}"
    )


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
    >>> resolve({"threads": 4}).threads
    4
    """
    known = {entry.name: entry for entry in fields(Settings)}
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
        merged[name] = _cast(known[name], value)
    return replace(Settings(), **merged)


def _cast(entry: Field[Any], value: Any) -> Any:
    reader = {"log_level": _level, "scheduler": _address}.get(entry.name)
    sound = reader(value) if reader else _amount(value, type(entry.default), entry.default == 0)
    if sound is None:
        raise StudyError(
            f"setting '{entry.name}' needs {entry.metadata['wanted']}",
            found=repr(value),
            do="Correct it in [settings], the environment or the command line",
        )
    return sound


def _level(value: object) -> str | None:
    level = str(value).upper()
    return level if level in _LEVELS else None


def _address(value: Any) -> str | None:
    return value if isinstance(value, str) and _ADDRESS.fullmatch(value) else None


def _amount(value: Any, kind: type, may_be_zero: bool) -> Any:
    """Read a finite number of this kind, without rounding it; None if it is none."""
    try:
        number = float(value)
        # bool is an int to Python, and True workers is nobody's wish
        sound = math.isfinite(number) and not isinstance(value, bool)
        sound = sound and (number > 0 or (may_be_zero and number == 0))
        return kind(number) if sound and kind(number) == number else None
    except (TypeError, ValueError):
        return None


def cluster_client() -> Any:
    """Find the client on whose workers things are computed now; None where this process does.

    Returns
    -------
    Client or None
        A run on a cluster sets a method of its client as Dask's scheduler.
    """
    import dask

    return getattr(dask.config.get("scheduler", None), "__self__", None)
