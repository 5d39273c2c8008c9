"""Who may do what, and what is refused: each kind of misuse is tried."""

import contextlib
import re
import threading
import time

import pytest

from headwater.errors import InputError
from headwater.network import open_store
from headwater.network.entities import Datastream, ObservedProperty, Sensor, Thing
from headwater.network.sensorthings.errors import TooMany, Unauthorised
from headwater.web.platform.people import People
from headwater.web.security import Access

from .platform_house import PASSWORD, Browser, platform_over, running, write_results

HOSTILE = '<script>alert(1)</script> & "quoted"'


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("study") / "results")


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "n.db") as opened, opened.transaction() as session:
        series = Datastream(
            name="sm",
            thing_id=session.add(Thing(name=HOSTILE)),
            sensor_id=session.add(Sensor(name="S")),
            observed_property_id=session.add(
                ObservedProperty(name="soil_moisture", definition="d")
            ),
            unit_of_measurement={"symbol": "m3 m-3"},
        )
        session.add(series)
    with open_store(tmp_path / "n.db") as opened:
        yield opened


@pytest.fixture
def open_house(store, results):
    with running(platform_over(store, results, anonymous=True)) as url:
        yield Browser(url)


@pytest.fixture
def closed_house(store, results):
    with running(platform_over(store, results)) as url:
        yield Browser(url)


def test_without_an_account_the_own_machine_only_looks(open_house) -> None:
    assert open_house.get("/api/studies").status_code == 200
    assert open_house.get("/api/session").json()["role"] == "viewer"
    body = {"reason": "moved", "hours": 1}
    assert open_house.post("/api/silences", body).status_code == 401
    assert open_house.get("/api/people").status_code == 401


def test_under_another_name_of_the_host_nobody_looks(open_house) -> None:
    told = open_house.get("/api/studies", headers={"Host": "evil.example"})
    assert told.status_code == 403


def test_a_service_for_others_shows_nothing_without_an_account(closed_house) -> None:
    paths = (
        "/api/studies",
        "/api/stations",
        "/api/alerts",
        "/api/events",
        "/api/silences",
        "/api/rules",
    )
    for path in paths:
        assert closed_house.get(path).status_code == 401, path
    assert closed_house.sign_in("zhuoma").status_code == 200
    for path in (one for one in paths if one != "/api/events"):
        assert closed_house.get(path).status_code == 200, path


def test_every_address_of_the_api_asks_who_it_is(closed_house) -> None:
    told = closed_house.get("/api/openapi.json").json()["paths"]
    assert len(told) > 15
    for path, methods in told.items():
        for method in methods:
            if path == "/api/session":
                continue
            filled = re.sub(r"\{number\}|\{station\}", "1", path)
            filled = re.sub(r"\{[^}]+\}", "x", filled)
            answer = closed_house.ask(method.upper(), filled, json={})
            assert answer.status_code in (400, 401), (method, path, answer.status_code)
            assert "Traceback" not in answer.text


def test_roles_reach_as_far_as_they_should(closed_house) -> None:
    closed_house.sign_in("zhuoma")
    body = {"reason": "probes are being moved", "hours": 2}
    assert closed_house.post("/api/silences", body).status_code == 200
    assert closed_house.get("/api/silences").json()[0]["author"] == "zhuoma"
    rule = {"name": "dry", "quantity": "soil_moisture", "below": 0.1}
    assert closed_house.post("/api/rules/try", rule).status_code == 403
    closed_house.sign_in("li")
    assert closed_house.post("/api/rules/try", rule).json() == {"messages": [], "count": 0}
    assert closed_house.get("/api/people").status_code == 403
    closed_house.sign_in("root")
    actions = [one["action"] for one in closed_house.get("/api/audit").json()]
    assert "silence" in actions


def test_a_change_needs_the_token_of_its_own_session(closed_house) -> None:
    closed_house.sign_in("zhuoma")
    body = {"reason": "moved away", "hours": 1}
    for token in ("", "forged", "x" * 43):
        told = closed_house.post("/api/silences", body, headers={"x-csrf-token": token})
        assert told.status_code == 403
    other = Browser(closed_house.url)
    other.sign_in("li")
    told = closed_house.post("/api/silences", body, headers={"x-csrf-token": other.token})
    assert told.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_pages_of_other_sites_change_nothing_and_sign_nobody_in(closed_house, headers) -> None:
    signed = closed_house.post(
        "/api/session", {"name": "zhuoma", "password": PASSWORD}, headers=headers
    )
    assert signed.status_code == 403
    closed_house.sign_in("zhuoma")
    body = {"reason": "moved away", "hours": 1}
    assert closed_house.post("/api/silences", body, headers=headers).status_code == 403


def test_a_body_that_is_too_large_is_refused_before_it_is_read_whole(closed_house) -> None:
    pieces = (b"x" * 100_000 for _ in range(11))  # without a length
    for body in (b"x" * 1_000_001, pieces):
        told = closed_house.ask("POST", "/api/session", data=body)
        assert told.status_code == 413
        assert told.json()["wrong"] == "the body is too large"


def test_a_session_key_that_was_planted_is_worth_nothing(closed_house) -> None:
    closed_house.session.cookies.set("headwater_session", "planted", domain="localhost.local")
    planted = {"Cookie": "headwater_session=planted"}
    assert closed_house.get("/api/studies", headers=planted).status_code == 401
    answer = closed_house.post(
        "/api/session", {"name": "zhuoma", "password": PASSWORD}, headers=planted
    )
    cookie = answer.headers["Set-Cookie"]
    assert "headwater_session=planted" not in cookie
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert closed_house.get("/api/studies", headers=planted).status_code == 401


@pytest.mark.parametrize(
    ("public", "secure"), [("https://water.example", True), ("http://water.example", False)]
)
def test_behind_tls_the_session_goes_over_tls_alone(store, results, public, secure) -> None:
    with running(platform_over(store, results, public=public)) as url:
        given = {"name": "zhuoma", "password": PASSWORD}
        answer = Browser(url).post("/api/session", given)
    assert answer.status_code == 200
    assert ("; secure" in answer.headers["Set-Cookie"].lower()) == secure


def test_signing_in_again_ends_the_session_before(closed_house) -> None:
    closed_house.sign_in("zhuoma")
    old = closed_house.session.cookies["headwater_session"]
    closed_house.sign_in("zhuoma")
    closed_house.session.cookies.clear()
    told = closed_house.get("/api/studies", headers={"Cookie": f"headwater_session={old}"})
    assert told.status_code == 401


def test_signing_out_ends_the_session_on_the_server(closed_house) -> None:
    closed_house.sign_in("zhuoma")
    key = closed_house.session.cookies["headwater_session"]
    assert closed_house.ask("DELETE", "/api/session").status_code == 200
    told = closed_house.get("/api/studies", headers={"Cookie": f"headwater_session={key}"})
    assert told.status_code == 401


def test_the_page_lets_no_script_in_and_itself_into_no_frame(open_house) -> None:
    answer = open_house.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)
    assert "style=" not in answer.text
    assert "<noscript>" in answer.text or "has not been built" in answer.text
    assert open_house.get("/embed", allow_redirects=False).status_code == 307


def test_a_page_for_frames_is_for_the_origins_that_were_named(store, results) -> None:
    app = platform_over(store, results, anonymous=True, embed=("https://reserve.example",))
    with running(app) as url:
        framed = Browser(url).get("/embed").headers
        assert "frame-ancestors https://reserve.example" in framed["Content-Security-Policy"]
        assert "X-Frame-Options" not in framed
        assert Browser(url).get("/").headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../pyproject.toml",
        "/assets/..%2f..%2fsecurity.py",
        "/assets/%2e%2e/index.html",
        "/api/studies/..%2f..%2fetc",
        "/api/studies/%2e%2e/report",
        "/api/studies/results/layers/..%2f..%2fprovenance.json",
        "/api/studies/results/sources/..%2ftable.csv",
    ],
)
def test_paths_lead_nowhere_else(open_house, path) -> None:
    import http.client
    from urllib.parse import urlsplit

    # as it stands: clients resolve dots before they send
    host = urlsplit(open_house.url).netloc
    with contextlib.closing(http.client.HTTPConnection(host, timeout=20)) as connection:
        connection.request("GET", path, headers={"Host": host})
        with connection.getresponse() as answer:
            assert answer.status in (400, 404, 422)
            assert b"import" not in answer.read()


def test_names_with_script_come_as_data_and_are_never_a_page(open_house) -> None:
    answer = open_house.get("/api/stations")
    assert answer.json()[0]["name"] == HOSTILE
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script>alert" not in open_house.get("/live").text
    assert open_house.get("/api/studies").json()[0]["name"] == "Small <b>study</b>"


def test_a_report_is_shown_as_of_no_origin(open_house, results) -> None:
    assert open_house.get("/api/studies/results/report").status_code == 404
    (results / "report.html").write_text("<script>parent.document</script>", encoding="utf-8")
    try:
        study = open_house.get("/api/studies").json()[0]["id"]
        headers = open_house.get(f"/api/studies/{study}/report").headers
        assert headers["Content-Security-Policy"].startswith("sandbox allow-scripts")
        assert "allow-same-origin" not in headers["Content-Security-Policy"]
    finally:
        (results / "report.html").unlink()


def test_an_empty_store_answers_with_empty_lists(tmp_path) -> None:
    with (
        open_store(tmp_path / "empty.db") as store,
        running(platform_over(store, anonymous=True)) as url,
    ):
        for path in (
            "/api/studies",
            "/api/stations",
            "/api/alerts",
            "/api/silences",
            "/api/rules",
        ):
            assert Browser(url).get(path).json() == []


def test_reading_by_key_alone_still_shows_the_page_and_asks_for_an_account(store, results) -> None:
    app = platform_over(store, results, access=Access(reading="key"))
    with running(app) as url:
        browser = Browser(url)
        assert browser.get("/").status_code == 200
        assert browser.get("/live").status_code == 401
        assert browser.get("/v1.1/Things").status_code == 401
        assert browser.get("/api/stations").status_code == 401


def test_what_changes_is_told_to_a_browser_that_watches(open_house) -> None:
    with open_house.session.get(open_house.url + "/api/events", stream=True, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        seen = b"".join(next(lines) for _ in range(5))
        assert b"event: change" in seen
        assert b'"alerts": 0' in seen


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def people(clock):
    held = People(":memory:", clock=clock)
    held.add("zhuoma", PASSWORD, "ranger")
    yield held
    held.close()


def wrong(people, n, name="zhuoma"):
    for k in range(n):
        with pytest.raises(Unauthorised):
            people.sign_in(name, f"wrong password {k}", f"10.0.0.{k}")


def test_an_account_is_locked_after_five_wrong_passwords_and_opens_again(people, clock) -> None:
    wrong(people, 5)
    with pytest.raises(TooMany, match="locked"):
        people.sign_in("zhuoma", PASSWORD, "10.1.1.1")
    clock.now += 15 * 60 + 1
    assert people.sign_in("zhuoma", PASSWORD, "10.1.1.1").person.role == "ranger"
    assert [one["action"] for one in people.audit()].count("wrong password") == 5


def test_an_address_that_tries_too_often_is_refused_before_anything_is_hashed(
    people, clock, monkeypatch
) -> None:
    monkeypatch.setattr(People, "_verify", lambda *_: False)
    for k in range(10):
        with pytest.raises(Unauthorised):
            people.sign_in(f"nobody{k}", "x" * 20, "10.0.0.1")
    monkeypatch.setattr(People, "_verify", lambda *_: pytest.fail("a hash was computed"))
    with pytest.raises(TooMany):
        people.sign_in("zhuoma", PASSWORD, "10.0.0.1")


def test_an_unknown_name_is_refused_in_the_same_words(people) -> None:
    with pytest.raises(Unauthorised) as known:
        people.sign_in("zhuoma", "not this one", "a")
    with pytest.raises(Unauthorised) as unknown:
        people.sign_in("nobody", "not this one", "b")
    assert str(known.value) == str(unknown.value)


def test_two_hashes_at_the_most_are_computed_at_once(people, monkeypatch) -> None:
    running, most, lock = [0], [0], threading.Lock()

    class Slow:
        def verify(self, *_):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            time.sleep(0.05)
            with lock:
                running[0] -= 1
            return True

    monkeypatch.setattr("headwater.web.platform.people._hasher", Slow)
    tries = [
        threading.Thread(target=people.sign_in, args=("zhuoma", PASSWORD, f"10.0.0.{k}"))
        for k in range(8)
    ]
    for one in tries:
        one.start()
    for one in tries:
        one.join()
    assert most[0] == 2


def test_sessions_end_by_themselves(people, clock) -> None:
    key = people.sign_in("zhuoma", PASSWORD, "a").key
    for _ in range(10):
        clock.now += 11 * 3600
        assert people.known(key) is not None
    clock.now += 13 * 3600
    assert people.known(key) is None
    key = people.sign_in("zhuoma", PASSWORD, "b").key
    for _ in range(20):
        clock.now += 11 * 3600
        people.known(key)
    assert people.known(key) is None


def test_a_new_password_ends_the_sessions_and_hashes_are_no_passwords(people, tmp_path) -> None:
    key = people.sign_in("zhuoma", PASSWORD, "a").key
    people.add("zhuoma", "another long one", "viewer")
    assert people.known(key) is None
    file = tmp_path / "people.db"
    held = People(file)
    held.add("li", PASSWORD, "editor")
    session = held.sign_in("li", PASSWORD, "a")
    held.close()
    kept = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert PASSWORD.encode() not in kept
    assert session.key.encode() not in kept
    assert b"$argon2id$" in kept
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("name", "password"), [("", PASSWORD), ("a\nb", PASSWORD), ("a", "short")])
def test_accounts_that_cannot_be_are_refused(people, name, password) -> None:
    with pytest.raises(InputError):
        people.add(name, password, "viewer")
