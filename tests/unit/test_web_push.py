"""Files by HTTP: what is kept, what is refused, who may send, and how much."""

import contextlib
import json
import socket
import threading
import time

import pytest

from headwater.network import open_store
from headwater.network.ingest.mapping import parse_mapping
from headwater.network.keys import issue
from headwater.web.upload import add_push

pytest.importorskip("fastapi", reason="the extra `web` is not installed")
requests = pytest.importorskip("requests")
uvicorn = pytest.importorskip("uvicorn")

GOOD = b"time,sm\n2026-07-01T00:00Z,0.31\n2026-07-01T01:00Z,wet\n2026-07-01T02:00Z,0.33\n"
CSV, GEO = {"Content-Type": "text/csv; charset=utf-8"}, {"Content-Type": "application/geo+json"}


def feature(station, value=0.2):
    return json.dumps(
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [99.1, 35.2]},
            "properties": {
                "station": station,
                "time": "2026-07-01T00:00Z",
                "value": value,
                "property": "soil_moisture",
                "unit": "m3 m-3",
            },
        }
    ).encode()


@pytest.fixture
def mapping():
    one = {"column": "sm", "property": "soil_moisture", "unit": "m3 m-3", "thing": "Upper"}
    return parse_mapping({"series": [one | {"depth": 0.05}]})


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "network.db") as opened:
        yield opened


class Client:
    """Requests to a really running service."""

    def __init__(self, url):
        self.url = url

    def post(self, path, content, headers):
        return requests.post(self.url + path, data=content, headers=headers, timeout=30)


@contextlib.contextmanager
def running(app):
    """Serve in a thread of its own on a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        try:
            yield Client(f"http://localhost:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture
def client(store):
    """Starts a guarded service that takes files; gives a client of it."""
    from headwater.web.app import create_app
    from headwater.web.security import Access, Gate, Guard

    with contextlib.ExitStack() as stack:

        def made(mapping=None, most=10_000):
            guard = Guard(store, Access())
            app = create_app(store, authorise=guard)
            add_push(app, store, mapping=mapping, authorise=guard, most=most)
            app.add_middleware(Gate, guard=guard)
            return stack.enter_context(running(app))

        yield made


def key(store, *stations):
    return {"X-API-Key": issue(store, f"k{stations}", "write", stations=stations)}


def test_good_lines_come_in_and_bad_ones_are_told(client, mapping, store):
    sending, own = client(mapping), key(store)
    told = sending.post("/ingest?name=july.csv", content=GOOD, headers=CSV | own)
    assert told.status_code == 200, told.text
    answer = told.json()
    assert (answer["lines"], answer["kept"], answer["new"]) == (3, 2, 2)
    assert answer["refused_count"] == 1
    assert answer["refused"][0]["line"] == 3
    assert "wet" in answer["refused"][0]["reason"]
    assert store.read().result.tolist() == [0.31, 0.33]
    again = sending.post("/ingest", content=GOOD, headers=CSV | own).json()
    assert (again["new"], again["changed"], again["known"]) == (0, 0, 2)
    with store.transaction(read_only=True) as session:
        actors = {
            row[0] for row in session.rows("SELECT actor FROM audit WHERE action = ?", ("request",))
        }
    assert actors == {"k()"}


def test_lines_of_the_future_are_counted(client, mapping, store):
    lines = b"time,sm\n2024-07-01T00:00Z,0.31\n2131-01-01T00:00Z,0.32\n"
    told = client(mapping).post("/ingest", content=lines, headers=CSV | key(store)).json()
    assert told["kept"] == 2
    assert any("1 line of the future" in note for note in told["notes"])


def test_a_file_of_which_nothing_can_be_kept_is_told(client, mapping, store):
    sending, own = client(mapping), key(store)
    told = sending.post("/ingest", content=b"time,sm\nno,1\n", headers=CSV | own)
    assert told.status_code == 422
    assert told.json()["kept"] == 0
    wrong = sending.post("/ingest", content=b"a,b\n1,2\n", headers=CSV | own)
    assert wrong.status_code == 400
    assert wrong.json()["message"]


def test_geojson_needs_no_mapping_and_csv_does(client, store):
    sending, own = client(), key(store)
    assert sending.post("/ingest", content=feature("Low"), headers=GEO | own).json()["new"] == 1
    told = sending.post("/ingest", content=GOOD, headers=CSV | own)
    assert told.status_code == 415
    assert "mapping" in told.json()["message"]
    told = sending.post("/ingest", content=GOOD, headers={"Content-Type": "image/png"} | own)
    assert told.status_code == 415


def test_writing_needs_a_key_of_the_station(client, store):
    sending = client()
    assert sending.post("/ingest", content=feature("Low"), headers=GEO).status_code == 401
    reader = {"X-API-Key": issue(store, "reader", "read")}
    assert sending.post("/ingest", content=feature("Low"), headers=GEO | reader).status_code == 403
    assert store.count() == 0
    sending.post("/ingest", content=feature("Low"), headers=GEO | key(store))
    with store.transaction(read_only=True) as session:
        low = session.rows("SELECT id FROM things")[0][0]
    own = key(store, low)
    assert (
        sending.post("/ingest", content=feature("Low", 0.3), headers=GEO | own).json()["changed"]
        == 1
    )
    told = sending.post("/ingest", content=feature("High"), headers=GEO | own)
    assert told.status_code == 403
    assert "High" in told.json()["message"]
    assert store.read().result.tolist() == [0.3]


def test_too_much_at_once_is_refused(client, mapping, store):
    sending, own = client(mapping, most=100), key(store)
    assert sending.post("/ingest", content=bytes(200), headers=CSV | own).status_code == 413
    slowly = sending.post("/ingest", content=iter([b"x" * 60] * 4), headers=CSV | own)
    assert slowly.status_code == 413
    assert store.count() == 0
