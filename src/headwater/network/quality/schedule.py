"""Quality control of what comes in, while the service runs.

Every few seconds the series that have grown or were corrected are compared with their own rules.
What needs the other depths and the neighbours looks back at a year, and is done once a day.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headwater.errors import HeadwaterError

if TYPE_CHECKING:
    from headwater.network.store.protocol import Session, Store

__all__ = ["QualityScheduler", "run_quality_control"]

_LOG = logging.getLogger("headwater.quality")
_DAY = 86_400.0
Span = tuple[int, int]


@dataclass(slots=True)
class QualityScheduler:
    """Remembers what has been controlled.

    Parameters
    ----------
    store : Store
    clock : callable
        Returns the seconds since whenever, for the daily comparison.
    """

    store: Store
    clock: Callable[[], float] = time.monotonic
    _counts: dict[int, int] = field(default_factory=dict)
    _revised: int = 0
    _today: dict[int, Span] = field(default_factory=dict)
    _compared: float | None = None

    def check_new(self) -> int:
        """Control what has come since the last time.

        Returns
        -------
        int
            Series in which something new was controlled.

        Raises
        ------
        StoreError
            If the store is away, busy or full; the next time makes up for it.
        """
        from headwater.network.inventory import list_series
        from headwater.network.quality.run import control_store, uncontrolled

        with self.store.transaction(read_only=True) as session:
            streams = list_series(session)
            # only what has grown or was corrected is searched, not all that is kept
            corrected = self._corrected(session)
            grown = [
                one
                for one in streams
                if one.id in corrected or self._counts.get(one.id) != one.count
            ]
            new = uncontrolled(session, grown)
        for id, (first, last) in new.items():
            old = self._today.get(id, (first, last))
            self._today[id] = min(old[0], first), max(old[1], last)
        if self._compared is None:
            self._compared = self.clock()
        if self.clock() - self._compared >= _DAY:
            control_store(self.store, spans=self._today)
            self._today, self._compared = {}, self.clock()
        elif new:
            control_store(self.store, spans=new, consistency=False)
        self._counts = {one.id: one.count for one in streams}
        return len(new)

    def _corrected(self, session: Session) -> set[int]:
        """Series in which results were changed since the last time, by the audit trail."""
        from headwater.network.quality.run import CONTROL

        rows = session.rows(
            "SELECT id, detail FROM audit WHERE action = 'revise' AND id > ?"
            " AND (actor IS NULL OR actor <> ?) ORDER BY id",
            (self._revised, CONTROL),
        )
        if rows:
            self._revised = int(rows[-1][0])
        return {int(stream) for _, detail in rows for stream in json.loads(detail or "{}")}


@contextmanager
def run_quality_control(store: Store, every: float) -> Iterator[None]:
    """Control what comes in for the length of a block, in a thread of its own.

    Parameters
    ----------
    store : Store
    every : float
        Time between two rounds [s]; 0 for no control at all.
    """
    if every <= 0:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(
        target=_rounds, args=(QualityScheduler(store), every, stop), name="quality"
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _rounds(scheduler: QualityScheduler, every: float, stop: threading.Event) -> None:
    while not stop.wait(every):
        try:
            scheduler.check_new()
        except HeadwaterError as error:
            _LOG.warning("quality control waits: %s", error)
        except Exception:  # one strange series must not end the control of all others
            _LOG.exception("quality control failed")
