"""The store of observations: 1e6 observations of 100 series, in SQLite, PostgreSQL and Parquet.

Series of 10 minutes, 10 000 each, arriving in the order of time. Times are CPU seconds of this
program for SQLite and DuckDB, which work in it, and wall seconds for PostgreSQL, which works beside
it; on a machine that does other things as well the latter are too high.
`python -m benchmarks.network_store` prints the figures; `big` as a word adds the count at 1e7.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from headwater.network import open_store
from headwater.network.entities import Datastream, Observations, ObservedProperty, Sensor, Thing
from headwater.network.store.archive_months import close_months
from headwater.network.store.protocol import Store
from headwater.network.times import DAY, microseconds

SERIES, EACH = 100, 10_000
T0, STEP = microseconds("2025-01-01T00:00:00Z"), 600_000_000
LOAD = 50_000  # observations of one transaction of a bulk load


def streams(store: Store) -> None:
    with store.transaction() as session:
        links = {
            "thing_id": session.add(Thing(name="T")),
            "sensor_id": session.add(Sensor(name="S")),
            "observed_property_id": session.add(ObservedProperty(name="P", definition="d")),
        }
        for k in range(SERIES):
            session.add(Datastream(name=f"{k}", unit_of_measurement={"symbol": "%"}, **links))


def arriving(start: int = T0, each: int = EACH) -> Observations:
    """All series, a time step after the other."""
    n = SERIES * each
    rng = np.random.default_rng(7)
    return Observations(
        np.tile(np.arange(1, SERIES + 1), each),
        start + STEP * np.repeat(np.arange(each), SERIES),
        rng.normal(20, 3, n).round(3),
    )


def load(store: Store, given: Observations, size: int) -> None:
    for k in range(0, len(given), size):
        store.write(given.take(slice(k, k + size)))


def seconds(act: Callable[[], object], clock: Callable[[], float], repeats: int = 5) -> float:
    """Least of several, for what cannot be done faster than that."""
    times = []
    for _ in range(repeats):
        begun = clock()
        act()
        times.append(clock() - begun)
    return min(times)


@contextmanager
def sqlite() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "net.db") as store:
        yield store


@contextmanager
def postgresql() -> Iterator[Store]:
    """A private server with fsync on, as a user would run it."""
    path = Path(__file__).parents[1] / "tests" / "journeys" / "_postgres.py"
    spec = importlib.util.spec_from_file_location("private_postgresql", path)
    private = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(private)
    if private.binaries() is None:
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        private.cluster(fsync="on") as server,
        open_store(server.database("bench"), archive=folder) as store,
    ):
        yield store


def server_seconds(store: Store) -> float:
    """CPU seconds that the server has worked for our connection so far; 0 where unknown."""
    with store.transaction(read_only=True) as session:
        pid = session.rows("SELECT pg_backend_pid()")[0][0]
    facts = Path(f"/proc/{pid}/stat")
    if not facts.exists():
        return 0.0
    user, system = facts.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def row(task: str, ours: float, target: str, note: str, peer: float | None = None) -> dict:
    return {"task": task, "ours": ours, "peer": peer, "target": target, "note": note}


def writing(store: Store, name: str, clock: Callable[[], float]) -> list[dict]:
    streams(store)
    given = arriving()
    both = -time.process_time() - (server_seconds(store) if name == "PostgreSQL" else 0.0)
    bulk = len(given) / seconds(lambda: load(store, given, LOAD), clock, 1)
    both += time.process_time() + (server_seconds(store) if name == "PostgreSQL" else 0.0)
    note = f"50 000 in a transaction; {both:.1f} s CPU of program and server"
    again = given.take(slice(0, 200_000))
    same = len(again) / seconds(lambda: load(store, again, LOAD), clock, 1)
    newer = arriving(T0 + EACH * STEP, 1000)
    small = len(newer) / seconds(lambda: load(store, newer, 100), clock, 1)
    late = arriving(T0 - 100 * DAY, 1000)
    order = np.random.default_rng(1).permutation(len(late))
    shuffled = len(late) / seconds(lambda: load(store, late.take(order), 100), clock, 1)
    unit, few = "observations/s", "≥ 20000" if name == "SQLite" else "–"
    return [
        row(f"{name}: bulk load of 1e6 [{unit}]", bulk, "≥ 150000", note),
        row(f"{name}: the same again [{unit}]", same, "–", "2e5 that change nothing"),
        row(f"{name}: batches of 100 [{unit}]", small, few, "1e5, of 100 series each"),
        row(f"{name}: late, shuffled, by 100 [{unit}]", shuffled, "–", "1e5, a merge each"),
    ]


def reading(store: Store, name: str, clock: Callable[[], float], means: str) -> list[dict]:
    goal = "–" if name == "archive" else "< 20"
    asked = (
        ("latest of 100 series", store.latest, "< 10", "ms"),
        ("30 days of a series", lambda: store.read([7], T0, T0 + 30 * DAY), goal, "ms"),
        ("count of everything", store.count, "< 20", "ms"),
        ("count of a series", lambda: store.count([7]), "< 20", "ms"),
        ("daily means of everything", store.daily_means, means, "s"),
    )
    return [
        row(
            f"{name}: {task} [{unit}]",
            seconds(act, clock) * (1000 if unit == "ms" else 1),
            target,
            f"n = {store.count():,}",
        )
        for task, act, target, unit in asked
    ]


def archive(store: Store, clock: Callable[[], float]) -> list[dict]:
    n = store.count()
    begun = clock()
    closed = close_months(store)
    rate = n / (clock() - begun)
    size = sum(month.size for month in closed) / 1e6
    note = f"{len(closed)} months, {size:.1f} MB, verified"
    return [
        row("archive: closing months [observations/s]", rate, "–", note),
        *reading(store, "archive", clock, "< 0.1"),
    ]


def counting(millions: int = 10) -> list[dict]:
    with sqlite() as store:
        streams(store)
        for k in range(millions):
            load(store, arriving(T0 + k * EACH * STEP), 200_000)
        found = seconds(store.count, time.process_time) * 1000
        latest = seconds(store.latest, time.process_time) * 1000
        span = lambda: store.read([7], T0 + 300 * DAY, T0 + 330 * DAY)  # noqa: E731
        note = f"n = {store.count():,}"
        return [
            row("SQLite: count of everything at 1e7 [ms]", found, "< 20", note),
            row("SQLite: latest of 100 series at 1e7 [ms]", latest, "< 10", note),
            row(
                "SQLite: 30 days of a series at 1e7 [ms]",
                seconds(span, time.process_time) * 1000,
                "< 20",
                note,
            ),
        ]


def rows(*, big: bool = False) -> list[dict]:
    """Measure everything; `big` adds the count at 1e7, which takes a minute to fill."""
    measured = []
    with sqlite() as store:
        measured += writing(store, "SQLite", time.process_time)
        measured += reading(store, "SQLite", time.process_time, "< 1")
        measured += archive(store, time.process_time)
    with postgresql() as store:
        measured += writing(store, "PostgreSQL", time.perf_counter)
        measured += reading(store, "PostgreSQL", time.perf_counter, "< 1")
    return measured + (counting() if big else [])


if __name__ == "__main__":
    for line in rows(big="big" in sys.argv):
        print(f"{line['task']:<55} {line['ours']:>12,.4g}  {line['target']:>10}  {line['note']}")
