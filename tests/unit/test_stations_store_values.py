"""Times at the edge, observations as columns, addresses and SQL of the store."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

import headwater.network as room
from headwater.errors import InputError, TimeAxisError
from headwater.network import open_store
from headwater.network.entities import Observations, concatenate
from headwater.network.store.archive_months import digest
from headwater.network.store.open import sqlite_path, version_of
from headwater.network.store.postgres import binary_rows, translate
from headwater.network.store.protocol import StoreError
from headwater.network.store.read import days
from headwater.network.store.schema import VERSIONS, statements
from headwater.network.times import DAY, NEVER, iso, microseconds, month_bounds, months_of


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-07-01T12:00:00Z", None, "2026-07-01T12:00:00Z"),
        ("2026-07-01T12:00:00+08:00", "Europe/Berlin", "2026-07-01T04:00:00Z"),
        ("2026-07-01 12:00", "Asia/Shanghai", "2026-07-01T04:00:00Z"),
        ("2024-02-29T23:59:59.9999999Z", None, "2024-02-29T23:59:59.999999Z"),
        ("1986-05-04T03:00:00", "Asia/Shanghai", "1986-05-03T18:00:00Z"),  # China had summer time
        ("0001-01-01T00:00:00Z", None, "0001-01-01T00:00:00Z"),
    ],
)
def test_times_come_in_with_a_zone_and_go_out_in_utc(text, zone, utc):
    assert iso(microseconds(text, zone)) == utc


@pytest.mark.parametrize(
    ("text", "zone", "wrong"),
    [
        ("2026-07-01T12:00:00", None, "without a zone"),
        ("2024-03-31T02:30:00", "Europe/Berlin", "does not exist"),
        ("2024-10-27T02:30:00", "Europe/Berlin", "happens twice"),
        ("2023-02-29T00:00:00Z", None, "not a time"),
        ("2016-12-31T23:59:60Z", None, "not a time"),
        ("2026-07-01T12:00:00", "Asia/Yushu", "unknown time zone"),
        ("2026-07-01T12:00:00", "../../etc/passwd", "unknown time zone"),
        ("", None, "not a time"),
    ],
)
def test_times_that_mean_no_single_instant_are_refused(text, zone, wrong):
    with pytest.raises(TimeAxisError, match=wrong):
        microseconds(text, zone)
    with pytest.raises(TimeAxisError, match="years 1 to 9999"):
        iso(2**62)


def test_months_of_leap_years_and_before_1970():
    assert [(b - a) // DAY for a, b in map(month_bounds, ["1900-02", "2000-02", "2024-02"])] == [
        28,
        29,
        29,
    ]
    edges = np.array(month_bounds("1969-12"))
    assert months_of(edges - [0, 1]).tolist() == ["1969-12", "1969-12"]


def test_observations_are_checked_when_they_are_made():
    with pytest.raises(InputError, match="differ in length"):
        Observations([1, 2], [0], [1.0])
    with pytest.raises(InputError, match="infinite"):
        Observations([1], [0], [np.inf])
    with pytest.raises(InputError, match="years 1 to 9999"):
        Observations([1], [NEVER], [1.0])
    with pytest.raises(InputError, match="whole numbers"):
        Observations([1], [0.5], [1.0])
    stamps = np.array(["2024-02-29T00:00:00"], dtype="datetime64[s]")
    assert iso(Observations([1], stamps, [1]).time[0]) == "2024-02-29T00:00:00Z"


def test_the_newest_of_each_key_stays():
    given = Observations([2, 1, 2, 1], [5, 9, 5, 3], [1, 2, 3, 4], quality=["a", "b", "c", "d"])
    left = given.newest_per_key()
    assert list(zip(left.datastream, left.time, left.result, left.quality, strict=True)) == [
        (1, 3, 4, "d"),
        (1, 9, 2, "b"),
        (2, 5, 3, "c"),
    ]
    assert len(concatenate([]).newest_per_key()) == 0


def test_the_digest_sees_every_column_and_each_bit():
    one = Observations([1, 1], [0, 1], [0.5, np.nan], quality=["x", None])
    others = [
        Observations([1, 1], [0, 1], [np.nextafter(0.5, 1), np.nan], quality=["x", None]),
        Observations([1, 1], [0, 1], [0.5, np.nan], quality=[None, "x"]),
        Observations([1, 1], [0, 1], [0.5, np.nan], parameters=["x", None]),
        Observations([1, 1], [0, 1], [0.5, np.nan], quality=["x", None], feature=[1, NEVER]),
    ]
    assert len({digest(each) for each in [one, *others]}) == 5


def test_binary_copy_is_what_postgresql_describes():
    # PostgreSQL documentation, COPY: 16-bit number of fields, then for each a 32-bit length (-1
    # for NULL) and the bytes, all in network order
    found = binary_rows([np.array([258]), np.array([1.5]), np.array([NEVER])])
    assert found.hex() == (
        "0003" + "00000008" + "0000000000000102" + "00000008" + "3ff8000000000000" + "ffffffff"
    )


def test_placeholders_are_translated_outside_of_quotes():
    assert translate("a = ? AND b LIKE '%?''?' AND \"c?\" % 2 = ?") == (
        "a = %s AND b LIKE '%%?''?' AND \"c?\" %% 2 = %s"
    )


def test_days_are_rounded_down_before_1970_too():
    with sqlite3.connect(":memory:") as connection:
        times = [-DAY - 1, -DAY, -1, 0, DAY - 1, DAY]
        found = [connection.execute(f"SELECT {days('?1', 0)}", (t,)).fetchone()[0] for t in times]
        east = connection.execute(f"SELECT {days('?1', 1)}", (-1,)).fetchone()[0]
    connection.close()
    assert found == [t // DAY for t in times]
    assert east == 0


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("mysql://host/db", "unknown kind of store"),
        ("sqlite://host/net.db", "not an address"),
        ("sqlite:///net.db?mode=ro", "unknown option"),
        ("sqlite:///net.db?synchronous=maybe", "unknown 'synchronous'"),
        (":memory:", "in memory"),
        ("nowhere/at/all/net.db", "does not exist"),
    ],
)
def test_addresses_that_cannot_be_meant_are_refused(address, wrong):
    with pytest.raises(InputError, match=wrong):
        open_store(address)
    assert sqlite_path("sqlite:///a%20b.db") == (Path("a b.db"), {})


def test_a_file_that_is_no_store_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a data base, but somebody's notes\n" * 50)
    with pytest.raises(StoreError, match="not a sound store"):
        open_store(path)
    assert path.read_text().startswith("not a data base")


def test_migrations_are_one_transaction(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "headwater.network.store.schema.VERSIONS",
        (*VERSIONS, "CREATE TABLE more (id {int}); CREATE TABLE things (id {int});"),
    )
    monkeypatch.setattr("headwater.network.store.open.VERSIONS", (*VERSIONS, ""))
    with pytest.raises(StoreError, match="things already exists"):
        open_store(tmp_path / "network.db")
    monkeypatch.undo()
    with open_store(tmp_path / "network.db") as store, store.transaction() as session:
        assert version_of(session) == len(VERSIONS)
        assert not session.has_table("more")
    assert any("PARTITION BY" in text for text in statements(1, "postgresql"))
    timescale = statements(1, "postgresql", hypertable=True)
    assert "create_hypertable" in timescale[-1]
    assert not any("PARTITION BY" in text for text in timescale)


def test_the_room_names_what_it_has():
    assert set(room.__all__) <= set(dir(room))
    with pytest.raises(AttributeError, match="attribute"):
        room.nothing  # noqa: B018
