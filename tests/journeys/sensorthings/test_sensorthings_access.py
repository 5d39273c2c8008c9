"""Who may read and write: the hook decides, for each request, in batches too."""

import pytest

from headwater.network import open_store
from headwater.network.sensorthings.context import Limits
from headwater.network.sensorthings.errors import Forbidden, Unauthorised

from .conftest import THING, Client, serving, station


@pytest.fixture
def guarded(tmp_path):
    """Reading needs a key; `all` may write everything, `one` to the first thing only."""
    from headwater.web import create_app

    def authorise(request, role):
        key = request.headers.get("x-key")
        if key is None:
            raise Unauthorised("a key is needed", do="Send it as x-key")
        if role == "write" and key == "reader":
            raise Forbidden("this key may only read")
        request.state.actor = key
        return frozenset({1}) if key == "one" else None

    with open_store(f"{tmp_path}/network.db") as store:
        app = create_app(store, authorise=authorise, limits=Limits(body=5000, batch=3))
        with serving(app) as url:
            yield lambda key: _client(f"{url}/v1.1", store, key)


def _client(url, store, key):
    client = Client(url, store)
    if key:
        client.session.headers["x-key"] = key
    return client


def test_roles(guarded):
    assert "key" in guarded(None).refused("GET", "Things", status=401)
    guarded("reader").refused("POST", "Things", THING, status=403)
    thing = guarded("all").post("Things", THING)
    assert guarded("reader").names("Things") == [THING["name"]]
    with guarded("all").store.transaction(read_only=True) as session:
        assert session.rows("SELECT DISTINCT actor FROM audit") == [("all",)]
    guarded("reader").refused("DELETE", f"Things({thing})", status=403)


def test_batches_are_no_way_around(guarded):
    post = {"id": "1", "method": "post", "url": "Things", "body": THING}
    get = {"id": "2", "method": "get", "url": "Things"}
    answer = guarded("reader").call("POST", "$batch", {"requests": [post, get]}).json()
    assert [part["status"] for part in answer["responses"]] == [403, 200]
    grouped = post | {"atomicityGroup": "g"}
    answer = guarded("reader").call("POST", "$batch", {"requests": [grouped]}).json()
    assert answer["responses"][0]["status"] == 403
    assert guarded("reader").values("Things") == []
    guarded("all").refused("POST", "$batch", {"requests": [get] * 4})


def test_a_key_of_one_station_writes_to_no_other(guarded):
    everything = guarded("all")
    first = everything.post("Things", station(n=2))
    second = everything.post("Things", station("station 2", n=2))
    assert (first, second) == (1, 2)
    mine, other = (everything.values(f"Things({k})/Datastreams")[0]["@iot.id"] for k in (1, 2))
    theirs = everything.values(f"Datastreams({other})/Observations")[0]["@iot.id"]
    one = guarded("one")
    one.post(f"Datastreams({mine})/Observations", {"result": 1})
    one.refused("POST", f"Datastreams({other})/Observations", {"result": 1}, status=403)
    one.refused("POST", "Observations", {"result": 1, "Datastream": {"@iot.id": other}}, status=403)
    one.refused("PATCH", f"Observations('{theirs}')", {"result": 1}, status=403)
    one.refused("DELETE", f"Observations('{theirs}')", status=403)
    one.refused("PATCH", f"Datastreams({mine})", {"Thing": {"@iot.id": 2}}, status=403)
    one.refused("DELETE", "Things(2)", status=403)
    one.refused("POST", "Things", THING, status=403)
    one.refused("DELETE", "Sensors(1)", status=403)
    table = {"Datastream": {"@iot.id": other}, "components": ["result"], "dataArray": [[1]]}
    assert one.call("POST", "CreateObservations", [table]).json()[0].startswith("error")
    assert one.call("PATCH", "Things(1)", {"description": "mine"}).ok


def test_limits(guarded):
    body = THING | {"description": "x" * 6000}
    assert "5000" in guarded("all").refused("POST", "Things", body, status=413)


def test_addresses_outside_are_json_too(guarded):
    client = guarded("all")
    root = client.url.removesuffix("/v1.1")
    for method, path, status in (
        ("GET", "/", 404),
        ("GET", "/v3.0/Things", 404),
        ("TRACE", "/v1.1/Things", 405),
    ):
        answer = client.session.request(method, root + path, timeout=10)
        assert answer.status_code == status
        assert answer.json()["message"]
