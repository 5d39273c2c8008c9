"""Sign-in by an OpenID provider: a small one really listens, and each kind of misuse is tried."""

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from headwater.errors import InputError
from headwater.network import open_store
from headwater.web.platform.oidc import read_provider

from .platform_house import PASSWORD, Browser, platform_over, running

jwt = pytest.importorskip("jwt", reason="PyJWT is not installed")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
SECRET = "known to the client & the provider: 100 %"
KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


class OpenIdServer(ThreadingHTTPServer):
    """Signs everybody in at once as whoever `claims` says; codes are good once."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.claims = {"sub": "u-1", "preferred_username": "dolma", "groups": ["herders", "field"]}
        self.codes, self.key, self.algorithm = {}, KEY, "RS256"

    def token(self, nonce):
        now = time.time()
        told = {"iss": self.issuer, "aud": "headwater", "iat": now, "exp": now + 300}
        claims = told | {"nonce": nonce} | self.claims
        return jwt.encode(claims, self.key, self.algorithm, {"kid": "k1"})


class _Answers(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        path, asked = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/.well-known/openid-configuration":
            names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            self.tell(
                {"issuer": self.server.issuer} | {n: f"{self.server.issuer}/{n}" for n in names}
            )
        elif path == "/jwks_uri":
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
            self.tell({"keys": [public | {"kid": "k1", "use": "sig"}]})
        else:
            code = f"code-{len(self.server.codes)}"
            self.server.codes[code] = {k: v[0] for k, v in asked.items()}
            self.send_response(302)
            more = urlencode({"code": code, "state": asked["state"][0]})
            self.send_header("Location", f"{asked['redirect_uri'][0]}?{more}")
            self.end_headers()

    def do_POST(self):
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        asked = self.server.codes.pop(body["code"][0], None)
        pair = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        digest = hashlib.sha256(body["code_verifier"][0].encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        good = (
            asked and asked["code_challenge"] == proof and pair.startswith("headwater:known%20to")
        )
        if good and asked["redirect_uri"] == body["redirect_uri"][0]:
            self.tell({"id_token": self.server.token(asked["nonce"]), "token_type": "Bearer"})
        else:
            self.tell({"error": "invalid_grant"}, 400)

    def tell(self, content, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())


@pytest.fixture
def provider():
    with OpenIdServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def written(folder, issuer, **more):
    (folder / "oidc.secret").write_text(SECRET + "\n", encoding="utf-8")
    told = {"issuer": issuer, "client_id": "headwater", "client_secret_file": "oidc.secret", **more}
    lines = [f"{key} = {json.dumps(value)}" for key, value in told.items()]
    file = folder / "oidc.toml"
    file.write_text("\n".join([*lines, '[roles]\nfield = "ranger"\nhead = "admin"\n']), "utf-8")
    return file


@pytest.fixture
def house(tmp_path, provider):
    with open_store(tmp_path / "n.db") as store:
        known = read_provider(written(tmp_path, provider.issuer, label="Reserve"))
        with running(platform_over(store, provider=known)) as url:
            yield Browser(url)


def come_back(browser, back="#/alerts"):
    """Walk as a browser does, to the provider and back; gives where it ends."""
    away = browser.get(f"/api/oidc/begin?back={back.replace('#', '%23')}", allow_redirects=False)
    assert away.status_code == 303, away.text
    asked = browser.session.get(away.headers["Location"], allow_redirects=False, timeout=30)
    return asked.headers["Location"]


def signed_in(browser, **options):
    return browser.session.get(come_back(browser, **options), allow_redirects=False, timeout=30)


def test_a_ranger_signs_in_by_the_provider_and_may_what_rangers_may(house) -> None:
    assert house.get("/api/session").json()["provider"] == "Reserve"
    assert house.get("/api/studies").status_code == 401
    answer = signed_in(house)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/#/alerts")
    told = house.get("/api/session").json()
    assert (told["name"], told["role"]) == ("dolma", "ranger")
    body = {"reason": "probes are being moved", "hours": 2}
    assert house.post("/api/silences", body).status_code == 403  # without the session's token
    house.token = told["token"]
    assert house.post("/api/silences", body).status_code == 200
    assert house.get("/api/silences").json()[0]["author"] == "dolma"


def test_whoever_has_another_role_at_the_provider_has_it_here_and_keeps_the_name(
    house, provider
) -> None:
    signed_in(house)
    before = house.session.cookies["headwater_session"]
    provider.claims |= {"groups": "head", "preferred_username": "dolma the elder"}
    signed_in(house)
    told = house.get("/api/session").json()
    assert (told["name"], told["role"]) == ("dolma", "admin")
    planted = Browser(house.url)
    planted.session.cookies.set("headwater_session", before)
    assert planted.get("/api/session").json()["role"] is None  # the session of a ranger has ended


def test_a_name_of_the_provider_takes_nobody_elses_account(house, provider) -> None:
    provider.claims |= {"preferred_username": "root"}
    signed_in(house)
    told = house.get("/api/session").json()
    assert (told["name"], told["role"]) == ("root 2", "ranger")
    other = Browser(house.url)
    assert other.sign_in("root 2", PASSWORD).status_code == 401  # it has no password at all
    assert other.sign_in("root").json()["role"] == "admin"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"groups": []}, "role"),
        ({"groups": ["field\n"]}, "role"),
        ({"nonce": "of another sign-in"}, "failed"),
        ({"aud": "another client"}, "failed"),
        ({"aud": ["headwater", "another"], "azp": "another"}, "failed"),
        ({"aud": ["headwater", "another"]}, "failed"),
        ({"iss": "https://evil.example"}, "failed"),
        ({"exp": 1_000_000_000}, "failed"),
        ({"iat": 9_000_000_000}, "failed"),
        ({"sub": None}, "failed"),
    ],
)
def test_tokens_that_are_not_for_this_sign_in_open_nothing(house, provider, claims, why) -> None:
    provider.claims |= claims
    assert signed_in(house).headers["Location"] == f"/#/map?refused={why}"
    assert house.get("/api/session").json()["role"] is None


@pytest.mark.parametrize("kind", ["other key", "shared secret", "unsigned"])
def test_tokens_that_the_provider_did_not_sign_open_nothing(house, provider, kind) -> None:
    if kind == "other key":
        provider.key = OTHER
    elif kind == "shared secret":
        provider.key, provider.algorithm = SECRET, "HS256"
    else:
        provider.key, provider.algorithm = None, "none"
    assert signed_in(house).headers["Location"] == "/#/map?refused=failed"


def test_a_sign_in_is_finished_once_and_by_the_browser_that_began_it(house) -> None:
    other = Browser(house.url)
    address = come_back(house)
    planted = other.session.get(address, allow_redirects=False, timeout=30)
    assert planted.headers["Location"] == "/#/map?refused=failed"
    assert other.get("/api/session").json()["role"] is None
    assert house.session.get(address, allow_redirects=False, timeout=30).status_code == 303
    assert house.get("/api/session").json()["role"] == "ranger"
    again = house.session.get(address, allow_redirects=False, timeout=30)
    assert again.headers["Location"] == "/#/map?refused=failed"
    forged = house.get("/api/oidc/back?state=forged&code=x", allow_redirects=False)
    assert forged.headers["Location"] == "/#/map?refused=failed"


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "#/map\r\nX: 1", "/x"])
def test_it_leads_back_to_this_page_alone(house, back) -> None:
    assert signed_in(house, back=back).headers["Location"] == "/#/map"


def test_a_session_that_was_there_before_ends(house) -> None:
    house.sign_in("zhuoma")
    before = house.session.cookies["headwater_session"]
    signed_in(house)
    assert house.session.cookies["headwater_session"] != before
    planted = Browser(house.url)
    planted.session.cookies.set("headwater_session", before)
    assert planted.get("/api/session").json()["role"] is None


def test_too_many_tries_and_a_provider_that_is_away_are_said_on_the_page(tmp_path) -> None:
    with open_store(tmp_path / "n.db") as store:
        gone = read_provider(written(tmp_path, "http://127.0.0.1:9"))
        with running(platform_over(store, provider=gone)) as url:
            ask = [Browser(url).get("/api/oidc/begin", allow_redirects=False) for _ in range(11)]
    said = [one.headers["Location"] for one in ask]
    assert said == ["/#/map?refused=away"] * 10 + ["/#/map?refused=often"]


def test_without_a_provider_there_is_no_such_address(tmp_path) -> None:
    with open_store(tmp_path / "n.db") as store, running(platform_over(store)) as url:
        assert Browser(url).get("/api/oidc/begin").status_code == 404
        assert Browser(url).get("/api/session").json()["provider"] is None


@pytest.mark.parametrize(
    ("issuer", "more", "found"),
    [
        ("http://id.example", {}, "not safe"),
        ("ftp://id.example", {}, "not safe"),
        ("https://id.example", {"client_secret": "in the wrong file"}, "client_secret"),
        ("https://id.example", {"others": "admin"}, "others"),
        ("https://id.example", {"client_secret_file": "none"}, "cannot be read"),
    ],
)
def test_files_of_a_provider_that_cannot_be_are_refused(tmp_path, issuer, more, found) -> None:
    with pytest.raises(InputError, match=found):
        read_provider(written(tmp_path, issuer, **more))
