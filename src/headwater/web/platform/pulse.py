"""What has just changed, sent to all browsers that watch: one look a second serves them all."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from headwater.network.store.protocol import Store, StoreError

__all__ = ["Pulse"]

_EVERY = 1.0
_HEARTBEAT = 15.0
_MOST_WATCHERS = 500


class Pulse:
    """Looks at the store once a second while somebody watches.

    Parameters
    ----------
    store : Store
    studies : callable
        Gives a text that changes when a study does.
    """

    def __init__(self, store: Store, studies: Callable[[], str] = str) -> None:
        self._store, self._studies = store, studies
        self._lock = threading.Lock()
        self._seen: tuple[float, dict[str, Any]] = (-_EVERY, {})
        self.watchers = 0
        self.stopping = False

    def look(self) -> dict[str, Any]:
        """Count observations and alerts; the same for all who ask within a second.

        Returns
        -------
        dict
            ``observations``, ``newest`` [µs], ``alerts`` (firing), ``events``, ``studies``;
            ``away`` where the store does not answer.
        """
        with self._lock:
            at, found = self._seen
            if time.monotonic() - at >= _EVERY * 0.9:
                found = self._ask()
                self._seen = (time.monotonic(), found)
            return found

    def _ask(self) -> dict[str, Any]:
        try:
            with self._store.transaction(read_only=True) as session:
                count, newest = session.rows(
                    "SELECT coalesce(sum(observation_count), 0), max(last_time) FROM datastreams"
                )[0]
                events, open_, seen = session.rows(
                    "SELECT count(*), coalesce(sum(CASE WHEN resolved IS NULL THEN 1 ELSE 0 END),"
                    " 0), count(acknowledged) FROM alert_events"
                )[0]
                silences = session.rows("SELECT count(*) FROM alert_silences")[0][0]
        except StoreError:
            return {"away": True}
        return {
            "studies": self._studies(),
            "observations": int(count),
            "newest": newest,
            "alerts": int(open_),
            "events": int(events),
            "acknowledged": int(seen),
            "silences": int(silences),
        }

    async def watch(self) -> AsyncIterator[bytes]:
        """Say whenever something has changed, as server-sent events."""
        from starlette.concurrency import run_in_threadpool

        if self.watchers >= _MOST_WATCHERS:
            yield b"event: full\ndata: {}\n\n"
            return
        self.watchers += 1
        try:
            last, quiet = None, 0.0
            yield b"retry: 3000\n\n"
            while not self.stopping:
                now = await run_in_threadpool(self.look)
                if now != last:
                    yield f"event: change\ndata: {json.dumps(now)}\n\n".encode()
                    last, quiet = now, 0.0
                elif quiet >= _HEARTBEAT:
                    yield b": still here\n\n"
                    quiet = 0.0
                await asyncio.sleep(_EVERY)
                quiet += _EVERY
        finally:
            self.watchers -= 1
