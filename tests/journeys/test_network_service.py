"""`headwater serve`, `keys` and `replay` as a user starts them, and the live page in a browser."""

import html
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("fastapi", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

HEADWATER = [str(Path(sys.executable).with_name("headwater"))]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Served:
    """A running `headwater serve` with what it printed."""

    def __init__(self, folder, *words, port=None):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [*HEADWATER, "serve", "--port", str(self.port), *words]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.printed = []
        for line in self.process.stdout:
            self.printed.append(line)
            if line.startswith("Writing"):
                break
        found = re.search(r"hw_[\w-]+", "".join(self.printed))
        self.key = found.group() if found else None

    def ask(self, method, path, body=None, key=None):
        headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def serve(tmp_path):
    running = []

    def start(*words, **options):
        running.append(Served(tmp_path, *words, **options))
        until = time.monotonic() + 30
        while True:
            try:
                running[-1].ask("GET", "/v1.1")
                return running[-1]
            except OSError:
                assert running[-1].process.poll() is None, running[-1].process.stderr.read()
                assert time.monotonic() < until
                time.sleep(0.05)

    yield start
    for served in running:
        if served.process.poll() is None:
            served.process.kill()
        served.process.communicate()


def headwater(folder, *words):
    done = subprocess.run(
        [*HEADWATER, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def test_a_fresh_store_is_served_at_once_and_the_first_key_shown_once(serve, tmp_path):
    first = serve()
    assert first.key
    thing = {"name": "a", "description": ""}
    assert first.ask("POST", "/v1.1/Things", thing)[0] == 401
    assert first.ask("POST", "/v1.1/Things", thing, first.key)[0] == 201
    for number in (signal.SIGTERM, signal.SIGINT):
        code, _, err = first.stop(number)
        assert (code, err) == (0, "Stopped.\n")
        first = serve()
        assert first.key is None
        assert "headwater keys add" in "".join(first.printed)
        assert '"name":"a"' in first.ask("GET", "/v1.1/Things")[1]
    # of the service that runs: the network, and who may use the platform
    open_files = {path.name for path in tmp_path.glob("*-wal")}
    assert open_files <= {"network.db-wal", "network.people.db-wal"}


def test_keys_are_made_listed_and_withdrawn_while_the_service_runs(serve, tmp_path):
    served = serve()
    thing = {"name": "a", "description": ""}
    code, out, err = headwater(tmp_path, "keys", "add", "logger 7", "--rate", "600", "--days", "30")
    key = out.strip()
    assert (code, key[:3]) == (0, "hw_")
    assert "shown only now" in err
    assert served.ask("POST", "/v1.1/Things", thing, key)[0] == 201
    code, out, _ = headwater(tmp_path, "keys", "list")
    assert code == 0
    assert re.search(r"logger 7 +write +all +600 a minute", out)
    assert key not in out
    assert headwater(tmp_path, "keys", "revoke", "logger 7")[0] == 0
    assert served.ask("POST", "/v1.1/Things", thing, key)[0] == 401
    assert "revoked" in headwater(tmp_path, "keys", "list")[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["keys", "list", "--store", "nothing.db"], "no such store"),
        (["keys", "add", "x", "--role", "read", "--station", "1"], "what a key writes"),
        (["serve", "--open", "--host", "0.0.0.0"], "own machine only"),
        (["serve", "--store", "mysql://x", "--port", "0"], "unknown kind of store"),
        (["serve", "--store", "no/such/folder/n.db", "--port", "0"], "folder of the store"),
        (["replay", "--http", "ftp://x"], "not the address of a service"),
        (["replay", "--start", "yesterday"], "not a day"),
        (["replay", "--start", "2999-01-01"], "nothing to play"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path, words, sentence):
    code, out, err = headwater(tmp_path, *words)
    assert code == 3
    assert sentence in err
    assert "Traceback" not in err + out
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_said_in_a_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, _, err = headwater(tmp_path, "serve", "--port", port)
    assert code == 3
    assert f"cannot listen at 127.0.0.1, port {port}" in err
    assert "--port" in err
    assert list(tmp_path.iterdir()) == []


def replayed(served, folder, *words):
    return headwater(
        folder,
        "replay",
        "--http",
        served.url,
        "--key",
        served.key or "none",
        "--stations",
        "2",
        "--start",
        "2026-03-20",
        "--speed",
        "1e7",
        *words,
    )


def numbers(served):
    path = "/v1.1/Datastreams?$expand=Observations($count=true;$top=0)&$top=100"
    _, text = served.ask("GET", path.replace(" ", "%20"))
    return {item["@iot.id"]: item["Observations@iot.count"] for item in json.loads(text)["value"]}


def test_replay_fills_a_network_and_goes_on_where_it_stopped(serve, tmp_path):
    served = serve()
    code, _, err = replayed(served, tmp_path, "--until", "2026-03-21")
    assert code == 0, err
    first = numbers(served)
    assert len(first) == 22
    assert set(first.values()) == {2 * 144}
    code, _, err = replayed(served, tmp_path, "--until", "2026-03-22")
    assert code == 0, err
    assert set(numbers(served).values()) == {3 * 144}
    assert "3168 observations sent" in err  # one day, and none of what was there
    code, _, err = replayed(served, tmp_path, "--until", "2026-03-23", "--key", "hw_wrong")
    assert code == 4
    assert "--key" in err


@pytest.mark.slow
def test_replay_waits_for_a_service_that_is_away(serve, tmp_path):
    served = serve()
    command = [
        *HEADWATER,
        "replay",
        "--http",
        served.url,
        "--key",
        served.key,
        "--stations",
        "1",
        "--start",
        "2026-03-20",
        "--until",
        "2026-03-22",
        "--speed",
        "20000",
    ]
    player = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    for line in player.stderr:
        if "observations sent" in line:
            break
    served.process.kill()
    served.process.wait()
    for line in player.stderr:
        if "waiting for the service" in line:
            break
    again = serve(port=served.port)
    _, err = player.communicate(timeout=120)
    assert player.returncode == 0, err
    assert set(numbers(again).values()) == {3 * 144}


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_examples_of_the_page_work_as_they_stand(serve, tmp_path):
    served = serve()
    assert replayed(served, tmp_path, "--until", "2026-03-21")[0] == 0
    text = html.unescape(served.ask("GET", "/docs")[1])
    examples = re.findall(r"<pre>(curl.*?)</pre>", text, flags=re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        command = example.replace("X-API-Key: …", f"X-API-Key: {served.key}")
        done = subprocess.run(
            command.replace("curl", "curl -sS --fail-with-body", 1),
            shell=True,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "error" not in done.stdout
        assert json.loads(done.stdout)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_live_page_lives(serve, tmp_path):
    from playwright.sync_api import sync_playwright

    served = serve()
    assert replayed(served, tmp_path, "--until", "2026-03-21")[0] == 0
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        asked, faults = [], []
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{served.url}/live")
        row = page.locator("#series-1")
        before = row.locator("b").inner_text()
        body = {"result": 77.25, "phenomenonTime": "2026-03-22T12:00:00Z"}
        served.ask("POST", "/v1.1/Datastreams(1)/Observations", body, served.key)
        page.locator("#series-1 b", has_text="77.25").wait_for()
        assert before != "77.25"
        assert "2026-03-22 12:00" in row.inner_text()
        for width in (390, 900, 1500):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert all(url.startswith(served.url) for url in asked)
        assert faults == []
        served.process.kill()
        page.wait_for_selector("#lost")
        assert "No answer from the service" in page.locator("#lost").inner_text()
        still = browser.new_context(java_script_enabled=False).new_page()
        again = serve(port=served.port)
        still.goto(f"{again.url}/live")
        assert still.locator("#series-1 b").inner_text() == "77.25"
        browser.close()
