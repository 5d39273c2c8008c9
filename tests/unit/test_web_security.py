"""Who comes in: keys, roles, stations, rates, sizes; what is written is noted."""

import base64
import contextlib
import socket
import threading
import time
from functools import partial
from urllib.parse import urlsplit

import pytest

from headwater.network import open_store
from headwater.network.keys import RateLimit, issue, revoke
from headwater.network.sensorthings.context import Limits
from headwater.web.origin import TrustedProxies
from headwater.web.protocol import ImpatientProtocol
from headwater.web.security import Access, Gate, Guard, create_service, first_key, is_local

pytest.importorskip("fastapi", reason="the extra `web` is not installed")
requests = pytest.importorskip("requests")
uvicorn = pytest.importorskip("uvicorn")


MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"


def station(name):
    """A station with one datastream."""
    unit = {"name": "m3 m-3", "symbol": "m3 m-3", "definition": ""}
    sensor = {"name": "s", "description": "", "encodingType": "text/plain", "metadata": ""}
    return {
        "name": name,
        "description": "",
        "Locations": [
            {
                "name": "l",
                "description": "",
                "encodingType": "application/geo+json",
                "location": {"type": "Point", "coordinates": [97.5, 35.1, 4100]},
            }
        ],
        "Datastreams": [
            {
                "name": "sm",
                "description": "",
                "observationType": MEASUREMENT,
                "unitOfMeasurement": unit,
                "Sensor": sensor,
                "ObservedProperty": {"name": "soil moisture", "definition": "d", "description": ""},
            }
        ],
    }


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "network.db") as opened:
        yield opened


class Client:
    """Requests to a really running service."""

    def __init__(self, url):
        self.url, self.session = url, requests.Session()
        for method in ("get", "post", "patch", "delete"):
            setattr(self, method, partial(self.ask, method.upper()))

    def ask(self, method, path, **options):
        return self.session.request(method, self.url + path, timeout=30, **options)


@contextlib.contextmanager
def running(app):
    """Serve in a thread of its own on a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, http=ImpatientProtocol, log_level="critical", ws="none", proxy_headers=False
        )
        server = uvicorn.Server(config)
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
def serving(store):
    """Builds the service and starts it; gives a client to it."""
    with contextlib.ExitStack() as stack:
        yield lambda access=None, **options: stack.enter_context(
            running(create_service(store, access=access, **options))
        )


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def sentence(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == status
    return answer.json()["message"]


def trail(store):
    with store.transaction(read_only=True) as session:
        return session.rows("SELECT actor, action, entity, detail FROM audit ORDER BY id")


# ---- keys and roles ----


def test_reading_is_open_and_writing_needs_a_key(serving, store):
    client = serving()
    assert client.get("/v1.1/Things").json() == {"value": []}
    answer = client.post("/v1.1/Things", json=station("a"))
    assert "writing needs a key" in sentence(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    token = issue(store, "logger", "write")
    for headers in (bearer(token), {"X-API-Key": token}, {"authorization": f"bearer {token}"}):
        assert client.post("/v1.1/Things", json=station("a"), headers=headers).status_code == 201


def test_reading_by_key_where_that_is_wanted(serving, store):
    client, token = serving(Access(reading="key")), issue(store, "reader", "read")
    for path in ("/", "/stations", "/docs", "/v1.1", "/v1.1/Things", "/v1.1/openapi.json"):
        assert "reading needs a key" in sentence(client.get(path), 401)
        assert client.get(path, headers=bearer(token)).status_code == 200
    answer = client.post("/v1.1/Things", json=station("a"), headers=bearer(token))
    assert "may not write" in sentence(answer, 403)


def test_a_browser_is_asked_for_a_password_that_only_reads_there(serving, store):
    client, token = serving(Access(reading="key")), issue(store, "person", "write")
    answer = client.get("/", headers={"Accept": "text/html"})
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    basic = {"Authorization": "Basic " + base64.b64encode(f"any:{token}".encode()).decode()}
    assert "Observation network" in client.get("/", headers=basic).text
    for page in ({"Origin": "https://example.org"}, {"Sec-Fetch-Site": "same-origin"}):
        answer = client.post("/v1.1/Things", json=station("a"), headers=basic | page)
        assert "password only reads" in sentence(answer, 401)
    assert client.post("/v1.1/Things", json=station("a"), headers=basic).status_code == 201


@pytest.mark.parametrize("sent", ["Bearer", "Bearer nonsense", "Basic §", "Digest x", "Basic YQ=="])
def test_what_is_no_key_opens_nothing(serving, sent):
    client = serving(Access(reading="key"))
    headers = {"Authorization": sent.encode("latin-1")}
    assert sentence(client.get("/v1.1/Things", headers=headers), 401)


def test_a_revoked_or_expired_key_opens_nothing_from_the_next_request_on(serving, store):
    client = serving()
    token, short = issue(store, "logger", "write"), issue(store, "guest", "write", days=1e-6)
    assert client.post("/v1.1/Things", json=station("a"), headers=bearer(token)).status_code == 201
    revoke(store, "logger")
    time.sleep(0.1)
    for key in (token, short):
        sentence(client.post("/v1.1/Things", json=station("b"), headers=bearer(key)), 401)
    assert [item["name"] for item in client.get("/v1.1/Things").json()["value"]] == ["a"]


def test_a_key_of_one_station_writes_to_no_other(serving, store):
    client, whole = serving(), issue(store, "operator", "write")
    for name in ("a", "b"):
        client.post("/v1.1/Things", json=station(name), headers=bearer(whole))
    one = bearer(issue(store, "logger b", "write", stations=[2]))
    body = {"phenomenonTime": "2026-01-01T00:00:00Z", "result": 0.2}
    path = "/v1.1/Datastreams({})/Observations"
    assert client.post(path.format(2), json=body, headers=one).status_code == 201
    assert "Things 2" in sentence(client.post(path.format(1), json=body, headers=one), 403)
    sentence(client.patch("/v1.1/Things(1)", json={"name": "c"}, headers=one), 403)
    sentence(client.delete("/v1.1/Datastreams(1)", headers=one), 403)
    batch = {
        "requests": [
            {"id": "1", "method": "post", "url": path.format(1)[6:], "body": body},
            {"id": "2", "method": "post", "url": path.format(2)[6:], "body": body},
        ]
    }
    answer = client.post("/v1.1/$batch", json=batch, headers=one).json()["responses"]
    assert [part["status"] for part in answer] == [403, 201]
    assert store.count([1]) == 0


def test_a_batch_without_a_key_may_read_but_not_write(serving):
    parts = [
        {"id": "1", "method": "get", "url": "Things"},
        {"id": "2", "method": "post", "url": "Things", "body": station("a")},
    ]
    answer = serving().post("/v1.1/$batch", json={"requests": parts}).json()["responses"]
    assert [part["status"] for part in answer] == [200, 401]


def test_a_client_that_knows_passwords_only_writes_with_its_key(serving, store):
    frost = pytest.importorskip("frost_sta_client")
    url = serving(Access(reading="key")).url
    handler = frost.AuthHandler(username="any", password=issue(store, "client", "write"))
    service = frost.SensorThingsService(f"{url}/v1.1", auth_handler=handler)
    thing = frost.Thing(name="made by a client", description="d")
    service.create(thing)
    assert service.things().find(thing.id).name == "made by a client"


# ---- how often, how much ----


def test_too_often_is_told_with_the_time_to_wait(serving, store):
    client = serving()
    headers = bearer(issue(store, "eager", "write", rate_per_minute=3))
    answers = [client.post("/v1.1/Things", json=station("a"), headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert answers[-1].headers["Retry-After"] == "20"
    assert "3 a minute" in sentence(answers[-1], 429)
    other = bearer(issue(store, "calm", "write"))
    assert client.post("/v1.1/Things", json=station("a"), headers=other).status_code == 201


def test_a_batch_counts_once(store):
    at = [0]
    guard = Guard(store, limit=RateLimit(clock=lambda: at[0]))
    headers = bearer(issue(store, "batches", "write", rate_per_minute=1))
    app = create_service(store)
    app.user_middleware.clear()
    app.add_middleware(Gate, guard=guard)
    batch = {"requests": [{"id": str(k), "method": "get", "url": "Things"} for k in range(3)]}
    with running(app) as client:
        ask = partial(client.post, "/v1.1/$batch", json=batch, headers=headers)
        assert ask().status_code == 200
        sentence(ask(), 429)
        at[0] = 60_000_001
        assert ask().status_code == 200


def test_too_much_is_refused_while_it_comes(serving, store):
    client = serving(limits=Limits(body=100_000))
    headers = bearer(issue(store, "logger", "write"))
    for body in (b"x" * 200_000, (b"x" * 10_000 for _ in range(20))):
        answer = client.post("/v1.1/Things", data=body, headers=headers)
        assert "too large" in sentence(answer, 413)


# ---- the trail ----


def test_every_write_is_noted_with_whose_key_it_was(serving, store):
    client, headers = serving(), bearer(issue(store, "logger", "write"))
    client.post("/v1.1/Things", json=station("a"), headers=headers)
    body = {"phenomenonTime": "2026-01-01T00:00:00Z", "result": 0.2}
    client.post("/v1.1/Datastreams(1)/Observations", json=body, headers=headers)
    client.post("/v1.1/Datastreams(1)/Observations", json=body | {"result": 0.3}, headers=headers)
    client.get("/v1.1/Things", headers=headers)
    client.post("/v1.1/Things", json=station("b"))  # has no key, and is refused
    noted = [row for row in trail(store) if row[0] == "logger"]
    paths = [row[3] for row in noted if row[1] == "request"]
    assert len(paths) == 3
    assert "/v1.1/Datastreams(1)/Observations" in paths[1]
    assert ("create", "Things") in [row[1:3] for row in noted]
    assert "revise" in [row[1] for row in noted]
    assert {row[0] for row in trail(store)} == {"keys", "logger"}


def test_the_trail_holds_no_key(serving, store, tmp_path):
    token = issue(store, "logger", "write")
    serving().post("/v1.1/Things", json=station("a"), headers=bearer(token))
    store.close()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert token.encode() not in path.read_bytes()


# ---- one's own machine ----


def test_open_to_this_machine_and_to_no_page_of_another_site(serving):
    client = serving(Access(writing="open"))
    assert client.post("/v1.1/Things", json=station("a")).status_code == 201
    for headers in (
        {"Host": "rebound.example.org"},
        {"Origin": "https://example.org"},
        {"Origin": "null"},
    ):
        answer = client.post("/v1.1/Things", json=station("b"), headers=headers)
        assert "own machine" in sentence(answer, 403)
    sentence(client.get("/v1.1/Things", headers={"Host": "rebound.example.org"}), 403)
    own = {"Origin": "http://localhost:8000"}
    assert client.post("/v1.1/Things", json=station("c"), headers=own).status_code == 201


# ---- links ----


def test_links_begin_with_what_the_client_cannot_make_up(serving):
    client = serving(Access())
    port = urlsplit(client.url).port
    asked = {
        f"127.0.0.1:{port}": f"http://127.0.0.1:{port}",
        f"localhost:{port}": f"http://localhost:{port}",
        "evil.example.org": f"http://127.0.0.1:{port}",
        "localhost:1": f"http://127.0.0.1:{port}",
        f"localhost:{port}/evil": f"http://localhost:{port}",
    }
    for host, origin in asked.items():
        headers = {"Host": host, "X-Forwarded-Host": "evil.example.org"}
        root = client.get("/v1.1", headers=headers).json()
        assert root["value"][0]["url"] == f"{origin}/v1.1/Things"
    client = serving(Access(), public="https://water.example.org/")
    root = client.get("/v1.1", headers={"Host": "evil.example.org"}).json()
    assert root["value"][0]["url"] == "https://water.example.org/v1.1/Things"


@pytest.mark.parametrize(
    ("proxies", "origin"),
    [
        (["127.0.0.0/8"], "https://water.example.org"),
        (["*"], "https://water.example.org"),
        (["10.0.0.1"], None),
    ],
)
def test_a_trusted_proxy_says_where_the_service_is(store, proxies, origin):
    headers = {"X-Forwarded-Host": "water.example.org", "X-Forwarded-Proto": "https"}
    with running(TrustedProxies(create_service(store), proxies)) as client:
        url = client.get("/v1.1", headers=headers).json()["value"][0]["url"]
        assert url == f"{origin or client.url}/v1.1/Things"


@pytest.mark.parametrize("access", [Access(), Access(writing="open"), Access(reading="key")])
def test_strange_requests_are_refused_in_a_sentence(serving, store, access):
    client = serving(access)
    key = issue(store, "any", "write")
    for headers in (
        {"Host": "["},
        {"Host": "a b"},
        {"Origin": "http://["},
        {"X-API-Key": "\xff"},
        {"Authorization": "Basic /w=="},
    ):
        for method, path in (
            ("get", "/"),
            ("get", "/docs"),
            ("get", "/v1.1/Things"),
            ("post", "/v1.1/Things"),
            ("post", "/v1.1/Th%00%ff%F0%9F/$batch"),
            ("delete", "/"),
        ):
            answer = client.ask(method.upper(), path, headers={"X-API-Key": key} | headers)
            assert answer.status_code < 500, (headers, method, path, answer.text)
            if answer.status_code >= 400 and answer.headers["content-type"] != "text/plain":
                assert answer.json()["message"]


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1:80", True),
        ("[::1]:9", True),
        ("127.0.0.1.x.org", False),
        ("", False),
        ("[", False),
        ("0.0.0.0", False),
    ],
)
def test_what_is_ones_own_machine(host, local):
    assert is_local(host) is local


def test_the_first_key_is_given_once(store):
    token = first_key(store)
    assert token.startswith("hw_")
    assert first_key(store) is None
    revoke(store, "first")
    assert first_key(store) is None


# ---- pages ----


def test_pages_ask_no_other_host_and_escape_what_stations_are_called(serving, store):
    client, headers = serving(), bearer(issue(store, "logger", "write"))
    evil = "<script>alert(1)</script>'\"&"
    client.post("/v1.1/Things", json=station(evil), headers=headers)
    client.post("/v1.1/Datastreams(1)/Observations", json={"result": 0.25}, headers=headers)
    for path in ("/", "/stations", "/docs"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "//" not in answer.text.replace(client.url, "")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert ">0.25<" in client.get("/").text
    assert "soil moisture" in client.get("/stations").text
    assert client.get("/?after=99999999999999999999").status_code == 200


def test_an_empty_network_says_what_to_do(serving):
    assert "No station yet" in serving().get("/").text
