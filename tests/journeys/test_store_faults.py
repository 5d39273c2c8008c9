"""What a store must survive: death, a lost server, a full disk, two writers, strange clocks."""

import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from time import sleep as pause
from uuid import uuid4

import numpy as np
import pytest

from headwater.network import open_store
from headwater.network.entities import (
    Datastream,
    Observations,
    ObservedProperty,
    Sensor,
    Thing,
    Written,
)
from headwater.network.store.archive_months import close_months, verify
from headwater.network.store.protocol import StoreFullError, StoreUnreachableError
from headwater.network.times import DAY, iso, microseconds

T0 = microseconds("2024-02-28T00:00:00Z")
MINUTE = 60_000_000
# Writes batch after batch, and says so when it is told that the batch is kept.
WRITER = f"""
import sys, numpy as np
from headwater.network import open_store
from headwater.network.entities import Observations
address, first, batches, size, stream = sys.argv[1], *map(int, sys.argv[2:])
with open_store(address, wait=60) as store:
    print("ready", flush=True)
    for k in range(first, first + batches):
        time = {T0} + {MINUTE} * (np.arange(size) + k * size)
        store.write(Observations(np.full(size, stream), time, np.full(size, float(k))))
        print(k, flush=True)
"""


def streams(store, n=2):
    with store.transaction() as session:
        links = {
            "thing_id": session.add(Thing(name="T")),
            "sensor_id": session.add(Sensor(name="S")),
            "observed_property_id": session.add(ObservedProperty(name="P", definition="d")),
        }
        return [
            session.add(Datastream(name=f"{k}", unit_of_measurement={}, **links)) for k in range(n)
        ]


def batch(k, size, stream=1):
    time = T0 + MINUTE * (np.arange(size) + k * size)
    return Observations(np.full(size, stream), time, np.full(size, float(k)))


def writer(address, *words):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(address), *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
    )


def sound(store):
    """Counters and latest values are those of the rows, and SQLite finds no fault in its file."""
    found = store.read()
    keys = np.stack([found.datastream, found.time])
    assert np.unique(keys, axis=1).shape == keys.shape
    assert store.count() == len(found)
    for stream in np.unique(found.datastream).tolist():
        mine = found.time[found.datastream == stream]
        assert store.count([stream]) == len(mine)
        assert store.latest([stream]).time.tolist() == [mine.max()]
    if store.dialect == "sqlite":
        with closing(sqlite3.connect(store.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/network.db"
    return request.getfixturevalue("postgresql").database(f"f{uuid4().hex}")


@pytest.mark.slow
def test_killed_in_the_middle_of_a_hundred_loads(address):
    size, told, begun = 2000, set(), 0
    with open_store(address) as store:
        streams(store)
    rng = random.Random(20)
    while begun < 100:
        process = writer(address, begun, 100 - begun, size, 1)
        until = begun + rng.randrange(5, 30)
        for line in process.stdout:
            if line.strip().isdigit():
                told.add(int(line))
                if int(line) >= until:
                    time.sleep(rng.random() * 0.02)
                    process.send_signal(signal.SIGKILL)
                    break
        told |= {int(line) for line in process.stdout if line.strip().isdigit()}
        process.wait()
        process.stdout.close()
        begun = max(told) + 1
    assert told == set(range(100))
    with open_store(address) as store:
        found = sound(store)
        assert len(found) == 100 * size
        np.testing.assert_array_equal(found.result, np.repeat(np.arange(100.0), size))


def test_a_load_that_was_not_acknowledged_is_whole_or_absent(address):
    with open_store(address) as store:
        streams(store)
    rng, size = random.Random(4), 20_000
    for k in range(4):
        process = writer(address, k, 1, size, 1)
        process.stdout.readline()
        time.sleep(rng.random() * 0.08)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with open_store(address) as store:
            found = sound(store)
            assert set(np.unique(found.result, return_counts=True)[1].tolist()) <= {size}


def test_two_programs_write_at_once(address):
    with open_store(address) as store:
        streams(store)
    # both write the same keys of the same series, so that they are in each other's way
    both = [writer(address, 0, 60, 100, 1) for _ in range(2)]
    lines = [process.communicate()[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(line == ["ready", *map(str, range(60))] for line in lines)
    with open_store(address) as store:
        assert len(sound(store)) == 6000


# ---- the server goes ----


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
def test_the_server_goes_and_comes_back(postgresql, stop):
    with open_store(postgresql.database(f"f{uuid4().hex}"), wait=60) as store:
        streams(store)
        told, go = [], threading.Event()

        def write():
            for k in range(400):
                told.append((k, store.write(batch(k, 50))))
                if k == 20:
                    go.set()

        thread = threading.Thread(target=write)
        thread.start()
        assert go.wait(60)
        postgresql.stop(stop)
        postgresql.start()
        thread.join(120)
        assert len(told) == 400
        assert all(fate.inserted + fate.unchanged == 50 for _, fate in told)
        assert len(sound(store)) == 400 * 50


def test_a_server_that_stays_away_is_told_clearly(postgresql):
    with open_store(postgresql.database(f"f{uuid4().hex}"), wait=0.5) as store:
        streams(store)
        store.write(batch(0, 50))
        postgresql.stop()
        try:
            with pytest.raises(StoreUnreachableError, match=r"does not answer.*Start the server"):
                store.write(batch(1, 50))
        finally:
            postgresql.start()
        assert store.write(batch(1, 50)) == Written(inserted=50)
        assert len(sound(store)) == 100


def test_a_data_base_that_is_not_there_is_told_at_once(postgresql):
    address = f"postgresql://headwater:secret@127.0.0.1:{postgresql.port}/nowhere"
    with pytest.raises(StoreUnreachableError, match="does not exist") as caught:
        open_store(address)
    assert "secret" not in str(caught.value)


# ---- the disk is full ----


@pytest.fixture
def little_room():
    """No file may grow beyond 2 MB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(store):
    for k in range(200):
        store.write(batch(k, 2000))
    return 200


def test_a_full_disk_is_refused_and_nothing_breaks(tmp_path, little_room):
    with open_store(tmp_path / "network.db") as store:
        streams(store)
        with pytest.raises(StoreFullError, match=r"cannot grow.*Make room"):
            fill(store)
        kept = sound(store)
        assert len(kept) % 2000 == 0
        assert 2000 <= len(kept) < 400_000
    little_room()
    with open_store(tmp_path / "network.db") as store:
        n = len(sound(store)) // 2000
        assert n == len(kept) // 2000
        assert store.write(batch(n, 2000)) == Written(inserted=2000)
        sound(store)


def test_a_full_file_system_is_refused_and_nothing_breaks(tmp_path):
    """The same on a file system that is really full, where we may make one."""
    script = tmp_path / "full.py"
    script.write_text(FULL_DISK)
    mount = f"mount -t tmpfs -o size=6m none {tmp_path} && exec {sys.executable} - {tmp_path}"
    with script.open() as text:
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", mount],
            stdin=text,
            capture_output=True,
            text=True,
            check=False,
        )
    if "permitted" in done.stderr or "denied" in done.stderr:
        pytest.skip("this user may not mount a file system")
    assert done.stdout.split() == ["full", "ok", "again", "ok"], done.stderr


FULL_DISK = """
import os, sqlite3, sys, numpy as np
from headwater.network import open_store
from headwater.network.entities import Observations
from headwater.network.entities import Datastream, ObservedProperty, Sensor, Thing
from headwater.network.store.protocol import StoreFullError
folder = sys.argv[1]
open(folder + "/ballast", "wb").write(bytes(1_000_000))
with open_store(folder + "/network.db") as store:
    with store.transaction() as session:
        links = {"thing_id": session.add(Thing(name="T")),
                 "sensor_id": session.add(Sensor(name="S")),
                 "observed_property_id": session.add(ObservedProperty(name="P", definition="d"))}
        session.add(Datastream(name="D", unit_of_measurement={}, **links))
    def write(k):
        time = 60_000_000 * (np.arange(2000) + 2000 * k)
        return store.write(Observations(np.ones(2000, int), time, np.full(2000, float(k))))
    def check():
        found = store.read()
        assert store.count() == len(found) == 2000 * len(np.unique(found.result))
        with store.transaction(read_only=True) as session:
            print(session.rows("PRAGMA integrity_check")[0][0])
        return len(found) // 2000
    try:
        for k in range(500):
            write(k)
    except StoreFullError:
        print("full")
    n = check()
    os.remove(folder + "/ballast")
    assert write(n).inserted == 2000
    print("again")
    assert check() == n + 1
"""


def test_a_month_that_finds_no_room_stays_in_the_store(tmp_path):
    with open_store(tmp_path / "network.db") as store:
        streams(store)
        rng, n = np.random.default_rng(1), 40_000  # incompressible, of one month
        time = T0 + 2 * DAY + MINUTE * np.arange(n)
        store.write(Observations(np.ones(n, int), time, rng.normal(size=n)))
    with open_store(tmp_path / "network.db") as store:  # its log is empty now
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            with pytest.raises(StoreFullError, match="archive cannot grow"):
                close_months(store)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert len(sound(store)) == n
        assert list(store.archive.folder.iterdir()) == []
        close_months(store)
        assert verify(store) == 1
        assert len(sound(store)) == n


@pytest.mark.slow
def test_killed_while_months_are_closed(tmp_path):
    with open_store(tmp_path / "network.db") as store:
        streams(store)
        n = 200_000
        time = T0 + 5 * MINUTE * np.arange(n)  # 23 months
        store.write(Observations(np.ones(n, int), time, np.arange(n) * 1.0))
    code = (
        "import sys; from headwater.network import open_store\n"
        "from headwater.network.store.archive_months import close_months\n"
        "with open_store(sys.argv[1]) as store:\n"
        "    print('ready', flush=True)\n"
        "    close_months(store)\n"
    )
    for wait in (0.15, 0.4, 0.9):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "network.db")], stdout=subprocess.PIPE
        )
        process.stdout.readline()
        pause(wait)
        process.kill()
        process.communicate()
        with open_store(tmp_path / "network.db") as store:
            assert sound(store).result.tolist() == list(range(n))
    with open_store(tmp_path / "network.db") as store:
        close_months(store)
        assert sound(store).result.tolist() == list(range(n))
        assert verify(store) == len(list(Path(store.archive.folder).iterdir()))


# ---- clocks ----


def test_a_clock_that_jumps_loses_nothing(address, tmp_path):
    now = [microseconds("2026-07-01T00:00:00Z")]
    with open_store(address, clock=lambda: now[0], archive=tmp_path / "archive") as store:
        streams(store)
        for k, jump in enumerate([0, -400 * DAY, 30_000 * DAY, -1, DAY]):
            now[0] += jump
            store.write(batch(k, 100))
        assert len(sound(store)) == 500
        now[0] = microseconds("2199-01-01T00:00:00Z")
        close_months(store)  # believes that everything is long closed
        now[0] = microseconds("2024-03-02T00:00:00Z")
        assert store.write(batch(5, 100)) == Written(inserted=100)
        assert store.write(batch(4, 100)) == Written(unchanged=100)
        assert len(sound(store)) == 600


def test_a_logger_with_a_wrong_clock_can_be_put_right(address, tmp_path):
    with open_store(address, archive=tmp_path / "archive") as store:
        streams(store)
        wrong = Observations([1, 1], [microseconds("1970-01-01T00:00:00Z"), -1], [1, 2])
        store.write(wrong)
        store.write(Observations([1], [microseconds("9999-12-31T23:59:59Z")], [3]))
        store.write(batch(0, 10))
        with store.transaction() as session:
            session.delete_observations(1, end=T0 - 100 * DAY)
            session.delete_observations(1, start=T0 + 100 * DAY)
        assert sound(store).time.tolist() == batch(0, 10).time.tolist()


def test_days_when_clocks_change_and_leap_days(address, tmp_path):
    zone = "Europe/Berlin"
    spring = [f"2024-03-31T{hour:02}:30:00" for hour in (0, 1, 3, 4)]
    times = [microseconds(text, zone=zone) for text in spring]
    assert (np.diff(times) == 60 * MINUTE).all()  # 01:30 and 03:30 are one hour apart
    autumn = ["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00"]  # the same hour twice
    times += [microseconds(text) for text in autumn]
    leap = [microseconds(f"2024-{day}T12:00:00Z") for day in ("02-28", "02-29", "03-01")]
    with open_store(address, archive=tmp_path / "archive") as store:
        streams(store)
        given = [*times, *leap]
        assert store.write(Observations([1] * 9, given, range(9))).inserted == 9
        assert sound(store).time.tolist() == sorted(given)
        assert [iso(t) for t in store.read([1], end=leap[2] + 1).time] == [
            "2024-02-28T12:00:00Z",
            "2024-02-29T12:00:00Z",
            "2024-03-01T12:00:00Z",
        ]
        means = store.daily_means()
        assert [iso(day)[:10] for day in means.day[:3]] == [
            "2024-02-28",
            "2024-02-29",
            "2024-03-01",
        ]
        assert [month.month for month in close_months(store)] == ["2024-02", "2024-03", "2024-10"]
        assert sound(store).time.tolist() == sorted(given)
