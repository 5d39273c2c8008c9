"""Small answers go out at once, and what stalls is dropped."""

import asyncio
import http.client
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

from headwater.web.protocol import ImpatientProtocol  # noqa: E402

BIG = b"x" * 50_000_000


SENT = [0]


class Quick(ImpatientProtocol):
    stall = 0.5


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    more = scope["path"] != "/refused"
    if not more:
        await asyncio.sleep(0.2)
    while more:
        more = (await receive()).get("more_body", False)
    body = BIG if scope["path"] == "/big" else b"yes"
    headers = [(b"connection", b"close")] if scope["path"] == "/refused" else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/many":  # pieces between which nothing else gets its turn
        for SENT[0] in range(60_000):
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def served(protocol, servers=None):
    from headwater.cli.serve import _listening

    with _listening("127.0.0.1", 0) as listener:
        config = uvicorn.Config(app, http=protocol, log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        if servers is not None:
            servers.append(server)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


def dropped(connection: socket.socket) -> bool:
    connection.settimeout(10)
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab",
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_what_stalls_is_dropped(beginning: bytes) -> None:
    with served(Quick) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(beginning)
        assert dropped(connection)


def test_a_head_that_drips_is_dropped() -> None:
    with served(Quick) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        sent = 0
        with suppress(OSError):
            for sent in range(200):
                connection.sendall(b"X-%d: 1\r\n" % sent)
                time.sleep(0.05)
        assert sent < 199


def test_who_reads_nothing_is_dropped() -> None:
    with served(Quick) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(2)
        connection.settimeout(10)
        taken = 0
        with suppress(ConnectionResetError):
            while part := connection.recv(1 << 20):
                taken += len(part)
        assert taken < len(BIG)


def test_small_answers_go_out_without_delay() -> None:
    with served(ImpatientProtocol, keep := []) as port:
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.request("GET", "/")
        assert client.getresponse().read() == b"yes"
        (connection,) = keep[0].server_state.connections
        held = connection.transport.get_extra_info("socket")
        assert held.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        client.close()


REFUSED = b"POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n"


def test_a_refusal_is_read_by_who_still_sends() -> None:
    with served(Quick) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(10)
        connection.sendall(REFUSED + b"x" * 400_000)  # more than is read ahead
        time.sleep(0.5)
        connection.sendall(b"x" * 599_999)
        answer = b""
        while part := connection.recv(1000):
            answer += part
        assert b"yes" in answer


def test_who_never_stops_sending_is_dropped_all_the_same() -> None:
    with served(Quick) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(REFUSED)
        for _ in range(200):
            time.sleep(0.05)
            try:
                connection.sendall(b"x")
            except OSError:
                return
        pytest.fail("still open")


def test_small_pieces_wait_for_who_does_not_read() -> None:
    with served(Quick) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /many HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        seen = -1
        while seen != SENT[0] or not seen:
            seen = SENT[0]
            time.sleep(0.1)
        assert seen < 59_999
