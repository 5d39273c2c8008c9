"""An outbox whose senders are killed, whose receivers do not answer, and whose clock jumps."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from headwater.alerts import channels, deliver
from headwater.alerts.channels import sender
from headwater.alerts.rules import Rules
from headwater.network import open_store
from headwater.network.store.protocol import now

YEAR = 365 * 86_400 * 1_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql").database(f"outbox_{os.getpid()}_{id(request)}")
    return str(tmp_path / "network.db")


def fill(store, names, channel="hook", due=0):
    words = {"kind": "raised", "headline": "Dry", "time": "2026-07-01T00:00:00Z"}
    with store.transaction() as session:
        for name in names:
            row = {"message_key": name, "channel": channel, "alert_key": name, "created": 0}
            row |= {"due": due, "attempts": 0, "status": "waiting", "detail": words}
            session.insert("alert_outbox", row)


def waiting(store):
    with store.transaction(read_only=True) as session:
        return session.rows("SELECT count(*) FROM alert_outbox WHERE status = 'waiting'")[0][0]


KILLER = """
import json, os, signal, sys, time
import numpy as np
from headwater.alerts import deliver
from headwater.network import open_store

address, log, rng = sys.argv[1], sys.argv[2], np.random.default_rng(2026)

def send(message):
    with open(log, "a") as held:
        held.write(message.key + "\\n")
        held.flush()
        os.fsync(held.fileno())
    time.sleep(0.001)

killed, left = 0, True
for _ in range(400):
    child = os.fork()
    if not child:
        with open_store(address) as store:
            while deliver(store, send, owner="one", rng=np.random.default_rng(), most=20).sent:
                pass
        os._exit(0)
    time.sleep(rng.uniform(0.0, 0.05))  # any instant, that of opening the store included
    if killed < 100:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    killed += os.WIFSIGNALED(status)
    if not os.WIFSIGNALED(status):
        break
print(json.dumps(killed))
"""


def test_senders_killed_at_a_hundred_instants_lose_nothing_and_double_only_what_was_unmarked(
    address, tmp_path
):
    log, names = tmp_path / "sent.log", [f"m{at}" for at in range(1500)]
    with open_store(address) as store:
        fill(store, names)
    done = subprocess.run(
        [sys.executable, "-c", KILLER, address, str(log)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    killed, sent = json.loads(done.stdout), log.read_text().split()
    with open_store(address) as store:
        assert waiting(store) == 0
    assert killed == 100
    assert set(sent) == set(names), "a message was lost"
    assert len(sent) - len(names) <= killed, "a message was doubled although it had been marked"


@contextlib.contextmanager
def silent_receiver(trickle):
    """A webhook receiver that takes what comes and never answers, or never ends its answer."""
    server, stop, calls = socket.create_server(("127.0.0.1", 0)), threading.Event(), []

    def serve():
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            calls.append(connection)
            if trickle:
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    def drip(connection):
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not stop.wait(0.05):
                connection.sendall(b"x")

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", calls
    finally:
        stop.set()
        server.close()
        for one in calls:
            one.close()


@pytest.mark.parametrize("trickle", [False, True])
def test_a_receiver_that_never_answers_holds_up_no_other_channel(tmp_path, monkeypatch, trickle):
    monkeypatch.setattr(channels, "_TIMEOUT", 0.4)
    with open_store(tmp_path / "network.db") as store, silent_receiver(trickle) as (url, calls):
        wanted = Rules.model_validate(
            {
                "channels": {
                    "hook": {"kind": "webhook", "url": url},
                    "files": {"kind": "cap", "folder": str(tmp_path / "cap")},
                }
            }
        )
        fill(store, [f"a{at}" for at in range(20)])
        fill(store, ["b"], channel="files")
        done = deliver(store, sender(wanted), owner="one", rng=np.random.default_rng(1))
        assert (done.sent, done.failed, done.dead) == (1, 1, 0)
        assert len(calls) == 1, "the channel is left alone for the rest of the round"
        assert waiting(store) == 20, "nothing is lost"
        with store.transaction(read_only=True) as session:
            tried = session.rows("SELECT sum(attempts) FROM alert_outbox WHERE channel = 'hook'")
        assert tried == [(1,)], "what was not tried does not come nearer to being given up"


@pytest.mark.parametrize("jump", [-YEAR, YEAR])
def test_a_clock_that_jumps_and_is_set_right_loses_and_doubles_nothing(address, jump):
    wrong = [0]

    def failing(message):
        raise OSError("down")

    sent = []
    with open_store(address, clock=lambda: now() + wrong[0]) as store:
        wrong[0] = jump
        fill(store, ["a", "b"], due=now() + jump)
        rng = np.random.default_rng(1)
        assert deliver(store, failing, owner="one", rng=rng).failed == 2
        wrong[0] = 0
        for owner in ("two", "one", "two"):
            deliver(store, lambda message: sent.append(message.key), owner=owner, rng=rng)
    assert sorted(sent) == ["a", "b"]
