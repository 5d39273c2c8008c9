"""Speed of the SensorThings service: 1e6 observations of 100 series in SQLite."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from urllib.parse import quote

import numpy as np

from headwater.network import open_store
from headwater.network.entities import (
    Datastream,
    Location,
    Observations,
    ObservedProperty,
    Sensor,
    Thing,
)
from headwater.network.sensorthings import Service
from headwater.network.sensorthings.messages import Call
from headwater.web import create_app

SERIES, STEP = 100, 600_000_000
START = 1_704_067_200_000_000


def filled(store, n):
    """A hundred series of n / 100 observations each."""
    with store.transaction() as session:
        thing = session.add(Thing(name="station"))
        place = {"type": "Point", "coordinates": [97.5, 35.1]}
        location = session.add(Location(name="meadow", location=place))
        session.insert("things_locations", {"thing_id": thing, "location_id": location})
        sensor = session.add(Sensor(name="probe"))
        observed = session.add(ObservedProperty(name="soil moisture", definition="x"))
        ids = [
            session.add(
                Datastream(
                    name=f"s{k}",
                    thing_id=thing,
                    sensor_id=sensor,
                    observed_property_id=observed,
                    unit_of_measurement={},
                )
            )
            for k in range(SERIES)
        ]
    per = n // SERIES
    rng = np.random.default_rng(1)
    for first in range(0, per, 10_000):
        size = min(10_000, per - first)
        times = START + STEP * np.arange(first, first + size)
        store.write(
            Observations(np.repeat(ids, size), np.tile(times, SERIES), rng.random(SERIES * size))
        )
    return ids


def seconds(task: Callable[[], object], times: int = 5) -> float:
    """Median of several runs [s of CPU]: other programs on the machine count for nothing."""
    runs = []
    for _ in range(times):
        begun = time.process_time()
        task()
        runs.append(time.process_time() - begun)
    return float(np.median(runs))


@contextlib.contextmanager
def serving(store):
    import uvicorn

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(create_app(store), port=port, log_level="error", ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}/v1.1"
    finally:
        server.should_exit = True
        thread.join()


def posted(url, body):
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def rows(n: int = 1_000_000) -> list[dict]:
    found = []

    def note(task, value, unit, target, note=""):
        limit = f"≤ {target.split()[0]}" if target else ""
        line = {"task": f"{task} [{unit}]", "ours": value, "peer": None, "target": limit}
        found.append(line | {"note": note})

    with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/network.db") as store:
        ids = filled(store, n)
        service = Service(store)

        def get(path, query=""):
            answer = service.answer(Call("GET", path, quote(query, safe="=&$();,/'"), root="r"))
            assert answer.status == 200, answer.body
            return answer.body

        size = f"{n:,} observations"
        tasks = {
            "$count of all Observations": ("Observations", "$count=true&$top=0", "20 ms"),
            "$count of one Datastream's": (
                f"Datastreams({ids[5]})/Observations",
                "$count=true&$top=0",
                "20 ms",
            ),
            "$count by a filter on the Thing": (
                "Observations",
                "$count=true&$top=0&$filter=Datastream/Thing/name eq 'station'",
                "20 ms",
            ),
            "latest of all 100 Datastreams, expanded": (
                "Datastreams",
                "$expand=Observations($top=1;$orderby=phenomenonTime desc)",
                "",
            ),
            "newest 100 of all Observations": ("Observations", "$orderby=phenomenonTime desc", ""),
            "30 days of one series (4 320 rows)": (
                f"Datastreams({ids[5]})/Observations",
                "$top=5000&$resultFormat=dataArray&$filter=phenomenonTime ge 2024-01-10T00:00:00Z"
                " and phenomenonTime lt 2024-02-09T00:00:00Z",
                "",
            ),
            "a page in the middle of one series": (
                f"Datastreams({ids[5]})/Observations",
                "$top=100&$filter=phenomenonTime gt 2024-02-01T00:00:00Z",
                "",
            ),
        }
        for task, (path, query, target) in tasks.items():
            spent = seconds(lambda path=path, query=query: get(path, query))
            note(task, spent * 1e3, "ms", target, size)
        with serving(store) as url:
            later = START + STEP * n
            table = [
                {
                    "Datastream": {"@iot.id": id},
                    "components": ["phenomenonTime", "result"],
                    "dataArray": [
                        [str(np.datetime64(later + STEP * k, "us")) + "Z", k / 7]
                        for k in range(1000)
                    ],
                }
                for id in ids[:50]
            ]
            spent = seconds(lambda: posted(f"{url}/CreateObservations", table), 1)
            note(
                "CreateObservations over HTTP",
                50_000 / spent,
                "observations/s",
                "",
                "50 tables of 1 000 in one request; CPU of server and client",
            )
            one = f"{url}/Datastreams({ids[60]})/Observations"

            def singles():
                for k in range(200):
                    when = str(np.datetime64(later + STEP * k, "us")) + "Z"
                    posted(one, {"phenomenonTime": when, "result": k})

            spent = seconds(singles, 1)
            note(
                "single POST over HTTP",
                200 / spent,
                "observations/s",
                "",
                "a connection each; CPU of both",
            )
    return found


if __name__ == "__main__":
    import sys

    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000):
        print(f"{row['task']:60} {row['ours']:>12.4g}  target {row['target']:6} {row['note']}")
