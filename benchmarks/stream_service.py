"""Answers of `headwater serve` under readers and writers: how late, at what cost, in what memory.

``python -m benchmarks.stream_service [seconds] [readers] [writers]`` starts the service on a store
of its own, lets each client ask once a second over a connection that it keeps, and prints quantiles
of the waiting [ms], the CPU that the service spent on a request [ms], its resident memory [MB], and
what other programs took of the machine meanwhile, without which the quantiles mean nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
from benchmarks.sensorthings import START, STEP, filled

from headwater.network import open_store
from headwater.network.quality.run import control_store

with socket.socket() as _free:
    _free.bind(("127.0.0.1", 0))
    PORT = _free.getsockname()[1]
_TICK = os.sysconf("SC_CLK_TCK")
READS = (
    "Things?$expand=Locations,Datastreams($top=5)",
    "Datastreams({id})/Observations?$top=100&$orderby=phenomenonTime desc",
    "Datastreams({id})/Observations?$top=144&$resultFormat=dataArray"
    "&$filter=phenomenonTime ge 2024-01-10T00:00:00Z and phenomenonTime lt 2024-01-11T00:00:00Z",
    "Datastreams?$top=20&$expand=Observations($top=1;$orderby=phenomenonTime desc)",
    "Datastreams({id})/Observations?$top=20&$filter=result gt 0.9&$count=true",
)


@dataclass
class Seen:
    """What came back."""

    reads: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    errors: int = 0


async def ask(link, method: str, path: str, body: bytes = b"") -> int:
    """Ask once over a kept connection; the status."""
    reader, writer = link
    head = f"{method} /v1.1/{path} HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(answer.split("content-length:")[1].split("\r\n")[0])
    await reader.readexactly(length)
    return int(answer.split(" ", 2)[1])


async def client(k: int, until: float, ids: list[int], seen: Seen, writes: bool) -> None:
    """One reader or writer, once a second."""
    rng = np.random.default_rng(k)
    link = await asyncio.open_connection("127.0.0.1", PORT)
    await asyncio.sleep(float(rng.random()))
    n = 0
    while time.monotonic() < until:
        id = ids[int(rng.integers(len(ids)))]
        begun = time.monotonic()
        if writes:
            when = str(np.datetime64(START + STEP * (10_000 + n) + k, "us")) + "Z"
            body = json.dumps({"phenomenonTime": when, "result": float(rng.random())}).encode()
            status = await ask(link, "POST", f"Datastreams({id})/Observations", body)
        else:
            query = READS[(n + k) % len(READS)].format(id=id)
            status = await ask(link, "GET", quote(query, safe="?=&$();,/'"))
        spent = time.monotonic() - begun
        (seen.writes if writes else seen.reads).append(spent * 1e3)
        seen.errors += status >= 400
        n += 1
        await asyncio.sleep(max(0.0, 1.0 - spent))
    link[1].close()


def cpu(pid: int) -> float:
    """CPU that a process has spent [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def resident(pid: int) -> float:
    """Memory of a process [MB]."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def busy() -> float:
    """CPU that the machine has spent [s]."""
    fields = [int(one) for one in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / _TICK


async def watch_memory(pid: int, until: float, held: list[tuple[float, float]]) -> None:
    """Note the memory every ten seconds."""
    while time.monotonic() < until:
        held.append((time.monotonic(), resident(pid)))
        await asyncio.sleep(10)


async def load(pid: int, seconds: float, readers: int, writers: int, ids: list[int]) -> None:
    """Ask for so long, and print what was seen."""
    seen, held = Seen(), list[tuple[float, float]]()
    before, ours, all_of = cpu(pid), sum(os.times()[:2]), busy()
    begun = time.monotonic()
    until = begun + seconds
    tasks = [client(k, until, ids, seen, k >= readers) for k in range(readers + writers)]
    await asyncio.gather(watch_memory(pid, until, held), *tasks)
    wall = time.monotonic() - begun
    spent, own = cpu(pid) - before, sum(os.times()[:2]) - ours
    for name, times in (("reads", seen.reads), ("writes", seen.writes)):
        if times:
            marks = ", ".join(f"{q}%: {np.percentile(times, q):.1f}" for q in (50, 95, 99, 100))
            print(f"{name}: {len(times)}, waiting [ms] {marks}")
    n = len(seen.reads) + len(seen.writes)
    print(f"errors: {seen.errors}; CPU of the service {1e3 * spent / n:.2f} ms a request")
    cores = os.cpu_count() or 1
    other = (busy() - all_of - spent - own) / wall
    shares = f"service {spent / wall:.2f}, clients {own / wall:.2f}, others {other:.2f}"
    print(f"busy cores of {cores}: {shares}")
    marks = [f"{(t - begun) / 60:.0f} min {mb:.0f}" for t, mb in held[:: max(1, len(held) // 12)]]
    most = max(mb for _, mb in held)
    print(f"resident [MB]: {', '.join(marks)}; last {held[-1][1]:.0f}, most {most:.0f}")


def main(seconds: float = 60, readers: int = 100, writers: int = 10) -> None:
    """Start a service, load it, end it."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"{folder}/network.db"
        with open_store(address) as store:
            ids = filled(store, 500_000)
            control_store(store)  # as a service has long done with what is old
        command = [sys.executable, "-m", "headwater", "serve", "--open", "--store", address]
        with Path(folder, "log").open("w", encoding="utf-8") as log:
            server = subprocess.Popen([*command, "--port", str(PORT)], stdout=log, stderr=log)
        try:
            for _ in range(300):
                try:
                    asyncio.run(_once())
                    break
                except OSError:
                    time.sleep(0.2)
            time.sleep(2)
            print(f"resident at start: {resident(server.pid):.0f} MB")
            asyncio.run(load(server.pid, seconds, readers, writers, ids))
        finally:
            server.terminate()
            server.wait()


async def _once() -> None:
    link = await asyncio.open_connection("127.0.0.1", PORT)
    await ask(link, "GET", "Things")
    link[1].close()


if __name__ == "__main__":
    given = [float(one) for one in sys.argv[1:]]
    main(*given[:1], *(int(one) for one in given[1:3]))
