"""A folder that loggers or people put files into: each is read when it has come to rest.

Files are never moved, changed or deleted. What has been read is remembered in a small file, so that
a new start reads only what has changed since.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from headwater.errors import HeadwaterError, InputError
from headwater.network.ingest.formats import read_file
from headwater.network.ingest.load import Loaded, load_reading
from headwater.network.ingest.mapping import Mapping
from headwater.network.ingest.parsed_file import Reading
from headwater.network.store.protocol import Store, StoreError

__all__ = ["Arrival", "watch"]

_LOG = logging.getLogger("headwater.ingest.folder")
_DONE = 600.0
"""A file that nobody has written to for this long has its last line whole, ended or not [s]."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """What became of a file.

    Attributes
    ----------
    path : Path
    reading : Reading or None
        None where the file could not be read at all.
    loaded : Loaded or None
    error : str
        Why it could not be read.
    """

    path: Path
    reading: Reading | None
    loaded: Loaded | None
    error: str = ""


def watch(
    folder: Path | str,
    store: Store,
    mapping: Mapping | None = None,
    *,
    stop: threading.Event,
    memory: Path | str,
    pattern: str = "*",
    zone: str | None = None,
    interval: float = 5.0,
    on_arrival: Callable[[Arrival], None] | None = None,
) -> int:
    """Read files of a folder and its folders as they come and grow, until asked to stop.

    A file is read when it has not changed for one interval. One that grows is read whole again:
    what is there already changes nothing.

    Parameters
    ----------
    folder : path
    store : Store
    mapping : Mapping, optional
        For formats that need one.
    stop : threading.Event
        Set it to stop.
    memory : path
        File that remembers what has been read.
    pattern : str
        Names of files to read, such as ``*.dat``; names that begin with a dot are left alone.
    zone : str, optional
        Of times without one, where the mapping names none.
    interval : float
        Between two looks at the folder [s].
    on_arrival : callable, optional
        Is given what became of each file.

    Returns
    -------
    int
        Files that were read.

    Raises
    ------
    InputError
        If there is no such folder, or the memory cannot be written.
    """
    folder, memory = Path(folder), Path(memory)
    if not folder.is_dir():
        raise InputError("no folder to watch", found=str(folder), do="Create it first")
    known = _recalled(memory)
    before: dict[str, list[Any]] = {}
    refused: dict[str, tuple[list[Any], str]] = {}
    count = 0
    while True:
        now = _seen(folder, pattern, memory)
        for name, mark in now.items():
            if before.get(name) != mark or known.get(name) == mark:
                continue
            arrival = _read(folder / name, store, mapping, zone, whole=bool(mark[2]))
            if arrival is None:
                continue  # the store was away: again at the next look
            known[name] = mark
            _remember(memory, known)
            count += 1
            # a file is read once more when it is at rest, which is no reason to refuse it twice
            answer = (mark[:2], arrival.error)
            news = not arrival.error or refused.get(name) != answer
            refused[name] = answer
            if on_arrival is not None and news:
                on_arrival(arrival)
        before = now
        if stop.wait(interval):
            return count


def _seen(folder: Path, pattern: str, memory: Path) -> dict[str, list[Any]]:
    """Size, time of change, and whether it is at rest, of each file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") or not fnmatch(path.name, pattern) or path == memory:
            continue
        try:
            state = path.stat()
        except OSError:  # taken away meanwhile
            continue
        if path.is_file():
            rests = time.time() - state.st_mtime > _DONE
            found[path.relative_to(folder).as_posix()] = [state.st_size, state.st_mtime_ns, rests]
    return found


def _read(
    path: Path, store: Store, mapping: Mapping | None, zone: str | None, *, whole: bool
) -> Arrival | None:
    try:
        reading = read_file(path, mapping, zone=zone, whole=whole)
        return Arrival(path, reading, load_reading(reading, store))
    except StoreError as error:
        _LOG.warning("the store does not take %s yet: %s", path.name, error)
        return None
    except HeadwaterError as error:
        return Arrival(path, None, None, str(error))


def _recalled(memory: Path) -> dict[str, list[Any]]:
    try:
        held = json.loads(memory.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        # reading all files again costs time, and changes nothing
        _LOG.warning("%s cannot be read, all files are read again: %s", memory, error)
        return {}
    return held if isinstance(held, dict) else {}


def _remember(memory: Path, known: dict[str, list[Any]]) -> None:
    part = memory.with_name(memory.name + ".part")
    try:
        part.write_text(json.dumps(known), encoding="utf-8")
        part.replace(memory)
    except OSError as error:
        do = f"Make {memory.parent} writable: it keeps which files were read"
        raise InputError(f"cannot write {memory}", found=str(error), do=do) from None
