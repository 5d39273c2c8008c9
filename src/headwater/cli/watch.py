"""Watch a folder and a broker at once, control what has come, and raise alerts on it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headwater.alerts.rules import Rules
    from headwater.network.ingest.folder import Arrival
    from headwater.network.ingest.mapping import Mapping
    from headwater.network.ingest.mqtt import Taken
    from headwater.network.store.protocol import Store

__all__ = ["run"]

_ALERTS_EVERY = 10.0
"""Longest time between two looks at the rules, for silence raises alerts too [s]."""
_SEND_EVERY = 1.0


class _New:
    """What has come and is not controlled yet."""

    def __init__(self) -> None:
        self.spans: dict[int, tuple[int, int]] = {}
        self.lock = threading.Lock()
        self.came = threading.Event()

    def add(self, more: dict[int, tuple[int, int]]) -> None:
        with self.lock:
            for id, (first, last) in more.items():
                old = self.spans.get(id, (first, last))
                self.spans[id] = (min(old[0], first), max(old[1], last))
        self.came.set()

    def take(self) -> dict[int, tuple[int, int]]:
        self.came.clear()
        with self.lock:
            taken, self.spans = self.spans, {}
        return taken


def run(
    store: Store,
    mapping: Mapping | None,
    *,
    folder: Path | None,
    broker: str | None,
    report: Callable[[str], None],
    control_every: float,
    client_id: str | None = None,
    rules: Rules | None = None,
    **options: Any,
) -> None:
    """Watch until interrupted or terminated; what has come is controlled once more at the end.

    Parameters
    ----------
    store : Store
    mapping : Mapping, optional
    folder : Path, optional
    broker : str, optional
    report : callable
        Is given a line of text now and then.
    control_every : float
        Seconds.
    client_id : str, optional
        Name of the session at the broker.
    rules : Rules, optional
        Of alerts: what comes is controlled and judged by them at once, not after `control_every`.
    **options
        ``pattern``, ``zone`` and ``interval`` of the folder.
    """
    stop, new, failed = threading.Event(), _New(), list[BaseException]()
    tasks: list[Callable[[], None]] = []
    if folder is not None:
        tasks.append(lambda: _folder(store, mapping, folder, stop, new, report, **options))
    if broker is not None:
        name, here = client_id, broker
        on_taken = partial(_add_taken, new, report)
        tasks.append(lambda: _broker(store, mapping, here, name, stop, on_taken))
    if rules is not None:
        _warn_of_unwatched(store, rules, report)
        tasks.append(partial(_deliver_until, stop, store, rules, report))
    threads = [threading.Thread(target=_guarded, args=(failed, stop, task)) for task in tasks]
    # a service is stopped by SIGTERM, which must not cut a transaction of ours short
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    for thread in threads:
        thread.start()
    report(f"Watching {' and '.join(str(one) for one in (folder, broker) if one)}; Ctrl-C to stop")
    try:
        while not stop.is_set():
            if rules is None:
                stop.wait(control_every)
            else:
                new.came.wait(_ALERTS_EVERY)
            if not stop.is_set():
                _control(store, new, report)
                _judge(store, rules, report)
    except KeyboardInterrupt:
        report("Stopping")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        signal.signal(signal.SIGTERM, before)
        _control(store, new, report)
        _judge(store, rules, report)
    if failed:
        raise failed[0]


def _guarded(
    failed: list[BaseException], stop: threading.Event, task: Callable[[], object]
) -> None:
    """Run a worker; whatever ends it ends the process, which must not stand there doing nothing."""
    try:
        task()
    except BaseException as error:
        failed.append(error)
    finally:
        stop.set()


def _folder(
    store: Store,
    mapping: Mapping | None,
    folder: Path,
    stop: threading.Event,
    new: _New,
    report: Callable[[str], None],
    **options: Any,
) -> None:
    from headwater.network.ingest.clocks import clock_doubts
    from headwater.network.ingest.folder import watch
    from headwater.network.store.protocol import now

    def show(arrival: Arrival) -> None:
        if arrival.reading is None or arrival.loaded is None:
            report(f"{arrival.path.name}: {arrival.error}")
            return
        written = arrival.loaded.written
        report(f"{arrival.path.name}: {arrival.reading.report()[0]}; {written.inserted} new")
        for line in (*arrival.reading.report()[2:], *clock_doubts(arrival.loaded.reading, now())):
            report(f"  {line}")
        new.add(arrival.loaded.spans)

    memory = folder / ".headwater-watch.json"
    watch(folder, store, mapping, stop=stop, memory=memory, on_arrival=show, **options)


def _add_taken(new: _New, report: Callable[[str], None], taken: Taken) -> None:
    """Report what of a batch of messages was refused, and note what is to be controlled."""
    for item in taken.refused:
        report(f"message {item.line} refused, kept as a dead letter: {item.reason}")
    for note in taken.notes:
        report(note)
    new.add(taken.spans)


def _broker(
    store: Store,
    mapping: Mapping | None,
    broker: str,
    client_id: str | None,
    stop: threading.Event,
    on_taken: Callable[[Taken], None],
) -> None:
    from headwater.errors import StudyError
    from headwater.network.ingest.mqtt import subscribe

    if mapping is None:
        raise StudyError("a broker needs a mapping", do="Give one with --map")

    subscribe(broker, mapping, store, stop=stop, on_taken=on_taken, identifier=client_id)


def _control(store: Store, new: _New, report: Callable[[str], None]) -> None:
    """Control what has come; where the store is away, it waits for the next time."""
    from headwater.network.quality.run import control_store
    from headwater.network.store.protocol import StoreError

    spans = new.take()
    if not spans:
        return
    try:
        controlled = control_store(store, spans=spans)
    except StoreError as error:
        new.add(spans)
        report(f"quality control waits: {error}")
        return
    n, doubted = sum(one.n for one in controlled), sum(one.doubted for one in controlled)
    report(f"controlled {n} observations of {len(controlled)} series, {doubted} doubted")


def _warn_of_unwatched(store: Store, rules: Rules, report: Callable[[str], None]) -> None:
    from headwater.alerts.rules import unwatched_rules

    for problem in unwatched_rules(store, rules):
        report(f"until such a station comes: {problem}")


def _judge(store: Store, rules: Rules | None, report: Callable[[str], None]) -> None:
    """Raise and clear alerts on what has come; where the store is away, the next look does."""
    from headwater.cli.alerts import judge
    from headwater.network.store.protocol import StoreError

    if rules is None:
        return
    try:
        judge(store, rules, report)
    except StoreError as error:
        report(f"alerts wait: {error}")


def _deliver_until(
    stop: threading.Event, store: Store, rules: Rules, report: Callable[[str], None]
) -> None:
    """Send what is due, in a thread of its own: a receiver that is slow holds up no reading."""
    import numpy as np

    from headwater.alerts import deliver
    from headwater.alerts.channels import sender
    from headwater.alerts.outbox import release_lease, this_sender
    from headwater.network.store.protocol import StoreError

    send, owner = sender(rules), this_sender()
    rng = np.random.default_rng()
    while True:
        last = stop.wait(_SEND_EVERY)
        try:
            done = deliver(store, send, owner=owner, rng=rng)
        except StoreError as error:
            report(f"messages wait: {error}")
        else:
            if done.sent or done.failed:
                report(f"{done.sent} sent, {done.failed} to be sent again")
        if last:
            release_lease(store, owner)
            return
