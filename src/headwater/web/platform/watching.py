"""Take observations in and raise alerts while the service runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from headwater.alerts.channels import sender
from headwater.alerts.events import evaluate
from headwater.alerts.outbox import deliver, this_sender
from headwater.alerts.rules import Rules
from headwater.errors import HeadwaterError
from headwater.network.store.protocol import Store

__all__ = ["run_alerts"]

_LOG = logging.getLogger("headwater.alerts")


@contextmanager
def run_alerts(store: Store, rules: Rules | None, every: float) -> Iterator[None]:
    """Evaluate rules and send what is due for the length of a block, in a thread of its own.

    Parameters
    ----------
    store : Store
    rules : Rules or None
        None: nothing is watched here.
    every : float
        Time between two rounds [s].
    """
    if rules is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_rounds, args=(store, rules, every, stop), name="alerts")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _rounds(store: Store, rules: Rules, every: float, stop: threading.Event) -> None:
    send, owner = sender(rules), this_sender()
    rng = np.random.default_rng()
    while not stop.wait(every):
        try:
            evaluate(store, rules)
            deliver(store, send, owner=owner, rng=rng)
        except HeadwaterError as error:
            _LOG.warning("alerts wait: %s", error)
        except Exception:  # one strange series must not end the watch over all others
            _LOG.exception("alerts failed")
