"""Network ingest: lines read, observations controlled, messages of a broker kept."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from headwater.network import open_store
from headwater.network.derived.write import derive
from headwater.network.ingest.csv_mapping import read_csv
from headwater.network.ingest.ismn import read_ismn
from headwater.network.ingest.load import load_reading
from headwater.network.ingest.mapping import parse_mapping
from headwater.network.ingest.mqtt import subscribe
from headwater.network.quality.control import flag_series
from headwater.network.quality.faults import inject
from headwater.network.quality.run import control_store

HOUR = 3_600_000_000
LINES = 200_000
MESSAGES = 20_000
RULE = {"thing": "{station}", "property": "soil_moisture", "unit": "m3 m-3", "depth": 0.1}


def cpu(task: Callable[[], Any], repeats: int = 3) -> float:
    task()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        task()
        found.append(time.process_time() - start)
    return float(np.median(found))


def moisture(n: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    value = 0.25 + 0.05 * np.sin(np.arange(n) / 900.0) + rng.normal(0, 5e-4, n)
    return inject(np.round(value, 4), each=max(1, n // 20_000), rng=rng)[0]


def csv_text(n: int = LINES) -> bytes:
    time_ = np.datetime_as_string(np.datetime64("2000-01-01") + np.arange(n).astype("m8[h]"))
    rows = zip(time_, moisture(n), strict=True)
    return "\n".join(["time,VWC", *(f"{t}:00Z,{v:.4f}" for t, v in rows)]).encode()


def ismn_text(n: int = LINES) -> bytes:
    times = np.datetime_as_string(np.datetime64("2000-01-01") + np.arange(n).astype("m8[h]"))
    head = "NET NET Upper 35.2 99.1 4520.0 0.05 0.05 'Probe'"
    rows = zip(times, moisture(n), strict=True)
    lines = (f"{t[:10].replace('-', '/')} {t[11:13]}:00 {v:.4f} G M" for t, v in rows)
    return "\n".join([head, *lines]).encode()


def read_rows() -> Iterator[dict]:
    mapping = parse_mapping({"series": [{**RULE, "column": "VWC", "thing": "A"}]})
    text = csv_text()
    seconds = cpu(lambda: read_csv(text, mapping))
    yield row("CSV, one series, ISO 8601 [lines/s]", LINES / seconds, "", f"{LINES:,} lines")
    text, name = ismn_text(), "NET_NET_Upper_sm_0.050000_0.050000_Probe_20000101_20221025.stm"
    seconds = cpu(lambda: read_ismn(text, name=name))
    yield row("ISMN, header and values [lines/s]", LINES / seconds, "", f"{LINES:,} lines")


def row(task: str, ours: float, target: str, note: str, peer: float | None = None) -> dict:
    return {"task": task, "ours": ours, "peer": peer, "target": target, "note": note}


def control_rows() -> Iterator[dict]:
    n = 1_000_000
    value, at = moisture(n), np.arange(n) * HOUR
    beside = {"soil_temperature": np.full(n, 8.0), "rain": np.zeros(n)}
    seconds = cpu(lambda: flag_series(at, value, **beside))
    yield row("quality control of a series [obs/s]", n / seconds, "≥ 200000", "1e6 observations")
    with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/net.db") as store:
        mapping = parse_mapping(
            {"series": [{**RULE, "column": "VWC", "thing": thing} for thing in "ABCD"]}
        )
        reading = read_csv(csv_text(50_000), mapping)
        start = time.process_time()
        load_reading(reading, store)
        yield row("load into SQLite [obs/s]", 2e5 / (time.process_time() - start), "", "4 series")
        start = time.process_time()
        control_store(store)
        seconds = time.process_time() - start
        yield row("read, control, write flags [obs/s]", 2e5 / seconds, "", "SQLite, first time")
        start = time.process_time()
        derive(store)
        seconds = time.process_time() - start
        yield row("hourly, daily, pentad means [obs/s]", 2e5 / seconds, "", "read and written")


@contextmanager
def mosquitto(folder: Path, inflight: int | None) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "max_queued_messages 0"]
    lines += [] if inflight is None else [f"max_inflight_messages {inflight}"]
    (folder / "broker.conf").write_text("\n".join(lines))
    broker = subprocess.Popen(
        [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", str(folder / "broker.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        broker.terminate()
        broker.wait()


def published(port: int, n: int) -> None:
    """Publish from a process of its own, as loggers would."""
    import sys

    code = (
        "import sys, json, paho.mqtt.client as m\n"
        "from paho.mqtt.enums import CallbackAPIVersion as V\n"
        "port, n = map(int, sys.argv[1:])\n"
        "c = m.Client(V.VERSION2, protocol=m.MQTTv5)\n"
        "c.max_inflight_messages_set(1000)\n"
        "c.connect('127.0.0.1', port); c.loop_start()\n"
        "for k in range(n):\n"
        "    t = f'2026-01-{1 + k // 100 % 28:02d}T{k // 2800:02d}:00:00Z'\n"
        "    i = c.publish(f'soil/S{k % 100:02d}', json.dumps({'time': t, 'value': 0.3}), qos=1)\n"
        "i.wait_for_publish(60)\n"
        "c.disconnect(); c.loop_stop()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(port), str(n)], check=True)


def mqtt_rate(inflight: int | None, n: int = MESSAGES) -> float:
    """Messages kept in a second of the clock, from the first published to the last in the store."""
    mapping = parse_mapping(
        {
            "mqtt": {"topics": ["soil/+"], "topic": "soil/{station}"},
            "series": [{**RULE, "column": "value"}],
        }
    )
    stop, kept, wanted = threading.Event(), [], [10**9]

    def told(taken: Any) -> None:
        kept.append((taken.messages, time.perf_counter()))
        if sum(count for count, _ in kept) >= wanted[0]:
            stop.set()

    with (
        tempfile.TemporaryDirectory() as name,
        mosquitto(Path(name), inflight) as port,
        open_store(f"{name}/net.db") as store,
    ):
        args = (f"mqtt://127.0.0.1:{port}", mapping, store)
        thread = threading.Thread(target=subscribe, args=args, kwargs={"stop": stop, "told": told})
        thread.start()
        while not kept:  # until the session stands
            published(port, 1)
            time.sleep(0.3)
        wanted[0] = n + sum(count for count, _ in kept)
        start = time.perf_counter()
        published(port, n)
        thread.join(120)
        assert store.count() == n
        return n / (kept[-1][1] - start)


def mqtt_rows() -> Iterator[dict]:
    note = "wall clock, publisher and broker on the same machine; acknowledged when stored"
    for inflight, words in ((1000, "max_inflight_messages 1000"), (None, "default, 20 at a time")):
        rate = mqtt_rate(inflight)
        target = "≥ 3000" if inflight else ""
        yield row(f"MQTT QoS 1 to SQLite, {words} [msg/s]", rate, target, note)


def rows() -> list[dict]:
    return [*read_rows(), *control_rows(), *mqtt_rows()]


if __name__ == "__main__":
    for one in rows():
        print(json.dumps(one, ensure_ascii=False))
