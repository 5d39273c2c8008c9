"""Real receivers of messages for journeys: a webhook, a mail server, a broker with a listener."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def receiver(answers):
    """A webhook receiver that keeps what it gets and answers from a list, then 200."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()
            self.wfile.write(b'{"errcode": 0}')

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?key=1", got
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def mail_server(port=0):
    """A mail server that keeps what it gets."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Message

    got = []

    class Keep(Message):
        def handle_message(self, message):
            got.append(message)

    port = port or free_port()
    controller = Controller(Keep(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port, got
    finally:
        controller.stop()


@contextlib.contextmanager
def broker(folder):
    """A Mosquitto broker, and a listener that keeps what comes under ``headwater/#``."""
    paho = pytest.importorskip("paho.mqtt.client", reason="the extra `mqtt` is not installed")
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(program).exists():
        pytest.skip("no Mosquitto is installed on this machine")
    folder.mkdir()
    port, words = free_port(), folder / "mosquitto.conf"
    user = "root" if os.getuid() == 0 else "nobody"
    words.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {user}\n")
    process = subprocess.Popen(
        [program, "-c", words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    got, joined = [], threading.Event()
    listener = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="listener")
    listener.on_connect = lambda client, *_: client.subscribe("headwater/#", qos=1)
    listener.on_subscribe = lambda *_: joined.set()
    listener.on_message = lambda client, data, message: got.append(json.loads(message.payload))
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                listener.connect("127.0.0.1", port)
                break
            time.sleep(0.05)
        listener.loop_start()
        assert joined.wait(30), "the listener does not join the broker"
        yield port, got
    finally:
        listener.loop_stop()
        process.terminate()
        process.wait(20)
