"""A really started service on a free port, over SQLite and, marked slow, over PostgreSQL."""

import contextlib
import copy
import socket
import threading
import time
from uuid import uuid4

import pytest

from headwater.network import open_store

pytest.importorskip("fastapi", reason="the extra `web` is not installed")
requests = pytest.importorskip("requests")
uvicorn = pytest.importorskip("uvicorn")

POINT = {"type": "Point", "coordinates": [97.5, 35.1]}
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
LOCATION = {
    "name": "upper meadow",
    "description": "a slope",
    "encodingType": "application/geo+json",
    "location": POINT,
}
SENSOR = {
    "name": "5TM",
    "description": "probe",
    "encodingType": "text/plain",
    "metadata": "sheet",
    "properties": {"depth": 10},
}
OBSERVED = {
    "name": "soil moisture",
    "description": "volumetric",
    "definition": "http://example.org/sm",
}
UNIT = {"name": "cubic metre per cubic metre", "symbol": "m3 m-3", "definition": "http://x.org/u"}
DATASTREAM = {
    "name": "sm10",
    "description": "at 10 cm",
    "observationType": MEASUREMENT,
    "unitOfMeasurement": UNIT,
    "properties": {"depth": {"value": 10, "unit": "cm"}},
}
THING = {
    "name": "station 1",
    "description": "four depths",
    "properties": {"slope": 12.5, "aspect": "north", "grazed": True, "tags": ["a", "b"]},
}


def station(name="station 1", n=24, coordinates=(97.5, 35.1), offset=0.0):
    """A whole station as one deep insert: n hourly observations of the first of January 2024."""
    location = copy.deepcopy(LOCATION)
    location["location"]["coordinates"] = list(coordinates)
    hours = [
        {
            "phenomenonTime": f"2024-01-01T{hour:02}:00:00Z",
            "result": offset + hour / 100,
            "resultTime": f"2024-01-01T{hour:02}:10:00Z",
            "parameters": {"hour": hour},
        }
        for hour in range(n)
    ]
    return copy.deepcopy(THING) | {
        "name": name,
        "Locations": [location],
        "Datastreams": [
            copy.deepcopy(DATASTREAM)
            | {
                "name": f"{name} sm10",
                "Sensor": copy.deepcopy(SENSOR),
                "ObservedProperty": copy.deepcopy(OBSERVED),
                "Observations": hours,
            }
        ],
    }


class Client:
    """Requests to one service; `url` is its root."""

    def __init__(self, url, store):
        self.url, self.store, self.session = url, store, requests.Session()

    def call(self, method, path, body=None, *, data=None, headers=None, **options):
        address = path if path.startswith("http") else f"{self.url}/{path}"
        params = {f"${name}": str(value) for name, value in options.items()}
        return self.session.request(
            method, address, params=params, json=body, data=data, headers=headers, timeout=30
        )

    def get(self, path, **options):
        answer = self.call("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def values(self, path, **options):
        return self.get(path, **options)["value"]

    def names(self, path, **options):
        return [item["name"] for item in self.values(path, **options)]

    def post(self, path, body):
        """Create; returns the identifier."""
        answer = self.call("POST", path, body)
        assert answer.status_code == 201, answer.text
        return answer.json()["@iot.id"]

    def refused(self, method, path, body=None, *, status=400, **options):
        """Be refused; returns the sentence."""
        answer = self.call(method, path, body, **options)
        assert answer.status_code == status, answer.text
        assert answer.json()["code"] == status
        return answer.json()["message"]


@contextlib.contextmanager
def serving(app):
    """Run an application in a thread of its own on a free port; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=BACKENDS)
def store(request, tmp_path_factory):
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path_factory.mktemp('store')}/network.db"
    else:
        address = request.getfixturevalue("postgresql").database(f"s{uuid4().hex}")
    with open_store(address) as opened:
        yield opened


@pytest.fixture(scope="module")
def service(store):
    from headwater.web import create_app

    with serving(create_app(store)) as url:
        yield Client(f"{url}/v1.1", store)


@pytest.fixture
def fresh(service):
    """The same service with nothing in it."""
    for name in ("Things", "Locations", "Sensors", "ObservedProperties", "FeaturesOfInterest"):
        while items := service.values(name, select="id", top=1000):
            for item in items:
                assert service.call("DELETE", f"{name}({item['@iot.id']})").ok
    return service
