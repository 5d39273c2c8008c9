"""A watch over stations that goes on is one that is computed anew, in whatever order data come."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headwater.chapters.warning.station_days import (
    days_arrived,
    held_watch,
    load_watch,
    read_days,
    save_watch,
)
from headwater.chapters.warning.stations import (
    follow_stations,
    station_options,
    station_standings,
)
from headwater.network import open_store
from headwater.network.entities import Observations
from headwater.network.ingest.load import ensure_series
from headwater.network.ingest.parsed_file import Place, Series
from headwater.network.store.protocol import Store
from headwater.warning.monitor import pack_monitor

OPTIONS = station_options({"watch_from": "2018-01-01", "growing_season": [5, 9]}, "network.toml")
QUANTITIES = {"soil_moisture": "m3 m-3", "ndvi": "1", "precipitation": "mm"}
DAYS = pd.date_range("2012-01-03", "2020-09-25", freq="5D")
BEGUN = DAYS.searchsorted(pd.Timestamp("2019-07-01"))


def record() -> dict[str, np.ndarray]:
    """Values by quantity, of three stations; the second is grazed from 2019 on."""
    rng, day = np.random.default_rng(8), DAYS.day_of_year.to_numpy()
    wave = np.cos(2 * np.pi * (day - 200) / 365)[:, None]
    water = 0.2 + 0.04 * wave + rng.normal(0, 0.02, (len(DAYS), 3))
    green = 0.4 + 0.2 * wave + 0.8 * (water - 0.2) + rng.normal(0, 0.02, water.shape)
    green[DAYS >= "2019-06-20", 1] -= 0.15
    rain = rng.gamma(0.6, 5.0, water.shape)
    return {"soil_moisture": water, "ndvi": green, "precipitation": rain}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the first years, and a watch over it that has begun."""
    folder = tmp_path_factory.mktemp("stations")
    with open_store(folder / "net.db") as store:
        for at in range(3):
            place = Place(name=f"S{at}", latitude=35.0 + at, longitude=99.0)
            for name, unit in QUANTITIES.items():
                with store.transaction() as session:
                    series = Series(thing=place.name, name=name, quantity=name, unit=unit)
                    ensure_series(session, series, place)
        for part in range(len(QUANTITIES)):
            put(store, part, slice(0, BEGUN))
    return folder


def put(
    store: Store, part: int, rows: slice, shift: float = 0.0, stations: slice = slice(3)
) -> None:
    name = list(QUANTITIES)[part]
    time = DAYS[rows].to_numpy().astype("datetime64[us]").astype(np.int64)
    for at in range(3)[stations]:
        values = record()[name][rows, at] + shift
        store.write(Observations(np.full(len(time), 1 + 3 * at + part), time, values))


def look(store: Store, home: Path, row: int, fresh: bool = False):
    today = DAYS[row].to_numpy().astype("datetime64[D]") + 9
    known = load_watch(home, store.address, today, OPTIONS)
    days = read_days(store, OPTIONS, None if fresh else known.days)
    series = days.by_station()
    if fresh:
        state = follow_stations(series, OPTIONS, today, rng=np.random.default_rng(0))
    else:
        rng = np.random.default_rng(0)
        arrived = None if known.days is None else days_arrived(known.days.by_station(), series)
        state = follow_stations(series, OPTIONS, today, known.state, arrived, rng=rng)
        save_watch(home, store.address, today, days, state)
    return state, list(station_standings(series, OPTIONS, today, state))


#: Which quantity comes, up to when, what of the past is given otherwise, and what is deleted.
arrivals = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(1, 12),
        st.one_of(st.none(), st.integers(BEGUN - 30, BEGUN + 60), st.integers(300, 420)),
        st.one_of(st.none(), st.integers(BEGUN - 20, BEGUN + 10)),
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(came=arrivals)
def test_going_on_is_computing_anew(home: Path, tmp_path_factory, came) -> None:
    here = tmp_path_factory.mktemp("case")
    shutil.copy(home / "net.db", here / "net.db")
    until = [BEGUN] * 3
    with open_store(here / "net.db") as store:
        look(store, here / "net.watch", BEGUN)
        for part, more, mended, deleted in came:
            put(store, part, slice(until[part], until[part] + more))
            until[part] += more
            if mended is not None and mended < until[part]:
                put(store, part, slice(mended, mended + 1), 0.02, slice(0, 1))
            if deleted is not None:
                time = int(DAYS[deleted].value) // 1000
                with store.transaction() as session:
                    session.delete_observations(4 + part, times=[time])
            state, standing = look(store, here / "net.watch", max(until))
        other, anew = look(store, here / "net.watch", max(until), fresh=True)
    assert standing == anew
    assert state.key == other.key
    pairs = ((state.now, other.now, False), (state.checkpoint, other.checkpoint, True))
    for one, two, begins in pairs:
        a, b = (pack_monitor(monitor, begins_season=begins) for monitor in (one, two))
        assert (a.last, a.season, a.first_season) == (b.last, b.season, b.first_season)
        for name in a.moving:
            np.testing.assert_array_equal(a.moving[name], b.moving[name], err_msg=name)
        for name in a.history:
            np.testing.assert_array_equal(a.history[name], b.history[name], err_msg=name)


def same_as_anew(store: Store, home: Path) -> None:
    state, standing = look(store, home, BEGUN)
    other, anew = look(store, home, BEGUN, fresh=True)
    assert standing == anew
    assert state.key == other.key
    assert state.now.last == other.now.last


def damaged(whole: bytes, rng: np.random.Generator) -> list[bytes | None]:
    at = int(rng.integers(1, len(whole)))
    begun = whole[:at]
    return [None, b"", begun, begun + bytes(len(whole) - at), begun + rng.bytes(40)]


def test_a_damaged_state_is_computed_anew(home: Path, tmp_path: Path) -> None:
    shutil.copy(home / "net.db", tmp_path / "net.db")
    rng, watch = np.random.default_rng(3), tmp_path / "net.watch"
    today = DAYS[BEGUN].to_numpy().astype("datetime64[D]") + 9
    with open_store(tmp_path / "net.db") as store:
        look(store, watch, BEGUN)
        for file in sorted(watch.iterdir()):
            whole = file.read_bytes()
            for _ in range(4):
                for left in damaged(whole, rng):
                    file.unlink()
                    if left is not None:
                        file.write_bytes(left)
                    known = load_watch(watch, store.address, today, OPTIONS)
                    assert known.days is None or known.state is None, (file.name, left)
                    file.write_bytes(whole)
        assert load_watch(watch, store.address, today, OPTIONS).state is not None
        (watch / "days.npz").write_bytes(b"PK")
        same_as_anew(store, watch)


def test_a_series_whose_unit_is_corrected_is_read_anew(home: Path, tmp_path: Path) -> None:
    shutil.copy(home / "net.db", tmp_path / "net.db")
    percent = {"name": "percent by volume", "symbol": "vol%", "definition": "ucum:%"}
    with open_store(tmp_path / "net.db") as store:
        look(store, tmp_path / "net.watch", BEGUN)
        with store.transaction() as session:
            session.update("datastreams", 1, {"unit_of_measurement": percent})
        same_as_anew(store, tmp_path / "net.watch")


def test_one_look_waits_for_another(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with held_watch(tmp_path / "net.watch"):
            order.append("second")

    with held_watch(tmp_path / "net.watch"):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.3)
        order.append("first")
    other.join()
    assert order == ["first", "second"]
