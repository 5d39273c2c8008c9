"""How much memory the process holds while something runs."""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["MemoryWatch"]

_STATM = Path("/proc/self/statm")
_INTERVAL = 0.05


class MemoryWatch:
    """Note the most memory held between entering and leaving.

    Attributes
    ----------
    peak_mb : float
        Most resident memory seen, twenty times a second [MB]; where the system does not say,
        the most of the process's whole life, and 0 on Windows.

    Examples
    --------
    >>> with MemoryWatch() as watch:
    ...     squares = [number**2 for number in range(1000)]
    >>> watch.peak_mb > 1.0
    True
    """

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_INTERVAL):
            self._look()

    def _look(self) -> None:
        self.peak_mb = max(self.peak_mb, _resident_mb())


def _resident_mb() -> float:
    if sys.platform == "win32":
        return 0.0
    # There is no such module on Windows.
    resource: Any = import_module("resource")
    try:
        pages = int(_STATM.read_text().split()[1])
    except OSError:
        most = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return most / (1e6 if sys.platform == "darwin" else 1e3)
    return float(pages * resource.getpagesize() / 1e6)
